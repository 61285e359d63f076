"""Runs beside the papers they reproduce, written into their folders and printed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from rich.console import Console

from asdkeras.config import did_you_mean
from asdkeras.errors import OutsideTolerance, RecipeError
from asdkeras.evaluation import METRICS, write_csv
from asdkeras.files import write_text
from asdkeras.published import papers as published
from asdkeras.report.comparison import (
    COLUMNS,
    DEFAULT_TOLERANCE,
    as_markdown,
    compare,
    convention_of,
    is_met,
    write_comparison,
)
from asdkeras.report.false_alarms import of_run, print_false_alarms, print_warnings
from asdkeras.report.means_over_sets import compare_means, print_means, sets_of
from asdkeras.report.result_row import write_row
from asdkeras.report.scored_runs import (
    ScoredRun,
    is_untrained,
    read_scored_run,
    recipe_of,
    variant_of,
)
from asdkeras.report.terminal import print_line, print_verdicts


class _Wanted(NamedTuple):
    """What runs are compared with; None is what each run says itself."""

    paper: str | None
    row: str | None
    score: str | None
    tolerance: float


class _Compared(NamedTuple):
    """A run beside its paper."""

    run: Path
    paper: str
    name: tuple[str, str]  # System and variant.
    dataset: str
    rows: dict[str, str]  # Score -> row, or rows, of the paper.
    comparison: pd.DataFrame


def compare_runs(
    runs: Sequence[Path],
    against: str | None,
    row: str | None,
    tolerance: float | None,
    score: str | None = None,
    out: Path | None = None,
) -> None:
    """Compare the score files of runs with a paper, figure by figure.

    Writes `compare.csv` and `compare.md` into each run, and prints how many figures are
    within their tolerance, and which are not. Of several runs it also prints, variant by
    variant, what the paper prints as means over datasets beside those of the runs. `row.csv`,
    one line for a table of many runs, is written of every run, compared or not.

    Args:
        against: system whose paper it is; None takes that of each run, which must be of one.
        row: row of the paper's tables; None takes those the run's scores belong to.
        tolerance: in percentage points, where the paper prints no standard deviation; None
            takes `DEFAULT_TOLERANCE`.
        score: name of the score to compare; None takes every score that has a row, or with
            `row` the anomaly score.
        out: also write the means over datasets there, `.csv` or `.md`.

    Raises:
        RecipeError: if a folder is not that of a run, its scores are not there, the paper
            has no such row, nothing of it can be compared with the runs, two of them are of
            one variant and dataset, or there is nothing to write to `out`.
        OutsideTolerance: if a figure is outside its tolerance.
    """
    if out is not None and out.suffix not in (".csv", ".md"):
        raise RecipeError(f"--out: the file must end in .csv or .md. Received: {out}")
    wanted = _Wanted(against, row, score, DEFAULT_TOLERANCE if tolerance is None else tolerance)
    console = Console()
    made = (_compare_run(run, wanted, console, is_alone=len(runs) == 1) for run in runs)
    compared = [each for each in made if each]
    means = _compare_means(compared, wanted.tolerance, console) if len(runs) > 1 else []
    if out is not None:
        _write_means(out, means)
    place = str(runs[0]) if len(runs) == 1 else f"{len(runs)} runs"
    if not compared:
        raise RecipeError(f"{place}: no row of the paper is known. Choose it with --row.")
    figures = pd.concat([*(each.comparison for each in compared), *means], ignore_index=True)
    met = is_met(figures)
    if met is None:
        papers = " and ".join(dict.fromkeys(each.paper for each in compared))
        raise RecipeError(
            f"{place}: no figure of {papers} can be compared with ours; compare.csv says why."
        )
    if not met:
        count = int((figures["verdict"] == "outside").sum())
        raise OutsideTolerance(f"{place}: {count} figures are outside their tolerance.")


def _compare_run(
    run: Path, wanted: _Wanted, console: Console, *, is_alone: bool
) -> _Compared | None:
    """Write and print one run beside its paper; nothing of one among others that has no row."""
    recipe = recipe_of(run)
    system = str(recipe["system"])
    paper = wanted.paper or system
    scores = read_scored_run(run, recipe["seeds"])
    alarms = of_run(scores, recipe)
    print(write_row(run, recipe, scores, alarms, _own_comparison(scores, system)))
    if "+" in paper:
        raise RecipeError(
            f"{run}: a run of several systems, {paper}, has no paper of its own. Choose one with "
            "--against SYSTEM and --row ROW."
        )
    if not (is_alone or wanted.row or wanted.score or scores.published_rows):
        print_line(console, f"note: {run}: left out, no row of the paper is known for it", "yellow")
        return None
    if wanted.paper is None and paper not in published.names():
        raise RecipeError(
            f"{run}: no figures of {paper} are published, so there is nothing to compare; row.csv "
            "has ours. Choose others with --against SYSTEM and --row ROW."
        )
    rows = _wanted_rows(run, scores, wanted.row, wanted.score)
    comparison = compare_scores(scores, paper, rows, wanted.tolerance)
    title = f"{title_of(run, system, scores)}, against {paper}"
    write_comparison(run, comparison, title, scores.marks)
    print_verdicts(comparison, title=title, console=console)
    print_marks(scores, console)
    if comparison.loc[comparison["ours"].notna(), "metric"].isin(METRICS[2:]).any():
        print_false_alarms(alarms, console)
    else:
        print_warnings(alarms, console)
    print(run / "compare.md")
    name = (system, variant_of(run, recipe))
    return _Compared(run, paper, name, scores.dataset, rows, comparison)


def _own_comparison(scores: ScoredRun, system: str) -> pd.DataFrame:
    """What the system's own paper prints of the main score, whatever the command compares."""
    row = scores.published_rows.get(scores.main_score)
    if row is None or system not in published.names():
        return pd.DataFrame(columns=["score", *COLUMNS])
    return compare_scores(scores, system, {scores.main_score: row})


