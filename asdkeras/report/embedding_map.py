"""Embeddings of clips as points in the plane, for any system.

Nejjar 2022 shows such a map for two ways of pre-training (Figure 2). A map by t-SNE shows who is
near whom; distances between groups, their sizes, and the axes mean nothing.
"""

import errno
import hashlib
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import sklearn
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from asdkeras.config import did_you_mean
from asdkeras.errors import DataError, RecipeError
from asdkeras.evaluation import with_parts, write_csv
from asdkeras.metrics.official import rules_for
from asdkeras.plain_text import number
from asdkeras.progress import stage
from asdkeras.report.scored_runs import SETS, recipe_of, refuse_unknown_trial
from asdkeras.report.separation import Separation, separations
from asdkeras.score_files import read_trial, trial_folders

Method = Literal["tsne", "pca"]
Split = Literal["train", "test"]

SPLITS = {  # Of the clip table, by those that a user asks for.
    "train": ("train", "held_out"),
    "test": ("test",),
}
MAX_CLIPS = 2000  # Of one map; t-SNE takes about 12 s for as many, and the eye sees no more.

CLIP_COLUMNS = (
    *("dataset", "machine_type", "section", "domain", "split", "name"),
    *("attributes", "is_anomalous", "x", "y"),
)

_FEWEST_FOR_TSNE = 5
_CACHE = "embedding_map.csv"
_PREFIX = "clips/"  # Of arrays in the files of a run.

_Points = NDArray[np.float64]


class EmbeddingMap(NamedTuple):
    """The clips of one machine type as points in the plane."""

    title: str  # The machine type, and which of its models if it has several.
    array: str  # Name of the array the points come from.
    method: Method  # `pca` where there are too few clips for t-SNE.
    clips: pd.DataFrame  # `CLIP_COLUMNS`, one row per point; `x` and `y` have no unit.
    num_clips: int  # Of which no more than `MAX_CLIPS` are points.
    num_without: int  # Further clips that have no such array.
    separation: tuple[Separation, ...] = ()  # Of the vectors of these clips, not of the points.


class ClipVectors(NamedTuple):
    """The vectors that one model has of the clips of one machine type."""

    title: str  # The machine type, and which of its models if it has several.
    array: str
    table: pd.DataFrame  # Clip table of clips with a vector; `path` is the name of the file alone.
    vectors: NDArray[np.float64]  # `(clips, dim)`, finite.
    num_without: int  # Clips of this model that have no such vector.


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
    run, because t-SNE of a whole dataset takes minutes. An ensemble has no embeddings, no map.

    Args:
        seed: of the trial.
        array: as in `read_clip_vectors`.
        split: clips of this split alone; None takes all in one map.
        method: `tsne`, or `pca` for the two directions of largest variance.

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
            splits = sum(SPLITS.values(), ()) if split is None else SPLITS[split]
            rows = np.flatnonzero(each.table["split"].isin(splits))
            if len(rows):
                maps.append(_map_of(each, rows, method, known))
            if len(known) > num_known:
                update(number + 1, len(everything))
    if len(known) > num_known:
        _write_cache(run / _CACHE, known)
    return maps


def coordinates(vectors: _Points, method: Method = "tsne") -> _Points:
    """Points in the plane for vectors, float64, `(clips, 2)`; all 0 if all vectors are the same.

    Args:
        vectors: float64, `(clips, dim)`, finite. Scale and origin are irrelevant.
        method: `tsne` (5 vectors at least; perplexity 30, or a third of the other vectors if
            that is less; begun with `pca`) or `pca`.
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
    """Ascending rows of a clip table, all, or as many of each split, section and domain as may be.

    Groups take turns until there are enough, so a group of few clips, such as the training
    clips of the target domain, stays whole. Repeatable.
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
    vectors = each.vectors[drawn]
    text = f"{used} {vectors.shape} {sklearn.__version__}\n".encode()
    digest = hashlib.sha256(text + np.ascontiguousarray(vectors).tobytes()).hexdigest()
    if digest not in known:
        known[digest] = coordinates(vectors, used)
    points = known[digest]
    clips = each.table.iloc[drawn].rename(columns={"path": "name"}).reset_index(drop=True)
    clips = clips.assign(x=points[:, 0], y=points[:, 1])[list(CLIP_COLUMNS)]
    numbers = separations(vectors, clips)
    return EmbeddingMap(each.title, each.array, used, clips, len(rows), each.num_without, numbers)


def _read_cache(path: Path) -> dict[str, _Points]:
    """Points by digest; none if there is no such file, or none that we wrote."""
    try:
        # Exact in every version of pandas, unlike its own reading of numbers.
        exact = {"x": number, "y": number}
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


