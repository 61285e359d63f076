"""The challenge's own score and decision files: written, read, checked."""

import csv
import io
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from asdkeras.errors import DataError
from asdkeras.files import write_text
from asdkeras.metrics.official import challenge_year

SCORE = "anomaly_score"
DECISION = "decision_result"

_FILE_NAME = re.compile(
    r"(?P<kind>anomaly_score|decision_result)_(?P<machine_type>.+)_(?:section|id)_(?P<section>\d\d)"
    r"(?:_(?P<domain>source|target))?(?:_test)?\.csv"
)


def file_name(
    kind: str, dataset: str, machine_type: str, section: str, domain: str | None = None
) -> str:
    """Name of the file that holds the scores or decisions of one section.

    Args:
        kind: `SCORE` or `DECISION`.
        dataset: as in the clip table; it decides whose year's names are used.
        machine_type: as in the clip table.
        section: two digits.
        domain: read for 2021 only, where every domain has a file of its own.

    Examples:
        >>> file_name(SCORE, "mini2021", "fan", "00", "source")
        'anomaly_score_fan_section_00_source_test.csv'
        >>> file_name(DECISION, "dcase2020", "ToyCar", "01")
        'decision_result_ToyCar_id_01.csv'
    """
    year = challenge_year(dataset)
    if year == 2020:
        return f"{kind}_{machine_type}_id_{section}.csv"
    if year == 2021:
        return f"{kind}_{machine_type}_section_{section}_{domain}_test.csv"
    return f"{kind}_{machine_type}_section_{section}_test.csv"


def write_submission(
    folder: Path, table: pd.DataFrame, anomaly_scores: ArrayLike, decisions: ArrayLike
) -> list[Path]:
    """Write the scores and decisions of all test clips, one file per section.

    Nothing is written unless everything can be. A file is whole or not there.

    Args:
        folder: made if missing.
        table: clip table; its test clips are written.
        anomaly_scores: float, `(clips,)` in the order of the table; read for test clips only.
        decisions: bool or 0/1, `(clips,)` likewise, 1 for anomalous.

    Returns:
        the files, sorted.

    Raises:
        DataError: if there are no test clips, a score is not finite, two clips of a file
            have the same name, or the domain is missing where the year's names have it.
        ValueError: if scores or decisions do not fit the table.
    """
    test = _test_clips(table, anomaly_scores, decisions)
    texts: dict[str, str] = {}
    for keys, clips in test.groupby(["dataset", "machine_type", "section", "file_domain"]):
        dataset, machine_type, section, domain = (str(key) for key in keys)
        clips = clips.sort_values("name", kind="stable")
        for kind, column in ((SCORE, "score"), (DECISION, "decision")):
            name = file_name(kind, dataset, machine_type, section, domain)
            _refuse_duplicates(name, clips["name"])
            texts[name] = _csv_text(clips["name"].tolist(), clips[column].tolist())

    for name in sorted(texts):
        write_text(Path(folder) / name, texts[name])
    return [Path(folder) / name for name in sorted(texts)]


def read_submission(folder: Path) -> pd.DataFrame:
    """Read the score and decision files of a folder, of any year, with or without `_test`.

    Args:
        folder: holds `anomaly_score_*.csv` and, where decisions were made,
            `decision_result_*.csv`. Other files are left alone.

    Returns:
        one row per clip, sorted by machine type, section, domain and name, with columns
        machine_type, section, domain (NA unless the file name has it), name (string),
        anomaly_score (float64) and decision (boolean, NA without a decision file).

    Raises:
        DataError: if there are no score files, a line is not `name,value`, a value is not
            a finite number or not 0 or 1, a name stands twice, or the two files of a
            section do not name the same clips.
    """
    files = sorted(path for path in Path(folder).glob("*.csv") if _FILE_NAME.fullmatch(path.name))
    scores = _read_kind(files, SCORE)
    decisions = _read_kind(files, DECISION)
    if not scores:
        raise DataError(f"{folder}: no file named {SCORE}_<machine>_section_<nn>_test.csv.")

    rows: list[tuple[object, ...]] = []
    for key, (path, by_name) in scores.items():
        decided = decisions.pop(key, (path, {}))
        if decided[1] and set(decided[1]) != set(by_name):
            odd = sorted(set(decided[1]) ^ set(by_name))
            raise DataError(
                f"{decided[0]}: must name the same clips as {path.name}. "
                f"Only one of them has: {_some(odd)}"
            )
        for name in sorted(by_name):
            rows.append((*key, name, by_name[name], decided[1].get(name)))
    if decisions:
        path = next(iter(decisions.values()))[0]
        raise DataError(f"{path}: has no score file of the same section beside it.")
    return _typed(rows)


