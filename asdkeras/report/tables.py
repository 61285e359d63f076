"""The results of a run as a table on standard output."""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from asdkeras.metrics.official import RuleSet

_HEADINGS = {"auc": "AUC", "pauc": "pAUC", "f1": "F1"}


def print_results(
    summary: pd.DataFrame,
    comparison: pd.DataFrame | None,
    rules: RuleSet,
    *,
    title: str = "",
    console: Console | None = None,
) -> None:
    """Print means per machine type and domain beside the published ones, in percent.

    One table per part of the dataset. With several seeds, ours is mean and standard
    deviation. Published figures that must not be compared with ours are dimmed and
    headed so. Without a terminal, plain text 80 columns wide.

    Args:
        summary: of `asdkeras.evaluation.summarize`.
        comparison: printed means, of `asdkeras.report.comparison.compare`, with a column
            `comparable`; None leaves the published column out.
        rules: those of the summary; they name the last rows.
        title: shown above, the part is added.
        console: default standard output.
    """
    console = console or Console()
    for part in dict.fromkeys(summary["part"]):
        ours = summary[summary["part"] == part]
        theirs = None if comparison is None else comparison[comparison["part"] == part]
        table = _results_table(ours, theirs, rules, _plus_minus(console))
        name = {"dev": "development set", "eval": "evaluation set"}.get(str(part), str(part))
        heading = (title, name if rules.name != "plain" else "", "percent")
        console.print(Text(", ".join(word for word in heading if word), style="bold"))
        console.print(table)


def print_named_scores(
    by_name: pd.DataFrame,
    rules: RuleSet,
    *,
    is_oracle: bool = False,
    console: Console | None = None,
) -> None:
    """Print the means over all machine types of several named scores, one row each.

    Nothing is printed of a single score.

    Args:
        by_name: of `summarize` for each score, behind a column `score`.
        rules: those of the summaries.
        is_oracle: whether labels of test clips had a say; the title tells.
        console: default standard output.
    """
    if by_name["score"].nunique() < 2:
        return
    console = console or Console()
    means = by_name[by_name["machine_type"] == "all"]
    for part in dict.fromkeys(means["part"]):
        figures = means[means["part"] == part]
        values = {
            (str(name), str(domain), str(metric)): f"{100 * value:.2f}"
            for name, domain, metric, value in zip(
                *(figures[column] for column in ("score", "domain", "metric", "value")),
                strict=True,
            )
        }
        grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        grid.add_column("score", vertical="bottom", overflow="fold")
        domains = list(dict.fromkeys(figures["domain"]))
        for domain in domains:
            grid.add_column(f"{domain}\n  AUC   pAUC", justify="right", no_wrap=True)
        if rules.mean == "harmonic":
            grid.add_column("official\nscore", justify="right", no_wrap=True)
        for name in dict.fromkeys(figures["score"]):
            pairs = (
                [values.get((name, domain, metric), "").rjust(6) for metric in ("auc", "pauc")]
                for domain in domains
            )
            official = values.get((name, "all", "official_score"), "")
            row = [*(" ".join(pair) for pair in pairs), official]
            grid.add_row(name, *row[: len(grid.columns) - 1])
        mark = "oracle, " if is_oracle else ""
        console.print(Text(f"named scores, {mark}{rules.mean} means, percent", style="bold"))
        console.print(grid)


def print_skipped(skipped: pd.DataFrame, *, console: Console | None = None) -> None:
    """Print which sections have no metrics and why, one line per reason.

    Args:
        skipped: of `asdkeras.evaluation.evaluate`.
        console: default standard output.
    """
    console = console or Console()
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


def print_decisions(
    table: pd.DataFrame, decisions: ArrayLike, *, console: Console | None = None
) -> None:
    """Print how many test clips were called anomalous, for data without labels.

    Args:
        table: clip table.
        decisions: bool or 0/1, `(clips,)` in the order of the table, 1 for anomalous.
        console: default standard output.
    """
    console = console or Console()
    is_test = (table["split"] == "test").to_numpy(dtype=bool)
    test = table.loc[is_test, ["machine_type", "section", "domain"]]
    test = test.assign(decision=np.asarray(decisions)[is_test].astype(int))
    test["domain"] = test["domain"].fillna("all")

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("machine type", overflow="fold")
    for heading in ("section", "domain"):
        grid.add_column(heading, no_wrap=True)
    for heading in ("clips", "anomalous", "share"):
        grid.add_column(heading, justify="right", no_wrap=True)
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


def print_verdicts(comparison: pd.DataFrame, *, title: str, console: Console | None = None) -> None:
    """Print how many figures of a comparison have which verdict, and those that are outside.

    Args:
        comparison: of `asdkeras.report.comparison.compare`.
        title: shown above.
        console: default standard output.
    """
    console = console or Console()
    console.print(Text(title, style="bold"))
    for verdict, count in comparison["verdict"].value_counts().items():
        console.print(Text(f"{verdict}: {count}"))
    outside = comparison[comparison["verdict"] == "outside"]
    if outside.empty:
        return
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    places = ("score", "part", "machine_type", "section", "domain", "metric")
    names = [name for name in places if name in comparison]
    headings = {"part": "set", "machine_type": "machine type"}
    for name in names:
        grid.add_column(headings.get(name, name), overflow="fold")
    for heading in ("published", "ours", "off by", "allowed"):
        grid.add_column(heading, justify="right", no_wrap=True)
    for _, figure in outside.iterrows():
        grid.add_row(
            *(str(figure[name]) for name in names),
            *(f"{figure[name]:.2f}" for name in ("published", "ours")),
            f"{figure['difference']:+.2f}",
            f"{figure['tolerance']:.2f}",
        )
    console.print(grid)


