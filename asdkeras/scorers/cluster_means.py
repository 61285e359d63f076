"""Means of clusters of normal clips, which stand for many clips in a distance."""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.preprocessing import normalize
from sklearn.utils.validation import check_array

from asdkeras.scorers.terms import Floats


def cluster_means(
    embeddings: Floats, n_clusters: int, *, normalize_means: bool = False, random_state: int = 0
) -> Floats:
    """Means of k-means clusters of the embeddings of normal clips, float64 `(means, dim)`.

    k-means is Lloyd's, the best of ten starts. With one thread the same clips and the same
    `random_state` give the same means to the last bit, on one machine and version of
    scikit-learn; several threads may add in another order.

    Args:
        embeddings: `(clips, dim)`, at least one clip.
        n_clusters: at least 1 (paper: 32). There are at most as many means as different clips.
        normalize_means: whether the means are scaled to length 1. A mean of unit vectors is
            shorter than they are, the more so the wider its clips spread: unless scaled, wide
            clusters are farther away from everything. Not so in the author's code, although the
            paper speaks of a cosine distance.

    Raises:
        ValueError: if there is no clip, `n_clusters` is below 1, or an embedding is not finite.

    References:
        Wilkinghoff, "AdaProj: Adaptively Scaled Angular Margin Subspace Projections for
        Anomalous Sound Detection with Auxiliary Classification Tasks", DCASE Workshop 2024;
        github.com/wilkinghoff/AdaProj, commit 10baa68.
    """
    if n_clusters < 1:
        raise ValueError(f"`n_clusters` must be at least 1. Received: n_clusters={n_clusters}")
    embeddings = check_array(embeddings, dtype=np.float64)
    # With more clusters than different clips, k-means would repeat some and warn.
    count = min(n_clusters, len(np.unique(embeddings, axis=0)))
    kmeans = KMeans(count, n_init=10, algorithm="lloyd", random_state=random_state)
    centers: Floats = kmeans.fit(embeddings).cluster_centers_
    return normalize(centers) if normalize_means else centers
