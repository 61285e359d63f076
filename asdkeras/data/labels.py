"""Classes of training clips that a network learns to tell apart: sections, attributes, domains.

Classes come from the training split alone. A test clip makes one only where a caller asks
`domain_labels` for the classes that released code has; a supplemental clip, which may hold
noise without a machine, never does.

The attribute text of a file name alternates keys and values, as in `car_G2_spd_34V_mic_1`. That
is a convention since 2022 and no rule, so a text is split only where it leaves no doubt.
"""

import dataclasses
import itertools
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from asdkeras.errors import DataError

Which = Literal["all", "shifting"]
AttributeLabel = Literal["machine_section_attribute", "machine_attribute", "attribute"]

_COLUMNS: dict[str, list[str]] = {
    "machine_section_attribute": ["machine_type", "section", "attributes"],
    "machine_attribute": ["machine_type", "attributes"],
    "attribute": ["attributes"],
}


@dataclasses.dataclass(frozen=True)
class Labels:
    """One class per clip.

    Attributes:
        classes: names in the order of their indices.
        indices: `(clips,)`, row order of the clip table; -1 where a clip has no class.
    """

    classes: tuple[str, ...]
    indices: npt.NDArray[np.int64]


def section_labels(table: pd.DataFrame, least: int = 2) -> Labels:
    """Classes (machine type, section), named like `fan_00`, `least` or more.

    Test clips have the class of their section, if it has training clips: the section is known when
    a clip is scored. Supplemental clips have none.

    Raises:
        DataError: if the training clips are of fewer sections.
    """
    is_labeled = (table["split"] != "supplemental").to_numpy(bool)
    return _labels(table, ["machine_type", "section"], is_labeled, least=least)


def attribute_labels(table: pd.DataFrame, definition: AttributeLabel, least: int = 2) -> Labels:
    """Classes by attribute text, named like `fan_00_m-n_W`; a missing text counts as one more.

    `definition` names what clips of one class have in common. Only training clips have a class:
    attributes of test clips are known in development data alone, and may name the fault.

    Raises:
        DataError: if the training clips are of fewer than `least` classes.
    """
    is_labeled = (table["split"] == "train").to_numpy(bool)
    return _labels(table, _COLUMNS[definition], is_labeled, least=least)


def domain_labels(table: pd.DataFrame, extra: npt.NDArray[np.bool_] | None = None) -> Labels:
    """Classes (machine type, section, attribute text, domain), named like `fan_00_m-n_W_target`.

    A clip of unknown domain counts as source. Only training clips have a class. The `extra` rows
    of bool `(clips,)` add classes but get none, as in code that takes classes from test clips.

    Raises:
        DataError: if the training clips are all of one class, whatever `extra` adds.
    """
    is_labeled = (table["split"] == "train").to_numpy(bool)
    columns = ["machine_type", "section", "attributes", "domain"]
    return _labels(
        table.assign(domain=table["domain"].fillna("source")), columns, is_labeled, extra
    )


def attribute_pairs(text: str) -> dict[str, str] | None:
    """Keys and values of an attribute text in their order; None if it does not alternate them.

    It does not with an odd number of words, an empty one, a key twice, or a key that ends in a
    digit: that holds its value itself, as in `weight15_BckgF` of 2021. Only `_` separates: keys
    and values may hold `-` and `.`, and `_` at the end of the text belongs to nothing.

    >>> attribute_pairs("vel_10_f-n_A")
    {'vel': '10', 'f-n': 'A'}
    >>> attribute_pairs("weight15_BckgF") is None
    True
    """
    words = text.removesuffix("_").split("_")
    if len(words) % 2 or not all(words):
        return None
    keys, values = words[::2], words[1::2]
    if len(set(keys)) < len(keys) or any(key[-1].isdigit() for key in keys):
        return None
    return dict(zip(keys, values, strict=True))


