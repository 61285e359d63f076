"""MagnitudeSpectrogram against the released front end."""

import keras
import numpy as np
import pytest

from asdkeras.layers.magnitude_spectrogram import MagnitudeSpectrogram
from tests.contracts import check_layer
from tests.golden import load_golden


@pytest.fixture
def waveforms():
    return (0.1 * np.random.default_rng(0).normal(size=(2, 4000))).astype("float32")


def test_magnitudes_are_those_of_the_released_front_end():
    golden = load_golden("wilkinghoff_networks/AdaProj_features")
    noise = (0.1 * np.random.RandomState(7).randn(2, 160000)).astype("float32")

    spectrogram = np.asarray(MagnitudeSpectrogram()(noise))

    assert (*spectrogram.shape, 1) == tuple(golden["mag_shape"])
    expected = golden["mag_frames_0_1_155_310"]
    np.testing.assert_allclose(spectrogram[0][[0, 1, 155, 310]], expected, atol=1e-5)


@pytest.mark.parametrize(("window_length", "hop_length"), [(64, 32), (50, 7)])
def test_magnitude_is_that_of_frames_under_a_periodic_hann_window(
    waveforms, window_length, hop_length
):
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window_length) / window_length)
    starts = range(0, 4000 - window_length + 1, hop_length)
    frames = np.stack([waveforms[:, s : s + window_length] for s in starts], axis=1)
    expected = np.abs(np.fft.rfft(window * frames.astype("float64")))

    spectrogram = MagnitudeSpectrogram(window_length, hop_length)(waveforms)

    np.testing.assert_allclose(spectrogram, expected, rtol=1e-5, atol=1e-6)


def test_magnitudes_stay_float32_under_a_half_precision_policy(waveforms):
    loud = 1000 * waveforms  # The squares are beyond float16.

    half = MagnitudeSpectrogram(dtype="mixed_float16")(loud)

    assert keras.backend.standardize_dtype(half.dtype) == "float32"
    np.testing.assert_array_equal(half, MagnitudeSpectrogram()(loud))


def test_clip_shorter_than_the_window_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"at least 1024 samples.*\(1, 1023\).*longer clips"):
        MagnitudeSpectrogram()(np.zeros((1, 1023), "float32"))


def test_clip_as_long_as_the_window_is_one_frame():
    assert MagnitudeSpectrogram()(np.zeros((1, 1024), "float32")).shape == (1, 1, 513)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window_length": 1}, "at least 2.*Received: window_length=1"),
        ({"hop_length": 0}, "at least 1.*Received: hop_length=0"),
    ],
)
def test_wrong_argument_is_refused_with_the_reason(arguments, message):
    with pytest.raises(ValueError, match=message):
        MagnitudeSpectrogram(**arguments)


@pytest.mark.parametrize("arguments", [{}, {"window_length": 256, "hop_length": 100}])
def test_layer_contract(waveforms, arguments):
    layer = MagnitudeSpectrogram(**arguments)
    shape = {1024: (2, 6, 513), 256: (2, 38, 129)}[layer.window_length]
    check_layer(layer, waveforms, output_shape=shape)
