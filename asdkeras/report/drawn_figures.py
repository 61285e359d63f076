"""Figures of papers that print no values, drawn from the runs that are there so far."""

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from asdkeras.errors import RecipeError
from asdkeras.evaluation import evaluate, summarize
from asdkeras.files import write_text
from asdkeras.metrics.official import rules_for
from asdkeras.published import papers as published
from asdkeras.report.comparison import convention_of
from asdkeras.report.finished_runs import FinishedRun, find_runs
from asdkeras.report.markup import (
    Axis,
    Markup,
    PageSection,
    drawing,
    element,
    figure,
    framed,
    legend,
    line_key,
    table,
)
from asdkeras.report.provenance import command_parts
from asdkeras.report.scored_runs import SETS, read_scored_run, recipe_of
from asdkeras.report.side_by_side import METRIC_NAMES

_WIDTH, _HEIGHT = 400, 250  # Of a drawing, in its own units.
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 12, 12, 40
_BAR, _NAMES = 18, 190  # Height of a bar, and width of what stands on the left of bars.
_MOST_STEPS = 6  # Of an axis.
_LEAST_GAP = 18  # Between two places that are written below a drawing.
_HOW_TO_READ = (
    "Means over all machine types, in percent, and over the trials if there are several; the lines "
    "through them are one standard deviation long to each side."
)
_CAP = 3  # Half the width of the lines at both ends of a spread.


def write_figures(places: Sequence[Path], out: Path) -> Path:
    """Draw figures of the runs' papers, each from the runs that are there of its variants.

    Args:
        places: folders of runs, or folders below which runs lie.
        out: page to write, which is returned.

    Raises:
        RecipeError: if `out` is no `.html`, there is no run with results, none belongs to a
            figure, or two of them are of one variant and dataset.
    """
    if out.suffix != ".html":
        raise RecipeError(f"--out: the file must end in .html. Received: {out}")
    runs, others = find_runs(places)
    groups: dict[tuple[str, str], list[FinishedRun]] = {}
    for run in runs:
        groups.setdefault((run.system, run.dataset), []).append(run)
    sections = []
    for (system, dataset), members in sorted(groups.items()):
        for number, rows in published.figures(system).groupby("figure"):
            shown = _of_variants(members, rows)
            if shown:
                title = f"{system}, Figure {number}, {dataset}"
                sections.append(PageSection(title, figure_parts(shown, rows)))
    if not sections:
        raise RecipeError(
            f"no figure of a paper has a run among these {len(runs)}. There are figures of "
            f"{', '.join(name for name in published.names() if len(published.figures(name)))}."
        )
    opening = [element("p", _HOW_TO_READ, class_="faint")]
    opening += [element("p", f"{folder}: {why}", class_="warn") for folder, why in others.items()]
    command = ["asdkeras", "figure", *map(str, places), "--out", str(out)]
    closing = [element("p", "This page was made by"), command_parts(command)]
    write_text(out, framed("Figures, from runs", opening, sections, closing))
    return out


def figure_parts(runs: dict[str, FinishedRun], rows: pd.DataFrame) -> list[Markup]:
    """A figure: its drawings, what is missing, and the values as a table.

    Args:
        runs: by variant, of one system and dataset.
        rows: of `asdkeras.published.papers.figures`, of one figure.
    """
    values = pd.concat([_values(run, rows.iloc[0]) for run in runs.values()], ignore_index=True)
    places = rows.set_index("variant")["place"]
    values["place"] = values["variant"].map(places)
    metrics = rows["metrics"].iloc[0].split()
    values = values.sort_values("place", kind="stable")
    if places.isna().any():
        drawn = [_bars(values)]
    else:
        extent = (places.min(), places.max())
        drawn = [_curves(values, metric, extent, rows["axis"].iloc[0]) for metric in metrics]
    # Variants that share a place are one system.
    absent = rows[~rows["place"].isin(values["place"])].drop_duplicates("place")
    missing = list(absent["variant"])
    lines = [*dict.fromkeys(note for note in rows["note"] if note)]
    if missing:
        lines.append(f"No run of {', '.join(missing)} among those named.")
    texts = [element("p", line, class_="faint") for line in lines]
    return [
        element("div", *drawn, class_="panels wide"),
        legend(
            (line_key(f"c{rank}"), name)
            for rank, (part, name) in enumerate(SETS.items())
            if part in set(values["part"])
        ),
        *texts,
        _table(values, rows),
    ]


def _of_variants(runs: Sequence[FinishedRun], rows: pd.DataFrame) -> dict[str, FinishedRun]:
    found: dict[str, FinishedRun] = {}
    for run in runs:
        if run.variant in set(rows["variant"]):
            other = found.setdefault(run.variant, run)
            if other is not run:
                raise RecipeError(
                    f"{other.folder} and {run.folder} are both of {run.variant} on {run.dataset}: "
                    "name one of them."
                )
    return found


def _values(run: FinishedRun, of_figure: pd.Series) -> pd.DataFrame:
    """Means over all machine types and domains, in percent, and their spread over trials."""
    official = rules_for(run.dataset)
    is_official = of_figure["rules"] == "challenge"
    rules = official if is_official else convention_of(run.system, run.dataset)
    scores = read_scored_run(run.folder, recipe_of(run.folder)["seeds"])
    metrics = [
        evaluate(trial.table, trial.anomaly_scores, None, rules, seed).metrics
        for seed, trial in scores.of(scores.main_score).items()
    ]
    means = summarize(pd.concat(metrics, ignore_index=True), rules)
    is_wanted = (means["machine_type"] == "all") & (means["domain"] == "all")
    means = means[is_wanted & means["metric"].isin(of_figure["metrics"].split())]
    percents = {"value": 100.0 * means["value"], "spread": 100.0 * means["standard_deviation"]}
    return means[["part", "metric", "n_seeds"]].assign(
        **percents, variant=run.variant, name=run.title
    )


