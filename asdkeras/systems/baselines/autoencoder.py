"""The autoencoder of the official baselines, trained on vectors of neighboring frames."""

import dataclasses
from typing import Literal

import keras
from keras import ops

from asdkeras.config import require
from asdkeras.data.pipeline import Holdout
from asdkeras.layers.frame_windows import FrameWindows
from asdkeras.losses.batch_squared_error import BatchSquaredError
from asdkeras.networks.baseline_autoencoder import baseline_autoencoder
from asdkeras.systems.baselines.window_training import train_on_windows

RECORDED = "batch_squared_error"


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


def train(config, front_end, clips, context, *, record_batches=False):
    """Train on all vectors of all clips.

    Args:
        config: `Autoencoder`.
        front_end: `FrontEnd`.
        clips: `ClipSet`.
        context: `RunContext`.
        record_batches: bool, whether the mean squared error of each batch of the last epoch is
            wanted, as the optimizer saw it; then it is in `batch_values`, named `RECORDED`.

    Returns:
        `TrainedOnWindows`.

    Raises:
        RecipeError: if clips have fewer frames than a vector.
    """
    dimension = config.num_frames * front_end.num_mel_bins
    return train_on_windows(
        config,
        front_end,
        clips,
        context,
        lambda: compiled(config, dimension, record_batches),
        key="ae",
        hop=1,
        holdout=Holdout(config.validation_fraction, config.validation, context.seed),
        labels=None,
        as_vectors=True,
        record=(RECORDED,) if record_batches else (),
    )


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
        metrics=[BatchSquaredError(name=RECORDED)] if record_batches else None,
    )
    return model