def read_clip_vectors(run: Path, *, seed: int, array: str | None = None) -> list[ClipVectors]:
    """Read the representations of a trial, in the order of the clip table.

    There is one result per machine type of each model, as vectors of different models have nothing
    in common; none if the run is an ensemble, which has no models of its own. Clips whose vector is
    not finite are left out: an array may be of training clips, or test clips, alone.

    Args:
        seed: of the trial.
        array: name of the array; None takes `embedding`, else the last that begins so, else
            the first. Its first axis is clips; a second of three or more is averaged over.

    Raises:
        RecipeError: if the folder is not that of a scored run, or has no such trial or array.
        DataError: if a file is damaged, or does not fit the clip table.
    """
    seeds = [int(each) for each in recipe_of(run)["seeds"]]
    refuse_unknown_trial(run, seed, seeds)
    table = read_trial(next(iter(trial_folders(run, seeds).values()))).table
    results: list[ClipVectors] = []
    known_arrays: list[str] = []
    for suffix, path, rows in _units(run, seed, table):
        names, name, vectors = _read_vectors(path, array, len(rows))
        known_arrays += names
        if vectors is not None:
            is_there = np.isfinite(vectors).all(axis=1)
            for machine_type in dict.fromkeys(rows["machine_type"]):
                is_of_type = (rows["machine_type"] == machine_type).to_numpy(bool)
                kept, num_without = is_of_type & is_there, int((is_of_type & ~is_there).sum())
                if kept.any():
                    title = f"{machine_type}{suffix}"
                    each = ClipVectors(title, name, rows[kept], vectors[kept], num_without)
                    results.append(each)
    if array is not None and not results:
        names = list(dict.fromkeys(known_arrays))
        there_are = f"There are: {', '.join(names)}" if names else "It has no arrays of its own"
        raise RecipeError(f"{run}: no array `{array}`.{did_you_mean(array, names)} {there_are}.")
    return results


def natural_key(text: str) -> list[tuple[int, str]]:
    """Key to sort texts by, numbers in them by their size: `epoch9` before `epoch10`."""
    words = re.split(r"(\d+)", text)
    return [(int(word) if number % 2 else 0, word) for number, word in enumerate(words)]


def _units(run: Path, seed: int, table: pd.DataFrame) -> list[tuple[str, Path, pd.DataFrame]]:
    """For each model, an ending for titles, the file of its vectors, and its clips.

    A run folder does not say whether there is one model of all clips, or one for each machine
    type, each set of it, or each section, but names of models follow from the clip table, and a
    run that is scored has all of them.
    """
    machine_types = table["machine_type"]
    scopes = [[("all", "", table)]]
    scopes.append([(str(n), "", rows) for n, rows in table.groupby("machine_type", sort=False)])
    parts = with_parts(table, rules_for(str(table["dataset"].iloc[0])))["part"]
    of_sections = "section " + table["section"].astype(str)
    for keys, titles in ((parts, parts.map(SETS)), (table["section"], of_sections)):
        num_models = keys.groupby(machine_types).nunique()
        scope = []
        for (name, key), rows in table.groupby([machine_types, keys], sort=False):
            suffix = f", {titles[rows.index[0]]}" if num_models[str(name)] > 1 else ""
            scope.append((f"{name}_{key}", suffix, rows))
        scopes.append(scope)
    for scope in scopes:
        units = [
            (suffix, run / name / f"seed{seed}" / "representations.npz", rows)
            for name, suffix, rows in scope
        ]
        if all(path.is_file() for _, path, _ in units):
            return units
    return []


def _read_vectors(
    path: Path, array: str | None, num_clips: int
) -> tuple[list[str], str, NDArray[np.float64] | None]:
    """The arrays of a file, the name of the one read, and that as one vector per clip."""
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            names = [name.removeprefix(_PREFIX) for name in arrays if name.startswith(_PREFIX)]
            name = _default_array(names) if array is None else array
            if name not in names:
                return names, name, None
            content = np.asarray(arrays[f"{_PREFIX}{name}"], np.float64)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: is damaged. Delete the folder {path.parent} and finish the run with "
            "`asdkeras train`."
        ) from error
    if content.ndim == 0 or len(content) != num_clips:
        raise DataError(
            f"{path}: `{name}` has the shape {content.shape}, the clip table {num_clips} rows. "
            "These are not of the same run."
        )
    content = content.mean(axis=1) if content.ndim >= 3 else content
    return names, name, content.reshape(num_clips, -1)


def _default_array(names: Sequence[str]) -> str:
    embeddings = [name for name in names if name.startswith("embedding")]
    if "embedding" in embeddings:
        return "embedding"
    return max(embeddings, key=natural_key) if embeddings else names[0]
