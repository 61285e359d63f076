"""The clip table: one row per recording, the same columns for every dataset.

| column | dtype | meaning |
|---|---|---|
| path | string | the file |
| dataset | string | `dcase2020` to `dcase2026`, `mini2020` to `mini2025`, or an own name |
| machine_type | string | folder name, case kept |
| section | string | two digits as text; machine ids of 2020 are sections |
| domain | string or NA | source or target; NA where the data does not say |
| split | string | train, test or supplemental |
| is_anomalous | boolean or NA | NA where unlabeled |
| attributes | string or NA | the attribute text, whole |
"""

import dataclasses
import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd

from asdkeras.data import cards, clip_csv, layouts, years
from asdkeras.data.released import with_released_attributes
from asdkeras.data.truth import Truth, join
from asdkeras.errors import DataError

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
_SPLITS = {"train": 0, "test": 1, "supplemental": 2}
_MAY_BE_NA = {"domain", "is_anomalous", "attributes"}


def read_clip_table(data: Path, machines: Sequence[str] | None = None) -> pd.DataFrame:
    """The clip table of a dataset; see `read_clips`, which also returns notes."""
    return read_clips(data, machines)[0]


def read_clips(
    data: Path, machines: Sequence[str] | None = None
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Find all clips of a dataset and what they say about themselves.

    Args:
        data: as in `find_clips`.
        machines: as in `clip_table`.

    Returns:
        as `clip_table`.

    Raises:
        DataError: as both.
    """
    return clip_table(data, find_clips(data), machines)


def find_clips(data: Path) -> layouts.Layout:
    """Find all clips of a dataset, whatever is wrong with single ones.

    Args:
        data: folder in an official or a plain layout (`layouts.py`), the card of an
            adopted dataset (`cards.py`), or a CSV file (`clip_csv.py`).

    Raises:
        DataError: if the folder is missing or holds no clips, or several datasets.
    """
    data = Path(data)
    if data.is_dir() or cards.is_card(data):
        return layouts.read_layout(data)
    if data.is_file():
        if data.suffix.lower() != ".csv":
            raise DataError(
                f"{data}: not a dataset. Name a folder of clips, or a CSV file that lists them."
            )
        return layouts.Layout(years.own_name(data.stem), clip_csv.read_clip_csv(data), [], ())
    siblings = sorted(path.name for path in data.parent.glob("*")) if data.parent.is_dir() else []
    names = [*siblings, *cards.known_cards()] if data.name == str(data) else siblings
    near = difflib.get_close_matches(data.name, names, n=1)
    hint = f"Did you mean {data.parent / near[0]}?" if near else "Check the path."
    if year := next(iter(years.years_of(str(data))), None):
        hint = f"Get it with `asdkeras data fetch {year} --to DIR`, or `asdkeras data adopt DIR`."
    raise DataError(f"{data}: no such folder. {hint}")


def clip_table(
    data: Path,
    layout: layouts.Layout,
    machines: Sequence[str] | None = None,
    *,
    truth: Truth | None = None,
    released: Mapping[str, Mapping[str, str]] | None = None,
    supplemental: Literal["apart", "normal"] = "apart",
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The clip table of what was found.

    Args:
        data: where it was found, for messages.
        layout: what was found.
        machines: machine types (`slider`) or sections of them (`slider_00`) to read; all
            if None. Nothing is asked of the others.
        truth: ground truth of the evaluation set, if it is known.
        released: attributes withheld by the challenge and released later (`released.py`).
        supplemental: `normal` makes supplemental clips that hold a machine and nothing
            else training clips; `apart` leaves them alone. Noise never is one.

    Returns:
        the table, sorted by machine type, section, split (train, test, supplemental),
        domain and file name, and notes for the user, one line each.

    Raises:
        DataError: if a machine type is unknown, has no training clips, or has test clips
            of a section without training clips, or if files contradict their folder, each
            other or the ground truth. All at fault are named.
    """
    if truth is not None:
        joined = join(layout.clips, truth)
        layout = dataclasses.replace(
            layout,
            clips=joined.clips,
            problems=[*layout.problems, *joined.problems],
            notes=(
                *(note for note in layout.notes if not note.endswith(layouts.CONFLICT)),
                *joined.notes,
            ),
        )
    clips, machine_types = _selected(data, layout.clips, machines)
    if released is not None:
        clips, note = _with_released(clips, released)
        layout = dataclasses.replace(layout, notes=(*layout.notes, note))
    if supplemental == "normal":
        clips, note = _with_supplemental(clips)
        layout = dataclasses.replace(layout, notes=(*layout.notes, note))
    problems = [item.text for item in layout.problems if item.machine_type in machine_types]
    if problems:
        raise DataError(
            f"{data}: {len(problems)} files contradict their folder or each other. Move or remove "
            "them, or name a folder with one copy of the dataset:"
            + "".join(f"\n  {text}" for text in problems)
        )
    _check_training_clips(data, clips)
    clips.sort(key=_order)
    columns = dict(zip(layouts.Clip._fields, map(list, zip(*clips, strict=True)), strict=True))
    columns["dataset"] = [layout.dataset] * len(clips)
    series = {name: pd.Series(columns[name], dtype=dtype) for name, dtype in COLUMNS.items()}
    table = pd.DataFrame(series)
    check_clip_table(table)
    return table, layout.notes + _unlabeled(clips, layout.dataset)


def check_clip_table(table: pd.DataFrame) -> None:
    """Check columns, dtypes and values of a clip table, for example one built by hand.

    Raises:
        ValueError: if a column is missing, unknown, out of order or of another dtype, the
            index is not 0, 1, 2, ..., or a value is none the column may have.
        DataError: if a file, or the name of a test clip in one section, appears twice.
    """
    received = {str(name): str(dtype) for name, dtype in table.dtypes.items()}
    if list(received.items()) != list(COLUMNS.items()):
        raise ValueError(f"a clip table has the columns {COLUMNS}. Received: {received}")
    if not table.index.equals(pd.RangeIndex(len(table))):
        raise ValueError(f"a clip table is indexed 0, 1, 2, ... Received: {table.index!r}")
    for name in COLUMNS.keys() - _MAY_BE_NA:
        if table[name].isna().any():
            raise ValueError(f"`{name}` of a clip table must not be NA.")
    for name, allowed in (("split", set(_SPLITS)), ("domain", {"source", "target"})):
        if wrong := set(table[name].dropna().unique()) - allowed:
            raise ValueError(
                f"`{name}` must be one of {sorted(allowed)}. Received: {sorted(wrong)}"
            )
    if not table["section"].str.fullmatch(r"[0-9]{2}").all():
        raise ValueError(
            f"`section` is two digits as text. Received: {sorted(table['section'].unique())}"
        )
    is_training = table["split"] == "train"
    if table["is_anomalous"].where(is_training, False).fillna(False).any():
        raise ValueError("training clips must be normal. Received: is_anomalous=True")
    _check_unique(table)


def _check_unique(table: pd.DataFrame) -> None:
    again = table["path"].duplicated()
    if again.any():
        raise DataError(
            "every file may be one clip only. Remove the repetition of: "
            + ", ".join(table["path"][again])
        )
    test = table[table["split"] == "test"]
    names = test["path"].map(os.path.basename)
    again = pd.DataFrame(
        {"machine_type": test["machine_type"], "section": test["section"], "name": names}
    ).duplicated(keep=False)
    if again.any():
        raise DataError(
            "test clips of one section must differ in their file names, which name them in score "
            "files. Rename or remove:" + "".join(f"\n  {path}" for path in test["path"][again])
        )


def _selected(
    data: Path, clips: list[layouts.Clip], machines: Sequence[str] | None
) -> tuple[list[layouts.Clip], set[str]]:
    """Clips of the machine types or sections asked for, and their machine types."""
    known = {clip.machine_type for clip in clips}
    if machines is None:
        return list(clips), known
    if isinstance(machines, str):
        raise TypeError(f"`machines` is a sequence of names. Received: {machines!r}")
    sections = {f"{clip.machine_type}_{clip.section}": clip.machine_type for clip in clips}
    for name in machines:
        if name not in known and name not in sections:
            near = difflib.get_close_matches(name, known | set(sections), n=1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise DataError(
                f"{data}: no machine type `{name}`.{hint} There are: {', '.join(sorted(known))}."
            )
    wanted = set(machines)
    selected = [
        clip
        for clip in clips
        if clip.machine_type in wanted or f"{clip.machine_type}_{clip.section}" in wanted
    ]
    return selected, {clip.machine_type for clip in selected}


def _with_released(
    clips: list[layouts.Clip], released: Mapping[str, Mapping[str, str]]
) -> tuple[list[layouts.Clip], str]:
    filled = with_released_attributes(clips, released)
    changed = {new.machine_type for new, old in zip(filled, clips, strict=True) if new != old}
    count = sum(new != old for new, old in zip(filled, clips, strict=True))
    names = f" of {', '.join(sorted(changed))}" if changed else ""
    return filled, (
        f"attributes that the challenge withheld are filled in for {count} clips{names}: results "
        "are not first-shot."
    )


def _with_supplemental(clips: list[layouts.Clip]) -> tuple[list[layouts.Clip], str]:
    """Supplemental clips as training clips, if there is a machine in them and nothing else."""
    is_clean = [clip.split == "supplemental" and clip.is_anomalous is False for clip in clips]
    joined = [
        clip._replace(split="train") if clean else clip
        for clip, clean in zip(clips, is_clean, strict=True)
    ]
    return joined, f"{sum(is_clean)} supplemental clips are training clips."


def _check_training_clips(data: Path, clips: list[layouts.Clip]) -> None:
    machine_types = {clip.machine_type for clip in clips}
    trained = {(clip.machine_type, clip.section) for clip in clips if clip.split == "train"}
    untrained_types = sorted(machine_types - {machine_type for machine_type, _ in trained})
    tested = {(clip.machine_type, clip.section) for clip in clips if clip.split == "test"}
    untrained_sections = sorted(
        f"{machine_type}_{section}"
        for machine_type, section in tested - trained
        if machine_type not in untrained_types
    )
    if not untrained_types and not untrained_sections:
        return
    usable = _usable(machine_types, tested, trained)
    names = ", ".join(untrained_types + untrained_sections)
    way_out = (
        f" or read only what has them: machines={usable!r}, on the command line "
        f"`--machines {' '.join(usable)}`"
        if usable
        else ""
    )
    raise DataError(f"{data}: no training clips for {names}. Add them to train/{way_out}.")


def _usable(
    machine_types: set[str], tested: set[tuple[str, str]], trained: set[tuple[str, str]]
) -> tuple[str, ...]:
    """Names for `machines` that have training clips for all their test clips."""
    usable = []
    for machine_type in sorted(machine_types):
        sections = sorted(section for name, section in trained if name == machine_type)
        if {item for item in tested if item[0] == machine_type} <= trained and sections:
            usable.append(machine_type)
        else:
            usable += [f"{machine_type}_{section}" for section in sections]
    return tuple(usable)


def _order(clip: layouts.Clip) -> tuple[str, str, int, str, str, str]:
    domain = "~" if clip.domain is None else clip.domain  # Unknown domains last.
    name = os.path.basename(clip.path)
    return clip.machine_type, clip.section, _SPLITS[clip.split], domain, name, clip.path


def _unlabeled(clips: list[layouts.Clip], dataset: str) -> tuple[str, ...]:
    test = [clip for clip in clips if clip.split == "test"]
    counts: dict[str, int] = {}
    for clip in test:
        if clip.is_anomalous is None:
            counts[clip.machine_type] = counts.get(clip.machine_type, 0) + 1
    if not counts:
        return ()
    names = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
    year = next(iter(years.years_of(dataset)), None)
    fetch = (
        f" `asdkeras data fetch {year} --parts truth` gets the published labels." if year else ""
    )
    return (
        f"{sum(counts.values())} of {len(test)} test clips have no label and can be scored but not "
        f"evaluated: {names}.{fetch}",
    )
