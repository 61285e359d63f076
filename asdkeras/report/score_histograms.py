"""How the scores of normal and anomalous clips are spread, and where the threshold stands.

One drawing per section, one strip per domain, all strips with the same bins. Normal clips stand
on the base line and anomalous ones hang below it, so that color is never alone.
"""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asdkeras.report.markup import Axis, Markup, drawing, element, figure, legend
from asdkeras.score_files import TrialScores

_KINDS = ("normal", "anomalous", "unlabelled", "training")
_FEWEST_BINS, _MOST_BINS = 10, 30
_WIDTH, _LEFT, _RIGHT = 300, 26, 8  # Of a drawing, in its own units.
_STRIP, _GAP, _BOTTOM = 92, 18, 22
_MOST_THRESHOLDS = 3

HOW_TO_READ = (
    "Test clips by their anomaly score, anomalous ones downwards. Training clips are scaled to as "
    "many as there are normal test clips. Clips to the right of the threshold are called "
    "anomalous. Scores far beyond the others are counted in the first or last bar."
)
_KEYS = {  # Of the legend: a class and the outline of a key.
    "normal": ("c0 bar", "M1 1h10v10h-10z"),
    "anomalous": ("c1 bar", "M1 1h10v10h-10z"),
    "unlabelled": ("grey bar", "M1 1h10v10h-10z"),
    "training": ("outline", "M1 1h10v10h-10z"),
    "threshold": ("threshold", "M6 -1v14"),
}

Values = NDArray[np.float64]


def score_panels(trial: TrialScores, answer: str, *, has_threshold: bool) -> list[Markup]:
    """A drawing for each section of one trial.

    `answer` is the name of the score; it `has_threshold` if thresholds are compared with it.
    """
    table = trial.table
    clips = table.assign(
        kind=_kinds_of(table),
        score=trial.columns[answer],
        threshold=trial.thresholds if has_threshold else math.nan,
        domain=table["domain"].fillna("domain not known"),
    )
    clips = clips[np.isfinite(clips["score"])]
    panels = []
    for (machine_type, section), members in clips.groupby(["machine_type", "section"]):
        tested = members.loc[members["split"] == "test", "domain"]
        strips = {str(name): members[members["domain"] == name] for name in sorted(tested.unique())}
        if strips:
            panels.append(_panel(f"{machine_type} {section}", strips))
    return panels


def score_legend(trial: TrialScores, *, has_threshold: bool) -> Markup:
    """The legend of `score_panels`, of what they show."""
    shown = {*_kinds_of(trial.table), *(["threshold"] if has_threshold else [])}
    return legend(
        (
            element(
                "svg",
                element("path", d=path, class_=style),
                viewBox="0 0 12 12",
                class_="key",
                aria_hidden="true",
            ),
            name,
        )
        for name, (style, path) in _KEYS.items()
        if name in shown
    )


def _kinds_of(table: pd.DataFrame) -> NDArray[np.str_]:
    is_training = (table["split"] != "test").to_numpy(dtype=bool)
    is_unlabelled = table["is_anomalous"].isna().to_numpy(dtype=bool)
    is_anomalous = table["is_anomalous"].fillna(False).to_numpy(dtype=bool)
    flags = [is_training, is_unlabelled, is_anomalous]
    return np.select(flags, ["training", "unlabelled", "anomalous"], "normal")


def edges_of(tested: Values) -> Values:
    """Edges of the bins that all strips share: the more test clips, the more bins.

    They reach from the lowest to the highest score of test clips, but no farther than three
    interquartile ranges beyond the quartiles, so that one far score does not flatten the rest.
    """
    quartiles = np.quantile(tested, [0.25, 0.75])
    reach = 3.0 * float(quartiles[1] - quartiles[0])  # What lies beyond is "far out" (Tukey).
    low, high = float(tested.min()), float(tested.max())
    if reach > 0:
        low, high = max(low, quartiles[0] - reach), min(high, quartiles[1] + reach)
    if low == high:
        low, high = low - 0.5, high + 0.5
    num_bins = int(np.clip(2.0 * math.sqrt(len(tested)), _FEWEST_BINS, _MOST_BINS))
    return np.linspace(low, high, num_bins + 1)


def counts_in(values: Values, edges: Values) -> NDArray[np.int64]:
    """Clips in each bin; what lies beyond the bins is counted in the outer ones."""
    return np.histogram(np.clip(values, edges[0], edges[-1]), bins=edges)[0].astype(np.int64)


