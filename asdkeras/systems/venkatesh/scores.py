"""Scores by the nearest training clip of the section, and those that labels may choose."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from asdkeras.metrics.development import development_score
from asdkeras.metrics.official import rules_for
from asdkeras.published.papers import venkatesh2022_setups
from asdkeras.scorers.nearest_neighbor import NearestNeighborScorer
from asdkeras.scorers.section_scorer import SectionScorer
from asdkeras.scorers.terms import Term, scored
from asdkeras.systems.system import Choice, NormalClips
from asdkeras.systems.venkatesh.embeddings import Embedders, kept_epochs

if TYPE_CHECKING:
    from asdkeras.systems.venkatesh2022 import Config

Key = TypeVar("Key")

ORACLE = "_oracle"
"""Ending of a column in which labels of test clips had a say."""

_EQUAL = 0.5
_GRID = np.arange(21) / 20.0  # Table 4 has steps of 0.05.


def section_scorer(config: "Config", normal: NormalClips[Embedders]) -> SectionScorer:
    """Distance to the nearest training clip of the section, by embedding and view.

    Scores are those of `columns_of` after the last epoch and, where labels may choose, for
    `with_labels` the distances by every kept epoch.
    """
    last = config.epochs
    by_epoch = {epoch: _distances(normal, epoch) for epoch in kept_epochs(config)}
    scores = columns_of(config, by_epoch[last], _EQUAL)
    if uses_labels(config):
        for epoch, distances in by_epoch.items():
            scores |= {_candidate(epoch, name): term for name, term in distances.items()}
    groups = {group: by_epoch[last][part] for group, part in normal.models.groups.items()}
    embedding = normal.models.terms(last)["concatenated"]
    return SectionScorer(scores, embedding, groups)


def _distances(normal: NormalClips[Embedders], epoch: int) -> dict[str, Term]:
    """Name of a part -> distance; a training clip is not compared with itself."""
    return {
        name: scored(
            NearestNeighborScorer("cosine").fit(normal.values(part)), part, leave_self_out=True
        )
        for name, part in normal.models.terms(epoch).items()
    }


def uses_labels(config: "Config") -> bool:
    """Whether labels of test clips, or what the authors chose by them, decide something."""
    return config.checkpoint != "last" or config.section_weight != "equal"


def _candidate(epoch: int, name: str) -> str:
    """Column of the distance by a part after an epoch, where labels may choose it."""
    return f"epoch {epoch}: {name}"


def columns_of(
    config: "Config", distances: Mapping[str, Any], section_weight: float
) -> dict[str, Any]:
    """The scores of a variant, the main one first; of one section, those without a section.

    Args:
        distances: name of a part -> term or column.
        section_weight: in [0, 1], of `weighted` (paper: w_S, w_A is the rest).
    """
    names = {
        "disent_cat": ("concatenated", "section", "attributes"),
        "disent_split": ("concatenated", "section"),
    }.get(config.variant, ())
    columns = {name: distances[name] for name in names if name in distances}
    if config.variant == "disent_cat":
        weighted = distances["attributes"]
        if "section" in distances:
            rest = 1.0 - section_weight
            weighted = section_weight * distances["section"] + rest * weighted
        return {**columns, "weighted": weighted}
    if columns:
        return columns
    name = "embedding" if config.variant == "mtl" else "section"
    return {name: distances[name]}


def answer_of(config: "Config", variant: str) -> str:
    """Name of the main score of a variant."""
    names = {
        "disent_cat": "concatenated",
        "disent_wt": "weighted",
        "disent_sec": "section",
        "disent_att": "attributes",
        "disent_split": "concatenated",
        "mtl": "embedding",
    }
    name = names.get(variant, "section")
    by_labels = config.checkpoint != "last" or (
        name == "weighted" and config.section_weight != "equal"
    )
    return name + ORACLE if by_labels else name


def with_labels(config: "Config", columns: pd.DataFrame, table: pd.DataFrame) -> Choice:
    """The scores that labels of development test clips choose, beside the others.

    Chosen scores have the ending `_oracle`. With `checkpoint: oracle` all of them are of the epoch
    that is best by the main score of the trained variant, and w_S is searched at this epoch; with
    `oracle_by_score` each has an epoch of its own.

    Args:
        columns: those of `section_scorer`.
        table: clip table of one machine type.
    """
    epochs = kept_epochs(config)
    machine_type = str(table["machine_type"].iloc[0])
    weights = {
        "equal": [_EQUAL],
        "paper": [venkatesh2022_setups()["section_weight"].get(machine_type, _EQUAL)],
        "oracle": list(_GRID),
    }[config.section_weight]
    start = _candidate(epochs[0], "")
    parts = [name.removeprefix(start) for name in map(str, columns) if name.startswith(start)]
    by_epoch = {
        epoch: {part: columns[_candidate(epoch, part)] for part in parts} for epoch in epochs
    }
    names = list(columns_of(config, by_epoch[epochs[-1]], _EQUAL))
    if config.checkpoint == "oracle":
        main = {epoch: each[names[0]] for epoch, each in by_epoch.items()}
        epochs = (_best(main, table) or epochs[-1],)
    kept, notes = columns[names], []
    for name in names:
        if config.checkpoint == "last" and name != "weighted":
            continue
        candidates = {
            (epoch, weight): columns_of(config, by_epoch[epoch], weight)[name]
            for epoch in epochs
            for weight in (weights if name == "weighted" else weights[:1])
        }
        epoch, weight = _best(candidates, table) or (epochs[-1], weights[0])
        kept = kept.assign(**{name + ORACLE: candidates[epoch, weight]})
        of_weight = f", w_S {weight:.2f}" if name == "weighted" else ""
        notes.append(f"{machine_type}: {name}{ORACLE} is of epoch {epoch}{of_weight}")
    is_oracle = answer_of(config, config.variant).endswith(ORACLE)
    return Choice(kept, tuple(notes), tuple(reasons(config)) if is_oracle else ())


def _best(candidates: dict[Key, pd.Series], table: pd.DataFrame) -> Key | None:
    """The key whose scores are best on the labelled development clips; None if there are none."""
    rules = rules_for(str(table["dataset"].iloc[0]))
    qualities = {key: development_score(table, each, rules) for key, each in candidates.items()}
    known = {key: quality for key, quality in qualities.items() if quality is not None}
    return max(known, key=lambda key: known[key]) if known else None


def reasons(config: "Config") -> list[str]:
    """The choices by labels of test clips, a line each."""
    lines = []
    if config.checkpoint != "last":
        of_score = " and score" if config.checkpoint == "oracle_by_score" else ""
        lines.append(
            f"the epoch of each machine type{of_score}, by labels of its development test clips"
        )
    if config.section_weight == "oracle":
        lines.append("w_S of each machine type, by labels of its development test clips")
    if config.section_weight == "paper":
        lines.append("w_S of each machine type (Table 4), by the authors on development labels")
    return lines
