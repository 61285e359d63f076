"""Which year's dataset a folder of official names holds.

No official folder says its year. But each year has its own machine types, sections,
folders, and machine types whose attributes are withheld; together they usually leave one.
"""

import dataclasses
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from asdkeras.data import folders, naming
from asdkeras.errors import DataError
from asdkeras.metrics.official import generated_name, is_generated

CARD = "mini_corpus.json"

_DEV_2023 = {"bearing", "fan", "gearbox", "slider", "ToyCar", "ToyTrain", "valve"}

MACHINE_TYPES = {
    2020: {"fan", "pump", "slider", "valve", "ToyCar", "ToyConveyor"},
    2021: {"fan", "gearbox", "pump", "slider", "ToyCar", "ToyTrain", "valve"},
    2022: _DEV_2023,
    2023: _DEV_2023
    | {"bandsaw", "grinder", "shaker", "ToyDrone", "ToyNscale", "ToyTank", "Vacuum"},
    2024: _DEV_2023
    | {"3DPrinter", "AirCompressor", "BrushlessMotor", "HairDryer", "HoveringDrone"}
    | {"RoboticArm", "Scanner", "ToothBrush", "ToyCircuit"},
    2025: _DEV_2023
    | {"AutoTrash", "BandSealer", "CoffeeGrinder", "HomeCamera", "Polisher", "ScrewFeeder"}
    | {"ToyPet", "ToyRCCar"},
    2026: {"ToyCar", "ToyCarEmu", "bearingEmu", "fan", "gearboxEmu", "sliderEmu", "valveEmu"}
    | {"ToyDrone", "ToothBrush", "SewingMachine", "BlowerDustCollector", "Sander"},
}
"""Development and evaluation machine types of each year, as their folders are named."""

WITHHELD = {
    2024: {"gearbox", "slider", "ToyTrain"}
    | {"AirCompressor", "BrushlessMotor", "HoveringDrone", "ToothBrush"},
    2025: {"bearing", "slider", "ToyTrain", "AutoTrash", "Polisher", "ScrewFeeder", "ToyPet"},
}
"""Machine types whose training clips are named `noAttribute`."""

_YEARS_WITH_SECTIONS = {2021, 2022}
REDO = "Generate the corpus again with `asdkeras data mini`."


@dataclasses.dataclass(frozen=True)
class MachineTraits:
    """What names and folders of one machine type say about the year."""

    years: tuple[int, ...]  # Whose dataset may hold such a machine type, in order.
    has_lone_section: bool  # All clips are of section 00.
    may_be_converted: bool  # They may be clips of 2020 renamed by ASDKit: all of one domain.


def traits_of(machine: folders.MachineFolder) -> MachineTraits | None:
    """Traits of a machine folder; None if its file names are not official."""
    names = {
        folder: [name for path in paths if (name := naming.parse_name(os.path.basename(path)))]
        for folder, paths in machine.files.items()
        if folder != "supplemental"
    }
    train = names.pop("train", [])
    test = [(folders.FOLDERS[folder][1], name) for folder in names for name in names[folder]]
    official = train + [name for _, name in test]
    if not official:
        return None
    sections = {name.section for name in official}
    is_2020 = any(name.grammar == 2020 for name in official)
    is_withheld = any(name.is_withheld for name in train) if train else None
    unlabeled = [name.domain or domain for domain, name in test if name.is_anomalous is None]
    has_raw_domain = any(unlabeled) if unlabeled else None

    def fits(year: int) -> bool:
        if machine.machine_type not in MACHINE_TYPES[year] or is_2020 != (year == 2020):
            return False
        return year == 2020 or (
            (year in _YEARS_WITH_SECTIONS or sections == {"00"})
            and (year == 2021 or not {"source_test", "target_test"} & names.keys())
            and has_raw_domain in (None, year == 2021)
            and (year != 2021 or not any(name.attributes for _, name in test))
            and (year == 2025 or "supplemental" not in machine.files)
            # Nothing is known yet about withheld attributes of 2026.
            and (
                year == 2026
                or is_withheld in (None, machine.machine_type in WITHHELD.get(year, ()))
            )
        )

    return MachineTraits(
        years=tuple(filter(fits, MACHINE_TYPES)),
        has_lone_section=sections == {"00"},
        may_be_converted=machine.machine_type in MACHINE_TYPES[2020]
        and all(name.domain != "target" for name in official),
    )


