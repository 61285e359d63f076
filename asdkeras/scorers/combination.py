"""Combining the scores that several models give the same clips, as an ensemble does."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Method = Literal["sum", "mean", "median", "maximum", "rank"]
METHODS: tuple[Method, ...] = get_args(Method)
WEIGHTED: tuple[Method, ...] = ("sum", "mean", "rank")
"""Methods that can count one member more than another."""


@dataclasses.dataclass(frozen=True)
class Combination:
    """How the scores of members are combined.

    Attributes:
        how: `rank` is the mean of the ranks among the test clips of a section. Sums and means of
            scores that are not normalized go name by name; else main scores alone are combined.
            `sum`, `mean` and `rank` are weighted if there are weights.
        main_score: the column of every member that counts as its main score, and that
            thresholds are compared with. None takes the members' own main scores; if these have
            different names, their combination is the column `anomaly_score`.
        normalize: `section` makes the main score of each member a multiple of the standard
            deviation above the mean of clips of the section, before weights;
            `section_and_domain` goes by those of the same domain, where there are ten at least.
        normalize_on: the clips to normalize by. A model scores those it has learned from as it
            scores no other, so their spread is no unit for others: `held_out` goes by those
            that the member has not learned from, and where a section has fewer than ten of them
            by its training clips, as `train` does. With `test` the score of a clip depends on
            the other test clips (transductive).
        weights_from_labels: whether the weights w and 1 - w of a machine type with two members
            are those of 0, 0.05 .. 1 that are best by the labels of its development test clips.
            What is chosen so is marked as an oracle; without labels the weights stay.
        best_from_labels: if not empty, the labels of development test clips choose for each
            machine type (and domain, where the rules set the clips of a domain against its own
            anomalies alone) which members count: the n that are best by themselves, n among
            these numbers. It is marked as an oracle; without labels all members count.
        best_of: by whose clips the n best are found: `machine` those of the machine type (and
            domain); `section` those of each section of it, whose own clips these n score;
            `pooled_sections` likewise, but the n best of each section count in all sections, n
            times as many as sections, and one that is of the best in two counts twice.
        methods_from_labels: methods in place of `how` where labels choose the members, the best
            one being chosen with them; empty leaves `how`.
        method_of: whether each `section` has the method that is best for it (and the domain), or
            all of a `machine` type have one; where a section has no labels, `how` counts.
        oracle: choices by labels of test clips that the combination stands for, a line each.
    """

    how: Method
    main_score: str | None = None
    normalize: Literal["none", "section", "section_and_domain"] = "none"
    normalize_on: Literal["held_out", "train", "test"] = "train"
    weights_from_labels: bool = False
    best_from_labels: tuple[int, ...] = ()
    best_of: Literal["machine", "section", "pooled_sections"] = "machine"
    methods_from_labels: tuple[Method, ...] = ()
    method_of: Literal["machine", "section"] = "machine"
    oracle: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = sorted({self.how, *self.methods_from_labels} - set(METHODS))
        if unknown:
            raise ValueError(
                f"`how` must be one of {', '.join(METHODS)}. Received: {', '.join(unknown)}"
            )
        if self.weights_from_labels and self.how not in ("sum", "mean"):
            raise ValueError(
                "`weights_from_labels` searches the weights of a sum: choose `sum` or `mean`. "
                f"Received: how={self.how!r}"
            )
        if self.weights_from_labels and self.best_from_labels:
            raise ValueError(
                "`weights_from_labels` and `best_from_labels` both choose who counts: leave out "
                f"one. Received: best_from_labels={self.best_from_labels}"
            )
        if any(number < 1 for number in self.best_from_labels):
            raise ValueError(
                "`best_from_labels` must be numbers of members, from 1 on. "
                f"Received: best_from_labels={self.best_from_labels}"
            )
        if self.methods_from_labels and not self.best_from_labels:
            raise ValueError(
                "`methods_from_labels` goes with `best_from_labels`, because labels choose both "
                f"at once. Received: methods_from_labels={self.methods_from_labels}"
            )

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods that may combine the members."""
        return self.methods_from_labels or (self.how,)

    @property
    def keeps_names(self) -> bool:
        """Whether every named score is combined, and not the main score alone."""
        is_sum = self.how in ("sum", "mean")
        return is_sum and self.normalize == "none" and not self.best_from_labels

    @property
    def transductive(self) -> tuple[str, ...]:
        """What of the other test clips the score of a clip depends on, a line each."""
        lines = []
        if self.normalize != "none" and self.normalize_on == "test":
            lines.append("scores of members are normalized by the test clips")
        if "rank" in self.methods:
            lines.append("ranks are among the test clips of a section")
        return tuple(f"{line}: the score of a clip depends on the others" for line in lines)

    @property
    def needs_other_clips(self) -> str:
        """Why the score of a clip is no function of the clip alone; empty if it is one."""
        if self.how == "rank":
            return "ranks among the test clips"
        if self.normalize != "none" and self.normalize_on == "test":
            return "normalizes by the test clips"
        if self.weights_from_labels or self.best_from_labels:
            return "lets labels of test clips choose"
        return ""


def combine(
    scores: ArrayLike,
    how: Method,
    weights: ArrayLike | None = None,
    ranked_among: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """One score for each clip from those of all members, float64 `(clips,)`; NaN if none counts.

    With weights w and members k that score a clip x, `sum` is `sum_k w_k s_k(x)`, `mean` is
    that over `sum_k w_k`, and `rank` is the mean of the ranks `r_k(x)` in place of the
    scores: how many clips member k scores lower, half of those it scores alike, and 1/2, so
    that the lowest of clips that all differ has rank 1. `median` and `maximum` know no
    weights. All but `rank` need members on one scale, which is up to the caller.

    Args:
        scores: `(members, clips)`, higher is more anomalous; NaN where a member does not score
            a clip, which leaves it out of what that clip gets.
        weights: from 0 on, `(members,)` or `(members, clips)`; None weighs all alike. A member of
            weight 0 is left out.
        ranked_among: bool, `(clips,)`, of `rank`: the clips that count in a rank. Others get
            the rank that they would have among these. Where a member scores none of these, as
            with None, all clips count.

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
        total_weight = np.where(counts, weights, 0.0).sum(axis=0)
        result = total if how == "sum" else total / np.where(lost, 1.0, total_weight)
    elif how == "median":
        # Without the clips that no member scores, for NumPy would warn of them.
        result = np.full(len(lost), np.nan)
        result[~lost] = np.nanmedian(np.where(counts, scores, np.nan)[:, ~lost], axis=0)
    else:
        result = np.where(counts, scores, -np.inf).max(axis=0)
    return np.where(lost, np.nan, result)


def combine_tensors(scores: Sequence[Any], how: Method, weights: Sequence[float]) -> Any:
    """`combine` as Keras operations, for clips that all members score; not of `rank`.

    Scores are Keras tensors `(batch,)`; weights are above 0, and not read by median and maximum.
    """
    from keras import ops

    if how in ("median", "maximum"):
        pool = ops.median if how == "median" else ops.max
        return pool(ops.stack(scores, axis=1), axis=1)
    weighted = [weight * score for weight, score in zip(weights, scores, strict=True)]
    total = sum(weighted[1:], weighted[0])
    return total if how == "sum" else total / sum(weights)


def combine_by_section(
    scores: NDArray[np.float64],
    table: pd.DataFrame,
    how: Method,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """As `combine`, each machine type and section by itself; ranks are among its test clips.

    Scores and weights are `(members, clips)`, the result `(clips,)`.
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
