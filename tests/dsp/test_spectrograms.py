"""Spectrograms against a Fourier sum written out."""

import numpy as np
import pytest

from asdkeras.dsp.spectrograms import decibels, power_spectrogram


def power_by_definition(waveform, window, hop_length, pad_mode):
    """|sum_n x[n] w[n] exp(-2 pi i k n / N)|^2 of every centered frame, in float64."""
    length = len(window)
    padded = np.pad(waveform, length // 2, mode=pad_mode)
    rotation = np.exp(
        -2j * np.pi * np.outer(np.arange(length // 2 + 1), np.arange(length)) / length
    )
    starts = range(0, len(padded) - length + 1, hop_length)
    return np.array([np.abs(rotation @ (window * padded[s : s + length])) ** 2 for s in starts])


@pytest.mark.parametrize("pad_mode", ["reflect", "constant"])
@pytest.mark.parametrize(("samples", "hop_length"), [(100, 8), (99, 5), (17, 16)])
def test_power_is_the_fourier_sum_of_centered_frames(samples, hop_length, pad_mode):
    rng = np.random.default_rng(0)
    waveforms, window = rng.normal(size=(2, samples)), rng.normal(size=32)

    power = power_spectrogram(waveforms, window, hop_length, pad_mode)

    assert power.shape == (2, 1 + samples // hop_length, 17)
    for row, waveform in zip(np.asarray(power), waveforms, strict=True):
        expected = power_by_definition(waveform, window, hop_length, pad_mode)
        np.testing.assert_allclose(row, expected, rtol=1e-5, atol=1e-5)


def test_waveform_too_short_to_mirror_is_refused():
    with pytest.raises(ValueError, match=r"more than 16 samples.*Received.*\(2, 16\).*longer"):
        power_spectrogram(np.zeros((2, 16), "float32"), np.ones(32, "float32"), 8, "reflect")


def test_short_waveform_may_be_padded_with_zeros():
    power = power_spectrogram(np.ones((1, 4), "float32"), np.ones(32, "float32"), 8, "constant")
    assert power.shape == (1, 1, 17)


def test_unknown_pad_mode_is_refused():
    with pytest.raises(ValueError, match=r"pad_mode.*Received: pad_mode='edge'"):
        power_spectrogram(np.zeros((1, 64), "float32"), np.ones(32, "float32"), 8, "edge")


def test_decibels_count_tens_and_stop_at_the_floor():
    np.testing.assert_allclose(
        decibels(np.array([100.0, 1.0, 1e-12, 0.0], "float32"), 1e-10),
        [20.0, 0.0, -100.0, -100.0],
        atol=1e-5,
    )
