"""The parts of a dataset that get a model of their own, and what is kept of them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asdkeras.files import reading, write_arrays
from asdkeras.metrics.official import rules_for
from asdkeras.systems.model_files import Models

if TYPE_CHECKING:
    from asdkeras.systems.system import Scope

_FILE, _PREFIX = "representations.npz", "clips/"

Arrays = Mapping[str, NDArray[np.generic]]


class Unit(NamedTuple):
    """A finished training: clip table, what training left, and representations of all clips."""

    table: pd.DataFrame
    models: Models
    arrays: Arrays


def units_of(table: pd.DataFrame, scope: "Scope") -> Iterator[tuple[str, pd.DataFrame]]:
    """Name and clip table of each part of a dataset that gets a model of its own."""
    if scope == "all":
        yield "all", table
        return
    keys = [table["machine_type"]]
    if scope == "section":
        keys.append(table["section"])
    elif scope == "machine_type_and_part":
        rules = rules_for(str(table["dataset"].iloc[0]))
        places = zip(table["machine_type"], table["section"], strict=True)
        parts = [rules.part_of(str(machine_type), str(section)) for machine_type, section in places]
        keys.append(pd.Series(parts, table.index))
    for names, part in table.groupby(keys):
        yield "_".join(map(str, names)), part


def write_representations(folder: Path, arrays: Arrays) -> None:
    """Write the representations of a unit into the folder of its task."""
    named = {f"{_PREFIX}{name}": each for name, each in arrays.items()}
    write_arrays(folder / _FILE, named)


def read_representations(folder: Path) -> Arrays:
    with reading(folder / _FILE), np.load(folder / _FILE) as arrays:
        return {name.removeprefix(_PREFIX): each for name, each in arrays.items()}
