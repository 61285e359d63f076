"""The log-mel spectrogram of both approaches."""

from typing import Final

import keras

from asdkeras.errors import RecipeError
from asdkeras.layers.log_mel_spectrogram import LogMelMagnitudes
from asdkeras.systems.kuroyanagi.config_sections import Classifier, ConformerAutoencoder

PAD_MODE: Final = "reflect"
SOURCE, TARGET = 0, 1


def log_mel(
    waveform: keras.KerasTensor,
    settings: ConformerAutoencoder | Classifier,
    sample_rate_hz: int,
    *,
    centered: bool = True,
) -> keras.KerasTensor:
    """Decimal logarithms of the magnitudes in mel bands, `(batch, frames, bands)`.

    Args:
        waveform: `(batch, samples)`.
        centered: whether frames are centered on the hops, the clip mirrored at its ends.
    """
    decibels = LogMelMagnitudes(
        sample_rate_hz,
        window_length=settings.window_length,
        hop_length=settings.hop_length,
        num_mel_bins=settings.num_mel_bins,
        window="periodic",
        pad_mode=PAD_MODE if centered else None,
        floor=settings.floor,
    )(waveform)
    return keras.layers.Rescaling(0.1)(decibels)


def require_frames(
    num_frames: int, settings: ConformerAutoencoder | Classifier, clip_length: int, key: str
) -> None:
    """Raise a RecipeError if clips have too few frames for the section `key` of the recipe."""
    num_heard = 1 + clip_length // settings.hop_length
    if num_heard < num_frames or clip_length <= settings.window_length // 2:
        raise RecipeError(
            f"`{key}`: {num_frames} frames are needed, and a clip has {num_heard} ({clip_length} "
            f"samples). Use longer clips, or --set config.{key}.hop_length to a smaller number."
        )
