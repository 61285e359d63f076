"""What a detector knows of one machine beside its graph."""

import dataclasses
from typing import Annotated, Literal

from asdkeras.config import Checked, Count, form


@dataclasses.dataclass(frozen=True)
class Machine(Checked):
    """One machine that a detector was fitted to.

    Attributes:
        name: the machine type, such as `fan`, or one of its several sections, such as `fan_00`.
        clip_length: samples that the network takes of a clip; a shorter one is repeated.
        keep: which part of a longer clip it takes.
        threshold: a clip is anomalous if its score lies above.
    """

    name: Annotated[str, form(r"[^/\\\0.][^/\\\0]*", "a text that does as a file name")]
    machine_type: str
    section: str
    sample_rate_hz: Count
    clip_length: Count
    keep: Literal["start", "end"]
    threshold: float
