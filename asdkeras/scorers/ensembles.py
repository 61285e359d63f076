"""Scores of several models for the same clips made one score: what an ensemble does."""

from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Method = Literal["sum", "mean", "median", "maximum", "rank"]
METHODS: tuple[Method, ...] = get_args(Method)
WEIGHTED: tuple[Method, ...] = ("sum", "mean", "rank")
"""Methods that can count one member more than another."""


def combine(
    scores: ArrayLike,
    how: Method,
    weights: ArrayLike | None = None,
    ranked_among: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """One score for each clip from those of all members.

    With weights w and members k that score a clip x, `sum` is `sum_k w_k s_k(x)`, `mean` is
    that over `sum_k w_k`, and `rank` is the mean of the ranks `r_k(x)` in place of the
    scores: how many clips member k scores lower, half of those it scores alike, and 1/2, so
    that the lowest of clips that all differ has rank 1. `median` and `maximum` know no
    weights. All but `rank` need members on one scale, which is up to the caller.

    Args:
        scores: float, `(members, clips)`, higher is more anomalous; NaN where a member does
            not score a clip, which leaves it out of what that clip gets.
        how: one of `METHODS`.
        weights: float from 0 on, `(members,)` or `(members, clips)`; None weighs all alike. A
            member of weight 0 is left out.
        ranked_among: bool, `(clips,)`, of `rank`: the clips that count in a rank. Others get
            the rank that they would have among these. Where a member scores none of these, as
            with None, all clips count.

    Returns:
        float64, `(clips,)`, higher is more anomalous; NaN where no member counts.

    Raises:
        ValueError: if there is no such method, the shapes do not fit, or weights are below 0
            or meet a method that has none.

    References:
        Kuroyanagi et al. 2021, Sec. 2.3, names average, median, maximum and ranking.

    Examples:
        >>> combine([[0.0, 1.0, 2.0], [5.0, 4.0, 4.0]], "rank").tolist()
        [2.0, 1.75, 2.25]
    """
    scores = np.asarray(scores, dtype=np.float64)
    _check(scores, how)
    weights = _weight_table(scores, how, weights)
    if how == "rank":
        is_reference = np.zeros(scores.shape[1]) if ranked_among is None else ranked_among
        scores = np.stack([_ranks(row, np.asarray(is_reference, dtype=bool)) for row in scores])
    counts = ~np.isnan(scores) & (weights > 0.0)
    lost = ~counts.any(axis=0)
    if how in WEIGHTED:
        total = np.where(counts, weights * scores, 0.0).sum(axis=0)
        result = total if how == "sum" else total / _sum_or_one(np.where(counts, weights, 0.0))
    elif how == "median":
        # A clip without any member gets zeros here and NaN below: no warning of NumPy.
        result = np.nanmedian(np.where(counts, scores, np.nan)[:, ~lost], axis=0)
        result = _placed(result, ~lost)
    else:
        result = np.where(counts, scores, -np.inf).max(axis=0)
    return np.where(lost, np.nan, result)


def combine_by_section(
    scores: NDArray[np.float64],
    table: pd.DataFrame,
    how: Method,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """As `combine`, each machine type and section by itself; ranks are among its test clips.

    Args:
        scores: float, `(members, clips)`.
        table: clip table.
        how: as in `combine`.
        weights: float from 0 on, `(members, clips)`; None weighs all alike.

    Returns:
        float64, `(clips,)`.
    """
    result = np.full(len(table), np.nan)
    is_test = (table["split"] == "test").to_numpy(dtype=bool)
    for rows in table.groupby(["machine_type", "section"]).indices.values():
        of_rows = None if weights is None else weights[:, rows]
        result[rows] = combine(scores[:, rows], how, of_rows, is_test[rows])
    return result


def _check(scores: NDArray[np.float64], how: Method) -> None:
    if how not in METHODS:
        raise ValueError(f"`how` must be one of {', '.join(METHODS)}. Received: how={how!r}")
    if scores.ndim != 2 or not len(scores):
        raise ValueError(
            "`scores` must be of shape (members, clips), with at least one member. "
            f"Received: shape {scores.shape}"
        )


def _weight_table(
    scores: NDArray[np.float64], how: Method, weights: ArrayLike | None
) -> NDArray[np.float64]:
    if weights is None:
        return np.ones_like(scores)
    if how not in WEIGHTED:
        raise ValueError(
            f"`weights` go with {', '.join(WEIGHTED)}: {how} cannot count one member more than "
            f"another. Received: how={how!r}"
        )
    table = np.asarray(weights, dtype=np.float64)
    if table.ndim == 1:
        table = table[:, np.newaxis]
    if table.ndim != 2 or table.shape not in (scores.shape, (len(scores), 1)):
        raise ValueError(
            "`weights` must be of shape (members,) or (members, clips), with scores of shape "
            f"{scores.shape}. Received: shape {np.shape(weights)}"
        )
    if not (table >= 0.0).all():
        raise ValueError(f"`weights` must be numbers from 0 on. Received: weights={weights}")
    return np.broadcast_to(table, scores.shape)


def _ranks(scores: NDArray[np.float64], is_reference: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Ranks of one member's clips among the references; all its clips if it scores none of them."""
    is_scored = ~np.isnan(scores)
    is_counted = is_scored & is_reference
    counted = np.sort(scores[is_counted if is_counted.any() else is_scored])
    lower = np.searchsorted(counted, scores, side="left")
    up_to = np.searchsorted(counted, scores, side="right")
    return np.where(is_scored, (lower + up_to) / 2.0 + 0.5, np.nan)


def _sum_or_one(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums over the members; 1 where there is none, to be divided by."""
    total = weights.sum(axis=0)
    return np.where(total > 0.0, total, 1.0)


def _placed(values: NDArray[np.float64], at: NDArray[np.bool_]) -> NDArray[np.float64]:
    result = np.full(len(at), np.nan)
    result[at] = values
    return result
