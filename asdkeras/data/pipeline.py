"""Batches of waveforms for training and for representing, as tf.data."""

import contextlib
import dataclasses
import os
import re
from typing import Literal

import tensorflow as tf

from asdkeras.data.mixup import applied_weights, mix, mix_labels
from asdkeras.errors import DataError

_READ_AHEAD = 2  # Batches; more only costs memory.
_READERS = min(4, os.cpu_count() or 1)  # Batches read at once, each by a thread of its own.
_MIXED_LENGTH = 4096  # Samples of each clip mixed at once: the arrays between stay in the cache.


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

    def epoch_steps(epoch):
        order = tf.random.experimental.stateless_shuffle(
            tf.range(len(clips), dtype=tf.int64), _folded(seed, epoch, 0)
        )
        steps = tf.data.Dataset.from_tensor_slices(order).batch(batch_size).enumerate()
        return steps.map(lambda step, positions: (epoch, step, positions))

    def batch(epoch, step, positions):
        one_hot = {name: _one_hot(each, positions) for name, each in labels.items()}
        draws = tf.random.stateless_uniform(
            [2, tf.size(positions), 1], _folded(seed, epoch, step + 1)
        )
        weights = applied_weights(draws[0], draws[1], mixup.probability)
        mixed = {name: mix_labels(each, weights, mixup.labels) for name, each in one_hot.items()}
        inputs = {f"{name}_label": each for name, each in mixed.items()}
        if mixup.on == "waveform":
            inputs["waveform"] = _waveforms(clips, clip_length, keep, positions, weights)
            inputs["weight"] = tf.ones_like(weights)
        else:
            inputs["waveform"] = _waveforms(clips, clip_length, keep, positions)
            inputs["weight"] = weights
        return inputs, mixed

    steps = tf.data.Dataset.range(first_epoch, epochs).flat_map(epoch_steps)
    return _read_ahead(steps, batch)


def inference_batches(clips, clip_length, keep, batch_size):
    """All clips in order: `tf.data.Dataset` of waveforms `(batch, clip_length)`."""
    positions = tf.data.Dataset.range(len(clips)).batch(batch_size)
    return _read_ahead(positions, lambda p: _waveforms(clips, clip_length, keep, p))


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


def _read_ahead(steps, batch):
    batches = steps.map(batch, num_parallel_calls=_READERS, deterministic=True)
    return batches.prefetch(_READ_AHEAD)


def _folded(seed, epoch, number):
    epoch_seed = tf.stack([tf.constant(seed, tf.int64), epoch])
    return tf.random.experimental.stateless_fold_in(epoch_seed, number)


def _waveforms(clips, clip_length, keep, positions, *weights):
    """Waveforms `(batch, clip_length)`, mixed if there are weights."""

    def read(positions, *weights):
        waveforms = clips.read(positions, clip_length, keep)
        if weights:
            _mix_in_place(waveforms, *weights)
        return waveforms

    # Without state, so that repeatable operations, too, read several batches at once.
    waveforms = tf.numpy_function(read, [positions, *weights], tf.float32, stateful=False)
    return tf.ensure_shape(waveforms, (None, clip_length))


def _mix_in_place(waveforms, weights):
    # In NumPy: TensorFlow takes ten times as long to reverse a batch of waveforms.
    for start in range(0, waveforms.shape[1], _MIXED_LENGTH):
        part = waveforms[:, start : start + _MIXED_LENGTH]
        part[:] = mix(part, weights)


def _one_hot(labels, positions):
    return tf.one_hot(tf.gather(labels.indices, positions), len(labels.classes))
