"""Terms: arrays and tensors against plain NumPy, and what depends on domain and split."""

import keras
import numpy as np
import pytest

from asdkeras.scorers.nearest_neighbor import NearestNeighborScorer
from asdkeras.scorers.terms import (
    OfArrays,
    OfTensors,
    by_domain,
    by_split,
    computed,
    concatenated,
    representation,
    scored,
    smallest,
    total,
    unit_length,
    with_training_scores,
)

CLIPS = 8
IS_TRAINING = np.array([True, False, True, True, False, True, False, True])
DOMAINS = np.array(["source", "target", "", "target", "", "source", "source", ""])
RANDOM = np.random.default_rng(0)
ARRAYS = {
    **{name: RANDOM.normal(size=CLIPS) for name in ("x", "y", "z")},
    "vectors": RANDOM.normal(size=(CLIPS, 3)),
    "others": RANDOM.normal(size=(CLIPS, 2)),
}
X, Y, Z, VECTORS, OTHERS = (representation(name) for name in ARRAYS)


def of_arrays(term, is_training=IS_TRAINING, domains=DOMAINS):
    return OfArrays(ARRAYS, is_training, domains)(term)


def of_tensors(term):
    """By a Keras model, for the same clips."""
    inputs = {
        name: keras.Input(each.shape[1:], dtype="float64", name=name)
        for name, each in ARRAYS.items()
    }
    return np.asarray(keras.Model(inputs, OfTensors(inputs)(term))(ARRAYS))


def scorer_of(is_training, metric="euclidean"):
    return NearestNeighborScorer(metric).fit(ARRAYS["vectors"][is_training])


def nearest_distances(vectors, references):
    return [min(np.linalg.norm(one - other) for other in references) for one in vectors]


x, y, z, vectors, others = ARRAYS.values()
TERMS = {
    "sum": (X + Y, x + y),
    "sum with a number": (X + 2.0, x + 2.0),
    "difference": (X - Y, x - y),
    "difference from a number": (X - 2.0, x - 2.0),
    "number less term": (2.0 - X, 2.0 - x),
    "multiple": (2.0 * X, 2.0 * x),
    "quotient": (X / Y, x / y),
    "quotient by a number": (X / 2.0, x / 2.0),
    "column": (VECTORS[:, 1], vectors[:, 1]),
    "columns": (VECTORS[..., 1:], vectors[:, 1:]),
    "total of one": (total([X]), x),
    "total": (total([X, Y, Z]), x + y + z),
    "smallest of one": (smallest(X, None), x),
    "smallest": (smallest(X, None, Y, Z), np.min([x, y, z], axis=0)),
    "concatenated": (concatenated([VECTORS, OTHERS]), np.hstack([vectors, others])),
    "unit length": (unit_length(VECTORS), [each / np.sqrt(each @ each) for each in vectors]),
    "function": (computed(lambda xp, one, other: xp.exp(one) * other, X, Y), np.exp(x) * y),
    "score": (
        scored(scorer_of(IS_TRAINING), VECTORS),
        nearest_distances(vectors, vectors[IS_TRAINING]),
    ),
}


@pytest.mark.parametrize("name", TERMS)
def test_arrays_and_tensors_are_what_the_term_says(name):
    term, expected = TERMS[name]
    np.testing.assert_allclose(of_arrays(term), expected, rtol=1e-12)
    np.testing.assert_allclose(of_tensors(term), expected, rtol=1e-12)


def test_arrays_are_taken_in_double_precision():
    single = x.astype("float32")
    values = OfArrays({"x": single}, IS_TRAINING, DOMAINS)(X / 3.0)
    np.testing.assert_array_equal(values, single.astype("float64") / 3.0)


def test_vector_of_zeros_has_no_unit_length():
    zeros = np.zeros((CLIPS, 3))
    found = OfArrays({"vectors": zeros}, IS_TRAINING, DOMAINS)(unit_length(VECTORS))
    np.testing.assert_array_equal(found, zeros)


@pytest.mark.parametrize("training_is_source", [False, True])
def test_each_domain_has_its_term(training_is_source):
    term = by_domain(X, Y, Z, training_is_source=training_is_source)

    expected = []
    for clip, domain in enumerate(DOMAINS):
        unknown = "x" if training_is_source and IS_TRAINING[clip] else "z"
        expected.append(ARRAYS[{"source": "x", "target": "y", "": unknown}[domain]][clip])
    np.testing.assert_array_equal(of_arrays(term), expected)
    np.testing.assert_array_equal(of_tensors(term), z)


def test_each_split_has_its_term_of_its_own_clips_alone():
    centered = computed(lambda xp, values: values - xp.mean(values), X)

    values = of_arrays(by_split(centered, Y))

    training = x[IS_TRAINING]
    np.testing.assert_allclose(values[IS_TRAINING], training - training.mean(), rtol=1e-12)
    np.testing.assert_array_equal(values[~IS_TRAINING], y[~IS_TRAINING])
    np.testing.assert_array_equal(of_tensors(by_split(X, Y)), y)


@pytest.mark.parametrize(("is_training", "name"), [(True, "x"), (False, "y")])
def test_one_split_may_have_no_clips(is_training, name):
    def refused(xp, values):
        raise AssertionError

    nobodys = computed(refused, Z)
    term = by_split(X, nobodys) if is_training else by_split(nobodys, Y)
    np.testing.assert_array_equal(of_arrays(term, np.full(CLIPS, is_training)), ARRAYS[name])


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_training_clip_is_not_compared_with_itself(metric):
    term = scored(scorer_of(IS_TRAINING, metric), VECTORS, leave_self_out=True)

    expected = []
    for clip, own in enumerate(vectors):
        normal = [vectors[other] for other in np.flatnonzero(IS_TRAINING) if other != clip]
        if metric == "cosine":
            cosines = [own @ each / np.linalg.norm(each) for each in normal]
            expected.append(1.0 - max(cosines) / np.linalg.norm(own))
        else:
            expected += nearest_distances([own], normal)
    np.testing.assert_allclose(of_arrays(term), expected, rtol=1e-12)
    plain = scored(scorer_of(IS_TRAINING, metric), VECTORS)
    np.testing.assert_array_equal(of_tensors(term), of_tensors(plain))


def test_section_may_have_training_clips_alone():
    everyone = np.full(CLIPS, True)
    scorer = scorer_of(everyone)
    values = of_arrays(scored(scorer, VECTORS, leave_self_out=True), everyone)
    np.testing.assert_array_equal(values, scorer.leave_self_out())


def test_known_training_scores_replace_those_of_the_term():
    known = np.array([10.0, np.nan, 30.0, np.nan, 50.0])
    expected, unchanged = x.copy(), x.copy()
    expected[[0, 3, 7]] = [10.0, 30.0, 50.0]

    values = of_arrays(total([with_training_scores(X, known), X]))

    np.testing.assert_array_equal(values, expected + unchanged)
    np.testing.assert_array_equal(of_tensors(with_training_scores(X, known)), unchanged)


@pytest.mark.parametrize("evaluate", [of_arrays, of_tensors])
def test_shared_term_is_computed_once(evaluate):
    calls = []

    def counted(xp, values):
        calls.append(xp)
        return values

    shared = computed(counted, X)

    values = evaluate((shared + shared) + by_domain(shared, shared, 2.0 * shared))

    assert len(calls) == 1
    assert len(values) == CLIPS
