"""Adam whose step is one operation of TensorFlow for each variable."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="asdkeras")
class FusedAdam(keras.optimizers.Adam):
    """The `Adam` of Keras, in one operation for each variable where Keras has some twenty.

    In the autoencoder of the baselines, Keras' are 1,026 of the 1,499 operations of a step. State
    and files are those of `keras.optimizers.Adam`; values differ by rounding. Other backends,
    replicas on several devices, `amsgrad` and other types than float32 take Keras' way.

    Args:
        **kwargs: as `keras.optimizers.Adam`.

    References:
        Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, in the form before
        Sec. 2.1, whose epsilon is added to the root of the raw second moment.
    """

    def apply(self, grads, trainable_variables=None):
        self._powers = None  # Of the betas, once for all variables of a step.
        super().apply(grads, trainable_variables)

    def update_step(self, gradient, variable, learning_rate):
        if not self._can_be_fused(gradient, variable):
            super().update_step(gradient, variable, learning_rate)
            return
        import tensorflow as tf

        if self._powers is None:
            step = ops.cast(self.iterations + 1, "float32")
            self._powers = [ops.power(beta, step) for beta in (self.beta_1, self.beta_2)]
        index = self._get_variable_index(variable)
        state = self._momentums[index], self._velocities[index]
        m, v = (each.value.handle for each in state)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,  # TensorFlow's, not Keras', as the step is given it.
            m=m,
            v=v,
            beta1_power=self._powers[0],
            beta2_power=self._powers[1],
            lr=ops.cast(learning_rate, "float32"),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )

    def _can_be_fused(self, gradient, variable):
        if keras.backend.backend() != "tensorflow" or self.amsgrad:
            return False
        import tensorflow as tf

        return (
            isinstance(gradient, tf.Tensor)
            and gradient.dtype == variable.dtype == "float32"
            and tf.distribute.get_strategy().num_replicas_in_sync == 1
        )
