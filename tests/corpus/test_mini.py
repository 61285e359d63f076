"""The mini corpus: official names and layouts, the same bytes everywhere, faults one can find."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from sklearn.metrics import roc_auc_score

from asdkeras.corpus.machines.recording import machine_model, record
from asdkeras.corpus.mini import generate
from asdkeras.corpus.mini_plan import MACHINES, plan
from asdkeras.data.years import CARD, WITHHELD
from asdkeras.errors import DataError, RecipeError

YEARS = sorted(MACHINES)
MACHINE_TYPES = sorted({name for names in MACHINES.values() for name in names})
NAMES = {
    2020: r"^(?:(normal|anomaly)_)?id_(\d{2})_(\d{8})\.wav$",
    2021: r"^section_(\d{2})(?:_(source|target))?(?:_(train|test))?(?:_(normal|anomaly))?"
    r"_(\d{4})(?:_(.*))?\.wav$",
    "supplemental": r"^section_(\d{2})_(?:(source|noise)_supplemental_)?(machine|noise|normal)"
    r"_(\d{4})_?(.*)\.wav$",
}
# Of the tiny corpus with seed 0. A change here changes everybody's corpus: raise
# FORMAT_VERSION and calibrate again.
HASHES = {
    2020: "2e693611a4275185a143a7e36d1f4c31b95d412ef3937ade5f93e4da71c61897",
    2021: "7ee37cf26eb408c224b57e5f8cedc4c768f751f03074caefe64f1a4463d2d1b9",
    2022: "dc7fce3705397a53dde8ced76e3e29366a43d38d69ce34b240c05cc69cde5eee",
    2023: "58670b4aa51bd361d5259e20da59907489749aa3100b6a7c1b2aeac031e9c021",
    2024: "1d33f3ed26476e12792ed80eae8c02c21908e90caba25804dda8b2d50f772251",
    2025: "ca8f65ebbaf5cfba8dc092d5e506bfe4d8d285cf61c10d5944b74ee2a8509392",
}


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpora")
    for year in YEARS:
        generate(root / str(year), year=year, size="tiny", seed=0)
    return root


def card_of(folder):
    return json.loads((folder / CARD).read_text())


def clips_of(folder):
    return sorted(folder.rglob("*.wav"))


@pytest.mark.parametrize("year", YEARS)
def test_bytes_are_those_of_every_machine(corpora, year):
    assert card_of(corpora / str(year))["sha256"] == HASHES[year]


@pytest.mark.parametrize("year", YEARS)
def test_names_follow_the_grammar_of_the_year(corpora, year):
    for path in clips_of(corpora / str(year)):
        key = "supplemental" if path.parent.name == "supplemental" else min(year, 2021)
        assert re.match(NAMES[key], path.name), path.name


@pytest.mark.parametrize("year", YEARS)
@pytest.mark.parametrize(
    ("size", "train", "test", "clip_s"), [("mini", 52, 48, 10), ("tiny", 11, 16, 2)]
)
def test_every_section_has_enough_clips_of_each_kind(year, size, train, test, clip_s):
    for machine_type in MACHINES[year]:
        clips = plan(year, size, 0, [machine_type])
        for section in {clip.scene.section for clip in clips}:
            own = [clip for clip in clips if clip.scene.section == section]
            kinds = [clip.path.split("/")[2] for clip in own]
            assert train <= kinds.count("train") <= train + 1
            assert sum(kind.endswith("test") for kind in kinds) == test
            assert sum(clip.scene.fault >= 0 for clip in own) == test // 2
        long = year == 2020 and machine_type == "ToyCar" and size == "mini"
        assert {clip.scene.length for clip in clips} == {16_000 * (clip_s + long)}
        assert len({clip.path for clip in clips}) == len(clips)


@pytest.mark.parametrize(("year", "sections"), [(2020, 2), (2021, 2), (2022, 2), (2023, 1)])
def test_sections_are_as_many_as_the_year_wants(year, sections):
    clips = plan(year, "mini", 0, ["fan"])
    assert len({clip.scene.section for clip in clips}) == sections


@pytest.mark.parametrize("year", YEARS)
def test_files_are_as_announced(corpora, year):
    folder = corpora / str(year)
    card = card_of(folder)

    assert [card["year"], card["size"], card["seed"]] == [year, "tiny", 0]
    assert card["clips"] == len(clips_of(folder))
    for machine_type, counts in card["counts"].items():
        root = folder / "dev_data" / machine_type
        assert counts["train"] == len(list(root.glob("train/*.wav")))
        assert counts["test"] == len(list(root.glob("*test/*.wav")))
    info = soundfile.info(clips_of(folder)[0])
    assert [info.samplerate, info.channels, info.subtype] == [16_000, 1, "PCM_16"]
    assert info.frames == 32_000


def test_test_clips_of_2021_hide_their_attributes_and_lie_in_two_folders(corpora):
    root = corpora / "2021" / "dev_data" / "fan"
    assert (root / "train" / "section_01_target_train_normal_0002_f-n_C.wav").exists()
    assert (root / "source_test" / "section_00_source_test_anomaly_0003.wav").exists()
    assert (root / "target_test" / "section_00_target_test_normal_0000.wav").exists()
    assert not (root / "attributes_00.csv").exists()


def test_attribute_tables_join_with_the_names(corpora):
    for year in YEARS[2:]:
        for table in (corpora / str(year)).rglob("attributes_*.csv"):
            header, *rows = table.read_text().splitlines()
            section = table.stem.removeprefix("attributes_")
            clips = [p for p in clips_of(table.parent) if p.name.startswith(f"section_{section}_")]
            clips = [p for p in clips if p.parent.name != "supplemental"]
            named = {(table.parent.parent / row.split(",")[0]).resolve() for row in rows}
            assert named == {p.resolve() for p in clips}
            withheld = table.parent.name in WITHHELD.get(year, ())
            assert header == "file_name" if withheld else header.startswith("file_name,d1p,d1v")
            for row in rows:
                name, *values = row.split(",")
                text = "_".join(values) or "noAttribute"
                assert name.endswith(f"_{text}.wav")
                assert len(values) == header.count(",")


def test_tables_name_toys_without_folder_and_ending(tmp_path):
    generate(tmp_path, year=2022, size="tiny", seed=0, machines=["ToyCar"])
    lines = (tmp_path / "dev_data/ToyCar/attributes_00.csv").read_text().splitlines()
    assert lines[0] == "file_name,d1p,d1v,d2p,d2v,d3p,d3v,d4p,d4v"
    assert lines[1] == (
        "section_00_source_train_normal_0000_car_A1_spd_28V_mic_1_noise_1"
        ",car,A1,spd,28V,mic,1,noise,1"
    )


def test_supplemental_clips_are_machine_or_noise_and_carry_no_attributes(corpora):
    root = corpora / "2025" / "dev_data"
    names = {m: [p.name for p in clips_of(root / m / "supplemental")] for m in ("fan", "slider")}
    assert names["fan"][0] == "section_00_machine_0001_.wav"
    assert names["slider"][-1] == "section_00_noise_0004_.wav"


def test_numbers_begin_where_the_year_begins():
    first = {year: plan(year, "tiny", 0, ["fan"])[0].path[-20:] for year in (2023, 2024)}
    assert "_0000_" in first[2023]
    assert "_0001_" in first[2024]


@pytest.mark.slow
def test_number_of_workers_and_vector_units_change_no_byte(corpora, tmp_path):
    features = np._core._multiarray_umath
    disabled = [n for n in features.__cpu_dispatch__ if features.__cpu_features__.get(n)]
    code = (
        "import sys, pathlib; from asdkeras.corpus.mini import generate; "
        "generate(pathlib.Path(sys.argv[1]), year=2021, size='tiny', seed=0, workers=1)"
    )
    environment = os.environ | {"NPY_DISABLE_CPU_FEATURES": " ".join(disabled)}

    subprocess.run([sys.executable, "-c", code, tmp_path], check=True, env=environment)

    assert card_of(tmp_path) == card_of(corpora / "2021")


def test_finished_corpus_is_left_alone(tmp_path):
    generate(tmp_path, year=2020, size="tiny", seed=0, machines=["fan"])
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    calls = []

    generate(
        tmp_path,
        year=2020,
        size="tiny",
        seed=0,
        machines=["fan"],
        on_progress=lambda *numbers: calls.append(numbers),
    )

    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before
    assert calls == []


def test_interrupted_corpus_is_continued_to_the_same_bytes(tmp_path):
    def stop(done, total):
        if done == 9:
            raise KeyboardInterrupt

    arguments = {"year": 2021, "size": "tiny", "seed": 3, "machines": ["valve"]}
    generate(tmp_path / "whole", **arguments)
    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "halves", **arguments, on_progress=stop, workers=1)
    assert not (tmp_path / "halves" / CARD).exists()
    kept = {p: p.stat().st_mtime_ns for p in clips_of(tmp_path / "halves")}
    assert len(kept) >= 9
    (tmp_path / "halves/dev_data/valve/train/.part-x-section.wav").write_bytes(b"half")
    next(iter(kept)).write_bytes(b"damaged")
    calls = []

    generate(tmp_path / "halves", **arguments, on_progress=lambda *n: calls.append(n))

    assert card_of(tmp_path / "halves") == card_of(tmp_path / "whole")
    assert len(calls) == len(clips_of(tmp_path / "whole")) - len(kept) + 1
    assert all(p.stat().st_mtime_ns == kept[p] for p in list(kept)[1:])
    assert not list((tmp_path / "halves").rglob(".part-*"))


def test_lost_clip_comes_back(tmp_path):
    generate(tmp_path, year=2020, size="tiny", seed=0, machines=["fan"])
    before = card_of(tmp_path)
    lost = clips_of(tmp_path)[3]
    lost.unlink()

    generate(tmp_path, year=2020, size="tiny", seed=0, machines=["fan"])

    assert lost.exists()
    assert card_of(tmp_path) == before


@pytest.mark.parametrize("is_one_lost", [False, True])
def test_a_clip_changed_since_is_found_whatever_its_size(tmp_path, is_one_lost):
    arguments = {"year": 2020, "size": "tiny", "seed": 0, "machines": ["fan"]}
    generate(tmp_path, **arguments)
    card = (tmp_path / CARD).read_bytes()
    lost, changed = clips_of(tmp_path)[3:5]
    changed.write_bytes(changed.read_bytes()[:-2] + b"\1\1")
    if is_one_lost:
        lost.unlink()

    with pytest.raises(DataError, match=r"were changed since they were generated\. Delete the"):
        generate(tmp_path, **arguments)
    assert (tmp_path / CARD).read_bytes() == card


def test_folder_of_something_else_is_refused_untouched(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match=r"is not empty.*Name a new or an empty folder"):
        generate(tmp_path, year=2021, size="tiny", seed=0)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_folder_of_another_corpus_is_refused(corpora):
    with pytest.raises(DataError, match=r'another mini corpus.*Received: .*"seed": 1'):
        generate(corpora / "2021", year=2021, size="tiny", seed=1)


def test_foreign_clip_in_a_corpus_is_named(tmp_path):
    generate(tmp_path, year=2020, size="tiny", seed=0, machines=["fan"])
    foreign = tmp_path / "dev_data/fan/train/normal_id_00_99999999.wav"
    foreign.write_bytes(b"")
    with pytest.raises(DataError, match=r"99999999\.wav: is one of 1 file.*Move"):
        generate(tmp_path, year=2020, size="tiny", seed=0, machines=["fan"])


def test_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is a file"):
        generate(tmp_path / "file", year=2021, size="tiny", seed=0)


def test_broken_card_is_named(tmp_path):
    (tmp_path / CARD).write_text("{")
    with pytest.raises(DataError, match=r"mini_corpus\.json: is not the card"):
        generate(tmp_path, year=2021, size="tiny", seed=0)


def test_a_full_disk_leaves_what_can_be_finished_later(tmp_path, monkeypatch):
    def write(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(soundfile, "write", write)
        with pytest.raises(OSError, match=r"No space left on device.*\.wav"):
            generate(tmp_path, year=2021, size="tiny", seed=0)

    assert not (tmp_path / CARD).exists()
    generate(tmp_path, year=2021, size="tiny", seed=0)
    assert card_of(tmp_path)["sha256"] == HASHES[2021]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"year": 2019}, "year must be one of 2020.*Received: year=2019"),
        ({"size": "huge"}, "size must be 'mini' or 'tiny'.*Received: size='huge'"),
        ({"seed": -1}, "seed must be a whole number.*Received: seed=-1"),
        ({"seed": True}, "seed must be a whole number.*Received: seed=True"),
        ({"machines": []}, "at least one machine type"),
        ({"machines": "fan"}, "must be a list"),
        ({"machines": ["toycar"]}, "no machine type `toycar`. Did you mean `ToyCar`"),
        ({"machines": ["fann"]}, "Did you mean `fan`"),
        ({"machines": ["bearing"]}, "2021 has no machine type `bearing`"),
    ],
)
def test_bad_argument_is_refused_before_anything_is_written(tmp_path, change, message):
    arguments = {"year": 2021, "size": "tiny", "seed": 0} | change
    with pytest.raises(RecipeError, match=message):
        generate(tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()


def test_other_seed_gives_other_machines(tmp_path):
    for seed in (0, 1):
        generate(tmp_path / str(seed), year=2020, size="tiny", seed=seed, machines=["fan"])
    first, second = (
        soundfile.read(clips_of(tmp_path / str(seed))[0])[0].astype(float) for seed in (0, 1)
    )
    assert np.abs(np.corrcoef(first, second)[0, 1]) < 0.2


def recordings_of(machine_type):
    """Clips of the first section and all test clips, each with its samples."""
    year = {"bearing": 2022, "ToyConveyor": 2020}.get(machine_type, 2021)
    clips = plan(year, "mini", 0, [machine_type])
    first = clips[0].scene.section
    return [
        (clip, record(clip.scene, 0, f"{year} {clip.scene.length} {clip.path}"))
        for clip in clips
        if clip.split == "test" or clip.scene.section == first
    ]


def features_of(recordings):
    """Log band levels in time and frequency: mean, spread and modulation of 64 bands."""
    features = []
    for _, recording in recordings:
        samples = recording / 32768.0
        frames = samples[: len(samples) // 512 * 512].reshape(-1, 512) * np.hanning(512)
        bands = np.log(np.abs(np.fft.rfft(frames))[:, 1:].reshape(len(frames), 64, 4).sum(2) + 1e-6)
        bands -= bands.mean()  # Level is not the point.
        changes = np.log(np.abs(np.fft.rfft(bands - bands.mean(0), axis=0)).mean(1)[1:100])
        features.append(np.concatenate([bands.mean(0), bands.std(0), changes]))
    return np.array(features)


@pytest.mark.slow
@pytest.mark.parametrize("machine_type", MACHINE_TYPES)
def test_target_domain_and_faults_change_the_sound_and_not_its_loudness(machine_type):
    recordings = recordings_of(machine_type)
    first = recordings[0][0].scene.section
    of_section = [each for each in recordings if each[0].scene.section == first]
    clips, features = [clip for clip, _ in of_section], features_of(of_section)
    split = np.array([clip.split for clip in clips])
    fault = np.array([clip.scene.fault for clip in clips])
    target = np.array(["target" in clip.path for clip in clips])
    normal = (split == "train") & ~target
    center, spread = features[normal].mean(0), features[normal].std(0)

    distance = np.max(np.abs(features - center) / spread, axis=1)

    test = (split == "test") & (fault < 0)
    if target.any():
        assert roc_auc_score(target[test], distance[test]) > 0.8
    anomalies = (split == "test") & ~target
    assert roc_auc_score(fault[anomalies] >= 0, distance[anomalies]) > 0.6

    tests = [each for each in recordings if each[0].split == "test"]
    loudness = [np.mean(np.square(samples, dtype=np.float64)) for _, samples in tests]
    assert 0.35 < roc_auc_score([clip.scene.fault >= 0 for clip, _ in tests], loudness) < 0.65


@pytest.mark.parametrize("machine_type", MACHINE_TYPES)
def test_every_machine_type_has_faults_and_attributes_for_two_sections(machine_type):
    model = machine_model(machine_type)
    assert len(model.FAULTS) == len(set(model.FAULTS)) >= 3
    assert len(model.ATTRIBUTES) == 2
    for domains in model.ATTRIBUTES:
        assert set(domains) == {"source", "target"}
        assert not set(domains["source"]) & set(domains["target"])
