"""Spectrograms against a Fourier sum written out."""

import keras
import numpy as np
import pytest

from asdkeras.dsp.spectrograms import (
    decibels,
    magnitude_spectrogram,
    magnitude_spectrum,
    power_spectrogram,
)


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


@pytest.mark.parametrize("pad_mode", ["reflect", "constant"])
def test_magnitude_of_centered_frames_is_the_root_of_their_power(pad_mode):
    rng = np.random.default_rng(0)
    waveforms, window = rng.normal(size=(2, 99)), rng.normal(size=32)

    magnitude = magnitude_spectrogram(waveforms, window, 5, pad_mode)

    for row, waveform in zip(np.asarray(magnitude), waveforms, strict=True):
        expected = np.sqrt(power_by_definition(waveform, window, 5, pad_mode))
        np.testing.assert_allclose(row, expected, rtol=1e-5, atol=1e-5)


def test_power_without_padding_is_that_of_frames_from_the_first_sample_on():
    rng = np.random.default_rng(0)
    waveforms, window = rng.normal(size=(2, 99)), rng.normal(size=32)

    power = power_spectrogram(waveforms, window, 5, None)

    for row, waveform in zip(np.asarray(power), waveforms, strict=True):
        expected = magnitude_by_definition(waveform, window, 5) ** 2
        np.testing.assert_allclose(row, expected, rtol=1e-10, atol=1e-10)


def magnitude_by_definition(waveform, window, hop_length):
    """|sum_n x[n] w[n] exp(-2 pi i k n / N)| of every whole frame, in float64."""
    length = len(window)
    steps = np.outer(np.arange(length // 2 + 1), np.arange(length))
    rotation = np.exp(-2j * np.pi * steps / length)
    starts = range(0, len(waveform) - length + 1, hop_length)
    return np.array([np.abs(rotation @ (window * waveform[s : s + length])) for s in starts])


@pytest.mark.parametrize(("samples", "hop_length"), [(100, 8), (99, 5), (32, 16), (47, 16)])
def test_magnitude_is_the_fourier_sum_of_frames_from_the_first_sample_on(samples, hop_length):
    rng = np.random.default_rng(0)
    waveforms, window = rng.normal(size=(2, samples)), rng.normal(size=32)

    magnitude = np.asarray(magnitude_spectrogram(waveforms, window, hop_length))

    assert magnitude.shape == (2, 1 + (samples - 32) // hop_length, 17)
    for row, waveform in zip(magnitude, waveforms, strict=True):
        expected = magnitude_by_definition(waveform, window, hop_length)
        np.testing.assert_allclose(row, expected, rtol=1e-10, atol=1e-10)


def test_waveform_shorter_than_the_window_is_refused():
    with pytest.raises(ValueError, match=r"at least 32 samples.*Received.*\(2, 31\).*longer"):
        magnitude_spectrogram(np.zeros((2, 31), "float32"), np.ones(32, "float32"), 8)


@pytest.mark.parametrize("samples", [2, 3, 64, 75])
def test_spectrum_is_the_fourier_sum_below_half_the_sample_rate(samples):
    waveforms = np.random.default_rng(0).normal(size=(2, samples))
    window = np.ones(samples)

    spectrum = np.asarray(magnitude_spectrum(keras.ops.convert_to_tensor(waveforms)))

    assert spectrum.shape == (2, samples // 2)
    for row, waveform in zip(spectrum, waveforms, strict=True):
        expected = magnitude_by_definition(waveform, window, 1)[0, : samples // 2]
        np.testing.assert_allclose(row, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("waveforms", [np.zeros((2, 1), "float32"), keras.KerasTensor((2, None))])
def test_spectrum_of_one_sample_or_of_an_unknown_number_is_refused(waveforms):
    with pytest.raises(ValueError, match=r"one fixed length.*Received.*\(2, .*one length"):
        magnitude_spectrum(waveforms)


def test_decibels_count_tens():
    power = np.array([100.0, 1.0, 1e-12], "float32")
    np.testing.assert_allclose(decibels(power), [20.0, 0.0, -120.0], atol=2e-5)
