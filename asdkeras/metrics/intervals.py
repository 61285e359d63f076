"""95 % intervals of a pooled AUC and pAUC: what the evaluators print, and what is right.

From 2022 to 2024 the evaluators print an `official score ci95`. It is no interval of the
official score: all clips of all machine types are thrown together, and the half-widths of
the AUC and of the pAUC of that heap are averaged. And it applies the jackknife formula to
the leave-one-out values in place of the pseudo-values, which makes it N - 1 times too small
for N clips. An interval of the official score itself is in `bootstrap.py`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from asdkeras.metrics.auc import (
    Counts,
    area_under,
    checked_clips,
    checked_max_fpr,
    partial_area_under,
    roc_counts,
)

_CONFIDENCE = 0.95


class LeaveOneOut(NamedTuple):
    """Metrics of all clips but one, each float `(clips,)` in the order of the clips."""

    auc: NDArray[np.float64]
    pauc: NDArray[np.float64]


class PooledIntervals(NamedTuple):
    """Half-widths of 95 % intervals; the interval is the value minus and plus it.

    Attributes:
        official: what the evaluators print as `official score ci95`. A defect, see above.
        corrected: the same mean of the half-widths of AUC and pAUC, from pseudo-values.
        auc: the corrected half-width of the AUC of all clips together.
        pauc: that of the pAUC.
    """

    official: float
    corrected: float
    auc: float
    pauc: float


def official_ci95(
    anomaly_scores: ArrayLike, is_anomalous: ArrayLike, max_fpr: float = 0.1
) -> float:
    """The line `official score ci95` of the evaluators of 2022 to 2024, defects and all.

    Args and errors are those of `pooled_intervals`, which says what is wrong with it.

    Examples:
        >>> round(official_ci95([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]), 4)
        0.4301
    """
    return pooled_intervals(anomaly_scores, is_anomalous, max_fpr).official


def pooled_intervals(
    anomaly_scores: ArrayLike, is_anomalous: ArrayLike, max_fpr: float = 0.1
) -> PooledIntervals:
    """Jackknife intervals of the AUC and the pAUC of the clips of all machine types together.

    Args:
        anomaly_scores: float, `(clips,)`, finite: all machine types one below the other,
            sections in order, clips sorted by name. Another order changes the last digits.
        is_anomalous: bool or 0/1, `(clips,)`, at least two clips of each kind.
        max_fpr: float in (0, 1].

    Raises:
        ValueError: as `asdkeras.metrics.auc.partial_auc`, or if there are fewer than two
            clips of a kind: nothing is left to compare with if the only one is left out.

    References:
        Mesaros et al., "Sound Event Detection in the DCASE 2017 Challenge", IEEE/ACM TASLP
        2019, Section IV.
    """
    without_one = leave_one_out(anomaly_scores, is_anomalous, max_fpr)
    curve = roc_counts(anomaly_scores, is_anomalous)
    values = (area_under(*curve), partial_area_under(*curve, max_fpr))
    auc, pauc = (
        _half_width(len(others) * value - (len(others) - 1) * others)
        for value, others in zip(values, without_one, strict=True)
    )
    printed = [_half_width(values) for values in without_one]
    return PooledIntervals(float(np.mean(printed)), float(np.mean([auc, pauc])), auc, pauc)


def leave_one_out(
    anomaly_scores: ArrayLike, is_anomalous: ArrayLike, max_fpr: float = 0.1
) -> LeaveOneOut:
    """AUC and pAUC of all clips but one, for every clip, from a single ranking.

    Args and errors are those of `pooled_intervals`. The values equal, to the last digit,
    those of curves drawn anew without each clip.
    """
    scores, anomalous = checked_clips(anomaly_scores, is_anomalous)
    checked_max_fpr(max_fpr)
    num_anomalous = int(anomalous.sum())
    if min(num_anomalous, len(scores) - num_anomalous) < 2:
        raise ValueError(
            "a jackknife needs at least 2 normal and 2 anomalous clips. Received: "
            f"{len(scores) - num_anomalous} normal and {num_anomalous} anomalous"
        )
    curve = roc_counts(scores, anomalous)
    # Clips of equal kind and score leave the same curve behind.
    places = np.stack([np.unique(-scores, return_inverse=True)[1] + 1, anomalous])
    distinct, place_of_clip = np.unique(places, axis=1, return_inverse=True)
    metrics = [
        (area_under(*rest), partial_area_under(*rest, max_fpr))
        for rest in (_curve_without_one(*curve, *place) for place in distinct.T)
    ]
    return LeaveOneOut(*np.array(metrics)[place_of_clip.ravel()].T)


def _curve_without_one(
    false_positives: Counts, true_positives: Counts, point: int, is_anomalous: int
) -> tuple[Counts, Counts]:
    """The curve if one of the clips that enter at a point were not there."""
    curve = np.stack([false_positives, true_positives])
    curve[is_anomalous, point:] -= 1
    if (curve[:, point] == curve[:, point - 1]).all():
        curve = np.delete(curve, point, axis=1)
    return curve[0], curve[1]


def _half_width(values: NDArray[np.float64]) -> float:
    """Half the 95 % interval of Student's t, from as many estimates as there are clips."""
    count = len(values)
    quantile = abs(stdtrit(count - 1, (1.0 - _CONFIDENCE) / 2.0))
    return float(
        quantile * np.sqrt(np.sum((values - np.mean(values)) ** 2) / (count * (count - 1)))
    )
