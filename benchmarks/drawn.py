"""Drawings of benchmarks as SVG files of their own, which a README can show."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from asdkeras.files import write_text
from asdkeras.report.drawn_figures import round_ticks
from asdkeras.report.markup import Axis, Markup, element

Point = tuple[float, float, float]  # A value, and the ends of its interval.

_STYLE = """
text { font: 12px sans-serif; fill: #222 } .end { text-anchor: end } .middle { text-anchor: middle }
.axis { stroke: #ddd } .spread, .line { stroke: #1f4e8c; stroke-width: 1.5; fill: none }
.dot { fill: #1f4e8c } .control { fill: #fff; stroke: #1f4e8c; stroke-width: 1.5 }
.printed { stroke: #c24a1f; stroke-width: 2 } .dim { stroke-dasharray: 4 3 }
"""
_LEAST_GAP = 26  # Between two places that are written below a panel.
_ROW, _NAMES, _WIDTH, _BELOW = 22, 260, 760, 44


def draw_ranking(
    path: Path,
    rows: Sequence[tuple[str, Point, float | None, bool]],
    axis: str,
) -> None:
    """One line for each name: a point with its interval, and what is printed elsewhere.

    A row is a name, a point, a printed value if any, and whether it is hollow, as controls are.
    """
    values = [value for _, point, printed, _ in rows for value in (*point, printed or point[0])]
    ticks = round_ticks(min(values), max(values))
    across = Axis(ticks[0], ticks[-1], _NAMES, _WIDTH - 20)
    height = len(rows) * _ROW
    marks = [_tick(tick, across.place(tick), height) for tick in ticks]
    for row, (name, point, printed, is_hollow) in enumerate(rows):
        x, low, high = map(across.place, point)
        y = row * _ROW + _ROW / 2
        marks += [
            element("text", name, x=_NAMES - 10, y=y + 4, class_="end"),
            element("path", d=f"M{low:.1f} {y}H{high:.1f}", class_="spread"),
            element("circle", cx=f"{x:.1f}", cy=y, r=4, class_="control" if is_hollow else "dot"),
        ]
        if printed is not None:
            place = across.place(printed)
            marks.append(element("path", d=f"M{place:.1f} {y - 7}v14", class_="printed"))
    marks.append(element("text", axis, x=(_NAMES + _WIDTH) / 2, y=height + 36, class_="middle"))
    _write(path, marks, (_WIDTH, height + _BELOW), axis)


def _tick(tick: float, x: float, height: float) -> Markup:
    line = element("path", d=f"M{x:.1f} 0V{height}", class_="axis")
    text = element("text", f"{tick:g}", x=f"{x:.1f}", y=height + 16, class_="middle")
    return element("g", line, text)


def draw_curves(
    path: Path, panels: Mapping[str, Mapping[str, Iterable[tuple[float, float]]]], axis: str
) -> None:
    """Panels side by side, a logarithmic axis below each: name of the line -> places and values.

    The first line of a panel is solid, the others dashed.
    """
    size, gap, left, height = 230, 34, 56, 220
    every = [value for lines in panels.values() for line in lines.values() for _, value in line]
    ticks = round_ticks(min(every), max(every))
    upwards = Axis(ticks[0], ticks[-1], height - 24, 12)
    marks: list[Markup] = []
    for number, (title, lines) in enumerate(panels.items()):
        start = left + number * (size + gap)
        places = sorted({place for line in lines.values() for place, _ in line})
        across = Axis(places[0], places[-1], start + 12, start + size - 12, is_log=True)
        for tick in ticks:
            y = upwards.place(tick)
            marks.append(element("path", d=f"M{start} {y:.1f}h{size}", class_="axis"))
            if not number:
                text = f"{tick:g}"
                marks.append(element("text", text, x=start - 6, y=f"{y + 4:.1f}", class_="end"))
        last = -math.inf
        for place, x in ((place, across.place(place)) for place in places):
            if x - last >= _LEAST_GAP:
                marks.append(
                    element("text", f"{place:g}", x=f"{x:.1f}", y=height - 4, class_="middle")
                )
                last = x
        marks.append(element("text", title, x=start + size / 2, y=height + 14, class_="middle"))
        for rank, line in enumerate(lines.values()):
            points = [(across.place(x), upwards.place(y)) for x, y in sorted(line)]
            style = "line dim" if rank else "line"
            drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            marks.append(element("polyline", points=drawn, class_=style))
            for x, y in points:
                style = "control" if rank else "dot"
                marks.append(element("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=3.5, class_=style))
    width = left + len(panels) * (size + gap)
    marks.append(element("text", axis, x=width / 2, y=height + 38, class_="middle"))
    _write(path, marks, (width, height + 48), axis)


def _write(path: Path, marks: Iterable[Markup], size: tuple[float, float], spoken: str) -> None:
    drawing = element(
        "svg",
        element("title", spoken),
        element("style", _STYLE),
        element("rect", width="100%", height="100%", fill="#fff"),
        *marks,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {size[0]:g} {size[1]:g}",
        role="img",
    )
    write_text(path, drawing + "\n")
    print(f"file: {path}")
