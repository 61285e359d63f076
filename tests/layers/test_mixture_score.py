"""MixtureScore: the density in NumPy, and what is refused."""

import numpy as np
import pytest

from asdkeras.layers.mixture_score import MixtureScore
from tests.contracts import check_layer

COMPONENTS, DIM = 3, 4
MEANS = np.random.default_rng(1).normal(size=(COMPONENTS, DIM))
WEIGHTS = np.array([0.6, 0.3, 0.1])


def drawn_embeddings(clips=20):
    return np.random.default_rng(0).normal(size=(clips, DIM)).astype("float32")


def drawn_covariances(components=COMPONENTS, dim=DIM):
    mixing = np.random.default_rng(2).normal(size=(components, dim, 3 * dim))
    return mixing @ mixing.transpose(0, 2, 1) * np.geomspace(0.01, 0.1, components)[:, None, None]


def layer_of(weights=WEIGHTS):
    layer = MixtureScore(COMPONENTS)
    layer.set_components(MEANS, drawn_covariances(), weights)
    return layer


@pytest.mark.parametrize("weights", [WEIGHTS, None])
def test_score_is_that_of_the_best_component(weights):
    embeddings = drawn_embeddings()
    expected, best = [], set()
    for embedding in embeddings.astype(np.float64):
        logs = []
        for number, covariance in enumerate(drawn_covariances()):
            gap = embedding - MEANS[number]
            exponent = -0.5 * gap @ np.linalg.inv(covariance) @ gap
            density = np.exp(exponent) / np.sqrt(np.linalg.det(2 * np.pi * covariance))
            logs.append(np.log(density if weights is None else weights[number] * density))
        best.add(int(np.argmax(logs)))
        expected.append(-max(logs))
    assert len(best) == COMPONENTS  # Every component is the best one for some clip.

    scores = layer_of(weights)(embeddings)

    np.testing.assert_allclose(scores, expected, rtol=1e-9)


def test_components_not_set_are_standard_normal():
    score = np.asarray(MixtureScore(2)(np.array([[0.0, 1.0, -2.0]])))
    np.testing.assert_allclose(score, 1.5 * np.log(2 * np.pi) + 2.5, rtol=1e-12)


def test_layer_contract():
    check_layer(layer_of(), drawn_embeddings(), output_shape=(20,))


def test_no_components_are_refused():
    with pytest.raises(ValueError, match=r"`num_components` must be at least 1\..*components=0"):
        MixtureScore(0)


def test_unknown_dimension_is_refused():
    with pytest.raises(ValueError, match=r"know the dimension of embeddings\. Received: .*None"):
        MixtureScore(1).build((None, None))


@pytest.mark.parametrize(
    ("means", "covariances", "weights"),
    [
        (MEANS[:2], drawn_covariances()[:2], WEIGHTS[:2]),
        (MEANS, drawn_covariances()[:2], WEIGHTS),
        (MEANS, drawn_covariances(dim=5), WEIGHTS),
        (MEANS, drawn_covariances(), WEIGHTS[:2]),
        (MEANS[0], drawn_covariances(), WEIGHTS),
    ],
)
def test_components_of_another_shape_are_refused(means, covariances, weights):
    with pytest.raises(ValueError, match=r"places for 3 components: .*Received: shapes \("):
        MixtureScore(COMPONENTS).set_components(means, covariances, weights)


def test_another_dimension_than_built_for_is_refused():
    layer = layer_of()
    with pytest.raises(ValueError, match=r"of dimension 4\. Received: means of shape \(3, 5\)"):
        layer.set_components(np.zeros((3, 5)), drawn_covariances(dim=5))


@pytest.mark.parametrize("weight", [0.0, -0.1, np.nan])
def test_weights_without_a_logarithm_are_refused(weight):
    with pytest.raises(ValueError, match=r"weights of components must be above 0.*Received: weig"):
        layer_of([0.5, 0.5, weight])


@pytest.mark.parametrize("variance", [0.0, -1.0])
def test_covariance_that_is_not_positive_definite_is_refused(variance):
    message = r"must be a positive definite matrix.* Received: a covariance of shape \(2, 2\)"
    with pytest.raises(ValueError, match=message):
        MixtureScore(1).set_components([[0.0, 0.0]], [np.diag([1.0, variance])])
