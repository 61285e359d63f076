"""Strided convolution of an image of few channels, computed on blocks of pixels."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="asdkeras")
class BlockwiseConv2D(keras.layers.Conv2D):
    """The `Conv2D` of the same arguments and weights, faster on CPUs where channels are few.

    Processors multiply whole vectors of channels, so an image of one channel leaves most of
    a vector empty. With stride s, blocks of s x s pixels become s * s channels of one pixel,
    the kernel, filled up with zeros, likewise, and the stride becomes 1. Values differ from
    `Conv2D` by rounding only. `results/train_step` says what it saves in the first
    convolution of a network on spectrograms, forward and backward.

    Args:
        *args: as `keras.layers.Conv2D`.
        **kwargs: as `keras.layers.Conv2D`; `padding` must be `same`, and channels are last,
            neither dilated nor in groups.

    Input shape: `(batch, height, width, channels)`, all but the batch fixed.
    Output shape: `(batch, ceil(height / stride), ceil(width / stride), filters)`.

    Raises:
        ValueError: if an argument is none of the above, or height or width is unknown.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        require_plain(self)

    def build(self, input_shape):
        if None in input_shape[1:3]:
            raise ValueError(
                "BlockwiseConv2D needs images of fixed height and width. "
                f"Received: input of shape {tuple(input_shape)}. Use `Conv2D` for others."
            )
        super().build(input_shape)

    def convolution_op(self, inputs, kernel):
        heights, kernel_heights = paddings(inputs.shape[1], kernel.shape[0], self.strides[0])
        widths, kernel_widths = paddings(inputs.shape[2], kernel.shape[1], self.strides[1])
        inputs = ops.pad(inputs, [(0, 0), heights, widths, (0, 0)])
        kernel = ops.pad(kernel, [kernel_heights, kernel_widths, (0, 0), (0, 0)])
        return ops.conv(
            _blocks(inputs, self.strides),
            _kernel_blocks(kernel, self.strides),
            padding="valid",
            data_format="channels_last",
        )


def require_plain(layer):
    """Refuse a convolution that cannot be computed on blocks."""
    for name, value in (
        ("padding", "same"),
        ("data_format", "channels_last"),
        ("dilation_rate", (1,) * layer.rank),
        ("groups", 1),
    ):
        if getattr(layer, name) != value:
            raise ValueError(
                f"{type(layer).__name__} needs {name}={value!r}. Received: "
                f"{name}={getattr(layer, name)!r}. Use `Conv{layer.rank}D` for others."
            )


def paddings(length, kernel_length, stride):
    """Zeros before and behind the image and the kernel along one axis.

    Before the image stands what `same` puts there, behind it what fills the last block.
    """
    num_outputs = -(-length // stride)
    before = max((num_outputs - 1) * stride + kernel_length - length, 0) // 2
    kernel_blocks = -(-kernel_length // stride)
    behind = (num_outputs + kernel_blocks - 1) * stride - length - before
    return (before, behind), (0, kernel_blocks * stride - kernel_length)


def _blocks(images, strides):
    """`(batch, height, width, channels)` with the pixels of a block as channels."""
    _, height, width, channels = images.shape
    rows, columns = height // strides[0], width // strides[1]
    images = ops.reshape(images, (-1, rows, strides[0], columns, strides[1], channels))
    images = ops.transpose(images, (0, 1, 3, 2, 4, 5))
    return ops.reshape(images, (-1, rows, columns, strides[0] * strides[1] * channels))


def _kernel_blocks(kernel, strides):
    """The same for a kernel `(height, width, channels, filters)`."""
    return ops.moveaxis(_blocks(ops.moveaxis(kernel, -1, 0), strides), 0, -1)
