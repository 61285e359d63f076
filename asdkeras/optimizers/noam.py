"""The learning rate of the transformer: up in a line, down with the root of the step."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="asdkeras")
class Noam(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then decay with the inverse square root of the step.

    At the n-th update, n from 1 (Keras counts steps from 0):

        base * dim^-0.5 * min(n^-0.5, n * warmup_steps^-1.5)

    The peak, `base / sqrt(dim * warmup_steps)`, is at n = `warmup_steps`: 9.317e-4 for a
    width of 144 and 8000 steps.

    Args:
        dim: int, at least 1. Width of the network.
        warmup_steps: int, at least 1.
        base: float above 0.

    Call arguments:
        step: int, updates made so far.

    Returns:
        float32 scalar, the rate of the next update.

    Raises:
        ValueError: if an argument is out of range.

    References:
        Vaswani et al., "Attention Is All You Need", NeurIPS 2017.
    """

    def __init__(self, dim, warmup_steps, base=1.0):
        super().__init__()
        for name, value in (("dim", dim), ("warmup_steps", warmup_steps)):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
        if not base > 0.0:
            raise ValueError(
                f"`base` must be above 0, else nothing is learned. Received: base={base}"
            )
        self.dim = dim
        self.warmup_steps = warmup_steps
        self.base = base

    def __call__(self, step):
        number = ops.cast(step, "float32") + 1.0
        shape = ops.minimum(ops.rsqrt(number), number * self.warmup_steps**-1.5)
        return self.base * self.dim**-0.5 * shape

    def get_config(self):
        return {"dim": self.dim, "warmup_steps": self.warmup_steps, "base": self.base}
