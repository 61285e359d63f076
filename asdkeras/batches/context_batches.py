"""Batches of windows, of whose points a random part is known, as tf.data."""

from asdkeras.batches import pipeline


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
    sizes = [num_known(each, num_points) for each in context_fractions]

    def batch(epoch, step, clips):
        seeds = pipeline.split_seed(pipeline.folded_seed(seed, epoch, step + 1), 4)
        starts = pipeline.draw_integers(seeds[0], clips, windows.per_clip)
        size = pipeline.draw_one_of(seeds[1], sizes)
        order = pipeline.draw_orders(seeds[2], clips, num_points)
        indices = clips * windows.per_clip + starts
        return {
            "window": pipeline.read_arrays(windows.read, [indices], shape),
            "context": order[:, :size],
            "noise": pipeline.draw_normal(seeds[3], clips, noise_dim),
        }

    return pipeline.read_ahead(
        pipeline.shuffled_steps(num_clips, batch_size, seed, first_epoch, epochs), batch
    )


def num_known(fraction, num_points):
    """How many points a fraction of them are, rounded; never none and never all.

    Args:
        fraction: float in (0, 1).
        num_points: int, at least 2.

    Returns:
        int in `[1, num_points - 1]`.
    """
    return min(max(round(fraction * num_points), 1), num_points - 1)
