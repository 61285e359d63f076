"""Attribute texts split into keys and values, for networks that classify each attribute.

The text of a file name alternates keys and values, as in `car_G2_spd_34V_mic_1`. That is a
convention since 2022 and no rule, so a text is split only where it leaves no doubt.
"""

from typing import Literal

import numpy as np
import pandas as pd

from asdkeras.data.labels import Labels
from asdkeras.data.splits import source_and_target

Which = Literal["all", "shifting"]

_WHOLE = "attributes"


def attribute_pairs(text: str) -> dict[str, str] | None:
    """Keys and values of an attribute text.

    Only `_` separates: keys and values may hold `-` and `.`. An underscore at the end of
    the text belongs to nothing. A key that ends in a digit holds its value itself, as in
    `weight15_BckgF` of 2021, so nobody knows what the next word is.

    Args:
        text: str, the attribute text of a file name.

    Returns:
        key -> value in the order of the text; None if the text does not alternate keys and
        values: an odd number of words, an empty one, a key twice or ending in a digit.

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

    Values come from training clips alone, and only training clips have a class: what test
    names tell is known in development data alone, and for anomalous clips it may name the
    fault. If the text of a single training clip cannot be taken apart, keys would mean
    different things in different clips; the whole text is one attribute then, `attributes`.

    Args:
        table: clip table, of one machine type or of several; values of a key are the same
            class in all of them.
        which: `all` takes every key a training clip has. `shifting` takes a key only in
            sections where values of the source and of the target domain have nothing in
            common, which is the domain shift of that section; in the others it is unknown.
            For the names of 2022 these are the keys that the organizers list, but for
            section 05 of valve, where one valve runs in the source domain and both in the
            target domain: no key of its shifts.

    Returns:
        key -> `Labels`, keys and classes in alphabetical order; the index is -1 where a clip
        has not the key, has no attribute text, or is no training clip. Keys with fewer than
        two values are left out, for there is nothing to tell apart; so it may be empty.
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


def _training_pairs(table: pd.DataFrame) -> list[dict[str, str]]:
    """Attributes of each clip, none for clips that are not trained on."""
    texts = table["attributes"].where(table["split"] == "train").fillna("").tolist()
    pairs = [attribute_pairs(text) if text else {} for text in texts]
    known = [each for each in pairs if each is not None]
    if len(known) == len(pairs):
        return known
    return [{_WHOLE: text} if text else {} for text in texts]


def _where_shifting(values: list[str | None], table: pd.DataFrame) -> list[str | None]:
    """The values, None in sections whose source and target values are not told apart."""
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
