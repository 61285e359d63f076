"""Weighted sums of a batch with itself in reversed order."""


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
