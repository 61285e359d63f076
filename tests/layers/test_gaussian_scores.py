"""GaussianScores: the density in NumPy, `FrameGaussian`, float64, and what a file keeps."""

import keras
import numpy as np
import pytest

from asdkeras.layers.gaussian_scores import GaussianScores
from asdkeras.scorers.frame_gaussian import FrameGaussian, pool_frames
from tests.contracts import check_layer

BANDS = 5


def drawn_errors(seed, clips=6, frames=9, bands=BANDS):
    """Errors whose bands depend on each other and have unequal means."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(bands, bands))
    return rng.normal(size=(clips, frames, bands)) @ mixing + rng.normal(size=bands)


@pytest.fixture(scope="module")
def gaussians():
    return [FrameGaussian().partial_fit(drawn_errors(seed, clips=8)) for seed in (1, 2, 3)]


def layer_of(gaussians, **arguments):
    layer = GaussianScores(len(gaussians), **arguments)
    layer.set_gaussians(gaussians)
    return layer


def frame_score(frame, mean, covariance):
    """Negative log-likelihood of a frame, written as a textbook has it."""
    gap = frame - mean
    distance = gap @ np.linalg.inv(covariance) @ gap
    return 0.5 * np.log(np.linalg.det(2 * np.pi * covariance)) + 0.5 * distance


@pytest.mark.parametrize("frames", [8, 9, 1])
def test_scores_are_those_of_the_definition(gaussians, frames):
    errors = drawn_errors(4, clips=3, frames=frames)

    scores = layer_of(gaussians)(errors)

    assert scores.shape == (3, 3, 3)
    for clip, of_clip in zip(errors, np.asarray(scores), strict=True):
        for gaussian, found in zip(gaussians, of_clip, strict=True):
            each = [frame_score(frame, gaussian.mean, gaussian.covariance) for frame in clip]
            expected = [np.mean(each), np.max(each), np.median(each)]
            np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_layer_agrees_with_the_scorer_where_bands_differ_by_orders_of_magnitude():
    # Smooth bands: the eigenvalues of the covariance span nine orders of magnitude.
    rng = np.random.default_rng(0)
    centers = np.arange(128)
    smoothing = np.exp(-0.5 * ((centers[:, None] - centers) / 6) ** 2)
    errors = np.abs(rng.normal(size=(10, 40, 128)) @ smoothing) * np.geomspace(0.1, 10, 128)
    gaussian = FrameGaussian(reg_covar=1e-6).partial_fit(errors)
    assert np.linalg.cond(gaussian.covariance) > 1e8

    scores = layer_of([gaussian])(errors)

    frames = gaussian.frame_scores(errors)
    for number, pooling in enumerate(("mean", "maximum", "median")):
        np.testing.assert_allclose(scores[:, 0, number], pool_frames(frames, pooling), rtol=1e-9)


def test_gaussians_keep_their_order(gaussians):
    errors = drawn_errors(4)
    scores = np.asarray(layer_of(gaussians)(errors))
    turned = np.asarray(layer_of(gaussians[::-1])(errors))
    np.testing.assert_array_equal(turned, scores[:, ::-1])
    assert np.all(np.abs(np.diff(scores, axis=1)) > 0)


def test_frame_at_the_mean_scores_the_offset_and_any_other_more(gaussians):
    layer = layer_of(gaussians[:1])
    mean = gaussians[0].mean[None, None]
    assert float(layer(mean)[0, 0, 0]) == pytest.approx(float(layer.offset[0]), rel=1e-12)
    assert np.all(np.asarray(layer(drawn_errors(4))) > float(layer.offset[0]))


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "float16"])
def test_scores_are_in_float64_whatever_the_policy(gaussians, policy):
    errors = drawn_errors(4)
    layer = layer_of(gaussians, dtype=policy)

    scores = layer(errors)

    assert {weight.dtype for weight in layer.weights} == {"float64"}
    assert keras.backend.standardize_dtype(scores.dtype) == "float64"
    np.testing.assert_array_equal(scores, layer_of(gaussians)(errors))


def test_clips_of_any_length_pass_a_compiled_model(gaussians):
    frames = keras.Input((None, BANDS))
    model = keras.Model(frames, layer_of(gaussians)(frames))
    for length in (4, 7):
        errors = drawn_errors(4, frames=length).astype("float32")
        scores = model.predict(errors, batch_size=4, verbose=0)
        assert scores.dtype == np.float64
        np.testing.assert_allclose(scores, layer_of(gaussians)(errors), rtol=1e-12)


def test_loaded_model_has_every_bit_of_the_gaussians(tmp_path, gaussians):
    frames = keras.Input((9, BANDS))
    model = keras.Model(frames, layer_of(gaussians)(frames))
    model.save(tmp_path / "model.keras")

    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)

    for ours, theirs in zip(model.weights, loaded.weights, strict=True):
        assert theirs.dtype == "float64"
        np.testing.assert_array_equal(theirs, ours)
    errors = drawn_errors(4).astype("float32")
    np.testing.assert_array_equal(loaded(errors), model(errors))


def test_gaussians_can_be_set_after_the_model_is_made(gaussians):
    frames = keras.Input((9, BANDS))
    layer = GaussianScores(3)
    model = keras.Model(frames, layer(frames))
    errors = drawn_errors(4).astype("float32")
    model.predict_on_batch(errors)

    layer.set_gaussians(gaussians)

    expected = layer_of(gaussians)(errors)
    np.testing.assert_allclose(model.predict_on_batch(errors), expected, rtol=1e-12)


def test_gaussians_not_set_are_standard_normal():
    frame = np.array([0.0, 1.0, -2.0])
    score = np.asarray(GaussianScores(2)(frame[None, None]))
    np.testing.assert_allclose(score, 1.5 * np.log(2 * np.pi) + 2.5, rtol=1e-12)


def test_layer_contract(gaussians):
    errors = drawn_errors(4).astype("float32")
    check_layer(layer_of(gaussians), errors, output_shape=(6, 3, 3))


def test_no_gaussians_are_refused():
    with pytest.raises(ValueError, match=r"`num_gaussians` must be at least 1\..*num_gaussians=0"):
        GaussianScores(0)


def test_unknown_number_of_bands_is_refused():
    with pytest.raises(ValueError, match=r"needs to know the number of bands\. Received: .*None"):
        GaussianScores(1)(keras.Input((9, None)))


@pytest.mark.parametrize("count", [0, 2, 4])
def test_another_number_of_gaussians_is_refused(gaussians, count):
    layer = GaussianScores(3)
    with pytest.raises(ValueError, match=rf"places for 3 Gaussians\. Received: {count} gaussians"):
        layer.set_gaussians((2 * gaussians)[:count])


def test_gaussians_of_other_bands_are_refused(gaussians):
    other = FrameGaussian().partial_fit(drawn_errors(1, bands=4))
    layer = layer_of(gaussians)
    message = r"frames of 5 bands\. Received: gaussians of \[5, 5, 4\] bands"
    with pytest.raises(ValueError, match=message):
        layer.set_gaussians([*gaussians[:2], other])