def _curves(values: pd.DataFrame, metric: str, extent: tuple[float, float], axis: str) -> Markup:
    """A metric over the places of the variants, a line for each set."""
    of_metric = values[values["metric"] == metric]
    spread = of_metric["spread"].fillna(0.0)
    ticks = round_ticks((of_metric["value"] - spread).min(), (of_metric["value"] + spread).max())
    across = Axis(*extent, _LEFT + 10, _WIDTH - _RIGHT)
    upwards = Axis(ticks[0], ticks[-1], _HEIGHT - _BOTTOM, _TOP)
    marks = [*_grid(ticks, upwards), *_places(of_metric["place"], across, axis)]
    for part, line in of_metric.groupby("part"):
        points = [
            (across.place(place), *map(upwards.place, (value, value - sd, value + sd)))
            for place, value, sd in zip(
                line["place"], line["value"], line["spread"].fillna(0.0), strict=True
            )
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in points)
        drawn = [element("title", SETS[str(part)]), element("polyline", points=path)]
        for x, y, low, high in points:
            drawn.append(element("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=2.5))
            if low != high:
                cap = f"h{2 * _CAP}"
                ends = f"M{x - _CAP:.1f} {high:.1f}{cap}M{x - _CAP:.1f} {low:.1f}{cap}"
                drawn.append(element("path", d=f"M{x:.1f} {low:.1f}V{high:.1f}{ends}"))
        marks.append(element("g", *drawn, class_=f"line c{list(SETS).index(str(part))}"))
    name = METRIC_NAMES[metric]
    spoken = f"{name} by {axis}, between {ticks[0]:g} and {ticks[-1]:g} percent"
    return figure(f"{name}, percent", drawing(marks, (_WIDTH, _HEIGHT), spoken, "curves"))


def _grid(ticks: Sequence[float], upwards: Axis) -> list[Markup]:
    marks = []
    for tick in ticks:
        y = upwards.place(tick)
        line = f"M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"
        marks.append(element("path", d=line, class_="axis"))
        marks.append(element("text", f"{tick:g}", x=_LEFT - 5, y=f"{y + 4:.1f}", class_="end"))
    return marks


def _places(places: "pd.Series[float]", across: Axis, axis: str) -> list[Markup]:
    """The places below a drawing; those left out that would run into the one before."""
    marks, last = [], -math.inf
    for place in sorted(set(places)):
        x = across.place(place)
        if x - last >= _LEAST_GAP:
            marks.append(
                element("text", f"{place:g}", x=f"{x:.1f}", y=_HEIGHT - 24, class_="middle")
            )
            last = x
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    return [*marks, element("text", axis, x=middle, y=_HEIGHT - 6, class_="middle")]


def _bars(values: pd.DataFrame) -> Markup:
    """A bar for each variant and set."""
    across = Axis(0.0, 100.0, 0.0, _WIDTH - _NAMES - _LEFT)
    marks = []
    for row, (_, value) in enumerate(values.iterrows()):
        top = row * (_BAR + 8)
        length = across.place(value["value"])
        style = f"c{list(SETS).index(value['part'])} bar"
        marks += [
            element("text", str(value["name"]), x=_NAMES - 6, y=top + 13, class_="end"),
            element("rect", x=_NAMES, y=top, width=f"{length:.1f}", height=_BAR, class_=style),
            element("text", f"{value['value']:.2f}", x=f"{_NAMES + length + 6:.1f}", y=top + 13),
        ]
    size = (_WIDTH, len(values) * (_BAR + 8))
    (metric,) = set(values["metric"])
    spoken = f"{METRIC_NAMES[metric]} of {', '.join(dict.fromkeys(values['name']))}"
    return figure(f"{METRIC_NAMES[metric]}, percent", drawing(marks, size, spoken, "curves"))


def _table(values: pd.DataFrame, rows: pd.DataFrame) -> Markup:
    """The values of a figure, a row for each run."""
    keys = [(part, metric) for part in SETS for metric in rows["metrics"].iloc[0].split()]
    keys = [key for key in keys if key in set(zip(values["part"], values["metric"], strict=True))]
    lines = []
    for name, of_run in values.groupby("name", sort=False):
        pairs = zip(of_run["part"], of_run["metric"], strict=True)
        texts = dict(zip(pairs, map(_text, of_run["value"], of_run["spread"]), strict=True))
        cells = [texts.get(key, "") for key in keys]
        place = of_run["place"].iloc[0]
        first = [] if math.isnan(place) else [f"{place:g}"]
        lines.append([str(name), *first, *cells, str(int(of_run["n_seeds"].max()))])
    axis = rows["axis"].iloc[0]
    headings = [f"{SETS[part]}, {METRIC_NAMES[metric]}" for part, metric in keys]
    headings = ["variant", *([axis] if axis else []), *headings, "trials"]
    return table(headings, lines, caption="values, percent")


def _text(value: float, spread: float) -> str:
    return f"{value:.2f}" if math.isnan(spread) else f"{value:.2f} ± {spread:.2f}"


def round_ticks(low: float, high: float) -> list[float]:
    """Round numbers from below the lowest to above the highest value, but few."""
    span = max(high - low, 1.0)
    unit = 10.0 ** math.floor(math.log10(span))
    step = next(s * unit for s in (0.2, 0.5, 1.0, 2.0) if span / (s * unit) <= _MOST_STEPS)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [step * number for number in range(first, max(last, first + 1) + 1)]
