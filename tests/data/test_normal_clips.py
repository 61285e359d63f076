"""Normal clips: what a folder is taken for. The files are empty; only names count here."""

import os
import re

import pytest

from asdkeras.data.normal_clips import learned_from, normal_clips
from asdkeras.errors import DataError
from tests.data.trees import make, make_2023


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ASDKERAS_CACHE", str(tmp_path / "cache"))


def rows(table):
    """What each file was taken for, by file name."""
    columns = ["machine_type", "section", "domain", "split", "is_anomalous", "attributes"]
    values = table[columns].astype(object).where(table[columns].notna(), None)
    return dict(
        zip(table["path"].map(os.path.basename), values.itertuples(False, None), strict=True)
    )


def refusal(data, machines=None):
    with pytest.raises(DataError) as caught:
        normal_clips(data, machines)
    assert "\n" not in str(caught.value).split(":\n")[0]
    return str(caught.value)


def test_a_folder_of_files_is_one_machine(tmp_path):
    make(tmp_path / "feed pump", "monday 1.wav", "monday 2.FLAC")

    table, notes, dataset = normal_clips(tmp_path / "feed pump")

    assert rows(table) == {
        "monday 1.wav": ("feed_pump", "00", None, "train", False, None),
        "monday 2.FLAC": ("feed_pump", "00", None, "train", False, None),
    }
    assert (notes, dataset) == ((), "feed_pump")
    assert all(map(os.path.isfile, table["path"]))


def test_a_folder_of_folders_is_a_machine_each(tmp_path):
    make(tmp_path / "mine", "fan/a.wav", "fan/b.wav", "hall 2/pump/c.wav", "hall 2/pump/d.wav")

    table, notes, dataset = normal_clips(tmp_path / "mine")

    assert {name: row[0] for name, row in rows(table).items()} == {
        **{"a.wav": "fan", "b.wav": "fan", "c.wav": "pump", "d.wav": "pump"}
    }
    assert (notes, dataset) == ((), "mine")


def test_machines_of_plain_folders_can_be_chosen(tmp_path):
    make(tmp_path, "fan/a.wav", "fan/b.wav", "pump/a.wav", "pump/b.wav")

    assert set(normal_clips(tmp_path, ["pump"])[0]["machine_type"]) == {"pump"}
    assert "no machine type `pum`. Did you mean `pump`?" in refusal(tmp_path, ["pum"])


@pytest.mark.parametrize("name", ["train", "normal", "Train", "OK", "good", "Training/healthy"])
def test_a_folder_that_names_no_machine_is_named_after_the_one_above(tmp_path, name):
    make(tmp_path / "fan" / name, "a.wav", "b.wav")
    assert set(normal_clips(tmp_path / "fan" / name)[0]["machine_type"]) == {"fan"}


def test_the_folder_one_is_in_has_a_name(tmp_path, monkeypatch):
    make(tmp_path / "fan", "a.wav", "b.wav", "old/c.wav")
    monkeypatch.chdir(tmp_path / "fan")

    table, notes, dataset = normal_clips(".")

    assert set(rows(table)) == {"a.wav", "b.wav"}
    assert set(table["machine_type"]) == {dataset} == {"fan"}
    assert len(notes) == 1
    assert "1 audio files" in notes[0]


def test_official_names_say_section_domain_and_attributes_if_all_are_official(tmp_path):
    names = [
        "section_01_source_train_normal_0000_vel_6.wav",
        "section_01_target_train_normal_0001_vel_8.wav",
    ]
    make(tmp_path / "fan", *names)

    official, _, _ = normal_clips(tmp_path / "fan")
    make(tmp_path / "fan", "and another.wav")
    mixed, _, _ = normal_clips(tmp_path / "fan")

    assert list(rows(official).values()) == [
        ("fan", "01", "source", "train", False, "vel_6"),
        ("fan", "01", "target", "train", False, "vel_8"),
    ]
    assert set(rows(mixed).values()) == {("fan", "00", None, "train", False, None)}


def test_hidden_files_are_skipped_and_other_files_are_noted(tmp_path):
    make(tmp_path / "fan", "a.wav", "b.wav", "._a.wav", ".DS_Store", "notes.txt", "c.mp3")

    table, notes, _ = normal_clips(tmp_path / "fan")

    assert set(rows(table)) == {"a.wav", "b.wav"}
    assert len(notes) == 2
    assert "2 files are no WAV or FLAC audio and are not read: c.mp3, notes.txt." in notes[0]
    assert notes[1] == f"1 hidden files, such as {tmp_path}/fan/._a.wav, are not read."


def test_folders_below_a_machine_are_not_read_and_noted(tmp_path):
    make(tmp_path / "fan", "a.wav", "b.wav", "old/c.wav", "old/deep/d.wav")

    table, notes, _ = normal_clips(tmp_path / "fan")

    assert set(rows(table)) == {"a.wav", "b.wav"}
    assert len(notes) == 1
    assert "2 audio files lie in folders below" in notes[0]


