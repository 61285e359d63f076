"""Labels: what makes a class, and which clips have none."""

import numpy as np
import pandas as pd
import pytest

from asdkeras.data.clip_table import COLUMNS
from asdkeras.data.labels import (
    attribute_labels,
    domain_labels,
    section_labels,
    source_and_target,
)
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


DOMAIN_ROWS = [
    # machine type, section, split, attributes, domain
    ("valve", "01", "train", None, "target"),
    ("fan", "00", "train", "m-n_W", "source"),
    ("fan", "00", "train", "m-n_W", "target"),
    ("fan", "00", "train", "m-n_W", None),
    ("fan", "00", "train", "m-n_X", None),
    ("fan", "01", "train", "m-n_W", "source"),
    ("fan", "00", "test", "m-n_W", "source"),
    ("fan", "00", "test", "m-n_Y", "target"),
    ("fan", "00", "supplemental", None, None),
    ("pump", "07", "test", "m-n_Z", None),
]
TRAINED_CLASSES = (
    "fan_00_m-n_W_source",
    "fan_00_m-n_W_target",
    "fan_00_m-n_X_source",
    "fan_01_m-n_W_source",
    "valve_01_target",
)
TRAINED_INDICES = [4, 0, 1, 0, 2, 3, -1, -1, -1, -1]


def test_one_class_is_made_where_one_is_enough():
    table = table_of([("fan", section, "train", None) for section in ("00", "01")])

    assert len(attribute_labels(table, "machine_section_attribute").classes) == 2
    assert attribute_labels(table, "attribute", least=1).indices.tolist() == [0, 0]
    assert section_labels(table[:1], least=1).classes == ("fan_00",)
    for least in (1, 2):
        with pytest.raises(DataError, match=f"at least {least} classes"):
            attribute_labels(table[: least - 1], "attribute", least)


def domain_table(rows):
    domains = pd.array([row[4] for row in rows], "string")
    return table_of([row[:4] for row in rows]).assign(domain=domains)


def test_domain_classes_are_section_attributes_and_domain_of_training_clips():
    labels = domain_labels(domain_table(DOMAIN_ROWS))

    assert labels.classes == TRAINED_CLASSES
    assert labels.indices.tolist() == TRAINED_INDICES
    assert labels.indices.dtype == np.int64


def test_no_known_domain_is_source():
    labels = domain_labels(table_of(ROWS))
    assert all(name.endswith("_source") for name in labels.classes)


def test_extra_rows_add_classes_and_have_none():
    table = domain_table(DOMAIN_ROWS)

    labels = domain_labels(table, extra=(table["split"] == "test").to_numpy(bool))

    names = {*TRAINED_CLASSES, "fan_00_m-n_Y_target", "pump_07_m-n_Z_source"}
    assert labels.classes == tuple(sorted(names))
    assert [labels.classes[i] if i >= 0 else "" for i in labels.indices] == [
        TRAINED_CLASSES[i] if i >= 0 else "" for i in TRAINED_INDICES
    ]


def test_domain_labels_leave_the_table_as_it_was():
    table = domain_table(DOMAIN_ROWS)
    before = table.copy()
    domain_labels(table, extra=np.ones(len(table), bool))
    pd.testing.assert_frame_equal(table, before)


def test_extra_classes_do_not_make_up_for_a_single_class():
    rows = [DOMAIN_ROWS[1], DOMAIN_ROWS[3], DOMAIN_ROWS[7]]
    with pytest.raises(
        DataError, match=r"2 classes.*Received: fan_00_m-n_W_source\..*`attributes`"
    ):
        domain_labels(domain_table(rows), extra=np.array([False, False, True]))


def test_training_clips_are_source_clips_unless_they_are_of_the_target_domain():
    rows = [("train", "source"), ("train", "target"), ("train", pd.NA)]
    rows += [("test", "source"), ("test", "target"), ("supplemental", pd.NA)]
    table = pd.DataFrame(rows, columns=["split", "domain"]).astype("string")

    is_source, is_target = source_and_target(table)

    assert is_source.tolist() == [True, False, True, False, False, False]
    assert is_target.tolist() == [False, True, False, False, False, False]
