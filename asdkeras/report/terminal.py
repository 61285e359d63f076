"""Lines and tables on standard output, among them the results of a run."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from asdkeras.metrics.official import RuleSet
from asdkeras.report.comparison import PLACE
from asdkeras.report.scored_runs import SETS
from asdkeras.score_files import NO_MARKS, Marks

GAP, EDGES = 3, 2  # Characters between two columns of a table, and on both sides of it.
_HEADINGS = {"auc": "AUC", "pauc": "pAUC", "f1": "F1"}
_Key = tuple[str, str, str]  # Machine type, domain and metric.


def print_line(console: Console, text: str, style: str = "") -> None:
    """Print a line as it is, however wide the terminal."""
    console.print(Text(text, style=style), soft_wrap=True)


def new_grid(
    wide: Iterable[str] = (),
    names: Iterable[str | Text] = (),
    figures: Iterable[str] = (),
    vertical: Literal["top", "bottom"] = "top",
) -> Table:
    """A table without rows: columns that may be broken, names, and figures on the right."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in wide:
        grid.add_column(heading, vertical=vertical, overflow="fold")
    for name in names:
        grid.add_column(name, vertical=vertical, no_wrap=True)
    for figure in figures:
        grid.add_column(Text(figure), vertical=vertical, justify="right", no_wrap=True)
    return grid


def plus_minus(console: Console) -> str:
    return "±" if console.encoding.startswith("utf") else "+-"


def print_results(
    summary: pd.DataFrame,
    comparison: pd.DataFrame | None,
    rules: RuleSet,
    *,
    title: str = "",
    console: Console,
) -> None:
    """Print means per machine type and domain beside the published ones, in percent.

    One table per part of the dataset. With several seeds, ours is mean and standard
    deviation. Published figures that must not be compared with ours are dimmed, and so is
    their heading. Without a terminal, plain text 80 columns wide.

    Args:
        summary: of `asdkeras.evaluation.summarize`.
        comparison: printed means, of `asdkeras.report.comparison.printed_means`; None leaves
            the published column out.
    """
    for part in dict.fromkeys(summary["part"]):
        columns = [_our_column(summary[summary["part"] == part], plus_minus(console))]
        if comparison is not None:
            columns.append(_published_column(comparison[comparison["part"] == part]))
        heading = (title, SETS[part] if rules.name != "plain" else "", "percent")
        console.print(Text(", ".join(word for word in heading if word), style="bold"))
        console.print(_results_table(columns, rules))


def print_named_scores(
    by_name: pd.DataFrame, rules: RuleSet, *, marks: Marks = NO_MARKS, console: Console
) -> None:
    """Print the means over all machine types of named scores, one row each; nothing of one alone.

    `by_name` has what `summarize` says of each score, behind a column `score`. The title says
    what test clips had a say in.
    """
    if by_name["score"].nunique() < 2:
        return
    means = by_name[by_name["machine_type"] == "all"]
    for _, figures in means.groupby("part", sort=False):
        values = figures.set_index(["score", "domain", "metric"])["value"]
        texts = {key: f"{100 * value:.2f}" for key, value in values.items()}
        domains = list(dict.fromkeys(figures["domain"]))
        headings = [f"{domain}\n  AUC   pAUC" for domain in domains]
        headings += ["official\nscore"] if rules.mean == "harmonic" else []
        grid = new_grid(["score"], figures=headings)
        for name in dict.fromkeys(figures["score"]):
            pairs = (
                [texts.get((name, domain, metric), "").rjust(6) for metric in ("auc", "pauc")]
                for domain in domains
            )
            row = [*map(" ".join, pairs), texts.get((name, "all", "official_score"), "")]
            grid.add_row(name, *row[: len(headings)])
        heading = ", ".join(["named scores", *marks.names, f"{rules.mean} means, percent"])
        console.print(Text(heading, style="bold"))
        console.print(grid)


def print_skipped(skipped: pd.DataFrame, console: Console) -> None:
    """Print which sections `evaluate` skipped and why, one line per reason."""
    for reason, group in skipped.groupby("reason", sort=False):
        machines = []
        for machine_type, rows in group.groupby("machine_type", sort=False):
            places = [
                str(section) if domain == "all" else f"{section} {domain}"
                for section, domain in zip(rows["section"], rows["domain"], strict=True)
            ]
            machines.append(f"{machine_type} {', '.join(dict.fromkeys(places))}")
        line = f"{reason}: metrics skipped for {'; '.join(machines)}"
        console.print(Text(line, style="yellow"))


def print_decisions(table: pd.DataFrame, decisions: ArrayLike, console: Console) -> None:
    """Print how many test clips were called anomalous, for data without labels.

    `decisions` are bool or 0/1, `(clips,)` in the order of the clip table, 1 for anomalous.
    """
    is_test = (table["split"] == "test").to_numpy(dtype=bool)
    test = table.loc[is_test, ["machine_type", "section", "domain"]].fillna({"domain": "all"})
    test = test.assign(decision=np.asarray(decisions)[is_test].astype(int))
    figures = ("clips", "anomalous", "share")
    grid = new_grid(["machine type"], ["section", "domain"], figures)
    previous = None
    for keys, group in test.groupby(["machine_type", "section", "domain"]):
        machine_type, section, domain = map(str, keys)
        num_flagged = int(group["decision"].sum())
        counts = (str(len(group)), str(num_flagged), f"{100 * num_flagged / len(group):.1f} %")
        shown = Text(machine_type if machine_type != previous else "")
        grid.add_row(shown, section, domain, *counts)
        previous = machine_type
    console.print(Text("no labels: metrics skipped", style="yellow"))
    console.print(grid)


