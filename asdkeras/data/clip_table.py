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

import difflib
import os
from collections import Counter
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
_SPLITS = ("train", "test", "supplemental")


def read_clip_table(data: Path, machines: Sequence[str] | None = None) -> pd.DataFrame:
    """The clip table of a dataset, without notes; see `find_clips` and `clip_table`."""
    return clip_table(data, find_clips(data), machines)[0]


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
    clips, problems, notes = layout.clips, layout.problems, layout.notes
    if truth is not None:
        clips, more_problems, more_notes = join(clips, truth)
        problems = [*problems, *more_problems]
        notes = tuple(note for note in notes if not note.endswith(layouts.CONFLICT)) + more_notes
    clips = _selected(data, clips, machines)
    machine_types = {clip.machine_type for clip in clips}
    if released is not None:
        filled = with_released_attributes(clips, released)
        changed = [new.machine_type for new, old in zip(filled, clips, strict=True) if new != old]
        names = f" of {', '.join(sorted(set(changed)))}" if changed else ""
        notes += (
            "attributes that the challenge withheld are filled in for "
            f"{len(changed)} clips{names}: results are not first-shot.",
        )
        clips = filled
    if supplemental == "normal":
        # Clips with a machine in them and nothing else.
        is_clean = [clip.split == "supplemental" and clip.is_anomalous is False for clip in clips]
        pairs = zip(clips, is_clean, strict=True)
        clips = [clip._replace(split="train") if clean else clip for clip, clean in pairs]
        notes += (f"{sum(is_clean)} supplemental clips are training clips.",)
    faults = [each.text for each in problems if each.machine_type in machine_types or not clips]
    if faults:
        raise DataError(
            f"{data}: {len(faults)} files contradict their folder or each other. Move or remove "
            "them, or name a folder with one copy of the dataset:"
            + "".join(f"\n  {text}" for text in faults)
        )
    _check_training_clips(data, clips)
    rows = sorted(clips, key=_order)
    table = pd.DataFrame(rows, columns=[*layouts.Clip._fields])
    table = table.assign(dataset=layout.dataset)[[*COLUMNS]].astype(COLUMNS)
    _check_unique(table)
    return table, notes + _unlabeled(clips, layout.dataset)


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
    """Clips of the machine types or sections asked for."""
    if machines is None:
        return clips
    if isinstance(machines, str):
        raise TypeError(f"`machines` is a sequence of names. Received: {machines!r}")
    known = {clip.machine_type for clip in clips}
    sections = {f"{clip.machine_type}_{clip.section}" for clip in clips}
    for name in machines:
        if name not in known | sections:
            near = difflib.get_close_matches(name, known | sections, n=1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise DataError(
                f"{data}: no machine type `{name}`.{hint} There are: {', '.join(sorted(known))}."
            )
    return [
        clip
        for clip in clips
        if clip.machine_type in machines or f"{clip.machine_type}_{clip.section}" in machines
    ]


def _check_training_clips(data: Path, clips: list[layouts.Clip]) -> None:
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
    raise DataError(f"{data}: no training clips for {names}. Add them to train/{way_out}.")


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
