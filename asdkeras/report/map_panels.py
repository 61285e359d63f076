"""Embedding maps as drawings: the same points again and again, colored by what is known of them.

Color is never alone: each value has a mark of its own shape as well, training clips are filled
and test clips are outlines.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asdkeras.report.clip_section import clip_keys
from asdkeras.report.embedding_map import SPLITS, EmbeddingMap, natural_key
from asdkeras.report.markup import NUM_COLORS, Markup, drawing, element, figure, legend, table
from asdkeras.report.separation import attribute_columns

MAX_VALUES = 10  # With a color of their own; the rarer ones are drawn as `other`.
_SIZES = (320, 560)  # Of a panel, in units of its drawing: the more clips, the smaller the marks.
_FEW = 300  # Clips, as many as the first size has room for.
_MARGIN = 12
_SHAPES = (  # Marks around the origin, of about the same area.
    "M-3.4 0a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0-6.8 0z",
    "M-3-3h6v6h-6z",
    "M0-4.2L4 2.8h-8z",
    "M0-4.3L4.3 0L0 4.3L-4.3 0z",
)
_GREY = ("grey", 0)
_MOST_KEYS = 4  # Attributes with a panel each.

_HOW_TO_READ = (
    "Each point is a clip; it lies near clips that the model finds alike. Distances between "
    "groups, their sizes and the axes mean nothing. Filled marks are training clips, outlines "
    "are test clips. Point at a mark for the name of its clip, click it to play it; point at an "
    "entry of a legend to see its marks alone, click it to keep them so."
)
_ON_SEPARATION = (
    "Separation is measured on the vectors of the clips, not on the points: the silhouette by "
    "Euclidean distances, from -1 to 1, and the purity of as many clusters by k-means as there are "
    "groups, beside the share of the most frequent value, the least it can be."
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
    said = ""
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
            parts.append(element("div", *panels, class_=f"panels {'wide' if row else 'maps'}"))
        if numbers and _ON_SEPARATION not in said:
            said = element("p", _ON_SEPARATION, class_="faint")
            parts.append(said)
        parts += numbers
    for name, _, maps in runs:
        if not maps:
            text = _NO_MAPS if is_single else f"{name}: {_NO_MAPS}"
            parts.append(element("p", text, class_="faint"))
    return parts


def colorings(clips: pd.DataFrame) -> list[Coloring]:
    """The panels of a map: domain, section, attributes, and condition.

    What is the same of all clips has no panel, unless there is no other. Properties that split
    the clips alike, as the microphone and the domain may, share one. Attributes have a panel for
    each key, `_MOST_KEYS` at most, those with `MAX_VALUES` or fewer first. Condition: normal and
    anomalous test clips; none if no test clip is labelled.
    """
    properties = {name: clips[name] for name in ("domain", "section")}
    properties |= _attributes(clips["attributes"])
    texts = {
        title: values.astype("string").fillna("").reset_index(drop=True)
        for title, values in properties.items()
    }
    varied = {title: values for title, values in texts.items() if values.nunique() > 1}
    found = [_by_value(title, values) for title, values in _merged(varied).items()]
    condition = _condition(clips)
    if condition.order and len(set(condition.values)) > 1:
        found.append(condition)
    return found or [_by_value("domain", texts["domain"])]


def panel(each: EmbeddingMap, coloring: Coloring, heading: str) -> Markup:
    """One panel of a map with its legend; the coloring is one of `colorings` of its clips."""
    clips = each.clips
    share = math.sqrt(len(clips) / _FEW)
    size = round(min(max(_SIZES[0] * share, _SIZES[0]), _SIZES[1]))
    points, height = _places(clips[["x", "y"]].to_numpy(np.float64), size)
    legend_order = (*coloring.order, *coloring.grey)
    styles = {
        value: (f"c{rank % NUM_COLORS}", rank % len(_SHAPES)) if value in coloring.order else _GREY
        for rank, value in enumerate(legend_order)
    }
    rows: dict[str, list[int]] = {value: [] for value in legend_order}
    for row, value in enumerate(coloring.values):
        rows[value].append(row)
    names, is_test, keys = list(clips["name"]), list(clips["split"] == "test"), clip_keys(clips)
    groups = []
    # Grey below all, and the frequent below the rare: what is rare shall lie on top.
    for value in sorted(rows, key=lambda value: (value not in coloring.grey, -len(rows[value]))):
        color, shape = styles[value]
        marks = (
            element(
                "use",
                element("title", f"{names[row]}: {value}"),
                href=f"#mark{shape}",
                x=f"{points[row, 0]:.1f}",
                y=f"{points[row, 1]:.1f}",
                class_="test" if is_test[row] else None,
                data_clip=keys[row],
            )
            for row in rows[value]
        )
        groups.append(element("g", *marks, class_=color, data_value=legend_order.index(value)))
    spoken = ", ".join(f"{value} {len(members)}" for value, members in rows.items())
    drawn = drawing(groups, (size, height), f"{each.title} by {coloring.title}: {spoken}", "map")
    entries = (
        (_key(*styles[value]), f"{value} ", element("b", str(len(members))))
        for value, members in rows.items()
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
    shown = {*each.clips["split"]}
    return " and ".join(name for name, splits in SPLITS.items() if shown.intersection(splits))


def marks_in_use() -> Markup:
    """The shapes that panels refer to; stands once in a page, before the first panel."""
    shapes = (element("path", id=f"mark{number}", d=shape) for number, shape in enumerate(_SHAPES))
    return element(
        "svg", element("defs", *shapes), width=0, height=0, class_="shapes", aria_hidden="true"
    )


def _by_value(title: str, texts: pd.Series) -> Coloring:
    unknown = "not known" if title.startswith(("domain", "section")) else "without or not known"
    counts = pd.Series([text for text in texts if text], dtype=object).value_counts(sort=False)
    known = sorted(counts.index, key=natural_key)
    frequent = sorted(known, key=lambda value: -counts[value])[:MAX_VALUES]
    other = f"{len(known) - len(frequent)} others"
    named = [unknown if not text else text if text in frequent else other for text in texts]
    order = tuple(value for value in known if value in frequent)
    grey = tuple(value for value in (other, unknown) if value in named)
    return Coloring(title, tuple(named), order, grey)


def _attributes(texts: pd.Series) -> dict[str, pd.Series]:
    """Values of each clip by key, of a few keys; the whole texts if they have no keys."""
    columns = {
        f"attribute {key}" if key else "attributes": values
        for key, values in attribute_columns(texts).items()
    }
    few_first = sorted(columns, key=lambda title: columns[title].nunique() > MAX_VALUES)
    return {title: columns[title] for title in columns if title in few_first[:_MOST_KEYS]}


def _merged(properties: dict[str, pd.Series]) -> dict[str, pd.Series]:
    """Texts of clips by property; those that split the clips alike are one, `source, mic 1`."""
    merged: dict[str, tuple[list[str], pd.Series]] = {}
    for title, texts in properties.items():
        for first, (titles, values) in merged.items():
            num_pairs = len(set(zip(texts, values, strict=True)))
            if num_pairs == texts.nunique() == values.nunique():
                key = title.removeprefix("attribute ")
                both = [
                    ", ".join(filter(None, (value, text and f"{key} {text}")))
                    for value, text in zip(values, texts, strict=True)
                ]
                merged[first] = ([*titles, title], pd.Series(both))
                break
        else:
            merged[title] = ([title], texts)
    return {", ".join(titles): values for titles, values in merged.values()}


def _condition(clips: pd.DataFrame) -> Coloring:
    names = {True: "anomalous", False: "normal"}
    values = tuple(
        "training" if split != "test" else "not known" if pd.isna(label) else names[bool(label)]
        for split, label in zip(clips["split"], clips["is_anomalous"], strict=True)
    )
    order = tuple(name for name in ("normal", "anomalous") if name in values)
    grey = tuple(name for name in ("training", "not known") if name in values)
    return Coloring("condition", values, order, grey)


def _places(points: NDArray[np.float64], width: int) -> tuple[NDArray[np.float64], int]:
    """Points in a panel, x to the right and y upwards, both axes alike; and its height.

    The height is that of the points, from half the width to all of it.
    """
    lowest, highest = points.min(axis=0), points.max(axis=0)
    extent = float((highest - lowest).max()) or 1.0
    upwards = np.array([1.0, -1.0])
    relative = (width - 2 * _MARGIN) * (points - (lowest + highest) / 2.0) / extent * upwards
    height = max(round(float(np.ptp(relative[:, 1]))) + 2 * _MARGIN, width // 2)
    return relative + np.array([width / 2.0, height / 2.0]), height


def _key(color: str, shape: int) -> Markup:
    mark = element("use", href=f"#mark{shape}", x=6, y=6, class_=color)
    return element("svg", mark, viewBox="0 0 12 12", class_="key", aria_hidden="true")
