"""Area under the ROC curve, the whole of it or its start."""

from numpy.typing import ArrayLike

from asdkeras.metrics.roc import area_under, checked_max_fpr, partial_area_under, roc_counts


def auc(anomaly_scores: ArrayLike, is_anomalous: ArrayLike) -> float:
    """Probability that an anomalous clip scores above a normal one; a tie counts half.

    Range [0, 1], higher is better, 0.5 is chance. Equal to the last digit to what the
    official evaluators print, see `roc.py`.

    Args:
        anomaly_scores: float, `(clips,)`, finite. Higher means more anomalous.
        is_anomalous: bool or 0/1, `(clips,)`, with clips of both kinds.

    Returns:
        float.

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

    Higher is better, 0.5 is chance, 1 is perfect. The lowest possible value lies just
    below chance, at 0.4737 for `max_fpr` 0.1. The ROC curve is interpolated linearly
    at `max_fpr`. With 100 normal clips only the 10 that score highest matter.

    Args:
        anomaly_scores: float, `(clips,)`, finite. Higher means more anomalous.
        is_anomalous: bool or 0/1, `(clips,)`, with clips of both kinds.
        max_fpr: float in (0, 1] (paper: p). The challenge uses 0.1.

    Returns:
        float.

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
