"""Generated corpora: official names and layouts, the same bytes everywhere, clips of each kind."""

import dataclasses
import itertools
import json
import os
import re
import subprocess
import sys
from collections import Counter
from typing import get_args

import numpy as np
import pytest
import soundfile

from asdkeras.corpus import mini_plan
from asdkeras.corpus.machines import recording
from asdkeras.corpus.machines.exact import Draws
from asdkeras.corpus.machines.machine import Moment
from asdkeras.corpus.machines.recording import machine_model
from asdkeras.corpus.mini import generate
from asdkeras.corpus.mini_plan import MACHINES, attribute_files, default_machines, plan
from asdkeras.corpus.sizes import CONTENTS, Size
from asdkeras.data.clip_table import read_clip_table
from asdkeras.data.labels import attribute_labels
from asdkeras.data.manifest import read_manifest
from asdkeras.data.years import CARD, WITHHELD
from asdkeras.errors import DataError, RecipeError
from asdkeras.metrics.official import generated_name, rules_for
from tests.data.trees import make

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
    2020: "a7b525263c8af8ff553c896f004ce25c54fa62d322216f3a90663d10195f5140",
    2021: "a7b05cdab308d03aea54f57898d760e2d6c5f54b5b7332845ac07081fb095a8d",
    2022: "ce3f5bc3a1394081fc052ddce6bc2c9dbee53c66f67f1b26d369557ab6522786",
    2023: "34b8c683dfa4c4cf07f9d1a7714f47f3d109e3aff21ecaca7972590cd9a4d432",
    2024: "4b026c6e0aec3884be225a8b7969c6a7415ac96d6650cad251b62ca9b463ac28",
    2025: "d0afa178e7c1d8c447af723deaf366167384c3e2f98486da01f87467545962e3",
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


def sections_of(clips):
    """The clips of each section."""
    sections = sorted({clip.scene.section for clip in clips})
    return {name: [clip for clip in clips if clip.scene.section == name] for name in sections}


# Training clips of the source and of the target domain, test clips of a domain and label: of a
# section in years that have several, and of the lone section of first-shot years.
AMOUNTS = {
    "tiny": [(8, 4, 4), (8, 4, 4)],
    "mini": [(37, 3, 10), (148, 12, 30)],
    "bench": [(47, 3, 15), (188, 12, 45)],
}


@pytest.mark.parametrize("year", YEARS)
@pytest.mark.parametrize("size", get_args(Size))
def test_every_section_has_the_clips_of_each_kind(year, size):
    source, target, test = AMOUNTS[size][year >= 2023]
    if (year, size) == (2021, "tiny"):  # As the challenge has it: only three of the target.
        target = 3
    for machine_type in MACHINES[year]:
        clips = plan(year, size, 0, [machine_type])
        assert {clip.scene.length for clip in clips} == {32_000}
        assert len({clip.path for clip in clips}) == len(clips)
        for own in sections_of(clips).values():
            kinds = Counter(
                (clip.split, "target" in clip.path and year > 2020, clip.scene.fault >= 0)
                for clip in own
                if clip.split != "supplemental"
            )
            train = {("train", False, False): source, ("train", True, False): target}
            if year == 2020:
                train = {("train", False, False): source + target}
            each = test * (2 if year == 2020 else 1)
            keys = itertools.product(["test"], [False] if year == 2020 else [False, True])
            tests = {(*key, label): each for key in keys for label in (False, True)}
            assert kinds == (train | tests if own[0].path.startswith("dev_data") else train)


@pytest.mark.parametrize("size", ["mini", "bench"])
@pytest.mark.parametrize("year", [2020, 2021, 2022])
def test_three_sections_of_the_development_set_and_three_additional_ones(year, size):
    rules, official = rules_for(generated_name(size, year)), read_manifest().dataset(year).parts
    for machine_type in MACHINES[year]:
        clips = plan(year, size, 0, [machine_type])
        parts = {}
        for section, own in sections_of(clips).items():
            (root,) = {clip.path.split("/")[0] for clip in own}
            parts[section] = rules.part_of(machine_type, section)
            assert root == f"{parts[section]}_data"
            assert official[machine_type, section] == parts[section]
            # Labels of the evaluation set are not given away.
            assert {clip.split for clip in own} == (
                {"train", "test"} if parts[section] == "dev" else {"train"}
            )
        assert sorted(parts.values()) == 3 * ["dev"] + 3 * ["eval"]


@pytest.mark.parametrize(
    ("machine_type", "sections"),
    [
        ("fan", "00 01 02 03 04 05"),
        ("ToyCar", "01 02 03 05 06 07"),
        ("ToyConveyor", "01 02 03 04 05 06"),
    ],
)
def test_sections_of_2020_are_the_machine_ids_of_that_year(machine_type, sections):
    clips = plan(2020, "mini", 0, [machine_type])
    assert list(sections_of(clips)) == sections.split()


