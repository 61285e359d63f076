"""The clip table: its form, its order, and the mistakes it refuses."""

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from asdkeras.data.clip_table import COLUMNS, clip_table, find_clips, read_clip_table
from asdkeras.data.truth import Truth, TruthRow
from asdkeras.errors import DataError
from tests.data.trees import make
from tests.real_data import real_data

OFFICIAL = [
    "pump/train/section_00_target_train_normal_0001_a_2.wav",
    "pump/train/section_00_source_train_normal_0002_a_1.wav",
    "pump/train/section_00_source_train_normal_0001_a_1.wav",
    "pump/source_test/section_00_source_test_normal_0000.wav",
    "pump/target_test/section_00_target_test_anomaly_0000.wav",
    "ToyCar/train/section_01_source_train_normal_0000_b_1.wav",
    "ToyCar/source_test/section_01_0000.wav",
]


def csv_file(folder, text, *audio):
    make(folder, *audio)
    path = folder / "own.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_table_has_the_columns_dtypes_and_order_everybody_relies_on(tmp_path):
    table = read_clip_table(make(tmp_path, *OFFICIAL, "ToyCar/test/section_01_0001.wav"))

    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == COLUMNS
    assert table.index.equals(pd.RangeIndex(8))
    assert set(table["dataset"]) == {"dcase2021"}
    assert [Path(path).name for path in table["path"]] == [
        "section_01_source_train_normal_0000_b_1.wav",
        "section_01_0000.wav",
        "section_01_0001.wav",
        "section_00_source_train_normal_0001_a_1.wav",
        "section_00_source_train_normal_0002_a_1.wav",
        "section_00_target_train_normal_0001_a_2.wav",
        "section_00_source_test_normal_0000.wav",
        "section_00_target_test_anomaly_0000.wav",
    ]
    assert table["domain"].isna().tolist() == [False, False, True] + [False] * 5
    assert all(Path(path).is_file() for path in table["path"])


def test_paths_are_below_the_folder_as_it_was_given(tmp_path, monkeypatch):
    make(tmp_path / "data", *OFFICIAL)
    monkeypatch.chdir(tmp_path)
    assert read_clip_table(Path("data"))["path"].str.startswith("data/").all()


@pytest.mark.parametrize(
    ("machines", "sizes"),
    [
        (("pump",), {("pump", "00"): 5}),
        (("ToyCar_01",), {("ToyCar", "01"): 2}),
        (("pump", "ToyCar_01"), {("ToyCar", "01"): 2, ("pump", "00"): 5}),
    ],
)
def test_machine_types_and_sections_can_be_chosen(tmp_path, machines, sizes):
    table = read_clip_table(make(tmp_path, *OFFICIAL), machines)
    assert table.groupby(["machine_type", "section"]).size().to_dict() == sizes


def test_nothing_is_asked_of_machine_types_not_chosen(tmp_path):
    make(tmp_path, *OFFICIAL, "fan/source_test/section_00_0000.wav", "fan/train/odd.wav")

    assert len(read_clip_table(tmp_path, ("pump",))) == 5
    with pytest.raises(DataError, match=r"odd\.wav"):
        read_clip_table(tmp_path)


def test_files_that_all_contradict_their_folder_are_named(tmp_path):
    make(tmp_path, "pump/train/section_00_source_test_normal_0000.wav")

    with pytest.raises(DataError, match=r"(?s)1 files contradict.*0000\.wav: named a test clip"):
        read_clip_table(tmp_path)


def test_unknown_machine_type_gets_a_suggestion(tmp_path):
    with pytest.raises(DataError, match=r"no machine type `Pump`.*`pump`.*There are: ToyCar, pump"):
        read_clip_table(make(tmp_path, *OFFICIAL), ("Pump",))


def test_one_name_in_place_of_a_list_is_refused(tmp_path):
    with pytest.raises(TypeError, match="sequence of names"):
        read_clip_table(make(tmp_path, *OFFICIAL), "pump")


def test_machine_types_and_sections_without_training_clips_are_all_named(tmp_path):
    make(
        tmp_path,
        *OFFICIAL,
        "pump/source_test/section_02_0000.wav",
        "fan/source_test/section_00_0000.wav",
        "valve/source_test/section_00_0000.wav",
    )
    with pytest.raises(
        DataError,
        match=r"no training clips for fan, valve, pump_02\..*"
        r"machines=\('ToyCar', 'pump_00'\).*`--machines ToyCar pump_00`",
    ):
        read_clip_table(tmp_path)


