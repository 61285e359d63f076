"""What every scorer that has a layer does, whatever it computes."""

import functools
import pickle

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from asdkeras.scorers.gaussian_mixture import ClosestMixture
from asdkeras.scorers.section_posterior import SectionPosterior
from tests.scorers.fitted_scorers import (
    CASES,
    fitted,
    scored_values,
    scorer_classes,
    training_values,
    variants,
)

FITTED = [name for name, (each, _) in CASES.items() if hasattr(each, "fit")]
FITTED_IN_BATCHES = [name for name, (each, _) in CASES.items() if hasattr(each, "partial_fit")]


@functools.cache
def case_of(name):
    scorer = fitted(*CASES[name])
    values = scored_values(scorer)
    values.setflags(write=False)
    return scorer, values


@pytest.mark.parametrize("name", CASES)
def test_layer_of_a_saved_model_scores_as_the_scorer(name, tmp_path):
    scorer, values = case_of(name)
    inputs = keras.Input(values.shape[1:], dtype="float64")
    model = keras.Model(inputs, scorer.layer()(inputs))
    model.save(tmp_path / "model.keras")

    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)

    np.testing.assert_array_equal(loaded(values), model(values))
    np.testing.assert_allclose(loaded(values), scorer.anomaly_score(values), rtol=1e-9)
    np.testing.assert_allclose(loaded(values[:1]), scorer.anomaly_score(values[:1]), rtol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_clips_are_scored_one_by_one(name):
    scorer, values = case_of(name)

    scores = scorer.anomaly_score(values)

    assert scores.shape == (len(values),)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    order = np.random.default_rng(0).permutation(len(values))
    np.testing.assert_allclose(scorer.anomaly_score(values[order]), scores[order], rtol=1e-12)
    np.testing.assert_allclose(scorer.anomaly_score(values[:2]), scores[:2], rtol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_copy_scores_as_the_scorer(name):
    scorer, values = case_of(name)
    copy = pickle.loads(pickle.dumps(scorer))
    np.testing.assert_array_equal(copy.anomaly_score(values), scorer.anomaly_score(values))


@pytest.mark.parametrize("name", CASES)
def test_values_that_are_not_finite_are_refused(name):
    scorer, values = case_of(name)
    with pytest.raises(ValueError, match="NaN"):
        scorer.anomaly_score(np.full_like(values, np.nan))


@pytest.mark.parametrize("name", [*FITTED, *FITTED_IN_BATCHES])
def test_scorer_needs_a_fit(name):
    scorer, values = case_of(name)
    with pytest.raises(NotFittedError):
        clone(scorer).anomaly_score(values)
    with pytest.raises(NotFittedError):
        clone(scorer).layer()


@pytest.mark.parametrize("name", FITTED)
def test_fit_returns_the_scorer_and_forgets_earlier_ones(name):
    scorer, values = case_of(name)
    (normal,) = training_values(scorer)
    normal.setflags(write=False)
    other = clone(scorer).fit(normal[::-1] ** 2)

    assert other.fit(normal) is other

    np.testing.assert_allclose(
        other.anomaly_score(values), scorer.anomaly_score(values), rtol=1e-12
    )
    with pytest.raises(ValueError, match="NaN"):
        other.fit(np.full_like(normal, np.nan))


@pytest.mark.parametrize("name", FITTED)
def test_what_points_the_other_way_is_more_anomalous(name):
    scorer, values = case_of(name)
    assert scorer.anomaly_score(-values).min() > scorer.anomaly_score(values).max()


def test_scorers_of_every_interface_are_found():
    assert FITTED
    assert FITTED_IN_BATCHES
    assert {ClosestMixture, SectionPosterior} <= set(scorer_classes())


def test_scorer_with_an_argument_unknown_to_tests_is_refused():
    class Colored:
        def __init__(self, color: complex, count: int = 1):
            pass

    with pytest.raises(TypeError, match="Colored has an argument unknown to tests: color"):
        variants(Colored)
