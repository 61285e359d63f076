"""Spectrograms of batches of waveforms."""

import math

from keras import ops

from asdkeras.dsp.fourier import rfft, stft

_PAD_MODES = ("reflect", "constant")


def power_spectrogram(waveforms, window, hop_length, pad_mode):
    """Squared magnitude of the short-time Fourier transform of waveforms `(batch, samples)`.

    Args:
        window: `(window_length,)`, even length.
        hop_length: samples.
        pad_mode: `reflect` mirrors the waveform half a window beyond its ends, `constant` puts
            zeros there; frames are then centered on the hops. None pads nothing: the first frame
            starts at the first sample, and samples behind the last whole frame are left out.

    Returns:
        `(batch, frames, window_length // 2 + 1)`, frames = 1 + samples // hop_length if padded,
        otherwise 1 + (samples - window_length) // hop_length.

    Raises:
        ValueError: if `pad_mode` is unknown, or there are too few samples to mirror or for a frame.
    """
    waveforms = _padded(waveforms, window.shape[0], pad_mode)
    real, imaginary = stft(waveforms, window, hop_length)
    return ops.square(real) + ops.square(imaginary)


def magnitude_spectrogram(waveforms, window, hop_length, pad_mode=None):
    """Square root of `power_spectrogram`; without padding, the window may have any length.

    Raises:
        ValueError: as `power_spectrogram`.
    """
    waveforms = _padded(waveforms, window.shape[0], pad_mode)
    return _magnitude(stft(waveforms, window, hop_length))


def magnitude_spectrum(waveforms):
    """Magnitude of the Fourier transform of waveforms `(batch, samples)`, `(batch, samples // 2)`.

    No window and no scaling. Bin k is k / samples of the sample rate; the bin at half the sample
    rate is left out.

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
    return _magnitude(rfft(waveforms))[:, : samples // 2]


def decibels(power):
    """`10 log10(power)`, elementwise, of a tensor above 0."""
    return 10.0 / math.log(10.0) * ops.log(power)


def _padded(waveforms, window_length, pad_mode):
    """Waveforms padded by half a window at both ends, or as they are if `pad_mode` is None."""
    if pad_mode is not None and pad_mode not in _PAD_MODES:
        raise ValueError(f"`pad_mode` must be one of {_PAD_MODES}. Received: pad_mode={pad_mode!r}")
    samples = waveforms.shape[-1]
    if pad_mode == "reflect" and samples is not None and samples <= window_length // 2:
        raise ValueError(
            f"A waveform needs more than {window_length // 2} samples, half a window, to be "
            f"mirrored at its ends. Received: waveforms of shape {tuple(waveforms.shape)}. "
            "Use longer clips, a shorter window or `pad_mode='constant'`."
        )
    if pad_mode is None and samples is not None and samples < window_length:
        raise ValueError(
            f"A waveform needs at least {window_length} samples, the length of the window. "
            f"Received: waveforms of shape {tuple(waveforms.shape)}. "
            "Use longer clips or a shorter window."
        )
    if pad_mode is None:
        return waveforms
    half = window_length // 2
    return ops.pad(waveforms, [(0, 0), (half, half)], mode=pad_mode)


def _magnitude(parts):
    real, imaginary = parts
    return ops.sqrt(ops.square(real) + ops.square(imaginary))