def _panel(heading: str, strips: Mapping[str, pd.DataFrame]) -> Markup:
    tested = [strip.loc[strip["split"] == "test", "score"] for strip in strips.values()]
    edges = edges_of(pd.concat(tested).to_numpy(np.float64))
    floor = len(strips) * (_STRIP + _GAP)
    marks: list[Markup] = []
    words = []
    for rank, (domain, strip) in enumerate(strips.items()):
        values = {
            kind: strip.loc[strip["kind"] == kind, "score"].to_numpy(np.float64) for kind in _KINDS
        }
        of_test = strip.loc[strip["split"] == "test", "threshold"]
        thresholds = np.unique(of_test.dropna().to_numpy(np.float64))
        top = rank * (_STRIP + _GAP) + _GAP
        marks += _strip_marks(domain, values, edges, top) + _threshold_marks(thresholds, edges, top)
        parts = [
            f"{len(of_kind)} {kind}, median {np.median(of_kind):.4g}"
            for kind, of_kind in values.items()
            if len(of_kind)
        ]
        parts += [f"threshold {value:.4g}" for value in thresholds[:_MOST_THRESHOLDS]]
        words.append(f"{domain}: {', '.join(parts)}")
    for value, anchor in ((edges[0], "start"), (edges[-1], "end")):
        x = f"{_across(edges).place(value):.1f}"
        marks.append(element("text", f"{value:.4g}", x=x, y=floor + 14, class_=anchor))
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    marks.append(element("text", "anomaly score", x=middle, y=floor + 14, class_="middle"))
    spoken = f"Scores of {heading}. {'; '.join(words)}"
    return figure(heading, drawing(marks, (_WIDTH, floor + _BOTTOM), spoken, "curves"))


def _across(edges: Values) -> Axis:
    return Axis(edges[0], edges[-1], _LEFT, _WIDTH - _RIGHT)


def _strip_marks(
    domain: str, values: Mapping[str, Values], edges: Values, top: float
) -> list[Markup]:
    counts = {kind: counts_in(of_kind, edges) for kind, of_kind in values.items()}
    most_normal = int((counts["normal"] + counts["unlabelled"]).max())
    most_anomalous = int(counts["anomalous"].max())
    num_up = len(values["normal"]) + len(values["unlabelled"])
    training = counts["training"] * (num_up / max(len(values["training"]), 1))
    # A few training clips may tower above all others; their outline is cut then.
    height = max(most_normal, min(float(training.max()), 2.0 * most_normal))
    unit = _STRIP / (height + most_anomalous)
    base = top + unit * height
    marks = [
        element("path", d=f"M{_LEFT} {base:.1f}H{_WIDTH - _RIGHT}", class_="axis"),
        _bars(counts["normal"], edges, base, -unit, "c0 bar"),
        _bars(counts["unlabelled"], edges, base, -unit, "grey bar"),
        _bars(counts["anomalous"], edges, base, unit, "c1 bar"),
        _outline(np.minimum(training, height), edges, base, unit),
        element("text", domain, x=_LEFT, y=f"{top - 5:.1f}"),
    ]
    for count, y in ((most_normal, base - unit * most_normal + 8), (most_anomalous, top + _STRIP)):
        if count:
            marks.append(element("text", str(count), x=_LEFT - 4, y=f"{y:.1f}", class_="end"))
    return marks


def _bars(
    counts: NDArray[np.int64], edges: Values, base: float, unit: float, class_: str
) -> Markup:
    """All bars of one kind as one path; upwards if the unit is below 0."""
    lefts = [_across(edges).place(edge) for edge in edges]
    path = "".join(
        f"M{left:.1f} {base:.1f}v{unit * count:.1f}h{lefts[1] - lefts[0]:.1f}V{base:.1f}z"
        for left, count in zip(lefts, counts, strict=False)
        if count
    )
    return element("path", d=path, class_=class_) if path else Markup()


def _outline(heights: Values, edges: Values, base: float, unit: float) -> Markup:
    if not heights.any():
        return Markup()
    steps = "".join(
        f"V{base - unit * height:.1f}H{_across(edges).place(edge):.1f}"
        for edge, height in zip(edges[1:], heights, strict=True)
    )
    return element("path", d=f"M{_LEFT} {base:.1f}{steps}V{base:.1f}", class_="outline")


def _threshold_marks(thresholds: Values, edges: Values, top: float) -> list[Markup]:
    if not len(thresholds):
        return []
    marks = []
    for value in thresholds[:_MOST_THRESHOLDS]:
        x = _across(edges).place(np.clip(value, edges[0], edges[-1]))
        line = f"M{x:.1f} {top:.1f}v{_STRIP}"
        title = element("title", f"threshold {value:.4g}")
        marks.append(element("path", title, d=line, class_="threshold"))
    low, high = thresholds[0], thresholds[-1]
    text = f"{len(thresholds)} thresholds, {low:.4g} to {high:.4g}"
    if len(thresholds) == 1:
        is_within = edges[0] <= low <= edges[-1]
        text = f"threshold {low:.4g}{'' if is_within else ', beyond the scores'}"
    label = element("text", text, x=_WIDTH - _RIGHT, y=f"{top - 5:.1f}", class_="end")
    return [*marks, label]
