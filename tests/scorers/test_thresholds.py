"""Thresholds at a percentile of normal scores."""

import numpy as np
import pytest

from asdkeras.scorers.thresholds import percentile_threshold
from tests.golden import load_golden


def test_threshold_is_that_of_the_reference():
    golden = load_golden("wilkinghoff_backend/backend")
    references = np.concatenate([golden["adaproj_centers_ninit10"], golden["tgt"]])
    scores = (1 - golden["src"] @ references.T).min(axis=1)
    assert percentile_threshold(scores) == pytest.approx(float(golden["thr90"]), rel=1e-12)


def test_threshold_of_three_clips_lies_between_the_two_largest():
    assert percentile_threshold([1.0, 5.0, 2.0]) == pytest.approx(2.0 + 0.8 * 3.0)


def test_half_the_scores_lie_below_the_fiftieth_percentile():
    assert percentile_threshold([4.0, 1.0, 3.0, 2.0], percentile=50) == 2.5


@pytest.mark.parametrize(
    ("scores", "percentile", "message"),
    [
        ([], 90, "at least one clip.*Received"),
        ([[1.0]], 90, r"one score per training clip.*\(1, 1\)"),
        ([1.0, np.nan], 90, "finite.*Received: 1 of 2"),
        ([1.0], 101, r"\[0, 100\].*Received: percentile=101"),
    ],
)
def test_wrong_argument_is_refused_with_the_reason(scores, percentile, message):
    with pytest.raises(ValueError, match=message):
        percentile_threshold(scores, percentile)
