"""The embeddings and the tasks that each variant learns."""

import dataclasses
import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from asdkeras.data.clip_set import ClipSet
from asdkeras.data.labels import Labels, attribute_groups, section_labels
from asdkeras.errors import RecipeError

if TYPE_CHECKING:
    from asdkeras.systems.venkatesh2022 import Config

SECTIONS, DOMAIN = "sections", "domain"
_DOMAINS = ("source", "target")
_NETWORKS = ("disent_cat", "mtl", "sec_softmax", "sec_arcface", "adversarial", "disent_split")
_NEED_ATTRIBUTES = ("disent_cat", "mtl", "disent_split")


@dataclasses.dataclass(frozen=True)
class ClassifierTask:
    """One classifier.

    Attributes:
        name: of the classifier and its loss, such as `sections` or `attribute_vel`.
        group: name of a clip's score by this task, such as `section`; empty where the embedding
            shall not know the task.
        embedding: name of the embedding it reads.
        labels: classes of the training clips, -1 where unknown.
    """

    name: str
    group: str
    embedding: str
    labels: Labels


@dataclasses.dataclass(frozen=True)
class Tasks:
    """Embeddings and tasks of one network.

    Attributes:
        embeddings: name -> dimension, in the order they are concatenated.
        tasks: in the order of their losses.
    """

    embeddings: dict[str, int]
    tasks: tuple[ClassifierTask, ...]


def tasks_of(config: "Config", clips: ClipSet) -> Tasks:
    """The tasks of a variant on the training clips of one machine type.

    Of one section, a variant that learns attributes too learns these alone.

    Raises:
        RecipeError: if there is nothing to tell apart.
        ValueError: if the variant is no network.
    """
    variant = config.variant
    if variant not in _NETWORKS:
        raise ValueError(f"a variant with a network is one of {_NETWORKS}. Received: {variant}")
    shared = "embedding" if variant == "mtl" else "section"
    is_lone = clips.table["section"].nunique() < 2
    groups = _attributes(clips.table, config, is_lone) if variant in _NEED_ATTRIBUTES else {}
    tasks = []
    if not groups or not is_lone:
        tasks.append(ClassifierTask(SECTIONS, "section", shared, _sections(clips.table, variant)))
    if variant == "adversarial":
        tasks.append(ClassifierTask(DOMAIN, "", shared, _domains(clips.table)))
    for key, labels in groups.items():
        # Keras takes no other characters in a name.
        name = "attribute_" + re.sub(r"[^A-Za-z0-9.-]", "_", key)
        of_key = {"mtl": shared, "disent_split": name}.get(variant, "attributes")
        tasks.append(ClassifierTask(name, name, of_key, labels))
    dim = config.mtl_embedding_dim if variant == "mtl" else config.embedding_dim
    return Tasks({task.embedding: dim for task in tasks}, tuple(tasks))


def require_sections(table: pd.DataFrame, variant: str) -> None:
    """Raise a RecipeError if training clips of a machine type are all of one section."""
    names = sorted(set(table["section"]))
    if len(names) < 2:
        raise RecipeError(
            f"{table['machine_type'].iloc[0]} has one section, {names[0]}, and {variant} learns by "
            "telling the sections of a machine type apart. Name several in a CSV file, name "
            "attributes and take --variant disent_att, or take --variant anp_boot or a system "
            "that needs none, such as baseline2023."
        )


def _sections(table: pd.DataFrame, variant: str) -> Labels:
    require_sections(table, variant)
    return section_labels(table)


def _attributes(table: pd.DataFrame, config: "Config", is_lone: bool) -> dict[str, Labels]:
    groups = attribute_groups(table, which=config.attributes)
    if not groups and not is_lone:
        raise RecipeError(
            f"{table['machine_type'].iloc[0]}: no attribute has two values in the names of its "
            f"training clips, and {config.variant} learns to tell them apart. Take --variant "
            "sec_softmax or sec_arcface, which learn sections alone."
        )
    return groups


def _domains(table: pd.DataFrame) -> Labels:
    indices = np.full(len(table), -1)
    for index, domain in enumerate(_DOMAINS):
        indices[(table["domain"] == domain).fillna(False).to_numpy(bool)] = index
    if not {0, 1} <= {*indices}:
        raise RecipeError(
            f"{table['machine_type'].iloc[0]}: adversarial unlearns what tells source and target "
            "clips apart, and there are none of one of them. Take --variant sec_softmax."
        )
    return Labels(_DOMAINS, indices.astype("int64"))
