"""Embedding maps as drawings: the same points again and again, colored by what is known of them.

Color is never alone: each value has a mark of its own shape as well, training clips are filled
and test clips are outlines.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asdkeras.report.clip_section import clip_keys
from asdkeras.report.embedding_map import EmbeddingMap, natural_key
from asdkeras.report.markup import NUM_COLORS, Markup, drawing, element, figure, legend, table
from asdkeras.report.separation import attribute_columns

MAX_VALUES = 10  # With a color of their own; the rarer ones are drawn as `other`.
_SIZE = 320  # Of a panel, in units of its drawing.
_MARGIN = 12
_SHAPES = (  # Marks around the origin, of about the same area.
    "M-3.4 0a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0-6.8 0z",
    "M-3-3h6v6h-6z",
    "M0-4.2L4 2.8h-8z",
    "M0-4.3L4.3 0L0 4.3L-4.3 0z",
)
_GREY = ("grey", 0)
_MOST_KEYS = 2  # Attributes with a panel each.

_HOW_TO_READ = (
    "Each point is a clip; it stands near clips that the model finds alike. Distances between "
    "groups, their sizes and the axes mean nothing. Filled marks are training clips, outlines "
    "are test clips. Point at a mark for the name of its clip, "
    "click it to hear it. Separation is measured on the vectors of these clips, not on the points: "
    "the silhouette by Euclidean distances, from -1 to 1, and the purity of as many clusters by "
    "k-means as there are groups, beside the share of the most frequent value, the least it can be."
)
_HEADINGS = ("by", "groups", "clips", "silhouette", "purity", "most frequent")
_NO_MAPS = "No embedding maps: an ensemble has no embeddings of its own, the runs it is made of do."


class Coloring(NamedTuple):
    """The colors of one panel."""

    title: str  # What colors stand for.
    values: tuple[str, ...]  # Text of each clip.
    order: tuple[str, ...]  # Values that have a color, in the order of the legend.
    grey: tuple[str, ...]  # The other values, in the order of the legend.


def map_parts(runs: Sequence[tuple[str, str, Sequence[EmbeddingMap]]]) -> list[Markup]:
    """The maps of all runs; those of the same clips side by side, so that eyes can compare them.

    Runs are name, dataset and maps of one trial; an ensemble has no maps.
    """
    groups: dict[tuple[str, str], list[tuple[str, EmbeddingMap]]] = {}
    for name, dataset, maps in runs:
        for one in maps:
            groups.setdefault((dataset, one.title), []).append((name, one))
    is_single = len(runs) == 1
    parts = [element("p", _HOW_TO_READ, class_="faint")] if groups else []
    several_datasets = len({dataset for dataset, _ in groups}) > 1
    for (dataset, title), members in groups.items():
        parts.append(element("h3", f"{title}, {dataset}" if several_datasets else title))
        rows: dict[str, list[Markup]] = {}
        numbers: list[Markup] = []
        for name, one in members:
            text = caption(one) if is_single else f"{name}: {caption(one)}"
            parts.append(element("p", text, class_="faint"))
            numbers += separation_parts(one, "" if is_single else f"{name}, ")
            for each in colorings(one.clips):
                row, heading = ("", f"by {each.title}") if is_single else (each.title, name)
                rows.setdefault(row, []).append(panel(one, each, heading))
        for row, panels in rows.items():
            parts += [element("h4", f"by {row}")] if row else []
            parts.append(element("div", *panels, class_="panels wide" if row else "panels"))
        parts += numbers
    for name, _, maps in runs:
        if not maps:
            text = _NO_MAPS if is_single else f"{name}: {_NO_MAPS}"
            parts.append(element("p", text, class_="faint"))
    return parts


def colorings(clips: pd.DataFrame) -> list[Coloring]:
    """The panels of a map: domain, section, attributes, and condition.

    Attributes: one panel for each key if there are two at most, else that with the most values
    of those with `MAX_VALUES` or fewer, else the first; none if no clip has any. Condition:
    normal and anomalous test clips; none if no test clip is labelled.
    """
    found = [_by_value(name, clips[name], "not known") for name in ("domain", "section")]
    found += [
        _by_value(f"attribute {key}" if key else "attributes", values, "without or not known")
        for key, values in _chosen_attributes(clips["attributes"])
    ]
    condition = _condition(clips)
    return [*found, *([condition] if condition.order else [])]


def panel(each: EmbeddingMap, coloring: Coloring, heading: str) -> Markup:
    """One panel of a map with its legend; the coloring is one of `colorings` of its clips."""
    points = _places(each.clips[["x", "y"]].to_numpy(np.float64))
    styles = {
        value: (f"c{rank % NUM_COLORS}", rank % len(_SHAPES))
        for rank, value in enumerate(coloring.order)
    }
    counts = pd.Series(coloring.values).value_counts()
    # The frequent ones first: what is rare shall lie on top.
    depth = {value: (value not in coloring.grey, -counts[value]) for value in counts.index}
    keys = clip_keys(each.clips)
    marks = []
    for row in sorted(range(len(points)), key=lambda row: depth[coloring.values[row]]):
        clip, value = each.clips.iloc[row], coloring.values[row]
        color, shape = styles.get(value, _GREY)
        marks.append(
            element(
                "use",
                element("title", f"{clip['name']}: {value}"),
                href=f"#mark{shape}",
                x=f"{points[row, 0]:.1f}",
                y=f"{points[row, 1]:.1f}",
                class_=color if clip["split"] == "train" else f"{color} test",
                data_clip=keys[row],
            )
        )
    numbers = {value: int(counts.get(value, 0)) for value in (*coloring.order, *coloring.grey)}
    spoken = ", ".join(f"{value} {count}" for value, count in numbers.items())
    drawn = drawing(marks, (_SIZE, _SIZE), f"{each.title} by {coloring.title}: {spoken}", "map")
    entries = (
        (_key(*styles.get(value, _GREY)), f"{value} ", element("b", str(count)))
        for value, count in numbers.items()
    )
    return figure(heading, drawn, legend(entries))


def caption(each: EmbeddingMap) -> str:
    """How a map was made, and of how many clips."""
    method = "t-SNE" if each.method == "tsne" else "the two largest principal components"
    drawn = len(each.clips)
    clips = f"{drawn} clips"
    if drawn < each.num_clips:
        clips = f"{drawn} of {each.num_clips} clips, drawn evenly from splits, sections and domains"
    without = f"; {each.num_without} further clips have none" if each.num_without else ""
    return f"{method} of {each.array}, {clips}{without}"


def separation_parts(each: EmbeddingMap, whose: str = "") -> list[Markup]:
    """How well the vectors of a map separate its clips, by each property; no table of none."""
    if not each.separation:
        return []
    rows = [
        [one.by, str(one.groups), str(one.clips)]
        + [f"{figure:.3f}" for figure in (one.silhouette, one.purity, one.most_frequent)]
        for one in each.separation
    ]
    caption = f"{whose}{each.title}: separation of {each.array}, {splits_of(each)} clips"
    return [table(_HEADINGS, rows, caption=caption)]


def separation_frame(runs: Sequence[tuple[str, Sequence[EmbeddingMap]]]) -> pd.DataFrame:
    """The same of all maps of runs, given by name, a line for each property."""
    rows = [
        {"run": name, "map": each.title, "array": each.array, "split": splits_of(each)}
        | one._asdict()
        for name, maps in runs
        for each in maps
        for one in each.separation
    ]
    return pd.DataFrame(rows)


def splits_of(each: EmbeddingMap) -> str:
    """The splits whose clips a map has."""
    return " and ".join(name for name in ("train", "test") if name in set(each.clips["split"]))


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
    columns = attribute_columns(texts)
    if len(columns) <= _MOST_KEYS:
        return list(columns.items())
    few = [key for key in columns if columns[key].nunique() <= MAX_VALUES]
    chosen = max(few, key=lambda key: columns[key].nunique()) if few else next(iter(columns))
    return [(chosen, columns[chosen])]


def _condition(clips: pd.DataFrame) -> Coloring:
    names = {True: "anomalous", False: "normal"}
    values = tuple(
        "training" if split == "train" else "not known" if pd.isna(label) else names[bool(label)]
        for split, label in zip(clips["split"], clips["is_anomalous"], strict=True)
    )
    order = tuple(name for name in ("normal", "anomalous") if name in values)
    grey = tuple(name for name in ("training", "not known") if name in values)
    return Coloring("condition", values, order, grey)


def _places(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points in a panel: centered, both axes alike, x to the right and y upwards."""
    lowest, highest = points.min(axis=0), points.max(axis=0)
    extent = float((highest - lowest).max()) or 1.0
    relative = (points - (lowest + highest) / 2.0) / extent
    upwards = np.array([1.0, -1.0])
    return np.asarray(_SIZE / 2.0 + (_SIZE - 2 * _MARGIN) * relative * upwards)


def _key(color: str, shape: int) -> Markup:
    mark = element("use", href=f"#mark{shape}", x=6, y=6, class_=color)
    return element("svg", mark, viewBox="0 0 12 12", class_="key", aria_hidden="true")
