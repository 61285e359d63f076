"""Area under the ROC curve, the whole of it or its start, in the arithmetic of the evaluators.

The order of the additions is part of the definition here. Official result files print all
digits of a float, so an area that is right but rounded elsewhere would show as a difference.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

# NumPy alone: importing sklearn.metrics takes longer than scoring a whole challenge.

Counts = NDArray[np.int64]
Area = TypeVar("Area", float, NDArray[np.float64])


def auc(anomaly_scores: ArrayLike, is_anomalous: ArrayLike) -> float:
    """Probability that an anomalous clip scores above a normal one; a tie counts half.

    Range [0, 1], higher is better, 0.5 is chance. Equal to the last digit to what the
    official evaluators print.

    Args:
        anomaly_scores: float, `(clips,)`, finite. Higher means more anomalous.
        is_anomalous: bool or 0/1, `(clips,)`, with clips of both kinds.

    Raises:
        ValueError: if the arrays do not fit, hold something else, or hold one kind only.

    Examples:
        >>> auc([0.1, 0.4, 0.35, 0.8], [False, False, True, True])
        0.75
        >>> auc([1.0, 1.0], [False, True])
        0.5
    """
    return area_under(*roc_counts(anomaly_scores, is_anomalous))


def partial_auc(anomaly_scores: ArrayLike, is_anomalous: ArrayLike, max_fpr: float = 0.1) -> float:
    """The AUC for false positive rates up to `max_fpr`, standardized after McClish.

    Higher is better, 0.5 is chance, 1 is perfect. The lowest possible value lies just below chance,
    at 0.4737 for `max_fpr` 0.1. The ROC curve is interpolated linearly at `max_fpr`. With 100
    normal clips only the 10 that score highest matter.

    Args:
        anomaly_scores: float, `(clips,)`, finite. Higher means more anomalous.
        is_anomalous: bool or 0/1, `(clips,)`, with clips of both kinds.
        max_fpr: in (0, 1] (paper: p). The challenge uses 0.1.

    Raises:
        ValueError: as `auc`, or if `max_fpr` is out of range.

    References:
        McClish, "Analyzing a Portion of the ROC Curve", Medical Decision Making 1989.

    Examples:
        >>> scores = [0.1, 0.4, 0.35, 0.8]
        >>> round(partial_auc(scores, [False, False, True, True]), 4)
        0.7368
        >>> round(partial_auc(scores, [True, True, False, False]), 4)
        0.4737
    """
    return partial_area_under(*roc_counts(anomaly_scores, is_anomalous), checked_max_fpr(max_fpr))


def roc_counts(anomaly_scores: ArrayLike, is_anomalous: ArrayLike) -> tuple[Counts, Counts]:
    """False and true positives for every threshold, from above the highest score down.

    Takes and refuses what `auc` does.

    Returns:
        two arrays `(distinct scores + 1,)` that start at 0: clips of equal score enter together.
    """
    scores, anomalous = checked_clips(anomaly_scores, is_anomalous)
    num_anomalous = int(anomalous.sum())
    if num_anomalous in (0, len(anomalous)):
        raise ValueError(
            "an ROC curve needs normal and anomalous clips. Received: "
            f"{len(anomalous) - num_anomalous} normal and {num_anomalous} anomalous"
        )
    order = np.argsort(-scores, kind="stable")
    scores, anomalous = scores[order], anomalous[order]
    last_of_its_score = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)

    true_positives = np.cumsum(anomalous, dtype=np.int64)[last_of_its_score]
    false_positives = last_of_its_score.astype(np.int64) + 1 - true_positives
    return np.insert(false_positives, 0, 0), np.insert(true_positives, 0, 0)


def area_under(false_positives: Counts, true_positives: Counts) -> float:
    """Area under the curve of `roc_counts`, both axes scaled to 1."""
    return _trapezoids(*_rates(false_positives, true_positives))


def partial_area_under(false_positives: Counts, true_positives: Counts, max_fpr: float) -> float:
    """Area up to the rate `max_fpr`, interpolated there, standardized after McClish."""
    false_rates, true_rates = _rates(false_positives, true_positives)
    stop = int(np.searchsorted(false_rates, max_fpr, side="right"))
    around = slice(stop - 1, stop + 1)
    end_height = np.interp(max_fpr, false_rates[around], true_rates[around])
    area = _trapezoids(
        np.append(false_rates[:stop], max_fpr), np.append(true_rates[:stop], end_height)
    )
    return standardized(area, max_fpr)


def standardized(area: Area, max_fpr: float) -> Area:
    """McClish's scale for a partial area: chance is 0.5, everything 1."""
    lowest = 0.5 * max_fpr**2  # What chance gets.
    return 0.5 * (1.0 + (area - lowest) / (max_fpr - lowest))


def _rates(
    false_positives: Counts, true_positives: Counts
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The corners of the curve as rates.

    Points between two others on a straight line change the area in its last digits only,
    and the evaluators leave them out, if equal steps lead to and from them.
    """
    keep = np.ones(len(false_positives), dtype=bool)
    # The first threshold always stays, and is not compared with the origin.
    turns = np.diff(false_positives[1:], 2) | np.diff(true_positives[1:], 2)
    keep[2:-1] = turns != 0
    return (
        false_positives[keep] / false_positives[-1],
        true_positives[keep] / true_positives[-1],
    )


def _trapezoids(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2.0))


def checked_clips(
    anomaly_scores: ArrayLike, is_anomalous: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Both arrays, if they are scores and labels of clips; a ValueError says why not."""
    scores = np.asarray(anomaly_scores, dtype="float64")
    labels = np.asarray(is_anomalous)
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise ValueError(
            "`anomaly_scores` and `is_anomalous` must be vectors of the same length. "
            f"Received: shapes {scores.shape} and {labels.shape}"
        )
    if len(scores) == 0:
        raise ValueError("an ROC curve needs clips. Received: no scores")
    num_bad = int(np.sum(~np.isfinite(scores)))
    if num_bad:
        raise ValueError(
            "`anomaly_scores` must be finite. "
            f"Received: {num_bad} of {len(scores)} are NaN or infinite"
        )
    if labels.dtype.kind not in "biuf" or not np.isin(labels, (0, 1)).all():
        raise ValueError(
            "`is_anomalous` must hold bool, or 0 and 1; leave out clips without a label. "
            f"Received: dtype {labels.dtype}, starting {labels[:5]!s}"
        )
    return scores, labels.astype(bool)


def checked_max_fpr(max_fpr: float) -> float:
    """The end of a partial area, if it is one; a ValueError says why not."""
    if not 0.0 < max_fpr <= 1.0:
        raise ValueError(f"`max_fpr` must lie in (0, 1]. Received: max_fpr={max_fpr}")
    return max_fpr
