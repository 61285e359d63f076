"""Gradient reversal, for features that a classifier shall not be able to use."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="asdkeras")
class GradientReversal(keras.layers.Layer):
    """Gives its input back; the gradient comes back multiplied by `-weight`.

    Whatever stands behind it learns its task, and what stands before it learns to make that
    task impossible. Behind it a classifier of domains, say, before it a network whose
    features shall not tell domains apart.

    Args:
        weight: float, not negative. How much the network unlearns; 0 cuts the gradient.

    Call arguments:
        inputs: float, any shape.

    Output shape: that of the input.

    Raises:
        ValueError: if `weight` is negative.

    References:
        Ganin et al., "Domain-Adversarial Training of Neural Networks", JMLR 2016.
    """

    def __init__(self, weight=1.0, **kwargs):
        super().__init__(**kwargs)
        if weight < 0:
            raise ValueError(
                "`weight` must not be negative: a gradient reversed twice is none. "
                f"Received: weight={weight}"
            )
        self.weight = weight

    def call(self, inputs):
        # The difference is exactly zero, and only its second half has a gradient.
        constant = ops.stop_gradient(inputs)
        return constant + self.weight * (constant - inputs)
