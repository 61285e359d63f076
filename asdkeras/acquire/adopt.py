"""Adopting datasets that are on disk already, in anybody's layout: found and used in place.

Nothing in them is moved, renamed or written. A card keeps what is found, so that
`--data dcase2022` means these folders from then on.
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from asdkeras.acquire.inventory import Stock, take_stock
from asdkeras.data import folders, layouts, naming, years
from asdkeras.data.manifest import Manifest
from asdkeras.data.places import Card, truth_folder, write_card
from asdkeras.errors import DataError
from asdkeras.files import replacing

_YEAR_PART = re.compile(r"dcase20[0-9][0-9](?![0-9])", re.IGNORECASE)
_PARTS = {"dev_data", "eval_data", "dev", "eval"}
_ARCHIVE = re.compile(r"(?:dev|eval)_(?:data_)?.+", re.IGNORECASE)
_ASDKIT = {"formatted": "ASDKit, formatted", "original": "ASDKit, original"}

_Place = tuple[str, str]  # Where a dataset begins, and whose layout it has.


class Adopted(NamedTuple):
    """One dataset that is used in place from now on."""

    card: Card
    path: Path  # Of the card.
    stocks: tuple[Stock, ...]  # Of each archive; empty for a generated corpus.
    remarks: tuple[str, ...]


class Adoption(NamedTuple):
    """What came of adopting a folder."""

    adopted: tuple[Adopted, ...]
    num_truth_files: dict[str, int]  # By dataset.
    odd: tuple[str, ...]  # Lines about folders and files that are not used.


def adopt(root: Path, manifest: Manifest, year: int | None = None) -> Adoption:
    """Use the datasets below a folder in place, from now on under their names.

    `year` is that of clips whose names and folders do not tell it.

    Raises:
        DataError: if there is nothing that can be used.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder. Check the path.")
    num_truth_files, odd_truth = adopt_truth(root, manifest)
    try:
        cards, odd = find_datasets(root, year)
    except DataError:
        if not num_truth_files:
            raise
        cards, odd = [], []
    adopted = []
    for card in cards:
        path = write_card(card)
        layout = layouts.read_layout(path)
        dataset = manifest.datasets.get(card.dataset)
        stocks = take_stock(dataset, layout.clips) if dataset else ()
        problems = tuple(problem.text for problem in layout.problems)
        adopted.append(Adopted(card, path, stocks, (*layout.notes, *problems)))
    odd += odd_truth
    if not adopted and not num_truth_files:
        raise DataError(f"{root}: nothing adopted." + "".join(f"\n  {line}" for line in odd))
    return Adoption(tuple(adopted), num_truth_files, tuple(odd))


def find_datasets(root: Path, year: int | None = None) -> tuple[list[Card], list[str]]:
    """Find the datasets below a folder, official or generated ones.

    Known layouts: the official archives unpacked in any way, `dev_data` and `eval_data` as the
    official Keras baselines and Wilkinghoff's scripts want them, the NTT baseline, ASDKit, and
    generated corpora. `year` as in `adopt`.

    Returns:
        one card per dataset, and lines about folders that are not or not wholly used.

    Raises:
        DataError: if there are no clips at all.
    """
    machines: dict[_Place, list[folders.MachineFolder]] = {}
    for machine in folders.find_machine_folders(root)[0]:
        place = _place(Path(os.path.abspath(machine.path)), Path(os.path.abspath(root)))
        machines.setdefault(place, []).append(machine)
    datasets: dict[str, dict[_Place, list[folders.MachineFolder]]] = {}
    odd: list[str] = []
    for place, own in machines.items():
        if (dataset := _dataset(place[0], own, year, odd)) is not None:
            datasets.setdefault(dataset, {})[place] = own
    cards = [_card(dataset, datasets[dataset], odd) for dataset in sorted(datasets)]
    return cards, odd


