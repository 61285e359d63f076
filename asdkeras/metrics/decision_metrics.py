"""Precision, recall and F1 of decisions, as the challenge computes them."""

import sys
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

EPSILON = sys.float_info.epsilon


class DecisionMetrics(NamedTuple):
    """Each in [0, 1], higher is better."""

    precision: float
    recall: float
    f1: float


def decision_metrics(is_flagged: ArrayLike, is_anomalous: ArrayLike) -> DecisionMetrics:
    """How well decisions find the anomalous clips.

    Denominators are kept above the machine epsilon, as the official evaluator does:
    where nothing is flagged, or nothing is anomalous, the value is 0.

    Args:
        is_flagged: bool or 0/1, `(clips,)`. The decision "anomalous".
        is_anomalous: bool or 0/1, `(clips,)`. The truth.

    Raises:
        ValueError: if the arrays do not fit or hold anything but 0 and 1.

    Examples:
        >>> decision_metrics([1, 1, 0, 0], [1, 0, 1, 1]).precision
        0.5
        >>> decision_metrics([0, 0, 0], [1, 0, 1])
        DecisionMetrics(precision=0.0, recall=0.0, f1=0.0)
    """
    flagged = _checked("is_flagged", is_flagged)
    anomalous = _checked("is_anomalous", is_anomalous)
    if flagged.shape != anomalous.shape:
        raise ValueError(
            "`is_flagged` and `is_anomalous` must be of the same length. "
            f"Received: shapes {flagged.shape} and {anomalous.shape}"
        )
    num_hits = float(np.sum(flagged & anomalous))
    precision = num_hits / max(float(flagged.sum()), EPSILON)
    recall = num_hits / max(float(anomalous.sum()), EPSILON)
    f1 = 2.0 * precision * recall / max(precision + recall, EPSILON)
    return DecisionMetrics(precision, recall, f1)


def _checked(name: str, values: ArrayLike) -> NDArray[np.bool_]:
    array = np.asarray(values)
    if array.ndim != 1 or len(array) == 0:
        raise ValueError(f"`{name}` must be a vector with clips. Received: shape {array.shape}")
    if array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all():
        raise ValueError(
            f"`{name}` must hold bool, or 0 and 1. "
            f"Received: dtype {array.dtype}, starting {array[:5]!s}"
        )
    return array.astype(bool)
