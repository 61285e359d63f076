"""What a network may learn to tell apart: sections, attributes and domains of training clips.

Classes come from the training split alone. Neither a test clip nor its attributes, nor a
supplemental clip, which may hold noise without a machine, ever makes one, unless a caller
asks `domain_labels` for the classes that released code has.
"""

import dataclasses
import itertools
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from asdkeras.errors import DataError

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
        indices: int64 `(clips,)`, row order of the clip table; -1 where a clip has no class.
    """

    classes: tuple[str, ...]
    indices: npt.NDArray[np.int64]


def section_labels(table: pd.DataFrame) -> Labels:
    """Classes (machine type, section), named like `fan_00`.

    Test clips have the class of their section, if it has training clips: the section is
    known when a clip is scored. Supplemental clips have none.

    Args:
        table: clip table.

    Raises:
        DataError: if the training clips are all of one section.
    """
    is_labeled = (table["split"] != "supplemental").to_numpy(bool)
    return _labels(table, ["machine_type", "section"], is_labeled)


def attribute_labels(table: pd.DataFrame, definition: AttributeLabel) -> Labels:
    """Classes by attribute text, named like `fan_00_m-n_W`; none counts as one text.

    Only training clips have a class. What test names tell about attributes is known in
    development data alone, and for anomalous clips it may name the fault.

    Args:
        table: clip table.
        definition: what must agree for two clips to be of one class.

    Raises:
        DataError: if the training clips are all of one class.
    """
    is_labeled = (table["split"] == "train").to_numpy(bool)
    return _labels(table, _COLUMNS[definition], is_labeled)


def domain_labels(table: pd.DataFrame, extra: npt.NDArray[np.bool_] | None = None) -> Labels:
    """Classes (machine type, section, attribute text, domain), named like `fan_00_m-n_W_target`.

    A clip of unknown domain counts as source. Only training clips have a class.

    Args:
        table: clip table.
        extra: bool `(clips,)`, further rows whose classes are added, without these rows
            being labeled; for code that takes its classes from test clips as well.

    Raises:
        DataError: if the training clips are all of one class, whatever `extra` adds.
    """
    is_labeled = (table["split"] == "train").to_numpy(bool)
    columns = ["machine_type", "section", "attributes", "domain"]
    return _labels(
        table.assign(domain=table["domain"].fillna("source")), columns, is_labeled, extra
    )


def _labels(
    table: pd.DataFrame,
    columns: list[str],
    is_labeled: npt.NDArray[np.bool_],
    extra: npt.NDArray[np.bool_] | None = None,
) -> Labels:
    texts = table[columns].fillna("").astype(object)
    keys: list[tuple[Any, ...]] = list(texts.itertuples(index=False, name=None))
    trained = {*itertools.compress(keys, table["split"] == "train")}
    if len(trained) < 2:
        raise DataError(
            "training needs at least 2 classes to tell apart, by "
            f"{', '.join(columns)}. Received: {', '.join(map(_name, trained)) or 'none'}. Add "
            "recordings of another machine type, or list the clips in a CSV file with the "
            f"column `{columns[-1]}`. Or take a system that learns nothing of the kind, such as "
            "--system baseline2023."
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
