"""Batches of waveforms for training and for representing, as tf.data."""

import dataclasses
from typing import Literal

import tensorflow as tf

from asdkeras.data.mixup import applied_weights, mix, mix_labels

_READ_AHEAD = 2  # Batches; more only costs memory.


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
        clips: object with `__len__` and `read(positions, clip_length, keep)`.
        clip_length: int, samples.
        keep: `start` or `end`, which part of a longer clip is heard.
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

    def epoch_batches(epoch):
        epoch_seed = tf.stack([tf.constant(seed, tf.int64), epoch])
        order = tf.random.experimental.stateless_shuffle(
            tf.range(len(clips), dtype=tf.int64),
            tf.random.experimental.stateless_fold_in(epoch_seed, 0),
        )
        positions = tf.data.Dataset.from_tensor_slices(order).batch(batch_size)

        def batch(step, positions):
            step_seed = tf.random.experimental.stateless_fold_in(epoch_seed, step + 1)
            return _mixed_batch(
                _waveforms(clips, positions, clip_length, keep),
                {name: _one_hot(each, positions) for name, each in labels.items()},
                mixup,
                step_seed,
            )

        return positions.enumerate().map(batch)

    return tf.data.Dataset.range(first_epoch, epochs).flat_map(epoch_batches).prefetch(_READ_AHEAD)


def inference_batches(clips, clip_length, keep, batch_size):
    """All clips in order: `tf.data.Dataset` of waveforms `(batch, clip_length)`."""
    positions = tf.data.Dataset.range(len(clips)).batch(batch_size)
    return positions.map(lambda p: _waveforms(clips, p, clip_length, keep)).prefetch(_READ_AHEAD)


def _mixed_batch(waveforms, labels, mixup, seed):
    draws = tf.random.stateless_uniform([2, tf.shape(waveforms)[0], 1], seed)
    weights = applied_weights(draws[0], draws[1], mixup.probability)
    mixed = {name: mix_labels(each, weights, mixup.labels) for name, each in labels.items()}
    inputs = {f"{name}_label": each for name, each in mixed.items()}
    if mixup.on == "waveform":
        waveforms, weights = mix(waveforms, weights), tf.ones_like(weights)
    return {"waveform": waveforms, "weight": weights, **inputs}, mixed


def _waveforms(clips, positions, clip_length, keep):
    waveforms = tf.numpy_function(
        lambda p: clips.read(p, clip_length, keep), [positions], tf.float32
    )
    return tf.ensure_shape(waveforms, (None, clip_length))


def _one_hot(labels, positions):
    return tf.one_hot(tf.gather(labels.indices, positions), len(labels.classes))
