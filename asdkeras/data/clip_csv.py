"""A CSV file that lists one's own clips."""

import csv
import difflib
import os
from pathlib import Path

from asdkeras.data.layouts import Clip
from asdkeras.errors import DataError

REQUIRED = ("path", "machine_type", "split")
COLUMNS = (*REQUIRED, "section", "domain", "is_anomalous", "attributes")

_LABELS = {"": None, "0": False, "false": False, "1": True, "true": True}
_VALUES = {"split": ("train", "test", "supplemental"), "domain": ("", "source", "target")}


def read_clip_csv(path: Path) -> list[Clip]:
    """Read a CSV file with one line per clip.

    Paths are relative to the folder of the CSV file. `section` is "00" if the column or the
    field is empty; empty `domain`, `is_anomalous` and `attributes` mean unknown, except
    that training clips are normal.

    Raises:
        DataError: on an unknown, missing or doubled column, a value no column takes, or
            files that are not there; all lines at fault are listed.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        header, *lines = csv.reader(text.splitlines(), strict=True) if text.strip() else [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a readable CSV file in UTF-8: {error}.") from error
    _check_header(path, header)
    clips: list[Clip] = []
    faults: list[str] = []
    for number, fields in enumerate(lines, start=2):
        if not any(fields):
            continue
        if len(fields) != len(header):
            faults.append(f"line {number}: {len(fields)} fields, the header has {len(header)}")
            continue
        row = dict(zip(header, (field.strip() for field in fields), strict=True))
        if fault := _fault(row):
            faults.append(f"line {number}: {fault}")
            continue
        label = _LABELS[row.get("is_anomalous", "").lower()]
        clip = Clip(
            path=os.path.join(path.parent, row["path"]),
            machine_type=row["machine_type"],
            section=row.get("section", "").zfill(2),
            domain=row.get("domain") or None,
            split=row["split"],
            is_anomalous=False if row["split"] == "train" else label,
            attributes=row.get("attributes") or None,
        )
        clips.append(clip)
    faults += [f"{clip.path}: no such file" for clip in clips if not os.path.isfile(clip.path)]
    if faults:
        raise DataError(
            f"{path}: {len(faults)} of {len(lines)} lines cannot be used. Correct them:"
            + "".join(f"\n  {fault}" for fault in faults)
        )
    if not clips:
        raise DataError(f"{path}: lists no clips. Add one line per clip below the header.")
    return clips


def _check_header(path: Path, header: list[str]) -> None:
    for name in header:
        if name not in COLUMNS:
            near = difflib.get_close_matches(name, COLUMNS, n=1)
            hint = f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join(COLUMNS)}."
            raise DataError(f"{path}: unknown column `{name}`. {hint}")
    if doubled := sorted({name for name in header if header.count(name) > 1}):
        raise DataError(f"{path}: the column `{doubled[0]}` is there twice. Remove one.")
    if missing := [name for name in REQUIRED if name not in header]:
        raise DataError(
            f"{path}: missing {', '.join(f'`{name}`' for name in missing)}. The first line names "
            f"the columns: {', '.join(REQUIRED)} and, if known, {', '.join(COLUMNS[3:])}. "
            f"Received: {', '.join(header) or 'an empty file'}"
        )


def _fault(row: dict[str, str]) -> str | None:
    for name in REQUIRED:
        if not row[name]:
            return f"`{name}` is empty"
    for name, allowed in _VALUES.items():
        if row.get(name, allowed[0]) not in allowed:
            values = ", ".join(value or "empty" for value in allowed)
            return f"`{name}` must be one of {values}. Received: {row[name]!r}"
    if set(row["machine_type"]) & set("/\\") or row["machine_type"].startswith("."):
        # Run folders and score files are named after it.
        return f"`machine_type` must do as a folder name. Received: {row['machine_type']!r}"
    section = row.get("section", "")
    if section and not (section.isascii() and section.isdigit() and len(section) <= 2):
        return f"`section` must be a number from 0 to 99. Received: {section!r}"
    label = row.get("is_anomalous", "").lower()
    if label not in _LABELS:
        return f"`is_anomalous` must be 0, 1, true, false or empty. Received: {label!r}"
    if row["split"] == "train" and _LABELS[label]:
        return "an anomalous training clip; training clips must be normal"
    return None
