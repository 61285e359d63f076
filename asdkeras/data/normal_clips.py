"""The normal clips that a detector is fitted to, from datasets and from plain folders.

Besides every dataset that `find_clips` knows, of which the training clips are taken, this reads
folders without any `train` or `test`: a folder of WAV or FLAC files is one machine, and a folder
of such folders is several.
"""

import dataclasses
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from asdkeras.data import folders, layouts, naming, places, years
from asdkeras.data.clip_table import clip_table, find_clips
from asdkeras.data.layouts import Clip, Layout, Problem
from asdkeras.errors import DataError

FEWEST_CLIPS = 2
"""Fewer training clips of a machine say nothing about how its clips differ."""
_NO_MACHINES = {"train", "normal"}  # Such a folder is named after the one above it.
_ANOMALOUS = ("anomal", "abnormal")  # Names that begin so.
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
    if layout is None:
        layout = layouts.without_conflict_note(find_clips(data))
        trained = {clip.machine_type for clip in layout.clips if clip.split == "train"}
        # Test clips of a machine type that has no others stay, to be refused.
        clips = [c for c in layout.clips if c.split == "train" or c.machine_type not in trained]
        layout = dataclasses.replace(layout, clips=clips)
    table, notes = clip_table(data, layout, machines)
    for (machine_type, section), rows in table.groupby(["machine_type", "section"]):
        if len(rows) < FEWEST_CLIPS:
            raise DataError(
                f"{data}: {machine_type}, section {section}, has {len(rows)} normal clip, and a "
                f"detector needs at least {FEWEST_CLIPS}, better some hundred. Record more, or "
                "leave this machine out."
            )
    return table, notes, layout.dataset


def machine_name(folder: str) -> str:
    """Name of the machine whose clips lie in a folder, fit for a file name.

    >>> machine_name("plant 2/feed pump/train")
    'feed_pump'
    """
    path = Path(os.path.abspath(folder))
    while path.name.lower() in _NO_MACHINES:
        path = path.parent
    return re.sub(r"[^\w.+-]+", "_", path.name).strip("._") or "machine"


def _plain_layout(root: Path) -> Layout | None:
    """Clips of folders without `train` or `test`; None if there are such folders below."""
    files = folders.audio_files(root)
    below = files.keys() - {os.fspath(root)}
    if any(os.path.basename(folder) in folders.FOLDERS for folder in below):
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
    notes = [note for note in map(_other_files, own) if note]
    if unread := sorted(files.keys() - own):
        notes.append(
            f"{sum(len(files[folder]) for folder in unread)} audio files lie in folders below a "
            f"machine's own and are not read: {', '.join(unread[:3])}"
            f"{', ...' if len(unread) > 3 else ''}."
        )
    name = years.own_name(machine_name(os.fspath(root)))
    return Layout(name, clips, problems, tuple(notes))


def _check_folders(root: Path, machine_folders: Sequence[str]) -> None:
    names: dict[str, str] = {}
    for folder in machine_folders:
        for part in os.path.relpath(folder, root.absolute().parent).split(os.sep):
            split, _ = folders.FOLDERS.get(part, ("train", None))
            if split != "train" or part.lower().startswith(_ANOMALOUS):
                raise DataError(
                    f"{folder}: clips in a folder named {part} may be anomalous, and a detector "
                    f"learns from normal clips alone. {_WAY_OUT}"
                )
        name = machine_name(folder)
        if name in names:
            raise DataError(
                f"{root}: two folders are named after one machine, {name}: {names[name]} and "
                f"{folder}. Rename or merge them."
            )
        names[name] = folder


def _clips_of(folder: str, file_names: Sequence[str], problems: list[Problem]) -> Iterator[Clip]:
    machine_type = machine_name(folder)
    names = [naming.parse_name(file_name) for file_name in file_names]
    for file_name, name in zip(file_names, names, strict=True):
        path = os.path.join(folder, file_name)
        fault = layouts.contradiction_of(name, "train", None) if name else ""
        if file_name.lower().startswith(_ANOMALOUS):
            fault = layouts.ANOMALOUS_TRAINING
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
