"""Files of ground truth: what each form says, and that no wrong line gets through."""

import pytest

from asdkeras.data.manifest import TruthFile
from asdkeras.data.truth_tables import (
    Tables,
    is_correspondence,
    read_correspondence,
    read_list,
    read_tables,
    read_values,
)
from asdkeras.errors import DataError

FAN = "section_03_0000.wav,section_03_source_test_normal_0007_m-n_X.wav"
OTHER_FAN = "section_03_0001.wav,section_03_target_test_anomaly_0007_m-n_W.wav"


@pytest.fixture
def table(tmp_path):
    def write(text, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_list_is_read_per_machine_type_in_any_order(table, end, mark):
    path = table(mark + end.join(["valve", FAN, "fan", OTHER_FAN, FAN, ""]) + end)

    listed = read_list(path, {"fan", "valve", "slider"})

    assert {name: [line.name for line in lines] for name, lines in listed.items()} == {
        "valve": ["section_03_0000.wav"],
        "fan": ["section_03_0001.wav", "section_03_0000.wav"],
    }
    assert listed["fan"][0].labeled_name == "section_03_target_test_anomaly_0007_m-n_W.wav"
    assert listed["fan"][0].place == f"{path}: line 4"


@pytest.mark.parametrize(
    ("line", "labeled_name", "with_attributes"),
    [
        (
            "section_00_0000.wav,section_00_source_normal_0035_weight15_BckgF",
            "section_00_source_normal_0035_weight15_BckgF.wav",
            None,
        ),
        (
            "section_00_0002.wav,section_00_source_test_anomaly_0002_ac_0.03_",
            "section_00_source_test_anomaly_0002_ac_0.03_.wav",
            None,
        ),
        (
            "section_00_0000.wav,section_00_source_test_anomaly_0037_noAttribute,"
            "section_00_source_test_anomaly_0037_id_B2_spd_2_mic_1.wav",
            "section_00_source_test_anomaly_0037_noAttribute.wav",
            "section_00_source_test_anomaly_0037_id_B2_spd_2_mic_1.wav",
        ),
    ],
)
def test_file_of_one_machine_type_may_leave_the_ending_out(
    table, line, labeled_name, with_attributes
):
    (row,) = read_list(table(line), "RoboticArm")["RoboticArm"]

    assert (row.labeled_name, row.name_with_attributes) == (labeled_name, with_attributes)


@pytest.mark.parametrize("label", ["1", "1.0"])
def test_third_column_may_be_the_label(table, label):
    path = table(f"id_01_00000001.wav,anomaly_id_01_00000064.wav,{label}")

    (row,) = read_list(path, "fan")["fan"]

    assert row.name_with_attributes is None


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ([FAN], "line 1: comes before the name of a machine type"),
        (["fan", "Fan", FAN], "line 2: not a machine type of this year. Received: Fan"),
        (["fan", "section_03_00"], "line 2: not a machine type of this year. Received: section_0"),
        (["fan", FAN, "fan"], "line 3: the machine type fan is there twice"),
        (["fan", FAN, FAN], "line 3: section_03_0000.wav of fan is there twice"),
        (
            ["fan", FAN, FAN.replace("0000", "test_0000").replace("0007", "0008")],
            "line 3: section_03_test_0000.wav of fan is there twice",
        ),
        (
            ["fan", FAN, FAN.replace("0000", "0002")],
            "line 3: section_03_source_test_normal_0007_m-n_X.wav of fan is there twice",
        ),
        (["fan", f"{FAN},0,0"], "line 2: must have two or three fields. Received: section_03"),
        (["fan", FAN.replace("section_03_0000", "a")], "line 2: not a file name of an evaluation"),
        (
            ["fan", FAN.replace("section_03_0000", "section_03_normal_0000")],
            "line 2: not a file name of an evaluation clip. Received: section_03_normal_0000.wav",
        ),
        (["fan", FAN.replace("normal_", "")], "line 2: not a labeled file name. Received: sect"),
        (["fan", FAN.replace("_03_s", "_04_s")], "line 2: .* contradict each other"),
        (
            ["fan", FAN.replace("section_03_0", "section_03_target_0")],
            "line 2: section_03_target_0000.wav and .* contradict each other",
        ),
        (["fan", f"{FAN},1"], "line 2: .* and the label 1 contradict each other"),
        (["fan", f"{FAN},normal"], "line 2: the third field must be a label or the name with"),
        (
            ["fan", f"{FAN},section_03_source_test_anomaly_0007_m-n_X.wav"],
            "line 2: the third field must be a label or the name with attributes",
        ),
        (
            ["fan", f"{FAN},section_03_source_test_normal_0007_noAttribute.wav"],
            "line 2: the third field must be a label or the name with attributes",
        ),
    ],
)
def test_wrong_line_of_a_list_is_named(table, lines, fault):
    path = table("\n".join(lines))

    with pytest.raises(DataError, match=f"{path}: 1 lines are not as published(.|\n)*{fault}"):
        read_list(path, {"fan", "valve"})


