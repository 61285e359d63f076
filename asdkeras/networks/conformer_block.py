"""The conformer block: self-attention for what is far apart, convolution for neighbors."""

from keras import layers, ops

from asdkeras.layers.fused_batch_normalization import FusedBatchNormalization
from asdkeras.layers.resumable_dropout import ResumableDropout
from asdkeras.mixed_precision import dtype_in_place_of_half

_EPSILON = 1e-5  # Of both normalizations; PyTorch's, where Keras has 1e-3.
_MOMENTUM = 0.9  # Of the batch normalization; PyTorch's 0.1.
_EXPANSION = 4


def conformer_block(frames, *, kernel_size=31, num_heads=4, dropout=0.1, name="conformer"):
    """Four modules, each added to its input, and a layer normalization.

        x = x + FF(x) / 2
        x = x + attention(x)
        x = x + convolution(x)
        x = x + FF(x) / 2         (another one)
        x = LN(x)

    Every module starts with a layer normalization and ends with dropout:

    - FF: dense to four times the width, swish, dropout, dense.
    - Attention: every frame asks all frames, by several heads with biases, without dropout
      of the weights. No positional encoding: it does not know where a frame is.
    - Convolution: dense to twice the width, first half times sigmoid of the second (GLU),
      a convolution over time within each channel, batch normalization, swish, dense.

    Args:
        frames: float, `(batch, frames, width)`.
        kernel_size: int, frames, odd, so that the convolution, zero-padded, is centered.
        num_heads: int; `width` is a multiple of it.
        dropout: float in [0, 1).
        name: str. Layers are called `<name>_<module>_<layer>`.

    Returns:
        float, `(batch, frames, width)`.

    Raises:
        ValueError: if `width` is no multiple of `num_heads` or `kernel_size` even.

    References:
        Gulati et al., "Conformer: Convolution-augmented Transformer for Speech Recognition",
        Interspeech 2020, whose attention has relative positions. The block is that of
        github.com/ibkuroyagi/birdclef-2021, commit f4ec03b, which has none.
    """
    width = frames.shape[-1]
    if num_heads < 1 or width % num_heads:
        raise ValueError(
            "the width of the frames must be a multiple of `num_heads`, for each head has as "
            f"many units. Received: width={width}, num_heads={num_heads}"
        )
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(
            "`kernel_size` must be odd, so that a frame is the middle of what it is computed "
            f"from. Received: kernel_size={kernel_size}"
        )
    x = frames + 0.5 * _feed_forward(frames, dropout, f"{name}_first")
    x = x + _attention(x, num_heads, dropout, f"{name}_attention")
    x = x + _convolution(x, kernel_size, dropout, f"{name}_convolution")
    x = x + 0.5 * _feed_forward(x, dropout, f"{name}_second")
    return _layer_norm(x, name)


def _layer_norm(x, name):
    return layers.LayerNormalization(epsilon=_EPSILON, name=f"{name}_norm")(x)


def _feed_forward(x, dropout, name):
    width = x.shape[-1]
    x = _layer_norm(x, name)
    x = layers.Dense(_EXPANSION * width, activation="silu", name=f"{name}_expand")(x)
    x = ResumableDropout(dropout, name=f"{name}_inner_dropout")(x)
    x = layers.Dense(width, name=f"{name}_project")(x)
    return ResumableDropout(dropout, name=f"{name}_dropout")(x)


def _attention(x, num_heads, dropout, name):
    key_dim = x.shape[-1] // num_heads
    x = _layer_norm(x, name)
    x = layers.MultiHeadAttention(num_heads, key_dim, name=f"{name}_heads")(x, x)
    return ResumableDropout(dropout, name=f"{name}_dropout")(x)


def _convolution(x, kernel_size, dropout, name):
    width = x.shape[-1]
    x = _layer_norm(x, name)
    x = ops.glu(layers.Dense(2 * width, name=f"{name}_gates")(x), axis=-1)
    # TensorFlow 2.21 on CPUs hangs in bfloat16 where the kernel is wide and channels are few.
    x = layers.DepthwiseConv1D(
        kernel_size, padding="same", dtype=dtype_in_place_of_half(), name=f"{name}_over_time"
    )(x)
    x = FusedBatchNormalization(momentum=_MOMENTUM, epsilon=_EPSILON, name=f"{name}_batch")(x)
    x = layers.Activation("silu", name=f"{name}_swish")(x)
    x = layers.Dense(width, name=f"{name}_project")(x)
    return ResumableDropout(dropout, name=f"{name}_dropout")(x)
