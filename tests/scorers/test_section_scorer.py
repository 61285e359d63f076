"""SectionScorer: columns of arrays, layers of tensors, and scores that a section lacks."""

import keras
import numpy as np
import pytest

from asdkeras.scorers.section_scorer import SectionScorer
from asdkeras.scorers.terms import OfArrays, representation

EMBEDDINGS = np.random.default_rng(0).normal(size=(5, 2))
EMBEDDING = representation("embedding")
SCORER = SectionScorer(
    {"first": EMBEDDING[:, 0], "target": None, "second": 2.0 * EMBEDDING[:, 1]},
    EMBEDDING,
    {"attributes": 1.0 - EMBEDDING[:, 0]},
)


def clips():
    return OfArrays({"embedding": EMBEDDINGS}, np.full(5, True), np.full(5, ""))


def test_scores_and_groups_are_columns_in_their_order():
    scores, groups = SCORER.arrays(clips())

    assert list(scores) == ["first", "target", "second"]
    np.testing.assert_array_equal(scores["first"], EMBEDDINGS[:, 0])
    np.testing.assert_array_equal(scores["second"], 2.0 * EMBEDDINGS[:, 1])
    assert scores["target"].isna().all()
    assert list(groups) == ["attributes"]
    np.testing.assert_array_equal(groups["attributes"], 1.0 - EMBEDDINGS[:, 0])


def test_without_groups_there_are_no_columns_and_as_many_rows():
    _, groups = SectionScorer(SCORER.scores, EMBEDDING).arrays(clips())
    assert groups.shape == (5, 0)


def test_layers_are_the_named_scores_and_the_embedding():
    tensor = keras.Input((2,), dtype="float64")

    scores, embedding = SCORER.layers({"embedding": tensor}, ["second"])

    assert list(scores) == ["second"]
    second, same = keras.Model(tensor, [scores["second"], embedding])(EMBEDDINGS)
    np.testing.assert_array_equal(second, 2.0 * EMBEDDINGS[:, 1])
    np.testing.assert_array_equal(same, EMBEDDINGS)


@pytest.mark.parametrize("name", ["target", "third"])
def test_layer_of_a_score_that_the_section_lacks_is_refused(name):
    with pytest.raises(KeyError, match=name):
        SCORER.layers({"embedding": keras.Input((2,))}, [name])
