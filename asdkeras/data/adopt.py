"""Datasets that lie somewhere already, in anybody's layout: found and used in place.

Nothing is moved, renamed or written among them. What is found is kept on a card, so that
`--data dcase2022` means these folders from then on.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from asdkeras.data import folders, layouts, years
from asdkeras.data.cards import Card, write_card
from asdkeras.data.inventory import Stock, take_stock
from asdkeras.data.manifest import Manifest, TruthFile
from asdkeras.data.places import truth_folder
from asdkeras.errors import DataError
from asdkeras.files import replacing

_YEAR_PART = re.compile(r"dcase20\d\d(?!\d)", re.IGNORECASE)
_PARTS = {"dev_data", "eval_data", "dev", "eval"}
_ARCHIVE = re.compile(r"(?:dev|eval)_(?:data_)?.+", re.IGNORECASE)
_ASDKIT_FORMATTED = "ASDKit, formatted"

_Key = tuple[str, str, str]  # Machine type, split, section.


class Adopted(NamedTuple):
    """One dataset that is used in place from now on.

    Attributes:
        card: which folders it consists of.
        path: of the card.
        stocks: what is here of each archive; empty for a generated corpus.
        remarks: what is odd about it.
    """

    card: Card
    path: Path
    stocks: tuple[Stock, ...]
    remarks: tuple[str, ...]


class Adoption(NamedTuple):
    """What came of adopting a folder.

    Attributes:
        adopted: one per dataset.
        num_truth_files: files of ground truth by dataset.
        odd: about folders and files that are not used.
    """

    adopted: tuple[Adopted, ...]
    num_truth_files: dict[str, int]
    odd: tuple[str, ...]


class Found(NamedTuple):
    """Datasets below a root.

    Attributes:
        cards: one per dataset that is an official or a generated one.
        odd: lines about folders that could not be used, or not wholly.
    """

    cards: tuple[Card, ...]
    odd: tuple[str, ...]


class _Tree(NamedTuple):
    """Machine folders below one place that belong together."""

    place: str
    layout: str
    machines: list[folders.MachineFolder]


def adopt(root: Path, manifest: Manifest, year: int | None = None) -> Adoption:
    """Use the datasets below a folder in place, from now on under their names.

    Args:
        root: folder.
        manifest: says what a whole dataset is.
        year: of what names and folders do not tell the year of.

    Raises:
        DataError: if there is nothing that can be used.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder. Check the path.")
    num_truth_files, odd_truth = adopt_truth(root, manifest)
    try:
        found = find_datasets(root, year)
    except DataError:
        if not num_truth_files:
            raise
        found = Found((), ())
    adopted = []
    for card in found.cards:
        path = write_card(card)
        layout = layouts.read_layout(path)
        dataset = manifest.datasets.get(card.dataset)
        stocks = take_stock(dataset, layout.clips) if dataset else ()
        problems = tuple(problem.text for problem in layout.problems)
        adopted.append(Adopted(card, path, stocks, (*layout.notes, *problems)))
    odd = (*found.odd, *odd_truth)
    if not adopted and not num_truth_files:
        raise DataError(f"{root}: nothing adopted." + "".join(f"\n  {line}" for line in odd))
    return Adoption(tuple(adopted), num_truth_files, odd)


def find_datasets(root: Path, year: int | None = None) -> Found:
    """Find the datasets below a folder.

    Known layouts: the official archives unpacked in any way, `dev_data` and `eval_data`
    as the official Keras baselines and Wilkinghoff's scripts want them, the NTT
    baseline, ASDKit, and generated mini corpora.

    Args:
        root: folder.
        year: of what names and folders do not tell the year of.

    Raises:
        DataError: if there are no clips at all.
    """
    trees: dict[str, list[_Tree]] = {}
    odd: list[str] = []
    for tree in _trees(root):
        dataset = _dataset(tree, year, odd)
        if dataset is not None:
            trees.setdefault(dataset, []).append(tree)
    cards = tuple(_card(dataset, trees[dataset], odd) for dataset in sorted(trees))
    return Found(cards, tuple(odd))


def adopt_truth(root: Path, manifest: Manifest) -> tuple[dict[str, int], tuple[str, ...]]:
    """Keep the files of published ground truth that lie below a folder.

    Args:
        root: folder; evaluator repositories and lists may lie in it anywhere.
        manifest: knows them by their digests.

    Returns:
        how many files were found per dataset, and lines about files that are named like
        ground truth but are not what was published.
    """
    by_digest: dict[str, list[tuple[str, TruthFile]]] = {}
    for dataset in manifest.datasets.values():
        for source in dataset.truth:
            for file in source.files:
                by_digest.setdefault(file.sha256, []).append((dataset.name, file))
    names = {os.path.basename(file.name) for files in by_digest.values() for _, file in files}
    counts: dict[str, int] = {}
    odd = []
    for path in _tables(root):
        if os.path.basename(path) not in names:
            continue
        content = Path(path).read_bytes()
        matches = by_digest.get(hashlib.sha256(content).hexdigest(), [])
        for dataset_name, file in matches:
            target = truth_folder(dataset_name) / file.name
            if not target.exists():
                with replacing(target) as temporary:
                    temporary.write_bytes(content)
            counts[dataset_name] = counts.get(dataset_name, 0) + 1
        if not matches:
            odd.append(f"{path}: named like published ground truth, but not the same. Not used.")
    return counts, tuple(odd)


