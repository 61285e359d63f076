"""Every printed mean, what it is a mean of, and whether it follows within the digits printed."""

import csv
import functools
import operator
from collections.abc import Callable, Iterator
from decimal import Decimal
from importlib import resources
from typing import NamedTuple

import numpy as np

from asdkeras.metrics.official import RULES, harmonic_mean

# Sums of floats in another order differ in the last of their 16 digits.
FLOAT_NOISE = 1e-14

BASELINES = ("baseline2020", "baseline2021", "baseline2022", "baseline2023")

# The only figure of its README with four digits, where the others have three.
ODD_DIGITS = ("Kota-Dohi/dcase2022_task2_baseline_mobile_net_v2@0566ec9", "36.77")


class Figure(NamedTuple):
    """One row of a published table."""

    table: str
    dataset: str
    part: str
    machine_type: str
    section: str
    domain: str
    system_row: str
    metric: str
    average: str
    text: str
    half: float
    rules: str

    @property
    def percent(self):
        """The figure itself."""
        return float(self.text)

    @property
    def bounds(self):
        """What the figure may have been before it was rounded. A printed 0 is exact."""
        if self.percent == 0.0:
            return 0.0, 0.0
        return self.percent - self.half, self.percent + self.half


class Check(NamedTuple):
    """A printed mean beside one way to recompute it."""

    figure: Figure
    parts_name: str
    parts: tuple[Figure, ...]
    mean: Callable[[list[float]], float]

    @property
    def recomputed(self):
        """From the printed parts, in percent."""
        return self.mean([part.percent for part in self.parts])

    @property
    def follows(self):
        """Whether parts and mean within their digits agree."""
        low, high = self.figure.bounds
        lowest = self.mean([part.bounds[0] for part in self.parts])
        highest = self.mean([part.bounds[1] for part in self.parts])
        return low <= highest * (1 + FLOAT_NOISE) and high >= lowest * (1 - FLOAT_NOISE)


def harmonic(percents):
    """The official mean, which floors fractions, not percents."""
    return 100.0 * harmonic_mean(np.array(percents) / 100.0)


def arithmetic(percents):
    """The mean of 2020, through the rules of that year."""
    return RULES["dcase2020"].average(percents)


MEANS = {"harmonic": harmonic, "arithmetic": arithmetic}


@functools.cache
def figures(system):
    """The rows of a table with the text of their figures; those that cannot be read left out."""
    with resources.files("asdkeras.published").joinpath(f"{system}.csv").open() as file:
        lines = (line for line in file if not line.startswith("#"))
        rows = [row for row in csv.DictReader(lines) if row["percent"]]
    decimals = {}
    for row in rows:
        if "E" not in row["percent"] and (row["table"], row["percent"]) != ODD_DIGITS:
            places = -Decimal(row["percent"]).as_tuple().exponent
            decimals[row["table"]] = max(decimals.get(row["table"], 0), places)
    return tuple(_figure(row, decimals[row["table"]]) for row in rows)


def _figure(row, decimals):
    """A figure lies within half a unit of the last digit its table prints."""
    if "E" in row["percent"] or (row["table"], row["percent"]) == ODD_DIGITS:
        decimals = -Decimal(row["percent"]).as_tuple().exponent
    fields = {name: row[name] for name in Figure._fields if name in row}
    return Figure(
        **fields,
        text=row["percent"],
        half=0.5 * 10.0**-decimals,
    )


def checks(system) -> Iterator[Check]:
    """Every printed mean of a system once per way to recompute it."""
    rows = figures(system)
    for figure in rows:
        if figure.average:
            for parts_name, parts, mean in _WAYS[system](figure, rows):
                if parts:
                    yield Check(figure, parts_name, tuple(parts), mean)


def _like(figure, rows, *fields):
    """Rows that share these fields, without the figure itself."""
    wanted = operator.attrgetter(*fields)
    values = wanted(figure)
    return [row for row in rows if wanted(row) == values and row is not figure]


def _sections(figure, rows):
    """Cells of single sections whose mean the figure is, by the rules of the year."""
    counted = RULES[figure.rules].domains_of(figure.metric)
    domains = {figure.domain} if figure.domain in counted else set(counted)
    return [
        row
        for row in _like(figure, rows, "table", "part", "system_row", "metric")
        if row.section != "all"
        and row.domain in domains
        and figure.machine_type in (row.machine_type, "all")
    ]


def _machine_types(figure, rows, domains=None, metrics=None):
    """Means of single machine types, of the same domain and metric unless others are given."""
    if figure.machine_type != "all":
        return []
    return [
        row
        for row in _like(figure, rows, "table", "part", "system_row")
        if row.machine_type != "all"
        and row.section == "all"
        and row.domain in (domains or {figure.domain})
        and row.metric in (metrics or {figure.metric})
    ]


def _beside(figure, rows, places, average="harmonic"):
    """Means of the same machine type at other (domain, metric) places, in the order given."""
    found = {
        (row.domain, row.metric): row
        for row in _like(figure, rows, "table", "part", "machine_type", "section", "system_row")
        if row.average == average
    }
    return [found[place] for place in places] if set(places) <= set(found) else []


def _same(percents):
    (percent,) = percents
    return percent


