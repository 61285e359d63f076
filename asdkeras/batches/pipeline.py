"""Batches of waveforms and of windows of frames, as tf.data."""

import contextlib
import dataclasses
import math
import os
import re
from typing import Literal

import tensorflow as tf

from asdkeras.batches.mixup import applied_weights, mix, mix_labels
from asdkeras.errors import DataError

_READ_AHEAD = 2  # Batches; more only costs memory.
_READERS = min(4, os.cpu_count() or 1)  # Batches read at once, each by a thread of its own.
_MIXED_LENGTH = 4096  # Samples of each clip mixed at once: the arrays between stay in the cache.
_SMALLEST_ALPHA = 0.05  # From here on a gamma draw in float64 is hardly ever rounded up.


@dataclasses.dataclass(frozen=True)
class Mixup:
    """How clips of a batch are mixed with the batch in reversed order.

    Attributes:
        on: `waveform` mixes in the pipeline. `features` sends the weights along as the
            input `weight`, for a `MixWithReversed` layer behind the front end.
        probability: float in [0, 1], chance that one clip is mixed.
        labels: `linear`, or `max` as in early releases of the reference code.
    """

    on: Literal["features", "waveform"]
    probability: float
    labels: Literal["linear", "max"]


@dataclasses.dataclass(frozen=True)
class Holdout:
    """Which windows are kept from training, to watch the loss on them.

    Training has the first `int(floor(windows * (1 - fraction)))` windows, the number that
    Keras takes for `validation_split`.

    Attributes:
        fraction: float in [0, 1); 0 holds out nothing.
        which: `last` holds out the last windows in the order of the clips, as Keras does;
            `random` as many, drawn from all windows.
        seed: int, of the draw; read for `random` alone.
    """

    fraction: float
    which: Literal["last", "random"]
    seed: int = 0

    def __post_init__(self):
        if not 0.0 <= self.fraction < 1.0:
            raise ValueError(
                "the fraction held out must lie in [0, 1), for something has to be left to "
                f"train with. Received: fraction={self.fraction}"
            )
        if self.which not in ("last", "random"):
            raise ValueError(f"`which` must be 'last' or 'random'. Received: which={self.which!r}")


def training_batches(
    clips, clip_length, keep, labels, *, batch_size, mixup, seed, first_epoch, epochs
):
    """Batches of the epochs from `first_epoch` on, the same whether asked for at once or not.

    Order and mixing weights derive from (seed, epoch, step) alone, so a resumed
    training meets the batches it would have met. The last, smaller batch of an epoch is
    kept.

    Args:
        clips: object with `__len__` and `read(positions, clip_length, keep)`, which returns
            a new array and may be called by several threads at once.
        clip_length: int, samples.
        keep: `start`, `end` or `random`, which part of a longer clip is heard.
        labels: name -> `Labels` of the clips.
        batch_size: int.
        mixup: `Mixup`.
        seed: int.
        first_epoch: int, from 0.
        epochs: int, total; the batches end after epoch number `epochs - 1`.

    Returns:
        `tf.data.Dataset` of (inputs, targets): inputs `waveform` `(batch, clip_length)`,
        `weight` `(batch, 1)` and `<name>_label` `(batch, classes)`; targets `<name>`
        `(batch, classes)`, equal to the label inputs.
    """

    def batch(epoch, step, positions):
        clean = {name: one_hot(each, positions) for name, each in labels.items()}
        draws = tf.random.stateless_uniform(
            [2, tf.size(positions), 1], folded_seed(seed, epoch, step + 1)
        )
        weights = applied_weights(draws[0], draws[1], mixup.probability)
        mixed = {name: mix_labels(each, weights, mixup.labels) for name, each in clean.items()}
        inputs = {f"{name}_label": each for name, each in mixed.items()}
        if mixup.on == "waveform":
            inputs["waveform"] = _waveforms(clips, clip_length, keep, positions, weights)
            inputs["weight"] = tf.ones_like(weights)
        else:
            inputs["waveform"] = _waveforms(clips, clip_length, keep, positions)
            inputs["weight"] = weights
        return inputs, mixed

    return read_ahead(shuffled_steps(len(clips), batch_size, seed, first_epoch, epochs), batch)