def adopt_truth(root: Path, manifest: Manifest) -> tuple[dict[str, int], list[str]]:
    """Keep the files of published ground truth that lie anywhere below a folder, by their digests.

    Returns:
        how many files were found per dataset, and lines about files that are named like ground
        truth but are not what was published.
    """
    published: dict[str, list[tuple[str, str]]] = {}
    for dataset in manifest.datasets.values():
        for file in (file for source in dataset.truth for file in source.files):
            published.setdefault(file.sha256, []).append((dataset.name, file.name))
    file_names = {os.path.basename(name) for own in published.values() for _, name in own}
    counts: Counter[str] = Counter()
    odd = []
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(
            name for name in subfolders if name not in folders.FOLDERS and name[0] != "."
        )
        for path in (Path(folder, name) for name in sorted(names) if name in file_names):
            content = path.read_bytes()
            matches = published.get(hashlib.sha256(content).hexdigest(), ())
            for dataset_name, file_name in matches:
                target = truth_folder(dataset_name) / file_name
                if not target.exists() or target.read_bytes() != content:
                    with replacing(target) as temporary:
                        temporary.write_bytes(content)
                counts[dataset_name] += 1
            if not matches:
                odd.append(
                    f"{path}: named like published ground truth, but not the same. Not used."
                )
    return counts, odd


def _place(machine_folder: Path, root: Path) -> _Place:
    if years.generated_above(machine_folder) is not None:
        while not (machine_folder / years.CARD).exists():
            machine_folder = machine_folder.parent
        return os.fspath(machine_folder), "generated corpus"
    above = machine_folder.parent
    is_ntt = above.name == "raw"
    if is_ntt and above != root:
        above = above.parent
    has_parts = above.name in _PARTS
    layout = "dev_data and eval_data" if has_parts else "official archives"
    layout = "NTT baseline" if is_ntt else layout
    for folder in (above, *above.parents):
        if _YEAR_PART.match(folder.name):
            return os.fspath(folder), _ASDKIT.get(folder.parent.name, layout)
    if (has_parts or _ARCHIVE.fullmatch(above.name)) and above != root:
        above = above.parent
    return os.fspath(above), layout


def _dataset(
    place: str, machines: Sequence[folders.MachineFolder], year: int | None, odd: list[str]
) -> str | None:
    """Name of the dataset that the machine folders of a place belong to; None if not clear."""
    if (corpus := years.generated_above(Path(machines[0].path))) is not None:
        return corpus
    traits = [years.traits_of(machine) for machine in machines]
    known = [each for each in traits if each is not None]
    own = ", ".join(
        machine.machine_type for machine, each in zip(machines, traits, strict=True) if each is None
    )
    if not known:
        odd.append(f"{place}: file names are not official ({own}). Use it as it is: --data {place}")
        return None
    candidates, found = years.year_of(Path(place), known)
    guess = ", ".join(map(str, candidates)) or "no single year"
    fault = ""
    if own:
        fault = f", but file names of {own} are not official. Not adopted."
    elif found is None and year is None:
        fault = ", not adopted. Name its year with --year."
    elif found is None and year not in candidates:
        fault = f", and not {year}. Not adopted."
    if fault:
        odd.append(f"{place}: machine types, sections and folders fit {guess}{fault}")
        return None
    return f"dcase{found or year}"


def _card(
    dataset: str, machines: Mapping[_Place, Sequence[folders.MachineFolder]], odd: list[str]
) -> Card:
    """Make one dataset of all places that hold some of it, each clip taken once."""
    covered: set[tuple[str, str, str]] = set()
    paths: list[str] = []
    used: list[str] = []
    for place, layout in sorted(machines, key=lambda at: (at[1] == _ASDKIT["formatted"], at[0])):
        copies = set()
        for machine in machines[place, layout]:
            keys = _keys(machine)
            if keys <= covered:
                copies.add(machine.machine_type)
                continue
            covered |= keys
            paths.append(os.path.abspath(machine.path))
            used.append(layout)
        if copies:
            odd.append(
                f"{place} ({layout}): a second copy of {dataset}, not used: "
                f"{', '.join(sorted(copies))}."
            )
    return Card(dataset, "; ".join(dict.fromkeys(used)), tuple(paths))


def _keys(machine: folders.MachineFolder) -> set[tuple[str, str, str]]:
    """Machine type, split and section of all clips of a machine folder."""
    return {
        (machine.machine_type, folders.FOLDERS[folder][0], name.section)
        for folder, file_names in machine.files.items()
        for name in (naming.parse_name(os.path.basename(path)) for path in file_names)
        if name and folder != "supplemental"
    } | {(machine.machine_type, folder, "00") for folder in machine.files.keys() & {"supplemental"}}
