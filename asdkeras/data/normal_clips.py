"""The normal clips that a detector is fitted to, from datasets and from plain folders.

Besides every dataset that `find_clips` knows, of which the training clips are taken, this reads
folders without any `train` or `test`: a folder of WAV or FLAC files is one machine, and a folder
of such folders is several.
"""

import dataclasses
import itertools
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from asdkeras.data import folders, layouts, naming, places, roles, years
from asdkeras.data.clip_table import clip_table, find_clips
from asdkeras.data.layouts import Clip, Layout, Problem
from asdkeras.errors import DataError

FEWEST_CLIPS = 2
"""Fewer training clips of a machine say nothing about how its clips differ."""
_WAY_OUT = (
    "Name a folder of normal WAV or FLAC files, one with such a folder for each machine, or a "
    "dataset."
)


def normal_clips(
    data: Path, machines: Sequence[str] | None = None
) -> tuple[pd.DataFrame, tuple[str, ...], str]:
    """Find the normal clips to train on.

    Args:
        data: a folder of audio files, which is one machine named after the folder; a folder of such
            folders; a dataset as in `find_clips`; or the name of one that was fetched or adopted.
            Clips of plain folders are of section 00 and nothing else is known about them, unless
            all names in a folder follow an official grammar.
        machines: as in `clip_table`.

    Returns:
        clip table with training clips only, notes for the user, and the dataset's name.

    Raises:
        DataError: if there are no clips, a machine has fewer than two, clips are named anomalous or
            test clips, or what `clip_table` refuses.
    """
    data = Path(data)
    if not data.exists():
        data = places.known_cards().get(str(data), data)
    layout = _plain_layout(data) if data.is_dir() else None
    others: list[Clip] = []
    if layout is None:
        layout = layouts.without_conflict_note(find_clips(data))
        trained = {clip.machine_type for clip in layout.clips if clip.split == "train"}
        # Test clips of a machine type that has no others stay, to be refused.
        others = [c for c in layout.clips if c.split != "train" and c.machine_type in trained]
        clips = [*set(layout.clips).difference(others)]
        layout = dataclasses.replace(layout, clips=clips)
    table, notes = clip_table(data, layout, machines)
    of_these = set(table["machine_type"])
    unread = Counter(clip.split for clip in others if clip.machine_type in of_these)
    if unread:
        kinds = " and ".join(f"{number} {split}" for split, number in sorted(unread.items()))
        notes += (f"{kinds} clips are left out: a detector learns from training clips alone.",)
    for (machine_type, section), rows in table.groupby(["machine_type", "section"]):
        if len(rows) < FEWEST_CLIPS:
            raise DataError(
                f"{data}: {machine_type}, section {section}, has {len(rows)} normal clip, and a "
                f"detector needs at least {FEWEST_CLIPS}, better some hundred. Record more, or "
                "leave this machine out."
            )
    return table, notes, layout.dataset


def learned_from(table: pd.DataFrame) -> str:
    """A line that names the machines of a table of training clips, and how many clips each has."""
    counts = table.groupby(["machine_type", "section"]).size()
    single = counts.groupby(level=0).size() == 1
    names = {key: key[0] if single[key[0]] else "_".join(key) for key in counts.index}
    return "learning from: " + ", ".join(f"{names[key]} ({n} clips)" for key, n in counts.items())


def machine_name(folder: str) -> str:
    """Name of the machine whose clips lie in a folder, fit for a file name.

    >>> machine_name("plant 2/feed pump/train")
    'feed_pump'
    """
    path = Path(os.path.abspath(folder))
    while roles.said(path.name).is_role:
        path = path.parent
    return re.sub(r"[^\w.+-]+", "_", path.name).strip("._") or "machine"


