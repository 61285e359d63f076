"""Batch normalization by one operation of TensorFlow, forward and backward."""

import keras
from keras import ops

from asdkeras.dsp.fourier import is_by_matrix_products

_VECTOR = 16  # Values of a processor's vector: the operation is fastest on whole ones.


@keras.saving.register_keras_serializable(package="asdkeras")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """The `BatchNormalization` of the same arguments and weights, several times as fast.

    Keras normalizes by separate operations and differentiates each, and every one of them reads and
    writes the whole map. TensorFlow has one operation for it and one for its gradient; other
    backends, other axes than the last, masks and what is exported for other runtimes take Keras'
    way.

    Values differ from `BatchNormalization` by rounding only. The operation adds up all values of a
    channel in float32, one after the other: with 2.5 million of them outputs and gradients are
    within 0.0004 of the largest value of those in float64 (0.00014 by Keras), with 30,000
    within 0.00001. Under `mixed_bfloat16` it reads and writes maps in bfloat16; statistics, weights
    and sums are in float32 under any policy.

    Args:
        **kwargs: as `keras.layers.BatchNormalization`.

    Call arguments:
        inputs: float, `(batch, ..., channels)`.
        training: bool.

    Output shape: as the inputs.

    References:
        Ioffe & Szegedy, "Batch Normalization", ICML 2015. `results/train_step` says what it saves.
    """

    def call(self, inputs, training=None, mask=None):
        learns = bool(training and self.trainable)
        if mask is not None or not self._can_be_fused(inputs, learns):
            return super().call(inputs, training=training, mask=mask)
        # In float16, CPUs have no kernel of what TensorFlow makes of it and a ReLU behind it.
        is_half = self.compute_dtype == "bfloat16" and inputs.shape[-1] % _VECTOR == 0
        x = ops.cast(inputs, "bfloat16" if is_half else "float32")
        missing = tuple(range(1, 5 - len(x.shape)))
        x = ops.expand_dims(x, missing)
        outputs = self._learned(x) if learns else self._applied(x)
        # Without an axis to name, every axis of length 1 would go.
        outputs = ops.squeeze(outputs, missing) if missing else outputs
        return ops.cast(outputs, self.compute_dtype)

    def _can_be_fused(self, inputs, learns):
        rank, channels = len(inputs.shape), inputs.shape[-1]
        return (
            keras.backend.backend() == "tensorflow"
            and self.variable_dtype == "float32"
            and 2 <= rank <= 4
            and self.axis in (-1, rank - 1)
            and self.scale
            and self.center
            and not self.renorm
            and not self.synchronized
            # Slower than Keras otherwise, with few channels or a rest of a vector.
            and (channels % _VECTOR == 0 or (learns and channels % 8 == 0))
            and not is_by_matrix_products()
        )

    def _learned(self, x):
        """By the moments of the batch, towards which those for inference move."""
        outputs, mean, variance = self._operation(x, [], [], is_training=True)
        # The operation's variance is over one value less than there are.
        count = ops.cast(ops.size(x) // x.shape[-1], "float32")
        variance *= (count - 1.0) / count
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + value * (1.0 - self.momentum))
        return outputs

    def _applied(self, x):
        return self._operation(x, self.moving_mean, self.moving_variance, is_training=False)[0]

    def _operation(self, x, mean, variance, is_training):
        import tensorflow as tf

        return tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=self.gamma,
            offset=self.beta,
            mean=tf.convert_to_tensor(mean, "float32"),
            variance=tf.convert_to_tensor(variance, "float32"),
            epsilon=self.epsilon,
            is_training=is_training,
        )[:3]


def with_fused_normalization(layer):
    """The same layer anew, without its weights; of a batch normalization, the fused one.

    A `clone_function` for `keras.models.clone_model`, for networks that Keras builds.
    """
    is_normalization = isinstance(layer, keras.layers.BatchNormalization)
    kind = FusedBatchNormalization if is_normalization else type(layer)
    return kind.from_config(layer.get_config())
