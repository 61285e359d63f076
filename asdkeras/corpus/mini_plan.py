"""File names and scenes of all clips of a generated corpus, year by year."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from asdkeras.corpus.machines.acoustics import SAMPLE_RATE_HZ
from asdkeras.corpus.machines.exact import Draws
from asdkeras.corpus.machines.machine import Attributes, Conditions, attribute_text
from asdkeras.corpus.machines.recording import Scene, machine_model
from asdkeras.corpus.sizes import Size
from asdkeras.data import years

# Of the development sets; those of 2022 stay until 2025.
MACHINES = {year: tuple(sorted(years.MACHINE_TYPES[min(year, 2022)])) for year in range(2020, 2026)}


CLIP_LENGTH = 2 * SAMPLE_RATE_HZ
"""Samples of a clip: shorter clips than the challenge has, so that there can be more of them."""


@dataclasses.dataclass(frozen=True)
class Amounts:
    """Numbers of clips of a size, per section."""

    sections: tuple[int, int]  # Development and additional ones, in years that have sections.
    train: tuple[int, int]  # Of the source domain and of the target domain.
    test: int  # Per domain and label; additional sections have no test clips.
    supplemental: int  # In 2025.


@dataclasses.dataclass(frozen=True)
class PlannedClip:
    """One file to be written; its path is relative to the corpus, with "/"."""

    path: str
    split: str
    scene: Scene


_AMOUNTS: dict[Size, Amounts] = {
    "tiny": Amounts((2, 0), (8, 4), 4, 4),
    "mini": Amounts((3, 3), (37, 3), 10, 10),
    "bench": Amounts((3, 3), (47, 3), 15, 15),
}


def amounts(year: int, size: Size) -> Amounts:
    """The amounts of a size; a lone section has the clips of all sections of other years."""
    amount = _AMOUNTS[size]
    if size == "tiny":
        return dataclasses.replace(amount, train=(8, 3)) if year == 2021 else amount
    if year < 2023:
        return amount
    source, target = amount.train
    return dataclasses.replace(amount, train=(4 * source, 4 * target), test=3 * amount.test)


def default_machines(year: int, size: Size) -> tuple[str, ...]:
    """Machine types of a corpus for which none were named.

    Years of one section per machine type have more types, for the same number of clips and classes.
    """
    if size == "tiny" and year < 2023:
        return ("fan", "valve")
    if size == "tiny":
        return ("fan", "slider", "valve")
    if year >= 2023:
        return tuple(name for name in MACHINES[year] if name in years.MACHINE_TYPES[2023])
    fourth = "pump" if year == 2020 else "gearbox"
    return ("fan", "slider", "valve") if size == "mini" else ("fan", fourth, "slider", "valve")


def plan(year: int, size: Size, seed: int, machines: Sequence[str]) -> list[PlannedClip]:
    """All clips of a corpus, in order of machine, section, split, domain, label and number."""
    return [
        clip
        for machine_type in machines
        for place in _places(year, size, machine_type)
        for clip in _section(year, amounts(year, size), seed, place)
    ]


def attribute_files(year: int, clips: Sequence[PlannedClip]) -> dict[str, str]:
    """Path and text of the `attributes_XX.csv` of a corpus; none before 2022.

    As in the official files, names of toy machines are bare and all others carry the folder
    and `.wav`; where a year withholds the attributes there are no columns for them.
    """
    lines: dict[str, list[str]] = {}
    for clip in clips:
        if year < 2022 or clip.split == "supplemental":
            continue
        root, machine_type, folder, name = clip.path.split("/")
        path = f"{root}/{machine_type}/attributes_{clip.scene.section}.csv"
        pairs = () if machine_type in years.WITHHELD.get(year, ()) else clip.scene.attributes
        header = "".join(f",d{n}p,d{n}v" for n in range(1, len(pairs) + 1))
        toy = machine_type.startswith("Toy")
        shown = name.removesuffix(".wav") if toy else f"{machine_type}/{folder}/{name}"
        values = "".join(f",{key},{value}" for key, value in pairs)
        lines.setdefault(path, [f"file_name{header}\n"]).append(f"{shown}{values}\n")
    return {path: "".join(rows) for path, rows in lines.items()}


class _Place(NamedTuple):
    """A section of a machine type, and where its clips lie."""

    machine_type: str
    section: str
    root: str  # `dev_data`, or `eval_data` of an additional section.
    conditions: Mapping[str, Sequence[Attributes]]  # Of each domain.


def _places(year: int, size: Size, machine_type: str) -> list[_Place]:
    """The sections of a machine type: identifiers in 2020, numbers since."""
    conditions = machine_model(machine_type).ATTRIBUTES
    if year >= 2023:
        return [_Place(machine_type, "00", "dev_data", _all_like_the_first(conditions))]
    names = ("00", "01", "02"), ("03", "04", "05")
    if year == 2020:
        names = ("00", "02", "04"), ("01", "03", "05")
    if year == 2020 and machine_type.startswith("Toy"):
        additional = {"ToyCar": ("05", "06", "07"), "ToyConveyor": ("04", "05", "06")}
        names = ("01", "02", "03"), additional[machine_type]
    kept = zip(("dev_data", "eval_data"), names, amounts(year, size).sections, strict=True)
    sections = [(root, name) for root, each, count in kept for name in each[:count]]
    of_sections = zip(sections, conditions, strict=False)
    return [_Place(machine_type, name, root, own) for (root, name), own in of_sections]


def _all_like_the_first(sections: Sequence[Conditions]) -> Conditions:
    """The conditions of all sections that have attributes of the same names as the first one."""
    names = {name for name, _ in sections[0]["source"][0]}
    alike = [each for each in sections if {name for name, _ in each["source"][0]} == names]
    source = dict.fromkeys(one for each in alike for one in each["source"])
    target = dict.fromkeys(one for each in alike for one in each["target"])
    return {"source": tuple(source), "target": tuple(one for one in target if one not in source)}


def _section(year: int, amount: Amounts, seed: int, place: _Place) -> Iterator[PlannedClip]:
    domains = ("source",) if year == 2020 else ("source", "target")
    train = (sum(amount.train),) if year == 2020 else amount.train
    test = 2 * amount.test if year == 2020 else amount.test
    for domain, count in zip(domains, train, strict=True):
        yield from _group(year, seed, place, ("train", domain, "normal", count))
    for domain in domains if place.root == "dev_data" else ():
        for label in ("normal", "anomaly"):
            yield from _group(year, seed, place, ("test", domain, label, test))
    if year == 2025:
        yield from _supplemental(year, amount, seed, place)


def _group(
    year: int, seed: int, place: _Place, group: tuple[str, str, str, int]
) -> Iterator[PlannedClip]:
    """Clips of one split, domain and label.

    Conditions and faults take turns; the distances of the microphone are one permutation of equal
    steps per group. So normal and anomalous clips are equally loud and equally mixed, and a
    detector cannot live on either.
    """
    split, domain, label, count = group
    conditions = place.conditions[domain]
    num_faults = len(machine_model(place.machine_type).FAULTS)
    identity = (place.machine_type, place.section, split, domain, label, count)
    draws = Draws(seed, "gain", year, *identity)
    for number, step in enumerate(draws.permutation(count)):
        condition = number // num_faults if split == "test" else number
        scene = Scene(
            machine_type=place.machine_type,
            section=place.section,
            attributes=conditions[condition % len(conditions)],
            domain=domain,
            fault=number % num_faults if label == "anomaly" else -1,
            gain=(step + draws.uniform()) / count,
            length=CLIP_LENGTH,
        )
        path = _path(year, place.root, scene, (split, domain, label, number))
        yield PlannedClip(path, split, scene)


def _supplemental(year: int, amount: Amounts, seed: int, place: _Place) -> Iterator[PlannedClip]:
    """Clips of 2025 that hold the machine alone, or the factory alone."""
    machine_type, section = place.machine_type, place.section
    contained = "noise" if machine_type in years.WITHHELD[year] else "machine"
    conditions = place.conditions["source"]
    draws = Draws(seed, "gain", year, machine_type, section, "supplemental")
    for number in range(1, amount.supplemental + 1):
        attributes = conditions[number % len(conditions)]
        gain = draws.uniform()
        scene = Scene(machine_type, section, attributes, "source", -1, gain, CLIP_LENGTH, contained)
        name = f"section_{section}_{contained}_{number:04d}_.wav"
        path = f"dev_data/{machine_type}/supplemental/{name}"
        yield PlannedClip(path, "supplemental", scene)


def _path(year: int, root: str, scene: Scene, words: tuple[str, str, str, int]) -> str:
    split, domain, label, number = words
    machine_type, section = scene.machine_type, scene.section
    if year == 2020:
        return f"{root}/{machine_type}/{split}/{label}_id_{section}_{number:08d}.wav"
    folder = f"{domain}_test" if year == 2021 and split == "test" else split
    text = "_" + attribute_text(scene.attributes)
    if machine_type in years.WITHHELD.get(year, ()):
        text = "_noAttribute"
    elif year == 2021 and split == "test":
        text = ""
    toy_of_2023 = year == 2023 and split == "test" and machine_type.startswith("Toy")
    number += year == 2024 or toy_of_2023  # There the official numbers begin with 1.
    name = f"section_{section}_{domain}_{split}_{label}_{number:04d}{text}.wav"
    return f"{root}/{machine_type}/{folder}/{name}"
