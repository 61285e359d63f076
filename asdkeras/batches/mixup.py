"""Mixup: two clips or windows become one by a random weight, and so do their labels.

Mixing uses operators only, so that the same lines serve NumPy and TensorFlow. Clips of a batch
are mixed with the batch in reversed order, by `mix` in the pipeline or, for features, by the layer
`MixWithReversed`. Weights are in [0, 1] (paper: lambda).

References:
    Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018.
"""

import dataclasses
import math
from typing import Literal

import tensorflow as tf

from asdkeras.shapes import ONE_HOT, check_shapes

_LABEL_FORMS = ("linear", "max")
_SMALLEST_ALPHA = 0.05  # From here on a gamma draw in float64 is hardly ever rounded up.


@dataclasses.dataclass(frozen=True)
class Mixup:
    """How clips of a batch are mixed with the batch in reversed order.

    Attributes:
        on: `waveform` mixes in the pipeline. `features` sends the weights along as the input
            `weight`, for a `MixWithReversed` layer behind the front end.
        probability: chance that a clip is mixed.
        labels: see `mix_labels`; early releases of the reference code have `max`.
    """

    on: Literal["features", "waveform"]
    probability: float
    labels: Literal["linear", "max"]


def applied_weights(weights, draws, probability):
    """The weights, or 1 (not mixed) for clips whose draw is not below `probability`.

    Args:
        weights: float, any shape.
        draws: uniform in [0, 1), same shape.
        probability: float in [0, 1], chance that a clip is mixed.

    Raises:
        ValueError: if `probability` lies outside [0, 1].
    """
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"`probability` must lie in [0, 1]. Received: probability={probability}")
    if probability == 0.0:
        return 0.0 * weights + 1.0
    # 0 ** 0 is 1: a comparison would leave a bool, which TensorFlow does not multiply.
    is_mixed = 0.0 ** (draws // probability)
    return is_mixed * weights + (1.0 - is_mixed)


def between(first, second, weights):
    """`weights * first + (1 - weights) * second`."""
    return weights * first + (1.0 - weights) * second


def mix(values, weights):
    """`values`, `(batch, ...)`, mixed with themselves in reversed order; see `between`.

    The middle clip of an odd batch is mixed with itself. The weights, `(batch, 1, ...)`, have as
    many axes as the values.
    """
    return between(values, values[::-1], weights)


def mix_labels(labels, weights, how):
    """Labels of the mixed clips, `(batch, classes)`.

    Args:
        labels: float, not negative, `(batch, classes)`.
        weights: float, `(batch, 1)`, those of the clips.
        how: `linear` adds the two weighted labels, rows still sum to 1. `max` takes the
            larger of the two per class, so a clip mixed with one of its own class gets
            a row that sums to less than 1.

    Raises:
        ValueError: if `how` is unknown, or labels or weights have another shape.
    """
    check_shapes(
        "mixup",
        ONE_HOT,
        in_graph=False,  # An assertion may keep a pipeline from working ahead.
        labels=(labels, "batch classes"),
        weights=(weights, "batch 1"),
    )
    if how not in _LABEL_FORMS:
        raise ValueError(f"`how` must be one of {_LABEL_FORMS}. Received: how={how!r}")
    if how == "linear":
        return mix(labels, weights)
    own, partner = weights * labels, (1.0 - weights) * labels[::-1]
    return (own + partner + abs(own - partner)) / 2.0


def beta_weights(seed, count, alpha):
    """Draws from Beta(alpha, alpha), float32 `(count, 1)`; for alpha see `check_alpha`."""
    # A draw is at least the smallest number of its type. At the smallest alpha and in float32
    # both would be that in one pair of 6000, whose weight would then be 1/2.
    alpha = tf.constant(alpha, tf.float64)
    draws = tf.random.stateless_gamma([2, count, 1], seed, alpha, dtype=tf.float64)
    return tf.cast(draws[0] / (draws[0] + draws[1]), tf.float32)


def check_alpha(alpha):
    """Raise a ValueError if a Beta(alpha, alpha) cannot be drawn from."""
    if not _SMALLEST_ALPHA <= alpha < math.inf:
        raise ValueError(
            f"`alpha` must be finite and at least {_SMALLEST_ALPHA}, for below it draws are too "
            f"small for float64. Received: alpha={alpha}"
        )