def _typed(rows: list[tuple[object, ...]]) -> pd.DataFrame:
    columns = {
        "machine_type": "string",
        "section": "string",
        "domain": "string",
        "name": "string",
        "anomaly_score": "float64",
        "decision": "boolean",
    }
    frame = pd.DataFrame(rows, columns=list(columns)).astype(columns)
    order = ["machine_type", "section", "domain", "name"]
    return frame.sort_values(order, kind="stable", ignore_index=True)


def _test_clips(
    table: pd.DataFrame, anomaly_scores: ArrayLike, decisions: ArrayLike
) -> pd.DataFrame:
    """The test clips with name, score, decision and, where files have it, the domain."""
    scores = np.asarray(anomaly_scores, dtype="float64")
    flags = np.asarray(decisions)
    if scores.shape != (len(table),) or flags.shape != (len(table),):
        raise ValueError(
            f"scores and decisions must have one value per clip of the table, {len(table)}. "
            f"Received: shapes {scores.shape} and {flags.shape}"
        )
    is_test = (table["split"] == "test").to_numpy(dtype=bool)
    if not is_test.any():
        raise DataError("there are no test clips, so there is nothing to submit.")
    test = table.loc[is_test, ["path", "dataset", "machine_type", "section", "domain"]].copy()
    test["name"] = [Path(path).name for path in test["path"]]
    test["score"] = scores[is_test]
    if not np.isin(flags[is_test], (0, 1)).all():
        raise ValueError("decisions must be 0 or 1, also for test clips without a label.")
    test["decision"] = flags[is_test].astype(int)

    bad = test["path"][~np.isfinite(test["score"])].tolist()
    if bad:
        raise DataError(f"anomaly scores must be finite. {len(bad)} are not: {_some(bad)}")
    by_domain = np.array([challenge_year(str(name)) == 2021 for name in test["dataset"]])
    lost = test["path"][by_domain & test["domain"].isna().to_numpy(dtype=bool)].tolist()
    if lost:
        raise DataError(
            "score files of 2021 are kept apart by domain, so every test clip needs one "
            f"(folder source_test or target_test, or the file name). {len(lost)} have none: "
            f"{_some(lost)}"
        )
    test["file_domain"] = np.where(by_domain, test["domain"].fillna(""), "")
    return test


def _read_kind(
    files: list[Path], kind: str
) -> dict[tuple[str, str, str | None], tuple[Path, dict[str, float | bool]]]:
    found: dict[tuple[str, str, str | None], tuple[Path, dict[str, float | bool]]] = {}
    for path in files:
        match = _FILE_NAME.fullmatch(path.name)
        if match is None or match["kind"] != kind:
            continue
        key = (match["machine_type"], match["section"], match["domain"])
        if key in found:
            raise DataError(f"{path}: is about the same section as {found[key][0].name}.")
        found[key] = (path, dict(_checked_lines(path, kind)))
    return found


def _checked_lines(path: Path, kind: str) -> Iterator[tuple[str, float | bool]]:
    try:
        lines = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    _refuse_duplicates(str(path), pd.Series([line[0] for line in lines if line], dtype="string"))
    for number, line in enumerate(lines, start=1):
        if len(line) != 2:
            raise DataError(f"{path}: line {number} must be `name.wav,value`. Received: {line}")
        yield line[0], _value(path, number, line[1], kind)


def _value(path: Path, number: int, text: str, kind: str) -> float | bool:
    try:
        value = float(text)
    except ValueError:
        what = "a header; these files have none" if number == 1 else "no number"
        raise DataError(f"{path}: line {number} holds {what}. Received: {text!r}") from None
    if not math.isfinite(value):
        raise DataError(f"{path}: line {number} must be finite. Received: {text!r}")
    if kind == SCORE:
        return value
    if value not in (0.0, 1.0):
        raise DataError(f"{path}: line {number}: a decision is 0 or 1. Received: {text!r}")
    return bool(value)


def _refuse_duplicates(where: str, names: "pd.Series[str]") -> None:
    twice = sorted({str(name) for name in names[names.duplicated()]})
    if twice:
        raise DataError(
            f"{where}: a clip name may stand once per file. {len(twice)} stand twice: "
            f"{_some(twice)}. Rename the clips or remove the copies."
        )


def _csv_text(names: list[str], values: list[float] | list[int]) -> str:
    buffer = io.StringIO(newline="")
    # csv writes floats with repr, so reading them gives the same number again.
    csv.writer(buffer, lineterminator="\n").writerows(zip(names, values, strict=True))
    return buffer.getvalue()


def _some(items: list[str]) -> str:
    return ", ".join(items[:5]) + (" ..." if len(items) > 5 else "")
