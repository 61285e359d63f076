"""Anomaly score by distance to a few normal clips, or means of them, on the unit sphere."""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.preprocessing import normalize
from sklearn.utils.validation import check_array, check_is_fitted


class ExemplarScorer(BaseEstimator):
    """Distance to the nearest mean of source clips or to the nearest target clip.

    There are many source clips, so k-means sums them up; there are few target clips, so
    each one stands for itself. The distance of an embedding x to an exemplar c is
    1 - <x, c>, the cosine distance if both are of unit length, so the caller scales all
    embeddings to length 1. A mean of unit vectors is shorter than they are, the more so the
    wider its clips spread: unless scaled too, wide clusters are farther away from everything.

    k-means is Lloyd's, the best of ten starts. With one thread the same clips and the same
    integer as `random_state` give the same means to the last bit, on one machine and version
    of scikit-learn; several threads may add in another order.

    Args:
        n_clusters: int, at least 1, means of source clips (paper: 32). There are at most as
            many as there are different source clips.
        normalize_means: bool, whether the means are scaled to length 1. Not so in the
            author's code, although the paper speaks of a cosine distance.
        random_state: int or `numpy.random.RandomState`, of k-means.

    Attributes:
        centers_: `(means, dim)`, no rows without source clips.
        targets_: `(n_target, dim)`, the target clips.

    References:
        Wilkinghoff, "AdaProj: Adaptively Scaled Angular Margin Subspace Projections for
        Anomalous Sound Detection with Auxiliary Classification Tasks", DCASE Workshop 2024;
        github.com/wilkinghoff/AdaProj, commit 10baa68.
    """

    def __init__(self, n_clusters=32, *, normalize_means=False, random_state=0):
        self.n_clusters = n_clusters
        self.normalize_means = normalize_means
        self.random_state = random_state

    def fit(self, embeddings, target_embeddings=None):
        """Fit to normal clips of one section.

        Args:
            embeddings: float, `(n_source, dim)`, of unit length. May have no rows if there
                are target clips.
            target_embeddings: float, `(n_target, dim)`, of unit length. May have no rows;
                None is the same.

        Returns:
            self.

        Raises:
            ValueError: if an argument has the wrong shape or range or is not finite, or
                there is no clip at all.
        """
        embeddings = _checked(embeddings)
        targets = embeddings[:0] if target_embeddings is None else _checked(target_embeddings)
        if self.n_clusters < 1:
            raise ValueError(
                f"`n_clusters` must be at least 1. Received: n_clusters={self.n_clusters}"
            )
        if targets.shape[1] != embeddings.shape[1]:
            raise ValueError(
                "source and target embeddings must have the same dimension. Received: "
                f"{embeddings.shape[1]} and {targets.shape[1]}"
            )
        if len(embeddings) + len(targets) == 0:
            raise ValueError(
                "a scorer needs at least one normal clip. Received: 0 source and 0 target clips"
            )
        self.centers_ = self._means(embeddings)
        self.targets_ = targets
        return self

    def terms(self, embeddings):
        """The terms of the anomaly score; higher is more anomalous.

        Args:
            embeddings: float, `(clips, dim)`, of unit length.

        Returns:
            dict of `source`, the distance to the nearest mean, and `target`, the distance to
            the nearest target clip, each `(clips,)` in about [0, 2]; NaN where the fit had
            no clips of the domain.
        """
        check_is_fitted(self)
        embeddings = check_array(embeddings, dtype=np.float64)
        return {
            "source": _smallest_distance(embeddings, self.centers_),
            "target": _smallest_distance(embeddings, self.targets_),
        }

    def anomaly_score(self, embeddings):
        """The smaller of both terms; higher is more anomalous. ndarray `(clips,)`."""
        terms = self.terms(embeddings)
        return np.fmin(terms["source"], terms["target"])

    def _means(self, embeddings):
        if len(embeddings) == 0:
            return embeddings
        # With more clusters than different clips, k-means would repeat some and warn.
        n_different = len(np.unique(embeddings, axis=0))
        kmeans = KMeans(
            min(self.n_clusters, n_different),
            n_init=10,
            algorithm="lloyd",
            random_state=self.random_state,
        )
        centers = kmeans.fit(embeddings).cluster_centers_
        return normalize(centers) if self.normalize_means else centers


def _checked(embeddings):
    return check_array(embeddings, dtype=np.float64, copy=True, ensure_min_samples=0)


def _smallest_distance(embeddings, exemplars):
    if len(exemplars) == 0:
        return np.full(len(embeddings), np.nan)
    return 1.0 - (embeddings @ exemplars.T).max(axis=1)
