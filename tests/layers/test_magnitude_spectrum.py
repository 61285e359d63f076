"""MagnitudeSpectrum against the released front end."""

import keras
import numpy as np
import pytest

from asdkeras.layers.magnitude_spectrum import MagnitudeSpectrum
from tests.contracts import check_layer
from tests.golden import load_golden


def test_magnitudes_are_those_of_the_released_front_end():
    golden = load_golden("wilkinghoff_networks/AdaProj_features")
    noise = (0.1 * np.random.RandomState(7).randn(2, 160000)).astype("float32")

    spectrum = np.asarray(MagnitudeSpectrum()(noise))

    assert spectrum.shape == tuple(golden["fft_shape"])
    # Values to 134; the recording is within 2e-5 of float64.
    np.testing.assert_allclose(spectrum[0, :512], golden["fft_first512"], atol=5e-5)
    np.testing.assert_allclose(spectrum[0, -512:], golden["fft_last512"], atol=5e-5)


def test_spectrum_stays_float32_under_a_half_precision_policy():
    waveforms = np.random.default_rng(0).normal(300.0, size=(1, 1000)).astype("float32")

    half = MagnitudeSpectrum(dtype="mixed_float16")(waveforms)  # The sum is beyond float16.

    assert keras.backend.standardize_dtype(half.dtype) == "float32"
    np.testing.assert_array_equal(half, MagnitudeSpectrum()(waveforms))


def test_clip_of_one_sample_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"at least 2 samples.*\(1, 1\).*one length"):
        MagnitudeSpectrum()(np.zeros((1, 1), "float32"))


@pytest.mark.parametrize("samples", [400, 401])
def test_layer_contract(samples):
    waveforms = (0.1 * np.random.default_rng(0).normal(size=(2, samples))).astype("float32")
    check_layer(MagnitudeSpectrum(), waveforms, output_shape=(2, 200))