def test_missing_folder_suggests_its_neighbor(tmp_path):
    make(tmp_path / "dev_data", *OFFICIAL)
    with pytest.raises(DataError, match=r"no such folder\. Did you mean .*dev_data\?"):
        read_clip_table(tmp_path / "dev_dta")


def test_a_file_that_is_no_table_is_refused(tmp_path):
    make(tmp_path, "clip.wav")
    with pytest.raises(DataError, match=r"clip\.wav: not a dataset"):
        read_clip_table(tmp_path / "clip.wav")


def test_test_clips_without_labels_are_mentioned(tmp_path):
    _, notes = clip_table(tmp_path, find_clips(make(tmp_path, *OFFICIAL)))
    assert notes == (
        "1 of 3 test clips have no label and can be scored but not evaluated: ToyCar (1). "
        "`asdkeras data fetch 2021 --parts truth` gets the published labels.",
    )


def test_csv_file_names_the_columns(tmp_path):
    path = csv_file(
        tmp_path,
        "\ufeffsplit,machine_type,path,section,domain,is_anomalous,attributes\n"
        'train,Lathe 2,"a, b.wav",1,source,,"speed, 3"\n'
        "test,Lathe 2,x/c.flac,01,,TRUE,\n"
        "\n"
        "test,Lathe 2,d.wav,1,target,0,\n"
        "supplemental,Lathe 2,e.wav,,,,\n",
        *("a, b.wav", "x/c.flac", "d.wav", "e.wav"),
    )

    table = read_clip_table(path)

    assert set(table["dataset"]) == {"own"}
    rows = table.drop(columns=["path", "dataset"]).astype(object)
    assert rows.where(rows.notna(), None).to_numpy().tolist() == [
        ["Lathe 2", "00", None, "supplemental", None, None],
        ["Lathe 2", "01", "source", "train", False, "speed, 3"],
        ["Lathe 2", "01", "target", "test", False, None],
        ["Lathe 2", "01", None, "test", True, None],
    ]
    assert all(Path(name).is_file() for name in table["path"])


HEADER = "path,machine_type,split"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,machine,split\n", r"unknown column `machine`\. Did you mean `machine_type`"),
        ("path,machine_type,split,path\n", "column `path` is there twice"),
        ("path,section\n", "missing `machine_type`, `split`"),
        ("", "missing `path`.*an empty file"),
        (f"{HEADER}\n", "lists no clips"),
        (f"{HEADER}\na.wav,m\n", "line 2: 2 fields, the header has 3"),
        (f"{HEADER}\na.wav,,train\n", "line 2: `machine_type` is empty"),
        (f"{HEADER}\na.wav,m,dev\n", "line 2: `split` must be one of train.*Received: 'dev'"),
        (f"{HEADER}\na.wav,m/n,train\n", "must do as a folder name"),
        (f"{HEADER},section\na.wav,m,train,left\n", "`section` must be a number"),
        (f"{HEADER},domain\na.wav,m,train,left\n", "`domain` must be one of empty, source"),
        (f"{HEADER},is_anomalous\na.wav,m,test,maybe\n", "`is_anomalous` must be 0, 1"),
        (f"{HEADER},is_anomalous\na.wav,m,train,1\n", "training clips must be normal"),
        (f"{HEADER}\nNG_3.wav,m,Train\n", "line 2: NG_3.wav is named anomalous.*is_anomalous=0"),
        (f"{HEADER}\nb.wav,m,train\nc.wav,m,train\n", r"b\.wav: no such file\n.*c\.wav: no such"),
        (f"{HEADER}\na.wav,m,train\na.wav,m,train\n", r"one clip only.*a\.wav"),
        (f"{HEADER}\na.wav,m,train\na.wav,m,test\n", r"one clip only.*a\.wav"),
        (f'{HEADER}\n"a.wav,m,train\n', "not a readable CSV"),
        (f'{HEADER}\na.wav,"f\nan",train\n', "line 2: a field that begins in line 2 holds a line"),
        (HEADER.replace(",", ";"), "fields must be separated by commas. Received: 'path;"),
    ],
)
def test_mistakes_in_a_csv_file_are_named(tmp_path, text, message):
    with pytest.raises(DataError, match=f"(?s){message}"):
        read_clip_table(csv_file(tmp_path, text, "a.wav"))


