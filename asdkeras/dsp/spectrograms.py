"""Spectrograms of batches of waveforms."""

import math

from keras import ops

_PAD_MODES = ("reflect", "constant")


def power_spectrogram(waveforms, window, hop_length, pad_mode):
    """Squared magnitude of the short-time Fourier transform, frames centered on the hops.

    Args:
        waveforms: float32 or float64, `(batch, samples)`.
        window: float, `(window_length,)`, even length.
        hop_length: int, samples.
        pad_mode: `reflect` mirrors the waveform half a window beyond its ends,
            `constant` puts zeros there.

    Returns:
        `(batch, frames, window_length // 2 + 1)`, frames = 1 + samples // hop_length.

    Raises:
        ValueError: if `pad_mode` is unknown, or if mirroring needs more samples than
            there are.
    """
    if pad_mode not in _PAD_MODES:
        raise ValueError(f"`pad_mode` must be one of {_PAD_MODES}. Received: pad_mode={pad_mode!r}")
    window_length = window.shape[0]
    samples = waveforms.shape[-1]
    if pad_mode == "reflect" and samples is not None and samples <= window_length // 2:
        raise ValueError(
            f"A waveform needs more than {window_length // 2} samples, half a window, to be "
            f"mirrored at its ends. Received: waveforms of shape {tuple(waveforms.shape)}. "
            "Use longer clips, a shorter window or `pad_mode='constant'`."
        )

    half = window_length // 2
    padded = ops.pad(waveforms, [(0, 0), (half, half)], mode=pad_mode)
    real, imaginary = ops.stft(
        padded, window_length, hop_length, window_length, window=window, center=False
    )
    return ops.square(real) + ops.square(imaginary)


def decibels(power, floor):
    """`10 log10(max(floor, power))`, elementwise.

    Args:
        power: float tensor.
        floor: float above 0, in the unit of `power`.

    Returns:
        float tensor of the same shape, in dB.
    """
    return 10.0 / math.log(10.0) * ops.log(ops.maximum(power, floor))
