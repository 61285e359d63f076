"""The autoencoder of the official baselines, trained on vectors of neighboring frames."""

import dataclasses
import functools
import math
from typing import Literal

import keras
from keras import ops

from asdkeras.config import require
from asdkeras.data.frames import Windows
from asdkeras.data.pipeline import (
    Holdout,
    held_out_batches,
    num_training_windows,
    window_batches,
)
from asdkeras.layers.frame_windows import FrameWindows
from asdkeras.losses.batch_squared_error import BatchSquaredError
from asdkeras.networks.baseline_autoencoder import baseline_autoencoder
from asdkeras.systems.baselines.front_end import (
    KEEP,
    heard_length,
    log_mel_model,
    require_frames,
)

_CLIPS_AT_ONCE = 16
_RECORDED = "batch_squared_error"


@dataclasses.dataclass(frozen=True)
class Autoencoder:
    """Network and training.

    Attributes:
        num_frames: neighboring frames side by side in a vector.
        validation: `last` holds out the last vectors in the order of the clips, so those of
            the last section, as Keras' `validation_split` does; `random` any of them. They
            are measured and select nothing.
    """

    num_frames: int
    epochs: int
    batch_size: int
    learning_rate: float
    adam_epsilon: float
    validation_fraction: float
    validation: Literal["last", "random"]

    def __post_init__(self):
        for name in ("num_frames", "epochs", "batch_size"):
            require(getattr(self, name) >= 1, name, "must be at least 1", getattr(self, name))
        for name in ("learning_rate", "adam_epsilon"):
            require(getattr(self, name) > 0, name, "must be above 0", getattr(self, name))
        require(
            0.0 <= self.validation_fraction < 1.0,
            "validation_fraction",
            "must lie in [0, 1)",
            self.validation_fraction,
        )


@dataclasses.dataclass(frozen=True)
class TrainedAutoencoder:
    """What training leaves, and what it was trained on.

    Attributes:
        network: from vectors `(batch, num_frames * bands)` to as many values.
        front_end: from waveform to frames.
        windows: of the training clips.
        holdout: which of them were held out.
        batch_losses: float64 `(steps,)`, mean squared error of each batch of the last epoch
            as the optimizer saw it; None if it was not asked for.
        clip_length: int, samples that are heard of a clip.
    """

    network: keras.Model
    front_end: keras.Model
    windows: Windows
    holdout: Holdout
    batch_losses: object
    clip_length: int


def train(config, front_end, clips, context, *, record_batches=False):
    """Train on all vectors of all clips, shuffled as a whole in each epoch.

    Args:
        config: `Autoencoder`.
        front_end: `FrontEnd`.
        clips: `ClipSet`.
        context: `RunContext`.
        record_batches: bool, whether `batch_losses` are needed.

    Returns:
        `TrainedAutoencoder`.

    Raises:
        RecipeError: if clips have fewer frames than a vector.
    """
    clip_length = heard_length(front_end, clips, context)
    require_frames(config.num_frames, front_end, clip_length, "ae.num_frames")
    log_mel = log_mel_model(front_end, clips.store.sample_rate_hz, clip_length)
    frames = context.store_frames(log_mel, clips, clip_length, KEEP, _CLIPS_AT_ONCE)
    windows = frames.windows(config.num_frames, hop=1)
    holdout = Holdout(config.validation_fraction, config.validation, context.seed)
    num_training = num_training_windows(windows, holdout)
    context.say(
        f"{len(clips)} training clips, {len(windows)} vectors of {config.num_frames} frames, "
        f"{len(windows) - num_training} of them held out"
    )
    fitted = context.fit(
        build=lambda: compiled(config, config.num_frames * front_end.num_mel_bins, record_batches),
        batches=lambda first_epoch: window_batches(
            windows,
            holdout,
            None,
            batch_size=config.batch_size,
            seed=context.seed,
            first_epoch=first_epoch,
            epochs=config.epochs,
            as_vectors=True,
        ),
        epochs=config.epochs,
        steps_per_epoch=math.ceil(num_training / config.batch_size),
        keep_epochs=(config.epochs,),
        watch=lambda model: {},
        validation=functools.partial(held_out, config, windows, holdout),
        record=(_RECORDED,) if record_batches else (),
    )
    return TrainedAutoencoder(
        network=fitted.models[config.epochs],
        front_end=log_mel,
        windows=windows,
        holdout=holdout,
        batch_losses=fitted.batch_values.get(_RECORDED),
        clip_length=clip_length,
    )


def held_out(config, windows, holdout):
    """Batches of the vectors that are held out, see `held_out_batches`; None if none are."""
    if num_training_windows(windows, holdout) == len(windows):
        return None
    return held_out_batches(windows, holdout, None, batch_size=config.batch_size, as_vectors=True)


def residuals(trained_network, frames, num_frames):
    """What the network cannot reconstruct of every vector of a clip.

    Args:
        trained_network: model from vectors to vectors.
        frames: Keras tensor `(batch, frames, bands)`.
        num_frames: int, frames of a vector.

    Returns:
        Keras tensor `(batch, vectors, num_frames, bands)`, input minus reconstruction in dB.
    """
    windows = FrameWindows(num_frames)(frames)
    vectors = ops.reshape(windows, (-1, num_frames * frames.shape[-1]))
    differences = vectors - trained_network(vectors)
    return ops.reshape(differences, (-1, *windows.shape[1:]))


def squared_errors(trained_network, front_end, num_frames):
    """Model from waveform to the mean squared error of every vector, `(batch, vectors)`."""
    differences = residuals(trained_network, front_end.output, num_frames)
    return keras.Model(front_end.input, ops.mean(ops.square(differences), axis=(2, 3)))


def compiled(config, dimension, record_batches=False):
    """The network, ready for training.

    Args:
        config: `Autoencoder`.
        dimension: int, values of a vector.
        record_batches: bool, whether the error of single batches is logged.

    Returns:
        model from `(batch, dimension)` to as many values.
    """
    vectors = keras.Input((dimension,), name="vectors")
    model = keras.Model(vectors, baseline_autoencoder(vectors))
    model.compile(
        keras.optimizers.Adam(config.learning_rate, epsilon=config.adam_epsilon),
        "mean_squared_error",
        metrics=[BatchSquaredError(name=_RECORDED)] if record_batches else None,
    )
    return model