def test_all_wrong_lines_are_named(table):
    path = table("fan\na,b\n\nc,d\n")

    with pytest.raises(DataError, match=r"2 lines are not(.|\n)*\n  line 2: (.|\n)*\n  line 4: "):
        read_list(path, {"fan"})


def test_same_name_in_two_machine_types_is_no_repetition(table):
    listed = read_list(table(f"fan\n{FAN}\nvalve\n{FAN}\n"), {"fan", "valve"})

    assert [len(lines) for lines in listed.values()] == [1, 1]


def test_values_are_zero_and_one_in_any_form(table):
    path = table("section_03_0000.wav,1\r\nsection_03_0001.wav, 0.0\r\nsection_03_0002.wav,1.0\r\n")

    values = read_values(path)

    assert {name: value.is_one for name, value in values.items()} == {
        "section_03_0000.wav": True,
        "section_03_0001.wav": False,
        "section_03_0002.wav": True,
    }
    assert values["section_03_0002.wav"].place == f"{path}: line 3"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("section_03_0000.wav", "must be a file name and 0 or 1. Received: section_03_0000.wav"),
        ("section_03_0001.wav,2", "must be a file name and 0 or 1. Received: section_03_0001.w"),
        ("section_03_0001.wav,1,1", "must be a file name and 0 or 1"),
        ("file_name,label", "must be a file name and 0 or 1. Received: file_name,label"),
        ("x.wav,1", "not a file name of an evaluation clip. Received: x.wav"),
        ("section_03_normal_0001.wav,1", "not a file name of an evaluation clip"),
        ("section_03_0000.wav,1", "section_03_0000.wav is there twice"),
    ],
)
def test_wrong_line_of_a_table_is_named(table, line, fault):
    path = table(f"section_03_0000.wav,1\n{line}\n")

    with pytest.raises(DataError, match=f"{path}: 1 lines are not(.|\n)*line 2: {fault}"):
        read_values(path)


@pytest.mark.parametrize("content", [b"", b"\n \r\n", b"\xef\xbb\xbf"])
def test_empty_file_is_refused(table, content):
    path = table(content)

    with pytest.raises(DataError, match=f"{path}: is empty. Delete it and fetch it again"):
        read_values(path)


@pytest.mark.parametrize("read", [read_values, read_correspondence])
def test_file_that_is_no_text_is_refused(table, read):
    path = table(b"\xff\xfe\x00section")

    with pytest.raises(DataError, match=f"{path}: not a readable table: .*Delete it and fetch"):
        read(path)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"a.csv: not a readable table: .*No such file"):
        read_list(tmp_path / "a.csv", "fan")


HEADER = "source_file_name,target_file_name"
PAIR = (
    "section_00_source_test_anomaly_0001_car_B1_spd_7_mic_1.wav,"
    "section_00_source_test_anomaly_0021_noAttribute.wav"
)


def test_correspondence_gives_attributes_to_distributed_names(table):
    lines = [
        HEADER,
        PAIR,
        "section_00_source_test_anomaly_0003_ac_0.03_.wav,section_00_0095.wav",
        "section_00_source_train_normal_0003_pro_A_wt_200_damage1.wav,"
        "section_00_source_train_normal_0003_noAttribute.wav",
    ]

    assert read_correspondence(table("\r\n".join(lines))) == {
        "section_00_source_test_anomaly_0021_noAttribute.wav": "car_B1_spd_7_mic_1",
        "section_00_0095.wav": "ac_0.03_",
        "section_00_source_train_normal_0003_noAttribute.wav": "pro_A_wt_200_damage1",
    }


