"""OneCycle: the rate goes up and down once over a training, the momentum down and up."""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="asdkeras")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Half a cosine up to the peak, half a cosine down to almost nothing.

    With `rise_end = warmup_fraction * total_steps - 1`, the rate of step s, from 0, is

        from peak / start_divisor to peak                                  in 0 .. rise_end
        from peak to peak / (start_divisor * end_divisor)   in rise_end .. total_steps - 1

    each along half a cosine, and stays at the end for steps behind the last. 8,000 steps
    peak at step 2,399. Computed in float32, relative errors below 1e-6 everywhere.

    Args:
        peak: float above 0, the highest rate.
        total_steps: int, at least 2. Updates of the whole training.
        warmup_fraction: float in [0, 1), part of the steps before the peak.
        start_divisor: float above 0: `peak` over the first rate.
        end_divisor: float above 0: the first rate over the last.

    Call arguments:
        step: int or integer scalar, not negative.

    Returns:
        float32 scalar.

    Raises:
        ValueError: if an argument is out of range.

    References:
        Smith & Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large
        Learning Rates", 2018, in the form and with the default values of PyTorch's
        `OneCycleLR`.
    """

    def __init__(self, peak, total_steps, warmup_fraction=0.3, start_divisor=25.0, end_divisor=1e4):
        for name, value in (
            ("peak", peak),
            ("start_divisor", start_divisor),
            ("end_divisor", end_divisor),
        ):
            if not 0.0 < value < math.inf:
                raise ValueError(f"`{name}` must be above 0 and finite. Received: {name}={value}")
        if total_steps < 2:
            raise ValueError(
                "`total_steps` must be at least 2: a cycle has a first and a last step. "
                f"Received: total_steps={total_steps}"
            )
        if not 0.0 <= warmup_fraction < 1.0:
            raise ValueError(
                "`warmup_fraction` must lie in [0, 1): the rate has to fall again. "
                f"Received: warmup_fraction={warmup_fraction}"
            )
        self.peak = peak
        self.total_steps = total_steps
        self.warmup_fraction = warmup_fraction
        self.start_divisor = start_divisor
        self.end_divisor = end_divisor

    def __call__(self, step):
        first = self.peak / self.start_divisor
        last = first / self.end_divisor
        return self.half_cosines(step, first, self.peak, last)

    def half_cosines(self, step, first, middle, last):
        """From the first of three values to the second at the peak, and on to the third."""
        step, end = ops.cast(step, "float32"), self.total_steps - 1
        rise_end = self.warmup_fraction * self.total_steps - 1
        step = ops.minimum(step, float(end))
        value = _half_cosine(step, middle, last, rise_end, end)
        if rise_end > 0:
            rising = _half_cosine(step, first, middle, 0.0, rise_end)
            value = ops.where(step <= rise_end, rising, value)
        return value

    def get_config(self):
        return {
            "peak": self.peak,
            "total_steps": self.total_steps,
            "warmup_fraction": self.warmup_fraction,
            "start_divisor": self.start_divisor,
            "end_divisor": self.end_divisor,
        }


@keras.saving.register_keras_serializable(package="asdkeras")
class OneCycleAdam(keras.optimizers.Optimizer):
    """Adam in one cycle: the rate of one layer, a lower one for the rest, a moving beta_1.

    Convolutions that learn slowly below a dense layer that learns fast. One update, for a
    variable `p` with gradient `g` at step s, from 0, `beta_1` and `rate` those of the step:

        m = beta_1 * m + (1 - beta_1) * g                       (m and v start at 0)
        v = beta_2 * v + (1 - beta_2) * g^2
        p = p - rate * (m / (1 - beta_1^(s + 1))) / (sqrt(v / (1 - beta_2^(s + 1))) + epsilon)

    `rate` follows the cycle; outside the layer `fast` it is `slow_rate_ratio` times that.
    `beta_1` runs from the upper to the lower end of its range while the rate goes up, and
    back while it goes down. The bias of `m` is corrected as if the `beta_1` of the step had
    been that of all steps, as in PyTorch. `epsilon` is added to the corrected root, where
    `keras.optimizers.Adam` adds it to the raw one. Computed in float32.

    The state that is saved with a model is `m`, `v` and the step, so a training that is
    loaded goes on as if it had not stopped. `learning_rate` is that of the layer `fast`.

    Args:
        learning_rate: `OneCycle`, of the layer `fast`. Kuroyanagi 2021 has a peak of 1e-3.
        slow_rate_ratio: float, not negative. Rate of all other layers over that of `fast`;
            0 freezes them. 0.5 there.
        fast: str, name of a layer: variables whose path has it as a component.
        beta_1_range: two floats in [0, 1), lower and upper end.
        beta_2: float in [0, 1).
        epsilon: float, not negative.
        name: str.

    Raises:
        ValueError: if an argument is out of range, or no variable lies in the layer `fast`.

    References:
        Kingma & Ba, "Adam", ICLR 2015; Smith & Topin, "Super-Convergence", 2018; both as in
        PyTorch (`Adam`, `OneCycleLR` with `cycle_momentum`), whose default values these are.
    """

    def __init__(
        self,
        learning_rate,
        *,
        slow_rate_ratio=0.5,
        fast="head",
        beta_1_range=(0.85, 0.95),
        beta_2=0.999,
        epsilon=1e-8,
        name="one_cycle_adam",
    ):
        if not isinstance(learning_rate, OneCycle):
            raise ValueError(
                "`learning_rate` must be a `OneCycle`, whose steps the momentum follows. "
                f"Received: learning_rate={learning_rate}"
            )
        _check_adam(slow_rate_ratio, beta_1_range, beta_2, epsilon)
        super().__init__(learning_rate, name=name)
        self.cycle = learning_rate
        self.slow_rate_ratio = slow_rate_ratio
        self.fast = fast
        self.beta_1_range = tuple(beta_1_range)
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.shares = None

    @property
    def beta_1(self):
        """float32 scalar, that of the next update."""
        return 1.0 - self._new_share()

    def build(self, variables):
        if self.built:
            return
        # By index, as update_step gets variables that have lost their path.
        self.learns_fast = [self.fast in variable.path.split("/") for variable in variables]
        if not any(self.learns_fast):
            raise ValueError(
                "OneCycleAdam found no variable of the layer that learns fast. Received: "
                f"fast={self.fast!r}, variables of {[variable.path for variable in variables]}. "
                "Name the layer so or pass its name."
            )
        super().build(variables)
        self.means, self.squares = self.add_optimizer_variables(variables, ["mean", "square"])

    def apply(self, grads, trainable_variables=None):
        # Once for all variables: a graph of hundreds of them is traced in half the time.
        self.shares = self._shares()
        try:
            super().apply(grads, trainable_variables)
        finally:
            self.shares = None

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        new_share, mean_share, square_share = self.shares
        gradient = ops.cast(gradient, "float32")
        mean = ops.cast(self.means[index], "float32")
        mean += new_share * (gradient - mean)
        square = ops.cast(self.squares[index], "float32")
        square += (1.0 - self.beta_2) * (ops.square(gradient) - square)
        self.assign(self.means[index], mean)
        self.assign(self.squares[index], square)
        step = (mean / mean_share) / (ops.sqrt(square / square_share) + self.epsilon)
        ratio = 1.0 if self.learns_fast[index] else self.slow_rate_ratio
        self.assign_sub(variable, ratio * learning_rate * step)

    def get_config(self):
        return {
            "learning_rate": keras.optimizers.schedules.serialize(self.cycle),
            "slow_rate_ratio": self.slow_rate_ratio,
            "fast": self.fast,
            "beta_1_range": list(self.beta_1_range),  # Keras does not restore tuples here.
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "name": self.name,
        }

    def _new_share(self):
        """1 - beta_1 of the next update: the part of its gradient in the mean."""
        least, most = (1.0 - beta for beta in reversed(self.beta_1_range))
        return self.cycle.half_cosines(self.iterations, least, most, least)

    def _shares(self):
        """That, and by what the bias of mean and square is corrected: 1 - beta^step."""
        new_share = self._new_share()
        # Through logarithms, for 1 - 0.999 has five digits in float32.
        num_steps = ops.cast(self.iterations + 1, "float32")
        mean_share = -ops.expm1(num_steps * ops.log1p(-new_share))
        return new_share, mean_share, -ops.expm1(num_steps * math.log(self.beta_2))


def _half_cosine(step, first, last, start, end):
    # Squared sines, for 1 + cos would lose the small end of the curve in float32.
    quarter_turn = 0.5 * math.pi / (end - start)
    weight_of_first = ops.square(ops.sin(quarter_turn * (end - step)))
    weight_of_last = ops.square(ops.sin(quarter_turn * (step - start)))
    return first * weight_of_first + last * weight_of_last


def _check_adam(slow_rate_ratio, beta_1_range, beta_2, epsilon):
    if not slow_rate_ratio >= 0.0:
        raise ValueError(
            f"`slow_rate_ratio` must not be negative. Received: slow_rate_ratio={slow_rate_ratio}"
        )
    if len(beta_1_range) != 2 or not 0.0 <= beta_1_range[0] <= beta_1_range[1] < 1.0:
        raise ValueError(
            "`beta_1_range` must be two numbers in [0, 1), the lower first. "
            f"Received: beta_1_range={beta_1_range}"
        )
    if not 0.0 < beta_2 < 1.0:
        raise ValueError(f"`beta_2` must lie between 0 and 1. Received: beta_2={beta_2}")
    if not epsilon >= 0.0:
        raise ValueError(f"`epsilon` must not be negative. Received: epsilon={epsilon}")
