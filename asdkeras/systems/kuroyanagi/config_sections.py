"""The sections of the recipe: of the autoencoder, of the classifier and of their ensembles."""

import dataclasses
from typing import Annotated, Any, Literal

from asdkeras.config import (
    Checked,
    Constraint,
    Count,
    Fraction,
    NaturalNumber,
    NotNegative,
    Positive,
    Probability,
    at_least,
    at_least_field,
    at_most_field,
    build_config,
    multiple_of,
    multiple_of_field,
    place_of,
    require,
)
from asdkeras.errors import RecipeError
from asdkeras.readings import Reading, Reconstructed
from asdkeras.scorers.thresholds import ThresholdRule

_EVEN = multiple_of(2, "must be even, so that frames can be centered")
_HELD_OUT = Constraint(
    "must lie between 0 and 1: the scorer goes by clips the network has not learned from",
    lambda value: 0.0 < value < 1.0,
)
Rounds = Annotated[int, multiple_of_field("steps_per_save")]
_ASCENDING = Constraint(
    "must be two numbers, the least first",
    lambda value: len(value) == 2 and value[0] <= value[1],
)


@dataclasses.dataclass(frozen=True)
class Masks(Checked):
    """What is hidden of the input of the autoencoder, in training and at inference.

    Attributes:
        min_time_width: frames; every width from here to `time_width` is equally likely.
        min_band_width: bands, likewise.
        input_dropout: chance of every single value to be hidden besides.
    """

    num_time_masks: NaturalNumber
    min_time_width: NaturalNumber
    time_width: Annotated[int, at_least_field("min_time_width")]
    num_band_masks: NaturalNumber
    min_band_width: NaturalNumber
    band_width: Annotated[int, at_least_field("min_band_width")]
    input_dropout: Fraction


@dataclasses.dataclass(frozen=True)
class ConformerAutoencoder(Checked):
    """A conformer autoencoder of the clips of a machine type, and the scorer behind it.

    Attributes:
        clip_length: samples of a clip that are used; 0 for the longest training clip.
        floor: least magnitude of a mel band.
        section_id: how the section enters the network. `regression` makes it one more feature,
            which is reconstructed and has its part in loss and score; masks do not hide it.
        num_copies: of a clip at inference, each with masks of its own.
        copy_pooling: how the errors of the copies are pooled.
        num_blocks: conformer blocks of the encoder, and of the decoder.
        width: channels.
        steps: updates.
        steps_per_save: after so many the training is kept, and a row added to `train.csv`.
        rate_factor: of the learning rate of the warm-up schedule.
        held_out_fraction: of the source clips of each section, for the scorer; see
            `asdkeras.systems.kuroyanagi.held_out_clips` for the least number.
        reg_covar: added to variances of the scorer.
        target_reg_covar: the same in the target domain, which has three clips.
        time_pooling: how the scores of the frames are pooled.
    """

    clip_length: NaturalNumber
    window_length: Annotated[int, _EVEN]
    hop_length: Count
    num_mel_bins: Count
    floor: Positive
    masks: Masks
    section_id: Annotated[
        Literal["regression", "embedding"],
        Reading(
            "ID regression: input features are log-mel and one-dimensional section ID (Sec. 2.1)",
            "`regression` reconstructs the ID as one more column of every frame; `embedding` "
            "adds a learned vector to the latent, as configurations of the trace do",
        ),
    ]
    num_copies: Count
    copy_pooling: Annotated[
        Literal["mean", "maximum", "median"],
        Reading(
            "average, max, or median pooling (Sec. 3.1), optimized by labels",
            "one of the three for all machines and domains; `mean` is ours",
        ),
    ]
    num_blocks: Count
    width: Annotated[Count, multiple_of_field("num_heads")]
    kernel_size: Annotated[
        int, at_least(1), Constraint("must be odd", lambda value: value % 2 == 1)
    ]
    num_heads: Count
    latent_dim: Count
    dropout: Fraction
    steps: Rounds
    steps_per_save: Count
    batch_size: Count
    warmup_steps: Count
    rate_factor: Positive
    adam_epsilon: Positive
    held_out_fraction: Annotated[float, _HELD_OUT]
    reg_covar: Positive
    target_reg_covar: Positive
    time_pooling: Annotated[
        Literal["mean", "maximum", "median"],
        Reading(
            "post-processing to squeeze the time dimension (Sec. 2.1), optimized by labels",
            "none of the three is named; `mean` is ours",
        ),
    ]

    def check(self) -> None:
        require(
            self.masks.band_width <= self.num_mel_bins,
            "masks.band_width",
            f"must not be above `num_mel_bins`, {self.num_mel_bins}",
            self.masks.band_width,
        )