def test_a_folder_whose_name_another_begins_with_is_not_above_it(tmp_path):
    make(tmp_path, "fan/a.wav", "fan/b.wav", "fan2/a.wav", "fan2/b.wav")
    assert set(normal_clips(tmp_path)[0]["machine_type"]) == {"fan", "fan2"}


@pytest.mark.parametrize(
    "name",
    [
        "anomaly_1.wav",
        "Abnormal 3.wav",
        "section_00_source_train_anomaly_0000.wav",
        "section_00_source_test_normal_0000.wav",
        *("ANOMALY_3.WAV", "NG 7.flac", "bad_000.wav", "press_not_ok_1.wav", "un-healthy 2.wav"),
    ],
)
def test_clips_named_anomalous_or_test_are_refused(tmp_path, name):
    make(tmp_path / "fan", "a.wav", "b.wav", name)

    message = refusal(tmp_path / "fan")

    assert "1 files contradict" in message
    assert name in message


@pytest.mark.parametrize("name", ["abnormal", "anomalies", "Anomaly"])
def test_folders_named_anomalous_are_refused(tmp_path, name):
    make(tmp_path, "normal/a.wav", "normal/b.wav", f"{name}/c.wav", f"{name}/d.wav")
    assert f"a folder named {name} may be anomalous" in refusal(tmp_path)


LABELS = [
    *(("good", "broken"), ("OK", "NG"), ("normal", "faulty"), ("healthy", "defect")),
    *(("Normal", "Abnormal"), ("normal", "AnoMalous"), ("normal", "anormal"), ("ok", "not_ok")),
    *(("negative", "Positive"), ("fault-free", "Faults"), ("Normal_1", "Anomaly_1")),
    *(("good parts", "bad parts"), ("fan_normal", "fan_broken"), ("fan", "fan_test")),
    *(("fan_train", "fan_test"), ("monday", "broken bearing"), ("normal", "whatever")),
    *(("OK/monday", "NG/tuesday"), ("id_00/normal", "id_00/abnormal"), ("train/a", "TEST/b")),
]


@pytest.mark.parametrize("names", LABELS, ids=" beside ".join)
def test_labels_and_splits_are_never_machines_of_their_own(tmp_path, names):
    for name in names:
        make(tmp_path / "press" / name, f"{name[0]}1.wav", f"{name[0]}2.wav")

    message = refusal(tmp_path / "press")

    assert "may be anomalous" in message
    assert "Name the folder of normal clips alone" in message
    assert "MACHINE/train" in message
    assert "\n" not in message


def test_the_one_folder_of_normal_clips_is_named(tmp_path):
    make(tmp_path / "press", "OK/1.wav", "OK/2.wav", "NG/3.wav", "NG/4.wav")

    assert f"normal clips alone, {tmp_path}/press/OK, or sort" in refusal(tmp_path / "press")
    assert set(normal_clips(tmp_path / "press/OK")[0]["machine_type"]) == {"press"}


SPLITS = [
    *(("Train", "Test"), ("TRAIN", "TEST"), ("Training", "Testing"), ("train", "Evaluation")),
    *(("train_set", "test_set"), ("Train/good", "Test/broken"), ("TrainNormal", "TestAnomaly")),
]


@pytest.mark.parametrize("names", SPLITS, ids=" and ".join)
@pytest.mark.parametrize("root", ["", "press"])
def test_splits_are_known_however_they_are_spelled(tmp_path, names, root):
    train, test = names
    make(tmp_path / "press", f"{train}/1.wav", f"{train}/2.wav", f"{test}/3.wav")

    table, notes, _ = normal_clips(tmp_path / root)

    assert {name: row[0] for name, row in rows(table).items()} == {
        **{"1.wav": "press", "2.wav": "press"}
    }
    assert "folders are taken so: " in notes[0]
    assert notes[-1].startswith("1 test clips are left out")


@pytest.mark.parametrize("folder", ["validation", "broken", "good"])
def test_what_lies_beside_training_clips_is_not_read_and_said(tmp_path, folder):
    make(tmp_path / "press", "Train/1.wav", "Train/2.wav", f"{folder}/3.wav")

    table, notes, _ = normal_clips(tmp_path / "press")

    assert set(rows(table)) == {"1.wav", "2.wav"}
    assert any("1 audio files lie in no train or test folder" in note for note in notes)


def test_normal_clips_beside_test_clips_are_named_where_training_clips_are_missing(tmp_path):
    make(tmp_path / "press", "good/1.wav", "good/2.wav", "Test/3.wav")
    assert re.search(r"no training clips for press.* not read: .*press/good", refusal(tmp_path))


@pytest.mark.parametrize(
    "names", [("train_1.wav", "test_1.wav"), ("press_1.wav", "press_fault_1.wav")]
)
def test_files_named_unlike_the_training_clips_beside_them_are_refused(tmp_path, names):
    make(tmp_path / "press", *names, "Train 2.wav")
    assert "1 files contradict" in refusal(tmp_path / "press")


