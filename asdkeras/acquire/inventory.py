"""Which archives of a dataset are here, judged by the clips that are."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from asdkeras.data.layouts import Clip, read_layout
from asdkeras.data.manifest import Archive, Dataset, Part, archive_part
from asdkeras.data.places import Card, known_cards, read_card, truth_folder
from asdkeras.data.truth import read_truth
from asdkeras.errors import DataError

_Group = tuple[Part, str, str, str]  # Part, machine type, section, split.


class Stock(NamedTuple):
    """What is here of one archive."""

    archive: Archive
    num_clips: int
    num_expected: int | None  # None if not known beforehand.
    is_whole: bool  # Each section and split has a clip, and as many as are known.


class Holding(NamedTuple):
    """What is here of one dataset: its clips, ground truth, and archives."""

    dataset: Dataset
    card: Card | None  # Where its clips are.
    stocks: tuple[Stock, ...]
    has_truth: bool
    fault: str  # Why its card cannot be used, empty if it can.


def holding(dataset: Dataset) -> Holding:
    """Check what is here of a dataset, adopted or fetched."""
    card, clips, fault = None, [], ""
    path = known_cards().get(dataset.name)
    if path is not None:
        try:
            card, clips = read_card(path), read_layout(path).clips
        except DataError as error:
            fault = str(error)
    has_truth = read_truth(dataset, truth_folder(dataset.name)) is not None
    return Holding(dataset, card, take_stock(dataset, clips), has_truth, fault)


def take_stock(dataset: Dataset, clips: Iterable[Clip]) -> tuple[Stock, ...]:
    """Count the clips of each archive of a dataset, in the order of the manifest."""
    found = Counter(
        (archive_part(part, clip.split), clip.machine_type, clip.section, clip.split)
        for clip in clips
        if (part := dataset.parts.get((clip.machine_type, clip.section)))
    )
    known: Counter[_Group] = Counter()
    unknown: set[_Group] = set()
    for count in dataset.clip_counts:
        kind = archive_part(count.part, count.split)
        group = (kind, count.machine_type, count.section, count.split)
        known[group] += (count.normal or 0) + (count.anomalous or 0)
        if count.normal is None:
            unknown.add(group)
    stocks = []
    for archive in dataset.archives:
        place = (archive.part, archive.machine_type)
        own = {group for group in known if group[:2] == place}
        num_expected = None if unknown & own else sum(known[group] for group in own)
        is_whole = bool(own) and all(found[g] >= known[g] + (g in unknown) for g in own)
        num_clips = sum(number for group, number in found.items() if group[:2] == place)
        stocks.append(Stock(archive, num_clips, num_expected, is_whole))
    return tuple(stocks)
