"""Anomaly score of the 2023 baseline: residuals measured against those of normal sounds."""

from typing import Any, Literal

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_array

from asdkeras.layers.mahalanobis_distance import MahalanobisDistance
from asdkeras.scorers.residual_scatter import ResidualScatter, with_batch
from asdkeras.scorers.terms import Floats

_COVARIANCES = ("released", "textbook")
_FORMS = ("mean_residual", "framewise")
_DOMAINS = ("source", "target")
# Residuals are single precision: what is smaller than their rounding, squared, is noise.
_LEAST_EIGENVALUE = 1e-12


class SelectiveMahalanobis(BaseEstimator):
    """Squared Mahalanobis length of a clip's residuals, in the closer of two domains.

    The residual of a frame is its log-mel spectrum less the autoencoder's reconstruction.
    Normal sounds have larger residuals in some bands than in others; the inverse of their
    covariance weighs the bands accordingly. Source and target sounds have a covariance each,
    and the smaller of both lengths counts, so that a target clip is not anomalous for being
    unlike the many source clips. The residuals that are scored are not centered.

    Fitted batch by batch with `partial_fit`, in double precision, from the residuals of the
    trained network in inference mode. The covariance is inverted as it is, without a
    regularizer. To score with covariances kept from an earlier fit, set both attributes
    `covariance_source_` and `covariance_target_`.

    Args:
        covariance: `released` centers the rows of every training batch and domain by their
            own mean, adds up the outer products and divides by the number of *vectors* less
            one, as the released code does; a vector has several rows (5 frames), so it is
            about that many times too large, and the score that many times too small, which
            changes no order of clips. It depends on which vectors shared a batch: their mean
            takes more from the covariance, the fewer vectors of a domain a batch has.
            `textbook` centers by the mean over all rows of the domain and divides by the
            number of *rows* less one; batches make no difference.
        form: `mean_residual` scores the mean m of a clip's residual rows, m S^-1 m^T. The
            released code gets the same from the matrix of products between all pairs of
            rows, of which it takes the mean. All published results are in this form.
            `framewise` is the mean over rows d of d S^-1 d^T, as the paper describes it; it
            equals the trace of S^-1 M with M the mean of d^T d.

    Attributes:
        covariance_source_: `(bands, bands)`, in dB^2. None without vectors.
        covariance_target_: as `covariance_source_`.
        precision_source_: `(bands, bands)`, its inverse. None without vectors; ValueError if the
            covariance is singular.
        precision_target_: as `precision_source_`.
        scatters_: the sums over the batches of `source` and `target`.

    References:
        Harada et al., "First-Shot Anomaly Detection for Machine Condition Monitoring: A Domain
        Generalization Baseline", EUSIPCO 2023;
        github.com/nttcslab/dcase2023_task2_baseline_ae, commit 3542486.
    """

    covariance_source_: Floats | None
    covariance_target_: Floats | None

    def __init__(
        self,
        covariance: Literal["released", "textbook"] = "released",
        form: Literal["mean_residual", "framewise"] = "mean_residual",
    ) -> None:
        self.covariance = covariance
        self.form = form

    def partial_fit(self, residuals: Any, is_target: Any) -> "SelectiveMahalanobis":
        """Add a batch of training vectors; returns self.

        Args:
            residuals: `(vectors, frames, bands)`, in dB.
            is_target: bool, `(vectors,)`. Whether the vector is of the target domain.

        Raises:
            ValueError: if an argument has the wrong shape or type, is not finite or has other bands
                than earlier batches.
        """
        self._check_choices()
        residuals, is_target = self._checked_batch(residuals, is_target)
        scatters = getattr(self, "scatters_", dict.fromkeys(_DOMAINS))
        self.scatters_ = {
            "source": with_batch(scatters["source"], residuals[~is_target]),
            "target": with_batch(scatters["target"], residuals[is_target]),
        }
        self.covariance_source_ = self._covariance(self.scatters_["source"])
        self.covariance_target_ = self._covariance(self.scatters_["target"])
        return self

    def terms(self, residuals: Any) -> dict[str, Floats]:
        """The lengths by `source` and `target`, `(clips,)`, not negative; higher is more anomalous.

        The one by `target` is NaN if there was no target vector.

        Args:
            residuals: for the form `mean_residual` the mean over all residual rows of a clip,
                `(clips, bands)`, in dB; for `framewise` the mean over them of the outer products of
                a row with itself, `(clips, bands, bands)`, in dB^2.

        Raises:
            ValueError: if the argument has the wrong shape or is not finite, there was no
                source vector, or a covariance is singular.
        """
        self._check_choices()
        self._check_fitted()
        if self.covariance_source_ is None:
            raise ValueError(
                "a score needs residuals of the source domain, and target alone is not enough. "
                "Received: 0 source vectors in `partial_fit`. Fit to clips of both domains."
            )
        residuals = self._checked_clips(residuals)
        return {
            "source": self._lengths(residuals, self.precision_source_),
            "target": self._lengths(residuals, self.precision_target_),
        }

    def anomaly_score(self, residuals: Any) -> Floats:
        """The smaller of both terms, `(clips,)`; higher is more anomalous."""
        terms = self.terms(residuals)
        return np.fmin(terms["source"], terms["target"])

    def layer(self) -> MahalanobisDistance:
        """`anomaly_score` as a Keras layer."""
        self._check_fitted()
        known = (self.covariance_source_, self.covariance_target_)
        covariances = [covariance for covariance in known if covariance is not None]
        layer = MahalanobisDistance(len(covariances), self.form)
        layer.set_covariances(covariances)
        return layer

    @property
    def precision_source_(self) -> Floats | None:
        return self._precision("source")

    @property
    def precision_target_(self) -> Floats | None:
        return self._precision("target")

    def _covariance(self, scatter: ResidualScatter | None) -> Floats | None:
        if scatter is None:
            return None
        if self.covariance == "released":
            total, count = scatter.within, scatter.n_vectors
        else:
            total, count = scatter.within + scatter.between, scatter.n_rows
        # A single one has no covariance. Zeros are singular, so no score comes of them.
        return total / (count - 1) if count > 1 else np.zeros_like(total)

    def _precision(self, domain: str) -> Floats | None:
        self._check_fitted()
        covariance = getattr(self, f"covariance_{domain}_")
        if covariance is None:
            return None
        covariance = np.asarray(covariance, dtype=np.float64)
        eigenvalues = np.linalg.eigvalsh(covariance)
        if not eigenvalues[0] > _LEAST_EIGENVALUE * eigenvalues[-1]:
            scatter = getattr(self, "scatters_", {}).get(domain)
            rows = "" if scatter is None else f" of {scatter.n_rows} residual rows"
            raise ValueError(
                f"the covariance of the {domain} domain must not be singular, because its "
                f"inverse weighs the bands. Received: the covariance{rows} of {len(covariance)} "
                f"bands, with eigenvalues from {eigenvalues[0]:.3g} to {eigenvalues[-1]:.3g}. Fit "
                "to clips with many more rows than bands, or leave out bands that are constant "
                "or copies of others."
            )
        return np.linalg.inv(covariance)

    def _lengths(self, residuals: Floats, precision: Floats | None) -> Floats:
        if precision is None:
            return np.full(len(residuals), np.nan)
        if self.form == "framewise":
            return np.einsum("ij,cji->c", precision, residuals)
        return ((residuals @ precision) * residuals).sum(axis=1)

    def _check_fitted(self) -> None:
        if not hasattr(self, "covariance_source_"):
            raise NotFittedError(
                "a SelectiveMahalanobis needs residuals of normal clips first. Call `partial_fit` "
                "with every training batch."
            )

    def _check_choices(self) -> None:
        for name, choices in (("covariance", _COVARIANCES), ("form", _FORMS)):
            value = getattr(self, name)
            if value not in choices:
                raise ValueError(f"`{name}` must be one of {choices}. Received: {name}={value!r}")

    def _checked_batch(self, residuals: Any, is_target: Any) -> tuple[Floats, Any]:
        residuals = _checked(residuals)
        if residuals.ndim != 3 or 0 in residuals.shape:
            raise ValueError(
                "`residuals` must have the shape (vectors, frames, bands), none of them 0. "
                f"Received: residuals of shape {residuals.shape}"
            )
        is_target = np.asarray(is_target)
        if is_target.dtype != bool or is_target.shape != residuals.shape[:1]:
            raise ValueError(
                "`is_target` must be bool, one for each of the vectors. Received: is_target of "
                f"{is_target.dtype} and shape {is_target.shape} for {len(residuals)} vectors"
            )
        for domain in _DOMAINS:
            _check_bands(residuals, getattr(self, f"covariance_{domain}_", None))
        return residuals, is_target

    def _checked_clips(self, residuals: Any) -> Floats:
        residuals = _checked(residuals)
        axes = ("clips", "bands", "bands") if self.form == "framewise" else ("clips", "bands")
        if residuals.ndim != len(axes) or len(set(residuals.shape[1:])) != 1:
            raise ValueError(
                f"`residuals` must have the shape ({', '.join(axes)}) for form={self.form!r}. "
                f"Received: residuals of shape {residuals.shape}"
            )
        _check_bands(residuals, self.covariance_source_)
        return residuals


def _checked(residuals: Any) -> Floats:
    return check_array(residuals, dtype=np.float64, ensure_2d=False, allow_nd=True)


def _check_bands(residuals: Floats, covariance: Floats | None) -> None:
    if covariance is not None and residuals.shape[-1] != len(covariance):
        raise ValueError(
            f"`residuals` must have the {len(covariance)} bands of the batches before. Received: "
            f"residuals of shape {residuals.shape}"
        )
