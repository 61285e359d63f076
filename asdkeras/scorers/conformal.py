"""A threshold from scores of normal clips that nothing has learned from, and what it promises.

If normal clips to come are exchangeable with these, at most the asked share of them lies above
(split conformal prediction: Vovk et al., Algorithmic Learning in a Random World, 2005).
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from asdkeras.scorers.thresholds import checked_scores


class Rates(NamedTuple):
    """What share of normal clips to come will lie above a threshold.

    Attributes:
        expected: at most, on average over such thresholds.
        low: with a probability of 90 percent the share lies from here to `high`.
    """

    expected: float
    low: float
    high: float


def conformal_threshold(anomaly_scores: ArrayLike, false_alarm_rate: float = 0.1) -> float:
    """The smallest score that at most the asked share of exchangeable clips lies above.

    It is score number `ceil((clips + 1) (1 - false_alarm_rate))` in ascending order, or the largest
    where there are fewer clips: these can only promise `1 / (clips + 1)`.

    Args:
        anomaly_scores: `(clips,)` of held-out normal clips, at least one, finite.
        false_alarm_rate: strictly between 0 and 1.

    Raises:
        ValueError: if there is no score, one is not finite, or the rate is out of range.

    Examples:
        >>> conformal_threshold(range(1, 20), 0.1)
        18.0
    """
    scores = np.sort(checked_scores(anomaly_scores))
    return float(scores[_rank(len(scores), false_alarm_rate) - 1])


def likely_rates(num_clips: int, false_alarm_rate: float) -> Rates:
    """What a threshold from so many clips promises; their share above is beta distributed."""
    rank = _rank(num_clips, false_alarm_rate)
    share = stats.beta(num_clips + 1 - rank, rank)
    return Rates(float(share.mean()), *(float(each) for each in share.ppf([0.05, 0.95])))


def _rank(num_clips: int, false_alarm_rate: float) -> int:
    if not 0.0 < false_alarm_rate < 1.0:
        raise ValueError(
            "`false_alarm_rate` must lie between 0 and 1. "
            f"Received: false_alarm_rate={false_alarm_rate}"
        )
    # Rounded, since 20 x (1 - 0.1) must not become 19.
    return min(math.ceil(round((num_clips + 1) * (1.0 - false_alarm_rate), 9)), num_clips)
