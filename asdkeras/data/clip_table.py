"""The clip table: one row per recording, the same columns for every dataset.

| column | dtype | meaning |
|---|---|---|
| path | string | the file |
| dataset | string | `dcase2020` to `dcase2026`, `mini2020` or `bench2020` to 2025, or an own name |
| machine_type | string | folder name, case kept |
| section | string | two digits as text; machine ids of 2020 are sections |
| domain | string or NA | source or target; NA where the data does not say |
| split | string | train, test or supplemental |
| is_anomalous | boolean or NA | NA where unlabeled |
| attributes | string or NA | the attribute text, whole |
"""

import difflib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd

from asdkeras.config import did_you_mean
from asdkeras.data import layouts, places, roles, years
from asdkeras.data.truth import Truth, join, with_released_attributes
from asdkeras.errors import DataError, Faults
from asdkeras.files import as_text
from asdkeras.plain_text import csv_lines

COLUMNS = {
    "path": "string",
    "dataset": "string",
    "machine_type": "string",
    "section": "string",
    "domain": "string",
    "split": "string",
    "is_anomalous": "boolean",
    "attributes": "string",
}
_MOST_LINES = 20  # About single files, in one message.
_SPLITS = ("train", "test", "supplemental")
_REQUIRED = ("path", "machine_type", "split")
_CSV_COLUMNS = (*_REQUIRED, "section", "domain", "is_anomalous", "attributes")
_LABELS = {"": None, "0": False, "false": False, "1": True, "true": True}
_VALUES = {"split": _SPLITS, "domain": ("", "source", "target")}


def read_clip_table(data: Path, machines: Sequence[str] | None = None) -> pd.DataFrame:
    """The clip table of a dataset, without notes; see `find_clips` and `clip_table`."""
    return clip_table(data, find_clips(data), machines)[0]


def find_clips(data: Path) -> layouts.Layout:
    """Find all clips of a dataset, whatever is wrong with single ones.

    `data` is a folder in an official or a plain layout (`layouts.py`), the card of an adopted
    dataset (`places.py`), or a CSV file (`read_clip_csv`).

    Raises:
        DataError: if the folder is missing or holds no clips, or several datasets.
    """
    data = Path(data)
    if data.is_dir() or places.is_card(data):
        return layouts.read_layout(data)
    if data.is_file():
        if data.suffix.lower() != ".csv":
            raise DataError(
                f"{data}: not a dataset. Name a folder of clips, or a CSV file that lists them."
            )
        return layouts.Layout(years.own_name(data.stem), read_clip_csv(data), [], ())
    siblings = sorted(path.name for path in data.parent.glob("*")) if data.parent.is_dir() else []
    names = [*siblings, *places.known_cards()] if data.name == str(data) else siblings
    near = difflib.get_close_matches(data.name, names, n=1)
    hint = f"Did you mean {data.parent / near[0]}?" if near else "Check the path."
    if year := next(iter(years.years_of(str(data))), None):
        hint = f"Get it with `asdkeras data fetch {year} --to DIR`, or `asdkeras data adopt DIR`."
    raise DataError(f"{data}: no such folder. {hint}")


def read_clip_csv(path: Path) -> list[layouts.Clip]:
    """Read a CSV file with one line per clip.

    Paths are relative to the folder of the CSV file. `section` is "00" if the column or the
    field is empty; empty `domain`, `is_anomalous` and `attributes` mean unknown, except
    that training clips are normal.

    Raises:
        DataError: on an unknown, missing or doubled column, a value no column takes, or
            files that are not there; all lines at fault are listed.
    """
    (_, header), *lines = csv_lines(path) or [(1, [])]
    _check_header(path, header)
    clips: list[layouts.Clip] = []
    faults = Faults()
    for number, fields in lines:
        if not any(fields):
            continue
        if len(fields) != len(header):
            text = f"{len(fields)} fields, the header has {len(header)}"
            faults.add(f"line {number}", text, "")
            continue
        row = dict(zip(header, fields, strict=True))
        row |= {name: row[name].lower() for name in _VALUES.keys() & row.keys()}
        if fault := _fault_of_line(row):
            faults.add(f"line {number}", fault, "")
            continue
        label = _LABELS[row.get("is_anomalous", "").lower()]
        clip = layouts.Clip(
            path=os.path.join(path.parent, row["path"]),
            machine_type=row["machine_type"],
            section=row.get("section", "").zfill(2),
            domain=row.get("domain") or None,
            split=row["split"],
            is_anomalous=False if row["split"] == "train" else label,
            attributes=row.get("attributes") or None,
        )
        clips.append(clip)
    for clip in clips:
        if not os.path.isfile(clip.path):
            faults.add(clip.path, "no such file", "")
    if len(faults):
        raise DataError(
            f"{path}: {len(faults)} of {len(lines)} lines cannot be used. Correct them:{faults}"
        )
    if not clips:
        raise DataError(f"{path}: lists no clips. Add one line per clip below the header.")
    return clips


