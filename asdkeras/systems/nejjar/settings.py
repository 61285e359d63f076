"""What a recipe says of the two phases of training."""

import dataclasses
from typing import Literal

from asdkeras.config import require


@dataclasses.dataclass(frozen=True)
class Pretraining:
    """Self-supervised training of the encoder.

    Attributes:
        batch_size: windows, or pairs of them, per update of the weights.
        accumulation_steps: parts that a batch comes in, one after the other, where memory is
            short; 1 for whole batches. Gradients are the mean of those of the parts, and
            what is measured over a batch, variances, covariances and normalization, is
            measured over a part.
        learning_rate: reached after `warmup_epochs`, from 0 on.
        end_learning_rate: that of the end, along a cosine.
        trust_coefficient: of LARS.
        weights: of invariance or consistency, variance and covariance.
        form: of the terms. `released` takes the mean over the dimensions in the first, half
            the sum in the second and adds 1e-4 to variances, as the code of VICReg does;
            `printed` is the equations.
        expander_dim: units of each of the three layers, and embeddings' size in the loss.
        expander: `released` ends with a linear layer, as the code of VICReg does; `printed`
            normalizes and rectifies that one, too.
    """

    epochs: int
    warmup_epochs: int
    batch_size: int
    accumulation_steps: int
    learning_rate: float
    end_learning_rate: float
    weight_decay: float
    momentum: float
    trust_coefficient: float
    weights: tuple[float, float, float]
    form: Literal["released", "printed"]
    expander_dim: int
    expander: Literal["released", "printed"]

    def __post_init__(self):
        for name in ("epochs", "batch_size", "accumulation_steps", "expander_dim"):
            require(getattr(self, name) >= 1, name, "must be at least 1", getattr(self, name))
        for name in ("learning_rate", "trust_coefficient"):
            require(getattr(self, name) > 0, name, "must be above 0", getattr(self, name))
        for name in ("end_learning_rate", "weight_decay"):
            require(getattr(self, name) >= 0, name, "must not be negative", getattr(self, name))
        require(
            0.0 <= self.warmup_epochs < self.epochs,
            "warmup_epochs",
            f"must lie in [0, {self.epochs}), below `epochs`",
            self.warmup_epochs,
        )
        require(0.0 <= self.momentum < 1.0, "momentum", "must lie in [0, 1)", self.momentum)
        require(
            all(weight >= 0.0 for weight in self.weights),
            "weights",
            "must not be negative",
            list(self.weights),
        )
        require(
            self.batch_size % self.accumulation_steps == 0 and self.part_size >= 2,
            "accumulation_steps",
            f"must divide `batch_size`, {self.batch_size}, into parts of 2 windows or more",
            self.accumulation_steps,
        )

    @property
    def part_size(self):
        """Windows that are in memory at once."""
        return self.batch_size // self.accumulation_steps


@dataclasses.dataclass(frozen=True)
class Views:
    """Masks of the two views that `vicreg` compares; see `SpecAugment`.

    Attributes:
        time_width: frames, of the widest mask.
        band_width: mel bands, of the widest mask.
    """

    num_time_masks: int
    time_width: int
    num_band_masks: int
    band_width: int
    fill: Literal["mean", "zero"]

    def __post_init__(self):
        for name in ("num_time_masks", "time_width", "num_band_masks", "band_width"):
            require(getattr(self, name) >= 0, name, "must not be negative", getattr(self, name))


@dataclasses.dataclass(frozen=True)
class FineTuning:
    """Classification of sections by mixed windows.

    Attributes:
        consistency_weight: of equation 1 on the encoder's output, beside the divergence.
        pairing: which windows are mixed: `all` of the machine type, or those
            `within_section`.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    adam_epsilon: float
    consistency_weight: float
    pairing: Literal["all", "within_section"]

    def __post_init__(self):
        for name in ("epochs", "batch_size"):
            require(getattr(self, name) >= 1, name, "must be at least 1", getattr(self, name))
        for name in ("learning_rate", "adam_epsilon"):
            require(getattr(self, name) > 0, name, "must be above 0", getattr(self, name))
        for name in ("weight_decay", "consistency_weight"):
            require(getattr(self, name) >= 0, name, "must not be negative", getattr(self, name))
