"""What training wrote into `train.csv`, as small drawings: loss terms, learning rate, and more."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from asdkeras.report.embedding_map import natural_key
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

_WIDTH, _HEIGHT = 300, 170  # Of a drawing, in its own units.
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 10, 10, 24
_LOG_FROM = 20.0  # Largest over median value from which a line would lie on the floor.


class Curve(NamedTuple):
    """The log of one training."""

    unit: str  # What the model covers, such as `fan`.
    seed: str
    phase: str  # Folder below that of the trial, such as `pretraining`; empty for the last one.
    log: pd.DataFrame  # `train.csv`: `epoch` from 1, and a column for each value.


def read_curves(run: Path) -> list[Curve]:
    """The logs of all trainings of a run, earlier phases first; none of an ensemble.

    A file that is no table with a column `epoch` is passed over.
    """
    found = []
    for path in (*run.glob("*/seed*/train.csv"), *run.glob("*/seed*/*/train.csv")):
        unit, trial, *phase = path.relative_to(run).parts[:-1]
        try:
            log = pd.read_csv(path).select_dtypes("number")
        except ValueError:
            continue
        if "epoch" in log and len(log):
            found.append(Curve(unit, trial.removeprefix("seed"), "".join(phase), log))
    return sorted(
        found, key=lambda c: (not c.phase, c.phase, natural_key(c.unit), natural_key(c.seed))
    )


def training_parts(run: Path, tag: str) -> list[Markup]:
    """The curves of each phase of training, below headings (`tag`) if there are several."""
    curves = read_curves(run)
    phases = list(dict.fromkeys(curve.phase for curve in curves))
    parts = []
    for phase in phases:
        of_phase = [curve for curve in curves if curve.phase == phase]
        if phases != [""]:
            parts.append(element(tag, phase or "last phase"))
        parts.append(curve_legend(of_phase))
        parts.append(element("div", *curve_panels(of_phase), class_="panels roomy"))
    return parts


def curve_panels(curves: Sequence[Curve]) -> list[Markup]:
    """One drawing for each value that one phase of training logged, one line per training."""
    units = list(dict.fromkeys(curve.unit for curve in curves))
    names = dict.fromkeys(
        str(name)
        for curve in curves
        for name in curve.log
        if name not in ("epoch", "seconds") and curve.log[name].abs().lt(math.inf).any()
    )
    return [_panel(name, [c for c in curves if name in c.log], units) for name in names]


def curve_legend(curves: Sequence[Curve]) -> Markup:
    """The legend of `curve_panels`."""
    units = dict.fromkeys(curve.unit for curve in curves)
    return legend((line_key(_style(rank)), unit) for rank, unit in enumerate(units))


def _panel(name: str, curves: Sequence[Curve], units: Sequence[str]) -> Markup:
    epochs = pd.concat([curve.log["epoch"] for curve in curves])
    values = pd.concat([curve.log[name] for curve in curves])
    values = values[values.abs() < math.inf]
    across = Axis(epochs.min(), epochs.max(), _LEFT, _WIDTH - _RIGHT)
    low, high = float(values.min()), float(values.max())
    is_log = low > 0 and high / float(values.median()) >= _LOG_FROM
    upwards = Axis(low, high, _HEIGHT - _BOTTOM, _TOP, is_log)
    lines = [
        element(
            "g",
            element("title", f"{curve.unit}, seed {curve.seed}"),
            *_line(curve.log, name, across, upwards),
            class_=f"line {_style(units.index(curve.unit))}",
        )
        for curve in curves
    ]
    spoken = f"{name} by epoch, from {low:.3g} to {high:.3g}"
    drawn = drawing([*_frame(across, upwards), *lines], (_WIDTH, _HEIGHT), spoken, "curves")
    return figure(f"{name}, logarithmic" if is_log else name, drawn)


def _line(log: pd.DataFrame, name: str, across: Axis, upwards: Axis) -> list[Markup]:
    """A line, broken where a value is not finite; a dot for what has no neighbors."""
    runs: list[list[tuple[float, float]]] = [[]]
    for epoch, value in zip(log["epoch"], log[name], strict=True):
        if math.isfinite(value):
            runs[-1].append((across.place(epoch), upwards.place(value)))
        else:
            runs.append([])
    marks = []
    for points in filter(None, runs):
        if len(points) == 1:
            marks.append(element("circle", cx=f"{points[0][0]:.1f}", cy=f"{points[0][1]:.1f}", r=2))
        else:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            marks.append(element("polyline", points=path))
    return marks


def _frame(across: Axis, upwards: Axis) -> list[Markup]:
    path = f"M{_LEFT} {_TOP}V{_HEIGHT - _BOTTOM}H{_WIDTH - _RIGHT}"
    marks = [element("path", d=path, class_="axis")]
    for value in dict.fromkeys((upwards.low, upwards.high)):
        y = upwards.place(value) + 4
        marks.append(element("text", f"{value:.3g}", x=_LEFT - 5, y=f"{y:.1f}", class_="end"))
    for epoch in dict.fromkeys((across.low, across.high)):
        x, anchor = f"{across.place(epoch):.1f}", "end" if epoch == across.high else "start"
        marks.append(element("text", f"{epoch:g}", x=x, y=_HEIGHT - 8, class_=anchor))
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    return [*marks, element("text", "epoch", x=middle, y=_HEIGHT - 8, class_="middle")]


def _style(rank: int) -> str:
    """A color, and another kind of line when colors begin again."""
    return f"c{rank % NUM_COLORS} dash{rank // NUM_COLORS % 3}"
