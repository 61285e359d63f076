"""Weights that nothing trains: what a scorer was fitted to, as part of a model."""

import numpy as np
from keras import ops


def add_fitted_weight(layer, name, values):
    """Add a weight of float64 to a layer, saved with it and changed by `assign` alone.

    Args:
        layer: Keras layer, being built.
        name: str.
        values: float array, what the weight is until the layer is fitted.

    Returns:
        The weight, of the shape of `values`.
    """
    values = np.asarray(values, np.float64)
    return layer.add_weight(
        name=name,
        shape=values.shape,
        initializer=lambda shape, dtype: ops.convert_to_tensor(values, dtype),
        dtype="float64",
        autocast=False,
        trainable=False,
    )
