"""SectionPosteriorScore: one window at a time, certainty, and what is refused."""

import math

import keras
import numpy as np
import pytest

from asdkeras.dsp.precision import single_precision
from asdkeras.layers.section_posterior_score import SectionPosteriorScore
from tests.contracts import check_layer

FLOOR = 2.220446049250313e-16
FORMS = ("log_odds", "released_2021")


def drawn_posteriors(clips=5, windows=7, sections=3):
    rng = np.random.default_rng(0)
    return rng.dirichlet(np.ones(sections), size=(clips, windows)).astype("float32")


def window_score(p, form):
    if form == "log_odds":
        return math.log(max(1.0 - p, FLOOR)) - math.log(max(p, FLOOR))
    return math.log(max(1.0 - p, FLOOR) - math.log(max(p, FLOOR)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("section", [0, 2])
def test_score_is_the_mean_over_windows_of_the_section(form, section):
    posteriors = drawn_posteriors()
    expected = [
        sum(window_score(float(window[section]), form) for window in clip) / len(clip)
        for clip in posteriors
    ]
    scores = SectionPosteriorScore(section, form)(posteriors)
    np.testing.assert_allclose(scores, expected, rtol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_certain_posteriors_have_finite_scores_in_either_precision(form):
    own = np.array([1.0, 1.0 - 2**-24, 0.5, 1e-7, 1e-20, 0.0], "float32")
    posteriors = np.stack([own, 1.0 - own], axis=-1)[:, None]
    expected = [window_score(float(p), form) for p in own]
    layer = SectionPosteriorScore(0, form)
    # At 0.5 the log odds are 0.
    np.testing.assert_allclose(layer(posteriors), expected, rtol=1e-9, atol=1e-12)
    with single_precision():
        np.testing.assert_allclose(layer(posteriors), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_layer_contract(form):
    check_layer(SectionPosteriorScore(1, form), drawn_posteriors(), output_shape=(5,))


def test_section_from_the_end_is_refused():
    with pytest.raises(ValueError, match=r"`section` must be at least 0\. Received: section=-1"):
        SectionPosteriorScore(-1)


def test_unknown_form_is_refused():
    with pytest.raises(ValueError, match=r"`form` must be one of .*form='odds'"):
        SectionPosteriorScore(0, form="odds")


@pytest.mark.parametrize("sections", [2, None])
def test_section_that_is_not_there_is_refused(sections):
    with pytest.raises(ValueError, match=r"of more than 2 sections\. Received: posteriors of sha"):
        SectionPosteriorScore(2)(keras.Input((7, sections)))
