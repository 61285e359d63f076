"""Fourier transforms as matrix products against sums written out and NumPy's in float64."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from asdkeras.dsp.fourier import is_by_matrix_products, matrix_products, rfft, stft
from asdkeras.dsp.spectrograms import magnitude_spectrum, power_spectrogram

_LARGE_PRIME = 1021  # Above what is computed by a matrix of its own.


def complex_rfft(values):
    real, imaginary = rfft(ops.convert_to_tensor(values))
    return np.asarray(real) + 1j * np.asarray(imaginary)


def by_definition(values):
    """sum_n x[n] exp(-2 pi i k n / N) for k = 0 to N // 2, in float64."""
    length = values.shape[-1]
    steps = np.outer(np.arange(length), np.arange(length // 2 + 1))
    return values @ np.exp(-2j * np.pi * steps / length)


@pytest.mark.parametrize("length", [1, 2, 3, 64, 65, 66, 75, 128, 254, 390, _LARGE_PRIME])
def test_transform_is_the_fourier_sum(length):
    values = np.random.default_rng(0).normal(size=(2, 3, length))

    with matrix_products():
        transform = complex_rfft(values)

    assert transform.shape == (2, 3, length // 2 + 1)
    np.testing.assert_allclose(transform, by_definition(values), atol=1e-10)


# Of one to four factors; the last two have a prime factor that is too large for a matrix.
@pytest.mark.parametrize("length", [509, 1024, 2048, 160000, 288000, 9973, 176401])
def test_error_in_single_precision_is_below_a_millionth_of_the_largest_bin(length):
    values = np.random.default_rng(0).normal(size=(1, length)).astype("float32")
    expected = np.fft.rfft(values.astype("float64"))

    with matrix_products():
        transform = complex_rfft(values)

    assert transform.dtype == np.complex64
    assert np.abs(transform - expected).max() < 1e-6 * np.abs(expected).max()


def test_product_graph_has_no_fourier_transform_and_the_usual_graph_has_one():
    def operations(by_matrices):
        signature = tf.TensorSpec((None, 96), "float32")
        function = tf.function(lambda x: (rfft(x), stft(x, np.ones(16), 8)))
        if by_matrices:
            with matrix_products():
                graph = function.get_concrete_function(signature).graph
        else:
            graph = function.get_concrete_function(signature).graph
        return {operation.type for operation in graph.get_operations()}

    assert "RFFT" in operations(by_matrices=False)
    assert not {each for each in operations(by_matrices=True) if "FFT" in each or "omplex" in each}


def test_outside_the_block_the_transform_is_that_of_keras_bit_for_bit():
    values = np.random.default_rng(0).normal(size=(2, 300)).astype("float32")
    with matrix_products():
        assert is_by_matrix_products()

    real, imaginary = rfft(ops.convert_to_tensor(values))

    assert not is_by_matrix_products()
    expected = ops.rfft(ops.convert_to_tensor(values))
    np.testing.assert_array_equal(real, expected[0])
    np.testing.assert_array_equal(imaginary, expected[1])


def test_outside_the_block_frames_are_those_of_keras_bit_for_bit():
    waveforms = np.random.default_rng(0).normal(size=(2, 300)).astype("float32")
    window = np.hanning(64).astype("float32")

    real, imaginary = stft(waveforms, window, 24)

    expected = ops.stft(waveforms, 64, 24, 64, window=window, center=False)
    np.testing.assert_array_equal(real, expected[0])
    np.testing.assert_array_equal(imaginary, expected[1])


def test_an_error_in_the_block_ends_it():
    with pytest.raises(KeyError), matrix_products():
        raise KeyError

    assert not is_by_matrix_products()


# Hops that divide the window, share a factor with it, share none, and leave samples out.
@pytest.mark.parametrize(("samples", "hop"), [(100, 8), (99, 12), (100, 5), (32, 16), (71, 40)])
def test_spectrogram_by_matrix_products_is_the_usual_one(samples, hop):
    rng = np.random.default_rng(0)
    waveforms, window = rng.normal(size=(2, samples)), rng.normal(size=32)
    expected = power_spectrogram(waveforms, window, hop, None)

    with matrix_products():
        spectrogram = power_spectrogram(waveforms, window, hop, None)

    assert spectrogram.shape == (2, 1 + (samples - 32) // hop, 17)
    np.testing.assert_allclose(spectrogram, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("samples", [32, 99, 100])
def test_spectrogram_of_a_length_known_when_it_runs_is_the_usual_one(samples):
    rng = np.random.default_rng(0)
    waveforms = rng.normal(size=(3, samples)).astype("float32")
    window = rng.normal(size=32).astype("float32")
    signature = [tf.TensorSpec((None, None), "float32")]
    function = tf.function(lambda x: power_spectrogram(x, window, 12, None), signature)

    with matrix_products():
        spectrogram = function(waveforms)

    expected = power_spectrogram(waveforms, window, 12, None)
    np.testing.assert_allclose(spectrogram, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("samples", [2, 75, _LARGE_PRIME])
def test_spectrum_by_matrix_products_is_the_usual_one(samples):
    waveforms = ops.convert_to_tensor(np.random.default_rng(0).normal(size=(2, samples)))
    expected = magnitude_spectrum(waveforms)

    with matrix_products():
        spectrum = magnitude_spectrum(waveforms)

    np.testing.assert_allclose(spectrum, expected, rtol=1e-9, atol=1e-9)
