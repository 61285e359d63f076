"""MahalanobisDistance: both forms row by row, and what is refused."""

import keras
import numpy as np
import pytest

from asdkeras.layers.mahalanobis_distance import MahalanobisDistance
from tests.contracts import check_layer

BANDS = 4
FORMS = ("mean_residual", "framewise")


def drawn_residuals(seed, clips=12, frames=7):
    """Residuals whose bands depend on each other and have unequal means."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(BANDS, BANDS))
    return rng.normal(size=(clips, frames, BANDS)) @ mixing + rng.normal(size=BANDS)


def moments_of(residuals, form):
    if form == "mean_residual":
        return residuals.mean(axis=1)
    return np.einsum("cti,ctj->cij", residuals, residuals) / residuals.shape[1]


@pytest.fixture(scope="module")
def covariances():
    return [np.cov(drawn_residuals(seed).reshape(-1, BANDS).T) for seed in (1, 2)]


def layer_of(covariances, form):
    layer = MahalanobisDistance(len(covariances), form)
    layer.set_covariances(covariances)
    return layer


@pytest.mark.parametrize("form", FORMS)
def test_score_is_the_length_by_the_closer_covariance(covariances, form):
    clips = np.concatenate([drawn_residuals(1), drawn_residuals(2)])
    expected, closer = [], set()
    for clip in clips:
        lengths = []
        for covariance in covariances:
            inverse = np.linalg.inv(covariance)
            mean = clip.mean(axis=0)
            each = [row @ inverse @ row for row in clip]
            lengths.append(mean @ inverse @ mean if form == "mean_residual" else np.mean(each))
        closer.add(int(np.argmin(lengths)))
        expected.append(min(lengths))
    assert closer == {0, 1}

    scores = layer_of(covariances, form)(moments_of(clips, form))

    np.testing.assert_allclose(scores, expected, rtol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_one_covariance_is_enough(covariances, form):
    moments = moments_of(drawn_residuals(1), form)
    both = [np.asarray(layer_of([each], form)(moments)) for each in covariances]
    np.testing.assert_allclose(layer_of(covariances, form)(moments), np.minimum(*both), rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_covariance_not_set_is_the_unit_matrix(form):
    residuals = drawn_residuals(1)
    squares = (residuals.mean(axis=1) ** 2 if form == "mean_residual" else residuals**2).sum(-1)
    expected = squares if form == "mean_residual" else squares.mean(axis=1)
    found = MahalanobisDistance(2, form)(moments_of(residuals, form))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_layer_contract(covariances, form):
    moments = moments_of(drawn_residuals(3), form).astype("float32")
    check_layer(layer_of(covariances, form), moments, output_shape=(12,))


def test_no_covariances_are_refused():
    with pytest.raises(ValueError, match=r"`num_covariances` must be at least 1\..*ances=0"):
        MahalanobisDistance(0)


def test_unknown_form_is_refused():
    with pytest.raises(ValueError, match=r"`form` must be one of .*form='median'"):
        MahalanobisDistance(1, form="median")


@pytest.mark.parametrize(
    ("form", "shape"),
    [("mean_residual", (None,)), ("framewise", (None, None)), ("framewise", (4, 5))],
)
def test_moments_of_unknown_or_unequal_bands_are_refused(form, shape):
    with pytest.raises(ValueError, match=r"needs moments of shape \(batch, bands.*Received: mom"):
        MahalanobisDistance(1, form)(keras.Input(shape))


def test_another_number_of_covariances_is_refused(covariances):
    with pytest.raises(ValueError, match=r"places for 1 covariances\. Received: 2 covariances"):
        MahalanobisDistance(1).set_covariances(covariances)


def test_covariances_of_other_bands_are_refused(covariances):
    with pytest.raises(ValueError, match=r"built for 4 bands\. Received: .* of \[4, 3\] bands"):
        layer_of([covariances[0], np.eye(3)], "mean_residual")


def test_singular_covariance_is_refused():
    with pytest.raises(ValueError, match=r"must be a positive definite matrix"):
        MahalanobisDistance(1).set_covariances([np.zeros((2, 2))])
