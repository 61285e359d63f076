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


def magnitude_spectrogram(waveforms, window, hop_length):
    """Magnitude of the short-time Fourier transform, frames that lie within the waveform.

    The first frame starts at the first sample, and samples behind the last whole frame are
    left out.

    Args:
        waveforms: float32 or float64, `(batch, samples)`.
        window: float, `(window_length,)`.
        hop_length: int, samples.

    Returns:
        `(batch, frames, window_length // 2 + 1)`,
        frames = 1 + (samples - window_length) // hop_length.

    Raises:
        ValueError: if the waveforms are shorter than the window.
    """
    window_length, samples = window.shape[0], waveforms.shape[-1]
    if samples is not None and samples < window_length:
        raise ValueError(
            f"A waveform needs at least {window_length} samples, the length of the window. "
            f"Received: waveforms of shape {tuple(waveforms.shape)}. "
            "Use longer clips or a shorter window."
        )
    return _magnitude(
        ops.stft(waveforms, window_length, hop_length, window_length, window=window, center=False)
    )


def magnitude_spectrum(waveforms):
    """Magnitude of the Fourier transform of whole waveforms, below half the sample rate.

    No window and no scaling. Bin k is k / samples of the sample rate; the bin at half the
    sample rate is left out.

    Args:
        waveforms: float32 or float64, `(batch, samples)`, of fixed length, 2 or more.

    Returns:
        `(batch, samples // 2)`.

    Raises:
        ValueError: if the number of samples is unknown or below 2.
    """
    samples = waveforms.shape[-1]
    if samples is None or samples < 2:
        raise ValueError(
            "A spectrum needs waveforms of one fixed length of at least 2 samples. "
            f"Received: waveforms of shape {tuple(waveforms.shape)}. "
            "Cut or repeat all clips to one length."
        )
    return _magnitude(ops.rfft(waveforms))[:, : samples // 2]


def decibels(power):
    """`10 log10(power)`, elementwise.

    Args:
        power: float tensor, above 0.

    Returns:
        float tensor of the same shape, in dB.
    """
    return 10.0 / math.log(10.0) * ops.log(power)


def _magnitude(parts):
    real, imaginary = parts
    return ops.sqrt(ops.square(real) + ops.square(imaginary))