def inference_batches(clips, clip_length, keep, batch_size):
    """All clips in order: `tf.data.Dataset` of waveforms `(batch, clip_length)`."""
    positions = tf.data.Dataset.range(len(clips)).batch(batch_size)
    return read_ahead(positions, lambda p: _waveforms(clips, clip_length, keep, p))


def num_training_windows(windows, holdout):
    """How many windows training has.

    Args:
        windows: `Windows`.
        holdout: `Holdout`.

    Returns:
        int, at least 1.

    Raises:
        ValueError: if nothing is left to train with.
    """
    count = math.floor(len(windows) * (1.0 - holdout.fraction))
    if count < 1:
        raise ValueError(
            "training needs at least one window. Received: "
            f"fraction={holdout.fraction} held out of {len(windows)} windows. Hold out less."
        )
    return count


def window_batches(
    windows,
    holdout,
    labels,
    *,
    batch_size,
    seed,
    first_epoch,
    epochs,
    as_vectors,
    drop_remainder=False,
):
    """Batches of all training windows, in a new order each epoch.

    Each order is a shuffle of all windows and not of those at hand. It takes 16 bytes of
    memory per window; of the windows themselves only those of a few batches are there. It
    derives from (seed, epoch) alone, so a resumed training meets the batches it would have
    met.

    Args:
        windows: `Windows`, or any object with `__len__`, `per_clip`, `num_frames`,
            `store.num_bands` and a `read(indices)` that several threads may call at once.
        holdout: `Holdout`, which windows are left out.
        labels: `Labels` of the clips, or None.
        batch_size: int.
        seed: int.
        first_epoch: int, from 0.
        epochs: int, total; the batches end after epoch number `epochs - 1`.
        as_vectors: bool, whether a window is one vector, frame after frame.
        drop_remainder: bool, whether the last, smaller batch of an epoch is left out, for
            losses that need the statistics of a whole batch.

    Returns:
        `tf.data.Dataset` of (x, y): x float32 `(batch, frames, bands)`, as vectors
        `(batch, frames * bands)`; y the class of the window's clip, one-hot
        `(batch, classes)`, or x again if there are no labels, for an autoencoder.

    Raises:
        ValueError: if nothing is left to train with.
    """
    count = num_training_windows(windows, holdout)
    num_met = _num_met(count, batch_size, drop_remainder)
    candidates = _in_order_of_training(windows, holdout)[:count]

    def epoch_steps(epoch):
        # `index_shuffle` would need no memory, but keeps neighbors together, and of 65537
        # windows it would lose one.
        order = tf.random.experimental.stateless_shuffle(candidates, folded_seed(seed, epoch, 0))
        return _slices(order[:num_met], batch_size)

    def batch(indices):
        return _window_batch(windows, indices, labels, as_vectors)

    return read_ahead(tf.data.Dataset.range(first_epoch, epochs).flat_map(epoch_steps), batch)


