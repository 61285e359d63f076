"""Attribute texts: where they may be taken apart, and which values make classes."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdkeras.data.labels import attribute_groups, attribute_pairs
from asdkeras.data.naming import parse_name
from tests.real_data import real_data

SEEN = {
    "vel_21": {"vel": "21"},
    "vel_8_loc_H": {"vel": "8", "loc": "H"},
    "vel_10_f-n_A": {"vel": "10", "f-n": "A"},
    "m-n_X": {"m-n": "X"},
    "n-lv_L1": {"n-lv": "L1"},
    "volt_3.0": {"volt": "3.0"},
    "volt_1.5_wt_200": {"volt": "1.5", "wt": "200"},
    "id_07": {"id": "07"},
    "ac_0.03": {"ac": "0.03"},
    "ac_0.03_": {"ac": "0.03"},
    "vel_660_ac_0.09": {"vel": "660", "ac": "0.09"},
    "pat_04_panel_bs-c": {"pat": "04", "panel": "bs-c"},
    "v1pat_05_v2pat_05": {"v1pat": "05", "v2pat": "05"},
    "car_G2_spd_34V_mic_1_noise_6": {"car": "G2", "spd": "34V", "mic": "1", "noise": "6"},
    "grindstone_3_plate_3": {"grindstone": "3", "plate": "3"},
    "fl_2_nos_3": {"fl": "2", "nos": "3"},
    "pro_B_vel_8_loc_B": {"pro": "B", "vel": "8", "loc": "B"},
    "spd_6_n_D": {"spd": "6", "n": "D"},
    "weight15_BckgF": None,
    "spd1000_BckgC": None,
    "mic_imp34dt05_mic_pos_A_grind_100_bkg_A": None,
    "noAttribute": None,
    "": None,
    "_": None,
    "vel_21_": {"vel": "21"},
    "vel_21__": None,
    "_vel_21": None,
    "vel__loc_A": None,
    "vel_1_vel_2": None,
    "vel_1_loc": None,
}
WORDS = st.text(st.characters(exclude_characters="_", codec="ascii"), min_size=1)


@pytest.mark.parametrize(("text", "pairs"), SEEN.items())
def test_texts_are_taken_apart_where_they_leave_no_doubt(text, pairs):
    assert attribute_pairs(text) == pairs


@given(st.dictionaries(WORDS.filter(lambda word: not word[-1].isdigit()), WORDS, min_size=1))
def test_taking_apart_undoes_putting_together(pairs):
    text = "_".join(f"{key}_{value}" for key, value in pairs.items())
    assert list(attribute_pairs(text).items()) == list(pairs.items())


def table_of(rows, machine_type="bearing"):
    """Clip table of (section, domain, split, attributes)."""
    frame = pd.DataFrame(rows, columns=["section", "domain", "split", "attributes"], dtype="string")
    return frame.assign(machine_type=pd.array([machine_type] * len(rows), "string"))


ROWS = [
    ("01", "source", "train", "vel_8_loc_H"),
    ("00", "source", "train", "vel_21"),
    ("00", "target", "train", "vel_8"),
    ("00", "source", "test", "vel_99"),
    ("00", None, "train", None),
    ("01", "target", "train", "vel_21_loc_A_"),
    ("02", "source", "train", "f-n_A"),
    ("02", "source", "supplemental", "f-n_B"),
    ("01", "source", "test", "loc_H"),
]


def test_every_key_has_the_values_of_training_clips_as_classes():
    groups = attribute_groups(table_of(ROWS), which="all")

    # `f-n` has a single value among training clips.
    assert list(groups) == ["loc", "vel"]
    assert groups["loc"].classes == ("A", "H")
    assert groups["loc"].indices.tolist() == [1, -1, -1, -1, -1, 0, -1, -1, -1]
    assert groups["vel"].classes == ("21", "8")
    assert groups["vel"].indices.tolist() == [1, 0, 1, -1, -1, 0, -1, -1, -1]
    assert groups["vel"].indices.dtype == np.int64


@pytest.mark.parametrize("which", ["all", "shifting"])
def test_order_of_the_rows_changes_neither_keys_nor_classes(which):
    table = table_of(ROWS)

    forward = attribute_groups(table, which=which)
    backward = attribute_groups(table.iloc[::-1], which=which)

    assert list(forward) == list(backward)
    for key, labels in forward.items():
        assert labels.classes == backward[key].classes
        assert labels.indices.tolist() == backward[key].indices[::-1].tolist()


def test_a_key_shifts_where_source_and_target_share_no_value():
    rows = [
        ("00", "source", "train", "vel_1_loc_A"),
        ("00", "source", "train", "vel_2_loc_B"),
        ("00", "target", "train", "vel_3_loc_A"),
        ("01", "source", "train", "vel_1_loc_A"),
        ("01", None, "train", "vel_2_loc_C"),
        ("01", "target", "train", "vel_2_loc_B"),
        ("02", "source", "train", "vel_5_loc_C"),
        ("03", "target", "train", "vel_6_loc_D"),
        ("00", "target", "test", "vel_1_loc_E"),
    ]

    groups = attribute_groups(table_of(rows), which="shifting")

    # A clip of unknown domain counts as source; sections 02 and 03 have one domain only.
    assert groups["vel"].classes == ("1", "2", "3")
    assert groups["vel"].indices.tolist() == [0, 1, 2, -1, -1, -1, -1, -1, -1]
    assert groups["loc"].classes == ("A", "B", "C")
    assert groups["loc"].indices.tolist() == [-1, -1, -1, 0, 2, 1, -1, -1, -1]


def test_a_section_number_of_another_machine_type_is_another_section():
    own = table_of([("00", "source", "train", "vel_1"), ("00", "target", "train", "vel_2")])
    other = table_of(
        [("00", "source", "train", "vel_2"), ("00", "target", "train", "vel_2")], "slider"
    )
    table = pd.concat([own, other], ignore_index=True)

    groups = attribute_groups(table, which="shifting")

    assert groups["vel"].indices.tolist() == [0, 1, -1, -1]


def test_one_training_text_in_doubt_makes_one_attribute_of_all_texts():
    rows = [
        ("00", "source", "train", "vel_1_loc_A"),
        ("00", "source", "train", "weight15_BckgF"),
        ("00", "target", "train", "vel_1_loc_B"),
        ("00", "target", "train", None),
        ("00", "source", "train", ""),
        ("00", "source", "test", "vel_9_loc_A"),
        ("01", "source", "train", "weight15_BckgF"),
    ]

    groups = attribute_groups(table_of(rows), which="all")

    assert list(groups) == ["attributes"]
    assert groups["attributes"].classes == ("vel_1_loc_A", "vel_1_loc_B", "weight15_BckgF")
    assert groups["attributes"].indices.tolist() == [0, 2, 1, -1, -1, -1, 2]
    shifting = attribute_groups(table_of(rows), which="shifting")
    assert shifting["attributes"].indices.tolist() == [0, 2, 1, -1, -1, -1, -1]


def test_a_test_text_in_doubt_changes_nothing():
    rows = [*ROWS, ("00", "source", "test", "weight15_BckgF")]
    assert list(attribute_groups(table_of(rows), which="all")) == ["loc", "vel"]


@pytest.mark.parametrize("which", ["all", "shifting"])
@pytest.mark.parametrize(
    "rows",
    [
        [("00", "source", "train", None), ("00", "target", "train", None)],
        [("00", "source", "train", "vel_1"), ("00", "target", "train", "vel_1")],
        [("00", "source", "test", "vel_1"), ("00", "target", "test", "vel_2")],
    ],
)
def test_there_may_be_nothing_to_tell_apart(rows, which):
    assert attribute_groups(table_of(rows), which=which) == {}


def test_the_table_stays_as_it_was():
    table = table_of(ROWS)
    before = table.copy()
    attribute_groups(table, which="shifting")
    pd.testing.assert_frame_equal(table, before)


def evaluation_names(machine_type):
    """(section, domain, split, attributes) by the names of 2022, and the listed keys by section.

    These are test clips; they stand here for training clips, whose names follow the same rules.
    """
    folder = real_data("1_ground_truth/dcase2022_evaluator/ground_truth_attributes") / machine_type
    rows, listed = [], {}
    for path in sorted(folder.glob("attributes_*.csv")):
        section = path.stem[-2:]
        with open(path, encoding="utf-8", newline="") as file:
            for fields in list(csv.reader(file))[1:]:
                place = next(i for i, field in enumerate(fields[1:], 1) if ".wav" in field)
                name = parse_name(Path(fields[place]).name)
                rows.append((section, name.domain, "train", name.attributes))
                keys = {key.replace("speed", "spd") for key in fields[1:place:2]}
                listed.setdefault(section, set()).update(keys)
    return rows, listed


@pytest.mark.parametrize(
    "machine_type", ["ToyCar", "ToyTrain", "bearing", "fan", "gearbox", "slider", "valve"]
)
def test_the_shifting_keys_of_real_names_are_those_the_organizers_list(machine_type):
    rows, listed = evaluation_names(machine_type)
    sections = np.array([row[0] for row in rows])

    groups = attribute_groups(table_of(rows, machine_type), which="shifting")

    if machine_type == "valve":
        # There, the target domain has both valves at once and the source one of them.
        assert listed.pop("05") <= {"v1pat", "v2pat"}
    found = {
        section: {
            key
            for key, labels in groups.items()
            if (labels.indices[sections == section] >= 0).all()
        }
        for section in listed
    }
    assert found == listed
    assert set(groups) == set.union(*listed.values())
