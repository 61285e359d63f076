"""Which data a command means, and what is known beside it."""

import json
from pathlib import Path

import pytest

from asdkeras.acquire.adopt import adopt
from asdkeras.corpus import mini_plan
from asdkeras.corpus.mini import FORMAT_VERSION
from asdkeras.data.clip_table import find_clips
from asdkeras.data.layouts import read_layout
from asdkeras.data.manifest import Manifest, read_manifest
from asdkeras.data.places import cache_folder, truth_folder
from asdkeras.data.years import CARD
from asdkeras.errors import DataError
from asdkeras.experiment.dataset import find_data, known_released, known_truth
from tests.data.trees import make
from tests.truth_files import pinned

NO_ATTRIBUTE = "section_00_source_train_normal_0000_noAttribute.wav"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ASDKERAS_CACHE", str(tmp_path_factory.mktemp("cache")))


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_name_of_an_adopted_dataset_stands_for_it_unless_there_is_such_a_folder(
    tmp_path, monkeypatch
):
    make(tmp_path / "shelf/dcase2020", "pump/train/normal_id_00_00000000.wav")
    (adopted,) = adopt(tmp_path / "shelf", read_manifest()).adopted
    monkeypatch.chdir(tmp_path)

    assert find_data(Path("dcase2020")) == adopted.path
    monkeypatch.setenv("ASDKERAS_DATA", "dcase2020")
    assert find_data(None) == adopted.path
    with pytest.raises(DataError, match="Did you mean dcase2020"):
        find_clips(Path("dcase202"))
    with pytest.raises(DataError, match=r"dcase2025: no such folder\. Get it with .* fetch 2025"):
        find_clips(Path("dcase2025"))
    with pytest.raises(DataError, match=r"no such folder\. Check the path"):
        find_clips(tmp_path / "dcase202")
    (tmp_path / "dcase2020").mkdir()
    assert find_data(Path("dcase2020")) == Path("dcase2020")
    assert find_data(Path("dcase2021")) == Path("dcase2021")


def test_a_corpus_of_another_version_in_the_cache_is_no_hindrance(monkeypatch):
    monkeypatch.delenv("ASDKERAS_DATA", raising=False)
    monkeypatch.setitem(mini_plan._AMOUNTS, "mini", mini_plan.Amounts((1, 1), (1, 1), 1, 1))
    old = cache_folder() / "mini2021" / CARD
    write(old, '{"asdkeras_mini_corpus": 1, "year": 2021, "size": "mini", "seed": 0}')

    folder = find_data(None)

    card = json.loads((folder / CARD).read_text())
    assert folder.is_relative_to(cache_folder())
    assert [card["asdkeras_mini_corpus"], card["size"], card["seed"]] == [FORMAT_VERSION, "mini", 0]
    assert find_clips(folder).dataset == "mini2021"
    assert old.parent != folder
    assert old.exists()
    assert find_data(None) == folder


def test_ground_truth_is_known_once_it_was_fetched():
    assert known_truth("dcase2020") is None
    write(
        truth_folder("dcase2020") / "primary/datasets/eval_data_list_2020.csv",
        "pump\nid_01_00000000.wav,anomaly_id_01_00000000.wav,1\n",
    )

    content = pinned(read_manifest().dataset(2020), truth_folder("dcase2020"))

    truth = known_truth("dcase2020", Manifest(Path("manifest.yaml"), {"dcase2020": content}))

    assert truth.rows("pump")[0].is_anomalous
    assert known_truth("mini2020") is None


def test_released_attributes_lie_beside_the_clips(tmp_path):
    make(tmp_path / "dcase2024", f"gearbox/train/{NO_ATTRIBUTE}")
    write(
        tmp_path / "dcase2024/gearbox/attributes_00_train_correspondence.csv",
        "source_file_name,target_file_name\n"
        f"section_00_source_train_normal_0001_pro_A_wt_200.wav,{NO_ATTRIBUTE}\n",
    )

    released = known_released(read_layout(tmp_path))

    assert released == {"gearbox": {NO_ATTRIBUTE: "pro_A_wt_200"}}


def test_released_attributes_that_are_nowhere_are_an_error(tmp_path):
    make(tmp_path / "dcase2024", f"gearbox/train/{NO_ATTRIBUTE}")

    with pytest.raises(DataError, match="asdkeras data fetch 2024 --parts truth"):
        known_released(read_layout(tmp_path))


def test_no_attributes_were_withheld_before_2024(tmp_path):
    make(tmp_path / "dcase2020", "pump/train/normal_id_00_00000000.wav")

    with pytest.raises(DataError, match=r"dcase2020 withholds no attributes\. Set it to false"):
        known_released(read_layout(tmp_path))