def pair_batches(
    windows, labels, *, batch_size, alpha, groups, seed, first_epoch, epochs, drop_remainder
):
    """Batches of pairs of windows and of what lies between the two of each pair.

    In each epoch every window is the first of one pair and the second of one pair, by two
    shuffles that know nothing of each other, so now and then a window meets itself. What is
    mixed has one weight per pair, for the windows and for their classes. Orders and weights
    derive from (seed, epoch, step) alone, so a resumed training meets the batches it would
    have met. The orders take 16 bytes of memory per window; of the windows themselves only
    those of a few batches are there.

    Args:
        windows: `Windows`, or an object like it, see `window_batches`.
        labels: `Labels` of the clips, or None for a training without classes.
        batch_size: int, pairs.
        alpha: float, at least 0.05. The weight of a first window is drawn from
            Beta(alpha, alpha), below 1 rather near 0 and 1 than near 1/2 (paper: 0.5).
        groups: int `(clips,)`, only windows of clips of one group make a pair; None if any
            two windows do.
        seed: int.
        first_epoch: int, from 0.
        epochs: int, total; the batches end after epoch number `epochs - 1`.
        drop_remainder: bool, whether the last, smaller batch of an epoch is left out.

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
    num_met = _num_met(len(windows), batch_size, drop_remainder)
    _check_pairs(windows, alpha, groups)

    def epoch_steps(epoch):
        firsts, seconds = _orders_of_pairs(windows, groups, folded_seed(seed, epoch, 0))
        steps = tf.data.Dataset.zip(
            _slices(firsts[:num_met], batch_size), _slices(seconds[:num_met], batch_size)
        )
        return steps.enumerate().map(lambda step, pairs: (epoch, step, *pairs))

    def batch(epoch, step, firsts, seconds):
        weights = beta_weights(folded_seed(seed, epoch, step + 1), firsts, alpha)
        first, second = (_read_windows(windows, indices) for indices in (firsts, seconds))
        mixed = _between(first, second, weights[:, :, tf.newaxis])
        inputs = {"first": first, "second": second, "mixed": mixed, "weight": weights}
        if labels is None:
            return (inputs,)
        classes = (one_hot(labels, indices // windows.per_clip) for indices in (firsts, seconds))
        return inputs, {"section": _between(*classes, weights)}

    return read_ahead(tf.data.Dataset.range(first_epoch, epochs).flat_map(epoch_steps), batch)


def in_parts(batches, num_parts):
    """Each batch as several smaller ones, for training that sums up their gradients.

    What is drawn for a batch does not depend on the number of its parts.

    Args:
        batches: `tf.data.Dataset` of whole batches.
        num_parts: int that divides the size of every batch.

    Returns:
        `tf.data.Dataset` of `num_parts` times as many.
    """

    def parts(*batch):
        split = tf.nest.map_structure(
            lambda each: tf.reshape(each, [num_parts, -1, *each.shape[1:]]), batch
        )
        return tf.data.Dataset.from_tensor_slices(split)

    return batches if num_parts == 1 else batches.flat_map(parts)


def held_out_batches(windows, holdout, labels, *, batch_size, as_vectors):
    """Batches of the windows that training leaves out, always in the same order.

    Args:
        windows: see `window_batches`.
        holdout: `Holdout`. `last`: the order is that of the clips; `random`: as drawn.
        labels: `Labels` of the clips, or None.
        batch_size: int.
        as_vectors: bool, see `window_batches`.

    Returns:
        `tf.data.Dataset` that ends after all windows; elements as in `window_batches`.

    Raises:
        ValueError: if nothing is held out, or nothing is left to train with.
    """
    rest = _in_order_of_training(windows, holdout)[num_training_windows(windows, holdout) :]
    if len(rest) == 0:
        raise ValueError(
            "there are no windows held out. Received: "
            f"fraction={holdout.fraction} of {len(windows)} windows. Train without validation."
        )

    def batch(indices):
        return _window_batch(windows, indices, labels, as_vectors)

    return read_ahead(_slices(rest, batch_size), batch)


def shuffled_steps(num_clips, batch_size, seed, first_epoch, epochs):
    """Which clips each batch has, every clip once an epoch in an order of its own.

    The order derives from (seed, epoch) alone. The last, smaller batch is kept.

    Args:
        num_clips: int.
        batch_size: int.
        seed: int.
        first_epoch: int, from 0.
        epochs: int, total; the steps end after epoch number `epochs - 1`.

    Returns:
        `tf.data.Dataset` of (epoch, step, positions), int64; step from 0 in each epoch,
        positions `(batch,)`.
    """

    def epoch_steps(epoch):
        order = tf.random.experimental.stateless_shuffle(
            tf.range(num_clips, dtype=tf.int64), folded_seed(seed, epoch, 0)
        )
        steps = tf.data.Dataset.from_tensor_slices(order).batch(batch_size).enumerate()
        return steps.map(lambda step, positions: (epoch, step, positions))

    return tf.data.Dataset.range(first_epoch, epochs).flat_map(epoch_steps)


def read_ahead(steps, batch):
    """The batches that `batch` makes of the steps, in their order, several at once."""
    batches = steps.map(batch, num_parallel_calls=_READERS, deterministic=True)
    return batches.prefetch(_READ_AHEAD)


def folded_seed(seed, epoch, number):
    """Seed of one stateless draw: 0 is for the order of an epoch, `step + 1` for a step."""
    epoch_seed = tf.stack([tf.constant(seed, tf.int64), epoch])
    return tf.random.experimental.stateless_fold_in(epoch_seed, number)


def split_seed(seed, count):
    """As many seeds of independent draws."""
    return tf.random.split(seed, count)


def draw_integers(seed, positions, bound):
    """A number in `[0, bound)` for each position, int64 `(batch,)`."""
    return tf.random.stateless_uniform(
        tf.shape(positions), seed, minval=0, maxval=bound, dtype=tf.int64
    )


def draw_one_of(seed, numbers):
    """One of several int, each as likely as the others."""
    which = tf.random.stateless_uniform([], seed, maxval=len(numbers), dtype=tf.int32)
    return tf.constant(numbers)[which]


def draw_orders(seed, positions, length):
    """The numbers below `length` in a random order for each position, int32 `(batch, length)`."""
    return tf.argsort(tf.random.stateless_uniform([tf.size(positions), length], seed))


def draw_normal(seed, positions, dim):
    """Standard normal numbers for each position, float32 `(batch, dim)`."""
    return tf.random.stateless_normal([tf.size(positions), dim], seed)


def draw_uniform(seed, positions, lowest=0.0, highest=1.0):
    """A number in `[lowest, highest)` for each position, float32 `(batch, 1)`."""
    return tf.random.stateless_uniform([tf.size(positions), 1], seed, lowest, highest)


def beta_weights(seed, positions, alpha):
    """A draw from Beta(alpha, alpha) for each position, float32 `(batch, 1)`.

    `check_alpha` tells which alpha it can be.
    """
    # A draw is at least the smallest number of its type. At the smallest alpha and in float32
    # both would be that in one pair of 6000, whose weight would then be 1/2.
    shape = [2, tf.size(positions), 1]
    draws = tf.random.stateless_gamma(shape, seed, tf.constant(alpha, tf.float64), dtype=tf.float64)
    return tf.cast(draws[0] / (draws[0] + draws[1]), tf.float32)


def check_alpha(alpha):
    """Refuse a Beta(alpha, alpha) that cannot be drawn from.

    Raises:
        ValueError: if alpha is too small or not finite.
    """
    if not _SMALLEST_ALPHA <= alpha < math.inf:
        raise ValueError(
            f"`alpha` must be finite and at least {_SMALLEST_ALPHA}, for below it draws are too "
            f"small for float64. Received: alpha={alpha}"
        )


def counted(first, stop):
    """The numbers `[first, stop)`, one by one: `tf.data.Dataset` of int64."""
    return tf.data.Dataset.range(first, stop)


def shuffled(numbers, seed):
    """The numbers in an order that derives from the seed alone, int64."""
    return tf.random.experimental.stateless_shuffle(tf.constant(numbers, tf.int64), seed)


def side_by_side(*datasets):
    """Tuples of the elements of several `tf.data.Dataset`, until the first of them ends."""
    return tf.data.Dataset.zip(*datasets)


def read_arrays(read, arguments, shape):
    """What a function of NumPy arrays reads, float32 `(batch, *shape)`.

    Without state, so that repeatable operations, too, read several batches at once.

    Args:
        read: from arrays to a new float32 array; called by several threads at once.
        arguments: list of tensors.
        shape: of one item.
    """
    values = tf.numpy_function(read, arguments, tf.float32, stateful=False)
    return tf.ensure_shape(values, (None, *shape))


def one_hot(labels, positions):
    """Classes of some clips, float32 `(batch, classes)`; zeros where a clip has none."""
    return tf.one_hot(tf.gather(labels.indices, positions), len(labels.classes))


@contextlib.contextmanager
def own_errors():
    """Inside, a DataError that TensorFlow wrapped comes out as itself.

    Raises:
        DataError: if clips could not be read while batches were made.
    """
    try:
        yield
    except tf.errors.UnknownError as error:
        told = re.search(r"DataError: (.*?)(?:\nTraceback|\Z)", error.message, re.DOTALL)
        if told is None:
            raise
        raise DataError(told[1]) from None


def _in_order_of_training(windows, holdout):
    """All windows, int64; training has the first ones."""
    indices = tf.range(len(windows), dtype=tf.int64)
    if holdout.which == "last":
        return indices
    # The 1 keeps this draw apart from the order of an epoch under the same seed.
    seed = folded_seed(holdout.seed, tf.constant(0, tf.int64), 1)
    return tf.random.experimental.stateless_shuffle(indices, seed)


def _slices(order, batch_size):
    """The order, batch by batch; faster than element by element for a million of them."""
    starts = tf.data.Dataset.range(0, tf.size(order, tf.int64), batch_size)
    return starts.map(lambda start: order[start : start + batch_size])


def _num_met(count, batch_size, drop_remainder):
    """Of how many windows an epoch has batches.

    Raises:
        ValueError: if it has none.
    """
    if not drop_remainder:
        return count
    if count < batch_size:
        raise ValueError(
            "an epoch needs at least one whole batch if smaller ones are left out. Received: "
            f"batch_size={batch_size}, more than the {count} windows. Take smaller batches."
        )
    return count // batch_size * batch_size


def _window_batch(windows, indices, labels, as_vectors):
    values = _read_windows(windows, indices, as_vectors)
    if labels is None:
        return values, values
    return values, one_hot(labels, indices // windows.per_clip)


def _read_windows(windows, indices, as_vectors=False):
    shape = (windows.num_frames, windows.store.num_bands)
    shape = (math.prod(shape),) if as_vectors else shape

    def read(indices):
        return windows.read(indices).reshape(-1, *shape)

    return read_arrays(read, [indices], shape)


def _check_pairs(windows, alpha, groups):
    check_alpha(alpha)
    if groups is not None and len(groups) * windows.per_clip != len(windows):
        raise ValueError(
            "`groups` must have one number per clip. Received: "
            f"{len(groups)} numbers for {len(windows)} windows, {windows.per_clip} of each clip"
        )


def _orders_of_pairs(windows, groups, seed):
    """Which windows are first, and which second, in an epoch; two int64 `(windows,)`."""
    indices = tf.range(len(windows), dtype=tf.int64)
    firsts, seconds = (
        tf.random.experimental.stateless_shuffle(indices, each)
        for each in tf.unstack(split_seed(seed, 2))
    )
    if groups is None:
        return firsts, seconds
    # The n-th first window of a group goes with the n-th second window of the group.
    by_group = [
        tf.argsort(tf.gather(groups, order // windows.per_clip)) for order in (firsts, seconds)
    ]
    places = tf.math.invert_permutation(by_group[0])
    return firsts, tf.gather(seconds, tf.gather(by_group[1], places))


def _between(first, second, weights):
    return weights * first + (1.0 - weights) * second


def _waveforms(clips, clip_length, keep, positions, *weights):
    """Waveforms `(batch, clip_length)`, mixed if there are weights."""

    def read(positions, *weights):
        waveforms = clips.read(positions, clip_length, keep)
        if weights:
            _mix_in_place(waveforms, *weights)
        return waveforms

    return read_arrays(read, [positions, *weights], (clip_length,))


def _mix_in_place(waveforms, weights):
    # In NumPy: TensorFlow takes ten times as long to reverse a batch of waveforms.
    for start in range(0, waveforms.shape[1], _MIXED_LENGTH):
        part = waveforms[:, start : start + _MIXED_LENGTH]
        part[:] = mix(part, weights)
