"""The front end of all official baselines: log-mel frames of whole clips."""

import dataclasses
from typing import Literal

import keras

from asdkeras.config import require
from asdkeras.errors import RecipeError
from asdkeras.layers.log_mel_spectrogram import LogMelSpectrogram

KEEP = "start"
"""The part of a longer clip that is heard."""


@dataclasses.dataclass(frozen=True)
class FrontEnd:
    """Lengths are in samples.

    Attributes:
        clip_length: how much of a clip is heard; 0 for the longest training clip.
        pad_mode: what lies beyond the ends of a clip; the released code has what its
            version of librosa does, `reflect` in 2020 and 2021 and `constant`, zeros, since.
        floor_by: `addition` adds the floor to the power, as in 2020, `maximum` takes the
            larger of both, as since.
    """

    clip_length: int
    window_length: int
    hop_length: int
    num_mel_bins: int
    pad_mode: Literal["reflect", "constant"]
    floor: float
    floor_by: Literal["maximum", "addition"]

    def __post_init__(self):
        require(self.clip_length >= 0, "clip_length", "must not be negative", self.clip_length)
        for name in ("window_length", "hop_length", "num_mel_bins"):
            require(getattr(self, name) >= 1, name, "must be at least 1", getattr(self, name))
        require(self.floor > 0, "floor", "must be above 0", self.floor)


def heard_length(front_end, clips, context, key="front_end"):
    """Samples of every clip that are heard, told where that is not all of it.

    Args:
        front_end: `FrontEnd`, or another section of a recipe with a `clip_length`.
        clips: `ClipSet`, the training clips.
        context: `RunContext`.
        key: that section.

    Returns:
        int.
    """
    length = front_end.clip_length or int(clips.lengths().max())
    all_lengths = clips.store.lengths[context.table.index.to_numpy()]
    rate_hz = clips.store.sample_rate_hz
    if num_shorter := int((all_lengths < length).sum()):
        context.warn(f"clips shorter than {length / rate_hz:g} s are repeated: {num_shorter}")
    if num_longer := int((all_lengths > length).sum()):
        context.warn(
            f"of longer clips the first {length / rate_hz:g} s are heard alone: {num_longer}; "
            f"--set config.{key}.clip_length={int(all_lengths.max())} hears them whole"
        )
    return length


def log_mel_model(front_end, sample_rate_hz, clip_length):
    """Model from waveforms `(batch, clip_length)` to frames `(batch, frames, bands)` in dB."""
    waveform = keras.Input((clip_length,), name="waveform")
    log_mel = LogMelSpectrogram(
        sample_rate_hz,
        window_length=front_end.window_length,
        hop_length=front_end.hop_length,
        num_mel_bins=front_end.num_mel_bins,
        window="periodic",
        pad_mode=front_end.pad_mode,
        floor=front_end.floor,
        floor_by=front_end.floor_by,
    )
    return keras.Model(waveform, log_mel(waveform), name="front_end")


def require_frames(num_frames, front_end, clip_length, where):
    """Refuse clips with fewer frames than the network needs.

    Raises:
        RecipeError: naming the key `where` of the recipe.
    """
    num_heard = 1 + clip_length // front_end.hop_length
    if num_heard < num_frames:
        raise RecipeError(
            f"`{where}`: the network hears {num_frames} frames at once, and a clip has {num_heard} "
            f"({clip_length} samples). Use longer clips, or --set config.{where}={num_heard}."
        )
