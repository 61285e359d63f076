"""Labels: what makes a class, and which clips have none."""

import numpy as np
import pandas as pd
import pytest

from asdkeras.data.clips import COLUMNS
from asdkeras.data.labels import attribute_labels, section_labels
from asdkeras.errors import DataError

ROWS = [
    # machine type, section, split, attributes
    ("valve", "01", "train", "pat_06"),
    ("fan", "00", "train", "m-n_W"),
    ("fan", "00", "train", "m-n_X"),
    ("fan", "00", "test", "m-n_W"),
    ("fan", "00", "supplemental", None),
    ("fan", "01", "train", "m-n_W"),
    ("fan", "01", "train", None),
    ("pump", "07", "test", "m-n_Z"),
]


def table_of(rows):
    frame = pd.DataFrame(rows, columns=["machine_type", "section", "split", "attributes"])
    frame = frame.assign(
        path=[f"{number}.wav" for number in range(len(rows))], dataset="own", domain=pd.NA
    )
    frame["is_anomalous"] = pd.NA
    return frame[list(COLUMNS)].astype(COLUMNS)


def test_section_classes_are_those_of_training_clips():
    labels = section_labels(table_of(ROWS))

    assert labels.classes == ("fan_00", "fan_01", "valve_01")
    assert labels.indices.tolist() == [2, 0, 0, 0, -1, 1, 1, -1]


@pytest.mark.parametrize(
    ("definition", "classes", "indices"),
    [
        (
            "machine_section_attribute",
            ("fan_00_m-n_W", "fan_00_m-n_X", "fan_01", "fan_01_m-n_W", "valve_01_pat_06"),
            [4, 0, 1, -1, -1, 3, 2, -1],
        ),
        (
            "machine_attribute",
            ("fan", "fan_m-n_W", "fan_m-n_X", "valve_pat_06"),
            [3, 1, 2, -1, -1, 1, 0, -1],
        ),
        ("attribute", ("", "m-n_W", "m-n_X", "pat_06"), [3, 1, 2, -1, -1, 1, 0, -1]),
    ],
)
def test_attribute_classes_agree_in_what_the_definition_names(definition, classes, indices):
    labels = attribute_labels(table_of(ROWS), definition)

    assert labels.classes == classes
    assert labels.indices.tolist() == indices
    assert labels.indices.dtype == np.int64


def test_order_of_the_rows_does_not_change_the_classes():
    table = table_of(ROWS)
    reversed_table = table.iloc[::-1]

    forward = attribute_labels(table, "machine_section_attribute")
    backward = attribute_labels(reversed_table, "machine_section_attribute")

    assert forward.classes == backward.classes
    assert forward.indices.tolist() == backward.indices[::-1].tolist()


def test_one_class_is_refused_with_the_way_out():
    table = table_of([ROWS[1], ROWS[2], ROWS[7]])
    with pytest.raises(DataError, match=r"at least 2 classes.*Received: fan_00\..*`section`"):
        section_labels(table)


def test_no_training_clip_is_no_class():
    with pytest.raises(DataError, match="Received: none"):
        attribute_labels(table_of([ROWS[3]]), "attribute")
