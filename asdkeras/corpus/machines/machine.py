"""What a machine model is told, and how its attributes are written down."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from asdkeras.corpus.machines.exact import Draws, FloatArray

Attributes: TypeAlias = tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class Moment:
    """One clip's worth of a machine's life.

    Attributes:
        instance: draws that are the same for every clip of a machine and section.
        clip: draws of this clip alone.
        attributes: operating condition, name to value.
        fault: name of what is broken, or "" for a sound machine.
        fault_severity: how badly, in (0, 1].
        length: of the clip, in samples.
    """

    instance: Draws
    clip: Draws
    attributes: Mapping[str, str]
    fault: str
    fault_severity: float
    length: int

    def severity(self, fault: str) -> float:
        """Severity of one fault, 0 if the machine does not have it."""
        return self.fault_severity if self.fault == fault else 0.0


class MachineModel(Protocol):
    """What each module of this folder that is named after a machine offers.

    Attributes:
        SNR_DB: level of the machine over the factory.
        ATTRIBUTES: per section, the attributes of each domain.
        FAULTS: what can break.
        sound: the machine alone, `(samples,)`.
    """

    SNR_DB: float
    ATTRIBUTES: Sequence[Mapping[str, Sequence[Attributes]]]
    FAULTS: Sequence[str]
    sound: Callable[[Moment], FloatArray]


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
