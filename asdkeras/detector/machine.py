"""What a detector knows of one machine beside its graph."""

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class Machine:
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

    name: str
    machine_type: str
    section: str
    sample_rate_hz: int
    clip_length: int
    keep: Literal["start", "end"]
    threshold: float
