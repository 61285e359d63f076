"""The members of an ensemble, how they become one, and what each of them brings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd

from asdkeras.errors import RecipeError
from asdkeras.score_files import read_names, read_story, read_trial
from asdkeras.scorers.ensembles import Method
from asdkeras.scorers.section_standardization import Split, section_moments

_CLIP = ["machine_type", "section", "split", "path"]


class Member(NamedTuple):
    """One trial of one run.

    Attributes:
        folder: of the scores of the trial.
        name: what messages call the member.
        choice: one of its named scores, to count alone; or a snapshot such as `epoch100`,
            whose scores then count under their plain names; or empty for all as they are.
        machine_types: whose clips the member scores; None means all.
        weights: machine type -> weight of the member.
        weight: of the member for machine types that `weights` does not name.
    """

    folder: Path
    name: str
    choice: str = ""
    machine_types: tuple[str, ...] | None = None
    weights: Mapping[str, float] | None = None
    weight: float = 1.0


class Combination(NamedTuple):
    """How members become one; see `asdkeras.systems.system.Ensemble`.

    Attributes:
        how: for each clip, over the members that score it.
        answer: column of every member that is the answer; None takes theirs.
        normalize: whether answers are standardized by clips of their section, or of their
            section and domain.
        weights_from_labels: whether labels choose the weights of two members.
        oracle: choices by labels that the combination stands for.
        normalize_on: which clips of a section standardize.
        best_from_labels: numbers of best members that labels choose from; empty for all.
        combine_from_labels: methods that labels then choose from; empty for `how` alone.
    """

    how: Method
    answer: str | None = None
    normalize: Literal["none", "section", "section_and_domain"] = "none"
    weights_from_labels: bool = False
    oracle: tuple[str, ...] = ()
    normalize_on: Split = "train"
    best_from_labels: tuple[int, ...] = ()
    combine_from_labels: tuple[Method, ...] = ()

    @property
    def methods(self) -> tuple[Method, ...]:
        """What may make the members one."""
        return self.combine_from_labels or (self.how,)

    @property
    def keeps_names(self) -> bool:
        """Whether every named score is combined, and not the answer alone."""
        is_sum = self.how in ("sum", "mean")
        return is_sum and self.normalize == "none" and not self.best_from_labels


def common_answer(members: Sequence[Member], rule: Combination) -> str:
    """The column that is the answer, by its name in the members or `anomaly_score`."""
    if rule.answer is not None:
        return rule.answer
    answers = {_answer(member) for member in members}
    return answers.pop() if len(answers) == 1 else "anomaly_score"


def _answer(member: Member) -> str:
    return str(read_story(member.folder)["anomaly_score"])


def read_columns(
    member: Member, first: Member, table: pd.DataFrame, answer: str, rule: Combination
) -> tuple[pd.DataFrame, list[str]]:
    """The columns of a member under the names they count by, and what is to be said of them.

    Args:
        member: whose columns.
        first: the first member, for messages.
        table: clip table of the first member.
        answer: of `common_answer`.
        rule: if it standardizes, the answer is all that comes.

    Raises:
        RecipeError: if the member is not finished or not of the same clips, or its choice is
            not among its scores.
        ValueError: if it lacks the answer of the rule.
    """
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
    moments = section_moments(scores, table, rule.normalize, rule.normalize_on)
    notes = []
    if moments.constant:
        kind = "training" if rule.normalize_on == "train" else "test"
        notes.append(
            f"{member.name}: the {kind} clips of {', '.join(moments.constant)} have one score, "
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


def is_scored(member: Member, table: pd.DataFrame) -> pd.Series:
    """Whether a member scores a clip, bool `(clips,)`."""
    if member.machine_types is None:
        return pd.Series(True, table.index)
    return table["machine_type"].isin(member.machine_types).astype(bool)
