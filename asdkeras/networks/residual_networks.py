"""ResNet34 and ResNeXt50 as PyTorch Image Models has them; Keras ships neither."""

import keras
from keras import layers

from asdkeras.layers.fused_batch_normalization import FusedBatchNormalization
from asdkeras.layers.grouped_conv2d import GroupedConv2D
from asdkeras.mixed_precision import network

_BLOCKS_PER_GROUP = (3, 4, 6, 3)
_CARDINALITY = 32  # Groups of a grouped convolution, whatever the width.


@network
def residual_network(spectrograms, kind, width=64):
    """Feature map of a spectrogram, 32 times smaller in both directions.

    A 7x7 convolution with stride 2 and a 3x3 maximum pooling with stride 2, then four groups
    of 3, 4, 6 and 3 residual blocks. The first block of every group but the first halves
    both directions. A block is its residual branch plus its shortcut, then a ReLU:

    | kind | residual branch, c = `width` times 1, 2, 4, 8 in the four groups | channels out |
    |---|---|---|
    | `resnet34` | 3x3 to c (stride), ReLU, 3x3 to c | c |
    | `resnext50_32x4d` | 1x1 to 2c, ReLU, 3x3 to 2c in 32 groups (stride), ReLU, 1x1 to 4c | 4c |

    The shortcut is the input as it is, or where the size changes a 1x1 convolution (stride).
    No convolution has a bias; batch normalization (epsilon 1e-5, moving averages that keep
    0.9) follows every one. Strided layers have zeros on both sides, where `padding="same"`
    would set one side only; before the pooling zero is as good as minus infinity, for a ReLU
    comes first.

    Kernels start normal with variance 2 / (size * filters), grouped ones too. The last batch
    normalization of every residual branch starts with a scale of 0, so every block starts
    as the ReLU of its shortcut.

    With 64 and one channel in, trainable weights: 21,278,400 (`resnet34`), 22,973,632
    (`resnext50_32x4d`). A spectrogram of 256 frames and 256 bands becomes 8 x 8 x 512 or
    8 x 8 x 2048. Convolutions in groups are those of `GroupedConv2D`, which trains on CPUs.

    Args:
        spectrograms: Keras tensor, float, `(batch, frames, bands, channels)`, channels fixed.
        kind: str, `resnet34` or `resnext50_32x4d`.
        width: int, at least 1, for `resnext50_32x4d` a multiple of 16. 64 is published;
            32 groups of `width` / 16 channels follow from it.

    Returns:
        `(batch, ceil(frames / 32), ceil(bands / 32), channels)`, not negative.

    Raises:
        ValueError: if the spectrograms have another rank, the kind is unknown or the width
            does not suit it.

    References:
        He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; Xie et al.,
        "Aggregated Residual Transformations for Deep Neural Networks", CVPR 2017. Start
        values as in github.com/huggingface/pytorch-image-models, commit aa4b585. Named by
        Kuroyanagi et al., "Anomalous Sound Detection with Ensemble of Autoencoder and
        Binary Classification Approaches", DCASE 2021 Challenge.
    """
    _check(spectrograms, kind, width)
    block = _BLOCKS[kind]
    x = layers.ReLU()(_convolved(spectrograms, width, 7, "stem", strides=2))
    x = layers.MaxPooling2D(3, strides=2)(layers.ZeroPadding2D(1)(x))
    for group, num_blocks in enumerate(_BLOCKS_PER_GROUP):
        for number in range(num_blocks):
            strides = 2 if group > 0 and number == 0 else 1
            x = block(x, width * 2**group, f"group{group + 1}_block{number + 1}", strides)
    return x


def _basic_block(x, channels, name, strides):
    residual = layers.ReLU()(_convolved(x, channels, 3, f"{name}_first", strides))
    residual = _convolved(residual, channels, 3, f"{name}_last", gamma="zeros")
    return _joined(x, residual, name, strides)


def _grouped_bottleneck(x, channels, name, strides):
    inner = 2 * channels
    residual = layers.ReLU()(_convolved(x, inner, 1, f"{name}_first"))
    residual = _convolved(residual, inner, 3, f"{name}_grouped", strides, groups=_CARDINALITY)
    residual = _convolved(layers.ReLU()(residual), 4 * channels, 1, f"{name}_last", gamma="zeros")
    return _joined(x, residual, name, strides)


_BLOCKS = {"resnet34": _basic_block, "resnext50_32x4d": _grouped_bottleneck}


def _joined(x, residual, name, strides):
    """The ReLU of the residual plus the shortcut from x."""
    channels = residual.shape[-1]
    if strides != 1 or x.shape[-1] != channels:
        x = _convolved(x, channels, 1, f"{name}_shortcut", strides)
    return layers.ReLU(name=f"{name}_out")(layers.Add()([x, residual]))


def _convolved(x, filters, size, name, strides=1, groups=1, gamma="ones"):
    """A convolution and its batch normalization."""
    if strides > 1 and size > 1:
        x = layers.ZeroPadding2D(size // 2)(x)
    convolution = GroupedConv2D if groups > 1 else layers.Conv2D
    x = convolution(
        filters,
        size,
        strides=strides,
        padding="same" if strides == 1 else "valid",
        groups=groups,
        use_bias=False,
        kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"),
        name=f"{name}_convolution",
    )(x)
    return FusedBatchNormalization(
        momentum=0.9, epsilon=1e-5, gamma_initializer=gamma, name=f"{name}_normalization"
    )(x)


def _check(spectrograms, kind, width):
    if len(spectrograms.shape) != 4 or spectrograms.shape[-1] is None:
        raise ValueError(
            "`spectrograms` must have the shape (batch, frames, bands, channels), channels "
            f"fixed. Received: spectrograms of shape {tuple(spectrograms.shape)}. Add a last "
            "axis of one channel."
        )
    if kind not in _BLOCKS:
        raise ValueError(f"`kind` must be one of {tuple(_BLOCKS)}. Received: kind={kind!r}")
    if width < 1:
        raise ValueError(f"`width` must be at least 1. Received: width={width}")
    if kind == "resnext50_32x4d" and 2 * width % _CARDINALITY:
        raise ValueError(
            f"`width` must be a multiple of {_CARDINALITY // 2} for kind='resnext50_32x4d', "
            f"because its {_CARDINALITY} groups share 2 * width channels. Received: width={width}"
        )
