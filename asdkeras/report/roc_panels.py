"""ROC curves as small drawings: of one section, averaged over sections, and of several runs.

The part that the pAUC is taken from, false positive rates up to 0.1, is shaded.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asdkeras.metrics.auc import area_under, partial_area_under, roc_counts
from asdkeras.metrics.official import MAX_FPR, RuleSet, compared_clips, rules_for
from asdkeras.report.comparison import Scored
from asdkeras.report.finished_runs import FinishedRun
from asdkeras.report.markup import (
    NUM_COLORS,
    Axis,
    Markup,
    drawing,
    element,
    figure,
    legend,
    line_key,
)
from asdkeras.report.scored_runs import SETS

MAX_POINTS = 200  # Of one line; more cannot be seen.
_SIZE = 240  # Of a drawing, in its own units.
_ACROSS = Axis(0.0, 1.0, 30.0, _SIZE - 8.0)
_UPWARDS = Axis(0.0, 1.0, _SIZE - 32.0, 8.0)
_GRID = np.unique(np.concatenate([np.linspace(0.0, MAX_FPR, 41), np.linspace(MAX_FPR, 1.0, 91)]))

Points = NDArray[np.float64]  # `(corners, 2)`: false and true positive rates, (0, 0) to (1, 1).


class RocCurve(NamedTuple):
    """One line of a drawing; areas are means over trials."""

    domain: str  # A row of the rules.
    trials: tuple[Points, ...]  # Corners of each.
    auc: float
    pauc: float  # NaN where the rules define none.


class SectionRoc(NamedTuple):
    """The curves of one section, one for each row of the rules that has clips of both kinds."""

    machine_type: str
    section: str
    curves: tuple[RocCurve, ...]


def section_curves(trials: Mapping[int, Scored], rules: RuleSet) -> list[SectionRoc]:
    """The ROC curves behind `metrics.csv`, of trials with the same clips."""
    first = next(iter(trials.values())).table
    is_used = ((first["split"] == "test") & first["is_anomalous"].notna()).to_numpy(dtype=bool)
    clips = first[is_used].reset_index(drop=True)
    scores = [trial.anomaly_scores.to_numpy(np.float64)[is_used] for trial in trials.values()]
    found = []
    for (machine_type, section), members in clips.groupby(["machine_type", "section"]):
        rows = members.index.to_numpy()
        is_anomalous = members["is_anomalous"].to_numpy(dtype=bool)
        domains = members["domain"].fillna("").to_numpy(dtype=str)
        of_section = [each[rows] for each in scores]
        curves = []
        for domain in rules.rows:
            mask = compared_clips(rules, domain, is_anomalous, domains)
            labels = is_anomalous[mask]
            if labels.any() and not labels.all():
                has_pauc = domain in rules.pauc_domains
                curves.append(_curve(domain, [s[mask] for s in of_section], labels, has_pauc))
        if curves:
            found.append(SectionRoc(str(machine_type), str(section), tuple(curves)))
    return found


def section_panels(rocs: Sequence[SectionRoc]) -> list[Markup]:
    """A drawing for each section."""
    return [_panel(f"{roc.machine_type} {roc.section}", roc.curves) for roc in rocs]


def machine_panels(rocs: Sequence[SectionRoc]) -> list[Markup]:
    """A drawing for each machine type: curves and figures averaged over its sections."""
    by_type: dict[str, dict[str, list[RocCurve]]] = {}
    for roc in rocs:
        by_domain = by_type.setdefault(roc.machine_type, {})
        for curve in roc.curves:
            by_domain.setdefault(curve.domain, []).append(curve)
    return [
        _panel(machine_type, [_mean_of(domain, curves) for domain, curves in by_domain.items()])
        for machine_type, by_domain in by_type.items()
    ]


def by_part(rocs: Sequence[SectionRoc], rules: RuleSet) -> dict[str, list[SectionRoc]]:
    """Curves of the development and of the evaluation set, which have means of their own."""
    parts: dict[str, list[SectionRoc]] = {}
    for roc in rocs:
        parts.setdefault(rules.part_of(roc.machine_type, roc.section), []).append(roc)
    return dict(sorted(parts.items()))


def run_panels(runs: Sequence[tuple[str, Sequence[SectionRoc]]], rules: RuleSet) -> list[Markup]:
    """A drawing for each machine type with a line for each run.

    Args:
        runs: name and curves, each the mean over those whose AUC counts in the results.
        rules: of their dataset; they say which AUC and which pAUC count.
    """
    machine_types = dict.fromkeys(roc.machine_type for _, rocs in runs for roc in rocs)
    panels = []
    for machine_type in machine_types:
        curves = []
        for name, rocs in runs:
            members = [c for roc in rocs if roc.machine_type == machine_type for c in roc.curves]
            counted = [curve for curve in members if curve.domain in rules.auc_domains]
            if counted:
                paucs = [curve.pauc for curve in members if curve.domain in rules.pauc_domains]
                curves.append(_mean_of(name, counted)._replace(pauc=_mean(paucs)))
        panels.append(_panel(machine_type, curves))
    return panels


def roc_parts(runs: Sequence[tuple[str, FinishedRun, Sequence[SectionRoc]]]) -> list[Markup]:
    """The ROC curves of all runs, a drawing for each machine type of each set of clips."""
    groups: dict[tuple[str, str], list[tuple[str, Sequence[SectionRoc]]]] = {}
    for name, run, curves in runs:
        for part, rocs in by_part(curves, run.rules).items():
            groups.setdefault((run.dataset, part), []).append((name, rocs))
    parts = []
    for (dataset, part), members in groups.items():
        if len(groups) > 1:
            parts.append(element("h3", f"{dataset}, {SETS[part]}"))
        panels = run_panels(members, rules_for(dataset))
        parts.append(element("div", *panels, class_="panels roc"))
    return parts


def thinned(points: Points, most: int = MAX_POINTS) -> Points:
    """The corners of a curve, without those between two others on a straight line.

    If more than `most` are left, as many of them, evenly, the ends among them.
    """
    steps = np.diff(points, axis=0)
    turns = steps[:-1, 0] * steps[1:, 1] - steps[:-1, 1] * steps[1:, 0]
    corners: Points = points[np.concatenate([[True], np.abs(turns) > 1e-12, [True]])]
    if len(corners) > most:
        corners = corners[np.linspace(0, len(corners) - 1, most).round().astype(int)]
    return corners


def _curve(
    domain: str, scores: Sequence[Points], labels: NDArray[np.bool_], has_pauc: bool
) -> RocCurve:
    trials, aucs, paucs = [], [], []
    for of_trial in scores:
        false, true = roc_counts(of_trial, labels)
        trials.append(np.column_stack([false / false[-1], true / true[-1]]))
        aucs.append(area_under(false, true))
        paucs.append(partial_area_under(false, true, MAX_FPR) if has_pauc else math.nan)
    return RocCurve(domain, tuple(trials), float(np.mean(aucs)), float(np.mean(paucs)))


def _mean_of(name: str, curves: Sequence[RocCurve]) -> RocCurve:
    """The mean true positive rate at each false positive rate; its area is the mean AUC."""
    heights = [_heights(points) for curve in curves for points in curve.trials]
    points = np.column_stack([_GRID, np.mean(heights, axis=0)])
    points = np.concatenate([[[0.0, 0.0]], points])
    auc, pauc = (_mean([getattr(each, metric) for each in curves]) for metric in ("auc", "pauc"))
    return RocCurve(name, (points,), auc, pauc)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _heights(points: Points) -> Points:
    """Height over the grid; where a curve rises upright, its upper end."""
    x, y = points[:, 0], points[:, 1]
    before = np.searchsorted(x, _GRID, side="right") - 1
    after = np.minimum(before + 1, len(x) - 1)
    width = np.where(x[after] > x[before], x[after] - x[before], 1.0)
    return np.asarray(y[before] + (_GRID - x[before]) / width * (y[after] - y[before]))


def _panel(heading: str, curves: Sequence[RocCurve]) -> Markup:
    lines, entries, words = [], [], []
    for rank, curve in enumerate(curves):
        # A color and a kind of dashes, so that no color is alone.
        style = f"c{rank % NUM_COLORS} dash{rank % 3}"
        text = f"AUC {100.0 * curve.auc:.2f}"
        text += "" if math.isnan(curve.pauc) else f", pAUC {100.0 * curve.pauc:.2f}"
        words.append(f"{curve.domain}: {text}")
        polylines = [_polyline(points) for points in curve.trials]
        classes = f"line roc {style}{' many' if len(polylines) > 1 else ''}"
        lines.append(element("g", element("title", words[-1]), *polylines, class_=classes))
        entries.append((line_key(style), f"{curve.domain} ", element("b", text)))
    spoken = f"ROC curves of {heading}. {'; '.join(words)}"
    drawn = drawing([*_frame(), *lines], (_SIZE, _SIZE), spoken, "curves")
    return figure(heading, drawn, legend(entries))


def _polyline(points: Points) -> Markup:
    places = (f"{_ACROSS.place(x):.1f},{_UPWARDS.place(y):.1f}" for x, y in thinned(points))
    return element("polyline", points=" ".join(places))


def _frame() -> list[Markup]:
    left, right, floor, top = _ACROSS.begin, _ACROSS.end, _UPWARDS.begin, _UPWARDS.end
    size = {"width": f"{_ACROSS.place(MAX_FPR) - left:.1f}", "height": f"{floor - top:g}"}
    marks = [
        element("rect", x=f"{left:g}", y=f"{top:g}", **size, class_="shaded"),
        element("path", d=f"M{left:g} {floor:g}L{right:g} {top:g}", class_="axis dash2"),
        element("path", d=f"M{left:g} {top:g}V{floor:g}H{right:g}", class_="axis"),
    ]
    across = [(f"{rate:g}", _ACROSS.place(rate), 13) for rate in (0.0, MAX_FPR, 1.0)]
    for text, x, below in (*across, ("false positive rate", _ACROSS.place(0.55), 27)):
        marks.append(element("text", text, x=f"{x:.1f}", y=floor + below, class_="middle"))
    for rate, y in (("0", floor), ("1", top)):
        marks.append(element("text", rate, x=25, y=f"{y + 4:g}", class_="end"))
    middle = f"{_UPWARDS.place(0.5):g}"
    upright = {"class": "middle", "transform": f"rotate(-90 11 {middle})"}
    return [*marks, element("text", "true positive rate", x=11, y=middle, **upright)]
