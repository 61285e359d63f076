"""What a network may learn to tell apart: sections and attributes of training clips.

Classes come from the training split alone. Neither a test clip nor its attributes, nor a
supplemental clip, which may hold noise without a machine, ever makes one.
"""

import dataclasses
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


def one_hot(indices: npt.ArrayLike, num_classes: int) -> npt.NDArray[np.float32]:
    """One-hot rows `(clips, classes)`.

    Args:
        indices: int `(clips,)`, in [0, num_classes).
        num_classes: int > 0.

    Raises:
        ValueError: if an index is out of range, as that of a clip without a class.

    >>> one_hot([1, 0], 3)
    array([[0., 1., 0.],
           [1., 0., 0.]], dtype=float32)
    """
    indices = np.asarray(indices, np.int64)
    if indices.size and not 0 <= indices.min() <= indices.max() < num_classes:
        raise ValueError(
            f"class indices must lie in [0, {num_classes}). "
            f"Received: {indices.min()} to {indices.max()}"
        )
    rows = np.zeros((len(indices), num_classes), np.float32)
    rows[np.arange(len(indices)), indices] = 1.0
    return rows


def _labels(table: pd.DataFrame, columns: list[str], is_labeled: npt.NDArray[np.bool_]) -> Labels:
    texts = table[columns].fillna("").astype(object)
    keys: list[tuple[Any, ...]] = list(texts.itertuples(index=False, name=None))
    is_training = (table["split"] == "train").to_numpy(bool)
    classes = sorted({key for key, training in zip(keys, is_training, strict=True) if training})
    names = tuple("_".join(part for part in key if part) for key in classes)
    if len(classes) < 2:
        raise DataError(
            f"at least 2 classes of training clips are needed to tell apart by {', '.join(columns)}"
            f". Received: {', '.join(names) or 'none'}. Add training clips of another machine type "
            "or section, or name attributes (column `attributes` of a CSV file)."
        )
    index = {key: number for number, key in enumerate(classes)}
    indices = [
        index.get(key, -1) if labeled else -1 for key, labeled in zip(keys, is_labeled, strict=True)
    ]
    return Labels(names, np.array(indices, np.int64))
