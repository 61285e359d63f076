"""Anomaly score by distance to the nearest normal clip."""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import pairwise_distances_chunked
from sklearn.utils.validation import check_array, check_is_fitted

# scikit-learn's own "euclidean" expands the square and loses half the digits of close clips.
_METRICS = {"cosine": "cosine", "euclidean": "sqeuclidean"}


class NearestNeighborScorer(BaseEstimator):
    """Distance to the nearest of the embeddings it was fitted to.

    Every normal clip stands for itself, so the few clips of a target domain count as much
    as the many of the source domain. Computed in float64 and in blocks: memory does not
    grow with clips times clips.

    Args:
        metric: `cosine`, 1 - <x, y> / (|x| |y|) in [0, 2], or `euclidean`, |x - y|. A zero
            vector has no direction; as in scikit-learn its cosine with everything is 0, so
            it is at distance 1, even from another zero vector. Rounding may leave equal
            directions at a cosine distance of about 1e-16.

    Attributes:
        references_: `(n, dim)`, the embeddings it was fitted to.

    References:
        Venkatesh et al., "Improved Domain Generalization via Disentangled Multi-Task
        Learning in Unsupervised Anomalous Sound Detection", DCASE Workshop 2022, Eq. 4
        (cosine).
    """

    def __init__(self, metric="cosine"):
        self.metric = metric

    def fit(self, embeddings):
        """Keep the embeddings of normal clips.

        Args:
            embeddings: float, `(n, dim)`, at least one.

        Returns:
            self.

        Raises:
            ValueError: if there is no such metric, or the embeddings have no row, the wrong
                shape, or are not finite.
        """
        if self.metric not in _METRICS:
            raise ValueError(
                f"`metric` must be one of {sorted(_METRICS)}. Received: metric={self.metric!r}"
            )
        self.references_ = check_array(embeddings, dtype=np.float64, copy=True)
        return self

    def anomaly_score(self, embeddings):
        """The distance to the nearest normal clip; higher is more anomalous.

        A clip that the scorer was fitted to finds itself, see `leave_self_out`.

        Args:
            embeddings: float, `(clips, dim)`.

        Returns:
            ndarray `(clips,)`, at least 0.
        """
        check_is_fitted(self)
        return self._smallest(check_array(embeddings, dtype=np.float64), _row_minimum)

    def leave_self_out(self):
        """The score of each clip it was fitted to, had it not been among them.

        For thresholds, which need scores of normal clips. Only the clip itself is left
        out: one that is there twice has its double at distance 0.

        Returns:
            ndarray `(n,)`, in the order of the fit.

        Raises:
            ValueError: if it was fitted to a single clip.
        """
        check_is_fitted(self)
        if len(self.references_) < 2:
            raise ValueError(
                "a clip's distance to the nearest other one needs at least 2 clips. Received: "
                "a scorer fitted to 1 clip. Fit it to more normal clips of the section."
            )
        return self._smallest(self.references_, _row_minimum_without_self)

    def _smallest(self, embeddings, reduce):
        blocks = pairwise_distances_chunked(
            embeddings, self.references_, reduce_func=reduce, metric=_METRICS[self.metric]
        )
        smallest = np.concatenate(list(blocks))
        return np.sqrt(smallest) if self.metric == "euclidean" else smallest


def _row_minimum(distances, first_row):
    return distances.min(axis=1)


def _row_minimum_without_self(distances, first_row):
    rows = np.arange(len(distances))
    distances[rows, first_row + rows] = np.inf
    return distances.min(axis=1)
