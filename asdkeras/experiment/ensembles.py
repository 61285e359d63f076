"""Scores of several runs made one, from their score files alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from asdkeras.experiment.combined_scores import Combined, combined
from asdkeras.experiment.members import Combination, Member, is_scored
from asdkeras.experiment.run_folder import RunFolder, finish_trial
from asdkeras.score_files import TrialScores, read_group_scores, read_oracle, read_story
from asdkeras.scorers.thresholds import percentile_threshold, scope_thresholds


def write_ensemble(
    folder: RunFolder,
    seed: int,
    members: Sequence[Member],
    rule: Combination,
    *,
    decide: Callable[[pd.DataFrame, pd.DataFrame, Mapping[str, Any]], pd.Series] | None,
    published_rows: Mapping[str, str],
    **story: Any,
) -> None:
    """Combine trials of other runs, and leave the score files of one trial.

    Args:
        folder: of the run the result belongs to.
        seed: which trial of it the result is.
        members: trials to combine.
        rule: how.
        decide: thresholds from columns, clip table and no constants. It is asked if the
            members bring all their columns; else, or without it, the threshold is the 90th
            percentile of the training clips per section and domain.
        published_rows: score column -> row of the published tables.
        story: what else the DONE of the trial shall say.

    Raises:
        RecipeError: if the members cannot be combined.
    """
    result = combined(members, rule)
    stories = [read_story(each.folder) for each in members]
    decision_score = _decision_score(result, rule, stories)
    if result.is_whole and decide is not None:
        thresholds = decide(result.columns, result.table, {})
    else:
        clips = result.table.assign(anomaly_score=result.columns[result.answer])
        training = clips[clips["split"] == "train"]
        thresholds = scope_thresholds(training, clips, "section_and_domain", percentile_threshold)
    decisions = (result.columns[decision_score] > thresholds).astype(int)
    named = [name for name in stories[0]["named_scores"] if name in result.columns]
    finish_trial(
        folder,
        seed,
        TrialScores(result.table, result.columns, thresholds, decisions),
        _group_scores(members, result.table),
        anomaly_score=result.answer,
        decision_score=decision_score,
        named_scores=named if result.answer in named else [result.answer, *named],
        published_rows={
            name: row for name, row in published_rows.items() if name in result.columns
        },
        notes=_notes(members, rule, result),
        oracle=list(dict.fromkeys((*result.oracle, *read_oracle(each.folder for each in members)))),
        **story,
    )


def _decision_score(
    result: Combined, rule: Combination, stories: Sequence[Mapping[str, Any]]
) -> str:
    """What the thresholds are compared with: what all members compare, or the answer."""
    names = {str(story["decision_score"]) for story in stories}
    if not result.is_whole or rule.answer is not None or len(names) > 1:
        return result.answer
    name = names.pop()
    return name if name in result.columns else result.answer


def _group_scores(members: Sequence[Member], table: pd.DataFrame) -> pd.DataFrame | None:
    """Group scores of those clips that one member alone scores; None if there are none."""
    scored = [is_scored(member, table) for member in members]
    is_alone = pd.concat(scored, axis=1).sum(axis=1) == 1
    groups: dict[str, pd.Series] = {}
    for member, has in zip(members, scored, strict=True):
        part = read_group_scores(member.folder)
        if part is None:
            continue
        for name, scores in part.where(has & is_alone).dropna(axis=1, how="all").items():
            groups[str(name)] = groups[str(name)].fillna(scores) if name in groups else scores
    return pd.DataFrame(groups) if groups else None


def _notes(members: Sequence[Member], rule: Combination, result: Combined) -> list[str]:
    names = ", ".join(_described(member) for member in members)
    column = "" if rule.answer is None else f", column {rule.answer}"
    is_alone = len(members) == 1 and rule.answer is not None
    head = f"scores of {names}" if is_alone else f"{rule.how} of {len(members)}: {names}"
    notes = [head + column]
    notes += _how_normalized(rule)
    if "rank" in rule.methods:
        notes.append(
            "ranks are among the test clips of a section: the score of a clip depends on the others"
        )
    told = [(each.name, note) for each in members for note in read_story(each.folder)["notes"]]
    return [*notes, *result.notes, *(f"{name}: {note}" for name, note in told)]


def _how_normalized(rule: Combination) -> list[str]:
    if rule.normalize == "none":
        return []
    places = " per section and domain" if rule.normalize == "section_and_domain" else ""
    kind = "its training clips" if rule.normalize_on == "train" else "the test clips"
    line = f"each member's scores count in standard deviations of {kind}{places}"
    if rule.normalize_on == "test":
        line += ": the score of a clip depends on the others"
    return [line]


def _described(member: Member) -> str:
    choice = f":{member.choice}" if member.choice else ""
    machines = "" if member.machine_types is None else f" on {' '.join(member.machine_types)}"
    return f"{member.name}{choice}{machines}"
