"""Batches of windows of which a random part of the points is known."""

import math

import tensorflow as tf

from asdkeras.batches.steps import read_ahead, read_arrays, shuffled_steps


def context_batches(windows, context_fractions, noise_dim, schedule):
    """One random window of every clip in each epoch, and the points a network may know of it.

    The fraction of known points is drawn once per batch, so that there are only as many shapes
    as fractions; which points, for each window.

    Args:
        windows: with a hop of 1 frame, see `window_batches`.
        context_fractions: floats in (0, 1), shares of the points that may be known, all equally
            probable.
        noise_dim: random numbers beside a window.
        schedule: `Schedule` in epochs.

    Returns:
        `tf.data.Dataset` of dicts: `window` float32 `(batch, frames, bands)`; `context`
        int32 `(batch, known)`, numbers of the known points, frame after frame, none twice;
        `noise` float32 `(batch, noise_dim)`, standard normal.
    """
    num_points = math.prod(windows.shape)
    sizes = tf.constant([num_known(each, num_points) for each in context_fractions])

    def batch(seed, clips):
        seeds = tf.random.split(seed, 4)
        starts = tf.random.stateless_uniform(
            tf.shape(clips), seeds[0], maxval=windows.per_clip, dtype=tf.int64
        )
        which = tf.random.stateless_uniform([], seeds[1], maxval=len(sizes), dtype=tf.int32)
        order = tf.argsort(tf.random.stateless_uniform([tf.size(clips), num_points], seeds[2]))
        indices = clips * windows.per_clip + starts
        return {
            "window": read_arrays(windows.read, [indices], windows.shape),
            "context": order[:, : sizes[which]],
            "noise": tf.random.stateless_normal([tf.size(clips), noise_dim], seeds[3]),
        }

    return read_ahead(shuffled_steps(len(windows) // windows.per_clip, schedule), batch)


def num_known(fraction, num_points):
    """A fraction in (0, 1) of `num_points`, 2 or more, rounded; never none and never all."""
    return min(max(round(fraction * num_points), 1), num_points - 1)
