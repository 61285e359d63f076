"""Batches of whole sequences of frames, each with the section of its clip."""

from keras import ops

from asdkeras.batches import pipeline
from asdkeras.batches.step_orders import endless_positions


def sequence_batches(windows, sections, *, batch_size, seed, first_step, steps):
    """Whole clips in shuffled passes, as an autoencoder that knows the section takes them.

    All batches are of one size; see `endless_positions`. What comes at a step derives from
    (seed, step) alone, so a resumed training meets the batches it would have met.

    Args:
        windows: `Windows`, one per clip and as long as it, or any object with `__len__`,
            `num_frames`, `store.num_bands` and a `read(indices)` that several threads may
            call at once.
        sections: int `(clips,)`, the section of each clip, from 0.
        batch_size: int, clips.
        seed: int.
        first_step: int, from 0.
        steps: int, total; the batches end after step number `steps - 1`.

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
    shape = (windows.num_frames, windows.store.num_bands)
    sections = ops.convert_to_tensor(sections, "int32")

    def batch(step, clips):
        frames = pipeline.read_arrays(windows.read, [clips], shape)
        return {"frames": frames, "section": ops.take(sections, clips)}, frames

    orders = endless_positions(range(len(windows)), batch_size, seed, 0, first_step, steps)
    return pipeline.read_ahead(orders, batch)
