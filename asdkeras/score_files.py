"""The scores of one trial of a run: every clip, every named score, and what was decided."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from asdkeras.errors import RecipeError
from asdkeras.files import replacing

_PREFIX = "score_"
_TEXTS = ("dataset", "machine_type", "section", "domain", "split", "attributes", "name")


class TrialScores(NamedTuple):
    """What `scores.csv` holds.

    Attributes:
        table: clip table; `path` is the name of the file alone.
        columns: one row per clip, one column per named score, NaN where a score does not
            apply; higher is more anomalous.
        thresholds: float, `(clips,)`.
        decisions: 0 or 1, `(clips,)`, 1 for anomalous.
    """

    table: pd.DataFrame
    columns: pd.DataFrame
    thresholds: pd.Series
    decisions: pd.Series


def write_trial(folder: Path, trial: TrialScores) -> None:
    """Write `scores.csv` into the folder of a trial."""
    names = [Path(path).name for path in trial.table["path"]]
    clips = trial.table.drop(columns="path").assign(name=names)
    content = clips.join(trial.columns.add_prefix(_PREFIX)).assign(
        threshold=trial.thresholds, is_decided_anomalous=trial.decisions.astype(int)
    )
    with replacing(folder / "scores.csv") as temporary:
        content.to_csv(temporary, index=False, lineterminator="\n")


def read_trial(folder: Path) -> TrialScores:
    """The inverse of `write_trial`, to the last digit.

    Raises:
        RecipeError: if the trial has not been scored yet.
    """
    scores = [f"{_PREFIX}{name}" for name in read_names(folder)]
    types = {**dict.fromkeys(_TEXTS, "string"), "is_anomalous": "boolean"}
    content = pd.read_csv(
        folder / "scores.csv",
        dtype=types,
        # A machine may be called NA; only nothing is nothing.
        keep_default_na=False,
        na_values=[""],
        # Exact in every version of pandas, unlike its own reading of numbers.
        converters=dict.fromkeys([*scores, "threshold"], _number),
    )
    table = content.drop(columns=[*scores, "threshold", "is_decided_anomalous"])
    return TrialScores(
        table.rename(columns={"name": "path"}),
        content[scores].rename(columns=lambda name: name.removeprefix(_PREFIX)),
        content["threshold"],
        content["is_decided_anomalous"],
    )


def read_names(folder: Path) -> list[str]:
    """Names of the scores of a trial.

    Raises:
        RecipeError: if the trial has not been scored yet.
    """
    try:
        header = pd.read_csv(folder / "scores.csv", nrows=0).columns
    except FileNotFoundError as error:
        raise _unfinished(error) from error
    return [name.removeprefix(_PREFIX) for name in header if name.startswith(_PREFIX)]


def read_story(folder: Path) -> dict[str, Any]:
    """What the DONE of a scored trial says.

    Raises:
        RecipeError: if the trial has not been scored yet.
    """
    try:
        content: dict[str, Any] = json.loads((folder / "DONE").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _unfinished(error) from error
    return content


def _number(text: str) -> float:
    return float(text or "nan")


def _unfinished(error: FileNotFoundError) -> RecipeError:
    return RecipeError(f"{error.filename}: is missing. Finish the run with `asdkeras eval`.")
