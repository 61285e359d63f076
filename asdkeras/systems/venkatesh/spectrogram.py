"""The front end of the paper: magnitude spectrograms, in chunks of frames."""

import dataclasses
from typing import Annotated, Literal

import keras
from keras import ops

from asdkeras.config import Checked, Count, NaturalNumber, multiple_of
from asdkeras.layers.magnitude_spectrogram import MagnitudeSpectrogram
from asdkeras.readings import Reading

_SMALLEST_MAGNITUDE = 1e-8  # Under the logarithm; far below one step of 16 bits.


@dataclasses.dataclass(frozen=True)
class ChunkSpectrogram(Checked):
    """Lengths are in samples.

    Attributes:
        clip_length: how much of a clip is used; 0 for the longest training clip.
        window_length: even; also the length of the transform.
        hop_length: frame t is centered on sample t * hop_length.
        pad_mode: what lies beyond the ends of a clip: `constant`, zeros, or `reflect`.
        log_magnitude: whether the network sees the natural logarithm of the magnitude.
        chunk_frames: frames of the network's input.
        test_hop: frames from chunk to chunk when clips are scored; in training, one random
            chunk of each clip is seen per epoch.
    """

    clip_length: NaturalNumber
    window_length: Annotated[int, multiple_of(2, "must be even")]
    hop_length: Count
    pad_mode: Annotated[
        Literal["constant", "reflect"],
        Reading(
            "silent; 282 chunks of a clip demand frames beyond its ends (Sec. 2.2)",
            "`constant` pads with zeros, `reflect` with the clip turned round",
        ),
    ]
    log_magnitude: Annotated[
        bool,
        Reading("magnitude spectrograms (Sec. 2.1)", "`true` takes their logarithm, which is ours"),
    ]
    chunk_frames: Count
    test_hop: Count

    @property
    def chunk_length(self) -> int:
        """Samples that the frames of one chunk cover."""
        return (self.chunk_frames - 1) * self.hop_length + self.window_length

    @property
    def num_bins(self) -> int:
        return self.window_length // 2 + 1


def spectrogram(front_end: ChunkSpectrogram, waveforms: keras.KerasTensor) -> keras.KerasTensor:
    """Magnitudes of the frames within waveforms, `(batch, samples)`.

    The result is `(batch, 1 + (samples - window_length) // hop_length, num_bins)`.
    """
    magnitudes = MagnitudeSpectrogram(front_end.window_length, front_end.hop_length)(waveforms)
    if not front_end.log_magnitude:
        return magnitudes
    return ops.log(ops.maximum(magnitudes, _SMALLEST_MAGNITUDE))


def centered_spectrogram(
    front_end: ChunkSpectrogram, waveforms: keras.KerasTensor
) -> keras.KerasTensor:
    """The same of whole clips, whose frames are centered and reach beyond the ends of a clip.

    The result is `(batch, 1 + samples // hop_length, num_bins)`.
    """
    half = front_end.window_length // 2
    padded = ops.pad(waveforms, [(0, 0), (half, half)], mode=front_end.pad_mode)
    return spectrogram(front_end, padded)
