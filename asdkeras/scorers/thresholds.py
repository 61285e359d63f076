"""Thresholds between normal and anomalous, from scores of normal clips."""

import numpy as np


def percentile_threshold(anomaly_scores, percentile=90.0):
    """The score that `percentile` percent of the normal training clips stay below.

    Interpolated linearly between clips, so with three clips the 90th percentile lies
    between the two largest. A clip is called anomalous if its score is above.

    Args:
        anomaly_scores: float, `(clips,)`, at least one, finite.
        percentile: float in [0, 100].

    Returns:
        float.

    Raises:
        ValueError: if there is no score, one is not finite, or `percentile` is out of
            range.
    """
    scores = np.asarray(anomaly_scores, dtype=np.float64)
    if scores.ndim != 1 or scores.size == 0:
        raise ValueError(
            "A threshold needs one score per training clip and at least one clip. "
            f"Received: scores of shape {scores.shape}"
        )
    if not np.isfinite(scores).all():
        raise ValueError(
            "A threshold needs finite scores. Received: "
            f"{np.count_nonzero(~np.isfinite(scores))} of {scores.size} not finite"
        )
    if not 0.0 <= percentile <= 100.0:
        raise ValueError(f"`percentile` must lie in [0, 100]. Received: percentile={percentile}")
    return float(np.percentile(scores, percentile))
