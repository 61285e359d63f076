"""What the models of a run made of its clips: one vector per clip, read from the run folder."""

import contextlib
import dataclasses
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asdkeras.config import did_you_mean
from asdkeras.errors import DataError, RecipeError
from asdkeras.metrics.official import rules_for
from asdkeras.report.scored_runs import recipe_of
from asdkeras.score_files import read_trial, trial_folders

_PREFIX = "clips/"
_SETS = {"dev": "development set", "eval": "evaluation set"}


@dataclasses.dataclass(frozen=True)
class ClipVectors:
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
    if seed not in seeds:
        known = ", ".join(map(str, seeds))
        raise RecipeError(f"{run}: has no trial {seed}. Choose one with --seed: {known}.")
    table = read_trial(next(iter(trial_folders(run, seeds).values()))).table
    results: list[ClipVectors] = []
    known_arrays: list[str] = []
    for suffix, path, rows in _units(run, seed, table):
        names = _array_names(path)
        known_arrays += names
        name = _default_array(names) if array is None else array
        if name in names:
            vectors = _read_vectors(path, name, len(rows))
            results += _by_machine_type(suffix, name, rows, vectors)
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
    scopes: list[Callable[[pd.DataFrame], Iterator[tuple[str, str, pd.DataFrame]]]]
    scopes = [_whole, _machine_types, _parts, _sections]
    for scope in scopes:
        units = [
            (suffix, run / name / f"seed{seed}" / "representations.npz", rows)
            for name, suffix, rows in scope(table)
        ]
        if all(path.is_file() for _, path, _ in units):
            return units
    return []


def _whole(table: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    yield "all", "", table


def _machine_types(table: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    for machine_type, rows in table.groupby("machine_type", sort=False):
        yield str(machine_type), "", rows


def _parts(table: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    rules = rules_for(str(table["dataset"].iloc[0]))
    places = zip(table["machine_type"], table["section"], strict=True)
    parts = pd.Series([rules.part_of(*map(str, place)) for place in places], table.index)
    num_parts = parts.groupby(table["machine_type"]).nunique()
    for (machine_type, part), rows in table.groupby(["machine_type", parts], sort=False):
        suffix = f", {_SETS[str(part)]}" if num_parts[str(machine_type)] > 1 else ""
        yield f"{machine_type}_{part}", suffix, rows


def _sections(table: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    num_sections = table.groupby("machine_type")["section"].nunique()
    for (machine_type, section), rows in table.groupby(["machine_type", "section"], sort=False):
        suffix = f", section {section}" if num_sections[str(machine_type)] > 1 else ""
        yield f"{machine_type}_{section}", suffix, rows


@contextlib.contextmanager
def _arrays(path: Path) -> Iterator[Mapping[str, Any]]:
    """The arrays of a file, each read when it is asked for."""
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            yield arrays
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: is damaged. Delete the folder {path.parent} and finish the run with "
            "`asdkeras train`."
        ) from error


def _array_names(path: Path) -> list[str]:
    with _arrays(path) as arrays:
        names = list(arrays)
    return [name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX)]


def _default_array(names: Sequence[str]) -> str:
    embeddings = [name for name in names if name.startswith("embedding")]
    if "embedding" in embeddings:
        return "embedding"
    return max(embeddings, key=natural_key) if embeddings else names[0]


def _read_vectors(path: Path, name: str, num_clips: int) -> NDArray[np.float64]:
    """An array as one vector per clip."""
    with _arrays(path) as arrays:
        array = np.asarray(arrays[f"{_PREFIX}{name}"], np.float64)
    if array.ndim == 0 or len(array) != num_clips:
        raise DataError(
            f"{path}: `{name}` has the shape {array.shape}, the clip table {num_clips} rows. "
            "These are not of the same run."
        )
    if array.ndim >= 3:
        array = array.mean(axis=1)
    return array.reshape(num_clips, -1)


def _by_machine_type(
    suffix: str, array: str, table: pd.DataFrame, vectors: NDArray[np.float64]
) -> Iterator[ClipVectors]:
    is_there = np.isfinite(vectors).all(axis=1)
    for machine_type in dict.fromkeys(table["machine_type"]):
        is_of_type = (table["machine_type"] == machine_type).to_numpy(bool)
        kept = is_of_type & is_there
        if kept.any():
            yield ClipVectors(
                f"{machine_type}{suffix}",
                array,
                table[kept],
                vectors[kept],
                int((is_of_type & ~is_there).sum()),
            )