def attribute_groups(table: pd.DataFrame, *, which: Which) -> dict[str, Labels]:
    """Classes for each attribute by its values, to train one classifier per attribute.

    Values come from training clips alone, and only these have a class, as in `attribute_labels`.
    If the text of a single training clip does not alternate keys and values, keys would mean
    different things in different clips; the whole text is one attribute then, `attributes`.

    Args:
        table: of one machine type or of several; equal values of a key are one class in all.
        which: `all` takes every key a training clip has. `shifting` takes a key only in sections
            where values of the source and of the target domain have nothing in common, which is
            the domain shift of that section; elsewhere clips have no class. For the names of 2022
            these are the keys that the organizers list, but for section 05 of valve, where one
            valve runs in the source domain and both in the target domain: no key of its shifts.

    Returns:
        key -> `Labels`, keys and classes in alphabetical order. A clip has no class for a key that
        it lacks. Keys with fewer than two values are left out, so there may be none.
    """
    pairs = _training_pairs(table)
    groups = {}
    for key in sorted({key for each in pairs for key in each}):
        values = [each.get(key) for each in pairs]
        if which == "shifting":
            values = _where_shifting(values, table)
        classes = tuple(sorted({value for value in values if value is not None}))
        if len(classes) >= 2:
            indices = [classes.index(value) if value else -1 for value in values]
            groups[key] = Labels(classes, np.array(indices, np.int64))
    return groups


def source_and_target(table: pd.DataFrame) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Masks `(clips,)` of the training clips of the source and of the target domain.

    A training clip whose domain is not known counts as source.
    """
    is_target = (table["domain"] == "target").fillna(False).to_numpy(bool)
    is_training = (table["split"] == "train").to_numpy(bool)
    return is_training & ~is_target, is_training & is_target


def _labels(
    table: pd.DataFrame,
    columns: list[str],
    is_labeled: npt.NDArray[np.bool_],
    extra: npt.NDArray[np.bool_] | None = None,
    least: int = 2,
) -> Labels:
    texts = table[columns].fillna("").astype(object)
    keys: list[tuple[Any, ...]] = list(texts.itertuples(index=False, name=None))
    trained = {*itertools.compress(keys, table["split"] == "train")}
    if len(trained) < least:
        column = "attributes" if "attributes" in columns else columns[-1]
        raise DataError(
            f"training needs at least {least} classes to tell apart, by "
            f"{', '.join(columns)}. Received: {', '.join(map(_name, trained)) or 'none'}. Add "
            "recordings of another machine type, or list the clips in a CSV file with the "
            f"column `{column}`. Or take a system that learns nothing of the kind, such as "
            "--system baseline2023 or controls2026."
        )
    more = () if extra is None else itertools.compress(keys, extra)
    classes = sorted(trained.union(more))
    index = {key: number for number, key in enumerate(classes)}
    indices = [
        index.get(key, -1) if labeled else -1 for key, labeled in zip(keys, is_labeled, strict=True)
    ]
    return Labels(tuple(map(_name, classes)), np.array(indices, np.int64))


def _name(key: tuple[Any, ...]) -> str:
    return "_".join(part for part in key if part)


def _training_pairs(table: pd.DataFrame) -> list[dict[str, str]]:
    """Attributes of each training clip, none for the others."""
    texts = table["attributes"].where(table["split"] == "train").fillna("").tolist()
    pairs = [attribute_pairs(text) if text else {} for text in texts]
    if None not in pairs:
        return [each or {} for each in pairs]
    return [{"attributes": text} if text else {} for text in texts]


def _where_shifting(values: list[str | None], table: pd.DataFrame) -> list[str | None]:
    """The values, None in sections whose source and target values overlap or are missing."""
    found: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
    sections = list(zip(table["machine_type"], table["section"], strict=True))
    _, is_target = source_and_target(table)
    for section, is_of_target, value in zip(sections, is_target, values, strict=True):
        domains = found.setdefault(section, (set(), set()))
        if value is not None:
            domains[int(is_of_target)].add(value)
    shifts = {
        section: bool(source) and bool(target) and source.isdisjoint(target)
        for section, (source, target) in found.items()
    }
    return [value if shifts[at] else None for at, value in zip(sections, values, strict=True)]
