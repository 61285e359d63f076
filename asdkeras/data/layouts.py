"""Folders of clips: the official layouts of all years, and plain folders of one's own.

A machine type is a folder that holds `train`, `test`, `source_test`, `target_test` or
`supplemental`, at any depth below the root, or the root itself. File names of the official
grammar say section, domain, label and attributes. Otherwise the folder is plain: all clips are
of section 00, and test names that begin with `normal` or `anomaly` are labeled. Folders in `test`
may say the label too. All such words, without case, and other words for them: `roles.py`.
"""

import dataclasses
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from asdkeras.data import folders, naming, places, roles, years

ODD_TRAINING = "named anomalous or a test clip, lies among the training clips, which must be normal"
"""What is said of a training clip that the name of its file or folder calls something else."""
_CONFLICT = (
    ". They come from a published list that contradicts the tables the 2022 challenge scored with."
)
PLAIN = naming.ClipName(2021, "00", None, None, None, "", None)
"""What a file name says that follows no official grammar."""


class Clip(NamedTuple):
    """One clip, fields as the columns of the clip table; None where nothing is known."""

    path: str
    machine_type: str
    section: str
    domain: str | None
    split: str
    is_anomalous: bool | None
    attributes: str | None


class Problem(NamedTuple):
    """One file that contradicts its place."""

    machine_type: str
    text: str


@dataclasses.dataclass(frozen=True)
class Layout:
    """What lies under a root."""

    dataset: str
    clips: list[Clip]  # In no particular order.
    problems: list[Problem]  # Files that contradict their folder, or each other.
    notes: tuple[str, ...]  # Lines the user should see once.
    machine_folders: tuple[str, ...] = ()  # Absolute paths, of all machine types.


def read_layout(data: Path) -> Layout:
    """Find all machine types of a folder or a card (`places.py`) and read their file names.

    Raises:
        DataError: if there is no machine type, or if several datasets lie here.
    """
    card = places.read_card(data) if places.is_card(data) else None
    within = card.machine_folders if card else None
    machines, notes = folders.find_machine_folders(data, within)
    paths = [machine.path for machine in machines]
    clips: list[Clip] = []
    problems: list[Problem] = []
    traits = []
    for machine in machines:
        if own := years.traits_of(machine):
            traits.append(own)
        clips += _clips(machine, own is not None, problems)
    if card is None:
        dataset, candidates, more = years.name_dataset(data, paths, traits)
        notes += more
    else:
        dataset, candidates = card.dataset, years.years_of(card.dataset)
    if 2022 in candidates:
        clips, more = _without_conflict_of_2022(clips)
        notes += more
    # Labeled names of evaluation clips, published later, tell what the challenge withheld.
    withheld = years.WITHHELD.get(candidates[0], set()) if len(candidates) == 1 else set()
    clips = [c._replace(attributes=None) if c.machine_type in withheld else c for c in clips]
    notes += _label_note(clips)
    if dataset == "dcase2020":
        # Other tools call it the source domain; there is but one.
        clips = [clip._replace(domain=None) for clip in clips]
    kept = _each_once(clips, problems)
    return Layout(dataset, kept, problems, notes, tuple(map(os.path.abspath, paths)))


def _clips(
    machine: folders.MachineFolder, is_official: bool, problems: list[Problem]
) -> Iterator[Clip]:
    for kind, paths in machine.files.items():
        split, _ = folders.FOLDERS[kind]
        names = [os.path.basename(path) for path in paths]
        odd = set() if is_official or split != "train" else roles.odd_names(names)
        copies = naming.copies(names) if is_official else set()
        for below, file_name in zip(paths, names, strict=True):
            path = os.path.join(machine.path, below)
            said = machine.said[os.path.dirname(below)]
            name = _name(file_name, split, is_official)
            fault = "follows no official grammar, other files of this machine type do"
            if file_name in copies:
                fault = naming.COPY
            elif name is not None:
                fault = ODD_TRAINING if file_name in odd else contradiction_of(name, split, said)
            if name is None or fault:
                problems.append(Problem(machine.machine_type, f"{path}: {fault}"))
                continue
            is_anomalous = said.is_anomalous if name.is_anomalous is None else name.is_anomalous
            yield Clip(
                path=path,
                machine_type=machine.machine_type,
                section=name.section,
                domain=name.domain or said.domain,
                split=split,
                # Unlabeled training clips are normal: no year trains on anything else.
                is_anomalous=False if split == "train" else is_anomalous,
                attributes=name.attributes,
            )


