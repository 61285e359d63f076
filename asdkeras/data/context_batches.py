"""Batches of windows, of whose points a random part is known, as tf.data."""

import tensorflow as tf

from asdkeras.data.pipeline import folded_seed, read_ahead, shuffled_steps


def context_batches(
    windows, context_fractions, noise_dim, *, batch_size, seed, first_epoch, epochs
):
    """One random window of every clip in each epoch, and the points a network may know of it.

    Every draw derives from (seed, epoch, step) alone: a resumed training meets the batches
    it would have met. The fraction of known points is drawn once per batch, so that there
    are only as many shapes as fractions; which points, for each window. The last, smaller
    batch of an epoch is kept.

    Args:
        windows: `Windows` with a hop of 1 frame, or any object with `__len__`, `per_clip`,
            `num_frames`, `store.num_bands` and a `read(indices)` that several threads may
            call at once.
        context_fractions: floats in (0, 1), shares of the points that may be known, one as
            likely as the other.
        noise_dim: int, random numbers that a window comes with.
        batch_size: int.
        seed: int.
        first_epoch: int, from 0.
        epochs: int, total; the batches end after epoch number `epochs - 1`.

    Returns:
        `tf.data.Dataset` of dicts: `window` float32 `(batch, frames, bands)`; `context`
        int32 `(batch, known)`, numbers of the known points, frame after frame, none twice;
        `noise` float32 `(batch, noise_dim)`, standard normal.
    """
    shape = (windows.num_frames, windows.store.num_bands)
    num_points = shape[0] * shape[1]
    num_clips = len(windows) // windows.per_clip
    sizes = tf.constant([num_known(each, num_points) for each in context_fractions])

    def batch(epoch, step, clips):
        seeds = tf.random.split(folded_seed(seed, epoch, step + 1), 4)
        count = tf.size(clips)
        starts = tf.random.stateless_uniform(
            [count], seeds[0], maxval=windows.per_clip, dtype=tf.int64
        )
        which = tf.random.stateless_uniform([], seeds[1], maxval=len(sizes), dtype=tf.int32)
        order = tf.argsort(tf.random.stateless_uniform([count, num_points], seeds[2]))
        return {
            "window": _read(windows, clips * windows.per_clip + starts, shape),
            "context": order[:, : sizes[which]],
            "noise": tf.random.stateless_normal([count, noise_dim], seeds[3]),
        }

    return read_ahead(shuffled_steps(num_clips, batch_size, seed, first_epoch, epochs), batch)


def num_known(fraction, num_points):
    """How many points a fraction of them are, rounded; never none and never all.

    Args:
        fraction: float in (0, 1).
        num_points: int, at least 2.

    Returns:
        int in `[1, num_points - 1]`.
    """
    return min(max(round(fraction * num_points), 1), num_points - 1)


def _read(windows, indices, shape):
    values = tf.numpy_function(windows.read, [indices], tf.float32, stateful=False)
    return tf.ensure_shape(values, (None, *shape))
