"""What the data commands print."""

import io

import pytest
from rich.console import Console

from asdkeras.acquire.adopt import Adopted, Adoption
from asdkeras.acquire.inventory import Holding, Stock
from asdkeras.acquire.verify import CountRow, Finding, Verification
from asdkeras.data.manifest import read_manifest
from asdkeras.data.places import Card
from asdkeras.report.datasets import print_adoption, print_datasets, print_verification

CARD = Card("dcase2021", "NTT baseline", ("/data/dev/fan", "/data/dev/valve", "/data/eval/fan"))


@pytest.fixture(scope="module")
def dataset():
    return read_manifest().dataset(2021)


def stocks_of(dataset, num_clips):
    return tuple(Stock(archive, num_clips, 7, num_clips == 7) for archive in dataset.archives)


def printed(function, *arguments, width=80, **options):
    console = Console(file=io.StringIO(), width=width)
    function(*arguments, console=console, **options)
    return console.file.getvalue()


def test_a_dataset_is_listed_with_its_size_license_and_place(dataset):
    holding = Holding(dataset, CARD, stocks_of(dataset, 7), True, "")

    text = printed(print_datasets, [holding], sources=True)

    assert "165 h, about 19 GB unpacked, 16000 Hz, mono" in text
    assert "here: /data/dev, /data/eval" in text
    assert "license: " in text
    assert "https://zenodo.org/records/4562016" in text
    rows = {line.split("  ")[0].strip(): line.split() for line in text.splitlines() if line}
    assert rows["development"][-3:] == ["7", "49", "7"]
    assert rows["ground truth"][-1] == "yes"


def test_names_of_machine_types_are_never_cut(dataset):
    holding = Holding(dataset, None, stocks_of(dataset, 0), False, "")

    text = printed(print_datasets, [holding], sources=False, width=60)

    assert {archive.machine_type for archive in dataset.archives} <= set(text.split())
    assert "zenodo" not in text


def test_a_dataset_whose_folders_are_gone_is_listed_with_the_reason(dataset):
    holding = Holding(dataset, None, stocks_of(dataset, 0), False, "folders are gone")

    assert "here: folders are gone" in printed(print_datasets, [holding], sources=False)


def test_adoption_says_what_is_here_missing_incomplete_and_odd(dataset):
    counts = {"fan": 7, "valve": 3}
    stocks = tuple(
        Stock(archive, num_clips, 7, num_clips == 7)
        for archive in dataset.archives
        for num_clips in [counts.get(archive.machine_type, 0) * (archive.part == "dev")]
    )
    adoption = Adoption(
        (Adopted(CARD, "card.json", stocks, ("a remark",)),), {"dcase2021": 42}, ("odd thing",)
    )

    lines = printed(print_adoption, adoption).splitlines()

    assert "dcase2021: NTT baseline" in lines
    assert "development: fan 7, valve 3" in lines
    assert "  incomplete: valve, 3 of 7 clips" in lines
    assert "development, missing: gearbox, pump, slider, ToyCar, ToyTrain" in lines
    assert "note: a remark" in lines
    assert "ground truth of dcase2021: 42 files" in lines
    assert "odd: odd thing" in lines
    assert "use it with --data dcase2021   (card.json)" in lines


def test_verification_shows_counts_and_every_finding():
    rows = (
        CountRow("fan", "00", "train", "source", 990, 0, 0, 990, 0),
        CountRow("fan", "00", "test", "target", 49, 50, 0, 50, 50),
        CountRow("pump", "03", "test", None, 0, 0, 200, 100, 100),
        CountRow("pump", "03", "train", "source", 1008, 0, 0, None, 0),
    )
    findings = tuple(Finding("count", "fan", f"finding {number}") for number in range(60))

    text = printed(print_verification, Verification("dcase2022", 1297, rows, findings, ("n",)))

    found = [line.split() for line in text.splitlines()]
    assert ["fan", "00", "train", "source", "990", "990"] in found
    assert ["00", "test", "target", "49", "+", "50", "50", "+", "50"] in found
    assert ["pump", "03", "test", "200", "200"] in found
    assert ["03", "train", "source", "1008", "?"] in found
    assert "count: 60" in text
    assert all(f"finding {number}\n" in text for number in range(60))
    assert "note: n" in text
