"""Folders of clips: the official layouts of all years, and plain folders of one's own.

A machine type is a folder that holds `train`, `test`, `source_test`, `target_test` or
`supplemental`, at any depth below the root; the root may be one itself. If its file names
follow the official grammar they say section, domain, label and attributes. If not, the
folder is plain: all is section 00, and test names that begin with `normal` or `anomaly`
are labeled.
"""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from asdkeras.data import cards, folders, naming, years

_LABELS = {"normal": False, "anomaly": True}
ANOMALOUS_TRAINING = "named anomalous, lies among the training clips, which must be normal"
"""What is said of a training clip that its name calls anomalous."""
CONFLICT = (
    ". They come from a published list that contradicts the tables the 2022 challenge scored with."
)
"""How the note about labels ends that are ignored for want of the tables."""
_CONFLICT_MACHINES = {"ToyCar", "ToyTrain"}
_CONFLICT_SECTIONS = {"03", "04", "05"}


class Clip(NamedTuple):
    """One clip, fields as the columns of the clip table; None where nothing is said."""

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
    """What lies under a root.

    Attributes:
        dataset: name of the dataset.
        clips: all clips, in no particular order.
        problems: files that contradict their folder, or each other.
        notes: lines the user should see once.
        machine_folders: absolute paths of the folders of all machine types.
    """

    dataset: str
    clips: list[Clip]
    problems: list[Problem]
    notes: tuple[str, ...]
    machine_folders: tuple[str, ...] = ()


def read_layout(data: Path) -> Layout:
    """Find all machine types of a dataset and read their file names.

    Args:
        data: a folder, or the card of an adopted dataset (`cards.py`).

    Raises:
        DataError: if there is no machine type, or if several datasets lie here.
    """
    card = cards.read_card(data) if cards.is_card(data) else None
    found = folders.find_machine_folders(data, card.machine_folders if card else None)
    clips: list[Clip] = []
    problems: list[Problem] = []
    traits: list[years.MachineTraits] = []
    for machine in found.machines:
        names = _parsed(machine)
        if any(name for _, _, name in names):
            traits.append(_traits(machine, names))
            clips += _official_clips(machine, names, problems)
        else:
            clips += _plain_clips(machine, problems)
    paths = [machine.path for machine in found.machines]
    if card is None:
        dataset, candidates, notes = years.name_dataset(data, paths, traits)
    else:
        dataset, candidates, notes = card.dataset, years.years_of(card.dataset), ()
    notes = (*found.notes, *notes)
    if 2022 in candidates:
        clips, more = _without_conflict_of_2022(clips)
        notes += more
    withheld = years.WITHHELD.get(candidates[0], set()) if len(candidates) == 1 else set()
    # Labeled names of evaluation clips, published later, tell what the challenge withheld.
    clips = [c._replace(attributes=None) if c.machine_type in withheld else c for c in clips]
    if dataset == "dcase2020":
        # Other tools call it the source domain; there is but one.
        clips = [clip._replace(domain=None) for clip in clips]
    kept = _each_once(clips, problems)
    return Layout(dataset, kept, problems, notes, tuple(map(os.path.abspath, paths)))


def traits_of(machine: folders.MachineFolder) -> years.MachineTraits | None:
    """What a machine folder gives away about its year; None if its names are not official."""
    names = _parsed(machine)
    return _traits(machine, names) if any(name for _, _, name in names) else None


def sections_of(machine: folders.MachineFolder) -> set[tuple[str, str]]:
    """Folders of a machine type and the sections in each, as its file names say."""
    found = {(folder, name.section) for folder, _, name in _parsed(machine) if name}
    return found | ({("supplemental", "00")} if "supplemental" in machine.files else set())


_Names = list[tuple[str, str, naming.ClipName | None]]


def _parsed(machine: folders.MachineFolder) -> _Names:
    """Folder, file name and parsed name of each training and test clip."""
    return [
        (folder, name, naming.parse_name(name))
        for folder, file_names in machine.files.items()
        for name in file_names
        if folder != "supplemental"
    ]


def _traits(machine: folders.MachineFolder, names: _Names) -> years.MachineTraits:
    train = [name for folder, _, name in names if name and folder == "train"]
    test = [name for folder, _, name in names if name and folder != "train"]
    raw_domains = [
        bool(name.domain or folders.FOLDERS[folder][1])
        for folder, _, name in names
        if name and folder != "train" and name.is_anomalous is None
    ]
    return years.MachineTraits(
        machine_type=machine.machine_type,
        is_2020=any(name.grammar == 2020 for name in train + test),
        sections=frozenset(name.section for name in train + test),
        folders=frozenset(machine.files),
        has_raw_test_domain=any(raw_domains) if raw_domains else None,
        has_test_attributes=any(name.attributes for name in test),
        domains=frozenset(name.domain for name in train + test if name.domain),
        is_withheld=any(name.is_withheld for name in train) if train else None,
    )


