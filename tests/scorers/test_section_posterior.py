"""The section posterior score: its two forms one window at a time, the recorded values."""

import math

import numpy as np
import pytest

from asdkeras.scorers.section_posterior import SectionPosterior, section_posterior_score
from tests.golden import load_golden

FLOOR = 2.220446049250313e-16
FORMS = ("log_odds", "released_2021")


def window_score(p, form):
    """Of one window, as the fact sheet writes it."""
    if form == "log_odds":
        return math.log(max(1.0 - p, FLOOR)) - math.log(max(p, FLOOR))
    return math.log(max(1.0 - p, FLOOR) - math.log(max(p, FLOOR)))


def probabilities_of(clips=5, windows=7):
    return np.random.default_rng(0).uniform(0.0, 1.0, size=(clips, windows))


@pytest.mark.parametrize("form", FORMS)
def test_score_is_the_mean_over_windows(form):
    probabilities = probabilities_of()
    expected = []
    for clip in probabilities:
        total = 0.0
        for p in clip:
            total += window_score(p, form)
        expected.append(total / len(clip))

    scores = section_posterior_score(probabilities, form)

    assert scores.shape == (5,)
    np.testing.assert_allclose(scores, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("form", "recorded"), [("log_odds", "framewise_2022"), ("released_2021", "framewise_2021")]
)
def test_windows_score_as_in_the_official_code_up_to_both_ends(form, recorded):
    golden = load_golden("official_networks/keras_baselines.json")["score_fixed_p"]
    assert golden["p"][-2:] == [1.0, 0.0]

    scores = section_posterior_score(np.array(golden["p"])[:, None], form)

    np.testing.assert_allclose(scores, golden[recorded], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("form", "recorded"),
    [("log_odds", "score_2022_test"), ("released_2021", "score_2021_and_2022_train")],
)
def test_a_clip_scores_as_in_the_official_code(form, recorded):
    golden = load_golden("official_networks/keras_baselines.json")["mobilenetv2_score"]
    own = np.array(golden["p"])[:, golden["section"]]
    assert section_posterior_score([own], form) == pytest.approx(golden[recorded], rel=1e-6)


def test_the_log_odds_are_the_default():
    probabilities = probabilities_of()
    np.testing.assert_array_equal(
        section_posterior_score(probabilities), section_posterior_score(probabilities, "log_odds")
    )


@pytest.mark.parametrize(("form", "lowest"), [("log_odds", 36.04365), ("released_2021", 3.612097)])
def test_scores_stay_finite_where_the_softmax_is_saturated(form, lowest):
    scores = section_posterior_score([[1.0], [1e-300], [0.0]], form)
    np.testing.assert_allclose(scores, [-36.04365, lowest, lowest], rtol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_the_less_probable_the_own_section_the_higher_the_score(form):
    probabilities = np.linspace(0.0, 1.0, 101)[:, None]
    assert np.all(np.diff(section_posterior_score(probabilities, form)) < 0)


@pytest.mark.parametrize("form", FORMS)
def test_the_section_is_taken_from_the_posteriors_of_all(form):
    posteriors = np.random.default_rng(0).dirichlet(np.ones(3), size=(5, 7))
    scores = SectionPosterior(1, form).anomaly_score(posteriors)
    np.testing.assert_array_equal(scores, section_posterior_score(posteriors[..., 1], form))


def test_both_forms_can_order_clips_differently():
    clips = [[0.9, 1e-9], [0.02, 0.001]]
    odds, released = (section_posterior_score(clips, form) for form in FORMS)
    assert odds[0] > odds[1]
    assert released[0] < released[1]


@pytest.mark.parametrize("form", FORMS)
def test_single_precision_is_scored_in_double(form):
    single = probabilities_of().astype(np.float32)
    scores = section_posterior_score(single, form)
    assert scores.dtype == np.float64
    np.testing.assert_array_equal(scores, section_posterior_score(single.astype(float), form))


def test_clips_are_scored_one_by_one():
    probabilities = probabilities_of()
    scores = section_posterior_score(probabilities)
    np.testing.assert_array_equal(section_posterior_score(probabilities[[3, 1]]), scores[[3, 1]])


def test_probabilities_stay_as_they_are():
    probabilities = probabilities_of()
    probabilities.setflags(write=False)
    assert np.all(np.isfinite(section_posterior_score(probabilities)))


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        ([[0.5, 1.1]], r"lie in \[0, 1\].*Received: probabilities with 1.1 \(1 of 2"),
        ([[-0.1, 0.5]], r"lie in \[0, 1\].*Received: probabilities with -0.1"),
        ([[0.5, np.nan]], r"not be NaN.*Received: probabilities with nan"),
        ([0.5, 0.5], r"shape \(clips, windows\).*Received: probabilities of shape \(2,\)"),
        (np.full((2, 3, 4), 0.25), r"Received: probabilities of shape \(2, 3, 4\)"),
        (np.empty((2, 0)), r"at least one window.*Received: probabilities of shape \(2, 0\)"),
    ],
)
def test_what_is_no_probability_is_refused(probabilities, message):
    with pytest.raises(ValueError, match=message):
        section_posterior_score(probabilities)


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match=r"`form` must be one of.*Received: form='odds'"):
        section_posterior_score([[0.5]], "odds")