def _tables(root: Path) -> Iterator[str]:
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(
            name for name in subfolders if name not in folders.FOLDERS and name[0] != "."
        )
        yield from (os.path.join(folder, name) for name in sorted(names) if name.endswith(".csv"))


def _trees(root: Path) -> list[_Tree]:
    trees: dict[tuple[str, str], _Tree] = {}
    for machine in folders.find_machine_folders(root).machines:
        place, layout = _place(os.path.abspath(machine.path), os.path.abspath(root))
        tree = trees.setdefault((place, layout), _Tree(place, layout, []))
        tree.machines.append(machine)
    return list(trees.values())


def _place(machine_folder: str, root: str) -> tuple[str, str]:
    """Where the dataset of a machine folder begins, and whose layout that is."""
    if years.mini_year_above(Path(machine_folder)) is not None:
        corpus = Path(machine_folder)
        while not (corpus / years.CARD).exists():
            corpus = corpus.parent
        return os.fspath(corpus), "mini corpus"
    above = Path(machine_folder).parent
    is_ntt = above.name == "raw"
    if is_ntt and os.fspath(above) != root:
        above = above.parent
    has_parts = above.name in _PARTS
    parts = above.parts
    for index in range(len(parts) - 1, -1, -1):
        if _YEAR_PART.match(parts[index]):
            tool = parts[index - 1] if index else ""
            layout = {"formatted": _ASDKIT_FORMATTED, "original": "ASDKit, original"}.get(tool)
            place = os.path.join(*parts[: index + 1])
            return place, layout or _layout(is_ntt, has_parts)
    if (has_parts or _ARCHIVE.fullmatch(above.name)) and os.fspath(above) != root:
        above = above.parent
    return os.fspath(above), _layout(is_ntt, has_parts)


def _layout(is_ntt: bool, has_parts: bool) -> str:
    if is_ntt:
        return "NTT baseline"
    return "dev_data and eval_data" if has_parts else "official archives"


def _dataset(tree: _Tree, year: int | None, odd: list[str]) -> str | None:
    """Name of the dataset a tree is of; None if it cannot be told."""
    if (mini := years.mini_year_above(Path(tree.machines[0].path))) is not None:
        return f"mini{mini}"
    traits = [layouts.traits_of(machine) for machine in tree.machines]
    known = [each for each in traits if each is not None]
    own = [m.machine_type for m, each in zip(tree.machines, traits, strict=True) if each is None]
    if not known:
        odd.append(
            f"{tree.place}: file names are not official ({', '.join(own)}). Use it as it is: "
            f"--data {tree.place}"
        )
        return None
    candidates, found = years.year_of(Path(tree.place), known)
    guess = ", ".join(map(str, candidates)) or "no single year"
    fit = f"{tree.place}: machine types, sections and folders fit {guess}"
    if own:
        odd.append(f"{fit}, but file names of {', '.join(own)} are not official. Not adopted.")
        return None
    if found is None and year is None:
        odd.append(f"{fit}, not adopted. Name its year with --year.")
        return None
    if found is None and year not in candidates:
        odd.append(f"{fit}, and not {year}. Not adopted.")
        return None
    return f"dcase{found or year}"


def _card(dataset: str, trees: Sequence[_Tree], odd: list[str]) -> Card:
    """One dataset out of all trees that hold some of it, each clip taken once."""
    covered: set[_Key] = set()
    paths: list[str] = []
    used: list[str] = []
    for tree in sorted(trees, key=lambda tree: (tree.layout == _ASDKIT_FORMATTED, tree.place)):
        copies = []
        for machine in tree.machines:
            keys = _keys(machine)
            if keys <= covered:
                copies.append(machine.machine_type)
                continue
            covered |= keys
            paths.append(os.path.abspath(machine.path))
            used.append(tree.layout)
        if copies:
            odd.append(
                f"{tree.place} ({tree.layout}): a second copy of {dataset}, not used: "
                f"{', '.join(sorted(set(copies)))}."
            )
    return Card(dataset, "; ".join(dict.fromkeys(used)), tuple(paths))


def _keys(machine: folders.MachineFolder) -> set[_Key]:
    """Which part of which sections a machine folder holds."""
    return {
        (machine.machine_type, folders.FOLDERS[folder][0], section)
        for folder, section in layouts.sections_of(machine)
    }
