"""The members of an ensemble, and their scores added name by name."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd

from asdkeras.errors import RecipeError
from asdkeras.experiment.member_weights import best_weights, describe_weights, given_weights
from asdkeras.score_files import read_names, read_story, read_trial
from asdkeras.scorers.section_standardization import section_moments

_CLIP = ["machine_type", "section", "split", "path"]


class Member(NamedTuple):
    """One trial of one run.

    Attributes:
        folder: of the scores of the trial.
        name: what messages call the member.
        choice: one of its named scores, to count alone; or a snapshot such as `epoch100`,
            whose scores then count under their plain names; or empty for all as they are.
        machine_types: whose clips the member scores; None means all.
        weights: machine type -> weight of the member; 1 where there is none.
    """

    folder: Path
    name: str
    choice: str = ""
    machine_types: tuple[str, ...] | None = None
    weights: Mapping[str, float] | None = None


class Combination(NamedTuple):
    """How members become one; see `asdkeras.systems.system.Ensemble`.

    Attributes:
        how: `sum` or `mean`, for each clip over the members that score it.
        answer: column of every member that is the answer; None takes theirs.
        normalize: `section` standardizes answers by training clips, and they alone count.
        weights_from_labels: whether labels choose the weights of two members.
        oracle: choices by labels that the combination stands for.
    """

    how: Literal["sum", "mean"]
    answer: str | None = None
    normalize: Literal["none", "section"] = "none"
    weights_from_labels: bool = False
    oracle: tuple[str, ...] = ()


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
    """Add the scores of the members, name by name.

    Args:
        members: at least one. If one of them has a named score as its choice, that score
            alone counts, beside the anomaly scores of the others.
        rule: how.

    Raises:
        RecipeError: if a member is not finished or not of the same clips, a choice is not
            among its scores, or no member scores a clip.
        ValueError: if a member lacks the answer of the rule, or all weights of a machine
            type are 0.
    """
    answer = _common_answer(members, rule)
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
    weights = given_weights([each.weights or {} for each in members], scored, table)
    if rule.weights_from_labels:
        answers = [_part(each, members[0], table, answer, rule)[0][answer] for each in members]
        choice = best_weights(answers, weights, scored, table)
        weights, notes = choice.weights, [*choice.notes]
        oracle = (*oracle, *choice.oracle)
    notes += describe_weights([each.name for each in members], weights, scored, table)

    total, total_weight = pd.DataFrame(), pd.Series(0.0, table.index)
    for member, has, weight in zip(members, scored, weights, strict=True):
        # One at a time: an ensemble may have forty members.
        part, told = _part(member, members[0], table, answer, rule)
        part = part.where(has, 0.0, axis=0).mul(weight, axis=0)
        total = part if total.empty else total.add(part)[_shared(total, part)]
        total_weight = total_weight + weight
        notes += told
    columns = total if rule.how == "sum" else total.div(total_weight, axis=0)
    return Combined(table, columns, answer, is_whole, tuple(notes), oracle)


def _common_answer(members: Sequence[Member], rule: Combination) -> str:
    if rule.answer is not None:
        return rule.answer
    answers = {_answer(member) for member in members}
    return answers.pop() if len(answers) == 1 else "anomaly_score"


def _answer(member: Member) -> str:
    return str(read_story(member.folder)["anomaly_score"])


def _part(
    member: Member, first: Member, table: pd.DataFrame, answer: str, rule: Combination
) -> tuple[pd.DataFrame, list[str]]:
    """The columns of a member under the names they count by, and what is to be said of them."""
    trial = read_trial(member.folder)
    if not trial.table[_CLIP].equals(table[_CLIP]):
        raise RecipeError(
            f"{member.name}: its clips are not those of {first.name}. An ensemble "
            "needs runs of one dataset, with the same machine types."
        )
    columns = _chosen(member, trial.columns, answer, rule)
    if rule.normalize == "none":
        return columns, []
    scores = columns[answer].where(is_scored(member, table))
    moments = section_moments(scores, table)
    notes = []
    if moments.constant:
        notes.append(
            f"{member.name}: the training clips of {', '.join(moments.constant)} have one score, "
            "so its scores there are not divided by their spread"
        )
    return ((scores - moments.mean) / moments.spread).to_frame(answer), notes


def _chosen(member: Member, columns: pd.DataFrame, answer: str, rule: Combination) -> pd.DataFrame:
    """The columns of a member under the names they count by."""
    if member.choice in columns:
        return columns[[member.choice]].set_axis([answer], axis=1)
    if member.choice:
        ending = f"_{member.choice}"
        columns = columns[[name for name in columns.columns if str(name).endswith(ending)]]
        columns = columns.rename(columns=lambda name: name.removesuffix(ending))
        if columns.empty:
            known = ", ".join(read_names(member.folder))
            raise RecipeError(
                f"{member.name}: has no score `{member.choice}`. It has: {known}; the ending of "
                "several, such as `epoch100`, chooses these."
            )
    if rule.answer is None:
        return columns.rename(columns={_answer(member): answer})
    if answer not in columns:
        raise ValueError(
            "`answer` must be a column of every member. "
            f"Received: answer={answer!r}; {member.name} has {', '.join(map(str, columns.columns))}"
        )
    return columns


def _shared(one: pd.DataFrame, other: pd.DataFrame) -> list[str]:
    return [str(name) for name in one.columns if name in other]


def is_scored(member: Member, table: pd.DataFrame) -> pd.Series:
    """Whether a member scores a clip, bool `(clips,)`."""
    if member.machine_types is None:
        return pd.Series(True, table.index)
    return table["machine_type"].isin(member.machine_types).astype(bool)
