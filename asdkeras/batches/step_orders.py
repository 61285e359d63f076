"""Orders for trainings that count steps: shuffled passes one behind the other.

Where batches are put together of several kinds of clips, there is no epoch: three target clips
are through long before a thousand source clips. So every kind has an endless order of its own,
and a training is as many steps as it is told.
"""

import numpy as np

from asdkeras.batches import pipeline


def endless_positions(candidates, batch_size, seed, stream, first_step, steps):
    """The candidates in shuffled passes without a gap, batch by batch.

    A batch may hold the end of one pass and the beginning of the next, so with fewer
    candidates than its size one may stand in it several times. The order of a pass derives
    from (seed, stream, number of the pass) alone; what lies before `first_step` is counted
    and not drawn, so a resumed training meets what it would have met.

    Args:
        candidates: int `(candidates,)`, at least one; positions of clips.
        batch_size: int, of these positions.
        seed: int.
        stream: int, tells apart orders with the same seed.
        first_step: int, from 0.
        steps: int, total; the last step is number `steps - 1`.

    Returns:
        `tf.data.Dataset` of (step, positions), int64; positions `(batch_size,)`.

    Raises:
        ValueError: if there are no candidates, or `batch_size` is below 1.
    """
    candidates = np.asarray(candidates, np.int64)
    if candidates.ndim != 1 or len(candidates) == 0 or batch_size < 1:
        raise ValueError(
            "an order needs a list of at least one candidate, and batches of at least one. "
            f"Received: candidates of shape {candidates.shape}, batch_size={batch_size}"
        )
    first_pass, num_met = divmod(first_step * batch_size, len(candidates))
    num_passes = -(-steps * batch_size // len(candidates))

    def order(number):
        return pipeline.shuffled(candidates, pipeline.folded_seed(seed, stream, number))

    positions = pipeline.counted(first_pass, num_passes).map(order).unbatch().skip(num_met)
    batches = positions.batch(batch_size, drop_remainder=True)
    return pipeline.side_by_side(pipeline.counted(first_step, steps), batches)
