"""What a machine model is given, and the notation of its attributes.

A model is a module of this folder with the level of the machine over the factory (`SNR_DB`), per
section the attributes of each domain (`ATTRIBUTES`), what can break (`FAULTS`), and `sound`,
which makes of a moment the machine alone, `(samples,)`, in no particular unit.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from asdkeras.corpus.machines.exact import Draws

Attributes: TypeAlias = tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class Moment:
    """State of a machine during one clip."""

    instance: Draws  # The same for every clip of a machine and section.
    clip: Draws  # Of this clip alone.
    attributes: Mapping[str, str]  # Operating condition, name to value.
    fault: str  # What is broken, or "" for a sound machine.
    fault_severity: float  # In (0, 1].
    length: int  # Samples of the clip.

    def severity(self, fault: str) -> float:
        """Severity of one fault, 0 if the machine does not have it."""
        return self.fault_severity if self.fault == fault else 0.0


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