def _compare_means(
    compared: Sequence[_Compared], tolerance: float, console: Console
) -> list[pd.DataFrame]:
    """Print means over datasets beside the paper's, of each variant and score that has them."""
    groups: dict[tuple[str, tuple[str, str], str, str], dict[str, _Compared]] = {}
    for each in compared:
        for score, row in each.rows.items():
            group = groups.setdefault((each.paper, each.name, score, row), {})
            if each.dataset in group:
                raise RecipeError(
                    f"{group[each.dataset].run} and {each.run} are both of {each.name[1]} on "
                    f"{each.dataset}: name one of them."
                )
            group[each.dataset] = each
    found = []
    for (paper, (system, variant), score, row), runs in groups.items():
        printed, contradictions = _printed_by(paper)
        sets = sets_of(printed, row)
        if not sets:
            continue
        of_runs = [
            each.comparison[each.comparison["score"] == score].assign(dataset=dataset)
            for dataset, each in runs.items()
        ]
        together = pd.concat(of_runs, ignore_index=True)
        means = compare_means(together, printed, contradictions, row=row, tolerance=tolerance)
        title = f"{system}, {variant}, means over datasets, against {paper}"
        print_means(means, sets, title, console)
        found.append(means.assign(score=score, variant=variant))
    return found


def _write_means(out: Path, means: Sequence[pd.DataFrame]) -> None:
    """Write the means of all variants, and ours of each set, into one table."""
    if not means:
        raise RecipeError(
            f"--out {out}: there are no means over datasets to write. Name runs of one variant on "
            "several datasets, whose paper prints them."
        )
    table = pd.concat(means, ignore_index=True)
    table = table[["variant", "score", *table.columns.drop(["variant", "score"])]]
    if out.suffix == ".csv":
        write_csv(out, table)
    else:
        write_text(out, as_markdown(table))
    print(out)


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


def _printed_by(system: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What a paper prints, and which of its means its own parts contradict."""
    contradictions = published.contradictions()
    return published.load(system), contradictions[contradictions["system"] == system]


def compare_scores(
    scores: ScoredRun, system: str, rows: Mapping[str, str], tolerance: float = DEFAULT_TOLERANCE
) -> pd.DataFrame:
    """Every figure that a paper prints of rows beside one score each: `score` and `COLUMNS`.

    Raises:
        RecipeError: if the paper has no such row.
    """
    printed, contradictions = _printed_by(system)
    known = sorted(set(printed["system_row"]))
    parts = []
    for name, row in rows.items():
        for each in row.split("+"):
            if each not in known:
                raise RecipeError(
                    f"{system} prints no row `{each}`.{did_you_mean(each, known)} Choose one with "
                    f"--row: {', '.join(known)}."
                )
        comparison = compare(
            scores.of(name),
            printed,
            contradictions,
            convention_of(system, scores.dataset),
            row=row,
            tolerance=tolerance,
        )
        parts.append(comparison.assign(score=name)[["score", *COLUMNS]])
    return pd.concat(parts, ignore_index=True)


def title_of(run: Path, system: str, scores: ScoredRun) -> str:
    """System, variant and dataset of a run, and what test clips had a say in."""
    recipe = recipe_of(run) if (run / "recipe.yaml").is_file() else {}
    mark = ", untrained" * is_untrained(recipe) + scores.marks.behind
    return f"{system}, {variant_of(run, recipe)}, {scores.dataset}{mark}"


def print_marks(scores: ScoredRun, console: Console) -> None:
    """Print what test clips had a say in, a line each."""
    for line in scores.marks.lines:
        print_line(console, line, "yellow")
