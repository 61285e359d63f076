"""What a recipe says of the autoencoder, of the classifier and of their ensembles."""

import dataclasses
from typing import Any, Literal

from asdkeras.config import build_config, require
from asdkeras.errors import RecipeError


@dataclasses.dataclass(frozen=True)
class Masks:
    """What is hidden of the input of the autoencoder, in training and at inference.

    Attributes:
        min_time_width: frames; every width from here to `time_width` is equally likely.
        min_band_width: bands, likewise.
        input_dropout: chance of every single value to be hidden besides.
    """

    num_time_masks: int
    min_time_width: int
    time_width: int
    num_band_masks: int
    min_band_width: int
    band_width: int
    input_dropout: float

    def __post_init__(self):
        for name in ("num_time_masks", "num_band_masks", "min_time_width", "min_band_width"):
            require(getattr(self, name) >= 0, name, "must not be negative", getattr(self, name))
        for name in ("time_width", "band_width"):
            least = getattr(self, f"min_{name}")
            require(
                getattr(self, name) >= least,
                name,
                f"must not be below `min_{name}`, {least}",
                getattr(self, name),
            )
        require(
            0.0 <= self.input_dropout < 1.0,
            "input_dropout",
            "must lie in [0, 1)",
            self.input_dropout,
        )


@dataclasses.dataclass(frozen=True)
class Autoencoder:
    """A conformer autoencoder of the clips of a machine type, and the scorer behind it.

    Attributes:
        clip_length: samples of a clip that are heard; 0 for the longest training clip.
        floor: least magnitude of a mel band.
        num_copies: of a clip at inference, each with masks of its own.
        copy_pooling: how the errors of the copies become one.
        num_blocks: conformer blocks of the encoder, and of the decoder.
        width: channels.
        steps: updates.
        steps_per_save: after so many the training is kept, and a row added to `train.csv`.
        rate_factor: of the learning rate of the warm-up schedule.
        held_out_fraction: of the source clips of each section, for the scorer.
        reg_covar: added to variances of the scorer.
        target_reg_covar: the same in the target domain, which has three clips.
        time_pooling: how the scores of the frames become one.
    """

    clip_length: int
    window_length: int
    hop_length: int
    num_mel_bins: int
    floor: float
    masks: Masks
    num_copies: int
    copy_pooling: Literal["mean", "maximum", "median"]
    num_blocks: int
    width: int
    kernel_size: int
    num_heads: int
    latent_dim: int
    dropout: float
    steps: int
    steps_per_save: int
    batch_size: int
    warmup_steps: int
    rate_factor: float
    adam_epsilon: float
    held_out_fraction: float
    reg_covar: float
    target_reg_covar: float
    time_pooling: Literal["mean", "maximum", "median"]

    def __post_init__(self):
        _require_front_end(self)
        _require_counts(
            self,
            *("num_copies", "num_blocks", "width", "kernel_size", "num_heads", "latent_dim"),
            *("batch_size", "warmup_steps"),
        )
        _require_rounds(self.steps, self.steps_per_save)
        require(
            self.width % self.num_heads == 0,
            "width",
            f"must be a multiple of `num_heads`, {self.num_heads}",
            self.width,
        )
        require(self.kernel_size % 2 == 1, "kernel_size", "must be odd", self.kernel_size)
        require(0.0 <= self.dropout < 1.0, "dropout", "must lie in [0, 1)", self.dropout)
        require(
            0.0 < self.held_out_fraction < 1.0,
            "held_out_fraction",
            "must lie between 0 and 1: the scorer hears what the network has not",
            self.held_out_fraction,
        )
        for name in ("rate_factor", "adam_epsilon", "reg_covar", "target_reg_covar"):
            require(getattr(self, name) > 0, name, "must be above 0", getattr(self, name))
        require(
            self.masks.band_width <= self.num_mel_bins,
            "masks.band_width",
            f"must not be above `num_mel_bins`, {self.num_mel_bins}",
            self.masks.band_width,
        )


