"""Batches of pairs of windows and of mixtures of the two."""

import tensorflow as tf

from asdkeras.batches.mixup import beta_weights, between, check_alpha
from asdkeras.batches.steps import epoch_steps, one_hot, read_ahead, read_arrays, shuffled
from asdkeras.batches.window_batches import num_in_batches


def pair_batches(windows, labels, groups, alpha, schedule, drop_remainder=False):
    """Batches of pairs of windows and of the mixture of each pair.

    In each epoch every window is the first of one pair and the second of one pair, by two
    independent shuffles, so now and then a window meets itself. The windows of a pair and their
    classes are mixed by one weight.

    Args:
        windows: see `window_batches`.
        labels: `Labels` of the clips, or None for a training without classes.
        groups: int `(clips,)`, only windows of clips of one group make a pair; None if any
            two windows do.
        alpha: float, at least 0.05. The weight of a first window is drawn from
            Beta(alpha, alpha), below 1 rather near 0 and 1 than near 1/2 (paper: 0.5).
        schedule: `Schedule` in epochs.
        drop_remainder: see `window_batches`.

    Returns:
        `tf.data.Dataset` of (inputs, targets), or of (inputs,) if there are no labels, which
        `fit` takes for inputs alone. Inputs: `first`, `second` and
        `mixed = weight * first + (1 - weight) * second`, float32 `(batch, frames, bands)`, and
        `weight`, float32 `(batch, 1)` in [0, 1]; a functional model without one of the four
        makes Keras warn. Targets: `section`, float32 `(batch, classes)`, the one-hot classes
        of the windows' clips mixed likewise; a clip without a class adds zeros.

    Raises:
        ValueError: if `alpha` is too small or not finite, `groups` does not have one number
            per clip, or an epoch has no batch.

    References:
        Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018.
        Nejjar et al., "DG-Mix: Domain Generalization for Anomalous Sound Detection Based on
        Self-Supervised Learning", DCASE Workshop 2022.
    """
    num_met = num_in_batches(len(windows), schedule.batch_size, drop_remainder)
    check_alpha(alpha)
    _check_groups(windows, groups)

    def orders(seed):
        return [order[:num_met] for order in _orders_of_pairs(windows, groups, seed)]

    def batch(seed, *pairs):
        weights = beta_weights(seed, tf.size(pairs[0]), alpha)
        first, second = (read_arrays(windows.read, [each], windows.shape) for each in pairs)
        mixed = between(first, second, weights[:, :, tf.newaxis])
        inputs = {"first": first, "second": second, "mixed": mixed, "weight": weights}
        if labels is None:
            return (inputs,)
        classes = (one_hot(labels, indices // windows.per_clip) for indices in pairs)
        return inputs, {"section": between(*classes, weights)}

    return read_ahead(epoch_steps(orders, schedule), batch)


def _check_groups(windows, groups):
    if groups is not None and len(groups) * windows.per_clip != len(windows):
        raise ValueError(
            "`groups` must have one number per clip. Received: "
            f"{len(groups)} numbers for {len(windows)} windows, {windows.per_clip} of each clip"
        )


def _orders_of_pairs(windows, groups, seed):
    """The first and the second windows of the pairs of an epoch; two int64 `(windows,)`."""
    indices = tf.range(len(windows), dtype=tf.int64)
    firsts, seconds = (shuffled(indices, each) for each in tf.unstack(tf.random.split(seed, 2)))
    if groups is None:
        return firsts, seconds
    # The n-th first window of a group goes with the n-th second window of the group.
    by_group = [
        tf.argsort(tf.gather(groups, order // windows.per_clip)) for order in (firsts, seconds)
    ]
    places = tf.math.invert_permutation(by_group[0])
    return firsts, tf.gather(seconds, tf.gather(by_group[1], places))
