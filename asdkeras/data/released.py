"""Attributes that a challenge withheld and its organizers released afterwards.

For some machine types of 2024 and 2025 the distributed names say `noAttribute`. Systems
that use the released attributes are not first-shot, so nothing here is read unless asked.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from asdkeras.data import naming, years
from asdkeras.data.layouts import Clip
from asdkeras.data.manifest import Dataset
from asdkeras.data.truth import read_truth
from asdkeras.data.truth_tables import read_attributes


def released_attributes(dataset: Dataset, folder: Path) -> dict[str, dict[str, str]]:
    """Read what the published files of a dataset say.

    Args:
        dataset: says which files there are.
        folder: holds them, by their `name`.

    Returns:
        per machine type, the attributes of each distributed file name and, as far as the
        ground truth is there, of each labeled name of an evaluation clip.

    Raises:
        DataError: if a file is missing or not as published.
    """
    released: dict[str, dict[str, str]] = {}
    for source in dataset.truth:
        if source.role == "released_attributes":
            for file in source.files:
                machine_type = str(file.machine_type)
                released.setdefault(machine_type, {}).update(read_attributes(folder, file))
    truth = read_truth(dataset, folder)
    if truth is None:
        return released
    for machine_type in years.WITHHELD.get(dataset.year, set()) & set(truth.machine_types):
        attributes = released.setdefault(machine_type, {})
        for row in truth.rows(machine_type):
            labeled = naming.parse_name(row.labeled_name)
            text = attributes.get(row.name) or (labeled.attributes if labeled else None)
            if text is not None:
                attributes[row.name] = attributes[row.labeled_name] = text
    return released


def with_released_attributes(
    clips: Iterable[Clip], released: Mapping[str, Mapping[str, str]]
) -> list[Clip]:
    """Fill in released attributes, by file name, where a clip has none.

    Args:
        clips: of one dataset.
        released: per machine type, the attributes of each distributed file name.
    """
    by_key = {
        machine_type: {naming.clip_key(name): text for name, text in attributes.items()}
        for machine_type, attributes in released.items()
    }
    return [
        clip._replace(attributes=names.get(naming.clip_key(os.path.basename(clip.path))))
        if clip.attributes is None and (names := by_key.get(clip.machine_type)) is not None
        else clip
        for clip in clips
    ]
