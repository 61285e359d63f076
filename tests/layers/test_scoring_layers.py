"""What all layers that hold a fitted scorer have in common: precision and no training."""

import functools

import keras
import numpy as np
import pytest

from asdkeras.dsp.precision import single_precision
from asdkeras.layers.gaussian_scores import GaussianScores
from asdkeras.scorers.frame_gaussian import FrameGaussian
from tests.scorers.fitted_scorers import CASES, drawn_residuals, fitted, scored_values

GAUSSIANS = "FrameGaussian"


@functools.cache
def layer_and_values(name):
    if name == GAUSSIANS:
        layer = GaussianScores(2)
        scales = (1.0, 2.0)
        layer.set_gaussians([FrameGaussian().partial_fit(k * drawn_residuals(0)) for k in scales])
        return layer, drawn_residuals(1).astype("float32")
    scorer = fitted(*CASES[name])
    return scorer.layer(), scored_values(scorer).astype("float32")


def dtype_of(tensor):
    return keras.backend.standardize_dtype(tensor.dtype)


@pytest.mark.parametrize("name", [*CASES, GAUSSIANS])
def test_one_model_is_double_and_within_the_context_single(name):
    layer, values = layer_and_values(name)
    symbol = keras.Input(values.shape[1:])
    model = keras.Model(symbol, layer(symbol))

    double = model(values)
    with single_precision():
        single = model(values)
        assert layer.compute_output_spec(symbol).dtype == "float32"
    again = model(values)

    assert model.output.dtype == "float64"
    dtypes = [dtype_of(scores) for scores in (double, single, again)]
    assert dtypes == ["float64", "float32", "float64"]
    np.testing.assert_array_equal(again, double)
    scale = np.abs(double).max()
    np.testing.assert_allclose(single, double, rtol=0, atol=1e-4 * scale)
    assert np.ptp(double) > 1e-2 * scale  # The clips differ by far more than the tolerance.


@pytest.mark.parametrize("name", [*CASES, GAUSSIANS])
def test_scores_are_double_whatever_the_policy(name):
    layer, values = layer_and_values(name)
    half = type(layer).from_config({**layer.get_config(), "dtype": "mixed_float16"})
    half(values)
    half.set_weights(layer.get_weights())
    assert {weight.dtype for weight in half.weights} <= {"float64"}
    assert half.trainable_weights == []
    np.testing.assert_array_equal(half(values), layer(values))
