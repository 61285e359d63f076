"""A layer applied to a few items of a large batch at a time."""

import keras
from keras import ops

from asdkeras.shapes import check_shapes


@keras.saving.register_keras_serializable(package="asdkeras")
class InGroups(keras.layers.Wrapper):
    """What a layer gives for each window of each clip, computed for a few windows at once.

    Attention between all points of a window takes so much memory that the windows of one
    clip do not fit at once. Values are those of the layer applied to all windows: nothing
    but the memory changes. The last group is filled up with windows computed for nothing.

    Args:
        layer: layer or model of a list of inputs that treats the items of a batch
            independently of each other and gives one tensor.
        at_once: int, windows of a group.

    Call arguments:
        inputs: list of tensors `(batch, windows, ...)`, the first two sizes common to all.
            All but the batch fixed.

    Output shape: `(batch, windows, ...)`, the rest as the layer gives it for one window.

    Raises:
        ValueError: if `at_once` is below 1, or inputs differ in their first two sizes.
    """

    def __init__(self, layer, at_once, **kwargs):
        super().__init__(layer, **kwargs)
        if at_once < 1:
            raise ValueError(f"`at_once` must be at least 1. Received: at_once={at_once}")
        self.at_once = at_once

    def get_config(self):
        return {**super().get_config(), "at_once": self.at_once}

    def build(self, input_shape):
        if not self.layer.built:
            self.layer.build([(None, *shape[2:]) for shape in input_shape])
        self.built = True

    def compute_output_spec(self, inputs):
        items = [keras.KerasTensor((None, *each.shape[2:]), each.dtype) for each in inputs]
        output = self.layer.compute_output_spec(items)
        shape = (inputs[0].shape[0], inputs[0].shape[1], *output.shape[1:])
        return keras.KerasTensor(shape, output.dtype)

    def call(self, inputs):
        check_shapes(
            self,
            in_graph=False,
            **{f"inputs_{k}": (each, "batch windows ...") for k, each in enumerate(inputs)},
        )
        num_windows = inputs[0].shape[1]
        num_items = ops.shape(inputs[0])[0] * num_windows
        num_groups = (num_items + self.at_once - 1) // self.at_once
        grouped = [self._grouped(each, num_items, num_groups) for each in inputs]
        outputs = ops.map(lambda group: self.layer(list(group)), tuple(grouped))
        shape = tuple(outputs.shape[2:])
        outputs = ops.reshape(outputs, (-1, *shape))[:num_items]
        return ops.reshape(outputs, (-1, num_windows, *shape))

    def _grouped(self, inputs, num_items, num_groups):
        """`(groups, at_once, ...)`, filled up with zeros."""
        shape = tuple(inputs.shape[2:])
        items = ops.reshape(inputs, (-1, *shape))
        missing = num_groups * self.at_once - num_items
        items = ops.pad(items, [(0, missing), *[(0, 0)] * len(shape)])
        return ops.reshape(items, (-1, self.at_once, *shape))
