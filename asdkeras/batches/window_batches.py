"""Batches of windows of frames, each window by itself."""

import dataclasses
import math
from typing import Literal

import tensorflow as tf

from asdkeras.batches.steps import (
    endless_positions,
    epoch_steps,
    folded_seed,
    one_hot,
    read_ahead,
    read_arrays,
    shuffled,
    slices,
)


@dataclasses.dataclass(frozen=True)
class Holdout:
    """Which windows are kept from training, to watch the loss on them.

    Training has the first `int(floor(windows * (1 - fraction)))` windows, the number that
    Keras takes for `validation_split`.

    Attributes:
        fraction: in [0, 1); 0 holds out nothing.
        which: `last` holds out the last windows in the order of the clips, as Keras does;
            `random` as many, drawn from all windows.
        seed: of the draw; read for `random` alone.
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


def num_training_windows(windows, holdout):
    """The number of windows that training has; a ValueError if nothing is left to train with."""
    count = math.floor(len(windows) * (1.0 - holdout.fraction))
    if count < 1:
        raise ValueError(
            "training needs at least one window. Received: "
            f"fraction={holdout.fraction} held out of {len(windows)} windows. Hold out less."
        )
    return count


def num_in_batches(count, batch_size, drop_remainder):
    """The number of windows of an epoch that are in its batches; a ValueError if none are."""
    if not drop_remainder:
        return count
    if count < batch_size:
        raise ValueError(
            "an epoch needs at least one whole batch if smaller ones are left out. Received: "
            f"batch_size={batch_size}, more than the {count} windows. Take smaller batches."
        )
    return count // batch_size * batch_size


def window_batches(windows, holdout, labels, schedule, drop_remainder=False):
    """Batches of all training windows, in a new order each epoch.

    Each order is a shuffle of all windows and not of those at hand. It takes 16 bytes of
    memory per window; of the windows themselves only those of a few batches are in memory.

    Args:
        windows: `Windows`, or any object with `__len__`, `per_clip`, `shape` and a
            `read(indices)` that several threads may call at once.
        holdout: `Holdout`.
        labels: `Labels` of the clips, or None.
        schedule: `Schedule` in epochs.
        drop_remainder: bool, whether the last, smaller batch of an epoch is left out, for
            losses that need the statistics of a whole batch.

    Returns:
        `tf.data.Dataset` of (x, y): x float32 `(batch, *windows.shape)`; y the class of the
        window's clip, one-hot `(batch, classes)`, or x again if there are no labels, for an
        autoencoder.

    Raises:
        ValueError: if nothing is left to train with.
    """
    count = num_training_windows(windows, holdout)
    num_met = num_in_batches(count, schedule.batch_size, drop_remainder)
    candidates = _in_order_of_training(windows, holdout)[:count]

    steps = epoch_steps(lambda seed: [shuffled(candidates, seed)[:num_met]], schedule)
    return read_ahead(steps, lambda _, indices: _window_batch(windows, indices, labels))


def held_out_batches(windows, holdout, labels, batch_size):
    """Batches of the windows that training leaves out, once and always in the same order.

    Returns:
        `tf.data.Dataset`, elements as in `window_batches`; None if nothing is held out.
    """
    rest = _in_order_of_training(windows, holdout)[num_training_windows(windows, holdout) :]
    if len(rest) == 0:
        return None
    return read_ahead(
        slices(rest, batch_size), lambda indices: _window_batch(windows, indices, labels)
    )


def sequence_batches(windows, sections, schedule):
    """Whole clips in shuffled passes, for an autoencoder that is given the section.

    All batches are of one size; see `endless_positions`.

    Args:
        windows: one per clip and as long as it, see `window_batches`.
        sections: int `(clips,)`, the section of each clip, from 0.
        schedule: `Schedule` in steps.

    Returns:
        `tf.data.Dataset` of (inputs, frames): inputs `frames` float32
        `(batch, frames, bands)` and `section` int32 `(batch,)`; the second `frames` are the
        same, what is to be reconstructed.

    Raises:
        ValueError: if there is not one window per section, or no clip.
    """
    if len(windows) != len(sections):
        raise ValueError(
            "every clip needs one section and one window as long as it. Received: "
            f"{len(sections)} sections, {len(windows)} windows"
        )
    sections = tf.constant(sections, tf.int32)

    def batch(step, clips):
        frames = read_arrays(windows.read, [clips], windows.shape)
        return {"frames": frames, "section": tf.gather(sections, clips)}, frames

    return read_ahead(endless_positions(range(len(windows)), schedule), batch)


def _in_order_of_training(windows, holdout):
    """All windows, int64; training has the first ones."""
    indices = tf.range(len(windows), dtype=tf.int64)
    if holdout.which == "last":
        return indices
    # The 1 keeps this draw apart from the order of an epoch under the same seed.
    seed = folded_seed(holdout.seed, tf.constant(0, tf.int64), 1)
    return shuffled(indices, seed)


def _window_batch(windows, indices, labels):
    values = read_arrays(windows.read, [indices], windows.shape)
    if labels is None:
        return values, values
    return values, one_hot(labels, indices // windows.per_clip)
