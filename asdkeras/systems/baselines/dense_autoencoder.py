"""The autoencoder of the official baselines, trained on vectors of neighboring frames."""

import dataclasses
from typing import Annotated, Any, Literal

import keras
from keras import ops

from asdkeras.batches.window_batches import Holdout
from asdkeras.config import Checked, Count, Fraction, Positive
from asdkeras.data.clip_set import ClipSet
from asdkeras.data.frames import Windows
from asdkeras.layers.frame_windows import FrameWindows
from asdkeras.losses.batch_squared_error import BatchSquaredError
from asdkeras.networks.baseline_autoencoder import baseline_autoencoder
from asdkeras.optimizers.fused_adam import FusedAdam
from asdkeras.readings import Reading
from asdkeras.scorers.section_scorer import SectionScorer
from asdkeras.scorers.terms import Floats, computed, representation
from asdkeras.scorers.thresholds import ThresholdRule
from asdkeras.systems.log_mel_front_end import (
    KEEP,
    LogMelFrontEnd,
    require_frames,
    stored_frames,
)
from asdkeras.systems.system import NormalClips, RunContext, System
from asdkeras.systems.window_training import (
    WindowModels,
    front_end_of,
    require_training,
    train_on_windows,
)

SQUARED_ERROR = "squared_error"
RECORDED = "batch_squared_error"


@dataclasses.dataclass(frozen=True)
class DenseAutoencoder(Checked):
    """Network and training.

    Attributes:
        num_frames: neighboring frames side by side in a vector.
        validation: `last` holds out the last vectors in the order of the clips, so those of
            the last section, as Keras' `validation_split` does; `random` any of them. They
            are measured and select nothing.
    """

    num_frames: Count
    epochs: Count
    batch_size: Count
    learning_rate: Positive
    adam_epsilon: Positive
    validation_fraction: Fraction
    validation: Annotated[
        Literal["last", "random"],
        Reading(
            "silent",
            "`last` is Keras' `validation_split` in the code of 2020 to 2022, `random` the code of "
            "2023; validation selects nothing, but its vectors are not learned from",
        ),
    ]


@dataclasses.dataclass(frozen=True)
class TrainedOnVectors:
    """A trained network, the vectors of its training clips, and the errors of its last batches."""

    models: WindowModels
    windows: Windows
    holdout: Holdout
    batch_values: dict[str, Floats]


class DenseAutoencoderSystem(System[Any, WindowModels]):
    """The autoencoder of 2020 to 2022: a network per machine type, trained on all its sections.

    The config has `front_end`, `ae` and `threshold_percentile`.
    """

    models_class = WindowModels
    scope = "machine_type_and_part"
    main_score = SQUARED_ERROR

    def __init__(self, config: Any, row: str) -> None:
        super().__init__(config)
        self._row = row

    @property
    def published_rows(self) -> dict[str, str]:
        return {SQUARED_ERROR: self._row}

    def check(self, clips: ClipSet, everything: ClipSet) -> None:
        check(self.config.ae, self.config.front_end, clips)

    def train(self, clips: ClipSet, context: RunContext) -> WindowModels:
        return train(self.config.ae, self.config.front_end, clips, context).models

    def represent(self, models: WindowModels) -> dict[str, keras.Model]:
        front_end = front_end_of(self.config.front_end, models)
        num_frames = self.config.ae.num_frames
        return {SQUARED_ERROR: squared_errors(models.network.model, front_end, num_frames)}

    def section_scorer(self, normal: NormalClips[WindowModels]) -> SectionScorer:
        errors = representation(SQUARED_ERROR)
        mean = computed(lambda xp, values: xp.mean(values, axis=1), errors)
        return SectionScorer({SQUARED_ERROR: mean}, embedding=errors)

    @property
    def threshold_rule(self) -> ThresholdRule:
        return ThresholdRule("model", "gamma", self.config.threshold_percentile)


def check(config: DenseAutoencoder, front_end: LogMelFrontEnd, clips: ClipSet) -> int:
    """How many vectors are left to train with.

    Raises:
        RecipeError: if clips have fewer frames than a vector, or all vectors are held out.
    """
    frames = require_frames(config.num_frames, front_end, clips, "ae.num_frames")
    return require_training(config, len(clips), frames, 1, "ae")


def train(
    config: DenseAutoencoder,
    front_end: LogMelFrontEnd,
    clips: ClipSet,
    context: RunContext,
    *,
    record_batches: bool = False,
) -> TrainedOnVectors:
    """Train on all vectors of all clips.

    Args:
        record_batches: whether `batch_values` holds, as `RECORDED`, the mean squared error of each
            batch of the last epoch, as the optimizer saw it.
    """
    clip_length, frames = stored_frames(front_end, clips, context)
    windows = frames.windows(config.num_frames, 1, as_vectors=True)
    holdout = Holdout(config.validation_fraction, config.validation, context.seed)
    fitted = train_on_windows(
        config,
        windows,
        holdout,
        None,
        context,
        build=lambda: compiled(config, windows.shape[0], record_batches),
        record=(RECORDED,) if record_batches else (),
    )
    network = fitted.networks[config.epochs]
    models = WindowModels(clip_length, clips.store.sample_rate_hz, KEEP, network)
    return TrainedOnVectors(models, windows, holdout, fitted.batch_values)


def residuals(
    trained_network: keras.Model, frames: keras.KerasTensor, num_frames: int
) -> keras.KerasTensor:
    """Input minus reconstruction of every vector of a clip, in dB.

    From frames `(batch, frames, bands)` to `(batch, vectors, num_frames, bands)`.
    """
    windows = FrameWindows(num_frames)(frames)
    vectors = ops.reshape(windows, (-1, num_frames * frames.shape[-1]))
    differences = vectors - trained_network(vectors)
    return ops.reshape(differences, (-1, *windows.shape[1:]))


def squared_errors(
    trained_network: keras.Model, front_end: keras.Model, num_frames: int
) -> keras.Model:
    """Model from waveform to the mean squared error of every vector, `(batch, vectors)`."""
    differences = residuals(trained_network, front_end.output, num_frames)
    return keras.Model(front_end.input, ops.mean(ops.square(differences), axis=(2, 3)))


def compiled(config: DenseAutoencoder, dimension: int, record_batches: bool = False) -> keras.Model:
    """The network from `(batch, dimension)` to as many values, ready for training."""
    vectors = keras.Input((dimension,), name="vectors")
    model = keras.Model(vectors, baseline_autoencoder(vectors))
    model.compile(
        FusedAdam(config.learning_rate, epsilon=config.adam_epsilon),
        "mean_squared_error",
        metrics=[BatchSquaredError(name=RECORDED)] if record_batches else None,
    )
    return model
