"""The modified ResNet of Wilkinghoff's log-mel systems."""

import keras
from keras import layers, ops

from asdkeras.layers.fused_batch_normalization import FusedBatchNormalization
from asdkeras.mixed_precision import network

_STAGE_FILTERS = (16, 32, 64, 128)
_UNITS_PER_STAGE = 2


@network
def wilkinghoff_resnet(features, weight_decay=1e-5, embedding_dim=128):
    """Embedding of a log-mel spectrogram, from residual units of 16 to 128 filters.

    Inside a unit the activation comes before the batch normalization, and the batch
    normalization after the addition feeds both the next unit and its shortcut. The
    paper's table prints stride 1 for stages that halve the size; the sizes it prints
    need stride 2 in the first unit of every stage but the first. The last pooling takes
    the maximum over all time that is left, which for 10 s clips is its pool of 10 x 1.

    Args:
        features: float, `(batch, frames, bins)`, standardized; at least 5 frames and
            5 bins.
        weight_decay: float, L2 on the kernels of convolutions and of the last layer.
        embedding_dim: int.

    Returns:
        `(batch, embedding_dim)`, output of the linear layer `embedding`.

    References:
        Wilkinghoff, "Combining Multiple Distributions based on Sub-Cluster AdaCos for
        Anomalous Sound Detection under Domain Shifted Conditions", DCASE 2021, Table 1.
    """
    x = ops.expand_dims(features, axis=-1)
    x = _convolution(x, _STAGE_FILTERS[0], 7, weight_decay, strides=2)
    x = _normalization(_activation(x))
    x = layers.MaxPooling2D(3, strides=2)(x)
    for stage, filters in enumerate(_STAGE_FILTERS):
        for unit in range(_UNITS_PER_STAGE):
            x = _unit(x, filters, weight_decay, is_halving=stage > 0 and unit == 0)
    x = layers.Flatten()(ops.max(x, axis=1))
    return layers.Dense(
        embedding_dim,
        kernel_regularizer=keras.regularizers.L2(weight_decay),
        dtype="float32",
        name="embedding",
    )(x)


def _unit(x, filters, weight_decay, is_halving):
    residual = _convolution(
        _activation(x), filters, 3, weight_decay, strides=2 if is_halving else 1
    )
    residual = _normalization(_activation(residual))
    residual = _convolution(residual, filters, 3, weight_decay)
    shortcut = x
    if is_halving:
        shortcut = layers.MaxPooling2D(2, padding="same")(x)
        shortcut = _convolution(shortcut, filters, 1, weight_decay)
    return _normalization(layers.Add()([shortcut, residual]))


def _convolution(x, filters, size, weight_decay, strides=1):
    return layers.Conv2D(
        filters,
        size,
        strides=strides,
        padding="same",
        kernel_regularizer=keras.regularizers.L2(weight_decay),
    )(x)


def _activation(x):
    return layers.LeakyReLU(negative_slope=0.1)(x)


def _normalization(x):
    return FusedBatchNormalization(momentum=0.99, epsilon=1e-3)(x)
