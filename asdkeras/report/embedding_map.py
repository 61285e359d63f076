"""Embeddings of clips as points in the plane, for any system.

Nejjar 2022 shows such a map for two ways of pre-training (Figure 2). A map by t-SNE shows who is
near whom; distances between groups, their sizes, and the axes mean nothing.
"""

import errno
import hashlib
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import sklearn
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from asdkeras.evaluation import write_csv
from asdkeras.progress import stage
from asdkeras.report.clip_vectors import ClipVectors, read_clip_vectors

Method = Literal["tsne", "pca"]
Split = Literal["train", "test"]

MAX_CLIPS = 2000
"""Of one map; t-SNE takes about 12 s for as many, and the eye sees no more."""

CLIP_COLUMNS = (
    *("dataset", "machine_type", "section", "domain", "split", "name"),
    *("attributes", "is_anomalous", "x", "y"),
)

_FEWEST_FOR_TSNE = 5
_CACHE = "embedding_map.csv"

_Points = NDArray[np.float64]


class EmbeddingMap(NamedTuple):
    """The clips of one machine type as points.

    Attributes:
        title: the machine type, and where it has several models which of them.
        array: name of the array the points come from.
        method: what made the points; `pca` where there are too few for t-SNE.
        clips: `CLIP_COLUMNS`, one row per point; `x` and `y` have no unit.
        num_clips: number of clips there are, of which no more than `MAX_CLIPS` are points.
        num_without: number of further clips that have no such array.
    """

    title: str
    array: str
    method: Method
    clips: pd.DataFrame
    num_clips: int
    num_without: int


def embedding_maps(
    run: Path,
    *,
    seed: int,
    array: str | None = None,
    split: Split | None = None,
    method: Method = "tsne",
) -> list[EmbeddingMap]:
    """Map the clips of a run, one map per machine type, or per model where it has several.

    The same run gives the same map. What was computed is kept in `embedding_map.csv` of the
    run, because t-SNE of a whole dataset takes minutes.

    Args:
        run: folder of a run that is scored.
        seed: of the trial.
        array: as in `asdkeras.report.clip_vectors.read_clip_vectors`.
        split: clips of this split alone; None takes all in one map.
        method: `tsne`, or `pca` for the two directions of largest variance.

    Returns:
        the maps; none if the run is an ensemble and has no embeddings of its own.

    Raises:
        RecipeError: if the folder is not that of a scored run, or has no such trial or array.
        DataError: if a file of it is damaged.

    References:
        van der Maaten and Hinton, "Visualizing data using t-SNE", JMLR 9, 2008.
        Nejjar et al., "DG-Mix: Domain Generalization for Anomalous Sound Detection Based on
        Self-Supervised Learning", DCASE Workshop 2022, Figure 2.
    """
    known = _read_cache(run / _CACHE)
    num_known = len(known)
    maps = []
    everything = read_clip_vectors(run, seed=seed, array=array)
    with stage("embedding maps") as update:
        for number, each in enumerate(everything):
            splits = ["train", "test"] if split is None else [split]
            rows = np.flatnonzero(each.table["split"].isin(splits))
            if len(rows):
                maps.append(_map_of(each, rows, method, known))
            if len(known) > num_known:
                update(number + 1, len(everything))
    if len(known) > num_known:
        _write_cache(run / _CACHE, known)
    return maps


def coordinates(vectors: _Points, method: Method = "tsne") -> _Points:
    """Points in the plane for vectors.

    Args:
        vectors: float64, `(clips, dim)`, finite. Scale and origin are irrelevant.
        method: `tsne` (5 vectors at least; perplexity 30, or a third of the other vectors if
            that is less; begun with `pca`) or `pca`.

    Returns:
        float64, `(clips, 2)`; all 0 if all vectors are the same.
    """
    if len(vectors) < 2 or (vectors == vectors[0]).all():
        return np.zeros((len(vectors), 2))
    # Scaled, because t-SNE keeps squared distances in float32.
    scaled = vectors / np.abs(vectors).max()
    scaled = np.pad(scaled, ((0, 0), (0, max(0, 2 - scaled.shape[1]))))
    # One thread: a sum split among several would show in the last digit, and then everywhere.
    with threadpool_limits(1):
        if method == "pca":
            points = PCA(n_components=2, svd_solver="full").fit_transform(scaled)
        else:
            perplexity = min(30.0, (len(scaled) - 1) / 3.0)
            model = TSNE(perplexity=perplexity, init="pca", random_state=0, n_jobs=1)
            points = model.fit_transform(scaled)
    return np.asarray(points, np.float64)


def drawn_rows(table: pd.DataFrame, max_clips: int) -> NDArray[np.intp]:
    """Rows of a clip table, all, or as many of each split, section and domain as may be.

    Groups take turns until there are enough, so a group of few clips, such as the training
    clips of the target domain, stays whole. Repeatable.

    Args:
        table: clip table.
        max_clips: how many rows at most.

    Returns:
        positions in ascending order.
    """
    order = np.random.default_rng(0).permutation(len(table))
    shuffled = table.iloc[order]
    keys = [shuffled[name].astype("string").fillna("") for name in ("split", "section", "domain")]
    turns = shuffled.groupby(keys).cumcount().to_numpy()
    return np.sort(order[np.argsort(turns, kind="stable")][:max_clips])


def _map_of(
    each: ClipVectors, rows: NDArray[np.intp], method: Method, known: dict[str, _Points]
) -> EmbeddingMap:
    """The map of these clips; its points are taken from those known, or added to them."""
    drawn = rows[drawn_rows(each.table.iloc[rows], MAX_CLIPS)]
    used: Method = method if len(drawn) >= _FEWEST_FOR_TSNE else "pca"
    digest = _digest(each.vectors[drawn], used)
    if digest not in known:
        known[digest] = coordinates(each.vectors[drawn], used)
    points = known[digest]
    clips = each.table.iloc[drawn].rename(columns={"path": "name"}).reset_index(drop=True)
    clips = clips.assign(x=points[:, 0], y=points[:, 1])[list(CLIP_COLUMNS)]
    return EmbeddingMap(each.title, each.array, used, clips, len(rows), each.num_without)


def _digest(vectors: _Points, method: Method) -> str:
    """Of all that points depend on."""
    text = f"{method} {vectors.shape} {sklearn.__version__}\n".encode()
    return hashlib.sha256(text + np.ascontiguousarray(vectors).tobytes()).hexdigest()


def _read_cache(path: Path) -> dict[str, _Points]:
    """Points by digest; none if there is no such file, or none that we wrote."""
    try:
        # Exact in every version of pandas, unlike its own reading of numbers.
        exact = {"x": float, "y": float}
        content = pd.read_csv(path, usecols=["digest", "x", "y"], converters=exact)
    except (FileNotFoundError, ValueError):
        return {}
    groups = content.groupby("digest", sort=False)
    return {str(digest): rows[["x", "y"]].to_numpy(np.float64) for digest, rows in groups}


def _write_cache(path: Path, known: dict[str, _Points]) -> None:
    frames = [
        pd.DataFrame({"digest": digest, "x": points[:, 0], "y": points[:, 1]})
        for digest, points in known.items()
    ]
    try:
        write_csv(path, pd.concat(frames, ignore_index=True))
    except OSError as error:  # A run that may be read only can still be looked at.
        if error.errno not in (errno.EACCES, errno.EROFS):
            raise
