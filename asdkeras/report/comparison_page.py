"""Runs side by side on a page: their boards as tables, and their ROC curves in one drawing."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from asdkeras.report.boards import Board, Key, boards_of
from asdkeras.report.finished_runs import FinishedRun
from asdkeras.report.markup import Cell, Markup, element, joined, table
from asdkeras.report.page_tables import SETS, heading
from asdkeras.report.roc_panels import SectionRoc, by_part, run_panels

HOW_TO_READ = "The best figure of each column stands in bold and is marked with a star."


def board_tables(runs: Sequence[FinishedRun]) -> list[Markup]:
    """Runs that were measured on the same clips, the best first, and the best of each column."""
    parts = []
    for board in boards_of(runs):
        overall = board.overall_keys
        headings = [heading(domain, metric) for _, domain, metric in overall]
        parts.append(_board_table(board, overall, headings, board.title))
        keys = board.machine_keys
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
    groups: dict[tuple[str, str], list[tuple[FinishedRun, str, Sequence[SectionRoc]]]] = {}
    for run, name in runs:
        for part, rocs in by_part(curves[name], run.rules).items():
            groups.setdefault((run.dataset, part), []).append((run, name, rocs))
    parts = []
    for (dataset, part), members in groups.items():
        panels = run_panels([(name, rocs) for _, name, rocs in members], members[0][0].rules)
        if len(groups) > 1:
            parts.append(element("h3", f"{dataset}, {SETS[part]}"))
        parts.append(element("div", *panels, class_="panels roc"))
    return parts


def _board_table(
    board: Board, keys: Sequence[Key], headings: Sequence[str], caption: str
) -> Markup:
    means = [_means_of(run, board.part) for run in board.runs]
    best = {key: _best([_value(each, key) for each in means]) for key in keys}
    rows: list[list[str | Cell]] = []
    for name, run, each in zip(board.names, board.runs, means, strict=True):
        num_trials = str(int(run.means["n_seeds"].max()))
        rows.append([name, *(_cell(each, key, best[key]) for key in keys), num_trials])
    return table(["run", *headings, "trials"], rows, caption=caption)


def _means_of(run: FinishedRun, part: str) -> pd.DataFrame:
    means = run.means[run.means["part"] == part]
    return means.set_index(["machine_type", "domain", "metric"])


def _value(means: pd.DataFrame, key: Key) -> float:
    return float(means["value"].get(key, math.nan))


def _best(values: Sequence[float]) -> float:
    """The highest value as it is printed; NaN if there are not two to compare."""
    known = [round(100.0 * value, 2) for value in values if not math.isnan(value)]
    return max(known) if len(known) > 1 else math.nan


def _cell(means: pd.DataFrame, key: Key, best: float) -> Cell:
    """A figure, its spread, and below it what the paper prints."""
    value = 100.0 * _value(means, key)
    if math.isnan(value):
        return Cell("")
    is_best = round(value, 2) == best
    parts: list[str] = [f"{value:.2f}"]
    if is_best:
        parts.append(element("span", " ★", title="the best of this column"))
    spread = 100.0 * float(means["standard_deviation"].get(key, math.nan))
    if not math.isnan(spread):
        parts.append(element("span", f" ±\u00a0{spread:.2f}", class_="dim"))
    published = 100.0 * float(means["published"].get(key, math.nan))
    if not math.isnan(published):
        told = f"published {published:.2f} ({value - published:+.2f})"
        parts.append(element("span", told, class_="dim below"))
    return Cell(joined(parts), "bold" if is_best else None)
