"""Batches of random chunks of a few frames, cut from the waveforms before any transform.

A chunk of 32 frames needs a ninth of the samples of a clip of 10 s, so reading and transforming
the piece is cheaper than reading the clip, and much smaller than keeping its spectrogram.
"""

import dataclasses
from typing import Literal

import tensorflow as tf

from asdkeras.batches.steps import one_hot, read_ahead, read_arrays, shuffled_steps


@dataclasses.dataclass(frozen=True)
class Crop:
    """Neighboring frames of a clip's spectrogram, whose frames are centered on the hops.

    What is cropped is the piece of waveform whose spectrogram without padding has these
    frames: frame t covers the samples from `t * hop_length - window_length // 2` on.

    Attributes:
        window_length: samples of a frame.
        hop_length: samples from frame to frame.
        pad_mode: what lies beyond the ends of a clip.
    """

    window_length: int
    hop_length: int
    num_frames: int
    pad_mode: Literal["constant", "reflect"]

    @property
    def num_samples(self):
        """Samples of the piece of waveform."""
        return (self.num_frames - 1) * self.hop_length + self.window_length

    def num_places(self, clip_length):
        """The number of crops of a clip; a ValueError if it has none."""
        num_frames = 1 + clip_length // self.hop_length
        if num_frames < self.num_frames:
            raise ValueError(
                f"a crop needs {self.num_frames} frames. Received: clip_length={clip_length}, "
                f"which has {num_frames} with hop_length={self.hop_length}. Use longer clips."
            )
        return num_frames - self.num_frames + 1

    def first_samples(self, places):
        """First samples, counted from that of the clip, of crops that begin with these frames."""
        return places * self.hop_length - self.window_length // 2


def chunk_batches(clips, clip_length, keep, labels, crop, schedule):
    """Batches of one random crop of each clip and epoch, otherwise like `training_batches`.

    Args:
        clips: object with `__len__` and `read_chunks(positions, first_samples, num_samples,
            clip_length, keep, pad_mode)`, otherwise as for `training_batches`.
        keep: `start` or `end`, which part of a longer clip is used.
        labels: name -> `Labels` of the clips; an index of -1 says that it is unknown.
        crop: `Crop`; all crops of a clip are equally probable.
        schedule: `Schedule` in epochs.

    Returns:
        `tf.data.Dataset` of (x, y, weights): x float32 `(batch, crop.num_samples)`; y[name]
        the class, one-hot `(batch, classes)`, zeros where unknown; weights[name] `(batch,)`, 1
        where it is known and 0 where not.

    Raises:
        ValueError: if a clip has fewer frames than a crop.
    """
    num_places = crop.num_places(clip_length)

    def read(positions, places):
        firsts = crop.first_samples(places)
        return clips.read_chunks(
            positions, firsts, crop.num_samples, clip_length, keep, crop.pad_mode
        )

    def batch(seed, positions):
        places = tf.random.stateless_uniform(
            tf.shape(positions), seed, maxval=num_places, dtype=tf.int64
        )
        chunks = read_arrays(read, [positions, places], (crop.num_samples,))
        classes = {name: one_hot(each, positions) for name, each in labels.items()}
        known = {name: tf.reduce_sum(each, axis=1) for name, each in classes.items()}
        return chunks, classes, known

    return read_ahead(shuffled_steps(len(clips), schedule), batch)
