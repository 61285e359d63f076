"""Mixup: weights and labels of a batch mixed with itself in reversed order.

Operators only, so that the same lines serve NumPy, TensorFlow (inside tf.data) and JAX.
Clips are mixed by `mix` in the pipeline or, for features, by the layer `MixWithReversed`.

References:
    Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018.
"""

_LABEL_FORMS = ("linear", "max")


def applied_weights(weights, draws, probability):
    """The weights, or 1 (not mixed) for clips whose draw is not below `probability`.

    Args:
        weights: float in [0, 1], any shape (paper: lambda).
        draws: uniform in [0, 1), same shape.
        probability: float in [0, 1], chance that one clip is mixed.

    Returns:
        float array of the same shape.

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


def mix(values, weights):
    """`weights * values + (1 - weights) * values in reversed order`.

    The middle clip of an odd batch is mixed with itself. Operators only, so that
    NumPy, TensorFlow and JAX arrays may come in.

    Args:
        values: float, `(batch, ...)`.
        weights: float in [0, 1], `(batch, 1, ...)`, as many axes as `values` (paper:
            lambda).

    Returns:
        Array of the shape of `values`.
    """
    return weights * values + (1.0 - weights) * values[::-1]


def mix_labels(labels, weights, how):
    """Labels of the mixed clips.

    Args:
        labels: float, not negative, `(batch, classes)`.
        weights: float in [0, 1], `(batch, 1)`, those of the clips.
        how: `linear` adds the two weighted labels, rows still sum to 1. `max` takes the
            larger of the two per class, so a clip mixed with one of its own class gets
            a row that sums to less than 1.

    Returns:
        Array of the shape of `labels`.

    Raises:
        ValueError: if `how` is unknown.
    """
    if how not in _LABEL_FORMS:
        raise ValueError(f"`how` must be one of {_LABEL_FORMS}. Received: how={how!r}")
    if how == "linear":
        return mix(labels, weights)
    own, partner = weights * labels, (1.0 - weights) * labels[::-1]
    return (own + partner + abs(own - partner)) / 2.0