def test_split_and_domain_in_a_csv_file_compare_without_case(tmp_path):
    text = "path,machine_type,split,domain,is_anomalous\nNG.wav,M,Train,Source,0\n"
    table = read_clip_table(csv_file(tmp_path, text + "b.wav,M,TEST,TARGET,\n", "NG.wav", "b.wav"))

    assert table[["machine_type", "split", "domain"]].to_numpy().tolist() == [
        ["M", "train", "source"],
        ["M", "test", "target"],
    ]


def test_of_very_many_files_at_fault_the_first_are_named(tmp_path):
    make(tmp_path, "m/train/1.wav", *(f"m/train/broken/{number}.wav" for number in range(30)))

    with pytest.raises(DataError) as caught:
        read_clip_table(tmp_path)

    assert str(caught.value).count("\n") == 21
    assert str(caught.value).endswith("  and 10 more")


def test_all_wrong_lines_of_a_csv_file_are_listed(tmp_path):
    text = f"{HEADER}\na.wav,m,dev\nb.wav,,train\nc.wav,m,train\n"
    with pytest.raises(DataError, match=r"(?s)3 of 3 lines.*line 2.*line 3.*c\.wav"):
        read_clip_table(csv_file(tmp_path, text, "a.wav"))


def test_training_clips_of_a_csv_file_may_share_a_name_and_test_clips_may_not(tmp_path):
    audio = ("x/1.wav", "y/1.wav", "x/2.wav", "y/2.wav")
    train = f"{HEADER}\nx/1.wav,m,train\ny/1.wav,m,train\nx/2.wav,m,test\n"

    assert len(read_clip_table(csv_file(tmp_path, train, *audio))) == 3
    with pytest.raises(DataError, match=r"(?s)must differ in their file names.*x/2\.wav.*y/2\.wav"):
        read_clip_table(csv_file(tmp_path, train + "y/2.wav,m,test\n", *audio))


def test_order_of_files_on_disk_does_not_matter(tmp_path):
    forward = read_clip_table(make(tmp_path / "a", *OFFICIAL))
    backward = read_clip_table(make(tmp_path / "b", *OFFICIAL[::-1]))

    assert forward["path"].map(lambda path: Path(path).name).tolist() == (
        backward["path"].map(lambda path: Path(path).name).tolist()
    )


def test_mini_corpus_is_named_by_its_card(tmp_path):
    make(tmp_path, *OFFICIAL)
    (tmp_path / "mini_corpus.json").write_text(json.dumps({"year": 2021}))
    assert set(read_clip_table(tmp_path)["dataset"]) == {"mini2021"}


def test_real_slider_can_be_read_without_the_machines_that_lack_training_clips():
    root = real_data("4_audio/dcase2020_mini")

    table = read_clip_table(root, ("slider_00",))

    assert table["split"].value_counts().to_dict() == {"train": 75, "test": 4}
    with pytest.raises(DataError, match=r"fan, pump, valve, slider_02.*--machines slider_00"):
        read_clip_table(root)


@pytest.mark.parametrize(
    ("year", "sections", "blanked"),
    [(2020, 18, 0), (2021, 21, 0), (2022, 21, 1200), (2023, 7, 0), (2024, 9, 0), (2025, 8, 0)],
)
def test_published_evaluation_sets_are_read_with_their_labels(tmp_path, year, sections, blanked):
    source = real_data("1_ground_truth/eval_data_list") / f"eval_data_list_{year}.csv"
    machine_type, total = "", 0
    for row in csv.reader(source.read_text(encoding="utf-8").splitlines()):
        if len(row) == 1:
            machine_type = row[0]
            continue
        section = row[1].split("_")[2 if year == 2020 else 1]
        training = (
            "normal_id_{}_00000000" if year == 2020 else "section_{}_source_train_normal_0000_a"
        )
        make(tmp_path / machine_type, f"test/{row[1]}", f"train/{training.format(section)}.wav")
        total += 1

    table, notes = clip_table(tmp_path, find_clips(tmp_path))

    test = table[table["split"] == "test"]
    assert len(test) == total
    assert test.groupby(["machine_type", "section"]).ngroups == sections
    assert test["is_anomalous"].isna().sum() == blanked
    assert any("contradicts" in note for note in notes) == bool(blanked)


TRUTH = Truth(
    "dcase2021",
    {
        "ToyCar": [
            TruthRow(
                name="section_03_source_test_0000.wav",
                labeled_name="section_03_source_test_anomaly_0000.wav",
                section="03",
                domain="source",
                is_anomalous=True,
                attributes=None,
            )
        ]
    },
)


