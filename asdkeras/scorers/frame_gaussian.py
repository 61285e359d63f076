"""A Gaussian of frames, from which a clip gets one score per frame."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from asdkeras.scorers.gaussians import Floats, log_likelihoods
from asdkeras.scorers.residual_scatter import ResidualScatter, with_batch

_POOLINGS: dict[str, Callable[..., Floats]] = {
    "mean": np.mean,
    "maximum": np.max,
    "median": np.median,
}


class FrameGaussian:
    """Gaussian with full covariance of the error vectors of frames, fitted batch by batch.

    The frames of many clips do not fit into memory; what the fit needs of them does, their
    mean and the sum of outer products about it, which are brought together without a
    difference of large numbers. All in float64. Errors are `(clips, frames, bands)`, finite and
    of the same bands in every call.

    The covariance is the biased one plus `reg_covar` on the diagonal, so the result is that of
    `sklearn.mixture.GaussianMixture(1, covariance_type="full", reg_covar=reg_covar)`.

    Args:
        reg_covar: above 0, in the unit of the squared error. It keeps the covariance regular
            where there are few frames.

    References:
        Kuroyanagi et al., "Anomalous Sound Detection with Ensemble of Autoencoder and Binary
        Classification Approaches", DCASE 2021 Challenge.
    """

    def __init__(self, reg_covar: float = 1e-6) -> None:
        if not reg_covar > 0.0:
            raise ValueError(
                "`reg_covar` must be above 0, for frames may lie in a plane. "
                f"Received: reg_covar={reg_covar}"
            )
        self.reg_covar = reg_covar
        self._scatter: ResidualScatter | None = None

    def partial_fit(self, errors: Any) -> "FrameGaussian":
        """Add the frames of some clips; returns this object.

        Raises:
            ValueError: if `errors` have another shape or other bands, or are not finite.
        """
        self._scatter = with_batch(self._scatter, self._checked(errors))
        return self

    def without(self, errors: Any) -> "FrameGaussian":
        """The Gaussian of all frames but these, for a score of clips it was fitted to.

        Args:
            errors: given to `partial_fit` before, bit for bit or nearly so: that they were is not
                checked.

        Raises:
            ValueError: as `partial_fit`, or if no frame would be left.
        """
        whole, part = self._fitted(), with_batch(None, self._checked(errors))
        rest = FrameGaussian(self.reg_covar)
        rest._scatter = whole if part is None else _difference(whole, part)
        return rest

    def frame_scores(self, errors: Any) -> Floats:
        """Negative log-likelihood of every frame, in nats, `(clips, frames)`."""
        mean, covariance = self.mean, self.covariance
        errors = self._checked(errors)
        rows = errors.reshape(-1, len(mean))
        scores = -log_likelihoods(rows, mean[None], covariance[None])[:, 0]
        return scores.reshape(errors.shape[:2])

    @property
    def num_frames(self) -> int:
        """Frames added so far."""
        return 0 if self._scatter is None else self._scatter.n_rows

    @property
    def mean(self) -> Floats:
        """Of the errors, `(bands,)`."""
        return self._fitted().mean

    @property
    def covariance(self) -> Floats:
        """Of the errors, `(bands, bands)`, with `reg_covar` on the diagonal."""
        scatter = self._fitted()
        biased = (scatter.within + scatter.between) / scatter.n_rows
        return biased + self.reg_covar * np.eye(len(biased))

    def _fitted(self) -> ResidualScatter:
        if self._scatter is None:
            raise ValueError("FrameGaussian has no frames yet; call `partial_fit` first.")
        return self._scatter

    def _checked(self, errors: Any) -> Floats:
        errors = np.asarray(errors, np.float64)
        if errors.ndim != 3 or 0 in errors.shape[1:]:
            raise ValueError(
                "`errors` must have the shape (clips, frames, bands), with frames and bands. "
                f"Received: errors of shape {errors.shape}"
            )
        if self._scatter is not None and errors.shape[2] != len(self._scatter.mean):
            raise ValueError(
                f"`errors` must have {len(self._scatter.mean)} bands as before. "
                f"Received: errors of shape {errors.shape}"
            )
        if not np.all(np.isfinite(errors)):
            raise ValueError(
                "`errors` must be finite. Received: errors with NaN or infinite values; the "
                "network that made them may have diverged."
            )
        return errors


def _difference(whole: ResidualScatter, part: ResidualScatter) -> ResidualScatter:
    """The scatter that gives `whole` when `part` is added."""
    n_rows = whole.n_rows - part.n_rows
    if n_rows < 1:
        raise ValueError(
            "`errors` must leave some of the frames that were fitted. Received: "
            f"{part.n_rows} frames of {whole.n_rows}"
        )
    mean = whole.mean + part.n_rows / n_rows * (whole.mean - part.mean)
    gap = part.mean - mean
    between = n_rows * part.n_rows / whole.n_rows * np.outer(gap, gap)
    outer_products = whole.within + whole.between - part.within - between
    return ResidualScatter(
        whole.n_vectors - part.n_vectors, n_rows, mean, outer_products, np.zeros_like(between)
    )


def pool_frames(scores: Any, pooling: Literal["mean", "maximum", "median"]) -> Floats:
    """One score per clip, float64 `(clips,)`, from the scores of its frames, `(clips, frames)`."""
    if pooling not in _POOLINGS:
        raise ValueError(
            f"`pooling` must be one of {', '.join(_POOLINGS)}. Received: pooling={pooling!r}"
        )
    return _POOLINGS[pooling](np.asarray(scores, np.float64), axis=1)
