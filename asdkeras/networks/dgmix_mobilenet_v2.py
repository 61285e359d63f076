"""MobileNetV2 with the end of Nejjar et al. 2022, the expander and the section classifier."""

import math

import keras
from keras import layers, ops

from asdkeras.layers.fused_batch_normalization import FusedBatchNormalization
from asdkeras.mixed_precision import network

# (expansion t, channels c at half width, blocks n, stride s of the first block)
_GROUPS = (
    (1, 8, 1, 1),
    (6, 16, 2, 2),
    (6, 16, 3, 2),
    (6, 32, 4, 2),
    (6, 48, 3, 1),
    (6, 80, 3, 2),
    (6, 160, 1, 1),
)
_STEM_CHANNELS = 16
_EMBEDDING_DIM = 320
_SHRINKING = 32  # The network halves both axes five times.
_HIDDEN_UNITS = 128


@network
def dgmix_mobilenet_v2(windows):
    """Embedding of a window of a log-mel spectrogram (paper: encoder).

    MobileNetV2 at half width up to its last group of bottlenecks. Then a 1x1 convolution to
    320 channels, an ordinary (not a depthwise) convolution as large as what is left of the
    window, 4 bands by 2 frames in the paper, and a linear layer. Batch normalization (epsilon
    1e-5, moving averages that keep 0.9) follows every convolution and ReLU6 every one of
    these but the projection at the end of a bottleneck; the linear layer has a bias and
    neither. Every 3x3 convolution has one zero on each side, at stride 2 too, where
    `padding="same"` would set one side only. Initial kernels are normal with variance
    2 / (size * filters), in depthwise convolutions too.

    The window is taken for an image of bands by frames, as in the paper's table; the official
    baseline takes frames by bands. Its one channel is copied to three. With 64 frames and 128
    bands there are 1,454,720 trainable weights, "1.45 M" in the paper, which decides that the
    4x2 convolution is not depthwise. That its activation is ReLU6 and that none follows the
    last layer is our reading; the paper names neither.

    Args:
        windows: Keras tensor, float, `(batch, frames, bands)`, both fixed multiples of 32, in
            dB and not scaled: 64 frames of 128 bands in the paper.

    Returns:
        `(batch, 320)`.

    Raises:
        ValueError: if the windows have another rank or another size.

    References:
        Nejjar, Meunier-Pion, Frusque, Fink, "DG-Mix: Domain Generalization for Anomalous
        Sound Detection Based on Self-Supervised Learning", DCASE 2022, Table 1. Sandler et
        al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018. Padding,
        batch normalization and initial values as in torchvision's `mobilenet_v2`.
    """
    _check_windows(windows)
    bands_by_frames = ops.expand_dims(ops.transpose(windows, (0, 2, 1)), axis=-1)
    x = ops.repeat(bands_by_frames, 3, axis=-1)
    x = _relu6(_convolution(x, _STEM_CHANNELS, (3, 3), strides=2))
    for expansion, channels, num_blocks, stride in _GROUPS:
        for block in range(num_blocks):
            x = _bottleneck(x, expansion, channels, stride if block == 0 else 1)
    x = _relu6(_convolution(x, _EMBEDDING_DIM, (1, 1)))
    x = _relu6(_convolution(x, _EMBEDDING_DIM, x.shape[1:3]))
    initializer = _fan_out_initializer((1, 1), _EMBEDDING_DIM)
    linear = layers.Dense(_EMBEDDING_DIM, kernel_initializer=initializer, dtype="float32")
    return linear(layers.Flatten()(x))


@network
def expander(embeddings, *, form="released", dim=1280):
    """What VICReg's loss is computed on: the embeddings in many more dimensions.

    Three linear layers of the same width, with batch normalization and a ReLU behind the
    first two. It serves the pre-training only and is dropped after it. The last layer differs
    between the paper's text and the code of VICReg: without bias, normalization and ReLU in
    the code (`released`); like the others in the text (`printed`), where no output is
    negative and the variance term has half the room.

    With 320 inputs and 1280 dimensions: 3,694,080 trainable weights (`released`) or 3,697,920
    (`printed`). Initial values are those of PyTorch: weights and biases uniform between
    plus and minus 1 / sqrt(number of inputs).

    Args:
        embeddings: Keras tensor, float, `(batch, num_features)`.
        form: str, `released` or `printed`.
        dim: int, at least 1. Outputs of each layer (paper: D); the default is the paper's.

    Returns:
        `(batch, dim)`, at least 0 if `printed`.

    Raises:
        ValueError: if the embeddings have another rank or no fixed size, or another argument
            is out of range.

    References:
        Nejjar et al., "DG-Mix", DCASE 2022; Bardes, Ponce, LeCun, "VICReg:
        Variance-Invariance-Covariance Regularization for Self-Supervised Learning", ICLR
        2022; github.com/facebookresearch/vicreg, commit 4e12602, `main_vicreg.py: Projector`.
    """
    _check_embeddings(embeddings)
    if form not in ("released", "printed"):
        raise ValueError(f"`form` must be 'released' or 'printed'. Received: form={form!r}")
    if dim < 1:
        raise ValueError(f"`dim` must be at least 1. Received: dim={dim}")
    x = embeddings
    for _ in range(2 if form == "released" else 3):
        x = layers.ReLU()(_normalization(_linear(x, dim)))
    return _linear(x, dim, use_bias=False) if form == "released" else x


