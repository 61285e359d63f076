"""The results of a run: measured, written into its folder, and printed."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.text import Text

from asdkeras.config import did_you_mean, read_recipe
from asdkeras.errors import OutsideTolerance, RecipeError
from asdkeras.evaluation import Evaluation, evaluate, summarize, write_csv
from asdkeras.metrics.official import rules_for
from asdkeras.published import tables as published
from asdkeras.report.comparison import (
    DEFAULT_TOLERANCE,
    Scored,
    compare,
    convention_of,
    is_met,
    printed_means,
    write_comparison,
)
from asdkeras.report.tables import print_decisions, print_results, print_skipped, print_verdicts

_TEXTS = ("dataset", "machine_type", "section", "domain", "split", "attributes", "name")


def conclude(run: Path, system: str, seeds: Sequence[int]) -> None:
    """Turn the score files of a run into its metrics, and print what they say.

    Writes `metrics.csv` (per section and domain), `official.csv` (means and official
    score) and, if the paper says anything of this year, `compare.csv` and `compare.md`
    (the paper beside ours).

    Args:
        run: folder of the run; every seed is scored.
        system: name of the system.
        seeds: trials that count.
    """
    scores = _read_run(run, seeds)
    rules = rules_for(scores.dataset)
    evaluations = [
        evaluate(trial.table, trial.anomaly_scores, trial.decisions, rules, seed)
        for seed, trial in scores.trials.items()
    ]
    metrics = pd.concat([each.metrics for each in evaluations], ignore_index=True)
    write_csv(run / "metrics.csv", metrics)

    console = Console()
    if metrics.empty:
        first = scores.trials[seeds[0]]
        print_decisions(first.table, first.decisions, console=console)
    else:
        summary = summarize(metrics, rules)
        write_csv(run / "official.csv", summary)
        title = f"{system}, {run.parent.name}, {scores.dataset}"
        comparison = None
        if system in published.names():
            comparison = _compared(scores, system, scores.published_row)
            if len(comparison):
                write_comparison(run, comparison, f"{title}, against the paper")
        means = None if comparison is None else printed_means(comparison, rules)
        has_means = means is not None and len(means) > 0
        print_results(summary, means if has_means else None, rules, title=title, console=console)
        if has_means:
            row = f"published: row {scores.published_row} of the paper's tables"
            console.print(Text(row, style="dim"))
        _print_skipped(evaluations[0], console)
    for note in scores.notes:
        console.print(Text(f"note: {note}", style="yellow"), soft_wrap=True)
    console.print(Text(f"files: {run}"), soft_wrap=True)


def compare_run(run: Path, against: str | None, row: str | None, tolerance: float | None) -> None:
    """Compare the score files of a run with a paper, figure by figure.

    Writes `compare.csv` and `compare.md` into the run, and prints how many figures are
    within their tolerance, and which are not.

    Args:
        run: folder of the run.
        against: system whose paper it is; None takes that of the run.
        row: row of the paper's tables; None takes that of the run's variant.
        tolerance: in percentage points, where the paper prints no standard deviation; None
            takes `DEFAULT_TOLERANCE`.

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
    comparison = _compared(scores, system, row or scores.published_row, tolerance)
    title = f"{recipe['system']}, {run.parent.name}, {scores.dataset}, against {system}"
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


@dataclasses.dataclass(frozen=True)
class _Scores:
    """The score files of a run.

    Attributes:
        trials: by seed.
        published_row: row of the paper's tables that tells of the same variant.
        notes: what is to be said beside the results.
    """

    trials: dict[int, Scored]
    published_row: str
    notes: tuple[str, ...]

    @property
    def dataset(self) -> str:
        return str(next(iter(self.trials.values())).table["dataset"].iloc[0])


def _read_run(run: Path, seeds: Sequence[int]) -> _Scores:
    trials: dict[int, Scored] = {}
    notes: list[str] = []
    row = ""
    for seed in seeds:
        folder = run / "scores" / f"seed{seed}"
        try:
            table, done = _read_scores(folder), _read_done(folder)
        except FileNotFoundError as error:
            raise RecipeError(
                f"{error.filename}: is missing. Finish the run with `asdkeras eval`."
            ) from error
        scores = table[f"score_{done['anomaly_score']}"]
        trials[seed] = Scored(table, scores, table["is_decided_anomalous"])
        notes += done["notes"]
        row = str(done["published_row"])
    return _Scores(trials, row, tuple(dict.fromkeys(notes)))


def _compared(
    scores: _Scores, system: str, row: str, tolerance: float | None = None
) -> pd.DataFrame:
    printed = published.load(system)
    rows = sorted(set(printed["system_row"]))
    if row not in rows:
        raise RecipeError(
            f"{system} prints no row `{row}`.{did_you_mean(row, rows)} Choose one with --row: "
            f"{', '.join(rows)}."
        )
    contradictions = published.contradictions()
    return compare(
        scores.trials,
        printed,
        contradictions[contradictions["system"] == system],
        convention_of(system, scores.dataset),
        row=row,
        tolerance=DEFAULT_TOLERANCE if tolerance is None else tolerance,
    )


def _print_skipped(evaluation: Evaluation, console: Console) -> None:
    if len(evaluation.skipped):
        print_skipped(evaluation.skipped, console=console)


def _read_scores(folder: Path) -> pd.DataFrame:
    """The clip table of a trial, with its scores; `path` is the name alone."""
    types = {**dict.fromkeys(_TEXTS, "string"), "is_anomalous": "boolean"}
    # A machine may be called NA; only nothing is nothing.
    table = pd.read_csv(folder / "scores.csv", dtype=types, keep_default_na=False, na_values=[""])
    return table.rename(columns={"name": "path"})


def _read_done(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "DONE").read_text(encoding="utf-8"))
    return content