@dataclasses.dataclass(frozen=True)
class DoubleCentroidLoss(Checked):
    """Deep double-centroids loss on the embeddings.

    Attributes:
        reading: of a loss whose definition is in a paper that was not at hand, see
            `asdkeras.losses.double_centroids`.
        weight: beside the cross-entropy.
        momentum: of the moving centroids.
    """

    reading: Annotated[
        Literal["two_centroid_deep_sad", "ratio", "normal_centroid"],
        Reading(
            "DDCSAD [6] minimizes the variance in a class and maximizes that between classes "
            "(Sec. 2.2); its formula is in [6]",
            "three losses that do so; [6] was not at hand",
        ),
        Reconstructed(
            {
                "two_centroid_deep_sad": "the whole loss, from what Sec. 2.2 says of it",
                "ratio": "likewise",
                "normal_centroid": "likewise",
            }
        ),
    ]
    weight: NotNegative
    momentum: Fraction


@dataclasses.dataclass(frozen=True)
class ArcFaceLoss(Checked):
    """A further loss on the embeddings; a weight of 0 leaves it out."""

    weight: NotNegative
    scale: Positive
    margin_rad: float


@dataclasses.dataclass(frozen=True)
class Augmented(Checked):
    """Noise and volume in training; chances of 0 leave them out.

    Attributes:
        snr_db: least and largest ratio of the peaks of signal and noise.
        gain_db: least and largest change of the volume.
    """

    noise_probability: Probability
    snr_db: Annotated[tuple[float, float], _ASCENDING]
    volume_probability: Probability
    gain_db: Annotated[tuple[float, float], _ASCENDING]


@dataclasses.dataclass(frozen=True)
class Adaptation(Checked):
    """Fine-tuning of the classifier for the target domain.

    Attributes:
        num_target: clips of each batch that are of the target domain, or mixed with it; half of
            them of the section.
        mixup_probability: how likely such a clip is mixed with one of the source domain.
        mixup_alpha: weights of mixed clips are drawn from Beta(alpha, alpha).
    """

    steps: Rounds
    steps_per_save: Count
    num_target: Annotated[
        int, multiple_of(2, "must be even: half of the target clips are of the section")
    ]
    mixup_probability: Probability
    mixup_alpha: Annotated[float, at_least(0.05)]


@dataclasses.dataclass(frozen=True)
class Classifier(Checked):
    """A classifier that tells one section from everything else.

    Attributes:
        clip_length: samples of a clip that are used; 0 for the longest training clip.
        floor: least magnitude of a mel band.
        num_frames: of the network's input.
        num_windows: of so many frames that a clip is scored by.
        normalization: by whose mean and deviation a waveform is normalized: those of the
            training clips of its own machine type, or of the machine type of the section.
        negatives: other clips in training: `all`, or those of the `same_dataset`, ToyADMOS or
            MIMII, by the name of the machine type.
        start_weights: of the network before its head. `random`, or a file of Keras weights, see
            `asdkeras.systems.kuroyanagi.start_weights`; a relative path starts at the folder the
            command is run in.
        width: channels of the first convolution of a ResNet; not read by EfficientNet.
        dropout: before the last layer.
        batch_size: half of it are clips of the section.
        head_rate: largest learning rate of the last layer.
        network_rate: largest learning rate of all others.
        held_out_fraction: of the source clips of the section, to know the scale of its scores by;
            see `asdkeras.systems.kuroyanagi.held_out_clips` for the least number.
        combination: the scale on which posterior and distance are added. `standardized` adds the
            logit of the posterior and the distance, each with mean 0 and variance 1 over the
            held-out clips; `probability` what the posterior leaves of 1, and the distance scaled
            to 0..1 by all training clips of the section.
        posterior_weight: of the posterior in the score; the distance has the rest.
    """

    clip_length: NaturalNumber
    window_length: Annotated[int, _EVEN]
    hop_length: Count
    num_mel_bins: Annotated[int, at_least(32)]
    floor: Positive
    num_frames: Annotated[int, at_least(32)]
    num_windows: Count
    normalization: Annotated[
        Literal["own_machine", "positive_machine"],
        Reading(
            "a waveform of each example is normalized over each machine type (Sec. 2.2)",
            "`own_machine`: by its own; `positive_machine`: by that of the section, all alike",
        ),
    ]
    negatives: Annotated[
        Literal["all", "same_dataset"],
        Reading(
            "the other normal data including the different machines (Sec. 2.2)",
            "`same_dataset`, MIMII or ToyADMOS2 alone, is a variation for the ensemble",
        ),
    ]
    augmentation: Augmented
    backbone: Annotated[
        Literal["resnet34", "resnext50_32x4d", "efficientnet_b3"],
        Reading("ResNet34 (Sec. 3.1)", "the others are variations for the ensemble (Sec. 2.2)"),
    ]
    start_weights: Annotated[
        str,
        Constraint(
            "must be `random` or a file of Keras weights, *.keras or *.weights.h5",
            lambda value: value == "random" or value.endswith((".keras", ".weights.h5")),
        ),
        Reading(
            "PyTorch Image Models (Sec. 2.2), EfficientNet of Noisy Student [17], a paper about "
            "weights; which file is not printed",
            "`random`, or the path of a file with weights of the network before its head",
        ),
    ]
    width: Count
    dropout: Fraction
    ddcsad: DoubleCentroidLoss
    arc_face: ArcFaceLoss
    batch_size: Annotated[
        int, multiple_of(2, "must be even: half of a batch are clips of the section")
    ]
    steps: Rounds
    steps_per_save: Count
    head_rate: Positive
    network_rate: Annotated[Positive, at_most_field("head_rate")]
    adam_epsilon: Positive
    adaptation: Adaptation
    held_out_fraction: Annotated[float, _HELD_OUT]
    combination: Annotated[
        Literal["standardized", "probability"],
        Reading(
            "the posterior probability with the normalized distance (Sec. 2.2), no weights, no "
            "scale",
            "`standardized` gives both one spread; `probability` is the sentence to the letter, "
            "where a posterior near 0 or 1 adds nothing to the distance",
        ),
    ]
    posterior_weight: Probability

    def check(self) -> None:
        rest = self.batch_size - self.adaptation.num_target
        require(
            rest >= 2 and rest % 2 == 0,
            "adaptation.num_target",
            f"must leave an even number of the {self.batch_size} clips of a batch",
            self.adaptation.num_target,
        )


