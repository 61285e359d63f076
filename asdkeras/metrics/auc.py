"""Area under the ROC curve, the whole of it or its start."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

# NumPy alone: importing sklearn.metrics takes longer than scoring a whole challenge.


def auc(anomaly_scores: ArrayLike, is_anomalous: ArrayLike) -> float:
    """Probability that an anomalous clip scores above a normal one; a tie counts half.

    Range [0, 1], higher is better, 0.5 is chance.

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
    false_positives, true_positives = _roc_counts(anomaly_scores, is_anomalous)
    area = _area(false_positives, true_positives)
    return area / (float(false_positives[-1]) * float(true_positives[-1]))


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
    if not 0.0 < max_fpr <= 1.0:
        raise ValueError(f"`max_fpr` must lie in (0, 1]. Received: max_fpr={max_fpr}")
    false_positives, true_positives = _roc_counts(anomaly_scores, is_anomalous)
    num_normal, num_anomalous = float(false_positives[-1]), float(true_positives[-1])

    limit = max_fpr * num_normal
    stop = int(np.searchsorted(false_positives, limit, side="right"))
    end_height = float(np.interp(limit, false_positives, true_positives))
    area = _area(
        np.append(false_positives[:stop].astype("float64"), limit),
        np.append(true_positives[:stop].astype("float64"), end_height),
    ) / (num_normal * num_anomalous)

    lowest = 0.5 * max_fpr**2  # What chance gets.
    return 0.5 * (1.0 + (area - lowest) / (max_fpr - lowest))


def _roc_counts(
    anomaly_scores: ArrayLike, is_anomalous: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """False and true positives for every threshold, from above the highest score down.

    Both are `(distinct scores + 1,)` and start at 0: clips of equal score enter together.
    """
    scores, anomalous = _checked(anomaly_scores, is_anomalous)
    order = np.argsort(-scores, kind="stable")
    scores, anomalous = scores[order], anomalous[order]
    last_of_its_score = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)

    true_positives = np.cumsum(anomalous, dtype=np.int64)[last_of_its_score]
    false_positives = last_of_its_score.astype(np.int64) + 1 - true_positives
    return np.insert(false_positives, 0, 0), np.insert(true_positives, 0, 0)


def _area(x: NDArray[np.number], y: NDArray[np.number]) -> float:
    """Trapezoids under a curve; exact for counts."""
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1])) / 2)


def _checked(
    anomaly_scores: ArrayLike, is_anomalous: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Both arrays, if an ROC curve can be drawn from them."""
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
    return scores, _checked_labels(labels)


def _checked_labels(is_anomalous: NDArray[np.generic]) -> NDArray[np.bool_]:
    """The labels as bool, if they are nothing but 0 and 1 and both occur."""
    if is_anomalous.dtype.kind not in "biuf" or not np.isin(is_anomalous, (0, 1)).all():
        raise ValueError(
            "`is_anomalous` must hold bool, or 0 and 1; leave out clips without a label. "
            f"Received: dtype {is_anomalous.dtype}, starting {is_anomalous[:5]!s}"
        )
    labels = is_anomalous.astype(bool)
    num_anomalous = int(labels.sum())
    if num_anomalous in (0, len(labels)):
        raise ValueError(
            "an ROC curve needs normal and anomalous clips. Received: "
            f"{len(labels) - num_anomalous} normal and {num_anomalous} anomalous"
        )
    return labels
