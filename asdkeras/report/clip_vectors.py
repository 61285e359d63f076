"""What the models of a run made of its clips: one vector per clip, read from the run folder."""

import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asdkeras.config import did_you_mean
from asdkeras.errors import DataError, RecipeError
from asdkeras.metrics.official import rules_for
from asdkeras.report.comparison import with_parts
from asdkeras.report.scored_runs import SETS, recipe_of, refuse_unknown_trial
from asdkeras.score_files import read_trial, trial_folders

_PREFIX = "clips/"

_Unit = tuple[str, str, pd.DataFrame]
"""What a model covers: its name, an ending for titles, its clips."""


class ClipVectors(NamedTuple):
    """The clips of one machine type as one model sees them.

    Attributes:
        title: the machine type, and where it has several models which of them.
        array: name of the array the vectors come from.
        table: clip table of all clips that have a vector; `path` is the name of the file alone.
        vectors: float64, `(clips, dim)`, finite.
        num_without: number of clips of this model that have no such vector.
    """

    title: str
    array: str
    table: pd.DataFrame
    vectors: NDArray[np.float64]
    num_without: int


def read_clip_vectors(run: Path, *, seed: int, array: str | None = None) -> list[ClipVectors]:
    """Read the representations of a trial, machine type by machine type.

    Models that cover several machine types give one result for each. A machine type that has
    several models (one per section, or one for the development and one for the evaluation
    set) gives one result per model: vectors of different models have nothing in common.

    Args:
        run: folder of a run that is scored.
        seed: of the trial.
        array: name of the array; None takes `embedding`, else the last that begins so, else
            the first. Its first axis is clips; a second of three or more is averaged over.

    Returns:
        one result per model and machine type, in the order of the clip table. None at all
        if the run has no models of its own, because it is an ensemble. Clips whose vector is
        not finite are left out: an array may be of training clips, or test clips, alone.

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
    """What each model covers: an ending for titles, the file of its vectors, its clips.

    A run folder does not say what its models cover, but their names follow from the clip
    table, and a run that is scored has all of them.
    """
    for scope in _scopes(table):
        units = [
            (suffix, run / name / f"seed{seed}" / "representations.npz", rows)
            for name, suffix, rows in scope
        ]
        if all(path.is_file() for _, path, _ in units):
            return units
    return []


def _scopes(table: pd.DataFrame) -> Iterator[list[_Unit]]:
    """One model of all clips; or one for each machine type, each set of it, each section."""
    yield [("all", "", table)]
    machine_types = table["machine_type"]
    yield [(str(name), "", rows) for name, rows in table.groupby("machine_type", sort=False)]
    parts = with_parts(table, rules_for(str(table["dataset"].iloc[0])))["part"]
    by_section: tuple[pd.Series, dict[str, str]] = (table["section"], {})
    for keys, names in ((parts, SETS), by_section):
        num_models = keys.groupby(machine_types).nunique()
        yield [
            (
                f"{machine_type}_{key}",
                f", {names.get(str(key), f'section {key}')}"
                if num_models[str(machine_type)] > 1
                else "",
                rows,
            )
            for (machine_type, key), rows in table.groupby([machine_types, keys], sort=False)
        ]


def _read_vectors(
    path: Path, array: str | None, num_clips: int
) -> tuple[list[str], str, NDArray[np.float64] | None]:
    """The arrays of a file, which one is read, and that one as one vector per clip."""
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