def _results_table(
    summary: pd.DataFrame, comparison: pd.DataFrame | None, rules: RuleSet, plus_minus: str
) -> Table:
    """The table of one part."""
    several_seeds = bool((summary["n_seeds"] > 1).any())
    ours = _Column("ours", _figures(summary, several_seeds, plus_minus))
    columns = [ours]
    if comparison is not None:
        columns.append(_published_column(comparison))

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("machine type", vertical="bottom", overflow="fold")
    grid.add_column("domain", vertical="bottom", no_wrap=True)
    for column in columns:
        grid.add_column(column.heading(), vertical="bottom", no_wrap=True)

    previous = ""
    for machine_type, domain in ours.places():
        label = f"{rules.mean} mean" if machine_type == "all" else machine_type
        if previous and label != previous and (machine_type == "all" or len(rules.rows) > 1):
            grid.add_section()
        cells = [column.cell(machine_type, domain) for column in columns]
        grid.add_row(Text(label if label != previous else ""), Text(domain), *cells)
        previous = label
    if rules.mean == "harmonic":
        cells = [column.official_score() for column in columns]
        grid.add_row(Text("official score"), Text("all"), *cells)
    return grid


@dataclasses.dataclass(frozen=True)
class _Column:
    """Several figures side by side under one heading.

    Attributes:
        name: the heading; its lines are centered above the names of the metrics.
        figures: (machine type, domain, metric) -> text.
        dim: keys of the figures to be dimmed.
        is_dim: whether the heading is dimmed.
    """

    name: str
    figures: dict[tuple[str, str, str], str]
    dim: frozenset[tuple[str, str, str]] = frozenset()
    is_dim: bool = False

    def heading(self) -> Text:
        metrics = "  ".join(_HEADINGS[metric].center(self._width()) for metric in self._shown())
        width = max(len(line) for line in (*self.name.split("\n"), metrics))
        lines = [line.center(width).rstrip() for line in self.name.split("\n")]
        return Text("\n".join([*lines, metrics]), style=self._style(self.is_dim))

    def cell(self, machine_type: str, domain: str) -> Text:
        keys = [(machine_type, domain, metric) for metric in self._shown()]
        texts = [self.figures.get(key, "").rjust(self._width()) for key in keys]
        return Text("  ".join(texts), style=self._style(any(key in self.dim for key in keys)))

    def official_score(self) -> Text:
        key = ("all", "all", "official_score")
        text = self.figures.get(key, "").rjust(self._width())
        return Text(text, style=self._style(key in self.dim))

    def places(self) -> list[tuple[str, str]]:
        """(machine type, domain) in the order of the figures."""
        return list(dict.fromkeys(key[:2] for key in self.figures))

    def _shown(self) -> list[str]:
        present = {metric for _, _, metric in self.figures}
        return [metric for metric in _HEADINGS if metric in present or metric != "f1"]

    def _width(self) -> int:
        return max([5, *map(len, self.figures.values())])

    def _style(self, is_dim: bool) -> str:
        return "dim" if is_dim else ""


def _figures(
    summary: pd.DataFrame, several_seeds: bool, plus_minus: str
) -> dict[tuple[str, str, str], str]:
    """Ours as text. Precision and recall are left to the CSV files; F1 too if it gets wide."""
    metrics = {"auc", "pauc", "official_score"} | (set() if several_seeds else {"f1"})
    rows = summary[summary["metric"].isin(metrics) & summary["value"].notna()]
    figures = {}
    for key, value, spread in zip(
        _keys(rows), 100.0 * rows["value"], 100.0 * rows["standard_deviation"], strict=True
    ):
        figures[key] = f"{value:.2f}"
        if several_seeds and not math.isnan(spread):
            figures[key] += f"{plus_minus}{spread:.2f}"
    return figures


def _published_column(comparison: pd.DataFrame) -> _Column:
    """The published figures, dimmed where they must not be compared with ours.

    If only some of them must not, those stand in brackets and the heading says so.
    """
    rows = comparison[comparison["published"].notna()]
    comparable = dict(zip(_keys(rows), rows["comparable"].astype(bool), strict=True))
    is_mixed = len(set(comparable.values())) == 2
    figures = {}
    for key, percent in zip(_keys(rows), rows["published"], strict=True):
        brackets = is_mixed and not comparable[key]
        figures[key] = f"({percent:.2f})" if brackets else f"{percent:.2f}"
        figures[key] += " " if is_mixed and not brackets else ""
    dim = frozenset(key for key in figures if not comparable[key])
    name = "published\n(not comparable)" if dim else "published"
    return _Column(name, figures, dim, is_dim=len(dim) == len(figures))


def _keys(rows: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    for keys in zip(rows["machine_type"], rows["domain"], rows["metric"], strict=True):
        yield str(keys[0]), str(keys[1]), str(keys[2])


def _plus_minus(console: Console) -> str:
    return "±" if console.encoding.startswith("utf") else "+-"
