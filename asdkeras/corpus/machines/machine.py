"""What a machine model is given, and the notation of its attributes.

A model is a module of this folder with the level of the machine over the factory (`SNR_DB`), per
section the attributes of each domain (`ATTRIBUTES`), what can break (`FAULTS`), and `sound`,
which makes of a moment the machine alone, `(samples,)`, in no particular unit.

A machine is a set of named parameters: its construction gives them a value, each unit of that
construction (a section) deviates from it a little, and a fault is a change of the same parameters,
about as large as the difference between two units. So a fault is small in the spectrum, and a
network that separates units can find it. A name stands for one parameter: asked for twice, it
must have the same bounds.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from asdkeras.corpus.machines.exact import Draws, exponential

Attributes: TypeAlias = tuple[tuple[str, str], ...]
Conditions: TypeAlias = Mapping[str, Sequence[Attributes]]
Fault: TypeAlias = Mapping[str, float]
"""Parameter to the change of its natural logarithm at full severity."""


@dataclasses.dataclass(frozen=True)
class Moment:
    """State of a machine during one clip."""

    construction: tuple[str | int, ...]  # Identity of the machine type.
    unit: str  # Section: which machine of this type.
    clip: Draws  # Of this clip alone.
    spread: float  # How far clips of one condition differ, 1 in the source domain.
    attributes: Mapping[str, str]  # Operating condition.
    fault: Fault  # Of the clip; empty if nothing is broken.
    severity: float  # Of the fault, in (0, 1].
    length: int  # Samples of the clip.

    def value(self, name: str, low: float, high: float, unit: float = 0.1) -> float:
        """A parameter between `low` and `high`; of a unit, within about +- `unit` of that."""
        base = Draws("construction", *self.construction, name).uniform(low, high)
        deviation = unit * Draws("unit", *self.construction, self.unit, name).uniform(-1.0, 1.0)
        return base * _exp(deviation + self.severity * self.fault.get(name, 0.0))

    def drift(self) -> float:
        """Factor around 1 of a rate in this clip: load and speed are never quite the same."""
        return self.clip.uniform(1.0 - 0.03 * self.spread, 1.0 + 0.03 * self.spread)

    def count(self, name: str, low: int, high: int) -> int:
        """A number of parts, which all units of a construction have, and faults do not change."""
        return Draws("construction", *self.construction, name).integer(low, high)

    def gains(self, name: str, count: int, slope: float, unit: float = 0.5) -> list[float]:
        """Gains of `count` harmonics, falling by `slope`; a fault raises some and lowers some."""
        construction = Draws("construction", *self.construction, name).uniforms(count, 0.4, 1.0)
        deviation = unit * Draws("unit", *self.construction, self.unit, name).uniforms(count, -1, 1)
        pattern = Draws("fault", *self.construction, name).uniforms(count, -1.0, 1.0)
        change = self.severity * self.fault.get(name, 0.0) * pattern
        shape = exponential(deviation + change) * construction
        return [float(gain) * slope**k for k, gain in enumerate(shape)]


def _exp(x: float) -> float:
    return float(exponential(np.array([x]))[0])


def settings(*, source: Sequence[str], target: Sequence[str]) -> dict[str, tuple[Attributes, ...]]:
    """Attributes of the two domains of a section, from the texts used in file names.

    >>> settings(source=["vel_8_loc_H"], target=["m-n_X"])["source"]
    ((('vel', '8'), ('loc', 'H')),)
    """
    return {
        "source": tuple(_pairs(text) for text in source),
        "target": tuple(_pairs(text) for text in target),
    }


def attribute_text(attributes: Attributes) -> str:
    """The text of attributes in a file name.

    >>> attribute_text((("vel", "8"), ("loc", "H")))
    'vel_8_loc_H'
    """
    return "_".join(f"{name}_{value}" for name, value in attributes)


def _pairs(text: str) -> Attributes:
    words = text.split("_")
    return tuple(zip(words[::2], words[1::2], strict=True))
