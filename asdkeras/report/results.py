"""The results of a run: measured, written into its folder, and printed."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.text import Text

from asdkeras.evaluation import SUMMARY_COLUMNS, evaluate, summarize, write_csv
from asdkeras.metrics.official import RuleSet, rules_for
from asdkeras.published import papers as published
from asdkeras.report.compared_runs import compare_scores, print_marks, title_of
from asdkeras.report.comparison import convention_of, marked, printed_means, write_comparison
from asdkeras.report.explanations import explanations_of, print_fired
from asdkeras.report.false_alarms import of_run, print_false_alarms
from asdkeras.report.scored_runs import ScoredRun, read_scored_run, recipe_of
from asdkeras.report.terminal import (
    print_decisions,
    print_line,
    print_named_scores,
    print_results,
    print_skipped,
)


def conclude(run: Path, system: str, seeds: Sequence[int]) -> None:
    """Turn the score files of a run into its metrics, and print what they say.

    Writes `metrics.csv` (per section and domain), `false_alarms.csv` (what decisions say of normal
    clips, those of training among them), `official.csv` (means and official score),
    `named_scores.csv` (the same means of every named score) and, if the paper says anything of
    this year, `compare.csv` and `compare.md` (the paper beside ours). Columns `oracle` and
    `transductive` of these say what test clips had a say in, if anything. If the system has scores
    of groups, `explanations.csv` says for every test clip what its score is due to.

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
    alarms = of_run(scores, recipe_of(run) if (run / "recipe.yaml").is_file() else {})
    write_csv(run / "false_alarms.csv", marked(alarms.frame, scores.marks))

    console = Console()
    if metrics.empty:
        first = scores.trial_of(None)
        print_decisions(first.table, first.decisions, console)
    else:
        _conclude_metrics(run, system, scores, metrics, console)
        print_skipped(evaluations[0].skipped, console)
    print_false_alarms(alarms, console)
    explanations = explanations_of(scores)
    if explanations is None:
        (run / "explanations.csv").unlink(missing_ok=True)
    else:
        write_csv(run / "explanations.csv", explanations)
        print_fired(explanations, console)
    print_marks(scores, console)
    for note in (*scores.notes, *scores.doubts()):
        print_line(console, f"note: {note}", "yellow")
    print_line(console, f"files: {run}")


def _conclude_metrics(
    run: Path, system: str, scores: ScoredRun, metrics: pd.DataFrame, console: Console
) -> None:
    """Write and print the means, those of named scores, and what the paper prints."""
    rules = rules_for(scores.dataset)
    summary = summarize(metrics, rules)
    write_csv(run / "official.csv", marked(summary, scores.marks))
    title = title_of(run, system, scores)
    means = None
    if scores.published_rows and system in published.names():
        comparison = compare_scores(scores, system, scores.published_rows)
        if len(comparison):
            write_comparison(run, comparison, f"{title}, against the paper", scores.marks)
            comparison = comparison[comparison["score"] == scores.main_score]
        means = printed_means(comparison, rules, convention_of(system, scores.dataset))
    means = None if means is None or means.empty else means
    print_results(summary, means, rules, title=title, console=console)
    if means is not None:
        rows = scores.published_rows[scores.main_score].replace("+", " and ")
        console.print(Text(f"published: row {rows} of the paper's tables", style="dim"))
    by_name = _by_name(scores, rules)
    write_csv(run / "named_scores.csv", marked(by_name, scores.marks))
    named = by_name[by_name["score"].isin(scores.named)]
    print_named_scores(named, rules, marks=scores.marks, console=console)


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
