"""Thresholds from held-out clips against the definition, and what they promise against draws."""

import math
from fractions import Fraction

import numpy as np
import pytest

from asdkeras.scorers.conformal import conformal_threshold, likely_rates


@pytest.mark.parametrize("rate", ["0.01", "0.05", "0.1", "0.2", "0.5", "0.9"])
@pytest.mark.parametrize("num_clips", [1, 2, 3, 8, 9, 10, 19, 20, 99, 100, 294])
def test_threshold_is_the_order_statistic_of_the_definition(num_clips, rate):
    scores = np.random.default_rng(num_clips).normal(size=num_clips)
    rank = math.ceil((num_clips + 1) * (1 - Fraction(rate)))  # Without rounding.

    threshold = conformal_threshold(scores, float(rate))

    assert threshold == sorted(scores)[min(rank, num_clips) - 1]


@pytest.mark.parametrize(("num_clips", "rate"), [(9, 0.1), (24, 0.1), (58, 0.05), (5, 0.1)])
def test_the_promised_share_of_exchangeable_clips_lies_above(num_clips, rate):
    # Of uniform scores, the share above a threshold is one less the threshold.
    draws = np.random.default_rng(0).uniform(size=(20_000, num_clips))
    above = 1.0 - np.array([conformal_threshold(scores, rate) for scores in draws])

    expected, low, high = likely_rates(num_clips, rate)

    assert above.mean() == pytest.approx(expected, abs=0.003)
    assert np.quantile(above, [0.05, 0.95]) == pytest.approx([low, high], abs=0.005)
    assert expected <= max(rate, 1.0 / (num_clips + 1)) + 1e-12


def test_too_few_clips_promise_what_they_can():
    assert likely_rates(4, 0.1).expected == pytest.approx(0.2)
    assert conformal_threshold([3.0, 1.0, 2.0, 4.0], 0.1) == 4.0


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, math.nan])
def test_a_rate_must_lie_between_0_and_1(rate):
    with pytest.raises(ValueError, match="`false_alarm_rate` must lie between 0 and 1"):
        conformal_threshold([1.0, 2.0], rate)


@pytest.mark.parametrize("scores", [[], [1.0, math.nan], [[1.0]]])
def test_scores_must_be_there_and_finite(scores):
    with pytest.raises(ValueError, match="A threshold needs"):
        conformal_threshold(scores)
