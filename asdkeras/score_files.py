"""The scores of one trial of a run: every clip, every named score, and what was decided.

Reading raises a RecipeError if the trial has not been scored yet.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from asdkeras.errors import DataError, RecipeError
from asdkeras.files import as_text, digest_of_file, reading, write_text
from asdkeras.plain_text import csv_text, number_or_nan

SCORES, GROUP_SCORES = "scores.csv", "group_scores.csv"
_PREFIX = "score_"
_GROUP_PREFIX = "group_"
_HELD_OUT = "is_held_out"
_TEXTS = ("dataset", "machine_type", "section", "domain", "split", "attributes", "name")


class TrialScores(NamedTuple):
    """What `scores.csv` holds, one row per clip."""

    table: pd.DataFrame  # Clip table; `path` is the name of the file alone.
    columns: pd.DataFrame  # Named scores, higher is more anomalous; NaN where one does not apply.
    thresholds: pd.Series
    decisions: pd.Series  # 0 or 1, 1 for anomalous.
    held_out: pd.Series | None = None  # Training clips not learned from; None if there are none.


class Marks(NamedTuple):
    """What no result may be shown without: what test clips had a say in, a line each.

    Attributes:
        oracle: choices that labels of test clips made.
        transductive: what of the test clips, without labels, the score of another rests on.
    """

    oracle: tuple[str, ...] = ()
    transductive: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The marks that apply, `oracle` and `transductive`."""
        return tuple(name for name, lines in self._asdict().items() if lines)

    @property
    def behind(self) -> str:
        """Their names behind the title of a table."""
        return "".join(f", {name}" for name in self.names)

    @property
    def lines(self) -> tuple[str, ...]:
        """All lines, the name of the mark before each."""
        return tuple(
            f"{name}: {line}" for name, of_mark in self._asdict().items() for line in of_mark
        )


NO_MARKS = Marks()


@dataclasses.dataclass(frozen=True)
class TrialMetadata:
    """What the DONE of a scored trial says about its scores."""

    main_score: str  # Compared with the paper.
    decision_score: str  # Compared with the thresholds.
    named_scores: tuple[str, ...]  # Worth a result of their own, the main one among them.
    published_rows: Mapping[str, str]  # Score -> row of the published tables, several with `+`.
    notes: tuple[str, ...] = ()  # What a reader of the results should know, a line each.
    oracle: tuple[str, ...] = ()  # Choices that labels of test clips made, a line each.
    pooled_seeds: tuple[int, ...] = ()  # Trials that are one result together; empty if not pooled.
    transductive: tuple[str, ...] = ()  # What of test clips a score of others rests on.

    @property
    def marks(self) -> "Marks":
        return Marks(self.oracle, self.transductive)

    def as_json(self) -> dict[str, object]:
        content = dataclasses.asdict(self)
        for name in ("pooled_seeds", "transductive"):
            if not content[name]:
                del content[name]
        return {"anomaly_score": content.pop("main_score"), **content}


def write_trial(folder: Path, trial: TrialScores) -> None:
    """Write `scores.csv` into the folder of a trial."""
    content = (
        clip_columns(trial.table)
        .join(trial.columns.add_prefix(_PREFIX))
        .assign(threshold=trial.thresholds, is_decided_anomalous=trial.decisions.astype(int))
    )
    if trial.held_out is not None and trial.held_out.any():
        content[_HELD_OUT] = trial.held_out.astype(int)
    write_text(folder / SCORES, csv_text(content))


def write_group_scores(
    folder: Path, table: pd.DataFrame, group_scores: pd.DataFrame | None
) -> None:
    """Write `group_scores.csv`, one column per group, into a trial's folder; None deletes it."""
    path = folder / GROUP_SCORES
    if group_scores is None:
        path.unlink(missing_ok=True)
        return
    content = clip_columns(table).join(group_scores.add_prefix(_GROUP_PREFIX))
    write_text(path, csv_text(content))


def read_group_scores(folder: Path) -> pd.DataFrame | None:
    """Scores of what the system learned, such as `section`; None if the trial has none.

    In the row order of `scores.csv`; NaN where a machine type has no such group, higher is
    more anomalous.
    """
    path = folder / GROUP_SCORES
    if not path.is_file():
        return None
    with reading(path):
        header = pd.read_csv(path, nrows=0).columns
        names = [name for name in header if name.startswith(_GROUP_PREFIX)]
        content = pd.read_csv(path, usecols=names, converters=dict.fromkeys(names, number_or_nan))
    return content[names].rename(columns=lambda name: name.removeprefix(_GROUP_PREFIX))


