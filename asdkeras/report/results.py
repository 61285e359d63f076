"""The results of a run: measured, written into its folder, and printed."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.text import Text

from asdkeras.config import did_you_mean, read_recipe
from asdkeras.errors import OutsideTolerance, RecipeError
from asdkeras.evaluation import SUMMARY_COLUMNS, Evaluation, evaluate, summarize, write_csv
from asdkeras.metrics.official import RuleSet, rules_for
from asdkeras.published import tables as published
from asdkeras.report.comparison import (
    COLUMNS,
    DEFAULT_TOLERANCE,
    Scored,
    compare,
    convention_of,
    is_met,
    printed_means,
    write_comparison,
)
from asdkeras.report.tables import (
    print_decisions,
    print_named_scores,
    print_results,
    print_skipped,
    print_verdicts,
)
from asdkeras.score_files import TrialScores, read_story, read_trial


def conclude(run: Path, system: str, seeds: Sequence[int]) -> None:
    """Turn the score files of a run into its metrics, and print what they say.

    Writes `metrics.csv` (per section and domain), `official.csv` (means and official
    score), `named_scores.csv` (the same means of every named score) and, if the paper says
    anything of this year, `compare.csv` and `compare.md` (the paper beside ours).

    Args:
        run: folder of the run; every seed is scored.
        system: name of the system.
        seeds: trials that count.
    """
    scores = _read_run(run, seeds)
    rules = rules_for(scores.dataset)
    evaluations = [
        evaluate(trial.table, trial.anomaly_scores, trial.decisions, rules, seed)
        for seed, trial in scores.of(scores.answer).items()
    ]
    metrics = pd.concat([each.metrics for each in evaluations], ignore_index=True)
    write_csv(run / "metrics.csv", metrics)

    console = Console()
    if metrics.empty:
        first = next(iter(scores.trials.values()))
        print_decisions(first.table, first.decisions, console=console)
    else:
        summary = summarize(metrics, rules)
        write_csv(run / "official.csv", summary)
        title = f"{system}, {_name_of(run)}, {scores.dataset}"
        comparison = None
        if scores.published_rows and system in published.names():
            comparison = _compared(scores, system, scores.published_rows)
            if len(comparison):
                write_comparison(run, comparison, f"{title}, against the paper")
                comparison = comparison[comparison["score"] == scores.answer]
        convention = convention_of(system, scores.dataset)
        means = None if comparison is None else printed_means(comparison, rules, convention)
        has_means = means is not None and len(means) > 0
        print_results(summary, means if has_means else None, rules, title=title, console=console)
        if has_means:
            row = f"published: row {scores.published_rows[scores.answer]} of the paper's tables"
            console.print(Text(row, style="dim"))
        by_name = _by_name(scores, rules)
        write_csv(run / "named_scores.csv", by_name)
        print_named_scores(by_name[by_name["score"].isin(scores.named)], rules, console=console)
        _print_skipped(evaluations[0], console)
    for note in scores.notes:
        console.print(Text(f"note: {note}", style="yellow"), soft_wrap=True)
    console.print(Text(f"files: {run}"), soft_wrap=True)


def compare_run(
    run: Path,
    against: str | None,
    row: str | None,
    tolerance: float | None,
    score: str | None = None,
) -> None:
    """Compare the score files of a run with a paper, figure by figure.

    Writes `compare.csv` and `compare.md` into the run, and prints how many figures are
    within their tolerance, and which are not.

    Args:
        run: folder of the run.
        against: system whose paper it is; None takes that of the run.
        row: row of the paper's tables; None takes those the run's scores belong to.
        tolerance: in percentage points, where the paper prints no standard deviation; None
            takes `DEFAULT_TOLERANCE`.
        score: name of the score to compare; None takes every score that has a row, or with
            `row` the anomaly score.

    Raises:
        RecipeError: if the folder is not that of a run, its scores are not there, the
            paper has no such row, or nothing of it can be compared with the run.
        OutsideTolerance: if a figure is outside its tolerance.
    """
    if not (run / "recipe.yaml").is_file():
        raise RecipeError(
            f"{run}: not the folder of a run. Name runs/<system>/<variant>/<dataset>, which "
            "`asdkeras eval` makes."
        )
    recipe = read_recipe(run / "recipe.yaml")
    system = against or str(recipe["system"])
    scores = _read_run(run, recipe["seeds"])
    comparison = _compared(scores, system, _wanted_rows(run, scores, row, score), tolerance)
    title = f"{recipe['system']}, {_name_of(run)}, {scores.dataset}, against {system}"
    write_comparison(run, comparison, title)
    print_verdicts(comparison, title=title)
    print(run / "compare.md")
    met = is_met(comparison)
    if met is None:
        raise RecipeError(
            f"{run}: no figure of {system} can be compared with this run; its compare.csv says why."
        )
    if not met:
        count = int((comparison["verdict"] == "outside").sum())
        raise OutsideTolerance(f"{run}: {count} figures are outside their tolerance.")


def _name_of(run: Path) -> str:
    """The variant; of an ensemble that the user made, the name of its folder."""
    recipe = run / "recipe.yaml"
    is_own = recipe.is_file() and "ensemble" in read_recipe(recipe)
    return run.resolve().name if is_own else run.resolve().parent.name


def _wanted_rows(
    run: Path, scores: "_Scores", row: str | None, score: str | None
) -> dict[str, str]:
    if score is not None and score not in scores.columns:
        raise RecipeError(
            f"{run}: has no score `{score}`.{did_you_mean(score, scores.columns)} Choose one with "
            f"--score: {', '.join(scores.columns)}."
        )
    if row is not None:
        return {score or scores.answer: row}
    rows = {name: each for name, each in scores.published_rows.items() if score in (None, name)}
    if not rows:
        name = score or scores.answer
        raise RecipeError(
            f"{run}: no row of the paper is known for `{name}`. Choose it with --row."
        )
    return rows


@dataclasses.dataclass(frozen=True)
class _Scores:
    """The score files of a run.

    Attributes:
        trials: by seed.
        answer: name of the score that is the answer of the system.
        named: names of the scores worth a result of their own.
        published_rows: name of a score -> row of the paper's tables that tells of it.
        notes: what is to be said beside the results.
    """

    trials: dict[int, TrialScores]
    answer: str
    named: tuple[str, ...]
    published_rows: dict[str, str]
    notes: tuple[str, ...]

    @property
    def dataset(self) -> str:
        return str(next(iter(self.trials.values())).table["dataset"].iloc[0])

    @property
    def columns(self) -> list[str]:
        return [str(name) for name in next(iter(self.trials.values())).columns.columns]

    def of(self, name: str) -> dict[int, Scored]:
        """One named score of every trial, of the clips that have it."""
        trials = {}
        for seed, trial in self.trials.items():
            has = trial.columns[name].notna()
            decisions = trial.decisions[has] if name == self.answer else None
            trials[seed] = Scored(trial.table[has], trial.columns.loc[has, name], decisions)
        return trials


def _read_run(run: Path, seeds: Sequence[int]) -> _Scores:
    first = read_story(run / "scores" / f"seed{seeds[0]}")
    trials: dict[int, TrialScores] = {}
    notes: list[str] = []
    for seed in seeds[:1] if "pooled_seeds" in first else seeds:
        folder = run / "scores" / f"seed{seed}"
        trials[seed] = read_trial(folder)
        notes += read_story(folder)["notes"]
    return _Scores(
        trials,
        first["anomaly_score"],
        tuple(first["named_scores"]),
        first["published_rows"],
        tuple(dict.fromkeys(notes)),
    )


def _by_name(scores: _Scores, rules: RuleSet) -> pd.DataFrame:
    """Means of every named score, `SUMMARY_COLUMNS` behind the name, without decisions."""
    parts = []
    for name in scores.columns:
        metrics = [
            evaluate(trial.table, trial.anomaly_scores, None, rules, seed).metrics
            for seed, trial in scores.of(name).items()
        ]
        summary = summarize(pd.concat(metrics, ignore_index=True), rules)
        summary = summary[summary["value"].notna()]
        parts.append(summary.assign(score=name)[["score", *SUMMARY_COLUMNS]])
    return pd.concat(parts, ignore_index=True)


def _compared(
    scores: _Scores, system: str, rows: Mapping[str, str], tolerance: float | None = None
) -> pd.DataFrame:
    printed = published.load(system)
    known = sorted(set(printed["system_row"]))
    contradictions = published.contradictions()
    parts = []
    for name, row in rows.items():
        if row not in known:
            raise RecipeError(
                f"{system} prints no row `{row}`.{did_you_mean(row, known)} Choose one with --row: "
                f"{', '.join(known)}."
            )
        comparison = compare(
            scores.of(name),
            printed,
            contradictions[contradictions["system"] == system],
            convention_of(system, scores.dataset),
            row=row,
            tolerance=DEFAULT_TOLERANCE if tolerance is None else tolerance,
        )
        parts.append(comparison.assign(score=name)[["score", *COLUMNS]])
    return pd.concat(parts, ignore_index=True)


def _print_skipped(evaluation: Evaluation, console: Console) -> None:
    if len(evaluation.skipped):
        print_skipped(evaluation.skipped, console=console)
