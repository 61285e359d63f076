"""The front end of all official baselines: log-mel frames of whole clips."""

import dataclasses
from typing import Annotated, Any, Final, Literal

import keras

from asdkeras.config import Checked, Count, NaturalNumber, Positive
from asdkeras.data.clip_set import ClipSet
from asdkeras.data.frames import FrameStore
from asdkeras.errors import RecipeError
from asdkeras.layers.log_mel_spectrogram import LogMelSpectrogram
from asdkeras.readings import Reading
from asdkeras.systems.system import RunContext

KEEP: Final = "start"
"""The part of a longer clip that is used."""

_CLIPS_AT_ONCE = 16


@dataclasses.dataclass(frozen=True)
class LogMelFrontEnd(Checked):
    """Lengths are in samples.

    Attributes:
        clip_length: how much of a clip is used; 0 for the longest training clip.
        pad_mode: what lies beyond the ends of a clip; the released code has what its
            version of librosa does, `reflect` in 2020 and 2021 and `constant`, zeros, since.
        floor_by: `addition` adds the floor to the power, as in 2020, `maximum` takes the
            larger of both, as since.
    """

    clip_length: NaturalNumber
    window_length: Count
    hop_length: Count
    num_mel_bins: Count
    pad_mode: Annotated[
        Literal["reflect", "constant"],
        Reading("silent", "as the librosa of each baseline: `reflect` to 2021, `constant` since"),
    ]
    floor: Positive
    floor_by: Annotated[
        Literal["maximum", "addition"],
        Reading("silent", "as the code of each baseline: `addition` in 2020, `maximum` since"),
    ]


def used_length(front_end: Any, clips: ClipSet) -> int:
    """Samples of every clip that are used.

    Args:
        front_end: `LogMelFrontEnd`, or another section of a recipe with a `clip_length`.
    """
    return front_end.clip_length or int(clips.lengths().max())


def heard_length(
    front_end: Any, clips: ClipSet, context: RunContext, key: str = "front_end"
) -> int:
    """`used_length`, with a warning where that is not all of a clip.

    Args:
        key: the section `front_end` of the recipe.
    """
    length = used_length(front_end, clips)
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


def log_mel_model(front_end: LogMelFrontEnd, sample_rate_hz: int, clip_length: int) -> keras.Model:
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


def stored_frames(
    front_end: LogMelFrontEnd, clips: ClipSet, context: RunContext
) -> tuple[int, FrameStore]:
    """Length of the training clips in samples, and their frames, see `RunContext.store_frames`."""
    clip_length = heard_length(front_end, clips, context)
    log_mel = log_mel_model(front_end, clips.store.sample_rate_hz, clip_length)
    return clip_length, context.store_frames(log_mel, clips, clip_length, KEEP, _CLIPS_AT_ONCE)


def require_frames(num_frames: int, front_end: Any, clips: ClipSet, where: str) -> int:
    """Frames of a clip; a RecipeError if the network needs more, the key `where` of the recipe."""
    clip_length = used_length(front_end, clips)
    num_heard = 1 + clip_length // front_end.hop_length
    if num_heard < num_frames:
        raise RecipeError(
            f"`{where}`: the network hears {num_frames} frames at once, and a clip has {num_heard} "
            f"({clip_length} samples). Use longer clips, or --set config.{where}={num_heard}."
        )
    return num_heard
