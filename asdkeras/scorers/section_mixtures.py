"""The distributions of one section's normal clips, and the terms of its anomaly score."""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from asdkeras.scorers.gaussian_mixture import GaussianMixtureScorer, TargetMixtureScorer

_LARGEST_SEED = 2**31 - 1


class SectionMixtures(BaseEstimator):
    """Mixtures per section, per attribute and on the target clips, of one section.

    Args:
        n_components: int, components per mixture where there are clips enough.
        reg_covar: float, added to the diagonal of every covariance.
        component_weights: bool, whether a component's likelihood counts with its weight.
        target_model: `gmm` fits the mixture on the target clips, `closed_form` takes
            what it converges to if the clips lie apart.
        random_state: int or RandomState, for the k-means that starts every mixture.

    Attributes:
        section_: mixture of all source clips.
        attributes_: list of mixtures, one per attribute label of the source clips.
        target_: mixture on the target clips, None without any.
        temporal_maximum_: list of Gaussians per attribute label, empty if not asked for.
        num_unconverged_: int, mixtures whose fit stopped at the iteration limit.

    References:
        Wilkinghoff, "Combining Multiple Distributions based on Sub-Cluster AdaCos for
        Anomalous Sound Detection under Domain Shifted Conditions", DCASE Workshop 2021,
        Eq. (2) to (4).
    """

    def __init__(
        self,
        n_components,
        *,
        reg_covar=1e-3,
        component_weights=True,
        target_model="gmm",
        random_state=0,
    ):
        self.n_components = n_components
        self.reg_covar = reg_covar
        self.component_weights = component_weights
        self.target_model = target_model
        self.random_state = random_state

    def fit(
        self,
        embeddings,
        attributes,
        *,
        target_embeddings,
        section_means=None,
        attribute_means=None,
        temporal_maxima=None,
    ):
        """Fit on normal clips.

        Args:
            embeddings: `(n_source, dim)`, of unit length.
            attributes: int, `(n_source,)`, attribute label of each clip.
            target_embeddings: `(n_target, dim)`, of unit length; may have no rows.
            section_means: `(n_components, dim)`, where the section's mixture starts.
            attribute_means: `(n_labels, n_components, dim)`, the same per attribute label.
            temporal_maxima: `(n_source, bins)`, for the term of Eq. (4), or None.
        """
        random = check_random_state(self.random_state)
        self.section_ = self._mixture(random).fit(embeddings, section_means)
        self.attributes_, self.temporal_maximum_ = [], []
        for label in np.unique(attributes):
            means = None if attribute_means is None else attribute_means[label]
            chosen = attributes == label
            self.attributes_.append(self._mixture(random).fit(embeddings[chosen], means))
            if temporal_maxima is not None:
                gaussian = GaussianMixtureScorer(1, reg_covar=self.reg_covar)
                self.temporal_maximum_.append(gaussian.fit(temporal_maxima[chosen]))
        self.target_ = None
        if len(target_embeddings):
            self.target_ = TargetMixtureScorer(
                model=self.target_model,
                reg_covar=self.reg_covar,
                component_weights=self.component_weights,
                random_state=random.randint(_LARGEST_SEED),
            ).fit(target_embeddings)
        mixtures = [self.section_, *self.attributes_]
        self.num_unconverged_ = sum(not mixture.converged_ for mixture in mixtures)
        return self

    def terms(self, embeddings, temporal_maxima=None):
        """The terms of the anomaly score; higher is more anomalous.

        Args:
            embeddings: `(clips, dim)`, of unit length.
            temporal_maxima: `(clips, bins)`, needed if fitted with them.

        Returns:
            dict of `section`, `attributes`, `target` and `tmax`, each `(clips,)`; NaN
            where there is no such distribution.
        """
        check_is_fitted(self)
        absent = np.full(len(embeddings), np.nan)
        return {
            "section": self.section_.anomaly_score(embeddings),
            "attributes": _smallest(self.attributes_, embeddings),
            "target": self.target_.anomaly_score(embeddings) if self.target_ else absent,
            "tmax": (
                _smallest(self.temporal_maximum_, temporal_maxima)
                if self.temporal_maximum_
                else absent
            ),
        }

    def _mixture(self, random):
        return GaussianMixtureScorer(
            self.n_components,
            reg_covar=self.reg_covar,
            component_weights=self.component_weights,
            random_state=random.randint(_LARGEST_SEED),
        )


def _smallest(scorers, values):
    return np.min([scorer.anomaly_score(values) for scorer in scorers], axis=0)
