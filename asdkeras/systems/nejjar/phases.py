"""The sections of the recipe for the two phases of training."""

import dataclasses
from typing import Annotated, Literal

from asdkeras.config import (
    Checked,
    Constraint,
    Count,
    Fraction,
    NaturalNumber,
    NotNegative,
    Positive,
    Relation,
)
from asdkeras.readings import Reading

_BEFORE_THE_END = Relation(
    "must lie in [0, {0.epochs}), below `epochs`",
    lambda value, phase: 0 <= value < phase.epochs,
)
_NONE_NEGATIVE = Constraint(
    "must not be negative", lambda value: all(weight >= 0.0 for weight in value), show=list
)
_INTO_PARTS = Relation(
    "must divide `batch_size`, {0.batch_size}, into parts of 2 windows or more",
    lambda value, phase: phase.batch_size % value == 0 and phase.part_size >= 2,
)


@dataclasses.dataclass(frozen=True)
class Pretraining(Checked):
    """Self-supervised training of the encoder.

    Attributes:
        batch_size: windows, or pairs of them, per update of the weights.
        accumulation_steps: parts that a batch comes in, one after the other, where memory is
            short; 1 for whole batches. Gradients are the mean of those of the parts, and
            variances, covariances and normalization are measured over a part.
        learning_rate: reached after `warmup_epochs`, from 0 on.
        end_learning_rate: that of the end, along a cosine.
        trust_coefficient: of LARS.
        weights: of invariance or consistency, variance and covariance.
        form: of the terms.
        expander_dim: units of each of the three layers, and embeddings' size in the loss.
        expander: form of its last layer.
    """

    epochs: Count
    warmup_epochs: Annotated[int, _BEFORE_THE_END]
    batch_size: Count
    accumulation_steps: Annotated[Count, _INTO_PARTS]
    learning_rate: Positive
    end_learning_rate: NotNegative
    weight_decay: NotNegative
    momentum: Fraction
    trust_coefficient: Positive
    weights: Annotated[tuple[float, float, float], _NONE_NEGATIVE]
    form: Annotated[
        Literal["released", "printed"],
        Reading(
            "equations 1 to 5, with the weights of the VICReg paper",
            "`released` is the code of VICReg, which these weights belong to: the mean over "
            "dimensions in the first term, half the sum of both batches in the second, 1e-4 "
            "added to variances; `printed` is the equations",
        ),
    ]
    expander_dim: Count
    expander: Annotated[
        Literal["released", "printed"],
        Reading(
            '"each of the layers is followed by a batch normalization layer and a ReLU" (Sec. 3.3)',
            "`released` ends with a linear layer without bias, as the code of VICReg does; "
            "`printed` normalizes and rectifies that one, too",
        ),
    ]

    @property
    def part_size(self) -> int:
        """Windows that are in memory at once."""
        return self.batch_size // self.accumulation_steps


@dataclasses.dataclass(frozen=True)
class Views(Checked):
    """The two views that `vicreg` compares: a time warp, then masks.

    Attributes:
        time_warp: frames, see `TimeWarp`; 0 for none.
        time_width: frames of the widest time mask, see `SpecAugment`, as for all below.
    """

    time_warp: NaturalNumber
    num_time_masks: NaturalNumber
    time_width: NaturalNumber
    num_band_masks: NaturalNumber
    band_width: NaturalNumber
    fill: Annotated[
        Literal["mean", "zero"],
        Reading(
            "SpecAugment (Sec. 4)", "its authors normalize to mean 0, so that both are the same"
        ),
    ]


@dataclasses.dataclass(frozen=True)
class FineTuning(Checked):
    """Classification of sections by mixed windows.

    Attributes:
        consistency_weight: of equation 1 on the encoder's output, beside the divergence.
        pairing: which windows are mixed.
    """

    epochs: Count
    batch_size: Count
    learning_rate: Positive
    weight_decay: NotNegative
    adam_epsilon: Positive
    consistency_weight: NotNegative
    pairing: Annotated[
        Literal["all", "within_section"],
        Reading(
            '"mixup on the source and target data for each section", learned from "the mixed '
            'section ID" (Sec. 3.4)',
            "`all` mixes any two windows of the machine type, for sections that are mixed; "
            "`within_section` mixes those of one section, whose label stays what it was",
        ),
    ]