def _official_clips(
    machine: folders.MachineFolder, names: _Names, problems: list[Problem]
) -> Iterator[Clip]:
    for folder, file_name, name in names:
        path = os.path.join(machine.path, folder, file_name)
        if name is None:
            text = f"{path}: follows no official grammar, other files of this machine type do"
            problems.append(Problem(machine.machine_type, text))
            continue
        split, folder_domain = folders.FOLDERS[folder]
        if contradiction := contradiction_of(name, split, folder_domain):
            problems.append(Problem(machine.machine_type, f"{path}: {contradiction}"))
            continue
        yield Clip(
            path=path,
            machine_type=machine.machine_type,
            section=name.section,
            domain=name.domain or folder_domain,
            split=split,
            # Unlabeled training clips are normal: no year trains on anything else.
            is_anomalous=False if split == "train" else name.is_anomalous,
            attributes=name.attributes,
        )
    yield from _supplemental_clips(machine)


def contradiction_of(name: naming.ClipName, split: str, domain: str | None) -> str | None:
    """What a file name says against its place; None if nothing.

    Args:
        name: as parsed.
        split: that the folder stands for.
        domain: that the folder stands for; None if for none.
    """
    if name.split not in (None, split):
        return f"named a {name.split} clip, lies among the {split} clips"
    if domain is not None and name.domain not in (None, domain):
        return f"named {name.domain}, lies among the {domain} clips"
    if split == "train" and name.is_anomalous:
        return ANOMALOUS_TRAINING
    return None


def _supplemental_clips(machine: folders.MachineFolder) -> Iterator[Clip]:
    """Clips of `supplemental`: the folder decides, the name adds what it can."""
    for file_name in machine.files.get("supplemental", ()):
        path = os.path.join(machine.path, "supplemental", file_name)
        name = naming.parse_supplemental_name(file_name) or naming.parse_name(file_name)
        yield Clip(
            path=path,
            machine_type=machine.machine_type,
            section=name.section if name else "00",
            domain=name.domain if name else None,
            split="supplemental",
            is_anomalous=name.is_anomalous if name else None,
            attributes=name.attributes if name else None,
        )


def _plain_clips(machine: folders.MachineFolder, problems: list[Problem]) -> Iterator[Clip]:
    for folder, file_names in machine.files.items():
        if folder == "supplemental":
            continue
        split, domain = folders.FOLDERS[folder]
        for name in file_names:
            path = os.path.join(machine.path, folder, name)
            label = next((v for k, v in _LABELS.items() if name.startswith(k)), None)
            if split == "train" and label:
                problems.append(Problem(machine.machine_type, f"{path}: {ANOMALOUS_TRAINING}"))
                continue
            is_anomalous = label if split == "test" else False
            yield Clip(path, machine.machine_type, "00", domain, split, is_anomalous, None)
    yield from _supplemental_clips(machine)


def _without_conflict_of_2022(clips: list[Clip]) -> tuple[list[Clip], tuple[str, ...]]:
    """Clips without what the published list of 2022 gets wrong.

    Names of evaluation test clips of two machine types come from a list that contradicts
    the tables the challenge scored with: half of the labels and of the domains differ,
    so a perfect detector would look like chance. Attributes come with the same pairing.
    """
    wrong = {
        clip
        for clip in clips
        if clip.machine_type in _CONFLICT_MACHINES
        and clip.section in _CONFLICT_SECTIONS
        and clip.split == "test"
        and clip.is_anomalous is not None
    }
    if not wrong:
        return clips, ()
    kept = [
        clip._replace(domain=None, is_anomalous=None, attributes=None) if clip in wrong else clip
        for clip in clips
    ]
    machine_types = ", ".join(sorted({clip.machine_type for clip in wrong}))
    note = (
        f"{len(wrong)} test clips of {machine_types}, sections 03 to 05: labels, domains and "
        f"attributes in these names are ignored{CONFLICT}"
    )
    return kept, (note,)


def _each_once(clips: list[Clip], problems: list[Problem]) -> list[Clip]:
    """Clips without those that lie in `test` and in `source_test` or `target_test`."""
    places: dict[tuple[str, ...], Clip] = {}
    order = {name: rank for rank, name in enumerate(folders.FOLDERS)}
    for clip in sorted(clips, key=lambda clip: (order[_folder(clip)], clip.path)):
        key = (clip.machine_type, clip.section, clip.split, os.path.basename(clip.path))
        first = places.setdefault(key, clip)
        is_merged_copy = _folder(clip) == "test" and _folder(first) != "test"
        if first is not clip and not is_merged_copy:
            problems.append(Problem(clip.machine_type, f"{clip.path}: also at {first.path}"))
    return list(places.values())


def _folder(clip: Clip) -> str:
    return os.path.basename(os.path.dirname(clip.path))