def _plain_layout(root: Path) -> Layout | None:
    """Clips of folders without `train` or `test`; None if there are such folders below."""
    files = folders.audio_files(root)
    below = files.keys() - {os.fspath(root)}
    if any(roles.place_of(name, [os.fspath(root)])[1].split in folders.FOLDERS for name in below):
        return None
    if not files:
        what = "holds no WAV or FLAC file" if any(root.iterdir()) else "is empty"
        raise DataError(f"{root}: {what}. {_WAY_OUT}")
    # A folder below another one with clips belongs to that machine, and is not read.
    tops = tuple(folder + os.sep for folder in files)
    own = [folder for folder in sorted(files) if not folder.startswith(tops)]
    _check_folders(root, own)
    clips: list[Clip] = []
    problems: list[Problem] = []
    for folder in own:
        clips += _clips_of(folder, files[folder], problems)
    notes = [note for note in map(_other_files, own) if note] + folders.hidden_files(files)
    if unread := sorted(files.keys() - own):
        notes.append(
            f"{sum(len(files[folder]) for folder in unread)} audio files lie in folders below a "
            f"machine's own and are not read: {', '.join(unread[:3])}"
            f"{', ...' if len(unread) > 3 else ''}."
        )
    name = years.own_name(machine_name(os.fspath(root)))
    return Layout(name, clips, problems, tuple(notes))


def _check_folders(root: Path, machine_folders: Sequence[str]) -> None:
    """Refuse folders whose names say that they hold other clips than normal ones of a machine."""
    if doubt := next(_doubts(root, machine_folders), None):
        normal = [
            each for each in machine_folders if roles.place_of(each, ())[1].is_anomalous is False
        ]
        raise DataError(
            f"{doubt}, and a detector learns from normal clips alone. Name the folder of normal "
            f"clips alone{f', {normal[0]}' if len(normal) == 1 else ''}, or sort the clips of each "
            "machine into MACHINE/train, normal ones, and MACHINE/test; a folder that is a "
            "machine of its own needs another name."
        )
    names: dict[str, str] = {}
    for folder in machine_folders:
        name = machine_name(folder)
        if (first := names.setdefault(name.casefold(), folder)) != folder:
            raise DataError(
                f"{root}: two folders are named after one machine, {name}: {first} and "
                f"{folder}. Rename or merge them."
            )


def _doubts(root: Path, machine_folders: Sequence[str]) -> Iterator[str]:
    """What in the names of folders says that not all of them hold normal clips of machines."""
    alike: dict[str, str] = {}
    for folder in machine_folders:
        parts = os.path.relpath(folder, root.absolute().parent).split(os.sep)
        for depth, part in enumerate(parts):
            own = roles.said(part)
            is_beside = depth > 0 and len(machine_folders) > 1
            is_other = own.is_role and own.split not in (None, "train")
            if is_other or roles.label_of(part) or (is_beside and own.is_anomalous):
                yield f"{folder}: clips in a folder named {part} may be anomalous"
        machine, own = roles.place_of(folder, ())
        if own.is_anomalous is False:
            below = (each for each in machine_folders if each.startswith(machine + os.sep))
            for other in below:
                if roles.place_of(other, ())[0] != machine:
                    yield f"{other}: clips beside {folder} may be anomalous"
        own = roles.said(machine_name(folder))
        other = alike.setdefault(own.rest, machine_name(folder))
        if own.rest and own[:3] != roles.said(other)[:3]:
            yield f"{folder}: clips there may be anomalous, or test clips, beside those of {other}"


def _clips_of(folder: str, file_names: Sequence[str], problems: list[Problem]) -> Iterator[Clip]:
    machine_type = machine_name(folder)
    names = [naming.parse_name(file_name) for file_name in file_names]
    odd = roles.odd_names([*itertools.compress(file_names, [name is None for name in names])])
    copies = set() if None in names else naming.copies(file_names)
    for file_name, name in zip(file_names, names, strict=True):
        path = os.path.join(folder, file_name)
        fault = layouts.contradiction_of(name, "train", roles.Said()) if name else ""
        if file_name in odd:
            fault = layouts.ODD_TRAINING
        elif file_name in copies:
            fault = naming.COPY
        if fault:
            problems.append(Problem(machine_type, f"{path}: {fault}"))
            continue
        said = layouts.PLAIN if None in names or name is None else name
        yield Clip(path, machine_type, said.section, said.domain, "train", False, said.attributes)


def _other_files(folder: str) -> str:
    """A note about files of a folder that are no audio; empty if there are none."""
    names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file())
    others = [name for name in names if name[0] != "." and not naming.is_audio_name(name)]
    if not others:
        return ""
    more = ", ..." if len(others) > 3 else ""
    return (
        f"{folder}: {len(others)} files are no WAV or FLAC audio and are not read: "
        f"{', '.join(others[:3])}{more}."
    )
