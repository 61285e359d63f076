"""Anomaly scores by the likeliest component of a Gaussian mixture."""

import warnings

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.utils.validation import check_array, check_is_fitted

from asdkeras.scorers.gaussians import closest_component_score

_TARGET_MODELS = ("gmm", "closed_form")


class GaussianMixtureScorer(BaseEstimator):
    """Negative log-likelihood of the likeliest component of a mixture of full Gaussians.

    With fewer clips than components there is one component per clip, and its mean
    starts at the clip. A single component is a Gaussian in closed form: mean and
    population covariance, so for one clip a round one. A mixture that does not converge
    is kept as it is, see `converged_`.

    Args:
        n_components: int, at least 1 (paper: S).
        reg_covar: float above 0, added to the variances.
        component_weights: bool. True counts the weight of the component in, as the
            paper says; False does not, as the code of the loss paper does.
        random_state: int or `numpy.random.RandomState`, for the k-means that splits the
            clips at the start. It runs even if `means_init` is given.

    Attributes:
        n_components_: int, components in use.
        converged_: bool.
        weights_: `(n_components_,)`.
        means_: `(n_components_, dim)`.
        covariances_: `(n_components_, dim, dim)`.
    """

    def __init__(self, n_components, *, reg_covar=1e-3, component_weights=True, random_state=0):
        self.n_components = n_components
        self.reg_covar = reg_covar
        self.component_weights = component_weights
        self.random_state = random_state

    def fit(self, embeddings, means_init=None):
        """Fit to normal clips.

        Args:
            embeddings: float, `(clips, dim)`.
            means_init: float, `(n_components, dim)`, where the means start if there are
                more clips than components. None starts at k-means centers.

        Returns:
            self.

        Raises:
            ValueError: if an argument has the wrong shape, range or is not finite.
        """
        embeddings = check_array(embeddings, dtype=np.float64)
        means_init = self._checked_means(means_init, embeddings.shape[1])
        self.n_components_ = min(self.n_components, len(embeddings))
        if len(embeddings) <= self.n_components:
            means_init = embeddings
        if self.n_components_ == 1:
            self.converged_ = True
            self.weights_ = np.ones(1)
            self.means_ = embeddings.mean(axis=0, keepdims=True)
            self.covariances_ = _covariance(embeddings, self.reg_covar)[None]
            return self
        mixture = _fitted_mixture(
            embeddings, self.n_components_, means_init, self.reg_covar, self.random_state
        )
        self.converged_ = bool(mixture.converged_)
        self.weights_ = mixture.weights_
        self.means_ = mixture.means_
        self.covariances_ = mixture.covariances_
        return self

    def _checked_means(self, means_init, dim):
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

    def anomaly_score(self, embeddings):
        """Higher is more anomalous. ndarray `(clips,)`."""
        check_is_fitted(self)
        embeddings = check_array(embeddings, dtype=np.float64)
        return closest_component_score(
            embeddings, self.weights_, self.means_, self.covariances_, self.component_weights
        )


class TargetMixtureScorer(BaseEstimator):
    """Mixture of as many Gaussians as there are clips, means starting at the clips.

    With clips apart, fitting leaves the means at the clips and all covariances at
    `reg_covar`, so the score is a constant plus the squared distance to the closest clip
    over `2 reg_covar`; for unit vectors that is 1000 times the cosine distance. Clips
    nearer than about 0.01 in cosine distance are merged by the fit.

    Args:
        model: `gmm` fits the mixture, as the paper says; `closed_form` takes it as
            described above. Identical clips always get the closed form.
        reg_covar: float above 0, added to the variances.
        component_weights: bool, whether the weight of the component counts.
        random_state: int or `numpy.random.RandomState`.

    Attributes:
        n_components_: int, number of clips.
        converged_: bool.
        weights_: `(n_components_,)`.
        means_: `(n_components_, dim)`.
        covariances_: `(n_components_, dim, dim)`.
    """

    def __init__(self, *, model="gmm", reg_covar=1e-3, component_weights=True, random_state=0):
        self.model = model
        self.reg_covar = reg_covar
        self.component_weights = component_weights
        self.random_state = random_state

    def fit(self, embeddings):
        """Fit to the normal clips of the target domain, `(clips, dim)`; returns self."""
        if self.model not in _TARGET_MODELS:
            raise ValueError(
                f"`model` must be one of {_TARGET_MODELS}. Received: model={self.model!r}"
            )
        embeddings = check_array(embeddings, dtype=np.float64)
        n_clips, dim = embeddings.shape
        has_identical_clips = len(np.unique(embeddings, axis=0)) < n_clips
        self.n_components_ = n_clips
        if self.model == "closed_form" or has_identical_clips:
            self.converged_ = True
            self.weights_ = np.full(n_clips, 1.0 / n_clips)
            self.means_ = embeddings.copy()
            self.covariances_ = np.tile(self.reg_covar * np.eye(dim), (n_clips, 1, 1))
            return self
        mixture = GaussianMixtureScorer(
            n_clips, reg_covar=self.reg_covar, random_state=self.random_state
        ).fit(embeddings)
        self.converged_ = mixture.converged_
        self.weights_ = mixture.weights_
        self.means_ = mixture.means_
        self.covariances_ = mixture.covariances_
        return self

    def anomaly_score(self, embeddings):
        """Higher is more anomalous. ndarray `(clips,)`."""
        check_is_fitted(self)
        embeddings = check_array(embeddings, dtype=np.float64)
        return closest_component_score(
            embeddings, self.weights_, self.means_, self.covariances_, self.component_weights
        )


def _covariance(embeddings, reg_covar):
    centered = embeddings - embeddings.mean(axis=0)
    return centered.T @ centered / len(embeddings) + reg_covar * np.eye(embeddings.shape[1])


def _fitted_mixture(embeddings, n_components, means_init, reg_covar, random_state):
    mixture = GaussianMixture(
        n_components,
        covariance_type="full",
        tol=1e-3,
        reg_covar=reg_covar,
        max_iter=100,
        n_init=1,
        init_params="kmeans",
        means_init=means_init,
        random_state=random_state,
    )
    with warnings.catch_warnings():
        # Recorded as `converged_`; also raised by k-means when clips are identical.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mixture.fit(embeddings)
