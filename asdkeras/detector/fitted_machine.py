"""What a detector knows of one machine beside its graph."""

import dataclasses
from typing import Annotated, Literal

from asdkeras.config import Checked, Count, form


@dataclasses.dataclass(frozen=True)
class Machine(Checked):
    """One machine that a detector was fitted to.

    Attributes:
        name: the machine type, such as `fan`, or where a machine type has several sections
            one of them, such as `fan_00`.
        machine_type: see the clip table.
        section: see the clip table.
        sample_rate_hz: of the waveforms that the graph takes.
        clip_length: samples that the network hears of a clip; a shorter one is repeated.
        keep: which part of a longer clip it hears.
        threshold: a clip is anomalous if its score lies above.
    """

    name: Annotated[str, form(r"[^/\\\0.][^/\\\0]*", "a text that does as a file name")]
    machine_type: str
    section: str
    sample_rate_hz: Count
    clip_length: Count
    keep: Literal["start", "end"]
    threshold: float