@pytest.mark.parametrize("year", YEARS)
def test_tiny_corpora_have_development_sections_alone(year):
    for machine_type in MACHINES[year]:
        clips = plan(year, "tiny", 0, [machine_type])
        assert len(sections_of(clips)) == (2 if year < 2023 else 1)
        assert {clip.path.split("/")[0] for clip in clips} == {"dev_data"}


@pytest.mark.parametrize("size", get_args(Size))
@pytest.mark.parametrize("year", [2023, 2024, 2025])
def test_machine_types_of_first_shot_years_have_one_section(year, size):
    for machine_type in MACHINES[year]:
        assert list(sections_of(plan(year, size, 0, [machine_type]))) == ["00"]


@pytest.mark.parametrize("size", get_args(Size))
@pytest.mark.parametrize("year", YEARS)
def test_default_machine_types_are_of_the_year(year, size):
    names = default_machines(year, size)

    assert set(names) <= set(MACHINES[year])
    assert len(names) == len(set(names)) >= 2


@pytest.mark.parametrize("size", get_args(Size))
def test_announced_contents_are_those_of_2021(size):
    clips = plan(2021, size, 0, default_machines(2021, size))

    count, minutes = map(int, re.findall(r"\d+", CONTENTS[size]))

    assert count == round(len(clips), -2)
    assert minutes == round(sum(clip.scene.length for clip in clips) / 16_000 / 60)


def test_distances_of_the_microphone_are_alike_for_normal_and_anomalous_clips():
    for own in sections_of(plan(2021, "mini", 0, ["fan"])).values():
        gains = {}
        for clip in own:
            kind = clip.split, clip.scene.domain, clip.scene.fault >= 0
            gains.setdefault(kind, []).append(clip.scene.gain)
        for of_group in gains.values():
            steps = np.floor(np.multiply(of_group, len(of_group)))
            assert sorted(steps) == list(range(len(of_group)))


@pytest.mark.parametrize("size", get_args(Size))
@pytest.mark.parametrize("year", YEARS[1:])
def test_operating_conditions_of_the_target_domain_are_new(year, size):
    for machine_type in MACHINES[year]:
        for own in sections_of(plan(year, size, 0, [machine_type])).values():
            domains = {"source": set(), "target": set()}
            for clip in own:
                if clip.split != "supplemental":
                    domain = "target" if "_target_" in clip.path else "source"
                    domains[domain].add(clip.scene.attributes)
            assert len(domains["source"]) >= 2
            assert domains["target"]
            assert not domains["source"] & domains["target"]


@pytest.mark.parametrize("size", ["mini", "bench"])
@pytest.mark.parametrize("year", YEARS[1:])
def test_there_is_something_to_learn_for_networks_that_tell_classes_apart(tmp_path, year, size):
    machines = default_machines(year, size)
    clips = [clip for clip in plan(year, size, 0, machines) if clip.split == "train"]
    make(tmp_path, *(clip.path for clip in clips))
    for name, text in attribute_files(year, clips).items():
        (tmp_path / name).write_text(text)
    (tmp_path / CARD).write_text(json.dumps({"year": year, "size": size}))

    labels = attribute_labels(read_clip_table(tmp_path), "machine_section_attribute")

    assert (labels.indices >= 0).all()
    assert 40 <= len(labels.classes) <= 120


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
    assert (root / "train" / "section_01_target_train_normal_0002_f-n_D.wav").exists()
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


@pytest.fixture
def few_clips(monkeypatch):
    """Leaves the size `bench` its sections, but few clips of each."""
    monkeypatch.setitem(mini_plan._AMOUNTS, "bench", mini_plan.Amounts((3, 3), (2, 1), 1, 1))


@pytest.mark.usefixtures("few_clips")
def test_interrupted_corpus_is_continued_to_the_same_bytes(tmp_path):
    def stop(done, total):
        if done == 9:
            raise KeyboardInterrupt

    arguments = {"year": 2021, "size": "bench", "seed": 3, "machines": ["valve"]}
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
    assert list((tmp_path / "halves/eval_data/valve/train").iterdir())


def test_lost_clip_comes_back(tmp_path):
    generate(tmp_path, year=2020, size="tiny", seed=0, machines=["fan"])
    before = card_of(tmp_path)
    lost = clips_of(tmp_path)[3]
    lost.unlink()

    generate(tmp_path, year=2020, size="tiny", seed=0, machines=["fan"])

    assert lost.exists()
    assert card_of(tmp_path) == before


