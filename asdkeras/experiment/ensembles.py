"""Scores of several runs made one: name by name, or their main scores alone."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asdkeras.data.known_domains import with_known_domains
from asdkeras.errors import RecipeError
from asdkeras.experiment.held_out import held_out_thresholds
from asdkeras.experiment.label_choices import best_members, best_weights
from asdkeras.experiment.recipe import PAPERS_THRESHOLDS, ThresholdOptions
from asdkeras.experiment.run_folder import RunFolder, finish_trial
from asdkeras.experiment.shared_clips import CLIP, is_shared, shared_clips
from asdkeras.score_files import (
    Marks,
    TrialMetadata,
    TrialScores,
    joined_marks,
    read_group_scores,
    read_metadata,
    read_trial,
)
from asdkeras.scorers.combination import Combination, combine_by_section
from asdkeras.scorers.section_standardization import LEAST_CLIPS, section_moments
from asdkeras.scorers.thresholds import ThresholdRule

if TYPE_CHECKING:
    from asdkeras.systems.system import ThresholdsOf

_KINDS = {
    "held_out": "clips it has not learned from",
    "train": "its training clips",
    "test": "the test clips",
}
_FALLBACK = ThresholdRule("section_and_domain", "percentile", 90.0)


@dataclasses.dataclass(frozen=True)
class Member:
    """One trial of one run.

    Attributes:
        folder: of the score files, which are read when needed, since there may be many members.
        choice: one of its named scores, to count alone; or a snapshot such as `epoch100`,
            whose scores then count under their plain names; or empty for all as they are.
        machine_types: whose clips the member scores; None means all.
        weights: machine type -> weight; `weight` counts where there is none.

    Raises:
        RecipeError: if the trial has not been scored yet.
    """

    name: str
    folder: Path
    choice: str = ""
    machine_types: tuple[str, ...] | None = None
    weights: Mapping[str, float] = dataclasses.field(default_factory=dict)
    weight: float = 1.0
    metadata: TrialMetadata = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "metadata", read_metadata(self.folder))

    def trial(self) -> TrialScores:
        return read_trial(self.folder)

    def groups(self) -> pd.DataFrame | None:
        return read_group_scores(self.folder)

    @property
    def described(self) -> str:
        choice = f":{self.choice}" if self.choice else ""
        machines = "" if self.machine_types is None else f" on {' '.join(self.machine_types)}"
        return f"{self.name}{choice}{machines}"

    def placed(
        self, values: pd.DataFrame, clips: pd.DataFrame, table: pd.DataFrame
    ) -> pd.DataFrame:
        """Values of its clips in the rows of a table of more clips; NaN in the others."""
        own = table.index[self.scores_clips(table)]
        is_own = self.scores_clips(clips) & is_shared(clips, table)
        return values[is_own].set_axis(own).reindex(table.index)

    def scores_clips(self, table: pd.DataFrame) -> pd.Series:
        if self.machine_types is None:
            return pd.Series(True, table.index)
        return table["machine_type"].isin(self.machine_types).astype(bool)

    def clip_weights(self, table: pd.DataFrame) -> pd.Series:
        """Its weight for each clip of a table; 0 for clips that it does not score."""
        weights = [self.weights.get(str(name), self.weight) for name in table["machine_type"]]
        return pd.Series(weights, table.index) * self.scores_clips(table)


class Combined(NamedTuple):
    """The scores of an ensemble, and lines for the reader of its results.

    Attributes:
        columns: named scores, in the order of the first member.
        main_score: what all members have as theirs, or `anomaly_score` if they differ.
        is_whole: whether all names that the members share are there, not one chosen score alone.
    """

    table: pd.DataFrame
    columns: pd.DataFrame
    main_score: str
    is_whole: bool
    notes: tuple[str, ...]
    oracle: tuple[str, ...]
    held_out: pd.Series


def write_ensemble(
    folder: RunFolder,
    seed: int,
    members: Sequence[Member],
    combination: Combination,
    *,
    thresholds: "ThresholdsOf | None",
    options: ThresholdOptions = PAPERS_THRESHOLDS,
    published_rows: Mapping[str, str],
    pooled_seeds: tuple[int, ...] = (),
    remarks: Sequence[str] = (),
) -> None:
    """Combine trials of other runs into the score files of trial `seed` of a run.

    Args:
        thresholds: called if the members bring all their columns; else, or if None, the threshold
            is the 90th percentile of the training clips per section and domain.
        options: whether it comes from held-out clips, rather.
        pooled_seeds: trials that are one result together.
        remarks: notes on the run, which members need not repeat.

    Raises:
        RecipeError: if the members cannot be combined.
    """
    result = combined(members, combination)
    table = with_known_domains(result.table)
    decision_score = _decision_score(result, combination, members)
    if options.rule == "held_out":
        scores, rate = result.columns[decision_score], options.false_alarm_rate
        limits, more = held_out_thresholds(scores, table, result.held_out, rate)
    elif result.is_whole and thresholds is not None:
        limits, more = thresholds(result.columns, table, result.main_score)
    else:
        limits, more = _FALLBACK.thresholds(result.columns[result.main_score], table)
    decisions = (~(result.columns[decision_score] <= limits)).astype(int)
    names = [name for name in members[0].metadata.named_scores if name in result.columns]
    notes = [
        f"{member.name}: {note}"
        for member in members
        for note in member.metadata.notes
        if note not in remarks
    ]
    own_marks = Marks(result.oracle, combination.transductive)
    marks = joined_marks([own_marks, *(member.metadata.marks for member in members)])
    finish_trial(
        folder,
        seed,
        TrialScores(result.table, result.columns, limits, decisions, result.held_out),
        _group_scores(members, result.table),
        TrialMetadata(
            result.main_score,
            decision_score,
            tuple(names if result.main_score in names else [result.main_score, *names]),
            {name: row for name, row in published_rows.items() if name in result.columns},
            (*remarks, *_head_notes(members, combination), *result.notes, *notes, *more),
            marks.oracle,
            pooled_seeds,
            marks.transductive,
        ),
    )


def _decision_score(result: Combined, combination: Combination, members: Sequence[Member]) -> str:
    """What the thresholds are compared with: what all members compare, or the main score."""
    names = {member.metadata.decision_score for member in members}
    if not result.is_whole or combination.main_score is not None or len(names) > 1:
        return result.main_score
    name = names.pop()
    return name if name in result.columns else result.main_score


def _group_scores(members: Sequence[Member], table: pd.DataFrame) -> pd.DataFrame | None:
    """Group scores of those clips that one member alone scores; None if there are none."""
    scored = [member.scores_clips(table) for member in members]
    is_alone = pd.concat(scored, axis=1).sum(axis=1) == 1
    groups: dict[str, pd.Series] = {}
    for member, has in zip(members, scored, strict=True):
        part = member.groups()
        if part is None:
            continue
        part = member.placed(part, member.trial().table, table)
        for name, scores in part.where(has & is_alone).dropna(axis=1, how="all").items():
            groups[str(name)] = groups[str(name)].fillna(scores) if name in groups else scores
    return pd.DataFrame(groups) if groups else None


def _head_notes(members: Sequence[Member], combination: Combination) -> list[str]:
    names = ", ".join(member.described for member in members)
    is_alone = len(members) == 1 and combination.main_score is not None
    head = f"scores of {names}" if is_alone else f"{combination.how} of {len(members)}: {names}"
    column = "" if combination.main_score is None else f", column {combination.main_score}"
    notes = [head + column]
    if combination.normalize != "none":
        is_by_domain = combination.normalize == "section_and_domain"
        places = " per section and domain" if is_by_domain else ""
        kind = _KINDS[combination.normalize_on]
        notes.append(f"each member's scores count in standard deviations of {kind}{places}")
    return notes


def combined(members: Sequence[Member], combination: Combination) -> Combined:
    """Make the scores of the members one: name by name, or their main scores alone.

    Sums and means of scores as they are go name by name. What is standardized, ranked or
    chosen are main scores.

    Args:
        members: at least one. If one of them has a named score as its choice, that score
            alone counts, beside the main scores of the others.

    Raises:
        RecipeError: if clips differ, or a choice is not among the scores.
        ValueError: if a member lacks the main score of the combination, all weights of a
            machine type are 0, or there are weights for a method that has none.
    """
    table = shared_clips(members)
    main_score = combination.main_score
    if main_score is None:
        names = {member.metadata.main_score for member in members}
        main_score = names.pop() if len(names) == 1 else "anomaly_score"
    is_whole = not any(
        member.choice and member.choice in member.trial().columns for member in members
    )
    weights = [member.clip_weights(table) for member in members]
    _require_weights(weights, table)
    parts = _Parts(members, combination, table, main_score)
    notes: list[str] = []
    oracle = combination.oracle
    if combination.weights_from_labels:
        scores = [parts.read(member)[0][main_score] for member in members]
        scored = [member.scores_clips(table) for member in members]
        weights, chosen_notes, marks = best_weights(scores, weights, scored, table)
        notes += chosen_notes
        oracle = (*oracle, *marks)
    notes += _describe_weights(members, weights, table)
    if combination.keeps_names:
        columns = parts.added(weights)
        return Combined(
            table, columns, main_score, is_whole, tuple(notes), oracle, parts.held_out()
        )
    main, more, marks = parts.main_scores(weights)
    columns = pd.DataFrame({main_score: main}, index=table.index)
    notes, oracle, held_out = [*notes, *more], (*oracle, *marks), parts.held_out()
    return Combined(table, columns, main_score, is_whole, tuple(notes), oracle, held_out)


def _require_weights(weights: Sequence[pd.Series], table: pd.DataFrame) -> None:
    lost = table.loc[pd.concat(weights, axis=1).sum(axis=1) == 0.0, "machine_type"]
    if len(lost):
        raise ValueError(
            "`weights` must leave each machine type a member that counts. "
            f"Received: only zeros for {', '.join(sorted(set(lost)))}"
        )


@dataclasses.dataclass(frozen=True)
class _Parts:
    """What the members bring into a combination, under the names it counts by."""

    members: Sequence[Member]
    combination: Combination
    table: pd.DataFrame
    main_score: str

    def read(self, member: Member) -> tuple[pd.DataFrame, list[str]]:
        """The columns of a member, and notes on them; the main score alone if standardized."""
        trial = member.trial()
        shared = trial.table[is_shared(trial.table, self.table)]
        own, known = (
            table.loc[member.scores_clips(table), CLIP].reset_index(drop=True)
            for table in (shared, self.table)
        )
        if not own.equals(known):
            raise RecipeError(
                f"{member.name}: its clips are not those of {self.members[0].name}. An ensemble "
                "needs runs of one dataset, with the same machine types."
            )
        columns = member.placed(self._chosen(member, trial.columns), trial.table, self.table)
        normalize, on = self.combination.normalize, self.combination.normalize_on
        if normalize == "none":
            return columns, []
        scores = columns[self.main_score].where(member.scores_clips(self.table))
        table = with_known_domains(self.table)
        held_out = self._held_out(member, trial)
        moments = section_moments(scores, table, normalize, on, held_out)
        notes = []
        if moments.learned:
            notes.append(
                f"{member.name}: fewer than {LEAST_CLIPS} clips of {', '.join(moments.learned)} "
                "are held out, so its scores there are normalized by training clips it has "
                "learned from"
            )
        if moments.constant:
            notes.append(
                f"{member.name}: all clips that normalize its scores of "
                f"{', '.join(moments.constant)} have one score, so these are not divided by their "
                "spread"
            )
        return ((scores - moments.mean) / moments.spread).to_frame(self.main_score), notes

    def held_out(self) -> pd.Series:
        """Clips that no member which scores them has learned from, bool `(clips,)`."""
        held_out = pd.Series(True, self.table.index)
        for member in self.members:
            held_out &= self._held_out(member, member.trial())
            if not held_out.any():  # There may be forty members.
                break
        return held_out

    def _held_out(self, member: Member, trial: TrialScores) -> pd.Series:
        """Clips that a member has not learned from, and those that it does not score."""
        held_out = pd.Series(0.0, trial.table.index) if trial.held_out is None else trial.held_out
        own = held_out.astype(float).to_frame("own")
        return member.placed(own, trial.table, self.table)["own"].ne(0.0)

    def _chosen(self, member: Member, columns: pd.DataFrame) -> pd.DataFrame:
        if member.choice in columns:
            return columns[[member.choice]].set_axis([self.main_score], axis=1)
        if member.choice:
            ending = f"_{member.choice}"
            known = ", ".join(map(str, columns))
            columns = columns[[name for name in columns.columns if str(name).endswith(ending)]]
            columns = columns.rename(columns=lambda name: name.removesuffix(ending))
            if columns.empty:
                raise RecipeError(
                    f"{member.name}: has no score `{member.choice}`. It has: {known}; the ending "
                    "of several, such as `epoch100`, chooses these."
                )
        if self.combination.main_score is None:
            return columns.rename(columns={member.metadata.main_score: self.main_score})
        if self.main_score not in columns:
            raise ValueError(
                "`main_score` must be a column of every member. Received: main_score="
                f"{self.main_score!r}; {member.name} has {', '.join(map(str, columns.columns))}"
            )
        return columns

    def added(self, weights: Sequence[pd.Series]) -> pd.DataFrame:
        """All columns that the members share, name by name."""
        total, total_weight = pd.DataFrame(), pd.Series(0.0, self.table.index)
        for member, weight in zip(self.members, weights, strict=True):
            # One at a time: an ensemble may have forty members.
            part, _ = self.read(member)
            part = part.where(member.scores_clips(self.table), 0.0, axis=0).mul(weight, axis=0)
            shared = [str(name) for name in total.columns if name in part]
            total = part if total.empty else total.add(part)[shared]
            total_weight = total_weight + weight
        return total if self.combination.how == "sum" else total.div(total_weight, axis=0)

    def main_scores(
        self, weights: Sequence[pd.Series]
    ) -> tuple[NDArray[np.float64], list[str], tuple[str, ...]]:
        """The main scores as one, `(clips,)`, notes on it, and what labels chose."""
        rows, notes = [], list[str]()
        for member in self.members:
            part, more = self.read(member)
            scores = part[self.main_score].where(member.scores_clips(self.table))
            rows.append(scores.to_numpy(dtype="float64"))
            notes += more
        rule = self.combination
        is_weighted = rule.weights_from_labels or any(
            each.weights or each.weight != 1.0 for each in self.members
        )
        by_clip = np.stack([each.to_numpy() for each in weights]) if is_weighted else None
        if not rule.best_from_labels:
            return combine_by_section(np.stack(rows), self.table, rule.how, by_clip), notes, ()
        names = [member.name for member in self.members]
        best, chosen, oracle = best_members(np.stack(rows), by_clip, names, self.table, rule)
        return best, [*notes, *chosen], oracle


def _describe_weights(
    members: Sequence[Member], weights: Sequence[pd.Series], table: pd.DataFrame
) -> list[str]:
    """Weights of machine types whose members do not all weigh 1; in one, if all have the same."""
    lines: dict[str, str] = {}
    scored = [member.scores_clips(table) for member in members]
    groups = table.groupby("machine_type")
    for machine_type, clips in groups:
        at = clips.index[0]
        present = [
            (member.name, weight[at])
            for member, weight, has in zip(members, weights, scored, strict=True)
            if has[at]
        ]
        if any(weight != 1.0 for _, weight in present):
            words = ", ".join(f"{name} {weight:.2f}" for name, weight in present)
            lines[str(machine_type)] = words
    if len(lines) == len(groups) > 1 and len(set(lines.values())) == 1:
        return [f"weights: {next(iter(lines.values()))}"]
    text = "; ".join(f"{machine_type} {words}" for machine_type, words in lines.items())
    return [f"weights: {text}"] if lines else []
