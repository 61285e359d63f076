"""The distributions of one section's normal clips, and the terms of its anomaly score."""

from typing import Any, Literal, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from asdkeras.scorers.gaussian_mixture import (
    ClosestMixture,
    GaussianMixtureScorer,
    TargetMixtureScorer,
)
from asdkeras.scorers.terms import Term, scored

_LARGEST_SEED = 2**31 - 1


class MixtureTerms(NamedTuple):
    """The terms of the anomaly score of a section, higher is more anomalous.

    Attributes:
        section: by the mixture of all source clips.
        pooled: by the mixture of source and target clips together; None if not asked for, or
            without target clips.
        attributes: by the likeliest mixture of source clips of one attribute label; None if not
            asked for.
        target: by the mixture of the target clips; None without any.
        tmax: by the likeliest Gaussian of temporal maxima; None if not fitted with them.
    """

    section: Term
    pooled: Term | None
    attributes: Term | None
    target: Term | None
    tmax: Term | None


class SectionMixtures(BaseEstimator):
    """Mixtures per section, per attribute and on the target clips, of one section.

    Args:
        n_components: per mixture, where there are clips enough.
        reg_covar: see `GaussianMixtureScorer`.
        component_weights: see `GaussianMixtureScorer`.
        target_model: see `TargetMixtureScorer`.
        pools_domains: whether a mixture of source and target clips together is fitted, too.
        has_attributes: whether mixtures per attribute label are fitted.
        random_state: for the k-means that starts every mixture.

    Attributes:
        section_: mixture of all source clips.
        pooled_: mixture of all clips, None without target clips or if not asked for.
        attributes_: list of mixtures, one per attribute label of the source clips; empty if not
            asked for.
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
        n_components: int,
        *,
        reg_covar: float = 1e-3,
        component_weights: bool = True,
        target_model: Literal["gmm", "closed_form"] = "gmm",
        pools_domains: bool = False,
        has_attributes: bool = True,
        random_state: int | np.random.RandomState = 0,
    ) -> None:
        self.n_components = n_components
        self.reg_covar = reg_covar
        self.component_weights = component_weights
        self.target_model = target_model
        self.pools_domains = pools_domains
        self.has_attributes = has_attributes
        self.random_state = random_state

    def fit(
        self,
        embeddings: Any,
        attributes: Any,
        *,
        target_embeddings: Any,
        section_means: Any = None,
        attribute_means: Any = None,
        temporal_maxima: Any = None,
    ) -> "SectionMixtures":
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
        self.attributes_: list[GaussianMixtureScorer] = []
        self.temporal_maximum_: list[GaussianMixtureScorer] = []
        for label in np.unique(attributes):
            chosen = attributes == label
            if self.has_attributes:
                means = None if attribute_means is None else attribute_means[label]
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
        self.pooled_ = None
        if self.pools_domains and len(target_embeddings):
            everyone = np.concatenate([embeddings, target_embeddings])
            self.pooled_ = self._mixture(random).fit(everyone, section_means)
        mixtures = [each for each in (self.section_, self.pooled_) if each] + self.attributes_
        self.num_unconverged_ = sum(not mixture.converged_ for mixture in mixtures)
        return self

    def terms(self, embedding: Term, temporal_maximum: Term) -> MixtureTerms:
        """The terms of the score by embeddings of unit length, `(clips, dim)`.

        Temporal maxima, `(clips, bins)`, are not read unless it was fitted with them.
        """
        check_is_fitted(self)
        return MixtureTerms(
            section=scored(self.section_, embedding),
            pooled=scored(self.pooled_, embedding) if self.pooled_ else None,
            attributes=_closest(self.attributes_, embedding),
            target=scored(self.target_, embedding) if self.target_ else None,
            tmax=_closest(self.temporal_maximum_, temporal_maximum),
        )

    def _mixture(self, random: np.random.RandomState) -> GaussianMixtureScorer:
        return GaussianMixtureScorer(
            self.n_components,
            reg_covar=self.reg_covar,
            component_weights=self.component_weights,
            random_state=random.randint(_LARGEST_SEED),
        )


def _closest(mixtures: list[GaussianMixtureScorer], term: Term) -> Term | None:
    return scored(ClosestMixture(mixtures), term) if mixtures else None
