"""Adoption: datasets are recognized wherever they lie, and nothing among them is touched."""

import hashlib
import os
from dataclasses import replace

import pytest

from asdkeras.acquire.adopt import adopt, find_datasets
from asdkeras.corpus.mini import generate
from asdkeras.data.layouts import read_layout
from asdkeras.data.manifest import Manifest, read_manifest
from asdkeras.data.places import known_cards, read_card, truth_folder
from asdkeras.data.truth import read_truth
from asdkeras.errors import DataError
from tests.data.trees import DEV_2023, EVAL_TEST_2023, make, make_2023, snapshot
from tests.real_data import real_data


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ASDKERAS_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def manifest():
    return read_manifest()


LAYOUTS = {
    "official archives, all in one folder": ("", "", "official archives"),
    "Keras baselines and Wilkinghoff": ("dev_data", "eval_data", "dev_data and eval_data"),
    "NTT baseline": (
        "data/dcase2023t2/dev_data/raw",
        "data/dcase2023t2/eval_data/raw",
        "NTT baseline",
    ),
    "ASDKit": ("original/dcase2023/dev_data", "original/dcase2023/eval_data", "ASDKit, original"),
    "ASDKit, formatted": ("formatted/dcase2023", "formatted/dcase2023", "ASDKit, formatted"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_recognized_and_left_as_it_is(tmp_path, manifest, name):
    dev, evaluation, layout = LAYOUTS[name]
    make_2023(tmp_path / "shelf", dev, evaluation)
    before = snapshot(tmp_path)

    adoption = adopt(tmp_path / "shelf", manifest)

    assert snapshot(tmp_path) == before
    (adopted,) = adoption.adopted
    assert (adopted.card.dataset, adopted.card.layout) == ("dcase2023", layout)
    assert adoption.odd == ()
    found = read_layout(known_cards()["dcase2023"])
    assert (found.dataset, len(found.clips)) == ("dcase2023", 7 * 4 + 2 * 3)
    assert found.problems == []


def test_archives_unpacked_one_by_one_into_folders_of_their_names_are_one_dataset(tmp_path):
    for name, files in DEV_2023.items():
        make(tmp_path / f"dev_{name}", *files)
    make(
        tmp_path / "eval_data_bandsaw_train",
        "bandsaw/train/section_00_source_train_normal_0000_a.wav",
    )
    make(tmp_path / "eval_data_bandsaw_test", *EVAL_TEST_2023["bandsaw"])

    (card,), _ = find_datasets(tmp_path)

    assert card.dataset == "dcase2023"
    assert len(card.machine_folders) == 7 + 2


def test_what_is_missing_of_which_archive_is_told(tmp_path, manifest):
    make_2023(tmp_path)

    (adopted,) = adopt(tmp_path, manifest).adopted

    stocks = {(s.archive.part, s.archive.machine_type): s for s in adopted.stocks}
    assert stocks["dev", "fan"].num_clips == 4
    assert stocks["dev", "fan"].num_expected == 1200
    assert not stocks["dev", "fan"].is_whole
    assert stocks["eval_test", "Vacuum"].num_clips == 2
    assert stocks["additional_training", "Vacuum"].num_clips == 1
    assert stocks["eval_test", "shaker"].num_clips == 0


def test_several_years_below_one_folder_become_a_card_each(tmp_path, manifest):
    make_2023(tmp_path / "data/dcase2023t2", "dev_data/raw", "eval_data/raw")
    make(tmp_path / "data/dcase2020t2/dev_data/raw", "pump/train/normal_id_00_00000000.wav")

    adoption = adopt(tmp_path, manifest)

    assert [each.card.dataset for each in adoption.adopted] == ["dcase2020", "dcase2023"]
    assert [len(each.card.machine_folders) for each in adoption.adopted] == [1, 9]


def test_a_formatted_copy_beside_the_originals_is_not_read_twice(tmp_path, manifest):
    make_2023(tmp_path / "original/dcase2023")
    make_2023(tmp_path / "formatted/dcase2023")

    adoption = adopt(tmp_path, manifest)

    (adopted,) = adoption.adopted
    assert adopted.card.layout == "ASDKit, original"
    assert len(adoption.odd) == 1
    assert "formatted/dcase2023 (ASDKit, formatted): a second copy of dcase2023" in adoption.odd[0]


def test_a_formatted_tree_supplies_what_the_originals_lack(tmp_path):
    for names in DEV_2023.values():
        make(tmp_path / "original/dcase2023", *names)
    make(tmp_path / "formatted/dcase2023", *EVAL_TEST_2023["Vacuum"], *DEV_2023["fan"])

    (card,), _ = find_datasets(tmp_path)

    assert card.layout == "ASDKit, original; ASDKit, formatted"
    assert len(card.machine_folders) == 8


def test_renamed_copies_of_the_ntt_baseline_are_not_read_beside_the_clips(tmp_path, manifest):
    root = tmp_path / "dcase2023t2/eval_data/raw"
    make(root, *EVAL_TEST_2023["Vacuum"])
    make(root, "Vacuum/test_rename/section_00_source_test_normal_0003_car_A.wav")
    # Its rename step writes to a lower-cased path.
    make(root, "vacuum/test_rename/section_00_source_test_normal_0003_car_A.wav")

    (adopted,) = adopt(tmp_path, manifest).adopted

    assert [os.path.basename(path) for path in adopted.card.machine_folders] == ["Vacuum"]
    found = read_layout(adopted.path)
    assert sorted(os.path.basename(clip.path) for clip in found.clips) == [
        "section_00_0000.wav",
        "section_00_0001.wav",
    ]


def test_renamed_copies_are_read_where_there_is_nothing_else(tmp_path):
    make(
        tmp_path / "dcase2023t2/eval_data/raw",
        "Vacuum/test_rename/section_00_source_test_normal_0003_car_A.wav",
    )

    (clip,) = read_layout(tmp_path).clips

    assert (clip.machine_type, clip.split, clip.is_anomalous) == ("Vacuum", "test", False)


def test_what_fits_several_years_is_adopted_once_the_year_is_said(tmp_path, manifest):
    make(tmp_path, *DEV_2023["fan"])

    with pytest.raises(DataError, match=r"fit 2023, 2024, 2025, 2026, not adopted\. Name its year"):
        adopt(tmp_path, manifest)
    assert known_cards() == {}

    (adopted,) = adopt(tmp_path, manifest, year=2024).adopted
    assert adopted.card.dataset == "dcase2024"


def test_a_year_that_cannot_be_is_refused(tmp_path, manifest):
    make(tmp_path, *DEV_2023["fan"])

    with pytest.raises(DataError, match="fit 2023, 2024, 2025, 2026, and not 2020"):
        adopt(tmp_path, manifest, year=2020)


def test_folders_of_ones_own_need_no_adoption(tmp_path, manifest):
    make(tmp_path, "press/train/a.wav", "press/test/normal_1.wav")

    with pytest.raises(DataError, match=r"file names are not official .press.\. Use it as it is"):
        adopt(tmp_path, manifest)


@pytest.mark.parametrize("year", range(2020, 2026))
def test_every_mini_corpus_is_adopted(tmp_path, manifest, year):
    generate(tmp_path / "corpus", year=year, size="tiny", seed=0)

    (adopted,) = adopt(tmp_path, manifest).adopted

    assert (adopted.card.dataset, adopted.card.layout) == (f"mini{year}", "generated corpus")
    assert adopted.remarks == ()
    from_card = read_layout(adopted.path)
    from_folder = read_layout(tmp_path / "corpus")
    assert from_card.dataset == from_folder.dataset
    assert sorted(c.path for c in from_card.clips) == sorted(c.path for c in from_folder.clips)


def test_clips_of_2020_under_the_names_asdkit_gives_them_are_clips_of_2020(tmp_path, manifest):
    make(
        tmp_path / "formatted/dcase2020",
        "fan/train/section_00_source_train_normal_00000000.wav",
        "fan/test/section_00_source_test_anomaly_00000000.wav",
    )

    (adopted,) = adopt(tmp_path, manifest).adopted

    assert adopted.card.dataset == "dcase2020"
    clips = read_layout(adopted.path).clips
    assert {clip.domain for clip in clips} == {None}
    assert {clip.is_anomalous for clip in clips} == {False, True}


def test_a_card_whose_folders_are_gone_says_which(tmp_path, manifest):
    make(tmp_path / "dcase2020", "pump/train/normal_id_00_00000000.wav")
    (adopted,) = adopt(tmp_path, manifest).adopted
    (tmp_path / "dcase2020").rename(tmp_path / "moved")

    with pytest.raises(DataError, match=r"1 of the 1 folders of dcase2020.*dcase2020/pump"):
        read_card(adopted.path)


def test_a_damaged_card_is_refused(tmp_path):
    card = tmp_path / "dcase2020.json"
    card.write_text('{"schema_version": 7}')

    with pytest.raises(DataError, match=r"not the card of an adopted.*adopt. on the folder"):
        read_card(card)


def test_ground_truth_beside_the_clips_is_kept(tmp_path, manifest):
    lists = real_data("1_ground_truth/eval_data_list")
    make(tmp_path / "data", "pump/train/normal_id_00_00000000.wav")
    (tmp_path / "data" / "eval_data_list_2020.csv").write_bytes(
        (lists / "eval_data_list_2020.csv").read_bytes()
    )

    adoption = adopt(tmp_path, manifest)

    assert adoption.num_truth_files == {"dcase2020": 1}
    kept = [path for path in truth_folder("dcase2020").rglob("*") if path.is_file()]
    assert [path.name for path in kept] == ["eval_data_list_2020.csv"]


def test_ground_truth_is_known_by_its_digest_and_kept_where_it_is_looked_for(tmp_path, manifest):
    dataset = manifest.dataset(2020)
    (source,) = dataset.truth
    text = b"pump\nid_01_00000000.wav,anomaly_id_01_00000000.wav,1\n"
    file = replace(source.files[0], sha256=hashlib.sha256(text).hexdigest())
    small = Manifest(
        tmp_path, {"dcase2020": replace(dataset, truth=(replace(source, files=(file,)),))}
    )
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/eval_data_list_2020.csv").write_bytes(text)

    for _ in range(2):
        assert adopt(tmp_path / "lists", small).num_truth_files == {"dcase2020": 1}

    assert (truth_folder("dcase2020") / file.name).read_bytes() == text
    assert read_truth(small.dataset(2020), truth_folder("dcase2020")) is not None
    exchanged = text.replace(b",1", b",0")
    (truth_folder("dcase2020") / file.name).write_bytes(exchanged)
    with pytest.raises(DataError, match=r"not as published\. Delete it and fetch it again"):
        read_truth(small.dataset(2020), truth_folder("dcase2020"))
    adopt(tmp_path / "lists", small)
    assert (truth_folder("dcase2020") / file.name).read_bytes() == text
    assert read_truth(small.dataset(2020), truth_folder("dcase2020")) is not None


def test_ground_truth_that_was_changed_is_not_used(tmp_path, manifest):
    make(tmp_path, "pump/train/normal_id_00_00000000.wav")
    (tmp_path / "eval_data_list_2022.csv").write_text("fan\na.wav,b.wav\n")

    adoption = adopt(tmp_path, manifest)

    assert adoption.num_truth_files == {}
    assert "named like published ground truth, but not the same" in adoption.odd[0]


def test_a_missing_folder_is_named(tmp_path, manifest):
    with pytest.raises(DataError, match="nowhere: no such folder"):
        adopt(tmp_path / "nowhere", manifest)
