"""Batches of random chunks of a few frames, cut from the waveforms before any transform.

A chunk of 32 frames needs a ninth of the samples of a clip of 10 s, so reading and transforming
the piece is cheaper than reading the clip, and much smaller than keeping its spectrogram.
"""

from keras import ops

from asdkeras.batches import pipeline


def chunk_batches(
    clips,
    clip_length,
    keep,
    labels,
    *,
    window_length,
    hop_length,
    num_frames,
    pad_mode,
    batch_size,
    seed,
    first_epoch,
    epochs,
):
    """Batches of one random chunk of each clip and epoch, otherwise like `training_batches`.

    A chunk is `num_frames` consecutive frames of the clip's spectrogram whose frames are
    centered on the hops, every one of its chunks as probable as the others. What comes is
    the piece of waveform whose spectrogram without padding has these frames: frame t covers
    the samples from `t * hop_length - window_length // 2` on.

    Args:
        clips: object with `__len__` and `read_chunks(positions, first_samples, num_samples,
            clip_length, keep, pad_mode)`, otherwise as for `training_batches`.
        clip_length: int, samples.
        keep: `start` or `end`, which part of a longer clip is heard.
        labels: name -> `Labels` of the clips; an index of -1 says that it is unknown.
        window_length: int, samples of a frame.
        hop_length: int, samples from frame to frame.
        num_frames: int, of a chunk.
        pad_mode: `constant` or `reflect`, what lies beyond the ends of a clip.
        batch_size: int.
        seed: int.
        first_epoch: int, from 0.
        epochs: int, total; the batches end after epoch number `epochs - 1`.

    Returns:
        `tf.data.Dataset` of (x, y, weights): x float32
        `(batch, (num_frames - 1) * hop_length + window_length)`; y[name] the class, one-hot
        `(batch, classes)`, zeros where unknown; weights[name] `(batch,)`, 1 where it is
        known and 0 where not.

    Raises:
        ValueError: if a clip has fewer frames than a chunk.
    """
    num_chunks = 1 + clip_length // hop_length - num_frames + 1
    if num_chunks < 1:
        raise ValueError(
            f"a chunk needs {num_frames} frames. Received: clip_length={clip_length}, which has "
            f"{1 + clip_length // hop_length} with hop_length={hop_length}. Use longer clips."
        )
    num_samples = (num_frames - 1) * hop_length + window_length

    def read(positions, starts):
        firsts = starts * hop_length - window_length // 2
        return clips.read_chunks(positions, firsts, num_samples, clip_length, keep, pad_mode)

    def batch(epoch, step, positions):
        step_seed = pipeline.folded_seed(seed, epoch, step + 1)
        starts = pipeline.draw_integers(step_seed, positions, num_chunks)
        chunks = pipeline.read_arrays(read, [positions, starts], (num_samples,))
        one_hot = {name: pipeline.one_hot(each, positions) for name, each in labels.items()}
        known = {name: ops.sum(each, axis=1) for name, each in one_hot.items()}
        return chunks, one_hot, known

    return pipeline.read_ahead(
        pipeline.shuffled_steps(len(clips), batch_size, seed, first_epoch, epochs), batch
    )
