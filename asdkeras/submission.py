"""Score and decision files: the challenge's own, written; anybody's, read.

Three forms are read. The official ones (`anomaly_score_fan_section_00_test.csv`, with the
domain in 2021, with `id` in 2020), which are also those written. The long ones of the
official baselines since 2023 (`anomaly_score_DCASE2023T2fan_section_00_test_seed13711..csv`).
And ASDKit's `<machine type>/test_score.csv`, which hold one column per backend.
"""

import math
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from asdkeras.errors import DataError, Faults, RecipeError, shortened
from asdkeras.files import write_text
from asdkeras.metrics.official import challenge_year
from asdkeras.plain_text import csv_lines, csv_text, number

SCORE = "anomaly_score"
DECISION = "decision_result"

_KIND = rf"(?P<kind>{SCORE}|{DECISION})"
_PLACE = r"(?:section|id)_(?P<section>\d\d)(?:_(?P<domain>source|target))?"
_OFFICIAL = re.compile(rf"{_KIND}_(?P<machine_type>.+)_{_PLACE}(?:_test)?\.csv", re.ASCII)
_LONG = re.compile(
    # `T2` is the number of the task: the name of a machine type may begin with a digit.
    rf"{_KIND}_DCASE(?P<year>20\d\d)T2(?P<machine_type>.+)_{_PLACE}_test"
    r"_(?P<tag>seed\d+.*?)(?:_Eval)?\.csv",
    re.ASCII,
)
_MEANT_AS_ONE = re.compile(r"(?:anomaly.?score|decision.?result).*\.csv", re.IGNORECASE)
_ASDKIT_FILE = "test_score.csv"
_ASDKIT_PREFIX = "AS-"
_LINE = "every line must be `name.wav,value`"
_HEADER = "line 1 is a header, and these files have none"
_DECIMAL_COMMA = re.compile("[+-]?[0-9]+,[0-9]+(?:e[+-]?[0-9]+)?", re.IGNORECASE)


class Value(NamedTuple):
    """One line of a score or decision file."""

    path: str
    machine_type: str  # As the file name says it.
    section: str | None  # Two digits; None if the file holds all sections of a machine type.
    domain: str | None  # None if the file name does not say it.
    clip: str  # Without folders.
    value: float  # The score, or 0 or 1.


class SubmittedSystem(NamedTuple):
    """The score and decision files of one system.

    Its name is its folder below the root (empty for the root itself), and the seed and tag in
    its file names if other systems lie beside it.
    """

    name: str
    folder: Path
    scores: tuple[Value, ...]
    decisions: tuple[Value, ...]  # Empty if there are no decision files.
    faults: tuple[str, ...]  # What cannot be read, one line each.


class _File(NamedTuple):
    """A file that is named like one of a submission; year and tag are in long names only."""

    path: Path
    kind: str
    machine_type: str
    section: str | None
    domain: str | None
    year: str = ""
    tag: str = ""


def file_name(
    kind: str, dataset: str, machine_type: str, section: str, domain: str | None = None
) -> str:
    """Name of the file that holds the scores or decisions of one section.

    Args:
        kind: `SCORE` or `DECISION`.
        dataset: as in the clip table; it decides whose year's names are used.
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
        table: clip table.
        anomaly_scores: `(clips,)` in the order of the table.
        decisions: bool or 0/1, `(clips,)`, 1 for anomalous.

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
            twice = sorted({str(clip) for clip in clips["name"][clips["name"].duplicated()]})
            if twice:
                raise DataError(
                    f"{name}: a clip name may stand once per file. {len(twice)} stand twice: "
                    f"{shortened(twice)}. Rename the clips or remove the copies."
                )
            # Floats are written so that reading them gives the same number again.
            texts[name] = csv_text(clips[["name", column]], header=False)
    for name in sorted(texts):
        write_text(Path(folder) / name, texts[name])
    return [Path(folder) / name for name in sorted(texts)]


def read_systems(
    root: Path, year: int, machine_types: Collection[str], backend: str | None = None
) -> tuple[SubmittedSystem, ...]:
    """Read every system whose files lie in or below a folder, sorted by name.

    A folder is a system. Folders named like a machine type belong to the folder above.
    Files of one folder that differ in seed or tag, as the baseline writes them, are
    several systems.

    Args:
        machine_types: those of the year; files of others are faults.
        backend: which of ASDKit's columns to read, with or without `AS-`. None takes the only one.

    Raises:
        DataError: if there is no such folder, or no file of a submission in it.
        RecipeError: if ASDKit's files hold several backends and none of them is named.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder. Check the path.")
    files: dict[tuple[Path, str], list[_File]] = defaultdict(list)
    faults: dict[Path, Faults] = defaultdict(Faults)
    for path in sorted(root.rglob("*.csv")):
        folder = path.parent.parent if path.parent.name in machine_types else path.parent
        file = _recognized(path)
        if fault := _name_fault(path, file, year, machine_types):
            faults[folder].add(str(path), fault, "")
        elif file:
            files[folder, file.tag].append(file)
    if not files and not faults:
        raise DataError(
            f"{root}: no score files. Looked for {SCORE}_<machine>_section_<nn>_test.csv (id "
            f"instead of section in 2020), the baseline's long names, and ASDKit's {_ASDKIT_FILE}."
        )
    for folder in faults.keys() - {folder for folder, _ in files}:
        files[folder, ""] = []
    return tuple(
        _read_system(_system_name(root, key, files), key[0], files[key], faults[key[0]], backend)
        for key in sorted(files)
    )


def _recognized(path: Path) -> _File | None:
    if path.name == _ASDKIT_FILE:
        return _File(path, SCORE, path.parent.name, None, None)
    match = _LONG.fullmatch(path.name) or _OFFICIAL.fullmatch(path.name)
    return _File(path, **match.groupdict()) if match else None


