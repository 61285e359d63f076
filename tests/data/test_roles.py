"""Roles: what names say of split, domain and label."""

import pytest

from asdkeras.data.roles import place_of, said

NORMAL = ["normal", "Normals", "OK", "o.k.", "good", "Healthy", "no_fault", "nofault", "not broken"]
NORMAL += ["undamaged", "non-anomalous", "fault-free", "DefectFree", "negative", "ok_01", "okay"]
ANOMALOUS = ["anomaly", "anomalies", "ABNORMAL", "anormal", "nonormal", "Not Normal", "AbNormal"]
ANOMALOUS += ["NG", "n.g.", "nok", "not_ok", "notOK", "un-healthy", "broken", "faulty", "Faults"]
ANOMALOUS += ["defect", "damaged", "FAILED", "positive", "normal and anomaly", "bad-clips (2)"]
SILENT = ["fan", "ToyCar", "id_00", "AB", "abc", "normality", "default", "booking", "testament"]
SILENT += ["contrast", "goodyear", "7", "data", "dev_data", "no load", "restrain", "lock"]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        *((name, False) for name in NORMAL),
        *((name, True) for name in ANOMALOUS),
        *((name, None) for name in SILENT),
    ],
)
def test_words_say_the_label_whole_and_without_case(name, label):
    assert said(name).is_anomalous is label
    assert said(name).is_role == (label is not None)


@pytest.mark.parametrize(
    ("name", "split", "domain"),
    [
        *(("Train", "train", None), ("TRAINING data", "train", None), ("test-set", "test", None)),
        *(
            ("Testing", "test", None),
            ("Target_Test", "test", "target"),
            ("val", "validation", None),
        ),
        *(("evaluation", "test", None), ("Supplemental", "supplemental", None)),
        ("source_train", "train", "source"),
    ],
)
def test_words_say_split_and_domain(name, split, domain):
    assert said(name) == (split, domain, None, "")


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        *(("fan_ok", "fan"), ("brake test bench", "brake bench"), ("no load fault", "no load")),
        ("Positive pump", "positive pump"),
    ],
)
def test_a_name_with_other_words_is_no_role(name, rest):
    assert said(name).rest == rest
    assert not said(name).is_role


@pytest.mark.parametrize(
    ("folder", "place", "expected"),
    [
        ("data/fan/Train", "data/fan", ("train", None, None)),
        ("data/fan/TEST/source/NG", "data/fan", ("test", "source", True)),
        ("data/good/fan", "data/good/fan", (None, None, None)),
        ("data/eval/train", "data/eval", ("train", None, None)),
        ("data/test", "data", ("test", None, None)),
        ("OK/train", "OK", ("train", None, None)),
        ("data", "data", (None, None, None)),
    ],
)
def test_a_place_ends_at_the_machine_or_where_all_begins(folder, place, expected):
    assert place_of(folder, ["data", "OK"]) == (place, (*expected, ""))
