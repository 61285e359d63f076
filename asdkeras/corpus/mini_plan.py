"""File names and scenes of all clips of a mini corpus, year by year."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from asdkeras.corpus.machines.acoustics import SAMPLE_RATE_HZ
from asdkeras.corpus.machines.exact import Draws
from asdkeras.corpus.machines.machine import attribute_text
from asdkeras.corpus.machines.recording import Scene, machine_model
from asdkeras.data import years

Size: TypeAlias = Literal["mini", "tiny"]

# Of the development sets; those of 2022 stay until 2025.
MACHINES = {year: tuple(sorted(years.MACHINE_TYPES[min(year, 2022)])) for year in range(2020, 2026)}


@dataclasses.dataclass(frozen=True)
class Amounts:
    """Numbers of clips of a size, per section."""

    clip_s: int
    train: tuple[int, int]  # Of the source domain and of the target domain.
    test: int  # Per domain and label.
    supplemental: int  # In 2025.


@dataclasses.dataclass(frozen=True)
class PlannedClip:
    """One file to be written; its path is relative to the corpus, with "/"."""

    path: str
    split: str
    scene: Scene


def amounts(year: int, size: Size) -> Amounts:
    """The amounts of a size; the official years differ in their target training clips."""
    if size == "tiny":
        return Amounts(2, (8, 3) if year == 2021 else (8, 4), 4, 4)
    return Amounts(10, (49, 3) if year == 2021 else (47, 5), 12, 10)


def default_machines(year: int, size: Size) -> tuple[str, ...]:
    """Machine types of a corpus for which none were named.

    Years of one section per machine type have more types, for the same number of clips and classes.
    """
    if size == "tiny" and year < 2023:
        return ("fan", "valve")
    if size == "tiny" or year < 2023:
        return ("fan", "slider", "valve")
    return ("ToyTrain", "bearing", "fan", "gearbox", "slider", "valve")


def plan(year: int, size: Size, seed: int, machines: Sequence[str]) -> list[PlannedClip]:
    """All clips of a corpus, in order of machine, section, split, domain, label and number."""
    return [
        clip
        for machine_type in machines
        for index, section in enumerate(_sections(year, machine_type))
        for clip in _section(year, amounts(year, size), seed, (machine_type, index, section))
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


def _sections(year: int, machine_type: str) -> tuple[str, ...]:
    """Names of the sections: identifiers of the development set in 2020, numbers since."""
    if year >= 2023:
        return ("00",)
    if year == 2020:
        return ("01", "02") if machine_type.startswith("Toy") else ("00", "02")
    return ("00", "01")


def _section(
    year: int, amount: Amounts, seed: int, place: tuple[str, int, str]
) -> Iterator[PlannedClip]:
    domains = ("source",) if year == 2020 else ("source", "target")
    train = (sum(amount.train),) if year == 2020 else amount.train
    test = 2 * amount.test if year == 2020 else amount.test
    for domain, count in zip(domains, train, strict=True):
        yield from _group(year, amount, seed, place, ("train", domain, "normal", count))
    for domain in domains:
        for label in ("normal", "anomaly"):
            yield from _group(year, amount, seed, place, ("test", domain, label, test))
    if year == 2025:
        yield from _supplemental(year, amount, seed, place)


def _group(
    year: int,
    amount: Amounts,
    seed: int,
    place: tuple[str, int, str],
    group: tuple[str, str, str, int],
) -> Iterator[PlannedClip]:
    """Clips of one split, domain and label.

    Conditions and faults take turns; the distances of the microphone are one permutation of equal
    steps per group. So normal and anomalous clips are equally loud and equally mixed, and a
    detector cannot live on either.
    """
    machine_type, index, section = place
    split, domain, label, count = group
    model = machine_model(machine_type)
    conditions = model.ATTRIBUTES[index][domain]
    num_faults = len(model.FAULTS)
    draws = Draws(seed, "gain", year, machine_type, section, split, domain, label, count)
    for number, step in enumerate(draws.permutation(count)):
        condition = number // num_faults if split == "test" else number
        scene = Scene(
            machine_type=machine_type,
            section=section,
            attributes=conditions[condition % len(conditions)],
            fault=number % num_faults if label == "anomaly" else -1,
            gain=(step + draws.uniform()) / count,
            length=_clip_length(year, machine_type, amount),
        )
        words = (split, domain, label, number)
        yield PlannedClip(_path(year, scene, words), split, scene)


def _supplemental(
    year: int, amount: Amounts, seed: int, place: tuple[str, int, str]
) -> Iterator[PlannedClip]:
    """Clips of 2025 that hold the machine alone, or the factory alone."""
    machine_type, index, section = place
    contained = "noise" if machine_type in years.WITHHELD[year] else "machine"
    conditions = machine_model(machine_type).ATTRIBUTES[index]["source"]
    draws = Draws(seed, "gain", year, machine_type, section, "supplemental")
    length = _clip_length(year, machine_type, amount)
    for number in range(1, amount.supplemental + 1):
        attributes = conditions[number % len(conditions)]
        scene = Scene(machine_type, section, attributes, -1, draws.uniform(), length, contained)
        name = f"section_{section}_{contained}_{number:04d}_.wav"
        path = f"dev_data/{machine_type}/supplemental/{name}"
        yield PlannedClip(path, "supplemental", scene)


def _clip_length(year: int, machine_type: str, amount: Amounts) -> int:
    """In samples; the toy car of 2020 was recorded for 11 s."""
    long = year == 2020 and machine_type == "ToyCar" and amount.clip_s == 10
    return SAMPLE_RATE_HZ * (amount.clip_s + long)


def _path(year: int, scene: Scene, words: tuple[str, str, str, int]) -> str:
    split, domain, label, number = words
    machine_type, section = scene.machine_type, scene.section
    if year == 2020:
        return f"dev_data/{machine_type}/{split}/{label}_id_{section}_{number:08d}.wav"
    folder = f"{domain}_test" if year == 2021 and split == "test" else split
    text = "_" + attribute_text(scene.attributes)
    if machine_type in years.WITHHELD.get(year, ()):
        text = "_noAttribute"
    elif year == 2021 and split == "test":
        text = ""
    toy_of_2023 = year == 2023 and split == "test" and machine_type.startswith("Toy")
    number += year == 2024 or toy_of_2023  # There the official numbers begin with 1.
    name = f"section_{section}_{domain}_{split}_{label}_{number:04d}{text}.wav"
    return f"dev_data/{machine_type}/{folder}/{name}"
