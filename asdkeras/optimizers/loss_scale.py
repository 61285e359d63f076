"""A loss scale for networks in float16 that knows how far a training is."""

import keras


@keras.saving.register_keras_serializable(package="asdkeras")
class LossScale(keras.optimizers.LossScaleOptimizer):
    """The optimizer of Keras that scales losses up and gradients down, and counts batches.

    In float16 small gradients would be 0, so the loss is multiplied by a scale by which
    gradients are divided again. A batch whose gradients are not finite halves the scale and
    changes nothing else: the optimizer inside does not count it, and its `iterations` do
    not say how many batches a model has seen.

    Args:
        *args: as `keras.optimizers.LossScaleOptimizer`: the optimizer inside comes first.
        **kwargs: as there.

    Attributes:
        batches: int variable, batches so far, those that were skipped included.
    """

    def build(self, var_list):
        if self.built:
            return
        super().build(var_list)
        self.batches = self.add_variable(
            (), dtype="int", aggregation="only_first_replica", name="batches"
        )

    def apply(self, grads, trainable_variables=None):
        super().apply(grads, trainable_variables)
        self.batches.assign_add(1)


def with_loss_scale(model):
    """Compile a model anew as it is, but with its optimizer inside a `LossScale`.

    Keras does so itself only for models whose own policy is `mixed_float16`, not for those that
    hold such a network, and forgets it when a model is loaded under another global policy.

    Args:
        model: keras.Model, compiled, not trained yet.

    Returns:
        The model.
    """
    optimizer = keras.saving.serialize_keras_object(LossScale(model.optimizer))
    model.compile_from_config({**model.get_compile_config(), "optimizer": optimizer})
    return model