def print_verdicts(comparison: pd.DataFrame, *, title: str, console: Console) -> None:
    """Print how many figures of `compare` have which verdict, and those that are outside.

    What is the same of every figure has no column.
    """
    print_counts(comparison, title=title, console=console)
    outside = comparison[comparison["verdict"] == "outside"]
    if outside.empty:
        return
    places = [name for name in ("score", *PLACE) if name in comparison]
    names = [name for name in places if comparison[name].nunique() > 1]
    headings = {"part": "set", "machine_type": "machine type"}
    figures = ("published", "ours", "off by", "allowed")
    grid = new_grid([headings.get(name, name) for name in names], figures=figures)
    for _, figure in outside.iterrows():
        grid.add_row(
            *(str(figure[name]) for name in names),
            *(f"{figure[name]:.2f}" for name in ("published", "ours")),
            f"{figure['difference']:+.2f}",
            f"{figure['tolerance']:.2f}",
        )
    console.print(grid)


def print_counts(comparison: pd.DataFrame, *, title: str, console: Console) -> None:
    """Print a title, and how many figures of `compare` have which verdict."""
    console.print(Text(title, style="bold"))
    for verdict, count in comparison["verdict"].value_counts().items():
        console.print(Text(f"{verdict}: {count}"))


class _Column(NamedTuple):
    """Several figures side by side under one heading.

    The lines of the name are centered above the names of the metrics. Figures whose keys are
    in `dim` are dimmed; if all are, the heading is as well.
    """

    name: str
    figures: dict[_Key, str]
    dim: frozenset[_Key] = frozenset()

    def heading(self) -> Text:
        metrics = "  ".join(_HEADINGS[metric].center(self._width()) for metric in self._shown())
        names = self.name.split("\n")
        width = max(map(len, (*names, metrics)))
        lines = [*(name.center(width).rstrip() for name in names), metrics]
        return Text("\n".join(lines), style="dim" if len(self.dim) == len(self.figures) else "")

    def cell(self, machine_type: str, domain: str, metrics: Sequence[str] = ()) -> Text:
        keys = [(machine_type, domain, metric) for metric in metrics or self._shown()]
        texts = [self.figures.get(key, "").rjust(self._width()) for key in keys]
        return Text("  ".join(texts), style="" if self.dim.isdisjoint(keys) else "dim")

    def _shown(self) -> list[str]:
        present = {metric for _, _, metric in self.figures}
        return [metric for metric in _HEADINGS if metric in present or metric != "f1"]

    def _width(self) -> int:
        return max([5, *map(len, self.figures.values())])


def _results_table(columns: Sequence[_Column], rules: RuleSet) -> Table:
    headings = [column.heading() for column in columns]
    grid = new_grid(["machine type"], ["domain", *headings], vertical="bottom")
    previous = ""
    for machine_type, domain in dict.fromkeys(key[:2] for key in columns[0].figures):
        label = f"{rules.mean} mean" if machine_type == "all" else machine_type
        if previous and label != previous and (machine_type == "all" or len(rules.rows) > 1):
            grid.add_section()
        cells = [column.cell(machine_type, domain) for column in columns]
        grid.add_row(Text(label if label != previous else ""), Text(domain), *cells)
        previous = label
    if rules.mean == "harmonic":
        cells = [column.cell("all", "all", ["official_score"]) for column in columns]
        grid.add_row(Text("official score"), Text("all"), *cells)
    return grid


def _our_column(summary: pd.DataFrame, sign: str) -> _Column:
    """Precision and recall are left to the CSV files; F1 too if it gets wide."""
    several_seeds = bool((summary["n_seeds"] > 1).any())
    metrics = ["auc", "pauc", "official_score", *([] if several_seeds else ["f1"])]
    rows = summary[summary["metric"].isin(metrics) & summary["value"].notna()]
    spreads = 100.0 * rows["standard_deviation"]
    figures = {}
    for key, value, spread in zip(_keys(rows), 100.0 * rows["value"], spreads, strict=True):
        has_spread = several_seeds and not math.isnan(spread)
        figures[key] = f"{value:.2f}{sign}{spread:.2f}" if has_spread else f"{value:.2f}"
    return _Column("ours", figures)


def _published_column(comparison: pd.DataFrame) -> _Column:
    """The figures, dimmed if not comparable with ours; if only some are not, these in brackets."""
    rows = comparison[comparison["published"].notna()]
    comparable = dict(zip(_keys(rows), rows["comparable"].astype(bool), strict=True))
    is_mixed = len(set(comparable.values())) == 2
    figures = {}
    for key, percent in zip(_keys(rows), rows["published"], strict=True):
        forms = ("{:.2f} ", "({:.2f})") if is_mixed else ("{:.2f}", "{:.2f}")
        figures[key] = forms[not comparable[key]].format(percent)
    dim = frozenset(key for key in figures if not comparable[key])
    return _Column("published\n(not comparable)" if dim else "published", figures, dim)


def _keys(rows: pd.DataFrame) -> Iterator[_Key]:
    yield from zip(rows["machine_type"], rows["domain"], rows["metric"], strict=True)