def _name(file_name: str, split: str, is_official: bool) -> naming.ClipName | None:
    """Parse a file name; None if it should be official and is not."""
    if split == "supplemental":  # The folder decides, the name adds what it can.
        name = naming.parse_supplemental_name(file_name) or naming.parse_name(file_name)
        return name or PLAIN
    if is_official:
        return naming.parse_name(file_name)
    return dataclasses.replace(PLAIN, is_anomalous=roles.label_of(file_name))


def _label_note(clips: Sequence[Clip]) -> tuple[str, ...]:
    """A note on test names that say their label by other words than `normal` and `anomaly`."""
    names = [os.path.basename(clip.path) for clip in clips if clip.split == "test"]
    names = [name for name in names if not re.match("(?i)normal|anomaly|section_|id_", name)]
    labels = {name: label for name in names if (label := roles.label_of(name)) is not None}
    if not labels:
        return ()
    count = sum(labels.values())
    return (
        f"labels are taken from names such as {min(labels)}: {len(labels) - count} normal, "
        f"{count} anomalous.",
    )


def contradiction_of(name: naming.ClipName, split: str, said: roles.Said) -> str:
    """How a file name contradicts split, domain or label of its folder; empty if it does not."""
    if split == "supplemental":
        return ""
    if name.split not in (None, split):
        return f"named a {name.split} clip, lies among the {split} clips"
    if said.domain is not None and name.domain not in (None, said.domain):
        return f"named {name.domain}, lies among the {said.domain} clips"
    labels = {name.is_anomalous, said.is_anomalous}
    if split == "train" and True in labels:
        return ODD_TRAINING
    return "its name and its folder say different labels" if labels >= {True, False} else ""


def _without_conflict_of_2022(clips: list[Clip]) -> tuple[list[Clip], tuple[str, ...]]:
    """Drop what the published list of 2022 gets wrong.

    Names of evaluation test clips of two machine types come from a list that contradicts the
    tables the challenge scored with: half of the labels and of the domains differ, so a perfect
    detector would look like chance. Attributes come with the same pairing.
    """
    wrong = {
        clip
        for clip in clips
        if clip.machine_type in {"ToyCar", "ToyTrain"}
        and clip.section in {"03", "04", "05"}
        and clip.split == "test"
        and clip.is_anomalous is not None
    }
    if not wrong:
        return clips, ()
    machine_types = ", ".join(sorted({clip.machine_type for clip in wrong}))
    note = (
        f"{len(wrong)} test clips of {machine_types}, sections 03 to 05: labels, domains and "
        f"attributes in these names are ignored{_CONFLICT}"
    )
    kept = [
        clip._replace(domain=None, is_anomalous=None, attributes=None) if clip in wrong else clip
        for clip in clips
    ]
    return kept, (note,)


def without_conflict_note(layout: Layout) -> Layout:
    """The layout without the note about ignored labels of 2022, for users who need no labels."""
    notes = tuple(note for note in layout.notes if not note.endswith(_CONFLICT))
    return dataclasses.replace(layout, notes=notes)


def _each_once(clips: list[Clip], problems: list[Problem]) -> list[Clip]:
    """Drop clips of `test` that lie in `source_test` or `target_test` too."""
    kept: dict[tuple[str, ...], Clip] = {}
    folder = {clip: os.path.basename(os.path.dirname(clip.path)) for clip in clips}
    order = {name: rank for rank, name in enumerate(folders.FOLDERS)}
    ranks = {clip: order.get(name.lower(), len(order)) for clip, name in folder.items()}
    for clip in sorted(clips, key=lambda clip: (ranks[clip], clip.path)):
        # Folders of labels may hold clips of the same name.
        label = folder[clip] if roles.said(folder[clip]).split is None else ""
        key = (clip.machine_type, clip.section, clip.split, label, os.path.basename(clip.path))
        first = kept.setdefault(key, clip)
        is_merged_copy = folder[clip].lower() == "test" and folder[first].lower() != "test"
        if first is not clip and not is_merged_copy:
            problems.append(Problem(clip.machine_type, f"{clip.path}: also at {first.path}"))
    return list(kept.values())