def test_a_word_in_all_names_tells_no_clips_apart(tmp_path):
    make(tmp_path / "rig", "fault_rig_1.wav", "fault_rig_2.wav", "test_1_fault_rig.wav")
    assert len(normal_clips(tmp_path / "rig")[0]) == 3


@pytest.mark.parametrize("copy", ["{} (1).wav", "{} - Copy.wav", "{} copy 2.wav", "{} 2.wav"])
def test_copies_of_official_names_are_refused(tmp_path, copy):
    name = "section_00_source_train_normal_000{}_vel_6"
    make(tmp_path / "fan", f"{name.format(0)}.wav", f"{name.format(1)}.wav")
    make(tmp_path / "fan", copy.format(name.format(1)))

    assert re.search(r"1 files contradict(.|\n)*named like a copy", refusal(tmp_path / "fan"))


def test_a_line_says_what_is_learned_from(tmp_path):
    make(tmp_path, "fan/a.wav", "fan/b.wav", "pump/a.wav", "pump/b.wav", "pump/c.wav")
    plain = normal_clips(tmp_path)[0]
    sections = plain.assign(section=["00", "01", "00", "00", "00"])

    assert learned_from(plain) == "learning from: fan (2 clips), pump (3 clips)"
    assert learned_from(sections) == (
        "learning from: fan_00 (1 clips), fan_01 (1 clips), pump (3 clips)"
    )


def test_the_test_folder_of_a_machine_is_refused(tmp_path):
    make(tmp_path, "fan/test/a.wav", "fan/test/b.wav")
    assert "a folder named test may be anomalous" in refusal(tmp_path / "fan" / "test")


def test_a_folder_named_test_above_what_is_given_does_not_matter(tmp_path):
    make(tmp_path / "test" / "fan", "a.wav", "b.wav")
    assert len(normal_clips(tmp_path / "test" / "fan")[0]) == 2


def test_two_folders_of_one_name_are_refused(tmp_path):
    make(tmp_path, "hall 1/fan/a.wav", "hall 1/fan/b.wav", "hall 2/fan/a.wav", "hall 2/fan/b.wav")
    assert "two folders are named after one machine, fan" in refusal(tmp_path)


def test_of_a_dataset_the_training_clips_are_taken(tmp_path):
    table, notes, dataset = normal_clips(make_2023(tmp_path / "dcase2023"), ["fan", "slider"])

    assert dataset == "dcase2023"
    assert set(table["machine_type"]) == {"fan", "slider"}
    assert set(table["split"]) == {"train"}
    assert set(table["domain"]) == {"source", "target"}
    assert notes == ("4 test clips are left out: a detector learns from training clips alone.",)


def test_sections_with_test_clips_alone_are_left_out(tmp_path):
    make(
        tmp_path / "mine",
        "pump/train/section_00_source_train_normal_0000_a_1.wav",
        "pump/train/section_00_source_train_normal_0001_a_1.wav",
        "pump/source_test/section_03_source_test_0000.wav",
    )

    table, _, _ = normal_clips(tmp_path / "mine")

    assert list(table["section"]) == ["00", "00"]


def test_a_machine_type_without_training_clips_is_refused(tmp_path):
    make(tmp_path, "fan/train/a.wav", "fan/train/b.wav", "pump/test/c.wav")

    message = refusal(tmp_path)

    assert "no training clips for pump" in message
    assert "--machines fan" in message


def test_a_csv_file_lists_clips(tmp_path):
    make(tmp_path, "a.wav", "b.wav", "c.wav")
    (tmp_path / "mine.csv").write_text(
        "path,machine_type,split\na.wav,fan,train\nb.wav,fan,train\nc.wav,fan,test\n"
    )

    table, _, dataset = normal_clips(tmp_path / "mine.csv")

    assert set(rows(table)) == {"a.wav", "b.wav"}
    assert dataset == "mine"


@pytest.mark.parametrize("names", [["a.wav"], ["a.wav", "old/b.wav", "notes.txt"]])
def test_a_single_clip_is_too_little(tmp_path, names):
    make(tmp_path / "fan", *names)

    message = refusal(tmp_path / "fan")

    assert re.search("fan, section 00, has 1 normal clip, .* at least 2", message)


def test_clips_of_another_section_do_not_help(tmp_path):
    make(
        tmp_path / "fan",
        "section_00_source_train_normal_0000.wav",
        "section_00_source_train_normal_0001.wav",
        "section_01_source_train_normal_0000.wav",
    )

    assert "fan, section 01, has 1 normal clip" in refusal(tmp_path / "fan")


def test_nothing_to_hear_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    make(tmp_path / "texts", "a.txt")

    assert "empty: is empty. Name a folder of normal WAV" in refusal(tmp_path / "empty")
    assert "texts: holds no WAV or FLAC file. Name" in refusal(tmp_path / "texts")
    assert "Did you mean" in refusal(tmp_path / "text")
