"""Files of ground truth: what each form says."""

import pytest

from asdkeras.data.truth import _read_tables as read_tables
from asdkeras.data.truth import read_correspondence, released_attributes
from asdkeras.errors import DataError
from tests.truth_files import dataset, pinned

FAN = "section_03_0000.wav,section_03_source_test_normal_0007_m-n_X.wav"
OTHER_FAN = "section_03_0001.wav,section_03_target_test_anomaly_0007_m-n_W.wav"


@pytest.fixture
def table(tmp_path):
    def write(text, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def files(folder, *files):
    """Published files as they lie in a folder."""
    return pinned(dataset(2023, ("primary", *files)), folder).truth[0].files


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_list_is_read_per_machine_type_in_any_order(table, end, mark):
    path = table(mark + end.join(["valve", FAN, "fan", OTHER_FAN, FAN, ""]) + end)

    listed, *_ = read_tables(path.parent, files(path.parent, ("names", None, path.name)))

    assert {name: [*lines] for name, lines in listed.items()} == {
        "valve": ["section_03_0000.wav"],
        "fan": ["section_03_0001.wav", "section_03_0000.wav"],
    }
    labeled_name = "section_03_target_test_anomaly_0007_m-n_W.wav"
    assert listed["fan"]["section_03_0001.wav"] == labeled_name


@pytest.mark.parametrize(
    ("line", "labeled_name"),
    [
        (
            "section_00_0000.wav,section_00_source_normal_0035_weight15_BckgF",
            "section_00_source_normal_0035_weight15_BckgF.wav",
        ),
        (
            "section_00_0002.wav,section_00_source_test_anomaly_0002_ac_0.03_",
            "section_00_source_test_anomaly_0002_ac_0.03_.wav",
        ),
        (
            "section_00_0000.wav,section_00_source_test_anomaly_0037_noAttribute,"
            "section_00_source_test_anomaly_0037_id_B2_spd_2_mic_1.wav",
            "section_00_source_test_anomaly_0037_noAttribute.wav",
        ),
        ("id_01_00000001.wav,anomaly_id_01_00000064.wav,1.0", "anomaly_id_01_00000064.wav"),
    ],
)
def test_file_of_one_machine_type_may_leave_the_ending_out(table, line, labeled_name):
    folder = table(line).parent

    listed, *_ = read_tables(folder, files(folder, ("names", "RoboticArm", "table.csv")))

    assert listed == {"RoboticArm": {line.split(",")[0]: labeled_name}}


def test_values_are_zero_and_one_in_any_form(table):
    path = table("section_03_0000.wav,1\r\nsection_03_0001.wav, 0.0\r\nsection_03_0002.wav,1.0\r\n")

    _, labels, _ = read_tables(path.parent, files(path.parent, ("labels", "fan", path.name)))

    assert labels["fan"] == {
        "section_03_0000.wav": True,
        "section_03_0001.wav": False,
        "section_03_0002.wav": True,
    }


def test_file_that_is_no_text_is_refused(table):
    path = table(b"\xff\xfe\x00section")

    with pytest.raises(DataError, match=f"{path}: not a readable table: .*Delete it and fetch"):
        read_correspondence(path)


def test_missing_file_is_refused(tmp_path):
    wanted = files(tmp_path, ("names", "fan", "a.csv"))

    with pytest.raises(DataError, match=r"a.csv: not a readable table: .*No such file"):
        read_tables(tmp_path, wanted)


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
    path = table("\r\n".join(lines))
    released = ("released_attributes", ("attributes", "ToyPet", path.name))
    content = pinned(dataset(2025, released), path.parent)

    assert released_attributes(content, path.parent) == {"ToyPet": read_correspondence(path)}
    assert read_correspondence(path) == {
        "section_00_source_test_anomaly_0021_noAttribute.wav": "car_B1_spd_7_mic_1",
        "section_00_0095.wav": "ac_0.03_",
        "section_00_source_train_normal_0003_noAttribute.wav": "pro_A_wt_200_damage1",
    }


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ([PAIR], "the first line must be `source_file_name,target_file_name`"),
        ([], "the first line must be `source_file_name,target_file_name`"),
        ([HEADER, PAIR, HEADER], "each line must be .* Received: source_file_name,target_file_n"),
        ([HEADER, f"{PAIR},1"], "each line must be .* Received: .*,1"),
        ([HEADER, PAIR.replace("car_B1_spd_7_mic_1", "noAttribute")], "each line must be"),
        ([HEADER, PAIR.replace("0021_noAttribute.wav", "0021_noAttribute")], "each line must be"),
    ],
)
def test_wrong_line_of_a_correspondence_is_named(table, lines, fault):
    path = table("\n".join(lines))

    with pytest.raises(DataError, match=f"{path}: {fault}"):
        read_correspondence(path)


VALUES = "section_03_0000.wav,0\nsection_03_0001.wav,1\n"


def test_tables_of_one_machine_type_are_joined(table):
    first, second = VALUES.splitlines()
    folder = table(first, "a.csv").parent
    table(second, "b.csv")

    listed, labels, domains = read_tables(
        folder, files(folder, *(("labels", "fan", f"{n}.csv") for n in "ab"))
    )

    assert (listed, domains) == ({}, {})
    assert list(labels["fan"].values()) == [False, True]


def test_labels_and_domains_are_kept_apart(table):
    folder = table(VALUES, "l.csv").parent
    table(VALUES.replace(",1", ",0"), "d.csv")
    both = files(folder, ("labels", "fan", "l.csv"), ("domains", "fan", "d.csv"))

    _, labels, domains = read_tables(folder, both)

    assert labels["fan"]["section_03_0001.wav"]
    assert not domains["fan"]["section_03_0001.wav"]
