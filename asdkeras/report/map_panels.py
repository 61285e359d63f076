"""Embedding maps as drawings: the same points again and again, colored by what is known of them.

Color is never alone: each value has a mark of its own shape as well, training clips are filled
and test clips are outlines.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asdkeras.data.attributes import attribute_pairs
from asdkeras.report.clip_choice import clip_keys
from asdkeras.report.clip_vectors import natural_key
from asdkeras.report.embedding_map import EmbeddingMap
from asdkeras.report.markup import Markup, element

MAX_VALUES = 10
"""Values with a color of their own; the rarer ones are drawn as `other`."""

NUM_COLORS = 7
_NUM_SHAPES = 4
_SIZE = 320  # Of a panel, in units of its drawing.
_MARGIN = 12
_SHAPES = (  # Marks around the origin, of about the same area.
    "M-3.4 0a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0-6.8 0z",
    "M-3-3h6v6h-6z",
    "M0-4.2L4 2.8h-8z",
    "M0-4.3L4.3 0L0 4.3L-4.3 0z",
)
_MOST_KEYS = 2  # Attributes with a panel each.


class Coloring(NamedTuple):
    """What one panel shows.

    Attributes:
        title: what colors stand for.
        values: text of each clip; empty where nothing is known.
        order: the values that have a color, in the order of the legend.
        grey: the other values, in the order of the legend.
    """

    title: str
    values: tuple[str, ...]
    order: tuple[str, ...]
    grey: tuple[str, ...]


def colorings(clips: pd.DataFrame) -> list[Coloring]:
    """The panels of a map: domain, section, attributes, and condition.

    Args:
        clips: of an `EmbeddingMap`.

    Returns:
        a coloring each. Attributes: one for each key if there are two at most, else that
        with the most values of those with `MAX_VALUES` or fewer, else the first; none if no
        clip has any. Condition: normal and anomalous test clips; none if no test clip is
        labelled.
    """
    found = [
        _by_value("domain", clips["domain"], "not known"),
        _by_value("section", clips["section"], "not known"),
    ]
    found += [
        _by_value(f"attribute {key}" if key else "attributes", values, "without or not known")
        for key, values in _chosen_attributes(clips["attributes"])
    ]
    condition = _condition(clips)
    return [*found, *([condition] if condition.order else [])]


def panel(each: EmbeddingMap, coloring: Coloring, heading: str) -> Markup:
    """One panel with its legend.

    Args:
        each: the map.
        coloring: of `colorings` of its clips.
        heading: above the panel.
    """
    points = _places(each.clips[["x", "y"]].to_numpy(np.float64))
    styles = {
        value: (rank % NUM_COLORS, rank % _NUM_SHAPES) for rank, value in enumerate(coloring.order)
    }
    counts = pd.Series(coloring.values).value_counts()
    # The frequent ones first: what is rare shall lie on top.
    depth = {value: (value not in coloring.grey, -counts[value]) for value in counts.index}
    keys = clip_keys(each.clips)
    marks = [
        _mark(
            styles.get(coloring.values[row]),
            points[row],
            is_test=each.clips["split"].iloc[row] != "train",
            title=_story(each.clips.iloc[row], coloring.values[row]),
            key=keys[row],
        )
        for row in sorted(range(len(points)), key=lambda row: depth[coloring.values[row]])
    ]
    legend = [(value, int(counts.get(value, 0))) for value in (*coloring.order, *coloring.grey)]
    spoken = ", ".join(f"{value} {count}" for value, count in legend)
    drawing = element(
        "svg",
        *marks,
        viewBox=f"0 0 {_SIZE} {_SIZE}",
        class_="map",
        role="img",
        aria_label=f"{each.title} by {coloring.title}: {spoken}",
    )
    entries = (
        element("li", _key(styles.get(value)), f"{value} ", element("b", str(count)))
        for value, count in legend
    )
    return element(
        "figure",
        element("figcaption", heading),
        drawing,
        element("ul", *entries, class_="legend"),
        class_="panel",
    )


def caption(each: EmbeddingMap) -> str:
    """What must be known to read a map."""
    method = "t-SNE" if each.method == "tsne" else "the two largest principal components"
    drawn = len(each.clips)
    clips = f"{drawn} clips"
    if drawn < each.num_clips:
        clips = f"{drawn} of {each.num_clips} clips, drawn evenly from splits, sections and domains"
    without = f"; {each.num_without} further clips have none" if each.num_without else ""
    return f"{method} of {each.array}, {clips}{without}"


def marks_in_use() -> Markup:
    """The shapes that panels refer to; stands once in a page, before the first panel."""
    shapes = (element("path", id=f"mark{number}", d=shape) for number, shape in enumerate(_SHAPES))
    return element(
        "svg", element("defs", *shapes), width=0, height=0, class_="shapes", aria_hidden="true"
    )


def _by_value(title: str, values: pd.Series, unknown: str) -> Coloring:
    texts = [str(value) for value in values.astype("string").fillna("")]
    counts = pd.Series([text for text in texts if text], dtype=object).value_counts(sort=False)
    known = sorted(counts.index, key=natural_key)
    frequent = sorted(known, key=lambda value: -counts[value])[:MAX_VALUES]
    other = f"{len(known) - len(frequent)} others"
    named = [unknown if not text else text if text in frequent else other for text in texts]
    order = tuple(value for value in known if value in frequent)
    grey = tuple(value for value in (other, unknown) if value in named)
    return Coloring(title, tuple(named), order, grey)


def _chosen_attributes(texts: pd.Series) -> list[tuple[str, pd.Series]]:
    """Keys and their values of each clip; the whole text under no key if it has none."""
    known = texts[texts.notna() & (texts != "")]
    if known.empty:
        return []
    pairs = {row: attribute_pairs(str(text)) for row, text in known.items()}
    if any(each is None for each in pairs.values()):
        return [("", texts)]
    keys = dict.fromkeys(key for each in pairs.values() for key in each or {})
    columns = {
        key: pd.Series([(pairs.get(row) or {}).get(key) for row in texts.index], dtype="string")
        for key in keys
    }
    if len(columns) <= _MOST_KEYS:
        return list(columns.items())
    few = [key for key in columns if columns[key].nunique() <= MAX_VALUES]
    chosen = max(few, key=lambda key: columns[key].nunique()) if few else next(iter(columns))
    return [(chosen, columns[chosen])]


def _condition(clips: pd.DataFrame) -> Coloring:
    names = {True: "anomalous", False: "normal"}
    values = []
    for split, is_anomalous in zip(clips["split"], clips["is_anomalous"], strict=True):
        if split == "train":
            values.append("training")
        else:
            values.append("not known" if pd.isna(is_anomalous) else names[bool(is_anomalous)])
    order = tuple(name for name in ("normal", "anomalous") if name in values)
    grey = tuple(name for name in ("training", "not known") if name in values)
    return Coloring("condition", tuple(values), order, grey)


def _places(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points in a panel: centered, both axes alike, x to the right and y upwards."""
    lowest, highest = points.min(axis=0), points.max(axis=0)
    extent = float((highest - lowest).max()) or 1.0
    relative = (points - (lowest + highest) / 2.0) / extent
    upwards = np.array([1.0, -1.0])
    return np.asarray(_SIZE / 2.0 + (_SIZE - 2 * _MARGIN) * relative * upwards)


def _mark(
    style: tuple[int, int] | None,
    place: NDArray[np.float64],
    *,
    is_test: bool,
    title: str,
    key: str,
) -> Markup:
    color, shape = ("grey", 0) if style is None else (f"c{style[0]}", style[1])
    return element(
        "use",
        element("title", title),
        href=f"#mark{shape}",
        x=f"{place[0]:.1f}",
        y=f"{place[1]:.1f}",
        class_=f"{color} test" if is_test else color,
        data_clip=key,
    )


def _story(clip: pd.Series, value: str) -> str:
    return f"{clip['name']}: {value}"


def _key(style: tuple[int, int] | None) -> Markup:
    color, shape = ("grey", 0) if style is None else (f"c{style[0]}", style[1])
    mark = element("use", href=f"#mark{shape}", x=6, y=6, class_=color)
    return element("svg", mark, viewBox="0 0 12 12", class_="key", aria_hidden="true")
