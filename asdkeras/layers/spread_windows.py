"""A fixed number of windows, spread over all frames of a clip."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="asdkeras")
class SpreadWindows(keras.layers.Layer):
    """A fixed number of windows of neighboring frames, spread from the first frame to the last.

    For networks that were trained with random crops and shall hear the whole clip. Window k
    starts at frame `k * ((frames - num_frames) // (num_windows - 1))`, except that the last one
    ends with the last frame, so no frame at the end is missed: 10 windows of 256 of 626 frames
    start at 0, 41, 82, ..., 328 and 370. A single window lies in the middle. Where there is no
    room for as many, windows repeat each other.

    Args:
        num_windows: int.
        num_frames: int, frames of a window.

    Call arguments:
        frames: float, `(batch, frames, bands)`, at least `num_frames` frames, of which the
            number is known.

    Output shape: `(batch, num_windows, num_frames, bands)`.

    Raises:
        ValueError: if `num_windows` or `num_frames` is below 1; when called, if there are fewer
            than `num_frames` frames, an unknown number, or not three axes.
    """

    def __init__(self, num_windows, num_frames, **kwargs):
        super().__init__(**kwargs)
        for name, value in (("num_windows", num_windows), ("num_frames", num_frames)):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
        self.num_windows = num_windows
        self.num_frames = num_frames
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def compute_output_shape(self, input_shape):
        self._room(input_shape)
        return (input_shape[0], self.num_windows, self.num_frames, input_shape[2])

    def call(self, frames):
        room = self._room(frames.shape)
        if self.num_windows == 1:
            starts = np.array([room // 2])
        else:
            starts = np.arange(self.num_windows) * (room // (self.num_windows - 1))
            starts[-1] = room
        return ops.take(frames, starts[:, np.newaxis] + np.arange(self.num_frames), axis=1)

    def _room(self, shape):
        """The last frame at which a window can start."""
        if shape[1] is None or shape[1] < self.num_frames:
            raise ValueError(
                f"Windows of {self.num_frames} frames can be spread over a fixed number of at "
                f"least as many. Received: frames of shape {tuple(shape)}. "
                "Use clips of one length, longer ones or a smaller `num_frames`."
            )
        return shape[1] - self.num_frames