def clip_columns(table: pd.DataFrame) -> pd.DataFrame:
    """A clip table as it stands in files: the name of a clip in place of its path."""
    names = [as_text(Path(path).name) for path in table["path"]]
    return table.drop(columns="path").assign(name=names)


def changed_files(folder: Path, stage: str = "DONE") -> list[Path]:
    """Files that are gone, or other than when a stage was marked as done, which says so."""
    try:
        content = json.loads((folder / stage).read_text(encoding="utf-8"))
        files = {folder / name: digest for name, digest in content.get("files", {}).items()}
    except (OSError, ValueError, AttributeError):
        return []
    return [
        path
        for path, digest in files.items()
        if not path.is_file() or digest_of_file(path) != digest
    ]


def read_trial(folder: Path) -> TrialScores:
    """The inverse of `write_trial`, to the last digit.

    Raises:
        DataError: if somebody changed the file since.
    """
    if changed := [path for path in changed_files(folder) if path.is_file()]:
        raise DataError(
            f"{changed[0]}: changed since the run wrote it. Bring it back; or delete it, and "
            "`asdkeras eval` or `asdkeras ensemble`, which wrote it, does it again."
        )
    with reading(folder / SCORES):
        scores = [f"{_PREFIX}{name}" for name in read_names(folder)]
        content = pd.read_csv(
            folder / SCORES,
            dtype={**dict.fromkeys(_TEXTS, "string"), "is_anomalous": "boolean"},
            # A machine may be called NA; only nothing is nothing.
            keep_default_na=False,
            na_values=[""],
            # Exact in every version of pandas, unlike its own reading of numbers.
            converters=dict.fromkeys([*scores, "threshold"], number_or_nan),
        )
        _require(set(_TEXTS) <= {*content}, f"needs the columns {', '.join(_TEXTS)}")
        _require(bool(content["name"].notna().all()), "has a clip without a name")
        held_out = content.pop(_HELD_OUT).astype(bool) if _HELD_OUT in content else None
        table = content.drop(columns=[*scores, "threshold", "is_decided_anomalous"])
        return TrialScores(
            table.rename(columns={"name": "path"}),
            content[scores].rename(columns=lambda name: name.removeprefix(_PREFIX)),
            content["threshold"],
            content["is_decided_anomalous"],
            held_out,
        )


def read_names(folder: Path) -> list[str]:
    """Names of the scores of a trial."""
    try:
        with reading(folder / SCORES):
            header = pd.read_csv(folder / SCORES, nrows=0).columns
    except FileNotFoundError as error:
        raise _unfinished(error) from error
    return [name.removeprefix(_PREFIX) for name in header if name.startswith(_PREFIX)]


def read_metadata(folder: Path) -> TrialMetadata:
    try:
        with reading(folder / "DONE"):
            return _metadata(json.loads((folder / "DONE").read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise _unfinished(error) from error


def _metadata(content: dict[str, Any]) -> TrialMetadata:
    return TrialMetadata(
        main_score=content["anomaly_score"],
        decision_score=content.get("decision_score", content["anomaly_score"]),
        named_scores=tuple(content["named_scores"]),
        published_rows=content["published_rows"],
        notes=tuple(content["notes"]),
        oracle=tuple(content.get("oracle", ())),
        pooled_seeds=tuple(content.get("pooled_seeds", ())),
        transductive=tuple(content.get("transductive", ())),
    )


def trial_folders(run: Path, seeds: Sequence[int]) -> dict[int, Path]:
    """Folders of the score files of a run by seed; pooled trials have but one."""
    folders = {seed: run / "scores" / f"seed{seed}" for seed in seeds}
    is_pooled = bool(read_metadata(folders[seeds[0]]).pooled_seeds)
    return {seeds[0]: folders[seeds[0]]} if is_pooled else folders


def joined_marks(marks: Iterable[Marks]) -> Marks:
    """Marks of several, each line once."""
    oracle, transductive = zip(Marks(), *marks, strict=True)
    return Marks(_each_once(oracle), _each_once(transductive))


def read_marks(folders: Iterable[Path]) -> Marks:
    """What test clips had a say in, in these trials."""
    return joined_marks(read_metadata(folder).marks for folder in folders)


def _each_once(lines: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line for each in lines for line in each))


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise ValueError(rule)


def _unfinished(error: FileNotFoundError) -> RecipeError:
    return RecipeError(f"{error.filename}: is missing. Finish the run with `asdkeras eval`.")