def _check_header(path: Path, header: list[str]) -> None:
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        raise DataError(f"{path}: fields must be separated by commas. Received: {header[0]!r}")
    for name in header:
        if name not in _CSV_COLUMNS:
            hint = did_you_mean(name, _CSV_COLUMNS) or f" Known: {', '.join(_CSV_COLUMNS)}."
            raise DataError(f"{path}: unknown column `{name}`.{hint}")
    if doubled := sorted({name for name in header if header.count(name) > 1}):
        raise DataError(f"{path}: the column `{doubled[0]}` is there twice. Remove one.")
    if missing := [name for name in _REQUIRED if name not in header]:
        raise DataError(
            f"{path}: missing {', '.join(f'`{name}`' for name in missing)}. The first line names "
            f"the columns: {', '.join(_REQUIRED)} and, if known, {', '.join(_CSV_COLUMNS[3:])}. "
            f"Received: {', '.join(header) or 'an empty file'}"
        )


def _fault_of_line(row: dict[str, str]) -> str | None:
    for name in _REQUIRED:
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
    if row["split"] == "train" and not label and roles.label_of(os.path.basename(row["path"])):
        return f"{row['path']} is named anomalous, and is a training clip; is_anomalous=0 insists"
    return None


def clip_table(
    data: Path,
    layout: layouts.Layout,
    machines: Sequence[str] | None = None,
    *,
    truth: Truth | None = None,
    released: Mapping[str, Mapping[str, str]] | None = None,
    supplemental: Literal["apart", "normal"] = "apart",
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Make the clip table of what was found in `data`, and notes for the user.

    Rows are sorted by machine type, section, split (train, test, supplemental), domain and file
    name.

    Args:
        machines: machine types (`slider`) or sections of them (`slider_00`) to read; all if None.
            The others may have any fault.
        truth: ground truth of the evaluation set, if it is known.
        released: attributes that the challenge withheld, as `truth.released_attributes` reads them.
        supplemental: `normal` makes supplemental clips that hold a machine and nothing else
            training clips; `apart` leaves them alone. Noise never is one.

    Raises:
        DataError: if a machine type is unknown, has no training clips, or has test clips of a
            section without training clips, or if files contradict their folder, each other or the
            ground truth.
    """
    if truth is not None:
        layout = join(layouts.without_conflict_note(layout), truth)
    clips, notes = _selected(data, layout.clips, machines), layout.notes
    machine_types = {clip.machine_type for clip in clips}
    if released is not None:
        clips, note = _with_released(clips, released)
        notes += (note,)
    if supplemental == "normal":
        is_clean = [clip.split == "supplemental" and clip.is_anomalous is False for clip in clips]
        pairs = zip(clips, is_clean, strict=True)
        clips = [clip._replace(split="train") if clean else clip for clip, clean in pairs]
        notes += (f"{sum(is_clean)} supplemental clips are training clips.",)
    if faults := [
        each.text for each in layout.problems if each.machine_type in machine_types or not clips
    ]:
        raise DataError(
            f"{data}: {len(faults)} files contradict their folder or each other. Move or remove "
            "them, or name a folder with one copy of the dataset:"
            + "".join(f"\n  {text}" for text in faults[:_MOST_LINES])
            + (f"\n  and {len(faults) - _MOST_LINES} more" if len(faults) > _MOST_LINES else "")
        )
    _check_training_clips(data, clips, layout.notes)
    rows = sorted(clips, key=_order)
    table = pd.DataFrame(rows, columns=[*layouts.Clip._fields])
    table = table.assign(dataset=layout.dataset)[[*COLUMNS]].astype(COLUMNS)
    texts = [name for name, kind in COLUMNS.items() if kind == "string" and name != "path"]
    table[texts] = table[texts].map(as_text, na_action="ignore").astype("string")
    _check_unique(table)
    return table, notes + _unlabeled(clips, layout.dataset)


def _with_released(
    clips: list[layouts.Clip], released: Mapping[str, Mapping[str, str]]
) -> tuple[list[layouts.Clip], str]:
    filled = with_released_attributes(clips, released)
    changed = [new.machine_type for new, old in zip(filled, clips, strict=True) if new != old]
    names = f" of {', '.join(sorted(set(changed)))}" if changed else ""
    return filled, (
        "attributes that the challenge withheld are filled in for "
        f"{len(changed)} clips{names}: results are not first-shot."
    )


def _check_unique(table: pd.DataFrame) -> None:
    again = table["path"].duplicated()
    if again.any():
        raise DataError(
            "every file may be one clip only. Remove the repetition of: "
            + ", ".join(table["path"][again])
        )
    test = table[table["split"] == "test"]
    named = test.assign(name=test["path"].map(os.path.basename))
    again = named.duplicated(["machine_type", "section", "name"], keep=False)
    if again.any():
        raise DataError(
            "test clips of one section must differ in their file names, which name them in score "
            "files. Rename or remove:" + "".join(f"\n  {path}" for path in test["path"][again])
        )


def _selected(
    data: Path, clips: list[layouts.Clip], machines: Sequence[str] | None
) -> list[layouts.Clip]:
    if machines is None:
        return clips
    if isinstance(machines, str):
        raise TypeError(f"`machines` is a sequence of names. Received: {machines!r}")
    known = {clip.machine_type for clip in clips}
    sections = {f"{clip.machine_type}_{clip.section}" for clip in clips}
    for name in machines:
        if name not in known | sections:
            raise DataError(
                f"{data}: no machine type `{name}`.{did_you_mean(name, known | sections)} "
                f"There are: {', '.join(sorted(known))}."
            )
    return [
        clip
        for clip in clips
        if clip.machine_type in machines or f"{clip.machine_type}_{clip.section}" in machines
    ]


def _check_training_clips(data: Path, clips: list[layouts.Clip], notes: Sequence[str]) -> None:
    trained = {(clip.machine_type, clip.section) for clip in clips if clip.split == "train"}
    tested = {(clip.machine_type, clip.section) for clip in clips if clip.split == "test"}
    types, sections, usable = [], [], []
    for machine_type in sorted({clip.machine_type for clip in clips}):
        own = sorted(section for name, section in trained if name == machine_type)
        untrained = [section for name, section in tested - trained if name == machine_type]
        if not own:
            types.append(machine_type)
        elif not untrained:
            usable.append(machine_type)
        else:
            sections += [f"{machine_type}_{section}" for section in untrained]
            usable += [f"{machine_type}_{section}" for section in own]
    if not types and not sections:
        return
    way_out = (
        f" or read only what has them: machines={tuple(usable)!r}, on the command line "
        f"`--machines {' '.join(usable)}`"
        if usable
        else ""
    )
    names = ", ".join(types + sorted(sections))
    unread = "".join(f" {note}" for note in notes if " in no train or test folder " in note)
    raise DataError(f"{data}: no training clips for {names}. Add them to train/{way_out}.{unread}")


def _order(clip: layouts.Clip) -> tuple[str, str, int, str, str, str]:
    domain = "~" if clip.domain is None else clip.domain  # Unknown domains last.
    name = os.path.basename(clip.path)
    return clip.machine_type, clip.section, _SPLITS.index(clip.split), domain, name, clip.path


def _unlabeled(clips: list[layouts.Clip], dataset: str) -> tuple[str, ...]:
    test = [clip for clip in clips if clip.split == "test"]
    counts = Counter(clip.machine_type for clip in test if clip.is_anomalous is None)
    if not counts:
        return ()
    names = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
    year = next(iter(years.years_of(dataset)), None)
    fetch = (
        f" `asdkeras data fetch {year} --parts truth` gets the published labels." if year else ""
    )
    return (
        f"{counts.total()} of {len(test)} test clips have no label and can be scored but not "
        f"evaluated: {names}.{fetch}",
    )