def _wilkinghoff2021(figure, rows):
    if figure.table == "2":
        yield "sections", _sections(figure, rows), harmonic
        yield "machine types", _machine_types(figure, rows), harmonic
        return
    if figure.system_row == "all_40":
        if figure.table == "3":
            fields = ("machine_type", "section", "domain", "system_row", "metric")
            twin = [row for row in _like(figure, rows, *fields) if row.table == "4"]
            yield "Table 4", twin, _same
        else:
            cells = _sections(figure._replace(table="2"), rows)
            yield "Table 2", cells, harmonic
    if figure.metric == "official_score":
        both = ({"source", "target"}, {"auc", "pauc"})
        yield "machine types", _machine_types(figure, rows, *both), harmonic
        places = [(domain, metric) for domain in sorted(both[0]) for metric in sorted(both[1])]
        yield "domains", _beside(figure, rows, places), harmonic
    else:
        machine_types = _machine_types(figure, rows)
        # Two cells of Table 3 are lost.
        yield "machine types", machine_types if len(machine_types) == 7 else [], harmonic


def _kuroyanagi2021(figure, rows):
    if figure.system_row.endswith("baseline") and figure.machine_type != "all":
        elsewhere = [row._replace(table="1") for row in figures("wilkinghoff2021")]
        metrics = ("auc", "pauc")
        cells = [_sections(figure._replace(metric=metric), elsewhere) for metric in metrics]
        yield "wilkinghoff2021", cells[0] + cells[1], harmonic
    if figure.table == "text":
        in_table = figure._replace(table="1")
        if figure.domain == "all":
            printed = [row for row in rows if row == in_table]
            yield "Table 1", printed, _same
            yield "domains", _beside(figure, rows, _both_domains(figure)), harmonic
        else:
            yield "Table 1", _machine_types(in_table, rows), harmonic
    elif figure.domain == "all":
        yield "machine types", _machine_types(figure, rows, {"source", "target"}), harmonic
    elif figure.system_row == "max_of_rows":
        ensembles = [
            row
            for row in _like(figure, rows, "table", "machine_type", "domain")
            if row.system_row in ("ae_ensemble", "bc_ensemble")
        ]
        yield "rows", ensembles, max


def _both_domains(figure):
    return [("source", figure.metric), ("target", figure.metric)]


def _venkatesh2022(figure, rows):
    fields = ("part", "machine_type", "domain", "system_row", "metric")
    if figure.table == "text":
        yield (
            f"Table {'2' if figure.part == 'dev' else '3'}",
            _like(figure, rows, *fields),
            _same,
        )
    elif (figure.machine_type, figure.metric) == ("all", "official_score"):
        if figure.table == "2":
            yield "machine types", _machine_types(figure, rows), harmonic
            yield "metrics", _beside(figure, rows, _terms()), harmonic
        else:
            # An AUC is itself the mean of source and target, so it counts twice.
            aucs = _machine_types(figure, rows, {"all"}, {"auc"})
            paucs = _machine_types(figure, rows, {"all"}, {"pauc"})
            yield "machine types", aucs + aucs + paucs, harmonic


def _terms():
    """The terms of the official score of 2022."""
    return [("source", "auc"), ("target", "auc"), ("all", "pauc")]


def _nejjar2022(figure, rows):
    if figure.metric == "official_score":
        yield "metrics", _beside(figure, rows, _terms()), harmonic
    yield "machine types", _machine_types(figure, rows), harmonic


def _wilkinghoff2024(figure, rows):
    if figure.dataset == "all":
        of_datasets = _like(figure, rows, "system_row", "domain", "metric")
        yield "datasets", of_datasets, arithmetic


def _baselines(figure, rows):
    rows = [row for row in rows if row.dataset == figure.dataset]
    mean = MEANS[figure.average]
    if figure.table.endswith(" paper"):
        yield from _paper_table(figure, rows, mean)
    elif figure.machine_type != "all":
        yield "sections", _sections(figure, rows), mean
    elif "evaluator" in figure.table:
        yield from _evaluator(figure, rows, mean)


def _paper_table(figure, rows, mean):
    """`official_score_paper.csv` of the evaluators of 2023 and 2024."""
    if figure.metric == "official_score":
        terms = [
            row
            for domain, metric in _terms()
            for row in _machine_types(figure, rows, {domain}, {metric})
        ]
        yield "machine types", terms, mean
        yield "metrics", _beside(figure, rows, _terms(), figure.average), mean
    else:
        yield "machine types", _machine_types(figure, rows), mean


def _evaluator(figure, rows, mean):
    """The lines over all machine types, of which few are printed."""
    if figure.metric == "official_score":
        # The AUC is itself the mean of source and target, so it counts twice.
        terms = [("all", "auc"), ("all", "auc"), ("all", "pauc")]
        yield "metrics", _beside(figure, rows, terms), mean
    elif figure.average == "harmonic" and figure.domain == "all":
        yield "domains", _beside(figure, rows, _both_domains(figure)), mean
    in_paper = [
        row
        for row in rows
        if row.table == f"{figure.table} paper"
        and row.system_row == figure.system_row
        and row.machine_type == "all"
        and row.average == figure.average
        and row.metric == figure.metric
    ]
    counted = set(RULES[figure.rules].domains_of(figure.metric))
    if figure.domain in counted:
        counted = {figure.domain}
    if figure.metric == "official_score":
        counted = {"all"}
    yield "paper table", [row for row in in_paper if row.domain in counted], mean


_WAYS = {
    **dict.fromkeys(BASELINES, _baselines),
    "kuroyanagi2021": _kuroyanagi2021,
    "nejjar2022": _nejjar2022,
    "venkatesh2022": _venkatesh2022,
    "wilkinghoff2021": _wilkinghoff2021,
    "wilkinghoff2024": _wilkinghoff2024,
}
