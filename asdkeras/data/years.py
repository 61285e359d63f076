"""Which year's dataset a folder of official names holds.

No official folder says its year. But each year has its own machine types, sections,
folders, and machine types whose attributes are withheld; together they usually leave one.
"""

import dataclasses
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from asdkeras.errors import DataError

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
_RESERVED = re.compile(r"(?:dcase|mini)20\d\d")
_REDO = "Generate the corpus again with `asdkeras data mini`."
_YEAR_IN_PATH = re.compile(r"dcase(20\d\d)(?!\d)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class MachineTraits:
    """What names and folders of one machine type give away about the year.

    Attributes:
        machine_type: folder name.
        is_2020: whether the names are those of 2020.
        sections: sections of all clips.
        folders: names of the folders that hold clips.
        has_raw_test_domain: whether unlabeled test names carry a domain; None without such.
        has_test_attributes: whether a test name carries attributes.
        domains: domains that names state.
        is_withheld: whether training names are marked `noAttribute`; None without such.
    """

    machine_type: str
    is_2020: bool
    sections: frozenset[str]
    folders: frozenset[str]
    has_raw_test_domain: bool | None
    has_test_attributes: bool
    domains: frozenset[str]
    is_withheld: bool | None


def candidate_years(machines: Iterable[MachineTraits]) -> tuple[int, ...]:
    """Years whose dataset may look like this, in order; empty if none does."""
    machines = list(machines)
    years = [year for year in MACHINE_TYPES if all(_fits(m, year) for m in machines)]
    if all(machine.sections == {"00"} for machine in machines):
        # A whole dataset of 2021 or 2022 has more sections, so a later year is meant.
        years = [year for year in years if year not in _YEARS_WITH_SECTIONS] or years
    return tuple(years)


def year_of(path: Path, machines: Sequence[MachineTraits]) -> tuple[tuple[int, ...], int | None]:
    """Years a dataset may be of, and its year if names or path leave one.

    Args:
        path: where it lies.
        machines: traits of its machine types.
    """
    years = candidate_years(machines)
    year = years[0] if len(years) == 1 else year_in_path(path, years)
    if year is None and all(_is_converted_2020(machine) for machine in machines):
        year = year_in_path(path, [2020])
    return years, year


def years_of(dataset: str) -> tuple[int, ...]:
    """The year in the name of an official dataset; empty for any other name."""
    return (int(dataset[5:]),) if re.fullmatch(r"dcase20\d\d", dataset) else ()


def _is_converted_2020(machine: MachineTraits) -> bool:
    """Whether these may be clips of 2020 as ASDKit renames them: sections of one domain."""
    return machine.machine_type in MACHINE_TYPES[2020] and machine.domains <= {"source"}


def _fits(machine: MachineTraits, year: int) -> bool:
    if machine.machine_type not in MACHINE_TYPES[year] or machine.is_2020 != (year == 2020):
        return False
    if year == 2020:
        return True
    has_more_sections = bool(machine.sections - {"00"})
    is_2021 = bool(machine.folders & {"source_test", "target_test"})
    return not (
        (has_more_sections and year not in _YEARS_WITH_SECTIONS)
        or (is_2021 and year != 2021)
        or (machine.has_raw_test_domain not in (None, year == 2021))
        or (machine.has_test_attributes and year == 2021)
        or ("supplemental" in machine.folders and year != 2025)
        # Nothing is known yet about withheld attributes of 2026.
        or (
            machine.is_withheld not in (None, machine.machine_type in WITHHELD.get(year, ()))
            and year != 2026
        )
    )


def year_in_path(path: Path, candidates: Sequence[int]) -> int | None:
    """The candidate named by the deepest folder like `dcase2023` or `dcase2023t2`."""
    for part in reversed(path.absolute().parts):
        for year in _YEAR_IN_PATH.findall(part):
            if int(year) in candidates:
                return int(year)
    return None


def read_mini_year(folder: Path) -> int | None:
    """Year of the mini corpus whose card lies in a folder; None if there is no card.

    Raises:
        DataError: if there is a card that says no year.
    """
    card = folder / CARD
    try:
        content = json.loads(card.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(
            f"{card}: not a readable card of a mini corpus: {error}. {_REDO}"
        ) from error
    year = content.get("year") if isinstance(content, dict) else None
    if type(year) is not int or year not in MACHINE_TYPES:
        raise DataError(f"{card}: `year` must be one of 2020 to 2026. Received: {year!r}. {_REDO}")
    return year


def own_name(name: str) -> str:
    """Name of a dataset of one's own; never one that says an official dataset."""
    return f"{name}-own" if _RESERVED.fullmatch(name) else name or "own"


def name_dataset(
    root: Path, folders: Sequence[str], machines: Sequence[MachineTraits]
) -> tuple[str, tuple[int, ...], tuple[str, ...]]:
    """Name of the dataset below a root.

    Args:
        root: folder the user gave.
        folders: paths of all machine folders.
        machines: traits of those with official names; plain folders have none.

    Returns:
        the name; the years it may officially be, none for a mini corpus; notes.

    Raises:
        DataError: if several datasets lie below the root.
    """
    minis = {folder: mini_year_above(Path(folder)) for folder in folders}
    if len(set(minis.values())) > 1:
        kinds = sorted(f"{_mini_name(year)} in {folder}" for folder, year in minis.items())
        raise DataError(
            f"{root}: holds several datasets: {', '.join(kinds[:4])}. Name the folder of one."
        )
    if (mini := next(iter(minis.values()))) is not None:
        return f"mini{mini}", (), ()
    name = own_name(root.absolute().name)
    if len(machines) < len(folders):
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


def _mini_name(year: int | None) -> str:
    return "another dataset" if year is None else f"mini{year}"


def mini_year_above(folder: Path) -> int | None:
    """Year of the mini corpus a machine folder belongs to; None if it belongs to none.

    Its card is looked for in the folder and in up to three folders above it.
    """
    folder = folder.absolute()
    for place in (folder, *folder.parents[:3]):
        if (year := read_mini_year(place)) is not None:
            return year
    return None
