"""What all layers that hold a fitted scorer have in common: precision, files, no training."""

import keras
import numpy as np
import pytest

from asdkeras.dsp.precision import single_precision
from asdkeras.layers.exemplar_distance import ExemplarDistance
from asdkeras.layers.gaussian_scores import GaussianScores
from asdkeras.layers.mahalanobis_distance import MahalanobisDistance
from asdkeras.layers.mixture_score import MixtureScore
from asdkeras.layers.section_posterior_score import SectionPosteriorScore
from asdkeras.scorers.frame_gaussian import FrameGaussian

DIM = 8


def drawn(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape).astype("float32")


def covariances(count):
    mixing = np.random.default_rng(2).normal(size=(count, DIM, 4 * DIM))
    return list(mixing @ mixing.transpose(0, 2, 1) / (4 * DIM))


def mixture():
    layer = MixtureScore(3)
    layer.set_components(np.eye(3, DIM), covariances(3), [0.5, 0.3, 0.2])
    return layer, drawn(5, DIM)


def exemplars(metric):
    layer = ExemplarDistance(300, metric)
    layer.set_exemplars(np.random.default_rng(3).normal(size=(300, DIM)))
    return layer, drawn(5, DIM)


def mahalanobis(form):
    layer = MahalanobisDistance(2, form)
    layer.set_covariances(covariances(2))
    rows = drawn(5, 9, DIM)
    outer = np.einsum("cti,ctj->cij", rows, rows).astype("float32")
    return layer, rows.mean(axis=1) if form == "mean_residual" else outer


def gaussians():
    layer = GaussianScores(2)
    layer.set_gaussians([FrameGaussian().partial_fit(drawn(6, 9, DIM) * k) for k in (1.0, 2.0)])
    return layer, drawn(5, 7, DIM)


def posterior(form):
    return SectionPosteriorScore(1, form), 1.0 / (1.0 + np.exp(drawn(5, 7, 3)))


CASES = {
    "mixture": mixture,
    "gaussians": gaussians,
    **{
        metric: lambda metric=metric: exemplars(metric) for metric in ("cosine", "euclidean", "dot")
    },
    **{form: lambda form=form: mahalanobis(form) for form in ("mean_residual", "framewise")},
    **{form: lambda form=form: posterior(form) for form in ("log_odds", "released_2021")},
}


@pytest.fixture(scope="module", params=CASES)
def case(request):
    return CASES[request.param]()


@pytest.fixture(scope="module")
def model(case):
    layer, inputs = case
    symbol = keras.Input(inputs.shape[1:])
    return keras.Model(symbol, layer(symbol))


def dtype_of(tensor):
    return keras.backend.standardize_dtype(tensor.dtype)


def test_one_model_is_double_and_within_the_context_single(case, model):
    inputs = case[1]
    double = model(inputs)
    with single_precision():
        single = model(inputs)
        assert case[0].compute_output_spec(keras.Input(inputs.shape[1:])).dtype == "float32"
    again = model(inputs)

    assert model.output.dtype == "float64"
    assert [dtype_of(scores) for scores in (double, single, again)] == [
        "float64",
        "float32",
        "float64",
    ]
    np.testing.assert_array_equal(again, double)
    scale = np.abs(double).max()
    np.testing.assert_allclose(single, double, rtol=0, atol=1e-4 * scale)
    assert np.ptp(double) > 1e-2 * scale  # The clips differ by far more than the tolerance.


def test_loaded_model_has_every_bit_and_scores_the_same(case, model, tmp_path):
    inputs = case[1]
    model.save(tmp_path / "model.keras")

    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)

    assert {weight.dtype for weight in loaded.weights} <= {"float64"}
    for ours, theirs in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(theirs, ours)
    np.testing.assert_array_equal(loaded(inputs), model(inputs))
    np.testing.assert_allclose(loaded(inputs[:1]), model(inputs)[:1], rtol=1e-12)


def test_scores_are_double_whatever_the_policy(case):
    layer, inputs = case
    half = type(layer).from_config({**layer.get_config(), "dtype": "mixed_float16"})
    half(inputs)
    half.set_weights(layer.get_weights())
    assert {weight.dtype for weight in half.weights} <= {"float64"}
    np.testing.assert_array_equal(half(inputs), layer(inputs))


def test_nothing_of_it_is_trained(case):
    assert case[0].trainable_weights == []
