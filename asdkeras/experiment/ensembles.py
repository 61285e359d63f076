"""Scores of several runs made one, from their score files alone."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd

from asdkeras.errors import RecipeError
from asdkeras.experiment.run_folder import RunFolder, finish_trial
from asdkeras.score_files import TrialScores, read_names, read_story, read_trial
from asdkeras.scorers.thresholds import percentile_threshold, scope_thresholds

_CLIP = ["machine_type", "section", "split", "path"]


class Member(NamedTuple):
    """One trial of one run.

    Attributes:
        folder: of the scores of the trial.
        name: what messages call the member.
        choice: one of its named scores, to count alone; or a snapshot such as `epoch100`,
            whose scores then count under their plain names; or empty for all as they are.
        machine_types: whose clips the member scores; None means all.
    """

    folder: Path
    name: str
    choice: str = ""
    machine_types: tuple[str, ...] | None = None


class Combined(NamedTuple):
    """What the members say together.

    Attributes:
        table: clip table of their score files.
        columns: named scores, in the order of the first member.
        is_whole: whether every name that all members have is there; False if only one
            score was chosen, which then has the name of the first member's anomaly score.
    """

    table: pd.DataFrame
    columns: pd.DataFrame
    is_whole: bool


def combined(members: Sequence[Member], how: Literal["sum", "mean"]) -> Combined:
    """Add the scores of the members, name by name.

    Args:
        members: at least one. If one of them has a named score as its choice, that score
            alone counts, beside the anomaly scores of the others.
        how: `sum` or `mean`, for each clip over the members that score it.

    Raises:
        RecipeError: if a member is not finished or not of the same clips, a choice is not
            among its scores, or no member scores a clip.
    """
    answer = _answer(members[0])
    is_whole = not any(member.choice in read_names(member.folder) for member in members)
    table = read_trial(members[0].folder).table
    total, count = pd.DataFrame(), pd.Series(0, table.index)
    for member in members:  # One at a time: an ensemble may have forty members.
        trial = read_trial(member.folder)
        if not trial.table[_CLIP].equals(table[_CLIP]):
            raise RecipeError(
                f"{member.name}: its clips are not those of {members[0].name}. An ensemble "
                "needs runs of one dataset, with the same machine types."
            )
        is_scored = _is_scored(member, table)
        part = _chosen(member, trial.columns, answer).where(is_scored, 0.0, axis=0)
        total = part if total.empty else total.add(part)[_shared(total, part)]
        count = count + is_scored
    lost = sorted(set(table.loc[count == 0, "machine_type"]))
    if lost:
        raise RecipeError(
            f"no member of this ensemble scores {', '.join(lost)}. Choose another variant, or "
            "leave these machine types out with --machines."
        )
    return Combined(table, total if how == "sum" else total.div(count, axis=0), is_whole)


def _answer(member: Member) -> str:
    return str(read_story(member.folder)["anomaly_score"])


def _chosen(member: Member, columns: pd.DataFrame, answer: str) -> pd.DataFrame:
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
    return columns.rename(columns={_answer(member): answer})


def _shared(one: pd.DataFrame, other: pd.DataFrame) -> list[str]:
    return [str(name) for name in one.columns if name in other]


def _is_scored(member: Member, table: pd.DataFrame) -> pd.Series:
    if member.machine_types is None:
        return pd.Series(True, table.index)
    return table["machine_type"].isin(member.machine_types).astype(bool)


def write_ensemble(
    folder: RunFolder,
    seed: int,
    members: Sequence[Member],
    how: Literal["sum", "mean"],
    *,
    decide: Callable[[pd.DataFrame, pd.DataFrame, Mapping[str, Any]], pd.Series],
    published_rows: Mapping[str, str],
    **story: Any,
) -> None:
    """Combine trials of other runs, and leave the score files of one trial.

    Args:
        folder: of the run the result belongs to.
        seed: which trial of it the result is.
        members: trials to combine.
        how: `sum` or `mean`.
        decide: thresholds from columns, clip table and no constants. It is asked if the
            members bring all their columns; else the threshold is the 90th percentile of the
            training clips per section and domain.
        published_rows: score column -> row of the published tables.
        story: what else the DONE of the trial shall say.

    Raises:
        RecipeError: if the members cannot be combined.
    """
    result = combined(members, how)
    first = read_story(members[0].folder)
    answer = str(first["anomaly_score"])
    decision_score = str(first["decision_score"]) if result.is_whole else answer
    if result.is_whole:
        thresholds = decide(result.columns, result.table, {})
    else:
        clips = result.table.assign(anomaly_score=result.columns[answer])
        training = clips[clips["split"] == "train"]
        thresholds = scope_thresholds(training, clips, "section_and_domain", percentile_threshold)
    decisions = (result.columns[decision_score] > thresholds).astype(int)
    finish_trial(
        folder,
        seed,
        TrialScores(result.table, result.columns, thresholds, decisions),
        anomaly_score=answer,
        decision_score=decision_score,
        named_scores=[name for name in first["named_scores"] if name in result.columns],
        published_rows={
            name: row for name, row in published_rows.items() if name in result.columns
        },
        notes=_notes(members, how),
        **story,
    )


def _notes(members: Sequence[Member], how: str) -> list[str]:
    names = ", ".join(_described(member) for member in members)
    told = [(each.name, note) for each in members for note in read_story(each.folder)["notes"]]
    return [f"{how} of {len(members)}: {names}", *(f"{name}: {note}" for name, note in told)]


def _described(member: Member) -> str:
    choice = f":{member.choice}" if member.choice else ""
    machines = "" if member.machine_types is None else f" on {' '.join(member.machine_types)}"
    return f"{member.name}{choice}{machines}"
