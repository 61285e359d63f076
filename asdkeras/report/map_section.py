"""The embedding maps of a page; those of several runs side by side, so eyes can compare them."""

from collections.abc import Sequence
from typing import NamedTuple

from asdkeras.report.embedding_map import EmbeddingMap
from asdkeras.report.map_panels import caption, colorings, panel
from asdkeras.report.markup import Markup, element, joined

_HOW_TO_READ = (
    "Each point is a clip; it stands near clips that the model finds alike. Distances between "
    "groups, their sizes and the axes mean nothing. Filled marks are training clips, outlines "
    "are test clips. Point at a mark for the name of its clip, "
    "click it to hear it."
)
_NO_MAPS = "No embedding maps: an ensemble has no embeddings of its own, the runs it is made of do."


class RunMaps(NamedTuple):
    """The maps of one run.

    Attributes:
        name: of the run.
        dataset: of the run.
        maps: of one trial; none of an ensemble.
    """

    name: str
    dataset: str
    maps: Sequence[EmbeddingMap]


def map_parts(runs: Sequence[RunMaps]) -> list[Markup]:
    """The maps of all runs, those of the same clips together."""
    groups: dict[tuple[str, str], list[tuple[str, EmbeddingMap]]] = {}
    for run in runs:
        for one in run.maps:
            groups.setdefault((run.dataset, one.title), []).append((run.name, one))
    parts = [element("p", _HOW_TO_READ, class_="faint")] if groups else []
    several_datasets = len({dataset for dataset, _ in groups}) > 1
    for (dataset, title), members in groups.items():
        parts.append(element("h3", f"{title}, {dataset}" if several_datasets else title))
        parts += _side_by_side(members) if len(runs) > 1 else _single(members[0][1])
    for run in runs:
        if not run.maps:
            text = _NO_MAPS if len(runs) == 1 else f"{run.name}: {_NO_MAPS}"
            parts.append(element("p", text, class_="faint"))
    return parts


def _single(one: EmbeddingMap) -> list[Markup]:
    panels = [panel(one, each, f"by {each.title}") for each in colorings(one.clips)]
    story = element("p", caption(one), class_="faint")
    return [story, element("div", *panels, class_="panels")]


def _side_by_side(members: Sequence[tuple[str, EmbeddingMap]]) -> list[Markup]:
    stories = [element("p", f"{name}: {caption(one)}", class_="faint") for name, one in members]
    rows: dict[str, list[Markup]] = {}
    for name, one in members:
        for each in colorings(one.clips):
            rows.setdefault(each.title, []).append(panel(one, each, name))
    return [
        *stories,
        *(
            joined([element("h4", f"by {title}"), element("div", *panels, class_="panels wide")])
            for title, panels in rows.items()
        ),
    ]
