"""Scores by the nearest training clip of the section, and what labels may choose of them."""

import itertools

import numpy as np
import pandas as pd
from keras import ops

from asdkeras.errors import RecipeError
from asdkeras.layers.exemplar_distance import ExemplarDistance
from asdkeras.metrics.development import development_score
from asdkeras.metrics.official import rules_for
from asdkeras.progress import stage
from asdkeras.scorers.section_neighbors import nearest_in_section
from asdkeras.systems.system import ScoreTable
from asdkeras.systems.venkatesh.embeddings import embedding_of, kept_epochs, parts_of

ORACLE = "_oracle"
"""Ending of a column in which labels of test clips had a say."""

PAPER_WEIGHTS = {  # Table 4: of the section's score; the attributes' has the rest.
    "ToyCar": 0.90,
    "ToyTrain": 0.00,
    "bearing": 1.00,
    "fan": 0.15,
    "gearbox": 0.80,
    "slider": 0.90,
    "valve": 0.90,
}
_EQUAL = 0.5
_GRID = np.arange(21) / 20.0  # Table 4 has steps of 0.05.


def score(config, representations, table, seed):
    """Score all clips of one machine type.

    The columns of `columns_of` after the last epoch and, where labels may choose, the same
    with the ending `_oracle`.
    """
    constants = representations.constants
    epochs = kept_epochs(config)
    with stage("nearest neighbors") as update:
        by_epoch = {}
        for number, epoch in enumerate(epochs):
            embeddings = representations.clips[embedding_of(epoch)].astype("float64")
            parts, own = parts_of(embeddings, constants)
            by_epoch[epoch] = _distances(parts, own, table)
            update(number + 1, len(epochs), f"epoch {epoch}")
    last = by_epoch[epochs[-1]]
    columns = columns_of(config, last, _EQUAL)
    notes, oracle = [], []
    if config.checkpoint == "oracle" or config.section_weight != "equal":
        chosen, notes = _with_labels(config, by_epoch, table)
        columns = columns.join(chosen.add_suffix(ORACLE))
        oracle = reasons(config)
    answer = answer_of(config, config.variant)
    return ScoreTable(
        columns,
        anomaly_score=answer,
        decision_score=answer,
        named_scores=tuple(columns.columns),
        notes=tuple(notes),
        oracle=tuple(oracle) if answer.endswith(ORACLE) else (),
        group_scores=_group_scores(last, constants),
    )


def _distances(parts, own, table):
    """Distance of every clip to the nearest training clip of its section, by part.

    A training clip is not compared with itself. `concatenated` has all embeddings.
    """
    wholes = {**parts, "concatenated": np.concatenate([parts[name] for name in own], axis=1)}
    is_training = (table["split"] == "train").to_numpy(bool)
    distances = {
        name: nearest_in_section(embeddings, table["section"].to_numpy(), is_training, "cosine")
        for name, embeddings in wholes.items()
    }
    return pd.DataFrame(distances, index=table.index)


def graph(config, tensors, fit, column):
    """A column as Keras layers; all embeddings of the last epoch together as embedding."""
    if column.endswith(ORACLE):
        raise RecipeError(
            f"`{column}` was chosen by labels of test clips, and a detector knows none. Take the "
            "recipe's `checkpoint: last` and `section_weight: equal`."
        )
    constants = fit.representations.constants
    name = embedding_of(kept_epochs(config)[-1])
    whole = tensors[name]
    dims = [int(dim) for dim in constants["dims"]]
    ends = itertools.accumulate(dims)
    pieces = [whole[:, end - dim : end] for end, dim in zip(ends, dims, strict=True)]
    parts = dict(zip(map(str, constants["names"]), pieces, strict=True))
    normal, own = parts_of(
        fit.representations.clips[name][fit.is_normal].astype("float64"), constants
    )
    embedding = ops.concatenate([parts[each] for each in own], axis=1)
    parts["concatenated"] = embedding
    normal["concatenated"] = np.concatenate([normal[each] for each in own], axis=1)

    def distance(part):
        layer = ExemplarDistance(len(normal[part]), "cosine")
        layer.set_exemplars(normal[part])
        return layer(parts[part])

    if column == "weighted":
        score = _EQUAL * distance("section") + (1.0 - _EQUAL) * distance("attributes")
    else:
        score = distance(column)
    return score, embedding


def columns_of(config, distances, section_weight):
    """The scores of a variant, its answer first.

    Args:
        config: of the system.
        distances: data frame, distances by part and `concatenated`.
        section_weight: float in [0, 1], of `weighted` (paper: w_S, w_A is the rest).

    Returns:
        data frame.
    """
    if config.variant == "disent_cat":
        weighted = (
            section_weight * distances["section"] + (1.0 - section_weight) * distances["attributes"]
        )
        chosen = distances[["concatenated", "section", "attributes"]]
        return chosen.assign(weighted=weighted)
    if config.variant == "disent_split":
        return distances[["concatenated", "section"]]
    return distances[["embedding" if config.variant == "mtl" else "section"]]


def answer_of(config, variant):
    """Name of the column that is the answer of a variant."""
    names = {
        "disent_cat": "concatenated",
        "disent_wt": "weighted",
        "disent_sec": "section",
        "disent_att": "attributes",
        "disent_split": "concatenated",
        "mtl": "embedding",
    }
    name = names.get(variant, "section")
    by_labels = config.checkpoint == "oracle" or (
        name == "weighted" and config.section_weight != "equal"
    )
    return name + ORACLE if by_labels else name


def _with_labels(config, by_epoch, table):
    """The columns that labels of development test clips choose, each by itself."""
    machine_type = str(table["machine_type"].iloc[0])
    weights = {
        "equal": [_EQUAL],
        "paper": [PAPER_WEIGHTS.get(machine_type, _EQUAL)],
        "oracle": list(_GRID),
    }[config.section_weight]
    last = by_epoch[max(by_epoch)]
    touched = [
        name
        for name in columns_of(config, last, _EQUAL)
        if config.checkpoint == "oracle" or name == "weighted"
    ]
    columns, notes = {}, []
    for name in touched:
        candidates = {
            (epoch, weight): columns_of(config, distances, weight)[name]
            for epoch, distances in by_epoch.items()
            for weight in (weights if name == "weighted" else weights[:1])
        }
        epoch, weight = _best(candidates, table) or (max(by_epoch), weights[0])
        columns[name] = candidates[epoch, weight]
        of_weight = f", w_S {weight:.2f}" if name == "weighted" else ""
        notes.append(f"{machine_type}: {name}{ORACLE} is of epoch {epoch}{of_weight}")
    return pd.DataFrame(columns), notes


def _best(candidates, table):
    """The key whose scores serve the labelled development clips best; None if there are none."""
    rules = rules_for(str(table["dataset"].iloc[0]))
    qualities = {key: development_score(table, each, rules) for key, each in candidates.items()}
    known = {key: quality for key, quality in qualities.items() if quality is not None}
    return max(known, key=known.get) if known else None


def reasons(config):
    """What labels of test clips chose, a line each."""
    lines = []
    if config.checkpoint == "oracle":
        lines.append("the epoch of each machine type, by labels of its development test clips")
    if config.section_weight == "oracle":
        lines.append("w_S of each machine type, by labels of its development test clips")
    if config.section_weight == "paper":
        lines.append("w_S of each machine type (Table 4), by the authors on development labels")
    return lines


def _group_scores(distances, constants):
    """What each classifier has to say of a clip."""
    groups = zip(constants["groups"], constants["group_parts"], strict=True)
    return pd.DataFrame({str(group): distances[str(part)] for group, part in groups})
