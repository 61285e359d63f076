"""The log-mel spectrogram of the trace of Kuroyanagi 2021, frame by frame in float64."""

import librosa
import numpy as np


def naive_log_mel(waveform, settings, rate_hz):
    """float64 `(frames, bands)`: mirrored ends, periodic Hann, magnitudes, Slaney, log10."""
    length = settings.window_length
    padded = np.pad(np.asarray(waveform, "float64"), length // 2, mode="reflect")
    window = np.array([0.5 - 0.5 * np.cos(2 * np.pi * n / length) for n in range(length)])
    filters = librosa.filters.mel(
        sr=rate_hz, n_fft=length, n_mels=settings.num_mel_bins, dtype="float64"
    )
    frames = []
    for start in range(0, len(waveform) + 1, settings.hop_length):
        magnitudes = np.abs(np.fft.rfft(window * padded[start : start + length]))
        frames.append(np.log10(np.maximum(settings.floor, filters @ magnitudes)))
    return np.array(frames)
