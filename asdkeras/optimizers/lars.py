"""LARS: in very large batches, every layer learns at a rate that suits its own weights."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="asdkeras")
class LARS(keras.optimizers.Optimizer):
    """Stochastic gradient descent whose steps are scaled, layer by layer, to the weights.

    A batch of thousands wants a large learning rate, and then the layer whose gradient is
    largest beside its weights diverges first. LARS makes the length of every layer's step
    proportional to the length of its weights. One step, for a variable `p` with gradient `g`:

        d = g + weight_decay * p
        d = d * trust_coefficient * |p| / |d|        (as it is, if |p| or |d| is 0)
        m = momentum * m + d                         (m starts at 0)
        p = p - learning_rate * m

    The norms are over all entries of the variable. The learning rate is outside the buffer
    `m`, so a change of the rate acts at once on the whole buffer; in `keras.optimizers.SGD`
    the steps in the buffer keep the rate they were made with, which is another algorithm
    as soon as the rate changes. The decay is part of the gradient, hence of the norm and of
    the momentum, and not the decoupled decay of `weight_decay` in the other optimizers of
    Keras. Computed in float32.

    Warm-up and cosine decay are those of Keras. From 0 to `peak` in `warmup` of `total`
    steps, then down to `end`:

        keras.optimizers.schedules.CosineDecay(
            0.0, total - warmup, alpha=end / peak, warmup_target=peak, warmup_steps=warmup
        )

    With gradient accumulation a step is an update: schedules count updates, where other
    optimizers of Keras count the part batches. The gradient is the mean over the part
    batches. For losses that compare the clips of a batch it is not that of the whole batch:
    batch normalization and the variance and covariance of `VICReg` then see one part batch
    at a time.

    Args:
        learning_rate: float, not negative, or a schedule of Keras.
        weight_decay: float, not negative. VICReg has 1e-6, DG-Mix 1e-4.
        momentum: float in [0, 1).
        trust_coefficient: float above 0 (paper: eta).
        exclude_one_dimensional: bool. True leaves biases and the weights of normalizations,
            whatever has at most one dimension, without decay and without scaling, as the
            code of VICReg does for one dimension. The paper of LARS knows no exception.
        gradient_accumulation_steps: int of at least 2, part batches to an update; None
            updates after every batch.
        name: str.

    Raises:
        ValueError: if an argument is out of range.

    References:
        You et al., "Large Batch Training of Convolutional Networks", 2017. The step is that
        of github.com/facebookresearch/vicreg, commit 4e12602.
    """

    def __init__(
        self,
        learning_rate,
        weight_decay=0.0,
        momentum=0.9,
        trust_coefficient=0.001,
        exclude_one_dimensional=True,
        gradient_accumulation_steps=None,
        name="lars",
    ):
        if isinstance(learning_rate, float) and not learning_rate >= 0.0:
            raise ValueError(
                f"`learning_rate` must not be negative. Received: learning_rate={learning_rate}"
            )
        if not weight_decay >= 0.0:
            raise ValueError(
                f"`weight_decay` must not be negative. Received: weight_decay={weight_decay}"
            )
        if not 0.0 <= momentum < 1.0:
            raise ValueError(
                "`momentum` must lie in [0, 1): from 1 on the steps never fade. "
                f"Received: momentum={momentum}"
            )
        if not trust_coefficient > 0.0:
            raise ValueError(
                "`trust_coefficient` must be above 0, else nothing is learned. "
                f"Received: trust_coefficient={trust_coefficient}"
            )
        super().__init__(
            learning_rate=learning_rate,
            gradient_accumulation_steps=gradient_accumulation_steps,
            name=name,
        )
        # Not under the name `weight_decay`: Keras would apply it once more, decoupled.
        self.coupled_weight_decay = weight_decay
        self.momentum = momentum
        self.trust_coefficient = trust_coefficient
        self.exclude_one_dimensional = exclude_one_dimensional

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.momenta = self.add_optimizer_variables(variables, "momentum")

    def update_step(self, gradient, variable, learning_rate):
        momentum = self.momenta[self._get_variable_index(variable)]
        values = ops.cast(variable, "float32")
        step = ops.cast(gradient, "float32")
        if not (self.exclude_one_dimensional and len(variable.shape) <= 1):
            step += self.coupled_weight_decay * values
            step *= trust_ratio(values, step, self.trust_coefficient)
        step += self.momentum * ops.cast(momentum, "float32")
        self.assign(momentum, step)
        self.assign_sub(variable, ops.cast(learning_rate, "float32") * step)

    def _get_current_learning_rate(self):
        if isinstance(self._learning_rate, keras.optimizers.schedules.LearningRateSchedule):
            return self._learning_rate(self.iterations)
        return super()._get_current_learning_rate()

    def get_config(self):
        config = super().get_config()
        return {
            "learning_rate": config["learning_rate"],
            "weight_decay": self.coupled_weight_decay,
            "momentum": self.momentum,
            "trust_coefficient": self.trust_coefficient,
            "exclude_one_dimensional": self.exclude_one_dimensional,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
            "name": self.name,
        }


def trust_ratio(values, step, trust_coefficient):
    """By what the step of a layer is multiplied: `trust_coefficient |values| / |step|`.

    Args:
        values: float, `(...)`, the weights of the layer.
        step: float, `(...)`, its gradient with the decay.
        trust_coefficient: float above 0.

    Returns:
        float scalar; 1 if `values` or `step` are all 0, so that weights that start at 0
        leave it and a gradient of 0 divides nothing.
    """
    length, step_length = ops.sqrt(ops.sum(ops.square(values))), ops.sqrt(ops.sum(ops.square(step)))
    is_defined = ops.logical_and(length > 0.0, step_length > 0.0)
    divisor = ops.where(is_defined, step_length, 1.0)
    return ops.where(is_defined, trust_coefficient * length / divisor, 1.0)