def year_of(path: Path, machines: Sequence[MachineTraits]) -> tuple[tuple[int, ...], int | None]:
    """Years a dataset at `path` may be of, and its year if machine types or path leave one."""
    years = [year for year in MACHINE_TYPES if all(year in each.years for each in machines)]
    if all(machine.has_lone_section for machine in machines):
        # A whole dataset of 2021 or 2022 has more sections, so a later year is meant.
        years = [year for year in years if year not in _YEARS_WITH_SECTIONS] or years
    year = years[0] if len(years) == 1 else _year_in_path(path, years)
    if year is None and all(machine.may_be_converted for machine in machines):
        year = _year_in_path(path, [2020])
    return tuple(years), year


def years_of(dataset: str) -> tuple[int, ...]:
    """The year in the name of an official dataset; empty for any other name."""
    return (int(dataset[5:]),) if re.fullmatch(r"dcase20[0-9][0-9]", dataset) else ()


def _year_in_path(path: Path, candidates: Sequence[int]) -> int | None:
    """The candidate named by the deepest folder like `dcase2023` or `dcase2023t2`."""
    for part in reversed(path.absolute().parts):
        for year in re.findall(r"dcase(20[0-9][0-9])(?![0-9])", part, re.IGNORECASE):
            if int(year) in candidates:
                return int(year)
    return None


def own_name(name: str) -> str:
    """Name of a dataset of one's own, made unlike that of any official or generated one."""
    is_reserved = years_of(name) or is_generated(name)
    return f"{name}-own" if is_reserved else name or "own"


def name_dataset(
    root: Path, machine_folders: Sequence[str], machines: Sequence[MachineTraits]
) -> tuple[str, tuple[int, ...], tuple[str, ...]]:
    """Name the dataset below a root; `machines` has traits of those folders with official names.

    Returns:
        the name; the years it may officially be, none for a generated corpus; notes.

    Raises:
        DataError: if several datasets lie below the root.
    """
    generated = {folder: generated_above(Path(folder)) for folder in machine_folders}
    if len(set(generated.values())) > 1:
        kinds = sorted(
            f"{name or 'another dataset'} in {folder}" for folder, name in generated.items()
        )
        raise DataError(
            f"{root}: holds several datasets: {', '.join(kinds[:4])}. Name the folder of one."
        )
    if (corpus := next(iter(generated.values()))) is not None:
        return corpus, (), ()
    name = own_name(root.absolute().name)
    if len(machines) < len(machine_folders):
        return name, (), ()
    years, year = year_of(root, machines)
    if year is not None:
        return f"dcase{year}", (year,), ()
    guess = " or ".join(map(str, years)) or "no single"
    note = (
        f"{root}: file names are official, but machine types, sections and folders fit {guess} "
        f"year, so the dataset is called {name}. A folder named dcase<year> above it says the year."
    )
    return name, years, (note,)


def generated_above(folder: Path) -> str | None:
    """Name of the generated corpus whose card lies in a folder or up to three above it, if any.

    Raises:
        DataError: if there is a card that says no year.
    """
    folder = folder.absolute()
    for card in (place / CARD for place in (folder, *folder.parents[:3])):
        if not card.exists():
            continue
        try:
            content = json.loads(card.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(
                f"{card}: not a readable card of a generated corpus: {error}. {REDO}"
            ) from error
        year = content.get("year") if isinstance(content, dict) else None
        if type(year) is not int or year not in MACHINE_TYPES:
            raise DataError(
                f"{card}: `year` must be one of 2020 to 2026. Received: {year!r}. {REDO}"
            )
        return generated_name(str(content.get("size")), year)
    return None
