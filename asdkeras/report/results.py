"""The results of a run: measured, written into its folder, and printed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.text import Text

from asdkeras.config import did_you_mean
from asdkeras.errors import OutsideTolerance, RecipeError
from asdkeras.evaluation import SUMMARY_COLUMNS, evaluate, summarize, write_csv
from asdkeras.metrics.official import RuleSet, rules_for
from asdkeras.published import papers as published
from asdkeras.report.comparison import (
    COLUMNS,
    DEFAULT_TOLERANCE,
    compare,
    convention_of,
    is_met,
    marked,
    printed_means,
    write_comparison,
)
from asdkeras.report.explanations import explanations_of, print_fired
from asdkeras.report.scored_runs import ScoredRun, read_scored_run, recipe_of, variant_of
from asdkeras.report.terminal import (
    print_decisions,
    print_line,
    print_named_scores,
    print_results,
    print_skipped,
    print_verdicts,
)


def conclude(run: Path, system: str, seeds: Sequence[int]) -> None:
    """Turn the score files of a run into its metrics, and print what they say.

    Writes `metrics.csv` (per section and domain), `official.csv` (means and official
    score), `named_scores.csv` (the same means of every named score) and, if the paper says
    anything of this year, `compare.csv` and `compare.md` (the paper beside ours). Columns
    `oracle` and `transductive` of these say what test clips had a say in, if anything. If the
    system has scores of groups, `explanations.csv` says for every test clip what its score is
    due to.

    Args:
        system: its name; of an ensemble of several systems, their names joined by `+`.
        seeds: trials that count, all of them scored.
    """
    scores = read_scored_run(run, seeds)
    rules = rules_for(scores.dataset)
    evaluations = [
        evaluate(trial.table, trial.anomaly_scores, trial.decisions, rules, seed)
        for seed, trial in scores.of(scores.main_score).items()
    ]
    metrics = pd.concat([each.metrics for each in evaluations], ignore_index=True)
    write_csv(run / "metrics.csv", marked(metrics, scores.marks))

    console = Console()
    if metrics.empty:
        first = scores.trial_of(None)
        print_decisions(first.table, first.decisions, console)
    else:
        _conclude_metrics(run, system, scores, metrics, console)
        print_skipped(evaluations[0].skipped, console)
    explanations = explanations_of(scores)
    if explanations is None:
        (run / "explanations.csv").unlink(missing_ok=True)
    else:
        write_csv(run / "explanations.csv", explanations)
        print_fired(explanations, console)
    _print_marks(scores, console)
    for note in scores.notes:
        print_line(console, f"note: {note}", "yellow")
    print_line(console, f"files: {run}")


def _conclude_metrics(
    run: Path, system: str, scores: ScoredRun, metrics: pd.DataFrame, console: Console
) -> None:
    """Write and print the means, those of named scores, and what the paper prints."""
    rules = rules_for(scores.dataset)
    summary = summarize(metrics, rules)
    write_csv(run / "official.csv", marked(summary, scores.marks))
    title = _title(run, system, scores)
    means = None
    if scores.published_rows and system in published.names():
        comparison = _compared(scores, system, scores.published_rows)
        if len(comparison):
            write_comparison(run, comparison, f"{title}, against the paper", scores.marks)
            comparison = comparison[comparison["score"] == scores.main_score]
        means = printed_means(comparison, rules, convention_of(system, scores.dataset))
    means = None if means is None or means.empty else means
    print_results(summary, means, rules, title=title, console=console)
    if means is not None:
        row = f"published: row {scores.published_rows[scores.main_score]} of the paper's tables"
        console.print(Text(row, style="dim"))
    by_name = _by_name(scores, rules)
    write_csv(run / "named_scores.csv", marked(by_name, scores.marks))
    named = by_name[by_name["score"].isin(scores.named)]
    print_named_scores(named, rules, marks=scores.marks, console=console)


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
        against: system whose paper it is; None takes that of the run, which must be of one.
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
    recipe = recipe_of(run)
    system = against or str(recipe["system"])
    if "+" in system:
        raise RecipeError(
            f"{run}: a run of several systems, {system}, has no paper of its own. Choose one with "
            "--against SYSTEM and --row ROW."
        )
    scores = read_scored_run(run, recipe["seeds"])
    comparison = _compared(scores, system, _wanted_rows(run, scores, row, score), tolerance)
    title = f"{_title(run, recipe['system'], scores)}, against {system}"
    write_comparison(run, comparison, title, scores.marks)
    console = Console()
    print_verdicts(comparison, title=title, console=console)
    _print_marks(scores, console)
    print(run / "compare.md")
    met = is_met(comparison)
    if met is None:
        raise RecipeError(
            f"{run}: no figure of {system} can be compared with this run; its compare.csv says why."
        )
    if not met:
        count = int((comparison["verdict"] == "outside").sum())
        raise OutsideTolerance(f"{run}: {count} figures are outside their tolerance.")


def _title(run: Path, system: str, scores: ScoredRun) -> str:
    recipe = recipe_of(run) if (run / "recipe.yaml").is_file() else {}
    return f"{system}, {variant_of(run, recipe)}, {scores.dataset}{scores.marks.behind}"


def _wanted_rows(
    run: Path, scores: ScoredRun, row: str | None, score: str | None
) -> dict[str, str]:
    if score is not None and score not in scores.columns:
        raise RecipeError(
            f"{run}: has no score `{score}`.{did_you_mean(score, scores.columns)} Choose one with "
            f"--score: {', '.join(scores.columns)}."
        )
    if row is not None:
        return {score or scores.main_score: row}
    rows = {name: each for name, each in scores.published_rows.items() if score in (None, name)}
    if not rows:
        name = score or scores.main_score
        raise RecipeError(
            f"{run}: no row of the paper is known for `{name}`. Choose it with --row."
        )
    return rows


def _by_name(scores: ScoredRun, rules: RuleSet) -> pd.DataFrame:
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
    scores: ScoredRun, system: str, rows: Mapping[str, str], tolerance: float | None = None
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


def _print_marks(scores: ScoredRun, console: Console) -> None:
    for line in scores.marks.lines:
        print_line(console, line, "yellow")
