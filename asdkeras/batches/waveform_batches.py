"""Batches of the waveforms of whole clips."""

import tensorflow as tf

from asdkeras.batches.mixup import applied_weights, mix, mix_labels
from asdkeras.batches.steps import one_hot, read_ahead, read_arrays, shuffled_steps

_MIXED_LENGTH = 4096  # Samples of each clip mixed at once: the arrays between stay in the cache.


def training_batches(clips, clip_length, keep, labels, mixup, schedule):
    """Batches of all clips in a new order each epoch, mixed with themselves.

    Args:
        clips: object with `__len__` and `read(positions, clip_length, keep)`, which returns
            a new array and may be called by several threads at once.
        clip_length: int, samples.
        keep: `start`, `end` or `random`, which part of a longer clip is used.
        labels: name -> `Labels` of the clips.
        mixup: `Mixup`.
        schedule: `Schedule` in epochs.

    Returns:
        `tf.data.Dataset` of (inputs, targets): inputs `waveform` `(batch, clip_length)`,
        `weight` `(batch, 1)` and `<name>_label` `(batch, classes)`; targets `<name>`
        `(batch, classes)`, equal to the label inputs.
    """

    def batch(seed, positions):
        clean = {name: one_hot(each, positions) for name, each in labels.items()}
        draws = tf.random.stateless_uniform([2, tf.size(positions), 1], seed)
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

    return read_ahead(shuffled_steps(len(clips), schedule), batch)


def inference_batches(clips, clip_length, keep, batch_size):
    """All clips in order: `tf.data.Dataset` of waveforms `(batch, clip_length)`."""
    positions = tf.data.Dataset.range(len(clips)).batch(batch_size)
    return read_ahead(positions, lambda p: _waveforms(clips, clip_length, keep, p))


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
