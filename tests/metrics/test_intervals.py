"""Jackknife intervals: the official ones digit by digit, and the correct ones."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from asdkeras.metrics.auc import auc, partial_auc
from asdkeras.metrics.intervals import leave_one_out, official_ci95, pooled_intervals
from tests.metrics.labelled import labelled_scores, read_submission
from tests.real_data import real_data

PAIRS = labelled_scores(fewest_of_a_kind=2)
# Folder, year, ending of the score files, corrected half-width as known from elsewhere.
SUBMISSIONS = [
    ("eval2022_Xiao_HEU-HIT_task2_1", 2022, ".csv", 0.015729),
    ("eval2022_Xiao_HEU-HIT_task2_2", 2022, ".csv", 0.016010),
    ("eval2023_maged_MSE", 2023, "_test.csv", 0.021467),
]


def without_each(scores, labels, max_fpr=None):
    """One curve per clip left out, drawn anew."""
    clips = range(len(scores))
    kept = [[other for other in clips if other != clip] for clip in clips]
    return [roc_auc_score(labels[rest], scores[rest], max_fpr=max_fpr) for rest in kept]


def half_width(estimates):
    """Student's interval around the mean of estimates, N - 1 degrees of freedom."""
    count = len(estimates)
    mean = sum(estimates) / count
    variance = sum((estimate - mean) ** 2 for estimate in estimates) / (count * (count - 1))
    return stats.t.ppf(0.975, count - 1) * math.sqrt(variance)


def pseudo_values(value, estimates):
    count = len(estimates)
    return [count * value - (count - 1) * estimate for estimate in estimates]


@settings(deadline=None, max_examples=25)  # A busy machine is no failure.
@given(PAIRS, st.sampled_from([0.05, 0.1, 0.4, 1.0]))
def test_leaving_one_out_equals_a_curve_drawn_anew(case, max_fpr):
    values = leave_one_out(*case, max_fpr)
    assert values.auc == pytest.approx(without_each(*case), abs=1e-12)
    assert values.pauc == pytest.approx(without_each(*case, max_fpr), abs=1e-12)


def test_leaving_one_out_has_the_digits_of_a_curve_drawn_anew():
    scores, labels = seeded_clips()
    rests = [np.delete(np.arange(len(scores)), clip) for clip in range(len(scores))]

    values = leave_one_out(scores, labels)

    assert values.auc.tolist() == [auc(scores[rest], labels[rest]) for rest in rests]
    assert values.pauc.tolist() == [partial_auc(scores[rest], labels[rest]) for rest in rests]


@settings(deadline=None, max_examples=25)  # A busy machine is no failure.
@given(PAIRS)
def test_official_interval_spreads_the_values_without_one_clip(case):
    expected = (half_width(without_each(*case)) + half_width(without_each(*case, 0.1))) / 2
    assert official_ci95(*case) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=25)  # A busy machine is no failure.
@given(PAIRS)
def test_correct_interval_spreads_the_pseudo_values(case):
    scores, labels = case
    whole, whole_start = roc_auc_score(labels, scores), roc_auc_score(labels, scores, max_fpr=0.1)

    intervals = pooled_intervals(scores, labels)

    auc_width = half_width(pseudo_values(whole, without_each(scores, labels)))
    pauc_width = half_width(pseudo_values(whole_start, without_each(scores, labels, 0.1)))
    assert intervals.auc == pytest.approx(auc_width, abs=1e-12)
    assert intervals.pauc == pytest.approx(pauc_width, abs=1e-12)
    assert intervals.corrected == pytest.approx((auc_width + pauc_width) / 2, abs=1e-12)


def seeded_clips(num_clips=300):
    rng = np.random.default_rng(4)
    labels = np.arange(num_clips) % 2 == 0
    return np.round(rng.normal(size=num_clips) + labels, 2), labels


def test_official_interval_is_too_small_by_one_less_than_the_clips():
    intervals = pooled_intervals(*seeded_clips(300))
    assert intervals.corrected / intervals.official == pytest.approx(299.0, rel=1e-9)


def test_correct_interval_agrees_with_a_bootstrap():
    scores, labels = seeded_clips()
    rng = np.random.default_rng(0)
    drawn = (rng.integers(len(scores), size=len(scores)) for _ in range(1000))
    spread = np.std([auc(scores[clips], labels[clips]) for clips in drawn])

    # A standard deviation of 1000 draws is known to about 2 %.
    assert pooled_intervals(scores, labels).auc == pytest.approx(1.96 * spread, rel=0.08)


@pytest.mark.parametrize(("folder", "year", "ending", "corrected"), SUBMISSIONS)
def test_intervals_of_real_submissions_are_those_printed(folder, year, ending, corrected):
    printed = real_data(f"2_scores/{folder}") / "official_evaluator_output.csv"
    inner = f"{folder}/as_submitted" if year == 2023 else folder
    scores, labels, _, _ = read_submission(inner, year, ending)

    intervals = pooled_intervals(scores, labels)

    assert f"official score ci95,,{intervals.official!r}" in printed.read_text().splitlines()
    assert intervals.corrected == pytest.approx(corrected, abs=5e-7)


@settings(deadline=None)  # A busy machine is no failure.
@given(PAIRS, st.randoms(use_true_random=False))
def test_values_follow_the_order_of_the_clips(case, random):
    scores, labels = case
    order = list(range(len(scores)))
    random.shuffle(order)

    straight, shuffled = leave_one_out(scores, labels), leave_one_out(scores[order], labels[order])

    assert shuffled.auc.tolist() == straight.auc[order].tolist()
    assert shuffled.pauc.tolist() == straight.pauc[order].tolist()


def test_perfect_scores_leave_no_doubt():
    assert pooled_intervals(np.arange(10.0), np.arange(10) > 4) == (0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("interval", [official_ci95, pooled_intervals, leave_one_out])
@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([], [], "needs clips"),
        ([1.0, 2.0, 3.0], [0, 0, 1], "at least 2 normal and 2 .*Received: 2 normal and 1 anom"),
        ([1.0, 2.0, 3.0], [0, 1, 1], "at least 2 normal and 2 .*Received: 1 normal and 2 anom"),
        ([1.0, 2.0], [0, 0], "Received: 2 normal and 0 anomalous"),
        ([1.0, np.inf, 2.0, 3.0], [0, 0, 1, 1], "must be finite"),
        ([1.0, 2.0, 3.0, 4.0], [0, 0, 1, 2], "must hold bool"),
    ],
)
def test_what_cannot_lose_a_clip_is_refused(interval, scores, labels, message):
    with pytest.raises(ValueError, match=message):
        interval(scores, labels)


@pytest.mark.parametrize("max_fpr", [0.0, 1.1])
def test_max_fpr_out_of_range_is_refused(max_fpr):
    with pytest.raises(ValueError, match=r"\(0, 1\]. Received: max_fpr="):
        official_ci95([1.0, 2.0, 3.0, 4.0], [0, 0, 1, 1], max_fpr)
