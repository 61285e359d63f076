"""The scores of the members of an ensemble made one: name by name, or the answers alone."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from asdkeras.errors import RecipeError
from asdkeras.experiment.best_members import combine_best
from asdkeras.experiment.member_weights import best_weights, describe_weights, given_weights
from asdkeras.experiment.members import (
    Combination,
    Member,
    common_answer,
    is_scored,
    read_columns,
)
from asdkeras.score_files import read_names, read_trial
from asdkeras.scorers.ensembles import combine_by_section


class Combined(NamedTuple):
    """What the members say together.

    Attributes:
        table: clip table of their score files.
        columns: named scores, in the order of the first member.
        answer: the column that is the answer: what all members call theirs, or
            `anomaly_score` if they call it differently.
        is_whole: whether every name that all members have is there; False if only one
            score was chosen, which then is the answer.
        notes: what is to be said of the combination.
        oracle: what labels of test clips decided.
    """

    table: pd.DataFrame
    columns: pd.DataFrame
    answer: str
    is_whole: bool
    notes: tuple[str, ...]
    oracle: tuple[str, ...]


def combined(members: Sequence[Member], rule: Combination) -> Combined:
    """Make the scores of the members one: name by name, or their answers alone.

    Sums and means of scores as they are go name by name. What is standardized, ranked or
    chosen are answers.

    Args:
        members: at least one. If one of them has a named score as its choice, that score
            alone counts, beside the anomaly scores of the others.
        rule: how.

    Raises:
        RecipeError: if a member is not finished or not of the same clips, a choice is not
            among its scores, or no member scores a clip.
        ValueError: if a member lacks the answer of the rule, all weights of a machine type
            are 0, or there are weights for a method that has none.
    """
    answer = common_answer(members, rule)
    is_whole = not any(member.choice in read_names(member.folder) for member in members)
    table = read_trial(members[0].folder).table
    scored = [is_scored(member, table) for member in members]
    lost = sorted(set(table.loc[~pd.concat(scored, axis=1).any(axis=1), "machine_type"]))
    if lost:
        raise RecipeError(
            f"no member of this ensemble scores {', '.join(lost)}. Choose another variant, or "
            "leave these machine types out with --machines."
        )

    notes: list[str] = []
    oracle = rule.oracle
    weights = given_weights(
        [each.weights or {} for each in members], [each.weight for each in members], scored, table
    )
    if rule.weights_from_labels:
        answers = [
            read_columns(each, members[0], table, answer, rule)[0][answer] for each in members
        ]
        choice = best_weights(answers, weights, scored, table)
        weights, notes = choice.weights, [*choice.notes]
        oracle = (*oracle, *choice.oracle)
    notes += describe_weights([each.name for each in members], weights, scored, table)

    if rule.keeps_names:
        columns = _added(members, rule, table, answer, weights)
    else:
        columns, told, marks = _answers_combined(members, rule, table, answer, weights)
        notes, oracle = [*notes, *told], (*oracle, *marks)
    return Combined(table, columns, answer, is_whole, tuple(notes), oracle)


def _added(
    members: Sequence[Member],
    rule: Combination,
    table: pd.DataFrame,
    answer: str,
    weights: Sequence[pd.Series],
) -> pd.DataFrame:
    """All columns that the members share, name by name."""
    total, total_weight = pd.DataFrame(), pd.Series(0.0, table.index)
    for member, weight in zip(members, weights, strict=True):
        # One at a time: an ensemble may have forty members.
        part, _ = read_columns(member, members[0], table, answer, rule)
        part = part.where(is_scored(member, table), 0.0, axis=0).mul(weight, axis=0)
        total = part if total.empty else total.add(part)[_shared(total, part)]
        total_weight = total_weight + weight
    return total if rule.how == "sum" else total.div(total_weight, axis=0)


def _answers_combined(
    members: Sequence[Member],
    rule: Combination,
    table: pd.DataFrame,
    answer: str,
    weights: Sequence[pd.Series],
) -> tuple[pd.DataFrame, list[str], tuple[str, ...]]:
    """The answers as one column, what is to be said of them, and what labels chose."""
    answers, notes = [], []
    for member in members:
        part, told = read_columns(member, members[0], table, answer, rule)
        answers.append(part[answer].where(is_scored(member, table)).to_numpy(dtype="float64"))
        notes += told
    scores = np.stack(answers)
    is_weighted = rule.weights_from_labels or any(
        member.weights or member.weight != 1.0 for member in members
    )
    by_clip = np.stack([each.to_numpy() for each in weights]) if is_weighted else None
    if not rule.best_from_labels:
        result = combine_by_section(scores, table, rule.how, by_clip)
        return pd.DataFrame({answer: result}, index=table.index), notes, ()
    best = combine_best(
        scores,
        by_clip,
        [member.name for member in members],
        table,
        numbers=rule.best_from_labels,
        methods=rule.methods,
        otherwise=rule.how,
    )
    columns = pd.DataFrame({answer: best.scores}, index=table.index)
    return columns, [*notes, *best.notes], best.oracle


def _shared(one: pd.DataFrame, other: pd.DataFrame) -> list[str]:
    return [str(name) for name in one.columns if name in other]
