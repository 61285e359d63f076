"""A window of a spectrogram as a set of points: where, and how loud."""

import keras
import numpy as np
from keras import ops

_ALL = slice(None)


def _halves(size):
    return slice(0, size // 2), slice(size // 2, size)


def _part(part, frames, bands):
    """Frames and bands of a part, a slice each."""
    early, late = _halves(frames)
    low, high = _halves(bands)
    return {
        "all": (_ALL, _ALL),
        "early": (early, _ALL),
        "late": (late, _ALL),
        "low": (_ALL, low),
        "high": (_ALL, high),
        "even": (_ALL, slice(0, None, 2)),
        "odd": (_ALL, slice(1, None, 2)),
    }[part]


PARTS = ("all", "early", "late", "low", "high", "even", "odd")


@keras.saving.register_keras_serializable(package="asdkeras")
class WindowPoints(keras.layers.Layer):
    """The points of a window, each with its time, its frequency and its value.

    A neural process hears no image but a set of points, in any order. Time and frequency
    are the places of frame and band within the window, from -1 for the first to 1 for the
    last; the place of a point is the same whichever part of the window is asked for.

    Args:
        part: which points. `all`; `early` or `late`, the first or last half of the frames;
            `low` or `high`, the first or last half of the bands; `even` or `odd`, every
            second band from the first or second on. Of an odd number, the later half is
            the larger one.

    Call arguments:
        windows: float, `(batch, frames, bands)`, two of each at least, both fixed.

    Output shape: `(batch, points, 3)`: time, frequency, value; all bands of the first
        frame come first, then those of the next.

    Raises:
        ValueError: if `part` is unknown; when called, if frames or bands are fewer than two
            or unknown.
    """

    def __init__(self, part="all", **kwargs):
        super().__init__(**kwargs)
        if part not in PARTS:
            raise ValueError(f"`part` must be one of {PARTS}. Received: part={part!r}")
        self.part = part
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def compute_output_shape(self, input_shape):
        places = self._places(input_shape)
        return (input_shape[0], places.shape[0] * places.shape[1], 3)

    def call(self, windows):
        places = self._places(windows.shape)
        frames, bands = _part(self.part, *windows.shape[1:])
        values = ops.expand_dims(windows[:, frames, bands], -1)
        everywhere = ops.zeros_like(values) + ops.cast(places, values.dtype)
        points = ops.concatenate([everywhere, values], axis=-1)
        return ops.reshape(points, (-1, places.shape[0] * places.shape[1], 3))

    def _places(self, shape):
        """Time and frequency of every point of the part, `(frames, bands, 2)`."""
        if None in shape[1:] or min(shape[1:]) < 2:
            raise ValueError(
                "The points of a window need a fixed number of frames and bands, at least two "
                f"of each, to have places from -1 to 1. Received: windows of shape {tuple(shape)}"
            )
        axes = [np.linspace(-1.0, 1.0, size) for size in shape[1:]]
        places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).astype("float32")
        return places[_part(self.part, *shape[1:])]
