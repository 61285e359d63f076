"""Time warp of SpecAugment: a spectrogram stretched before a frame and squeezed behind it."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="asdkeras")
class TimeWarp(keras.layers.Layer):
    """Moves a random frame of each spectrogram to an earlier or a later time, anew at each call.

    The frame is one of those strictly between `width` and `frames - width`, all equally
    likely. It moves by a distance that is uniform in `[0, width)`, to either side with the same
    probability. The first and the last frame stay where they are, what lies between is
    stretched or squeezed evenly, and between two frames values are interpolated linearly. All
    bands move together. Every example has draws of its own. At inference nothing moves.

    The paper warps an image by an interpolation that fixes six points of its border and moves
    one of its middle line. Ours is the usual form along the time axis alone, which needs no
    system of equations for each example.

    The state of the random generator is saved and loaded with the model, as in `SpecAugment`.

    Args:
        width: int, at least 0, frames (paper: W). With 0 nothing moves.
        seed: int, or None for draws that differ from run to run.

    Call arguments:
        spectrograms: float, `(batch, frames, bands)`, frames fixed, any scale.

    Output shape: that of `spectrograms`.

    Raises:
        ValueError: if `width` is negative; when built, if the number of frames is unknown or no
            frame lies between `width` and `frames - width`.

    References:
        Park, Chan, Zhang, Chiu, Zoph, Cubuk, Le, "SpecAugment: A Simple Data Augmentation
        Method for Automatic Speech Recognition", Interspeech 2019.
    """

    def __init__(self, width, seed=None, **kwargs):
        super().__init__(**kwargs)
        if width < 0:
            raise ValueError(f"`width` must not be negative. Received: width={width}")
        self.width = width
        self.seed = seed
        self.input_spec = keras.layers.InputSpec(ndim=3)
        self._generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        frames = input_shape[1]
        if frames is None:
            raise ValueError(
                "TimeWarp needs to know the number of frames. Received: spectrograms of shape "
                f"{tuple(input_shape)}"
            )
        if frames < least_frames(self.width):
            raise ValueError(
                f"`width` must leave a frame between `width` and {frames} - `width`. "
                f"Received: width={self.width}"
            )
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={1: frames})

    def compute_output_shape(self, input_shape):
        return input_shape

    def call(self, spectrograms, training=False):
        if not training or self.width == 0:
            return spectrograms
        shape = (ops.shape(spectrograms)[0], 1)
        frames = spectrograms.shape[1]
        # In float32 whatever the layer computes in.
        place, distance = (
            keras.random.uniform(shape, dtype="float32", seed=self._generator) for _ in range(2)
        )
        points = self.width + 1 + ops.floor(place * (frames - 2 * self.width - 1))
        return warped(spectrograms, points, points + self.width * (2.0 * distance - 1.0))

    def save_own_variables(self, store):
        store["generator"] = ops.convert_to_numpy(self._generator.state)

    def load_own_variables(self, store):
        self._generator.state.assign(store["generator"])


def least_frames(width):
    """Frames that a spectrogram must have, so that one lies between both margins."""
    return 2 * width + 2 if width else 1


def warped(spectrograms, points, targets):
    """Spectrograms whose frames at `points` have moved to `targets`.

    Args:
        spectrograms: float, `(batch, frames, bands)`.
        points: float32, `(batch, 1)`, in frames, above 0 and below `frames - 1`.
        targets: likewise.
    """
    last = spectrograms.shape[1] - 1
    times = ops.arange(last + 1, dtype="float32")
    before = times * (points / targets)
    behind = last - (last - times) * ((last - points) / (last - targets))
    sources = ops.where(times <= targets, before, behind)
    lower = ops.floor(sources)
    share = ops.cast(sources - lower, spectrograms.dtype)[:, :, None]
    rows = ops.cast(lower, "int32")[:, :, None]
    first = ops.take_along_axis(spectrograms, rows, axis=1)
    second = ops.take_along_axis(spectrograms, ops.minimum(rows + 1, last), axis=1)
    return first + share * (second - first)
