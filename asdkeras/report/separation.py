"""How well embeddings separate clips by what is known of them, in numbers.

Nejjar 2022 says that one way of pre-training separates a machine type into its modalities better
than another, and shows two maps by t-SNE for it (Figure 2), from which distances between groups
cannot be read. These numbers are of the embeddings themselves.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances, silhouette_score
from threadpoolctl import threadpool_limits

from asdkeras.data.labels import attribute_pairs

EVERYTHING = "all of these"

_STARTS = 3  # Of k-means, of which the best is taken.


class Separation(NamedTuple):
    """How far clips that differ in one property lie apart; higher is better.

    Attributes:
        by: the property, `section`, `domain`, an attribute, or `EVERYTHING` together.
        groups: its values, two at least.
        clips: those of which it is known; others are left out.
        silhouette: mean over clips of (b - a) / max(a, b), in [-1, 1]: a is the mean Euclidean
            distance to the other clips of the own group, b that to the clips of the nearest other
            group. 0 for groups of one clip.
        purity: share of clips that have the value most frequent in their cluster, where k-means
            makes as many clusters as there are groups.
        most_frequent: share of clips with the most frequent value of all, below which purity
            cannot fall.
    """

    by: str
    groups: int
    clips: int
    silhouette: float
    purity: float
    most_frequent: float


def separations(vectors: NDArray[np.float64], clips: pd.DataFrame) -> tuple[Separation, ...]:
    """Separation by each property that has several values; scale and origin are irrelevant.

    Args:
        vectors: float64, `(clips, dim)`, finite.
        clips: columns `section`, `domain` and `attributes` of the same clips.
    """
    centered = vectors - vectors.mean(axis=0)
    centered /= np.abs(centered).max() or 1.0
    found = []
    # One thread, as for maps: the same run gives the same numbers.
    with threadpool_limits(1):
        distances = pairwise_distances(centered)
        for by, values in _properties(clips):
            is_known = values.notna().to_numpy(bool)
            labels, names = pd.factorize(values[is_known])
            if 2 <= len(names) < len(labels):
                between = distances[np.ix_(is_known, is_known)]
                silhouette = float(silhouette_score(between, labels, metric="precomputed"))
                pure = purity(labels, clusters(centered[is_known], len(names)))
                most = float(np.bincount(labels).max() / len(labels))
                found.append(Separation(by, len(names), len(labels), silhouette, pure, most))
    return tuple(found)


def clusters(vectors: NDArray[np.float64], count: int) -> NDArray[np.int32]:
    """The cluster of each vector by k-means; fewer than `count` if fewer vectors differ."""
    count = min(count, len(np.unique(vectors, axis=0)))
    labels: NDArray[np.int32] = KMeans(count, n_init=_STARTS, random_state=0).fit_predict(vectors)
    return labels


def purity(labels: NDArray[np.int64], clusters: NDArray[np.int32]) -> float:
    """Share of clips whose label is the most frequent one of their cluster."""
    return float(pd.crosstab(clusters, labels).max(axis=1).sum() / len(labels))


def attribute_columns(texts: pd.Series) -> dict[str, pd.Series]:
    """Values of clips by attribute; the whole texts under "" if they have no keys."""
    known = texts[texts.notna() & (texts != "")]
    pairs = {row: attribute_pairs(str(text)) for row, text in known.items()}
    if any(each is None for each in pairs.values()):
        return {"": texts}
    keys = dict.fromkeys(key for each in pairs.values() for key in each or {})
    return {
        key: pd.Series([(pairs.get(row) or {}).get(key) for row in texts.index], dtype="string")
        for key in keys
    }


def _properties(clips: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """Name and values of each property, missing where it is not known, then of all together."""
    columns = {name: clips[name] for name in ("section", "domain")}
    for key, values in attribute_columns(clips["attributes"]).items():
        columns[f"attribute {key}" if key else "attributes"] = values
    texts = {name: each.astype("string").reset_index(drop=True) for name, each in columns.items()}
    properties = {name: each.mask(each == "") for name, each in texts.items()}
    yield from properties.items()
    several = pd.DataFrame({name: each for name, each in properties.items() if each.nunique() > 1})
    if several.shape[1] > 1:
        # A clip lacks the attributes of other sections, and is of no less known kind for it.
        kinds = several.fillna("").agg("_".join, axis=1)
        whole = texts["section"], texts["domain"], clips["attributes"].reset_index(drop=True)
        for each in whole:
            if each.notna().any():
                kinds = kinds.where(each.notna())
        yield EVERYTHING, kinds