@dataclasses.dataclass(frozen=True)
class DoubleCentroidLoss:
    """Deep double-centroids loss on the embeddings.

    Attributes:
        reading: of a loss whose definition is in a paper that was not at hand, see
            `asdkeras.losses.double_centroids`.
        weight: beside the cross-entropy.
        momentum: of the moving centroids.
    """

    reading: Literal["two_centroid_deep_sad", "ratio", "normal_centroid"]
    weight: float
    momentum: float

    def __post_init__(self):
        require(self.weight >= 0, "weight", "must not be negative", self.weight)
        require(0.0 <= self.momentum < 1.0, "momentum", "must lie in [0, 1)", self.momentum)


@dataclasses.dataclass(frozen=True)
class ArcFaceLoss:
    """A further loss on the embeddings; a weight of 0 leaves it out."""

    weight: float
    scale: float
    margin_rad: float

    def __post_init__(self):
        require(self.weight >= 0, "weight", "must not be negative", self.weight)
        require(self.scale > 0, "scale", "must be above 0", self.scale)


@dataclasses.dataclass(frozen=True)
class Augmented:
    """Noise and volume in training; chances of 0 leave them out.

    Attributes:
        snr_db: least and largest ratio of the peaks of signal and noise.
        gain_db: least and largest change of the volume.
    """

    noise_probability: float
    snr_db: tuple[float, float]
    volume_probability: float
    gain_db: tuple[float, float]

    def __post_init__(self):
        for name in ("noise_probability", "volume_probability"):
            require(0 <= getattr(self, name) <= 1, name, "must lie in [0, 1]", getattr(self, name))
        for name in ("snr_db", "gain_db"):
            value = getattr(self, name)
            require(
                len(value) == 2 and value[0] <= value[1],
                name,
                "must be two numbers, the least first",
                list(value),
            )


