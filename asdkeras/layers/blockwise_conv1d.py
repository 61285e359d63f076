"""Strided convolution of a sequence, computed on blocks of its values."""

import keras
from keras import ops

from asdkeras.layers.blockwise_conv2d import paddings, require_plain


@keras.saving.register_keras_serializable(package="asdkeras")
class BlockwiseConv1D(keras.layers.Conv1D):
    """The `Conv1D` of the same arguments and weights, faster on CPUs where strides are long.

    As `BlockwiseConv2D`: with stride s, blocks of s values become one value of s times the
    channels, the kernel likewise, and the stride becomes 1. Values differ from `Conv1D` by
    rounding only. `results/train_step` says what it saves.

    Args:
        *args: as `keras.layers.Conv1D`.
        **kwargs: as `keras.layers.Conv1D`; `padding` must be `same`, and channels are last,
            neither dilated nor in groups.

    Input shape: `(batch, length, channels)`, all but the batch fixed.
    Output shape: `(batch, ceil(length / stride), filters)`.

    Raises:
        ValueError: if an argument is none of the above, or the length is unknown.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        require_plain(self)

    def build(self, input_shape):
        if input_shape[1] is None:
            raise ValueError(
                "BlockwiseConv1D needs sequences of fixed length. "
                f"Received: input of shape {tuple(input_shape)}. Use `Conv1D` for others."
            )
        super().build(input_shape)

    def call(self, inputs):
        # As of `Conv2D`: that of `Conv1D` does not call `convolution_op`.
        return super(keras.layers.Conv1D, self).call(inputs)

    def convolution_op(self, inputs, kernel):
        (stride,), (size, channels, filters) = self.strides, kernel.shape
        of_inputs, of_kernel = paddings(inputs.shape[1], size, stride)
        inputs = ops.pad(inputs, [(0, 0), of_inputs, (0, 0)])
        kernel = ops.pad(kernel, [of_kernel, (0, 0), (0, 0)])
        return ops.conv(
            ops.reshape(inputs, (-1, inputs.shape[1] // stride, stride * channels)),
            ops.reshape(kernel, (-1, stride * channels, filters)),
            padding="valid",
            data_format="channels_last",
        )
