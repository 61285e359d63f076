"""Anomaly score by distance to the nearest normal clips."""

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.metrics import pairwise_distances_chunked
from sklearn.utils.validation import check_array, check_is_fitted

from asdkeras.errors import DataError
from asdkeras.layers.exemplar_distance import ExemplarDistance
from asdkeras.scorers.terms import Floats

Neighbors = Literal["machine_type", "section"]

# scikit-learn's own "euclidean" expands the square and loses half the digits of close clips.
_METRICS = {"cosine": "cosine", "euclidean": "sqeuclidean", "dot": None}


class NearestNeighborScorer(BaseEstimator):
    """Mean distance to the nearest of the embeddings it was fitted to.

    Every normal clip stands for itself, so the few clips of a target domain count as much
    as the many of the source domain. Computed in float64 and in blocks: memory does not
    grow with clips times clips. Embeddings are `(clips, dim)`.

    Args:
        metric: `cosine`, 1 - <x, y> / (|x| |y|) in [0, 2], or `euclidean`, |x - y|, or `dot`,
            1 - <x, y>, for embeddings of unit length. A zero vector has no direction; as in
            scikit-learn its cosine with everything is 0, so it is at distance 1, even from
            another zero vector. Rounding may leave equal directions at a cosine distance of
            about 1e-16.
        n_neighbors: at least 1, nearest clips whose distances are averaged; all of them where
            there are fewer.

    Attributes:
        references_: the embeddings it was fitted to.
        own_: rows of those whose scores `leave_self_out` gives, None for all.

    References:
        Venkatesh et al., "Improved Domain Generalization via Disentangled Multi-Task
        Learning in Unsupervised Anomalous Sound Detection", DCASE Workshop 2022, Eq. 4
        (cosine, one neighbor).
        Nejjar et al., "DG-Mix: Domain Generalization for Anomalous Sound Detection Based on
        Self-Supervised Learning", DCASE Workshop 2022 (euclidean, one neighbor).
        Wilkinghoff, "AdaProj: Adaptively Scaled Angular Margin Subspace Projections for
        Anomalous Sound Detection with Auxiliary Classification Tasks", DCASE Workshop 2024
        (dot, one neighbor among means and clips).
    """

    def __init__(
        self, metric: Literal["cosine", "euclidean", "dot"] = "cosine", n_neighbors: int = 1
    ) -> None:
        self.metric = metric
        self.n_neighbors = n_neighbors

    def fit(self, embeddings: Any, own: NDArray[np.int64] | None = None) -> "NearestNeighborScorer":
        """Keep the embeddings of normal clips, at least one; returns self.

        Args:
            own: rows of the clips of the section, where those of others are neighbors too; None
                means that there are no others.

        Raises:
            ValueError: if there is no such metric, `n_neighbors` is below 1, or the embeddings
                have no row, the wrong shape, or are not finite.
        """
        if self.metric not in _METRICS:
            raise ValueError(
                f"`metric` must be one of {sorted(_METRICS)}. Received: metric={self.metric!r}"
            )
        if self.n_neighbors < 1:
            raise ValueError(
                f"`n_neighbors` must be at least 1. Received: n_neighbors={self.n_neighbors}"
            )
        self.references_ = check_array(embeddings, dtype=np.float64, copy=True)
        self.own_ = own
        return self

    def anomaly_score(self, embeddings: Any) -> Floats:
        """The distance to the nearest normal clips, `(clips,)`, at least 0 but for rounding.

        A clip that the scorer was fitted to finds itself, see `leave_self_out`.
        """
        check_is_fitted(self)
        return self._mean_distance(check_array(embeddings, dtype=np.float64))

    def leave_self_out(self) -> Floats:
        """The score of each clip of the section, had it not been among those it was fitted to.

        For thresholds, which need scores of normal clips. Only the clip itself is left
        out: one that is there twice has its double at distance 0.

        Raises:
            ValueError: if it was fitted to a single clip.
        """
        check_is_fitted(self)
        if len(self.references_) < 2:
            raise ValueError(
                "a clip's distance to the nearest other one needs at least 2 clips. Received: "
                "a scorer fitted to 1 clip. Fit it to more normal clips of the section."
            )
        if self.own_ is None:
            return self._mean_distance(self.references_, np.arange(len(self.references_)))
        return self._mean_distance(self.references_[self.own_], self.own_)

    def layer(self) -> ExemplarDistance:
        """`anomaly_score` as a Keras layer."""
        check_is_fitted(self)
        layer = ExemplarDistance(len(self.references_), self.metric, self.n_neighbors)
        layer.set_exemplars(self.references_)
        return layer

    def _mean_distance(
        self, embeddings: Floats, left_out: NDArray[np.int64] | None = None
    ) -> Floats:
        """Each embedding without one of the references, if `left_out` names that of each."""
        count = min(self.n_neighbors, len(self.references_) - (left_out is not None))

        def smallest(distances: Floats, first_row: int) -> Floats:
            if left_out is not None:
                rows = np.arange(len(distances))
                distances[rows, left_out[first_row + rows]] = np.inf
            return np.partition(distances, count - 1, axis=1)[:, :count]

        if self.metric == "dot":
            nearest = smallest(1.0 - embeddings @ self.references_.T, 0)
        else:
            blocks = pairwise_distances_chunked(
                embeddings, self.references_, reduce_func=smallest, metric=_METRICS[self.metric]
            )
            nearest = np.concatenate(list(blocks))
        if self.metric == "euclidean":
            nearest = np.sqrt(nearest)
        return np.sort(nearest, axis=1).mean(axis=1)


def require_neighbors(table: pd.DataFrame, neighbors: Neighbors = "section") -> None:
    """Raise a DataError if a machine type, or a section of it, has one training clip alone."""
    counts = table.groupby(neighbors).size()
    lonely = sorted(counts.index[counts < 2])
    if lonely:
        kind = neighbors.replace("_", " ")
        raise DataError(
            f"{table['machine_type'].iloc[0]}: {kind} {', '.join(lonely)} has one training clip. "
            f"A {kind} needs two or more: the score is the distance to the nearest one."
        )
