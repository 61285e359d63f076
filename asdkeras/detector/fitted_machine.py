"""What a detector knows of one machine beside its graph."""

import dataclasses
from typing import Annotated, Literal

import numpy as np

from asdkeras.config import Checked, Count, form
from asdkeras.errors import RecipeError
from asdkeras.scorers.conformal import conformal_threshold


@dataclasses.dataclass(frozen=True)
class Machine(Checked):
    """One machine that a detector was fitted to.

    Attributes:
        name: the machine type, such as `fan`, or one of its several sections, such as `fan_00`.
        clip_length: samples that the network takes of a clip; a shorter one is repeated.
        keep: which part of a longer clip it takes.
        threshold: a clip is anomalous if its score lies above.
        normal_scores: of the normal clips that the threshold rests on and nothing has learned
            from; empty if it comes from a paper's rule, or there were too few clips.
    """

    name: Annotated[str, form(r"[^/\\\0.][^/\\\0]*", "a text that does as a file name")]
    machine_type: str
    section: str
    sample_rate_hz: Count
    clip_length: Count
    keep: Literal["start", "end"]
    threshold: float
    normal_scores: tuple[float, ...] = ()

    def at_rate(self, false_alarm_rate: float) -> "Machine":
        """With the threshold of another false-alarm rate.

        Raises:
            RecipeError: if there are no scores of held-out normal clips to take it from.
        """
        if not self.normal_scores:
            raise RecipeError(
                f"--false-alarm-rate: {self.name} has no scores of held-out normal clips. Fit it "
                f"anew with --false-alarm-rate {false_alarm_rate:g}."
            )
        threshold = conformal_threshold(self.normal_scores, false_alarm_rate)
        return dataclasses.replace(self, threshold=float(np.float32(threshold)))