def with_evaluation_clips(root, *names):
    make(root, *OFFICIAL, "ToyCar/train/section_03_source_train_normal_0000_b_1.wav", *names)
    return find_clips(root)


def test_ground_truth_labels_evaluation_clips(tmp_path):
    layout = with_evaluation_clips(tmp_path, "ToyCar/source_test/section_03_source_test_0000.wav")

    table, notes = clip_table(tmp_path, layout, truth=TRUTH)

    labeled = table[table["path"].str.endswith("section_03_source_test_0000.wav")]
    assert labeled["is_anomalous"].tolist() == [True]
    assert "1 of 4 test clips have no label" in notes[0]  # That of the development set.


def test_an_evaluation_clip_the_ground_truth_does_not_know_is_named(tmp_path):
    layout = with_evaluation_clips(tmp_path, "ToyCar/source_test/section_03_source_test_0777.wav")

    with pytest.raises(DataError, match=r"section_03_source_test_0777\.wav: the ground truth of"):
        clip_table(tmp_path, layout, truth=TRUTH)

    assert len(clip_table(tmp_path, layout, ["pump"], truth=TRUTH)[0]) == 5


SUPPLEMENTAL = [
    "ToyPet/train/section_00_source_train_normal_0000_noAttribute.wav",
    "ToyPet/supplemental/section_00_machine_0001_.wav",
    "ToyPet/supplemental/section_00_noise_0002_.wav",
    "ToyPet/supplemental/section_00_noise_supplemental_normal_0003.wav",
    "ToyPet/supplemental/whatever.wav",
]


@pytest.mark.parametrize(("choice", "trained"), [("apart", 1), ("normal", 2)])
def test_supplemental_clips_are_trained_on_if_asked_for_and_noise_never(tmp_path, choice, trained):
    layout = find_clips(make(tmp_path, *SUPPLEMENTAL))

    table, notes = clip_table(tmp_path, layout, supplemental=choice)

    names = [Path(path).name for path in table["path"][table["split"] == "train"]]
    assert len(names) == trained
    assert not any("noise" in name or "whatever" in name for name in names)
    assert notes == (("1 supplemental clips are training clips.",) if trained == 2 else ())


def test_released_attributes_are_filled_in_and_told_of(tmp_path):
    layout = find_clips(make(tmp_path, *SUPPLEMENTAL))
    name = "section_00_source_train_normal_0000_noAttribute.wav"

    table, notes = clip_table(tmp_path, layout, released={"ToyPet": {name: "id_A1_spd_1"}})

    assert table["attributes"][table["split"] == "train"].tolist() == ["id_A1_spd_1"]
    assert notes == (
        "attributes that the challenge withheld are filled in for 1 clips of ToyPet: results are "
        "not first-shot.",
    )


def test_labels_of_the_list_of_2022_are_ignored_or_corrected_and_either_is_told_once(tmp_path):
    renamed = "ToyCar/test/section_03_source_test_normal_0001_car_G2.wav"
    training = "ToyCar/train/section_03_source_train_normal_0000_car_G2.wav"
    bearing = "bearing/train/section_01_source_train_normal_0000_vel_6.wav"
    layout = find_clips(make(tmp_path, renamed, training, bearing))
    row = TruthRow("section_03_0000.wav", Path(renamed).name, "03", "target", True, None)

    ignored, notes = clip_table(tmp_path, layout)
    settled, corrections = clip_table(tmp_path, layout, truth=Truth("dcase2022", {"ToyCar": [row]}))

    assert ignored["is_anomalous"].isna().sum() == 1
    assert "contradicts the tables the 2022 challenge" in notes[0]
    assert settled["is_anomalous"].tolist()[1] is True
    assert settled["domain"].tolist()[1] == "target"
    (correction,) = corrections
    assert "1 labels and 1 domains in the names are wrong" in correction


def test_withheld_attributes_in_labeled_names_stay_withheld(tmp_path):
    table = read_clip_table(
        make(
            tmp_path,
            "HoveringDrone/train/section_00_source_train_normal_0001_noAttribute.wav",
            "HoveringDrone/test/section_00_source_test_anomaly_0037_id_B2_spd_2_mic_1.wav",
            "Scanner/train/section_00_source_train_normal_0001_a_1.wav",
        )
    )

    assert set(table["dataset"]) == {"dcase2024"}
    assert table["attributes"].isna().tolist() == [True, True, False]
