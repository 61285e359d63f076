"""The manifest is well formed and its counts are those of the challenge."""

import csv
from pathlib import Path

import pytest
import yaml

from asdkeras.metrics.official import RULES
from asdkeras.submission import read_submission
from tests.real_data import real_data

MACHINE_TYPES = {"fan", "gearbox", "pump", "slider", "ToyCar", "ToyTrain", "valve"}


@pytest.fixture(scope="module")
def manifest():
    path = Path(__file__).parents[2] / "data_manifest.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def dcase2021(manifest):
    return manifest["datasets"]["dcase2021"]


def counts(dataset, part):
    """{(machine type, section, domain): [normal, anomalous]} of the test clips of a part."""
    return {
        (machine_type, section, domain): both
        for machine_type, sections in dataset["test_clips"].items()
        for section, domains in sections.items()
        if section in dataset["sections"][part]
        for domain, both in domains.items()
    }


def test_schema_version_is_known(manifest):
    assert manifest["schema_version"] == 1


def test_every_dataset_has_rules_and_says_what_its_license_is(manifest):
    assert set(manifest["datasets"]) <= set(RULES)
    assert all("non-commercial" in entry["license"] for entry in manifest["datasets"].values())


@pytest.mark.parametrize(
    ("part", "record", "name"),
    [
        ("dev", 4562016, "dev_data_{}.zip"),
        ("additional_training", 4660992, "eval_data_{}_train.zip"),
        ("eval_test", 4884786, "eval_data_{}_test.zip"),
    ],
)
def test_each_part_of_2021_has_one_archive_per_machine_type(dcase2021, part, record, name):
    entries = [entry for entry in dcase2021["files"] if entry["part"] == part]
    assert {entry["machine_type"] for entry in entries} == MACHINE_TYPES
    assert len(entries) == len(MACHINE_TYPES)
    for entry in entries:
        assert entry["record"] == record
        assert entry["file"] == name.format(entry["machine_type"])
        assert entry["md5"] is None


def test_addresses_are_made_from_record_and_file(dcase2021):
    entry = dcase2021["files"][0]
    assert dcase2021["url"].format(**entry) == (
        "https://zenodo.org/records/4562016/files/dev_data_fan.zip"
    )
    truth = [entry["record"] for entry in dcase2021["files"] if entry["part"] == "eval_truth"]
    assert truth == [5257674]


@pytest.mark.parametrize(("part", "total"), [("dev", 8621), ("eval", 8635)])
def test_totals_of_2021_are_those_of_the_challenge(dcase2021, part, total):
    by_place = counts(dcase2021, part)
    assert len(by_place) == 42
    assert sum(map(sum, by_place.values())) == total


def test_sections_of_2021_belong_to_the_part_the_rules_say(dcase2021):
    for part, sections in dcase2021["sections"].items():
        assert {RULES["dcase2021"].part_of("fan", section) for section in sections} == {part}


def test_development_counts_of_2021_are_those_of_a_public_submission(dcase2021):
    clips = read_submission(real_data("2_scores/dev2021_jeff_ae"))
    clips["is_anomalous"] = clips["name"].str.contains("_anomaly_")
    for key, both in counts(dcase2021, "dev").items():
        is_here = (clips["machine_type"] == key[0]) & (clips["section"] == key[1])
        labels = clips.loc[is_here & (clips["domain"] == key[2]), "is_anomalous"]
        assert [int((~labels).sum()), int(labels.sum())] == both


def test_evaluation_counts_of_2021_are_those_of_the_truth(dcase2021):
    folder = real_data("1_ground_truth/dcase2021_evaluator") / "ground_truth_data"
    for (machine_type, section, domain), both in counts(dcase2021, "eval").items():
        path = folder / f"ground_truth_{machine_type}_section_{section}_{domain}_test.csv"
        with path.open() as file:
            labels = [int(float(line[1])) for line in csv.reader(file)]
        assert [labels.count(0), labels.count(1)] == both