@dataclasses.dataclass(frozen=True)
class Adaptation:
    """Fine-tuning of the classifier for the target domain.

    Attributes:
        num_target: clips of each batch that are of the target domain, or mixed with it.
        mixup_alpha: weights of mixed clips are drawn from Beta(alpha, alpha).
    """

    steps: int
    steps_per_save: int
    num_target: int
    mixup_alpha: float

    def __post_init__(self):
        _require_rounds(self.steps, self.steps_per_save)
        require(self.num_target >= 1, "num_target", "must be at least 1", self.num_target)
        require(self.mixup_alpha >= 0.05, "mixup_alpha", "must be at least 0.05", self.mixup_alpha)


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A classifier that tells one section from everything else.

    Attributes:
        clip_length: samples of a clip that are heard; 0 for the longest training clip.
        floor: least magnitude of a mel band.
        num_frames: that the network hears at once.
        num_windows: of so many frames that a clip is scored by.
        normalization: by whose mean and deviation a waveform is normalized: those of the
            training clips of its own machine type, or of the machine type of the section.
        negatives: other clips that are heard: `all`, or those of the `same_dataset`, ToyADMOS
            or MIMII, by the name of the machine type.
        width: channels of the first convolution of a ResNet; not read by EfficientNet.
        dropout: before the last layer.
        batch_size: half of it are clips of the section.
        head_rate: largest learning rate of the last layer.
        network_rate: largest learning rate of all others.
        posterior_weight: of the posterior in the score; the distance has the rest.
    """

    clip_length: int
    window_length: int
    hop_length: int
    num_mel_bins: int
    floor: float
    num_frames: int
    num_windows: int
    normalization: Literal["own_machine", "positive_machine"]
    negatives: Literal["all", "same_dataset"]
    augmentation: Augmented
    backbone: Literal["resnet34", "resnext50_32x4d", "efficientnet_b3"]
    width: int
    dropout: float
    ddcsad: DoubleCentroidLoss
    arc_face: ArcFaceLoss
    batch_size: int
    steps: int
    steps_per_save: int
    head_rate: float
    network_rate: float
    adam_epsilon: float
    adaptation: Adaptation
    posterior_weight: float

    def __post_init__(self):
        _require_front_end(self)
        _require_counts(self, "num_windows", "width")
        require(self.num_frames >= 32, "num_frames", "must be at least 32", self.num_frames)
        require(self.num_mel_bins >= 32, "num_mel_bins", "must be at least 32", self.num_mel_bins)
        _require_rounds(self.steps, self.steps_per_save)
        require(
            self.batch_size >= 2 and self.batch_size % 2 == 0,
            "batch_size",
            "must be even: half of a batch are clips of the section",
            self.batch_size,
        )
        rest = self.batch_size - self.adaptation.num_target
        require(
            rest >= 2 and rest % 2 == 0,
            "adaptation.num_target",
            f"must leave an even number of the {self.batch_size} clips of a batch",
            self.adaptation.num_target,
        )
        require(0.0 <= self.dropout < 1.0, "dropout", "must lie in [0, 1)", self.dropout)
        for name in ("head_rate", "network_rate", "adam_epsilon"):
            require(getattr(self, name) > 0, name, "must be above 0", getattr(self, name))
        require(
            self.network_rate <= self.head_rate,
            "network_rate",
            f"must not be above `head_rate`, {self.head_rate}",
            self.network_rate,
        )
        require(
            0.0 <= self.posterior_weight <= 1.0,
            "posterior_weight",
            "must lie in [0, 1]",
            self.posterior_weight,
        )


@dataclasses.dataclass(frozen=True)
class Together:
    """How scores of several models become one.

    Attributes:
        combine: the method.
        normalize: by which training clips each member's scores get mean 0 and variance 1.
        normalize_on: `test` takes the test clips instead; a score then depends on the others.
        choice: `oracle` lets the labels of development test clips choose how many and which
            members count and by which method, as in the paper.
    """

    combine: Literal["mean", "median", "maximum", "rank"]
    normalize: Literal["section", "section_and_domain"]
    normalize_on: Literal["train", "test"]
    choice: Literal["fixed", "oracle"]


def changed(settings: Any, changes: Any, where: str) -> Any:
    """Settings with some fields replaced, checked as those of a recipe are.

    Args:
        settings: `Autoencoder` or `Classifier`.
        changes: name of a field, of a section behind a dot, -> its value.
        where: which entry of the recipe says so.

    Raises:
        ValueError: if there is no such field or its value is not good.
    """
    content = _as_yaml(settings)
    require(isinstance(changes, dict), where, "must be a mapping of fields to values", changes)
    for key, value in changes.items():
        *sections, name = str(key).split(".")
        place = content
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        is_known = isinstance(place, dict) and name in place
        require(is_known, where, "must name fields of what it changes", key)
        place[name] = value
    try:
        return build_config(type(settings), content, where)
    except RecipeError as error:
        raise ValueError(str(error)) from error


def _as_yaml(settings: Any) -> Any:
    """Nested mappings and lists, as a recipe has them."""
    if dataclasses.is_dataclass(settings):
        names = (field.name for field in dataclasses.fields(settings))
        return {name: _as_yaml(getattr(settings, name)) for name in names}
    return list(settings) if isinstance(settings, tuple) else settings


def _require_front_end(settings):
    require(settings.clip_length >= 0, "clip_length", "must not be negative", settings.clip_length)
    _require_counts(settings, "hop_length", "num_mel_bins")
    require(
        settings.window_length >= 2 and settings.window_length % 2 == 0,
        "window_length",
        "must be even, so that frames can be centered",
        settings.window_length,
    )
    require(settings.floor > 0, "floor", "must be above 0", settings.floor)


def _require_counts(settings, *names):
    for name in names:
        require(getattr(settings, name) >= 1, name, "must be at least 1", getattr(settings, name))


def _require_rounds(steps, steps_per_save):
    require(steps_per_save >= 1, "steps_per_save", "must be at least 1", steps_per_save)
    require(
        steps >= steps_per_save and steps % steps_per_save == 0,
        "steps",
        f"must be a multiple of `steps_per_save`, {steps_per_save}",
        steps,
    )
