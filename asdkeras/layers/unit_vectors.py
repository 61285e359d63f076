"""Vectors scaled to length 1, of which only the direction is left."""

import keras
import numpy as np
from keras import ops

from asdkeras.dsp.precision import working_dtype

# As scikit-learn has it: what is shorter is rounding and has no direction.
_LEAST_LENGTH = 10.0 * np.finfo(np.float64).eps


def scaled_to_length_one(vectors):
    """Tensor `(..., dim)` with every vector divided by its length, unless that is about 0."""
    lengths = ops.sqrt(ops.sum(ops.square(vectors), axis=-1, keepdims=True))
    return vectors / ops.where(lengths < _LEAST_LENGTH, ops.ones_like(lengths), lengths)


@keras.saving.register_keras_serializable(package="asdkeras")
class UnitVectors(keras.layers.Layer):
    """Every vector divided by its Euclidean length.

    What `sklearn.preprocessing.normalize` does. A vector of zeros has no direction and stays
    as it is, and so does one shorter than 2.2e-15.

    Computed in float64, in float32 within `asdkeras.dsp.precision.single_precision`.

    Call arguments:
        vectors: float, `(..., dim)`.

    Output shape: as the input's, float64.
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.input_spec = keras.layers.InputSpec(min_ndim=1)

    def compute_output_spec(self, vectors):
        return keras.KerasTensor(vectors.shape, working_dtype())

    def call(self, vectors):
        return scaled_to_length_one(ops.cast(vectors, working_dtype()))
