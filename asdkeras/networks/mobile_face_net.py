"""MobileFaceNet for spectrograms, with the strides of Venkatesh et al. 2022."""

import math

import keras
from keras import layers, ops

from asdkeras.layers.fused_batch_normalization import FusedBatchNormalization
from asdkeras.mixed_precision import network

# (expansion t, channels c, blocks n, stride s of the first block)
PAPER_GROUPS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 2), (4, 128, 1, 2), (2, 128, 2, 1))


@network
def mobile_face_net(spectrograms, *, stem_channels=64, groups=PAPER_GROUPS, num_features=512):
    """Features of a chunk of a spectrogram, from narrow blocks with a wide middle.

    A convolution of stride 2 and a depthwise one; then groups of bottlenecks, each of which
    widens the channels by a factor, filters every channel alone, and projects to few channels
    again without an activation, adding its input where the shape stays. A 1x1 convolution
    widens once more, and the global depthwise convolution weighs the time-frequency
    positions that are left, channel by channel and with learnt weights, where other networks
    take the mean over them. Batch normalization follows every convolution, a PReLU every one
    but the projections and the last.

    Every 3x3 convolution has one zero on each side. The third group has stride 2 in the
    paper's table, 1 in the original MobileFaceNet. With the table's values and chunks of 32
    frames and 1025 bins there are 928,000 trainable weights.

    Args:
        spectrograms: Keras tensor, float, `(batch, frames, bins)`, both fixed: magnitudes of
            32 frames and 1025 bins in the paper, not scaled. Any size is taken; the network
            halves both axes once per stride.
        stem_channels: int, at least 1. Channels of the first two convolutions.
        groups: tuples of four int, all at least 1: expansion (paper: t), channels (c), number
            of bottlenecks (n) and stride (s) of the first of them; the others have stride 1.
        num_features: int, at least 1. Channels of the global depthwise convolution.

    Returns:
        `(batch, num_features)`.

    Raises:
        ValueError: if the spectrograms have another rank or no fixed size, or another
            argument is out of range.

    References:
        Venkatesh, Wichern, Subramanian, Le Roux, "Improved Domain Generalization via
        Disentangled Multi-Task Learning in Unsupervised Anomalous Sound Detection", DCASE
        2022, Table 1. Chen, Liu, Gao, Han, "MobileFaceNets: Efficient CNNs for Accurate
        Real-Time Face Verification on Mobile Devices", CCBR 2018. Initial values, batch
        normalization and slopes as in github.com/Xiaoccer/MobileFaceNet_Pytorch, commit
        26bd8d2.
    """
    _check(spectrograms, stem_channels, groups, num_features)
    x = ops.expand_dims(spectrograms, axis=-1)
    x = _activation(_convolution(x, stem_channels, 3, strides=2))
    x = _activation(_depthwise(x))
    for expansion, channels, num_blocks, stride in groups:
        for block in range(num_blocks):
            x = _bottleneck(x, expansion, channels, stride if block == 0 else 1)
    x = _activation(_convolution(x, num_features, 1))
    return layers.Flatten()(_normalization(_depthwise_layer(x.shape[1:3], num_features)(x)))


def linear_embedding(features, dim, *, batch_norm=True, name=None):
    """A linear layer: one embedding, of several that may share the features.

    Args:
        features: Keras tensor, float, `(batch, num_features)`.
        dim: int, at least 1.
        batch_norm: bool. Batch normalization instead of a bias, as in MobileFaceNet; the
            paper only says "linear".
        name: str, of the last layer.

    Returns:
        `(batch, dim)`.

    Raises:
        ValueError: if the features have another rank or no fixed size, or `dim` is below 1.
    """
    if len(features.shape) != 2 or features.shape[1] is None:
        raise ValueError(
            "`features` must have the shape (batch, num_features) with a fixed number of "
            f"features. Received: features of shape {tuple(features.shape)}"
        )
    if dim < 1:
        raise ValueError(f"`dim` must be at least 1. Received: dim={dim}")
    initializer = _initializer((1, 1), dim)
    if not batch_norm:
        return layers.Dense(dim, kernel_initializer=initializer, name=name)(features)
    linear = layers.Dense(dim, use_bias=False, kernel_initializer=initializer)
    return _normalization(linear(features), name=name)


def _bottleneck(x, expansion, channels, stride):
    inside = _activation(_convolution(x, expansion * x.shape[-1], 1))
    inside = _activation(_depthwise(inside, stride))
    inside = _convolution(inside, channels, 1)
    if stride == 1 and x.shape[-1] == channels:
        return layers.Add()([x, inside])
    return inside


def _convolution(x, channels, size, strides=1):
    if size > 1:
        x = layers.ZeroPadding2D(size // 2)(x)
    x = layers.Conv2D(
        channels,
        size,
        strides=strides,
        padding="valid",
        use_bias=False,
        kernel_initializer=_initializer((size, size), channels),
    )(x)
    return _normalization(x)


def _depthwise(x, stride=1):
    x = layers.ZeroPadding2D(1)(x)
    return _normalization(_depthwise_layer((3, 3), x.shape[-1], stride)(x))


def _depthwise_layer(kernel_size, channels, stride=1):
    return layers.DepthwiseConv2D(
        kernel_size,
        strides=stride,
        padding="valid",
        use_bias=False,
        depthwise_initializer=_initializer(kernel_size, channels),
    )


def _initializer(kernel_size, channels):
    return keras.initializers.RandomNormal(
        stddev=math.sqrt(2 / (math.prod(kernel_size) * channels))
    )


def _normalization(x, name=None):
    return FusedBatchNormalization(momentum=0.9, epsilon=1e-5, name=name)(x)


def _activation(x):
    return layers.PReLU(alpha_initializer=keras.initializers.Constant(0.25), shared_axes=[1, 2])(x)


def _check(spectrograms, stem_channels, groups, num_features):
    sizes = tuple(spectrograms.shape[1:])
    if len(sizes) != 2 or any(size is None for size in sizes):
        raise ValueError(
            "`spectrograms` must have the shape (batch, frames, bins) with fixed frames and bins, "
            "because the last convolution is as large as what is left of both. Received: "
            f"spectrograms of shape {tuple(spectrograms.shape)}. Cut chunks of equal length."
        )
    for name, value in (("stem_channels", stem_channels), ("num_features", num_features)):
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
    for group in groups:
        if len(group) != 4 or min(group) < 1:
            raise ValueError(
                "every one of the `groups` must be (expansion, channels, blocks, stride), all at "
                f"least 1. Received: groups={groups}"
            )
