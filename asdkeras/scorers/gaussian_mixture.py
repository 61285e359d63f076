"""Anomaly scores by the likeliest component of a Gaussian mixture."""

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.utils.validation import check_array

from asdkeras.layers.mixture_score import MixtureScore
from asdkeras.scorers.gaussians import log_likelihoods
from asdkeras.scorers.terms import Floats
from asdkeras.shapes import check_shapes

_TARGET_MODELS = ("gmm", "closed_form")


class _Mixture(BaseEstimator):
    """Components of a fitted mixture, the likeliest of which scores an embedding.

    Attributes:
        n_components_: components in use.
        converged_: whether the fit ended before its limit of iterations.
        weights_: `(n_components_,)`.
        means_: `(n_components_, dim)`.
        covariances_: `(n_components_, dim, dim)`.
    """

    component_weights: bool
    weights_: Floats
    means_: Floats
    covariances_: Floats

    def anomaly_score(self, embeddings: Any) -> Floats:
        """`-max_k [log pi_k + log N(x; mu_k, Sigma_k)]`, `(clips,)`, higher is more anomalous.

        `log pi_k` is left out unless weights of components count. Embeddings are `(clips, dim)`.
        """
        self._require_fit()
        embeddings = check_array(embeddings, dtype=np.float64)
        dim = self.means_.shape[1]
        check_shapes(type(self).__name__, embeddings=(embeddings, f"clips {dim}"))
        likelihoods = log_likelihoods(embeddings, self.means_, self.covariances_)
        if self.component_weights:
            likelihoods = likelihoods + np.log(self.weights_)
        return -likelihoods.max(axis=1)

    def layer(self) -> MixtureScore:
        """`anomaly_score` as a Keras layer."""
        self._require_fit()
        layer = MixtureScore(len(self.means_))
        weights = self.weights_ if self.component_weights else None
        layer.set_components(self.means_, self.covariances_, weights)
        return layer

    def _require_fit(self) -> None:
        if not hasattr(self, "means_"):
            raise NotFittedError(f"a {type(self).__name__} has no components; call `fit` first.")

    def _take(self, weights: Floats, means: Floats, covariances: Floats, converged: bool) -> None:
        self.weights_, self.means_, self.covariances_ = weights, means, covariances
        self.n_components_, self.converged_ = len(weights), converged


class ClosestMixture(_Mixture):
    """The likeliest component of several fitted mixtures, which need no fit of its own.

    There is at least one mixture; all count the weights of components or all do not.
    """

    def __init__(self, mixtures: Sequence[_Mixture]) -> None:
        self.mixtures = mixtures
        self.component_weights = mixtures[0].component_weights
        self._take(
            np.concatenate([mixture.weights_ for mixture in mixtures]),
            np.concatenate([mixture.means_ for mixture in mixtures]),
            np.concatenate([mixture.covariances_ for mixture in mixtures]),
            converged=True,
        )


