"""The decision of all official baselines: a gamma distribution of normal scores."""

import dataclasses

import pandas as pd

from asdkeras.config import require
from asdkeras.scorers.thresholds import gamma_threshold


def require_percentile(percentile):
    """Refuse a `threshold_percentile` that no distribution has; see `asdkeras.config.require`."""
    require(
        0.0 < percentile < 100.0, "threshold_percentile", "must lie between 0 and 100", percentile
    )


def training_threshold(scores, table, percentile):
    """Threshold from the scores of all training clips of one model.

    Args:
        scores: Series with the index of `table`.
        table: clip table of what the model covers.
        percentile: of the distribution.

    Returns:
        `GammaThreshold`.
    """
    return gamma_threshold(scores[table["split"] == "train"].to_numpy(), percentile)


def same_for_all(threshold, table):
    """Series of one threshold for every clip of a table."""
    return pd.Series(threshold.value, index=table.index)


def with_reason(score_table, threshold, table):
    """A score table that says so where a percentile stands in for the distribution."""
    if not threshold.reason:
        return score_table
    names = ", ".join(sorted(set(table["machine_type"])))
    note = f"{names}: the threshold is a percentile of the scores, {threshold.reason}"
    return dataclasses.replace(score_table, notes=(*score_table.notes, note))
