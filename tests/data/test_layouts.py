"""Layouts: what a folder tree is taken for. The files are empty; only names count here."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from asdkeras.data.layouts import read_layout
from asdkeras.errors import DataError
from tests.data.trees import make
from tests.real_data import real_data


def clips_of(layout):
    """What each file was taken for, by file name."""
    return {os.path.basename(clip.path): clip[1:] for clip in layout.clips}


YEARS = {
    2020: [
        "fan/train/normal_id_01_00000000.wav",
        "fan/test/anomaly_id_01_00000000.wav",
        "ToyConveyor/test/id_05_00000000.wav",
    ],
    2021: [
        "pump/train/section_00_source_train_normal_0000_a_1.wav",
        "pump/source_test/section_00_source_test_normal_0000.wav",
        "pump/target_test/section_03_target_test_0000.wav",
    ],
    2022: [
        "bearing/train/section_01_source_train_normal_0000_vel_6.wav",
        "bearing/test/section_01_target_test_anomaly_0000_vel_9.wav",
        "bearing/test/section_03_0000.wav",
    ],
    2023: [
        "slider/train/section_00_source_train_normal_0000_vel_6.wav",
        "bandsaw/train/section_00_source_train_normal_0000_vel_6.wav",
        "bandsaw/test/section_00_0000.wav",
    ],
    2024: [
        "gearbox/train/section_00_source_train_normal_0000_noAttribute.wav",
        "3DPrinter/train/section_00_source_train_normal_0000_mdl_B_spd_2.wav",
    ],
    2025: [
        "bearing/train/section_00_source_train_normal_0000_noAttribute.wav",
        "ToyPet/train/section_00_source_train_normal_0000_noAttribute.wav",
        "ToyPet/supplemental/section_00_noise_0001_.wav",
    ],
    2026: ["bearingEmu/train/section_00_source_train_normal_0000_vel_6.wav"],
}


@pytest.mark.parametrize("year", YEARS)
@pytest.mark.parametrize("above", ["", "dev_data/raw"])
def test_year_shows_in_names_and_folders_at_any_depth(tmp_path, year, above):
    make(tmp_path / "recordings" / above, *YEARS[year])

    layout = read_layout(tmp_path / "recordings")

    assert layout.dataset == f"dcase{year}"
    assert len(layout.clips) == len(YEARS[year])
    assert (layout.problems, layout.notes) == ([], ())


def test_withheld_attributes_tell_2023_2024_and_2025_apart(tmp_path):
    attributes = {2023: "ab", 2024: "noAttribute", 2025: "ab"}
    for year, text in attributes.items():
        for machine, own in (("gearbox", text), ("bearing", "noAttribute" * (year == 2025) or "a")):
            make(
                tmp_path / str(year),
                f"{machine}/train/section_00_source_train_normal_0000_{own}.wav",
            )

    datasets = [read_layout(tmp_path / str(year)).dataset for year in attributes]

    assert datasets == ["dcase2023", "dcase2024", "dcase2025"]


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("fan/test/section_01_source_test_normal_0000_m-n_W.wav", "dcase2022"),
        ("fan/test/section_04_0000.wav", "dcase2022"),
        ("fan/test/section_04_source_test_0000.wav", "dcase2021"),
        ("fan/source_test/section_01_source_test_normal_0000.wav", "dcase2021"),
        ("fan/supplemental/section_00_noise_0001_.wav", "dcase2025"),
    ],
)
def test_one_name_may_settle_the_year(tmp_path, name, dataset):
    section = name.split("section_")[1][:2]
    make(tmp_path, f"fan/train/section_{section}_source_train_normal_0000_m-n_W.wav", name)
    assert read_layout(tmp_path).dataset == dataset


def test_a_year_that_stays_open_is_taken_from_a_folder_above(tmp_path):
    names = ["fan/train/section_00_source_train_normal_0000_m-n_W.wav"]
    open_year = read_layout(make(tmp_path / "mine", *names))
    said_year = read_layout(make(tmp_path / "dcase2024t2" / "dev_data", *names))
    wrong_year = read_layout(make(tmp_path / "dcase2021", *names))

    assert open_year.dataset == "mine"
    assert "fit 2023 or 2024 or 2025 or 2026" in open_year.notes[0]
    assert said_year.dataset == "dcase2024"
    assert wrong_year.dataset == "dcase2021-own"


def test_official_names_say_everything(tmp_path):
    make(tmp_path, *YEARS[2021], "pump/test/section_01_source_test_anomaly_0007.wav")

    clips = clips_of(read_layout(tmp_path))

    assert clips == {
        "section_00_source_train_normal_0000_a_1.wav": (
            *("pump", "00", "source", "train", False, "a_1"),
        ),
        "section_00_source_test_normal_0000.wav": ("pump", "00", "source", "test", False, None),
        "section_03_target_test_0000.wav": ("pump", "03", "target", "test", None, None),
        "section_01_source_test_anomaly_0007.wav": ("pump", "01", "source", "test", True, None),
    }


def test_folder_says_the_domain_if_the_name_does_not(tmp_path):
    make(tmp_path, *YEARS[2021], "pump/target_test/section_04_0000.wav")
    assert clips_of(read_layout(tmp_path))["section_04_0000.wav"][2] == "target"


def test_2020_has_no_domain_and_ids_are_sections(tmp_path):
    clips = clips_of(read_layout(make(tmp_path, *YEARS[2020])))

    assert clips["normal_id_01_00000000.wav"] == ("fan", "01", None, "train", False, None)
    assert clips["anomaly_id_01_00000000.wav"] == ("fan", "01", None, "test", True, None)
    assert clips["id_05_00000000.wav"] == ("ToyConveyor", "05", None, "test", None, None)


def test_training_clips_are_normal_even_if_their_names_do_not_say_so(tmp_path):
    make(tmp_path, *YEARS[2020], "fan/train/id_01_00000001.wav")
    assert clips_of(read_layout(tmp_path))["id_01_00000001.wav"][4] is False


def test_supplemental_clips_never_become_training_clips(tmp_path):
    make(
        tmp_path,
        *YEARS[2025],
        "ToyPet/supplemental/section_00_source_supplemental_machine_0000.wav",
        "ToyPet/supplemental/section_00_source_train_normal_0000_a_1.wav",
        "ToyPet/supplemental/whatever.wav",
    )

    clips = clips_of(read_layout(tmp_path))

    assert clips["section_00_noise_0001_.wav"] == ("ToyPet", "00", None, "supplemental", None, None)
    assert clips["section_00_source_supplemental_machine_0000.wav"][3:5] == ("supplemental", False)
    assert clips["section_00_source_train_normal_0000_a_1.wav"][3] == "supplemental"
    assert clips["whatever.wav"] == ("ToyPet", "00", None, "supplemental", None, None)


def test_development_and_evaluation_data_of_a_machine_combine(tmp_path):
    make(tmp_path / "dev_data", *YEARS[2021][:2])
    make(tmp_path / "eval_data", "pump/train/section_03_source_train_normal_0000_a_1.wav")

    layout = read_layout(tmp_path)

    assert {(clip.machine_type, clip.section) for clip in layout.clips} == {
        ("pump", "00"),
        ("pump", "03"),
    }


def test_a_clip_in_merged_and_split_test_folders_counts_once(tmp_path):
    name = "section_00_target_test_normal_0001.wav"
    make(tmp_path, *YEARS[2021], f"pump/test/{name}", f"pump/target_test/{name}")

    layout = read_layout(tmp_path)

    assert [clip.path for clip in layout.clips if clip.path.endswith(name)] == [
        str(tmp_path / "pump/target_test" / name)
    ]
    assert layout.problems == []


def test_two_copies_of_a_dataset_are_a_problem_that_names_both(tmp_path):
    make(tmp_path / "a", *YEARS[2020])
    make(tmp_path / "b", *YEARS[2020])

    problems = read_layout(tmp_path).problems

    assert len(problems) == 3
    assert any(
        text == f"{tmp_path}/b/fan/train/normal_id_01_00000000.wav: "
        f"also at {tmp_path}/a/fan/train/normal_id_01_00000000.wav"
        for _, text in problems
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("train/section_00_source_test_normal_0000.wav", "named a test clip"),
        ("test/section_00_source_train_normal_0000.wav", "named a train clip"),
        ("source_test/section_00_target_test_normal_0000.wav", "named target"),
        ("train/section_00_source_train_anomaly_0000.wav", "named anomalous"),
        ("test/recording.wav", "follows no official grammar"),
    ],
)
def test_a_name_that_contradicts_its_folder_is_a_problem(tmp_path, name, reason):
    layout = read_layout(make(tmp_path, *YEARS[2021], f"pump/{name}"))

    assert [(item.machine_type, reason in item.text) for item in layout.problems] == [
        ("pump", True)
    ]
    assert len(layout.clips) == 3


def test_plain_folder_is_labeled_by_the_beginning_of_test_names(tmp_path):
    make(
        tmp_path / "lathe",
        *("train/1.wav", "train/2.FLAC", "test/normal_1.WAV", "test/anomaly 2.flac", "test/3.wav"),
        *("test/._normal_4.wav", "test/notes.txt", "test/.cache/normal_5.wav"),
    )

    layout = read_layout(tmp_path / "lathe")

    assert layout.dataset == "lathe"
    assert clips_of(layout) == {
        "1.wav": ("lathe", "00", None, "train", False, None),
        "2.FLAC": ("lathe", "00", None, "train", False, None),
        "normal_1.WAV": ("lathe", "00", None, "test", False, None),
        "anomaly 2.flac": ("lathe", "00", None, "test", True, None),
        "3.wav": ("lathe", "00", None, "test", None, None),
    }


@pytest.mark.parametrize(
    ("name", "label"),
    [
        *(("Normal_01.wav", False), ("ANOMALY_3.WAV", True), ("Anomaly-2.Flac", True)),
        *(("ABNORMAL 2.flac", True), ("NG_1.wav", True), ("ok 7.wav", False)),
        *(("not_ok_1.wav", True), ("anormal.wav", True), ("no fault 3.wav", False)),
        *(("normally_closed_1.wav", None), ("1_normal_fan.wav", None), ("abc.wav", None)),
    ],
)
def test_labels_in_test_names_compare_without_case_and_word_by_word(tmp_path, name, label):
    layout = read_layout(make(tmp_path / "lathe", "Train/1.wav", f"Test/{name}"))
    assert clips_of(layout)[name] == ("lathe", "00", None, "test", label, None)


def test_labels_by_other_words_are_said(tmp_path):
    names = ("normal_1.wav", "NG_2.wav", "ng_3.wav", "OK 4.wav", "5.wav")
    layout = read_layout(make(tmp_path, "m/train/1.wav", *(f"m/test/{name}" for name in names)))
    assert layout.notes == ("labels are taken from names such as NG_2.wav: 1 normal, 2 anomalous.",)


def test_folders_below_test_say_the_label(tmp_path):
    names = ["good/1.wav", "hole/2.wav", "Broken Blade/3.wav"]
    make(tmp_path / "lathe/train/good", "0.wav")
    make(tmp_path / "lathe/TEST", *names, "4.wav")

    layout = read_layout(tmp_path / "lathe")

    labels = {name: clip[4] for name, clip in clips_of(layout).items()}
    assert labels == {"0.wav": False, "1.wav": False, "2.wav": True, "3.wav": True, "4.wav": None}
    assert {clip.machine_type for clip in layout.clips} == {"lathe"}
    assert "TEST/hole (anomalous test)" in layout.notes[0]


def test_folders_below_test_that_say_nothing_are_not_read(tmp_path):
    layout = read_layout(make(tmp_path / "lathe", "train/1.wav", "test/2.wav", "test/old/3.wav"))

    assert set(clips_of(layout)) == {"1.wav", "2.wav"}
    assert "1 audio files lie in no train or test folder" in layout.notes[0]


def test_plain_clips_of_two_labels_may_share_a_name_until_they_are_scored(tmp_path):
    layout = read_layout(make(tmp_path, "m/train/1.wav", "m/test/ok/1.wav", "m/test/ng/1.wav"))
    assert (len(layout.clips), layout.problems) == (3, [])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("train/broken/2.wav", "lies among the training clips"),
        ("broken/Train/2.wav", "lies among the training clips"),
        ("Train/press_fault_2.wav", "lies among the training clips"),
        ("test/good/anomaly_2.wav", "different labels"),
    ],
)
def test_a_label_that_contradicts_a_plain_folder_is_a_problem(tmp_path, name, reason):
    layout = read_layout(make(tmp_path, "lathe/Train/1.wav", f"lathe/{name}"))
    assert [(item.machine_type, reason in item.text) for item in layout.problems] == [
        ("lathe", True)
    ]


@pytest.mark.parametrize("folder", ["Train", "TRAIN", "Target_Test", "train/normal"])
def test_official_clips_are_read_from_folders_however_they_are_spelled(tmp_path, folder):
    split = "test" if "test" in folder.lower() else "train"
    name = f"section_00_target_{split}_normal_0000_vel_6.wav"

    (clip,) = read_layout(make(tmp_path, f"fan/{folder}/{name}")).clips

    assert clip[1:] == ("fan", "00", "target", split, False, "vel_6")


COPIES = [
    *("{} (1)", "{}(1)", "{} - Copy", "{} - Copy (2)", "{} copy", "{} copy 2", "{} (copy)"),
    *("{} (another copy)", "{} (3rd copy)", "{}_copy", "{}~", "{} 2", "{}-1", "{} - Kopie"),
]


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("folder", ["train", "test"])
def test_copies_that_browsers_and_systems_make_are_no_attributes(tmp_path, copy, folder):
    stem = f"section_00_source_{folder}_normal_0000_m-n_W"
    name = f"fan/{folder}/{copy.format(stem)}.wav"

    layout = read_layout(make(tmp_path, f"fan/{folder}/{stem}.wav", name))

    assert [clip.attributes for clip in layout.clips] == ["m-n_W"]
    assert [text for _, text in layout.problems] == [
        f"{tmp_path}/{name}: named like a copy, as browsers and systems make them, of another clip"
    ]


def test_attributes_with_blanks_and_signs_are_no_copies(tmp_path):
    stem = "section_00_source_train_normal_0000_"
    names = [f"fan/train/{stem}{text}.wav" for text in ("f-n_A", "slow 2", "v (fast)", "a_1")]

    assert read_layout(make(tmp_path, *names)).problems == []


@pytest.mark.parametrize("hidden", ["._1.wav", ".2.flac"])
def test_hidden_clips_are_counted(tmp_path, hidden):
    layout = read_layout(make(tmp_path, "lathe/train/1.wav", f"lathe/train/{hidden}"))
    assert layout.notes == (
        f"1 hidden files, such as {tmp_path}/lathe/train/{hidden}, are not read.",
    )


@pytest.mark.parametrize("folder", [".Trash-1000", "$RECYCLE.BIN", "__MACOSX"])
def test_what_systems_keep_for_themselves_is_not_read(tmp_path, folder):
    layout = read_layout(make(tmp_path, "lathe/train/1.wav", f"{folder}/train/2.wav"))
    assert (set(clips_of(layout)), layout.notes) == ({"1.wav"}, ())


@pytest.mark.parametrize("folder", ["Test/train", "train/Testing", "eval/train"])
def test_a_split_in_a_split_is_no_machine(tmp_path, folder):
    make(tmp_path / "lathe", "train/1.wav", f"{folder}/2.wav")
    with pytest.raises(DataError, match=rf"lathe/{folder}: the folders above say twice"):
        read_layout(tmp_path)


def test_a_folder_may_not_be_linked_under_another_role(tmp_path):
    make(tmp_path / "lathe", "train/1.wav")
    (tmp_path / "lathe/Test").symlink_to(tmp_path / "lathe/train")
    with pytest.raises(DataError, match=r"lathe/Test: is the same folder as .*lathe/train, whose"):
        read_layout(tmp_path)


def test_root_may_be_the_folder_the_user_stands_in(tmp_path, monkeypatch):
    monkeypatch.chdir(make(tmp_path / "lathe", "train/1.wav"))
    layout = read_layout(Path())
    assert (layout.dataset, layout.clips[0].machine_type) == ("lathe", "lathe")


@pytest.mark.parametrize("name", ["dcase2021", "mini2021", "bench2021"])
def test_own_recordings_never_carry_the_name_of_an_official_or_generated_dataset(tmp_path, name):
    assert read_layout(make(tmp_path / name, "m/train/1.wav")).dataset == f"{name}-own"


def test_anomalous_clip_among_plain_training_clips_is_a_problem(tmp_path):
    layout = read_layout(make(tmp_path, "lathe/train/1.wav", "lathe/train/anomaly_2.wav"))
    assert "anomaly_2.wav: named anomalous" in layout.problems[0].text


@pytest.mark.parametrize("place", [".", "fan/..", "fan"])
@pytest.mark.parametrize(
    ("size", "name"), [("tiny", "mini2020"), ("mini", "mini2020"), ("bench", "bench2020")]
)
def test_card_of_a_generated_corpus_gives_its_name(tmp_path, place, size, name):
    make(tmp_path / "corpus", *YEARS[2020][:2])
    card = {"asdkeras_mini_corpus": 2, "year": 2020, "size": size, "seed": 0}
    (tmp_path / "corpus" / "mini_corpus.json").write_text(json.dumps(card))

    assert read_layout(tmp_path / "corpus" / place).dataset == name


@pytest.mark.parametrize("content", ["{", '{"year": "2021"}', "[]"])
def test_damaged_card_is_an_error_with_the_file(tmp_path, content):
    make(tmp_path, *YEARS[2020])
    (tmp_path / "mini_corpus.json").write_text(content)
    with pytest.raises(DataError, match=r"mini_corpus\.json: .*Generate the corpus again"):
        read_layout(tmp_path)


def test_mini_corpus_and_another_dataset_do_not_mix(tmp_path):
    make(tmp_path / "real", *YEARS[2020][:1])
    make(tmp_path / "mini", *YEARS[2020][2:])
    (tmp_path / "mini" / "mini_corpus.json").write_text('{"year": 2020}')
    with pytest.raises(DataError, match=r"several datasets: another dataset in .*mini2020 in"):
        read_layout(tmp_path)
    (tmp_path / "real" / "mini_corpus.json").write_text('{"year": 2020, "size": "bench"}')
    with pytest.raises(DataError, match=r"several datasets: bench2020 in .*real.*, mini2020 in"):
        read_layout(tmp_path)


CONFLICT = [
    "ToyCar/test/section_03_target_test_anomaly_0001_car_G2_spd_34V_mic_1_noise_6.wav",
    "ToyTrain/test/section_05_source_test_normal_0001_car_A1.wav",
]
NO_CONFLICT = [
    "ToyCar/test/section_02_target_test_anomaly_0001_car_G2.wav",
    "ToyCar/train/section_03_source_train_normal_0001_car_G2.wav",
    "ToyCar/test/section_03_0001.wav",
    "fan/test/section_03_target_test_anomaly_0001_m-n_X.wav",
]


def test_labels_that_contradict_the_challenge_of_2022_are_ignored(tmp_path):
    make(tmp_path, *CONFLICT, *NO_CONFLICT)

    layout = read_layout(tmp_path)
    clips = clips_of(layout)

    for name in CONFLICT:
        clip = clips[os.path.basename(name)]
        assert (clip[2], clip[4], clip[5]) == (None, None, None)
    assert clips[os.path.basename(NO_CONFLICT[0])][2:] == ("target", "test", True, "car_G2")
    assert clips[os.path.basename(NO_CONFLICT[1])][2:] == ("source", "train", False, "car_G2")
    assert clips[os.path.basename(NO_CONFLICT[3])][2:] == ("target", "test", True, "m-n_X")
    assert "2 test clips of ToyCar, ToyTrain" in layout.notes[0]


def test_mini_corpus_of_2022_keeps_its_labels(tmp_path):
    make(tmp_path, *CONFLICT)
    (tmp_path / "mini_corpus.json").write_text('{"year": 2022}')

    layout = read_layout(tmp_path)

    assert {clip.is_anomalous for clip in layout.clips} == {False, True}
    assert layout.notes == ()


def test_audio_outside_of_known_folders_is_mentioned(tmp_path):
    make(tmp_path, *YEARS[2020], "fan/more/normal_id_01_00000000.wav", "stray.wav")

    layout = read_layout(tmp_path)

    assert len(layout.clips) == 3
    assert "2 audio files lie in no train or test folder" in layout.notes[0]


def test_links_are_followed_once_and_never_in_circles(tmp_path):
    make(tmp_path / "real", *YEARS[2020])
    (tmp_path / "real" / "fan" / "loop").symlink_to(tmp_path / "real")
    (tmp_path / "again").symlink_to(tmp_path / "real")
    (tmp_path / "linked").symlink_to(make(tmp_path.parent / "far", "pump/train/id_00_00000000.wav"))

    layout = read_layout(tmp_path)

    folders = Counter(Path(clip.path).relative_to(tmp_path).parts[0] for clip in layout.clips)
    assert folders == {"real": 3, "linked": 1}
    assert layout.problems == []


def test_links_to_nothing_are_all_named(tmp_path):
    make(tmp_path, *YEARS[2020])
    for name in ("a", "b"):
        (tmp_path / f"fan/train/{name}.wav").symlink_to(tmp_path / "gone")
    with pytest.raises(DataError, match=r"2 links lead to files.*\n.*a\.wav\n.*b\.wav"):
        read_layout(tmp_path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "is empty"),
        (["fan/train/notes.txt"], "holds no WAV or FLAC file"),
        (["fan/id_02/normal/1.wav"], r"1 audio files, none in a folder named train or test"),
    ],
)
def test_a_folder_without_clips_says_what_is_expected(tmp_path, names, message):
    with pytest.raises(DataError, match=rf"{message}.*<machine type>/train"):
        read_layout(make(tmp_path, *names))


def test_who_names_the_folder_of_training_clips_is_told_which_to_name(tmp_path):
    make(tmp_path, "fan/train/1.wav")
    with pytest.raises(DataError, match=rf"of the machine, {tmp_path}/fan, or one above it\."):
        read_layout(tmp_path / "fan" / "train")


def test_real_clips_of_2020_are_found():
    layout = read_layout(real_data("4_audio/dcase2020_mini"))

    test = Counter(clip.machine_type for clip in layout.clips if clip.split == "test")
    train = Counter(
        (clip.machine_type, clip.section) for clip in layout.clips if clip.split == "train"
    )
    assert layout.dataset == "dcase2020"
    assert test == {"fan": 17, "pump": 16, "slider": 16, "valve": 16, "ToyCar": 16} | {
        "ToyConveyor": 12
    }
    assert train == {("slider", "00"): 75}
    assert sum(bool(clip.is_anomalous) for clip in layout.clips) == 44


def test_real_lathe_is_a_plain_folder():
    layout = read_layout(real_data("4_audio/lathe"))

    labels = Counter((clip.split, clip.is_anomalous) for clip in layout.clips)
    assert layout.dataset == "lathe"
    assert labels == {("train", False): 168, ("test", False): 72, ("test", True): 110}
