"""The results and decisions of a run as tables of a page, in percent."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asdkeras.evaluation import ALL_ANOMALOUS, METRICS, with_all_anomalous, with_parts
from asdkeras.files import reading
from asdkeras.metrics.decision_metrics import decision_metrics
from asdkeras.metrics.official import RuleSet
from asdkeras.report.comparison import DEFAULT_TOLERANCE, MEASURED, PLACE
from asdkeras.report.finished_runs import FinishedRun, Printed, read_comparison, shade
from asdkeras.report.markup import Cell, Markup, element, table
from asdkeras.report.scored_runs import SETS, read_results
from asdkeras.report.side_by_side import METRIC_NAMES, count_of, heading
from asdkeras.score_files import TrialScores

_Place = tuple[str, ...]  # Machine type, section if there is one, and domain.

ON_TABLES = (
    "Difference: ours minus published, in percentage points; behind it what is published. "
    "Blue: ours is higher; orange: ours is lower; palest within the tolerance, darker "
    "within twice as much, darkest beyond."
)
ON_DECISIONS = (
    "TP: anomalous and flagged; FP: normal, but flagged; FN: anomalous, but not flagged; TN: "
    "normal and not flagged. Precision is TP / (TP + FP), recall TP / (TP + FN), F1 their "
    "harmonic mean, in percent."
)


def result_tables(run: FinishedRun) -> list[Markup]:
    """Means by machine type and domain, one table for each part of the dataset."""
    tables = []
    for part, means in run.means.groupby("part", sort=False):
        figures: dict[tuple[_Place, str], _Figure] = {}
        for _, row in means.iterrows():
            place, metric = (str(row["machine_type"]), str(row["domain"])), str(row["metric"])
            paper = run.printed.get((str(part), place[0], "all", place[1], metric))
            tolerance = DEFAULT_TOLERANCE if paper is None else paper.tolerance
            numbers = (row["value"], row["standard_deviation"], row["published"])
            figures[place, metric] = _Figure(*numbers, tolerance)
        headings, cells = _columns(("auc", "pauc", "f1", ALL_ANOMALOUS, "official_score"), figures)
        mean = f"{run.rules.mean} mean"
        of_machines = {place: row for place, row in cells.items() if place[0] != "all"}
        of_all = {place: row for place, row in cells.items() if place[0] == "all"}
        if len({place[0] for place in of_machines}) == 1:  # A mean of one says nothing more.
            known = [(place[1], row) for place, row in of_machines.items()]
            of_all = {p: row for p, row in of_all.items() if (p[1], row) not in known}
        over = f"means over sections{_mean_of_domains(run.rules)}"
        made = table(
            ["machine type", "domain", *headings],
            [[*place, *of_place] for place, of_place in of_machines.items()],
            num_names=2,
            caption=_caption(run, str(part), f"{over}, percent"),
            footer=[[mean, place[1], *of_place] for place, of_place in of_all.items()],
        )
        tables.append(made)
    return tables


def section_tables(run: FinishedRun) -> list[Markup]:
    """Sections and domains, one table for each part of the dataset; of trials the means."""
    metrics = with_all_anomalous(read_results(run.folder / "metrics.csv"))
    tables = []
    for part, rows in with_parts(metrics, run.rules).groupby("part"):
        figures, counts = {}, {}
        for names, trials in rows.groupby(["machine_type", "section", "domain"], sort=False):
            place = tuple(map(str, names))
            for metric in (*METRICS, ALL_ANOMALOUS):
                paper = run.printed.get((str(part), *place, metric))
                figures[place, metric] = _section_figure(trials[metric], run.rules, paper)
            counts[place] = [str(trials[name].iloc[0]) for name in ("n_normal", "n_anomalous")]
        headings, cells = _columns((*METRICS, ALL_ANOMALOUS), figures)
        num_trials = rows["seed"].nunique()
        of_trials = f", means over {count_of(num_trials, 'trial')}" if num_trials > 1 else ""
        made = table(
            ["machine type", "section", "domain", *headings, "normal", "anomalous"],
            [[*place, *of_place, *counts[place]] for place, of_place in cells.items()],
            num_names=3,
            caption=_caption(
                run, str(part), f"sections and domains{_of_all(run.rules)}, percent{of_trials}"
            ),
        )
        tables.append(made)
    return tables


def named_score_tables(run: FinishedRun, names: Sequence[str]) -> list[Markup]:
    """Means over all machine types of named scores; no table of a single one."""
    path = run.folder / "named_scores.csv"
    if len(names) < 2 or not path.is_file():
        return []
    with reading(path):
        means = read_results(path)
        means = means[(means["machine_type"] == "all") & means["score"].isin(names)]
        means = means[means["metric"].isin(["auc", "pauc", "official_score"])]
    tables = []
    for part, rows in means.groupby("part", sort=False):
        keys = list(dict.fromkeys(zip(rows["domain"], rows["metric"], strict=True)))
        keys.sort(key=lambda key: key[1] == "official_score")
        figures = rows.set_index(["score", "domain", "metric"])["value"].to_dict()
        lines = [
            [name, *(percent(figures.get((name, *key), math.nan)) for key in keys)]
            for name in dict.fromkeys(rows["score"])
        ]
        caption = _caption(run, str(part), "named scores, percent")
        headings = ["score", *(heading(domain, metric) for domain, metric in keys)]
        tables.append(table(headings, lines, caption=caption))
    return tables


def paper_table(run: FinishedRun) -> Markup | None:
    """What `compare.csv` says, figure by figure; None if there is none."""
    comparison = read_comparison(run.folder)
    if comparison is None:
        return None
    rows = []
    for _, figure in comparison.iterrows():
        verdict, note = figure["verdict"], figure["note"]
        color = shade(figure["difference"], figure["tolerance"]) if verdict in MEASURED else None
        rows.append(
            [
                *(str(figure[name]) for name in ("score", *PLACE)),
                *(_points(figure[name]) for name in ("published", "ours")),
                Cell(_points(figure["difference"], sign="+"), color),
                _points(figure["tolerance"]),
                f"{verdict}: {note}" if note else verdict,
            ]
        )
    names = ("score", "set", "machine type", "section", "domain", "metric")
    figures = ("published", "ours", "difference", "tolerance", "verdict")
    caption = f"{run.dataset}, the paper's figures beside ours, percent"
    counts = comparison["verdict"].value_counts()
    counted = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return element(
        "details",
        element("summary", f"Against the paper, figure by figure: {counted}"),
        table([*names, *figures], rows, num_names=len(names), caption=caption),
    )


def _mean_of_domains(rules: RuleSet) -> str:
    """What `all` stands for where it is a mean over domains."""
    if rules.rows_apart or len(rules.auc_domains) < 2:
        return ""
    pauc = ", pAUC that of all clips" if rules.pauc_domains == ("all",) else ""
    return f" (all: {rules.mean} mean over domains{pauc})"


def _of_all(rules: RuleSet) -> str:
    """What `all` stands for where domains are measured: no mean of theirs."""
    return " (all: clips of both domains together)" if {"all", "source"} <= {*rules.rows} else ""


def percent(value: float) -> str:
    """A share as a percentage with two digits; empty if there is none."""
    return _points(100.0 * value)


def _points(value: float, sign: str = "") -> str:
    return "" if math.isnan(value) else f"{round(value, 2) + 0.0:{sign}.2f}"  # No -0.00.


def _caption(run: FinishedRun, part: str, what: str) -> str:
    place = "" if run.rules.name == "plain" else f"{SETS[part]}, "
    return f"{run.dataset}, {place}{what}{run.marks.behind}"


class _Figure(NamedTuple):
    """A mean over trials in [0, 1] and the published one, NaN if there is none."""

    value: float = math.nan
    standard_deviation: float = math.nan
    published: float = math.nan
    tolerance: float = math.nan


def _columns(
    metrics: Sequence[str], figures: Mapping[tuple[_Place, str], _Figure]
) -> tuple[list[str], dict[_Place, list[str | Cell]]]:
    """Headings of the metrics with a value, and the cells of each place."""
    headings: list[str] = []
    cells: dict[_Place, list[str | Cell]] = {place: [] for place, _ in figures}
    for metric in metrics:
        known = {place: figure for (place, name), figure in figures.items() if name == metric}
        if all(math.isnan(figure.value) for figure in known.values()):
            continue
        has_paper = not all(math.isnan(figure.published) for figure in known.values())
        headings += [METRIC_NAMES[metric], *(["difference (published)"] if has_paper else [])]
        for place, of_place in cells.items():
            figure = known.get(place, _Figure())
            difference = 100.0 * (figure.value - figure.published)
            text, spread = percent(figure.value), figure.standard_deviation
            text += "" if math.isnan(spread) or not text else f" ±\u00a0{100.0 * spread:.2f}"
            of_place.append(Cell(text, shade(difference, figure.tolerance)))
            if has_paper:
                paper = f"{_points(difference, sign='+')} ({percent(figure.published)})"
                of_place.append("" if math.isnan(difference) else paper)
    return headings, cells


def _section_figure(values: "pd.Series[float]", rules: RuleSet, paper: Printed | None) -> _Figure:
    spread = values.std(ddof=rules.trial_ddof) if len(values) > 1 else math.nan
    mean = float(values.mean(skipna=False))
    if paper is None or not paper.is_comparable:
        return _Figure(mean, float(spread))
    return _Figure(mean, float(spread), paper.published / 100.0, paper.tolerance)


def decision_table(
    trials: Mapping[int, TrialScores], rules: RuleSet, caption: str
) -> Markup | None:
    """Counts and metrics of the decisions on labelled test clips, means over the trials.

    None if no test clip is labelled. The trials have the same clips.
    """
    clips, decisions, thresholds = _of_test_clips(trials, is_labelled=True)
    rows = []
    for names, members in clips.groupby(["machine_type", "section"]):
        for domain in rules.rows:
            row = members if domain == "all" else members[members["domain"] == domain]
            if len(row):
                places = row.index.to_numpy()
                figures = _figures(row, decisions[:, places])
                rows.append([*map(str, names), domain, _limits(thresholds[:, places]), *figures])
    figures = ["TP", "FP", "FN", "TN", "precision", "recall", "F1"]
    return _decisions(figures, rows, f"{caption}{_of_all(rules)}", len(trials))


def flag_table(trials: Mapping[int, TrialScores], caption: str) -> Markup | None:
    """How many of the test clips without labels were flagged by section, means over the trials.

    None if all test clips are labelled. The trials have the same clips.
    """
    clips, decisions, thresholds = _of_test_clips(trials, is_labelled=False)
    clips = clips.assign(domain=clips["domain"].fillna("not known"))
    num_digits = 1 if len(trials) > 1 else 0
    rows = []
    for names, members in clips.groupby(["machine_type", "section", "domain"]):
        places = members.index.to_numpy()
        flagged = float(decisions[:, places].sum(axis=1).mean())
        share = 100.0 * flagged / len(places)
        counts = [str(len(places)), f"{flagged:.{num_digits}f}", f"{share:.2f}"]
        rows.append([*map(str, names), _limits(thresholds[:, places]), *counts])
    return _decisions(["clips", "flagged", "percent"], rows, caption, len(trials))


def _decisions(
    figures: Sequence[str], rows: Sequence[Sequence[str]], caption: str, num_trials: int
) -> Markup | None:
    if not rows:
        return None
    headings = ["machine type", "section", "domain", "threshold", *figures]
    of_trials = f", means over {num_trials} trials" if num_trials > 1 else ""
    return table(headings, rows, num_names=3, caption=f"{caption}{of_trials}")


def _of_test_clips(
    trials: Mapping[int, TrialScores], is_labelled: bool
) -> tuple[pd.DataFrame, NDArray[np.bool_], NDArray[np.float64]]:
    """Test clips with or without a label; their decisions and thresholds, `(trials, clips)`."""
    first = next(iter(trials.values())).table
    is_used = (first["split"] == "test") & (first["is_anomalous"].notna() == is_labelled)
    rows = np.flatnonzero(is_used.to_numpy(dtype=bool))
    return (
        first.iloc[rows].reset_index(drop=True),
        np.array([trial.decisions.to_numpy()[rows] == 1 for trial in trials.values()]),
        np.array([trial.thresholds.to_numpy(np.float64)[rows] for trial in trials.values()]),
    )


def _figures(row: pd.DataFrame, decisions: NDArray[np.bool_]) -> list[str]:
    truth = row["is_anomalous"].to_numpy(dtype=bool)
    counts = np.array(
        [[(f & truth).sum(), (f & ~truth).sum(), (~f & truth).sum(), (~f & ~truth).sum()]
         for f in decisions]
    )  # fmt: skip
    metrics = np.mean([decision_metrics(flags, truth) for flags in decisions], axis=0)
    num_digits = 1 if len(decisions) > 1 else 0  # A mean of several counts is no whole number.
    return [
        *(f"{count:.{num_digits}f}" for count in counts.mean(axis=0)),
        *(f"{100.0 * value:.2f}" for value in metrics),
    ]


def _limits(thresholds: NDArray[np.float64]) -> str:
    """The threshold; where it is not the same for all clips and trials, from where to where."""
    known = thresholds[~np.isnan(thresholds)]
    if not len(known):
        return ""
    low, high = f"{known.min():.4g}", f"{known.max():.4g}"
    return low if low == high else f"{low} to {high}"