def section_logits(embeddings, num_classes):
    """Logits of the sections: two linear layers, 128 units and a ReLU between them.

    The classifier of the fine-tuning. The ReLU is our reading, for the paper names no
    activation. With 320 inputs and six sections there are 41,862 weights. Initial values as
    in `expander`.

    Args:
        embeddings: Keras tensor, float, `(batch, num_features)`.
        num_classes: int, at least 2. The sections of the set.

    Returns:
        `(batch, num_classes)`, logits.

    Raises:
        ValueError: if the embeddings have another rank or no fixed size, or `num_classes` is
            below 2.

    References:
        Nejjar et al., "DG-Mix", DCASE 2022.
    """
    _check_embeddings(embeddings)
    if num_classes < 2:
        raise ValueError(
            "`num_classes` must be at least 2: an only class tells nothing apart. Received: "
            f"num_classes={num_classes}"
        )
    return _linear(layers.ReLU()(_linear(embeddings, _HIDDEN_UNITS)), num_classes)


def _bottleneck(x, expansion, channels, stride):
    inside = x
    if expansion > 1:
        inside = _relu6(_convolution(inside, expansion * x.shape[-1], (1, 1)))
    inside = _relu6(_depthwise(inside, stride))
    inside = _convolution(inside, channels, (1, 1))
    if stride == 1 and x.shape[-1] == channels:
        return layers.Add()([x, inside])
    return inside


def _convolution(x, channels, kernel_size, strides=1):
    if kernel_size == (3, 3):
        x = layers.ZeroPadding2D(1)(x)
    x = layers.Conv2D(
        channels,
        kernel_size,
        strides=strides,
        padding="valid",
        use_bias=False,
        kernel_initializer=_fan_out_initializer(kernel_size, channels),
    )(x)
    return _normalization(x)


def _depthwise(x, stride):
    if stride > 1:  # At stride 1 "same" sets the same zeros, without a copy in memory.
        x = layers.ZeroPadding2D(1)(x)
    x = layers.DepthwiseConv2D(
        3,
        strides=stride,
        padding="valid" if stride > 1 else "same",
        use_bias=False,
        depthwise_initializer=_fan_out_initializer((3, 3), x.shape[-1]),
    )(x)
    return _normalization(x)


def _linear(x, units, use_bias=True):
    limit = 1.0 / math.sqrt(x.shape[-1])
    return layers.Dense(
        units,
        use_bias=use_bias,
        kernel_initializer=keras.initializers.RandomUniform(-limit, limit),
        bias_initializer=keras.initializers.RandomUniform(-limit, limit),
    )(x)


def _fan_out_initializer(kernel_size, filters):
    return keras.initializers.RandomNormal(stddev=math.sqrt(2 / (math.prod(kernel_size) * filters)))


def _normalization(x):
    return FusedBatchNormalization(momentum=0.9, epsilon=1e-5)(x)


def _relu6(x):
    return layers.ReLU(max_value=6.0)(x)


def _check_windows(windows):
    sizes = tuple(windows.shape[1:])
    if len(sizes) != 2 or any(not size or size % _SHRINKING for size in sizes):
        raise ValueError(
            "`windows` must have the shape (batch, frames, bands) with fixed frames and bands, "
            f"both multiples of {_SHRINKING}, because the network halves both five times and the "
            "convolution after that is as large as what is left. Received: windows of shape "
            f"{tuple(windows.shape)}. Use 64 frames and 128 bands, as the paper does."
        )


def _check_embeddings(embeddings):
    if len(embeddings.shape) != 2 or embeddings.shape[1] is None:
        raise ValueError(
            "`embeddings` must have the shape (batch, num_features) with a fixed number of "
            f"features. Received: embeddings of shape {tuple(embeddings.shape)}"
        )