@pytest.mark.usefixtures("few_clips")
@pytest.mark.parametrize("root", ["dev_data", "eval_data"])
@pytest.mark.parametrize("is_one_lost", [False, True])
def test_a_clip_changed_since_is_found_whatever_its_size(tmp_path, root, is_one_lost):
    arguments = {"year": 2020, "size": "bench", "seed": 0, "machines": ["fan"]}
    generate(tmp_path, **arguments)
    card = (tmp_path / CARD).read_bytes()
    lost, changed = clips_of(tmp_path / root)[3:5]
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
    with pytest.raises(DataError, match=r'another generated corpus.*Received: .*"seed": 1'):
        generate(corpora / "2021", year=2021, size="tiny", seed=1)


def test_corpus_of_another_version_in_a_folder_one_named_is_refused(tmp_path):
    content = {"asdkeras_mini_corpus": 1, "year": 2021, "size": "mini", "seed": 0}
    (tmp_path / CARD).write_text(json.dumps({**content, "machines": ["fan"]}))
    with pytest.raises(DataError, match=r"another generated corpus, .*_corpus\": 1.*Name another"):
        generate(tmp_path, year=2021, size="mini", seed=0, machines=["fan"])


@pytest.mark.parametrize("root", ["dev_data", "eval_data"])
def test_foreign_clip_in_a_corpus_is_named(tmp_path, root):
    generate(tmp_path, year=2020, size="tiny", seed=0, machines=["fan"])
    foreign = tmp_path / root / "fan/train/normal_id_00_99999999.wav"
    foreign.parent.mkdir(parents=True, exist_ok=True)
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


def test_a_full_disk_leaves_what_can_be_finished_later(corpora, tmp_path, monkeypatch):
    def write(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(soundfile, "write", write)
        with pytest.raises(OSError, match=r"No space left on device.*\.wav"):
            generate(tmp_path, year=2021, size="tiny", seed=0)

    assert not (tmp_path / CARD).exists()
    generate(tmp_path, year=2021, size="tiny", seed=0)
    assert card_of(tmp_path) == card_of(corpora / "2021")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"year": 2019}, "year must be one of 2020.*Received: year=2019"),
        ({"size": "huge"}, "size must be one of `tiny`, `mini`, `bench`. Received: size='huge'"),
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


@pytest.mark.parametrize("machine_type", MACHINE_TYPES)
def test_every_machine_type_has_attributes_for_six_sections(machine_type):
    sections = machine_model(machine_type).ATTRIBUTES
    assert len(sections) == 6
    for domains in sections:
        assert set(domains) == {"source", "target"}
        assert not set(domains["source"]) & set(domains["target"])


@dataclasses.dataclass(frozen=True)
class AskedMoment(Moment):
    """Notes the parameters that a model asks for: a name stands for one kind with one range."""

    asked: dict = dataclasses.field(default_factory=dict)

    def value(self, name, *arguments, **options):
        return self._note(super().value, name, arguments, options)

    def gains(self, name, *arguments, **options):
        return self._note(super().gains, name, arguments, options)

    def count(self, name, *arguments, **options):
        return self._note(super().count, name, arguments, options)

    def _note(self, kind, name, arguments, options):
        way = (kind.__name__, arguments, options)
        assert self.asked.setdefault(name, way) == way, f"two parameters are called {name}"
        return kind(name, *arguments, **options)


def moment_of(machine_type, section=0, fault=None, kind=Moment):
    """The same clip of a section, whatever its fault."""
    attributes = dict(machine_model(machine_type).ATTRIBUTES[section]["source"][0])
    unit = f"{section:02d}"
    return kind((0, machine_type), unit, Draws("clip"), 1.0, attributes, fault or {}, 1.0, 32_000)


@pytest.mark.parametrize("machine_type", MACHINE_TYPES)
def test_faults_change_parameters_that_the_machine_has_in_every_section(machine_type):
    model = machine_model(machine_type)
    assert len(model.FAULTS) >= 3
    for section in range(len(model.ATTRIBUTES)):
        moment = moment_of(machine_type, section, kind=AskedMoment)
        model.sound(moment)
        for changes in model.FAULTS.values():
            assert changes
            assert set(changes) <= set(moment.asked)
            assert all(changes.values())
        recording._squeal(moment)  # Shares the names with the model.


@pytest.mark.parametrize("machine_type", MACHINE_TYPES)
def test_every_fault_changes_the_sound_and_no_two_alike(machine_type):
    model = machine_model(machine_type)
    sounds = {
        name: model.sound(moment_of(machine_type, fault=fault))
        for name, fault in {"none": {}, **model.FAULTS}.items()
    }
    for first, second in itertools.combinations(sounds, 2):
        assert not np.allclose(sounds[first], sounds[second]), f"{first} and {second}"
