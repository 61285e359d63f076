"""Runs side by side on a page: their boards as tables, and their ROC curves in one drawing."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from asdkeras.report.boards import Board, Key, boards_of, heading
from asdkeras.report.finished_runs import FinishedRun
from asdkeras.report.markup import Cell, Markup, element, joined, table
from asdkeras.report.roc_panels import SectionRoc, by_part, run_panels
from asdkeras.report.scored_runs import SETS

HOW_TO_READ = "The best figure of each column stands in bold and is marked with a star."


def board_tables(runs: Sequence[FinishedRun]) -> list[Markup]:
    """Runs that were measured on the same clips, the best first, and the best of each column."""
    parts = []
    for board in boards_of(runs):
        overall, keys = board.overall_keys, board.machine_keys
        headings = [heading(domain, metric) for _, domain, metric in overall]
        parts.append(_board_table(board, overall, headings, board.title))
        if keys:
            caption = f"{board.title}; {board.machine_title}"
            parts.append(_board_table(board, keys, [key[0] for key in keys], caption))
    return parts


def roc_parts(
    runs: Sequence[tuple[FinishedRun, str]], curves: Mapping[str, Sequence[SectionRoc]]
) -> list[Markup]:
    """The ROC curves of all runs, a drawing for each machine type of each set of clips.

    Args:
        runs: with their names.
        curves: name of a run -> its curves.
    """
    groups: dict[tuple[str, str], list[tuple[str, Sequence[SectionRoc]]]] = {}
    rules = {run.dataset: run.rules for run, _ in runs}
    for run, name in runs:
        for part, rocs in by_part(curves[name], run.rules).items():
            groups.setdefault((run.dataset, part), []).append((name, rocs))
    parts = []
    for (dataset, part), members in groups.items():
        if len(groups) > 1:
            parts.append(element("h3", f"{dataset}, {SETS[part]}"))
        panels = run_panels(members, rules[dataset])
        parts.append(element("div", *panels, class_="panels roc"))
    return parts


def _board_table(
    board: Board, keys: Sequence[Key], headings: Sequence[str], caption: str
) -> Markup:
    means = [board.means_of(run) for run in board.runs]
    best = {}
    for key in keys:  # The highest value as it is printed, if there are two to compare.
        values = [round(100.0 * _figure(each, key), 2) for each in means]
        known = [value for value in values if not math.isnan(value)]
        best[key] = max(known) if len(known) > 1 else math.nan
    rows: list[list[str | Cell]] = []
    for name, run, each in zip(board.names, board.runs, means, strict=True):
        num_trials = str(int(run.means["n_seeds"].max()))
        rows.append([name, *(_cell(each, key, best[key]) for key in keys), num_trials])
    return table(["run", *headings, "trials"], rows, caption=caption)


def _figure(means: pd.DataFrame, key: Key, column: str = "value") -> float:
    return float(means[column].get(key, math.nan))


def _cell(means: pd.DataFrame, key: Key, best: float) -> Cell:
    """A figure, its spread, and below it what the paper prints."""
    value, spread, published = (
        100.0 * _figure(means, key, column)
        for column in ("value", "standard_deviation", "published")
    )
    if math.isnan(value):
        return Cell("")
    is_best = round(value, 2) == best
    parts: list[str] = [f"{value:.2f}"]
    if is_best:
        parts.append(element("span", " ★", title="the best of this column"))
    if not math.isnan(spread):
        parts.append(element("span", f" ±\u00a0{spread:.2f}", class_="dim"))
    if not math.isnan(published):
        text = f"published {published:.2f} ({value - published:+.2f})"
        parts.append(element("span", text, class_="dim below"))
    return Cell(joined(parts), "bold" if is_best else None)
