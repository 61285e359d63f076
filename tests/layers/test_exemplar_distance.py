"""ExemplarDistance: the distances one pair at a time, close embeddings, and what is refused."""

import keras
import numpy as np
import pytest

from asdkeras.dsp.precision import single_precision
from asdkeras.layers.exemplar_distance import ExemplarDistance
from asdkeras.scorers.nearest_neighbor import NearestNeighborScorer
from tests.contracts import check_layer

METRICS = ("cosine", "euclidean", "dot")
DIM = 6


def drawn(seed, rows, dim=DIM):
    return np.random.default_rng(seed).normal(size=(rows, dim)).astype("float32")


def layer_of(exemplars, metric, num_neighbors=1):
    layer = ExemplarDistance(len(exemplars), metric, num_neighbors)
    layer.set_exemplars(exemplars)
    return layer


def pair_distance(x, c, metric):
    product = sum(a * b for a, b in zip(x, c, strict=True))
    if metric == "euclidean":
        return np.sqrt(sum((a - b) ** 2 for a, b in zip(x, c, strict=True)))
    if metric == "dot":
        return 1 - product
    return 1 - product / np.sqrt(sum(a * a for a in x)) / np.sqrt(sum(b * b for b in c))


def mean_distance(x, exemplars, metric, num_neighbors=1):
    distances = sorted(pair_distance(x, c, metric) for c in exemplars)[:num_neighbors]
    return sum(distances) / len(distances)


@pytest.mark.parametrize("num_neighbors", [1, 2, 4, 300])
@pytest.mark.parametrize("count", [1, 4, 256, 257, 600])
@pytest.mark.parametrize("metric", METRICS)
def test_score_is_the_mean_distance_to_the_nearest_exemplars(metric, count, num_neighbors):
    embeddings, exemplars = drawn(0, 5).astype("float64"), drawn(1, count).astype("float64")
    # The last one is the nearest of a clip, so that it cannot be forgotten.
    exemplars[-1] = 1.1 * embeddings[0] + 0.01

    scores = layer_of(exemplars, metric, num_neighbors)(embeddings)

    expected = [mean_distance(x, exemplars, metric, num_neighbors) for x in embeddings]
    np.testing.assert_allclose(scores, expected, rtol=1e-9)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_close_embeddings_keep_their_digits_in_single_precision(metric):
    exemplars = 10.0 + drawn(1, 5)
    embeddings = exemplars + 1e-2 * drawn(0, 5)
    doubles = embeddings.astype("float64"), exemplars.astype("float64")
    expected = [mean_distance(x, doubles[1], metric) for x in doubles[0]]
    assert max(expected) < 0.1
    with single_precision():
        scores = layer_of(exemplars, metric)(embeddings)
    # Cosine distances of 1e-7: 1 less a product of unit vectors would be wrong by 0.3 of them.
    np.testing.assert_allclose(scores, expected, rtol=1e-4)


def test_clip_is_at_no_distance_from_itself_and_never_below():
    exemplars = drawn(1, 200)
    for metric in ("cosine", "euclidean"):
        np.testing.assert_array_equal(layer_of(exemplars, metric)(exemplars), 0.0)


@pytest.mark.parametrize("length", [0.0, 1e-15])
def test_vector_without_direction_is_at_cosine_distance_one_as_of_the_scorer(length):
    nowhere = np.array([[0.6, 0.8]]) * length
    somewhere = np.array([[3.0, 4.0]])
    for embedding, exemplar in [(nowhere, somewhere), (somewhere, nowhere), (nowhere, nowhere)]:
        expected = NearestNeighborScorer("cosine").fit(exemplar).anomaly_score(embedding)
        np.testing.assert_allclose(expected, 1.0, rtol=1e-12)
        np.testing.assert_allclose(layer_of(exemplar, "cosine")(embedding), expected, rtol=1e-12)


def test_opposite_directions_are_at_cosine_distance_two():
    exemplars = drawn(1, 1)
    np.testing.assert_allclose(layer_of(exemplars, "cosine")(-3.0 * exemplars), 2.0, rtol=1e-12)


@pytest.mark.parametrize("num_neighbors", [1, 2])
@pytest.mark.parametrize("metric", METRICS)
def test_layer_contract(metric, num_neighbors):
    layer = layer_of(drawn(1, 4), metric, num_neighbors)
    check_layer(layer, drawn(0, 5), output_shape=(5,))


@pytest.mark.parametrize("name", ["num_exemplars", "num_neighbors"])
def test_no_exemplars_and_no_neighbors_are_refused(name):
    with pytest.raises(ValueError, match=rf"`{name}` must be at least 1\. Received: {name}=0"):
        ExemplarDistance(**{"num_exemplars": 1, name: 0})


def test_unknown_metric_is_refused():
    with pytest.raises(ValueError, match=r"`metric` must be one of .*metric='manhattan'"):
        ExemplarDistance(1, "manhattan")


def test_unknown_dimension_is_refused():
    with pytest.raises(ValueError, match=r"know the dimension of embeddings\. Received: .*None"):
        ExemplarDistance(1)(keras.Input((None,)))


@pytest.mark.parametrize("exemplars", [drawn(1, 3), drawn(1, 5), drawn(1, 4)[0]])
def test_another_number_of_exemplars_is_refused(exemplars):
    with pytest.raises(ValueError, match=r"places for 4 exemplars.* Received: exemplars of shape"):
        ExemplarDistance(4).set_exemplars(exemplars)


def test_exemplars_of_another_dimension_are_refused():
    layer = layer_of(drawn(1, 4), "cosine")
    with pytest.raises(ValueError, match=r"of dimension 6\. Received: exemplars of shape \(4, 5\)"):
        layer.set_exemplars(drawn(1, 4, dim=5))
