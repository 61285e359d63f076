"""Points drawn once for each window of a clip."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="asdkeras")
class RandomPoints(keras.layers.Layer):
    """Which points of each window are taken, drawn at random when the layer is made.

    A score that rests on a random choice is only repeatable if the choice is. Every window
    of a clip has a choice of its own, without structure; the k-th window of every clip has
    the same one. The choice is kept with the weights, so a saved model keeps it whatever
    becomes of the generator.

    Args:
        num_points: int, points taken of each window.
        seed: int, not negative.

    Call arguments:
        windows: `(batch, windows, frames, bands)`, all but the batch fixed. The values are
            not read.

    Attributes:
        points: weight, int, `(windows, num_points)`, not trained.

    Output shape: `(batch, windows, num_points)`, int: numbers of points, counted as
        `WindowPoints` orders them, no point twice in a window.

    Raises:
        ValueError: if `num_points` is below 1 or `seed` negative; when built, if a window
            has fewer points or a size is unknown.
    """

    def __init__(self, num_points, seed, **kwargs):
        super().__init__(**kwargs)
        if num_points < 1:
            raise ValueError(f"`num_points` must be at least 1. Received: num_points={num_points}")
        if seed < 0:
            raise ValueError(f"`seed` must not be negative. Received: seed={seed}")
        self.num_points = num_points
        self.seed = seed
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape):
        if None in input_shape[1:]:
            raise ValueError(
                "RandomPoints needs to know windows, frames and bands. Received: windows of "
                f"shape {tuple(input_shape)}"
            )
        _, num_windows, frames, bands = input_shape
        if self.num_points > frames * bands:
            raise ValueError(
                f"a window of {frames} frames and {bands} bands has {frames * bands} points. "
                f"Received: num_points={self.num_points}"
            )
        generators = [np.random.default_rng([self.seed, k]) for k in range(num_windows)]
        drawn = [each.permutation(frames * bands)[: self.num_points] for each in generators]
        self.points = self.add_weight(
            name="points", shape=(num_windows, self.num_points), dtype="int32", trainable=False
        )
        self.points.assign(np.array(drawn, "int32"))
        self.input_spec = keras.layers.InputSpec(shape=(None, *input_shape[1:]))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[1], self.num_points)

    def compute_output_spec(self, windows):
        return keras.KerasTensor(self.compute_output_shape(windows.shape), "int32")

    def call(self, windows):
        shape = (ops.shape(windows)[0], *self.points.shape)
        return ops.broadcast_to(ops.convert_to_tensor(self.points), shape)