@pytest.mark.parametrize(("text", "expected"), [(f"{HEADER}\n", True), (FAN, False), ("", False)])
def test_header_tells_a_correspondence(table, text, expected):
    assert is_correspondence(table(text)) is expected


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ([PAIR], "the first line must be `source_file_name,target_file_name`"),
        ([HEADER, PAIR, HEADER], "line 3: not a file name with attributes. Received: source_file"),
        ([HEADER, f"{PAIR},1"], "line 2: must have two fields"),
        (
            [HEADER, PAIR.replace("car_B1_spd_7_mic_1", "noAttribute")],
            "line 2: not a file name with attributes. Received: section_00_source_test_anomaly_00",
        ),
        (
            [HEADER, PAIR.replace("0021_noAttribute.wav", "0021_noAttribute")],
            "line 2: not a file name of a clip. Received: section_00_source_test_anomaly_0021_noA",
        ),
        ([HEADER, PAIR, PAIR], "line 3: section_00_source_test_anomaly_0021_noAttribute.wav is"),
        ([HEADER, PAIR.replace("anomaly_0021", "normal_0021")], "line 2: .* contradict each other"),
        ([HEADER, PAIR.replace("test_anomaly_0021", "train_anomaly_0021")], "line 2: .*contradict"),
    ],
)
def test_wrong_line_of_a_correspondence_is_named(table, lines, fault):
    path = table("\n".join(lines))

    with pytest.raises(DataError, match=f"{path}: (.|\n)*{fault}"):
        read_correspondence(path)


VALUES = "section_03_0000.wav,0\nsection_03_0001.wav,1\n"


def files(*kinds):
    return [
        TruthFile(kind, None if kind == "names" else "fan", f"{kind}{i}.csv", "", "")
        for i, kind in enumerate(kinds)
    ]


def test_tables_of_one_machine_type_are_joined(table):
    first, second = VALUES.splitlines()
    folder = table(first, "labels0.csv").parent
    table(second, "labels1.csv")

    tables = read_tables(folder, files("labels", "labels"), ["fan"])

    assert isinstance(tables, Tables)
    assert (tables.listed, tables.domains) == ({}, {})
    assert [value.is_one for value in tables.labels["fan"].values()] == [False, True]


def test_labels_and_domains_are_kept_apart(table):
    folder = table(VALUES, "labels0.csv").parent
    table(VALUES.replace(",1", ",0"), "domains1.csv")

    tables = read_tables(folder, files("labels", "domains"), ["fan"])

    assert tables.labels["fan"]["section_03_0001.wav"].is_one
    assert not tables.domains["fan"]["section_03_0001.wav"].is_one


def test_clip_in_two_tables_is_refused(table):
    folder = table(VALUES, "labels0.csv").parent
    table(VALUES, "labels1.csv")

    with pytest.raises(DataError) as caught:
        read_tables(folder, files("labels", "labels"), ["fan"])

    assert str(caught.value).splitlines()[1] == (
        f"  {folder}/labels1.csv: line 1 and {folder}/labels0.csv: line 1: section_03_0000.wav"
    )


@pytest.mark.parametrize("kind", ["labels", "domains"])
def test_clips_missing_in_a_table_or_in_the_list_are_named(table, kind):
    folder = table(f"fan\n{FAN}\nvalve\n{FAN}\n", "names0.csv").parent
    table(VALUES, f"{kind}1.csv")

    with pytest.raises(DataError) as caught:
        read_tables(folder, files("names", kind), ["fan", "valve"])

    assert str(caught.value).splitlines() == [
        f"{folder}: 2 clips are not in all files of the ground truth. Delete these and fetch them "
        "again:",
        f"  {folder}/{kind}1.csv: line 2: section_03_0001.wav of fan is in no list of names",
        f"  {folder}/names0.csv: line 4: section_03_0000.wav of valve is in no table of {kind}",
    ]
