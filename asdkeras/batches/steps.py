"""Common parts of all batches: which clips each step has, in what order, and how they are read.

Where batches are put together of several kinds of clips, there is no epoch: three target clips
are through long before a thousand source clips. So every kind has an endless order of its own,
and the training counts steps.
"""

import contextlib
import dataclasses
import os
import re

import numpy as np
import tensorflow as tf

from asdkeras.errors import DataError

_READ_AHEAD = 2  # Batches; more only costs memory.
_READERS = min(4, os.cpu_count() or 1)  # Batches read at once, each by a thread of its own.

as_written = tf.autograph.experimental.do_not_convert
"""Around every function that a dataset takes: AutoGraph leaves files of those it translates."""


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Which batches of a training are made.

    Orders and draws derive from the seed and the numbers of epoch and step alone, so a training
    that goes on at `first` gets the batches it would have got.

    Attributes:
        first: number of the first epoch or, where a training counts steps, step; from 0.
        last: epochs or steps in all: the last one is number `last - 1`.
    """

    batch_size: int
    seed: int
    first: int
    last: int


def epoch_steps(orders, schedule):
    """The steps of a training that counts epochs; the last, smaller batch of an epoch is kept.

    Args:
        orders: from a seed to the orders of an epoch, a list of int64 tensors of one length; a
            batch has the same places of each.
        schedule: `Schedule` in epochs.

    Returns:
        `tf.data.Dataset` of (seed, *indices): the seed of the draws of the step, and int64
        `(batch,)` of each order.
    """

    @as_written
    def steps(epoch):
        batches = (
            slices(order, schedule.batch_size)
            for order in orders(folded_seed(schedule.seed, epoch, 0))
        )
        numbered = tf.data.Dataset.zip(tuple(batches)).enumerate()
        return numbered.map(
            as_written(
                lambda step, indices: (folded_seed(schedule.seed, epoch, step + 1), *indices)
            )
        )

    return tf.data.Dataset.range(schedule.first, schedule.last).flat_map(steps)


def shuffled_steps(num_clips, schedule):
    """`epoch_steps` of all clips, every clip once an epoch in an order of its own."""
    positions = tf.range(num_clips, dtype=tf.int64)
    return epoch_steps(lambda seed: [shuffled(positions, seed)], schedule)


def endless_positions(candidates, schedule, stream=0):
    """The candidates in shuffled passes without a gap, batch by batch.

    A batch may hold the end of one pass and the beginning of the next, so with fewer
    candidates than its size one may stand in it several times. The order of a pass derives
    from (seed, stream, number of the pass) alone; passes before the first step are counted
    and not drawn.

    Args:
        candidates: int `(candidates,)`, at least one; positions of clips.
        schedule: `Schedule` in steps.
        stream: int, number of an order among those with the same seed.

    Returns:
        `tf.data.Dataset` of (step, positions), int64; positions `(batch_size,)`.

    Raises:
        ValueError: if there are no candidates, or the batch size is below 1.
    """
    candidates, batch_size = np.asarray(candidates, np.int64), schedule.batch_size
    if candidates.ndim != 1 or len(candidates) == 0 or batch_size < 1:
        raise ValueError(
            "an order needs a list of at least one candidate, and batches of at least one. "
            f"Received: candidates of shape {candidates.shape}, batch_size={batch_size}"
        )
    first_pass, num_met = divmod(schedule.first * batch_size, len(candidates))
    num_passes = -(-schedule.last * batch_size // len(candidates))

    @as_written
    def order(number):
        return shuffled(tf.constant(candidates), folded_seed(schedule.seed, stream, number))

    positions = tf.data.Dataset.range(first_pass, num_passes).map(order).unbatch().skip(num_met)
    batches = positions.batch(batch_size, drop_remainder=True)
    return tf.data.Dataset.zip(tf.data.Dataset.range(schedule.first, schedule.last), batches)


def slices(order, batch_size):
    """The order, batch by batch; faster than element by element for a million of them."""
    starts = tf.data.Dataset.range(0, tf.size(order, tf.int64), batch_size)
    return starts.map(as_written(lambda start: order[start : start + batch_size]))


def shuffled(values, seed):
    """The values in an order that derives from the seed alone."""
    # `index_shuffle` would need no memory, but keeps neighbors together, and of 65537 windows
    # it would lose one.
    return tf.random.experimental.stateless_shuffle(values, seed)


def folded_seed(seed, epoch, number):
    """Seed of one stateless draw: 0 is for the order of an epoch, `step + 1` for a step."""
    epoch_seed = tf.stack([tf.constant(seed, tf.int64), epoch])
    return tf.random.experimental.stateless_fold_in(epoch_seed, number)


def read_ahead(steps, batch):
    """The batches that `batch` makes of the steps, in their order, several at once."""
    batches = steps.map(as_written(batch), num_parallel_calls=_READERS, deterministic=True)
    return batches.prefetch(_READ_AHEAD)


def read_arrays(read, arguments, shape):
    """The result of a function of NumPy arrays, float32 `(batch, *shape)`.

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


def in_parts(batches, num_parts):
    """Each batch as `num_parts` smaller ones, for training that sums up their gradients.

    `num_parts` divides the size of every batch. What is drawn for a batch does not depend on it.
    """

    @as_written
    def parts(*batch):
        split = tf.nest.map_structure(
            lambda each: tf.reshape(each, [num_parts, -1, *each.shape[1:]]), batch
        )
        return tf.data.Dataset.from_tensor_slices(split)

    return batches if num_parts == 1 else batches.flat_map(parts)


@contextlib.contextmanager
def own_errors():
    """Inside, a DataError that TensorFlow wrapped comes out as itself."""
    try:
        yield
    except tf.errors.UnknownError as error:
        message = re.search(r"DataError: (.*?)(?:\nTraceback|\Z)", error.message, re.DOTALL)
        if message is None:
            raise
        raise DataError(message[1]) from None