class GaussianMixtureScorer(_Mixture):
    """Negative log-likelihood of the likeliest component of a mixture of full Gaussians.

    With fewer clips than components there is one component per clip, and its mean
    starts at the clip. A single component is a Gaussian in closed form: mean and
    population covariance, so for one clip a round one. A mixture that does not converge
    is kept as it is, see `converged_`.

    Args:
        n_components: at least 1 (paper: S).
        reg_covar: above 0, added to the variances.
        component_weights: True counts the weight of the component in, as the paper says; False
            does not, as the code of the loss paper does.
        random_state: for the k-means that splits the clips at the start. It runs even if
            `means_init` is given.
    """

    def __init__(
        self,
        n_components: int,
        *,
        reg_covar: float = 1e-3,
        component_weights: bool = True,
        random_state: int | np.random.RandomState = 0,
    ) -> None:
        self.n_components = n_components
        self.reg_covar = reg_covar
        self.component_weights = component_weights
        self.random_state = random_state

    def fit(self, embeddings: Any, means_init: Any = None) -> "GaussianMixtureScorer":
        """Fit to normal clips, `(clips, dim)`; returns self.

        Args:
            means_init: `(n_components, dim)`, where the means start if there are more clips than
                components. None starts at k-means centers.

        Raises:
            ValueError: if an argument has the wrong shape, range or is not finite.
        """
        embeddings = check_array(embeddings, dtype=np.float64)
        means_init = self._checked_means(means_init, embeddings.shape[1])
        n_components = min(self.n_components, len(embeddings))
        if len(embeddings) <= self.n_components:
            means_init = embeddings
        if n_components == 1:
            mean = embeddings.mean(axis=0, keepdims=True)
            centered = embeddings - mean
            covariance = centered.T @ centered / len(embeddings)
            covariance += self.reg_covar * np.eye(embeddings.shape[1])
            self._take(np.ones(1), mean, covariance[None], converged=True)
            return self
        mixture = GaussianMixture(
            n_components,
            covariance_type="full",
            tol=1e-3,
            reg_covar=self.reg_covar,
            max_iter=100,
            n_init=1,
            init_params="kmeans",
            means_init=means_init,
            random_state=self.random_state,
        )
        with warnings.catch_warnings():
            # Recorded as `converged_`; also raised by k-means when clips are identical.
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(embeddings)
        self._take(mixture.weights_, mixture.means_, mixture.covariances_, mixture.converged_)
        return self

    def _checked_means(self, means_init: Any, dim: int) -> Floats | None:
        if self.n_components < 1:
            raise ValueError(
                f"`n_components` must be at least 1. Received: n_components={self.n_components}"
            )
        if means_init is None:
            return None
        means_init = check_array(means_init, dtype=np.float64)
        if means_init.shape != (self.n_components, dim):
            raise ValueError(
                f"`means_init` must have the shape {(self.n_components, dim)}, one mean per "
                f"component. Received: means_init of shape {means_init.shape}"
            )
        return means_init


class TargetMixtureScorer(_Mixture):
    """Mixture of as many Gaussians as there are clips, means starting at the clips.

    With clips apart, fitting leaves the means at the clips and all covariances at
    `reg_covar`, so the score is a constant plus the squared distance to the closest clip
    over `2 reg_covar`; for unit vectors that is 1000 times the cosine distance. Clips
    nearer than about 0.01 in cosine distance are merged by the fit.

    Args:
        model: `gmm` fits the mixture, as the paper says; `closed_form` takes it as
            described above. Identical clips always get the closed form.
        reg_covar: above 0, added to the variances.
        component_weights: whether the weight of the component counts.
    """

    def __init__(
        self,
        *,
        model: Literal["gmm", "closed_form"] = "gmm",
        reg_covar: float = 1e-3,
        component_weights: bool = True,
        random_state: int | np.random.RandomState = 0,
    ) -> None:
        self.model = model
        self.reg_covar = reg_covar
        self.component_weights = component_weights
        self.random_state = random_state

    def fit(self, embeddings: Any) -> "TargetMixtureScorer":
        """Fit to the normal clips of the target domain, `(clips, dim)`; returns self."""
        if self.model not in _TARGET_MODELS:
            raise ValueError(
                f"`model` must be one of {_TARGET_MODELS}. Received: model={self.model!r}"
            )
        embeddings = check_array(embeddings, dtype=np.float64)
        n_clips, dim = embeddings.shape
        has_identical_clips = len(np.unique(embeddings, axis=0)) < n_clips
        if self.model == "closed_form" or has_identical_clips:
            covariances = np.tile(self.reg_covar * np.eye(dim), (n_clips, 1, 1))
            weights = np.full(n_clips, 1.0 / n_clips)
            self._take(weights, embeddings.copy(), covariances, converged=True)
            return self
        mixture = GaussianMixtureScorer(
            n_clips, reg_covar=self.reg_covar, random_state=self.random_state
        ).fit(embeddings)
        self._take(mixture.weights_, mixture.means_, mixture.covariances_, mixture.converged_)
        return self
