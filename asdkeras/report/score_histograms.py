"""How the scores of normal and anomalous clips are spread, and where the threshold stands.

One drawing per section, one strip per domain, all strips with the same bins. Normal clips stand
on the base line and anomalous ones hang below it, so that color is never alone.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asdkeras.report.markup import Markup, drawing, element, figure
from asdkeras.score_files import TrialScores

_FEWEST_BINS, _MOST_BINS = 10, 30
_FENCE = 3.0  # Interquartile ranges; Tukey calls what lies beyond "far out".
_WIDTH, _LEFT, _RIGHT = 300, 26, 8  # Of a drawing, in its own units.
_STRIP, _GAP, _BOTTOM = 92, 18, 22
_MOST_THRESHOLDS = 3

HOW_TO_READ = (
    "Test clips by their anomaly score: normal ones upwards and blue, anomalous ones downwards and "
    "orange, those without a label upwards and grey. The outline shows the training clips, scaled "
    "to as many as there are normal test clips. The dashed line is the threshold: clips to the "
    "right of it are called anomalous. Scores far beyond the others stand in the first or last bar."
)

Values = NDArray[np.float64]


class Strip(NamedTuple):
    """The scores of one domain of a section.

    Attributes:
        domain: its name; `domain not known` for clips without one.
        normal: scores of test clips.
        anomalous: scores of test clips.
        unlabelled: scores of test clips.
        training: scores.
        thresholds: of the test clips, each once, rising; empty if they are not for this score.
    """

    domain: str
    normal: Values
    anomalous: Values
    unlabelled: Values
    training: Values
    thresholds: Values


class SectionScores(NamedTuple):
    """The strips of one section."""

    machine_type: str
    section: str
    strips: tuple[Strip, ...]


def section_scores(trial: TrialScores, answer: str, *, has_threshold: bool) -> list[SectionScores]:
    """The scores of one trial, section by section.

    Args:
        trial: of a run.
        answer: name of the score.
        has_threshold: whether thresholds are compared with this score.
    """
    clips = trial.table.assign(score=trial.columns[answer], threshold=trial.thresholds)
    clips = clips[np.isfinite(clips["score"])]
    clips = clips.assign(domain=clips["domain"].fillna("domain not known"))
    found = []
    for (machine_type, section), members in clips.groupby(["machine_type", "section"]):
        tested = members.loc[members["split"] == "test", "domain"]
        strips = tuple(
            _strip(str(domain), members[members["domain"] == domain], has_threshold)
            for domain in sorted(tested.unique())
        )
        if strips:
            found.append(SectionScores(str(machine_type), str(section), strips))
    return found


def edges_of(strips: Sequence[Strip]) -> Values:
    """Edges of the bins that all strips share: the more test clips, the more bins.

    They reach from the lowest to the highest score of test clips, but no farther than three
    interquartile ranges beyond the quartiles, so that one far score does not flatten the rest.
    """
    tested = np.concatenate([np.concatenate(s[1:4]) for s in strips])
    quartiles = np.quantile(tested, [0.25, 0.75])
    reach = _FENCE * float(quartiles[1] - quartiles[0])
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


def _strip(domain: str, members: pd.DataFrame, has_threshold: bool) -> Strip:
    is_test = (members["split"] == "test").to_numpy(dtype=bool)
    is_known = members["is_anomalous"].notna().to_numpy(dtype=bool)
    is_anomalous = members["is_anomalous"].fillna(False).to_numpy(dtype=bool)
    scores = members["score"].to_numpy(np.float64)
    thresholds = members.loc[is_test, "threshold"].dropna().to_numpy(np.float64)
    return Strip(
        domain,
        normal=scores[is_test & is_known & ~is_anomalous],
        anomalous=scores[is_test & is_anomalous],
        unlabelled=scores[is_test & ~is_known],
        training=scores[~is_test],
        thresholds=np.unique(thresholds) if has_threshold else np.empty(0),
    )


def score_panel(each: SectionScores) -> Markup:
    """The drawing of a section."""
    edges = edges_of(each.strips)
    floor = len(each.strips) * (_STRIP + _GAP)
    marks: list[Markup] = []
    for rank, strip in enumerate(each.strips):
        marks += _strip_marks(strip, edges, rank * (_STRIP + _GAP) + _GAP)
    for value, anchor in ((edges[0], "start"), (edges[-1], "end")):
        x = f"{_x(value, edges):.1f}"
        marks.append(element("text", f"{value:.4g}", x=x, y=floor + 14, class_=anchor))
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    marks.append(element("text", "anomaly score", x=middle, y=floor + 14, class_="middle"))
    heading = f"{each.machine_type} {each.section}"
    spoken = f"Scores of {heading}. {'; '.join(_spoken(strip) for strip in each.strips)}"
    return figure(heading, drawing(marks, (_WIDTH, floor + _BOTTOM), spoken, "curves"))


def _strip_marks(strip: Strip, edges: Values, top: float) -> list[Markup]:
    normal, anomalous, unlabelled = (
        counts_in(values, edges) for values in (strip.normal, strip.anomalous, strip.unlabelled)
    )
    most_normal, most_anomalous = int((normal + unlabelled).max()), int(anomalous.max())
    num_up = len(strip.normal) + len(strip.unlabelled)
    training = counts_in(strip.training, edges) * (num_up / max(len(strip.training), 1))
    # A few training clips may tower above all others; their outline is cut then.
    height = max(most_normal, min(float(training.max()), 2.0 * most_normal))
    unit = _STRIP / (height + most_anomalous)
    base = top + unit * height
    marks = [
        element("path", d=f"M{_LEFT} {base:.1f}H{_WIDTH - _RIGHT}", class_="axis"),
        _bars(normal, edges, base, -unit, "c0 bar"),
        _bars(unlabelled, edges, base, -unit, "grey bar"),
        _bars(anomalous, edges, base, unit, "c1 bar"),
        _outline(np.minimum(training, height), edges, base, unit),
        element("text", strip.domain, x=_LEFT, y=f"{top - 5:.1f}"),
    ]
    for count, y in ((most_normal, base - unit * most_normal + 8), (most_anomalous, top + _STRIP)):
        if count:
            marks.append(element("text", str(count), x=_LEFT - 4, y=f"{y:.1f}", class_="end"))
    return marks + _threshold_marks(strip.thresholds, edges, top)


def _bars(
    counts: NDArray[np.int64], edges: Values, base: float, unit: float, class_: str
) -> Markup:
    """All bars of one kind as one path; upwards if the unit is below 0."""
    width = _x(edges[1], edges) - _x(edges[0], edges)
    path = "".join(
        f"M{_x(edge, edges):.1f} {base:.1f}v{unit * count:.1f}h{width:.1f}V{base:.1f}z"
        for edge, count in zip(edges[:-1], counts, strict=True)
        if count
    )
    return element("path", d=path, class_=class_) if path else Markup()


def _outline(heights: Values, edges: Values, base: float, unit: float) -> Markup:
    if not heights.any():
        return Markup()
    steps = "".join(
        f"V{base - unit * height:.1f}H{_x(edge, edges):.1f}"
        for edge, height in zip(edges[1:], heights, strict=True)
    )
    return element("path", d=f"M{_LEFT} {base:.1f}{steps}V{base:.1f}", class_="outline")


def _threshold_marks(thresholds: Values, edges: Values, top: float) -> list[Markup]:
    marks = []
    for value in thresholds[:_MOST_THRESHOLDS]:
        x = _x(np.clip(value, edges[0], edges[-1]), edges)
        line = f"M{x:.1f} {top:.1f}v{_STRIP}"
        title = element("title", f"threshold {value:.4g}")
        marks.append(element("path", title, d=line, class_="threshold"))
    if len(thresholds):
        low, high = thresholds[0], thresholds[-1]
        text = f"{len(thresholds)} thresholds, {low:.4g} to {high:.4g}"
        if len(thresholds) == 1:
            is_within = edges[0] <= low <= edges[-1]
            text = f"threshold {low:.4g}{'' if is_within else ', beyond the scores'}"
        x, y = _WIDTH - _RIGHT, f"{top - 5:.1f}"
        marks.append(element("text", text, x=x, y=y, class_="end"))
    return marks


def _spoken(strip: Strip) -> str:
    kinds = ("normal", "anomalous", "unlabelled", "training")
    parts = [
        f"{len(values)} {kind}, median {np.median(values):.4g}"
        for kind, values in zip(kinds, strip[1:5], strict=True)
        if len(values)
    ]
    limits = [f"threshold {value:.4g}" for value in strip.thresholds[:_MOST_THRESHOLDS]]
    return f"{strip.domain}: {', '.join([*parts, *limits])}"


def _x(value: float, edges: Values) -> float:
    share = (value - edges[0]) / (edges[-1] - edges[0])
    return float(_LEFT + share * (_WIDTH - _LEFT - _RIGHT))
