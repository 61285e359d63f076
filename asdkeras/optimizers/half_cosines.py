"""A value that goes up and down once over a training, or down and up."""

import math

from keras import ops


def half_cosines(step, values, total_steps, warmup_fraction):
    """From the first of three values to the second and on to the third, along half cosines.

    Args:
        step: int or integer scalar, not negative.
        values: three floats: at step 0, at `warmup_fraction * total_steps - 1`, and from
            step `total_steps - 1` on.
        total_steps: int, at least 2.
        warmup_fraction: float in [0, 1).

    Returns:
        float32 scalar.
    """
    first, middle, last = values
    step, end = ops.cast(step, "float32"), total_steps - 1
    rise_end = warmup_fraction * total_steps - 1
    step = ops.minimum(step, float(end))
    value = _half_cosine(step, middle, last, rise_end, end)
    if rise_end > 0:
        rising = _half_cosine(step, first, middle, 0.0, rise_end)
        value = ops.where(step <= rise_end, rising, value)
    return value


def _half_cosine(step, first, last, start, end):
    # Squared sines, for 1 + cos would lose the small end of the curve in float32.
    quarter_turn = 0.5 * math.pi / (end - start)
    weight_of_first = ops.square(ops.sin(quarter_turn * (end - step)))
    weight_of_last = ops.square(ops.sin(quarter_turn * (step - start)))
    return first * weight_of_first + last * weight_of_last


def check_cycle(total_steps, warmup_fraction):
    """Refuse what makes no cycle.

    Args:
        total_steps: int.
        warmup_fraction: float.

    Raises:
        ValueError: if there are less than two steps or the fraction is not in [0, 1).
    """
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