def _name_fault(
    path: Path, file: _File | None, year: int, machine_types: Collection[str]
) -> str | None:
    if file is None:
        if not _MEANT_AS_ONE.fullmatch(path.name):
            return None
        example = file_name(SCORE, f"dcase{year}", "<machine>", "<nn>", "<domain>")
        return f"misnamed. The name must be like {example}."
    if file.year not in ("", str(year)):
        return f"misnamed. Its name says {file.year}, not {year}."
    if file.machine_type not in machine_types:
        known = ", ".join(sorted(machine_types))
        return f"misnamed. {year} has no machine type {file.machine_type}, but {known}."
    return None


def _system_name(root: Path, key: tuple[Path, str], keys: Collection[tuple[Path, str]]) -> str:
    folder, tag = key
    name = "" if folder == root else str(folder.relative_to(root))
    is_alone = sum(folder == other for other, _ in keys) == 1
    return name if is_alone else "/".join(part for part in (name, tag or "untagged") if part)


def _read_system(
    name: str, folder: Path, files: list[_File], faults: Faults, backend: str | None
) -> SubmittedSystem:
    values: dict[str, list[Value]] = {SCORE: [], DECISION: []}
    first: dict[tuple[str | None, ...], Path] = {}
    for file in files:
        earlier = first.setdefault(file[1:5], file.path)
        if earlier != file.path:
            faults.add(str(file.path), f"is about the same section as {earlier}")
            continue
        values[file.kind] += _read_values(file, backend, faults)
    if files and not any(file.kind == SCORE for file in files):
        faults.add(str(folder), "decision files, but no score files")
    return SubmittedSystem(
        name, folder, tuple(values[SCORE]), tuple(values[DECISION]), tuple(faults.lines())
    )


def _read_values(file: _File, backend: str | None, faults: Faults) -> list[Value]:
    """The values of one file; what is wrong with its lines goes to the faults, each kind once."""
    values: list[Value] = []
    found: dict[str, list[str]] = defaultdict(list)
    try:
        is_asdkit = file.section is None
        for place, line in _asdkit_lines(file, backend) if is_asdkit else csv_lines(file.path):
            if fault := _line_fault(file.kind, place, line):
                has_name = len(line) == 2 and fault != _HEADER
                who = line[0] if has_name else f"line {place}"
                found[fault].append(f"{who} ({','.join(line[1:] if len(line) == 2 else line)!r})")
            else:
                values.append(Value(str(file.path), *file[2:5], line[0], number(line[1])))
    except DataError as error:
        faults.add(str(file.path), str(error).removeprefix(f"{file.path}: "), "")
        return []
    if not values and not found:
        faults.add(str(file.path), "holds no lines", "")
    for fault, received in found.items():
        faults.add(str(file.path), fault, f". Received: {shortened(received)}")
    return values


def _line_fault(kind: str, place: int, line: list[str]) -> str | None:
    name = line[0].lower() if line else ""
    is_name = name.endswith((".wav", ".flac"))
    if not is_name and (";" in name or "\t" in name):
        return f"{_LINE}, with a comma between them, no semicolon and no tab"
    if _DECIMAL_COMMA.fullmatch(",".join(line[1:])):
        return f"{_LINE}, and a number has a decimal point, no comma"
    if len(line) != 2:
        return _LINE
    try:
        value = number(line[1])
    except ValueError:
        is_header = place == 1 and not is_name
        return _HEADER if is_header else "values must be numbers"
    if not math.isfinite(value):
        return "values must be finite"
    if kind == DECISION and value not in (0.0, 1.0):
        return "a decision is 0 or 1"
    return None


def _asdkit_lines(file: _File, backend: str | None) -> Iterator[tuple[int, list[str]]]:
    """Name and score of each clip in a file of ASDKit; its section column is not needed."""
    lines = iter(csv_lines(file.path))
    _, header = next(lines, (1, []))
    backends = [name for name in header if name.startswith(_ASDKIT_PREFIX)]
    if "path" not in header or not backends:
        raise DataError(
            f"{file.path}: not a score file of ASDKit, which has the columns `path` and "
            f"`{_ASDKIT_PREFIX}<backend>`. Received: {shortened(header)}"
        )
    names = [name.removeprefix(_ASDKIT_PREFIX) for name in backends]
    if backend is None and len(backends) > 1:
        raise RecipeError(
            f"{file.path}: holds scores of several backends. Choose one with --backend: "
            f"{', '.join(names)}"
        )
    wanted = names[0] if backend is None else backend.removeprefix(_ASDKIT_PREFIX)
    if wanted not in names:
        raise RecipeError(
            f"{file.path}: has no such backend, but {', '.join(names)}. "
            f"Received: --backend {backend}"
        )
    columns = (header.index("path"), header.index(_ASDKIT_PREFIX + wanted))
    for place, line in lines:
        if len(line) != len(header):
            raise DataError(
                f"{file.path}: line {place} must have {len(header)} values. Received: {len(line)}"
            )
        yield place, [os.path.basename(line[columns[0]]), line[columns[1]]]


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
        raise DataError(f"anomaly scores must be finite. {len(bad)} are not: {shortened(bad)}")
    by_domain = np.array([challenge_year(str(name)) == 2021 for name in test["dataset"]])
    lost = test["path"][by_domain & test["domain"].isna().to_numpy(dtype=bool)].tolist()
    if lost:
        raise DataError(
            "score files of 2021 are kept apart by domain, so every test clip needs one "
            f"(folder source_test or target_test, or the file name). {len(lost)} have none: "
            f"{shortened(lost)}"
        )
    test["file_domain"] = np.where(by_domain, test["domain"].fillna(""), "")
    return test
