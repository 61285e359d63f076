"""The results of a run as tables of a page: what its CSV files hold, in percent."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from asdkeras.evaluation import METRIC_COLUMNS, METRICS
from asdkeras.metrics.official import RuleSet
from asdkeras.report.comparison import DEFAULT_TOLERANCE
from asdkeras.report.finished_runs import FinishedRun
from asdkeras.report.markup import Cell, Markup, element, table
from asdkeras.report.paper_figures import Place, Printed, read_comparison, shade

_METRICS = {
    **{"auc": "AUC", "pauc": "pAUC", "precision": "precision", "recall": "recall", "f1": "F1"},
    "official_score": "official score",
}
_OF_MEANS = ("auc", "pauc", "f1", "official_score")
SETS = {"dev": "development set", "eval": "evaluation set"}
"""Part of a dataset -> what it is called."""

HOW_TO_READ = (
    "Difference: ours minus published, in percentage points; behind it what is published. "
    "Blue: ours is higher; orange: ours is lower; palest within the tolerance, darker "
    "within twice as much, darkest beyond."
)


def result_tables(run: FinishedRun, printed: Mapping[Place, Printed]) -> list[Markup]:
    """Means by machine type and domain, one table for each part of the dataset."""
    return [
        _result_table(run, str(part), means, printed)
        for part, means in run.means.groupby("part", sort=False)
    ]


def section_tables(run: FinishedRun, printed: Mapping[Place, Printed]) -> list[Markup]:
    """Sections and domains, one table for each part of the dataset; of trials the means."""
    metrics = pd.read_csv(
        run.folder / "metrics.csv",
        usecols=list(METRIC_COLUMNS),
        dtype={"machine_type": "string", "section": "string", "domain": "string"},
        keep_default_na=False,
        na_values={name: [""] for name in METRICS},
    )
    places = metrics[["machine_type", "section"]].itertuples(index=False, name=None)
    parts = [run.rules.part_of(str(machine_type), str(section)) for machine_type, section in places]
    return [
        _section_table(run, str(part), rows, printed)
        for part, rows in metrics.groupby(pd.Series(parts, index=metrics.index))
    ]


def named_score_tables(run: FinishedRun, names: Sequence[str]) -> list[Markup]:
    """Means over all machine types of several named scores; nothing of a single one.

    Args:
        run: whose `named_scores.csv` it is.
        names: of the scores worth a row.
    """
    path = run.folder / "named_scores.csv"
    if len(names) < 2 or not path.is_file():
        return []
    means = _read(path)
    means = means[(means["machine_type"] == "all") & means["score"].isin(names)]
    means = means[means["metric"].isin(["auc", "pauc", "official_score"])]
    tables = []
    for part, rows in means.groupby("part", sort=False):
        keys = list(dict.fromkeys(zip(rows["domain"], rows["metric"], strict=True)))
        keys.sort(key=lambda key: key[1] == "official_score")
        figures = rows.set_index(["score", "domain", "metric"])["value"].to_dict()
        tables.append(
            table(
                ["score", *(heading(domain, metric) for domain, metric in keys)],
                [
                    [name, *(percent(figures.get((name, *key), math.nan)) for key in keys)]
                    for name in dict.fromkeys(rows["score"])
                ],
                caption=caption_of(run, str(part), "named scores, percent"),
            )
        )
    return tables


def paper_table(run: FinishedRun) -> Markup | None:
    """What `compare.csv` says, figure by figure; None if there is none."""
    comparison = read_comparison(run.folder)
    if comparison is None:
        return None
    places = ("score", "part", "machine_type", "section", "domain", "metric")
    rows = []
    for _, figure in comparison.iterrows():
        is_like = figure["verdict"] in ("within", "outside", "contradicted")
        color = shade(figure["difference"], figure["tolerance"]) if is_like else None
        rows.append(
            [
                *(str(figure[name]) for name in places),
                *(_points(figure[name]) for name in ("published", "ours")),
                Cell(_points(figure["difference"], sign="+"), color),
                _points(figure["tolerance"]),
                f"{figure['verdict']}: {figure['note']}" if figure["note"] else figure["verdict"],
            ]
        )
    headings = ("score", "set", "machine type", "section", "domain", "metric")
    figures = ("published", "ours", "difference", "tolerance", "verdict")
    counts = comparison["verdict"].value_counts()
    story = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return element(
        "details",
        element("summary", f"Against the paper, figure by figure: {story}"),
        table(
            [*headings, *figures],
            rows,
            num_names=len(headings),
            caption=f"{run.dataset}, the paper's figures beside ours, percent",
        ),
    )


def heading(domain: str, metric: str) -> str:
    """What a column is called that holds a mean over all machine types."""
    return _METRICS[metric] if metric == "official_score" else f"{domain} {_METRICS[metric]}"


def caption_of(run: FinishedRun, part: str, what: str) -> str:
    """What a table of one part of the dataset is called."""
    place = "" if run.rules.name == "plain" else f"{SETS[part]}, "
    mark = ", oracle" if run.oracle else ""
    return f"{run.dataset}, {place}{what}{mark}"


class _Figure(NamedTuple):
    """A mean over trials in [0, 1] and what is published of it, NaN if nothing is."""

    value: float
    standard_deviation: float
    published: float
    tolerance: float


_NOTHING = _Figure(math.nan, math.nan, math.nan, math.nan)


def _columns(
    metrics: Sequence[str], figures: Mapping[tuple[tuple[str, ...], str], _Figure]
) -> list[tuple[str, bool]]:
    """The metrics with a value, and whether anything is published of them."""
    columns = []
    for metric in metrics:
        known = [figure for (_, name), figure in figures.items() if name == metric]
        if any(not math.isnan(figure.value) for figure in known):
            has_paper = any(not math.isnan(figure.published) for figure in known)
            columns.append((metric, has_paper))
    return columns


def _headings(columns: Sequence[tuple[str, bool]]) -> list[str]:
    texts = []
    for metric, has_paper in columns:
        name = _METRICS[metric]
        texts += [name, "difference (published)"] if has_paper else [name]
    return texts


def _cells(
    place: tuple[str, ...],
    columns: Sequence[tuple[str, bool]],
    figures: Mapping[tuple[tuple[str, ...], str], _Figure],
) -> list[str | Cell]:
    cells: list[str | Cell] = []
    for metric, has_paper in columns:
        figure = figures.get((place, metric), _NOTHING)
        difference = 100.0 * (figure.value - figure.published)
        cells.append(Cell(_with_spread(figure), shade(difference, figure.tolerance)))
        if has_paper:
            is_known = not math.isnan(difference)
            paper = percent(figure.published)
            told = f"{_points(difference, sign='+')} ({paper})" if is_known else ""
            cells.append(told)
    return cells


def _result_table(
    run: FinishedRun, part: str, means: pd.DataFrame, printed: Mapping[Place, Printed]
) -> Markup:
    figures: dict[tuple[tuple[str, ...], str], _Figure] = {}
    for _, row in means.iterrows():
        place, metric = (str(row["machine_type"]), str(row["domain"])), str(row["metric"])
        paper = printed.get((part, place[0], "all", place[1], metric))
        tolerance = DEFAULT_TOLERANCE if paper is None else paper.tolerance
        figure = _Figure(row["value"], row["standard_deviation"], row["published"], tolerance)
        figures[place, metric] = figure
    columns = _columns(_OF_MEANS, figures)
    rows, footer = [], []
    for names in dict.fromkeys(names for names, _ in figures):
        cells = _cells(names, columns, figures)
        if names[0] == "all":
            footer.append([f"{run.rules.mean} mean", names[1], *cells])
        else:
            rows.append([*names, *cells])
    return table(
        ["machine type", "domain", *_headings(columns)],
        rows,
        num_names=2,
        caption=caption_of(run, part, "means over sections, percent"),
        footer=footer,
    )


def _section_table(
    run: FinishedRun, part: str, metrics: pd.DataFrame, printed: Mapping[Place, Printed]
) -> Markup:
    figures: dict[tuple[tuple[str, ...], str], _Figure] = {}
    rows = []
    for names, trials in metrics.groupby(["machine_type", "section", "domain"], sort=False):
        place = (str(names[0]), str(names[1]), str(names[2]))
        for metric in METRICS:
            paper = printed.get((part, *place, metric))
            figures[place, metric] = _section_figure(trials[metric], run.rules, paper)
        rows.append((place, trials[["n_normal", "n_anomalous"]].iloc[0]))
    columns = _columns(METRICS, figures)
    num_trials = metrics["seed"].nunique()
    trials_told = f", means over {count_of(num_trials, 'trial')}" if num_trials > 1 else ""
    return table(
        ["machine type", "section", "domain", *_headings(columns), "normal", "anomalous"],
        [
            [*place, *_cells(place, columns, figures), *(str(int(count)) for count in counts)]
            for place, counts in rows
        ],
        num_names=3,
        caption=caption_of(run, part, f"sections and domains, percent{trials_told}"),
    )


def _section_figure(values: "pd.Series[float]", rules: RuleSet, paper: Printed | None) -> _Figure:
    spread = values.std(ddof=rules.trial_ddof) if len(values) > 1 else math.nan
    is_comparable = paper is not None and paper.is_comparable
    return _Figure(
        float(values.mean(skipna=False)),
        float(spread),
        paper.published / 100.0 if paper is not None and is_comparable else math.nan,
        math.nan if paper is None else paper.tolerance,
    )


def _with_spread(figure: _Figure) -> str:
    text = percent(figure.value)
    spread = figure.standard_deviation
    return text if math.isnan(spread) or not text else f"{text} ±\u00a0{100.0 * spread:.2f}"


def percent(value: float) -> str:
    """A share as a percentage with two digits; empty if there is none."""
    return _points(100.0 * value)


def _points(value: float, sign: str = "") -> str:
    return "" if math.isnan(value) else f"{round(value, 2) + 0.0:{sign}.2f}"  # No -0.00.


def count_of(number: int, noun: str) -> str:
    """A number of things."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _read(path: Path) -> pd.DataFrame:
    """Means of a run: names as text, figures as numbers."""
    content = pd.read_csv(path, dtype="string", keep_default_na=False)
    return content.assign(value=[float(text or "nan") for text in content["value"]])
