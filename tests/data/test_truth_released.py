"""Attributes released after a challenge: from which files, and to which clips."""

import pytest

from asdkeras.data import naming, truth
from asdkeras.data.truth import with_released_attributes
from asdkeras.errors import DataError
from tests.truth_files import clip, dataset, pinned, publish, write

LIST = ("names", None, "list.csv")
TEXT_2024 = """AirCompressor
section_00_0001.wav,section_00_source_test_normal_0001_noAttribute.wav
3DPrinter
section_00_0001.wav,section_00_target_test_anomaly_0001_mdl_B_spd_2.wav
BrushlessMotor
section_00_0000.wav,section_00_source_test_normal_0003_spd1000_BckgC.wav
"""
TEXT_2025 = """AutoTrash
section_00_0000.wav,section_00_target_test_anomaly_0012_id_C1_spd_2_mic_2.wav
CoffeeGrinder
section_00_0000.wav,section_00_source_test_normal_2012_vol_12000_.wav
"""

RELEASED_2024 = ("released_attributes", ("attributes", "AirCompressor", "air.csv"))
AIR = (
    "section_00_0001.wav,section_00_source_test_normal_0001_noAttribute,"
    "section_00_source_test_normal_0001_id_A1_spd_2.wav\r\n"
)
PET_HEADER = "source_file_name,target_file_name\n"
TRAIN = "section_00_source_train_normal_0001_noAttribute.wav"
RELEASED_2025 = (
    "released_attributes",
    ("attributes", "ToyPet", "train.csv"),
    ("attributes", "ToyPet", "test.csv"),
)
PET = {
    "train": f"{PET_HEADER}section_00_source_train_normal_0009_id_A1.wav,{TRAIN}\n",
    "test": f"{PET_HEADER}section_00_target_test_anomaly_0001_id_B2_.wav,section_00_0000.wav\n",
}
TEXT_PET = "ToyPet\nsection_00_0000.wav,section_00_target_test_anomaly_0031_id_B2_.wav\n"


def released_attributes(content, folder):
    return truth.released_attributes(pinned(content, folder), folder)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return publish(tmp_path_factory.mktemp("truth"))


def test_evaluator_files_of_2024_name_the_attributes_in_a_third_column(tmp_path):
    write(tmp_path, air=AIR)

    found = released_attributes(dataset(2024, RELEASED_2024), tmp_path)

    assert found == {"AirCompressor": {"section_00_0001.wav": "id_A1_spd_2"}}


def test_correspondences_of_training_and_test_clips_are_joined(tmp_path):
    found = released_attributes(dataset(2025, RELEASED_2025), write(tmp_path, **PET))

    assert found == {"ToyPet": {TRAIN: "id_A1", "section_00_0000.wav": "id_B2_"}}


def test_labeled_names_get_them_too_where_the_truth_is_there(tmp_path):
    write(tmp_path, list=TEXT_2024, air=AIR)

    found = released_attributes(dataset(2024, ("primary", LIST), RELEASED_2024), tmp_path)

    assert found == {
        "AirCompressor": {
            "section_00_0001.wav": "id_A1_spd_2",
            "section_00_source_test_normal_0001_noAttribute.wav": "id_A1_spd_2",
        },
        "BrushlessMotor": {
            "section_00_0000.wav": "spd1000_BckgC",
            "section_00_source_test_normal_0003_spd1000_BckgC.wav": "spd1000_BckgC",
        },
    }


def test_nothing_is_released_in_other_years(tmp_path):
    text = "fan\nsection_03_0000.wav,section_03_source_test_normal_0007_m-n_X.wav\n"

    assert released_attributes(dataset(2022, ("primary", LIST)), write(tmp_path, list=text)) == {}


def test_missing_file_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"air.csv: not a readable table: .*fetch it again"):
        released_attributes(dataset(2024, RELEASED_2024), tmp_path)


def test_only_clips_without_attributes_are_filled(tmp_path):
    write(tmp_path, list=TEXT_PET, **PET)
    found = released_attributes(dataset(2025, ("primary", LIST), RELEASED_2025), tmp_path)
    clips = [
        clip(f"ToyPet/train/{TRAIN}", "ToyPet", split="train"),
        clip("ToyPet/test/section_00_test_0000.flac", "ToyPet"),
        clip("ToyPet/test/section_00_target_test_anomaly_0031_id_B2_.wav", "ToyPet"),
        clip("ToyPet/test/section_00_0000.wav", "ToyPet", attributes="mine"),
        clip("ToyPet/test/section_00_0001.wav", "ToyPet"),
        clip("ToyRCCar/test/section_00_0000.wav", "ToyRCCar"),
        clip("ToyPet/supplemental/recording 7.wav", "ToyPet", split="supplemental", section="00"),
    ]

    filled = with_released_attributes(clips, found)

    assert [each.attributes for each in filled] == [
        *("id_A1", "id_B2_", "id_B2_", "mine", None, None, None)
    ]
    assert [each._replace(attributes=None) for each in filled] == [
        each._replace(attributes=None) for each in clips
    ]


def test_attributes_no_file_tells_stay_unknown(tmp_path):
    folder = write(tmp_path, list=TEXT_2024)

    found = released_attributes(dataset(2024, ("primary", LIST)), folder)

    assert found["AirCompressor"] == {}


def test_list_of_2025_tells_attributes_only_here(tmp_path):
    found = released_attributes(dataset(2025, ("primary", LIST)), write(tmp_path, list=TEXT_2025))

    assert found.keys() == {"AutoTrash"}
    assert found["AutoTrash"]["section_00_0000.wav"] == "id_C1_spd_2_mic_2"


@pytest.mark.parametrize(
    ("year", "counts"),
    [
        (
            2024,
            {"AirCompressor": 400, "BrushlessMotor": 400, "HoveringDrone": 400, "ToothBrush": 400},
        ),
        (
            2025,
            {"bearing": 200, "slider": 200, "ToyTrain": 200}
            | {"AutoTrash": 400, "Polisher": 400, "ScrewFeeder": 400, "ToyPet": 400},
        ),
    ],
)
def test_published_attributes_are_all_read(published, year, counts):
    manifest, folder = published
    each = manifest.dataset(year)

    found = released_attributes(each, folder / each.name)

    assert {name: len(attributes) for name, attributes in found.items()} == counts


def test_published_correspondences_of_2025_agree_with_the_list(published):
    manifest, folder = published
    each = manifest.dataset(2025)

    found = released_attributes(each, folder / each.name)

    told = [
        (naming.parse_name(name).attributes, text)
        for attributes in found.values()
        for name, text in attributes.items()
    ]
    assert sum(from_name is not None for from_name, _ in told) == 800
    assert all(text == from_name for from_name, text in told if from_name is not None)