@dataclasses.dataclass(frozen=True)
class Together:
    """How scores of several models are combined.

    Attributes:
        combine: of the autoencoders; others are averaged.
        normalize: by whose clips scores get mean 0 and variance 1 before they are combined:
            those of the section, or of the section and domain where there are ten at least.
        normalize_on: which of these clips, as in `Combination`.
        choice: `oracle` lets the labels of development test clips choose how many and which
            members count and by which method, as in the paper.
        best_classifiers_of: as `best_of` in `Combination`, of the two best classifiers.
        method_of: as in `Combination`.
    """

    combine: Annotated[
        Literal["mean", "median", "maximum", "rank"],
        Reading(
            "Sec. 2.3: the best of the four for each machine and section, chosen by labels",
            "one for all; `choice: oracle` chooses",
        ),
    ]
    normalize: Annotated[
        Literal["section_and_domain", "section"],
        Reading(
            "Sec. 2.3: mean zero and variance one; ensembles are per machine and domain",
            "`section` puts both domains on one scale, which the source clips decide",
        ),
    ]
    normalize_on: Annotated[
        Literal["held_out", "train", "test"],
        Reading(
            "silent",
            "`held_out`: clips the member has not learned from; `train`: all training clips, "
            "whose spread says how well they were learned; `test`: the test clips, as code of "
            "the authors of 2022 does, marked as transductive",
        ),
    ]
    choice: Annotated[
        Literal["fixed", "oracle"],
        Reading(
            "Sec. 2.3: members, their number and the method are optimized on the development set",
            "`fixed`: all members, one method, no labels; `oracle`: as the paper, marked",
        ),
    ]
    best_classifiers_of: Annotated[
        Literal["pooled_sections", "section", "machine"],
        Reading(
            "Sec. 2.3: the N-best models of each section, N x S for each machine and domain",
            "of `choice: oracle`. `pooled_sections`: what is best in one section counts in all; "
            "`section`: in its own alone, N of N x S for each clip; `machine`: the N best of "
            "the machine type, as for autoencoders",
        ),
    ]
    method_of: Annotated[
        Literal["section", "machine"],
        Reading(
            "Sec. 2.3: for each machine and each section; Sec. 3.1: for each machine and domain",
            "of `choice: oracle`. `section`: Sec. 2.3, of each domain of it; `machine`: Sec. 3.1",
        ),
    ]


def domain_thresholds(config: Any) -> ThresholdRule:
    """The percentile of the gamma distribution of training scores, per section and domain."""
    return ThresholdRule("section_and_domain", "gamma_restarted", config.threshold_percentile)


def changed(settings: Any, changes: Any, where: str) -> Any:
    """Settings with some fields replaced, checked as those of a recipe are.

    Args:
        settings: `ConformerAutoencoder` or `Classifier`.
        changes: name of a field, of a section behind a dot, -> its value.
        where: the entry of the recipe with the changes.

    Raises:
        ValueError: if there is no such field or its value is not good.
    """
    content = _as_yaml(settings)
    require(isinstance(changes, dict), where, "must be a mapping of fields to values", changes)
    for key, value in changes.items():
        place, name = place_of(content, str(key))
        if place is None:
            raise ValueError(f"`{where}` must name fields of what it changes. Received: {key}")
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
