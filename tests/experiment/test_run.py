"""What the runner does around a system: which models there are, and what training leaves."""

import dataclasses
import json
import os
import shutil
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import soundfile

from asdkeras.batches.steps import Schedule
from asdkeras.batches.window_batches import Holdout, num_training_windows, window_batches
from asdkeras.controls import SPECTRA
from asdkeras.data.years import MACHINE_TYPES
from asdkeras.detector.detector import Detector
from asdkeras.errors import DataError, RecipeError, TrainingError
from asdkeras.experiment import open_run as opening
from asdkeras.experiment import remarks, training
from asdkeras.experiment import run as runner
from asdkeras.experiment.open_run import open_finished, open_run
from asdkeras.experiment.recipe import load_recipe, recipes_of
from asdkeras.experiment.run import (
    load_units,
    member_runs,
    missing_scores,
    score,
    scored_clips,
    train,
    training_seed,
)
from asdkeras.experiment.units import units_of
from asdkeras.score_files import read_metadata, read_trial
from asdkeras.scorers.combination import Combination
from asdkeras.scorers.section_scorer import SectionScorer
from asdkeras.scorers.terms import representation
from asdkeras.scorers.thresholds import ThresholdRule
from asdkeras.systems.model_files import Models, TrainedNetwork
from asdkeras.systems.system import Ensemble, System

CLIP_LENGTH, NUM_FRAMES, EPOCHS = 64, 2, 2
ALL = Holdout(0.0, "last")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ASDKERAS_CACHE", str(tmp_path_factory.mktemp("cache")))
    # The real one cannot be undone: TensorFlow stays in that state for all tests behind.
    monkeypatch.setattr(training, "make_repeatable", keras.utils.set_random_seed)


@dataclasses.dataclass(frozen=True)
class Trained(Models):
    """What the training of `Autoencoder` leaves."""

    network: TrainedNetwork
    mean: np.ndarray


class Autoencoder(System):
    """One dense layer on windows of stored frames; notes what it computes."""

    models_class, batch_size, main_score = Trained, 4, "first"

    def __init__(self, scope="machine_type_and_part", after_fit=lambda: None):
        super().__init__(None)
        self.scope, self.after_fit = scope, after_fit
        self.sections = {}
        self.computed = []

    def noted(self, name, function):
        """The function, noting that it is called."""

        def call(*args):
            self.computed.append(name)
            return function(*args)

        return call

    def train(self, clips, context):
        self.computed.append("train")
        self.sections[context.folder.parent.name] = clips.table["section"].tolist()
        context.warn("few clips")
        waveform = keras.Input((CLIP_LENGTH,))
        front_end = keras.Model(waveform, keras.layers.Reshape((16, 4))(waveform))
        frames = context.store_frames(front_end, clips, CLIP_LENGTH, "start", 2)
        windows = frames.windows(NUM_FRAMES, 1, as_vectors=True)
        moments = self.noted("moments", frames.moments)
        mean = context.once("moments", moments)["mean"]
        network = context.fit(
            self.noted("build", compiled),
            self.noted("batches", lambda first_epoch: batches(windows, first_epoch, context.seed)),
            epochs=EPOCHS,
            steps_per_epoch=-(-num_training_windows(windows, ALL) // 8),
        ).networks[EPOCHS]
        self.after_fit()
        return Trained(CLIP_LENGTH, 16000, "start", network, mean)

    def represent(self, models):
        waveform = keras.Input((CLIP_LENGTH,))
        return {"means": keras.Model(waveform, models.network.model(waveform[:, :8]))}

    def section_scorer(self, normal):
        means = representation("means")
        return SectionScorer({"first": means[:, 0] - float(normal.models.mean[0])}, means)


def compiled():
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8)])
    model.compile("adam", "mse")
    return model


def batches(windows, first_epoch, seed):
    return window_batches(windows, ALL, None, Schedule(8, seed, first_epoch, EPOCHS))


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """Opens a run of a system of ours on a few clips."""

    def opened(
        system,
        dataset="dcase2021",
        sections=("00", "03"),
        machines=("fan", "valve"),
        untested=(),
        selected=None,
        untrained=False,
        **options,
    ):
        folder = tmp_path / dataset
        for machine in machines:
            for section in sections:
                write_clips(folder / machine, section, has_test=section not in untested)
        monkeypatch.setattr(runner, "system_of", lambda run: system)
        monkeypatch.setattr(opening, "known_truth", lambda dataset: None)  # Whatever is fetched.
        overrides = ["untrained=true"] if untrained else []
        options = {
            **{"runs": tmp_path / "runs", "machines": selected, "overrides": overrides},
            **options,
        }
        return open_run("wilkinghoff2021", folder, recipe="mini", **options)

    return opened


def write_clips(folder, section, has_test=True):
    """Two training clips and a test clip."""
    for number, split in enumerate(("train", "train", "test")[: 3 if has_test else 2]):
        path = folder / split / f"section_{section}_source_{split}_normal_{number:04d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = 0.1 * np.random.default_rng(number).normal(size=CLIP_LENGTH)
        soundfile.write(path, noise, 16000)


@pytest.mark.parametrize(
    ("dataset", "sections", "machines", "absent"),
    [
        ("dcase2021", ["00", "01"], ["fan", "valve"], {"development": (5, 7)}),
        ("dcase2021", ["03"], ["fan", "valve"], {"evaluation": (5, 7)}),
        ("dcase2023", ["00"], ["ToyCar"], {"development": (6, 7)}),
        ("dcase2023", ["00"], ["ToyCar", "Vacuum"], {"development": (6, 7), "evaluation": (6, 7)}),
        ("dcase2021", ["00", "01"], sorted(MACHINE_TYPES[2021]), {}),
        ("presses", ["00"], ["ToyCar"], {}),
    ],
)
def test_what_is_absent_of_a_set_that_is_here_in_part_is_named(
    opened, capsys, dataset, sections, machines, absent
):
    opened(Autoencoder("all"), dataset, sections, machines)

    notes = [line for line in capsys.readouterr().err.splitlines() if "means are over" in line]
    assert len(notes) == len(absent)
    for note, (name, (count, total)) in zip(notes, absent.items(), strict=True):
        where, rest = note.split(" are not here: its means are over ")
        head, names = where.split(f"of the {name} set ")
        assert head == f"asdkeras: note: {dataset}: "
        assert len(names.split(", ")) == count
        assert not {*names.split(", ")} & {*machines}
        assert rest == f"{total - count} of {total} machine types."


def test_machine_types_that_were_not_asked_for_are_no_absent_ones(opened, capsys):
    opened(Autoencoder("all"), "dcase2021", ["00", "01"], ["fan", "valve"], selected=["fan"])
    assert "means are over" not in capsys.readouterr().err


def files_of(run):
    return {path.name for path in run.folder.task("all", 0).iterdir()}


LEFT_BY_FIT = {"train.csv", "weights.keras"}
DONE = {"DONE", "TRAINED", "models.npz", "representations.npz", *LEFT_BY_FIT}


def test_a_model_per_machine_type_and_part_is_trained_on_the_sections_of_its_part(opened):
    system = Autoencoder()

    run = opened(system)
    train(run)

    assert system.sections == {
        "fan_dev": ["00", "00"],
        "fan_eval": ["03", "03"],
        "valve_dev": ["00", "00"],
        "valve_eval": ["03", "03"],
    }
    names = {path.parent.parent.name for path in run.folder.path.glob("*/seed0/DONE")}
    assert names == set(system.sections)


def test_a_part_without_clips_has_no_model(opened):
    system = Autoencoder()
    train(opened(system, sections=("04", "05"), machines=("fan",)))
    assert system.sections == {"fan_eval": ["04", "04", "05", "05"]}


def here(run):
    """The run, with systems of ours that no other process knows."""
    return dataclasses.replace(run, is_in_process=True)


UNTESTED = "additional sections without test clips: not trained: fan_03, valve_03."


@pytest.mark.parametrize(
    ("scope", "trained", "all_units"),
    [
        ("section", {"fan_00", "valve_00"}, {"fan_00", "fan_03", "valve_00", "valve_03"}),
        (
            "machine_type_and_part",
            {"fan_dev", "valve_dev"},
            {"fan_dev", "fan_eval", "valve_dev", "valve_eval"},
        ),
        ("machine_type", {"fan", "valve"}, {"fan", "valve"}),
        ("all", {"all"}, {"all"}),
    ],
)
def test_units_without_test_clips_are_not_trained_and_the_others_are_as_ever(
    opened, tmp_path, capsys, monkeypatch, scope, trained, all_units
):
    few, everything = Autoencoder(scope), Autoencoder(scope)
    run = here(opened(few, untested=("03",)))
    score(run)
    said = capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setattr(runner, "_units", lambda run, system: dict(units_of(run.table, scope)))
        whole = here(opened(everything, untested=("03",), runs=tmp_path / "whole"))
        score(whole)

    assert (set(few.sections), set(everything.sections)) == (trained, all_units)
    assert said.count(UNTESTED) == (trained != all_units)
    one, other = (read_trial(each.folder.scores(0)) for each in (run, whole))
    is_kept = pd.Series(True, other.table.index)
    if trained != all_units:
        is_kept = other.table["section"] == "00"
    for name in ("table", "columns", "thresholds", "decisions"):
        expected = getattr(other, name)[is_kept].reset_index(drop=True)
        assert getattr(one, name).equals(expected)
    assert len(one.table) < len(run.table) or trained == all_units
    units = load_units(open_finished(run.folder.path), few, 0)
    assert sum(len(unit.table) for unit in units) == len(one.table)


def test_training_clips_of_all_sections_stay_what_a_system_may_learn_from(opened):
    class Asking(Autoencoder):
        def train(self, clips, context):
            assert set(context.all_training_clips.table["section"]) == {"00", "03"}
            return super().train(clips, context)

    train(here(opened(Asking("section"), untested=("03",))))


def test_where_there_are_no_test_clips_all_units_are_trained(opened, capsys):
    system = Autoencoder("section")
    score(here(opened(system, untested=("00", "03"), machines=("fan",))))
    assert set(system.sections) == {"fan_00", "fan_03"}
    assert "without test clips" not in capsys.readouterr().err


def test_members_of_several_scopes_share_the_sections_that_all_have(opened, monkeypatch):
    ensemble = dataclasses.replace(TOGETHER, members=dict.fromkeys(("whole", "parts")))
    members = {"whole": Autoencoder("machine_type"), "parts": Autoencoder("section")}
    run = here(opened(ensemble, untested=("03",)))
    monkeypatch.setattr(runner, "system_of", lambda run: members.get(run.recipe.variant, ensemble))

    score(run)

    trial = read_trial(run.folder.scores(0))
    assert set(trial.table["section"]) == {"00"}
    assert len(scored_clips(run, ensemble)) == len(trial.table)
    of_members = member_runs(open_finished(run.folder.path), ensemble)
    assert {name: len(each.table) for name, each in of_members.items()} == {"whole": 10, "parts": 6}
    for name, each in of_members.items():
        for unit in load_units(each, members[name], 0):
            assert len(unit.arrays["means"]) == len(unit.table)


def test_recordings_of_ones_own_are_all_of_the_development_set(opened):
    system = Autoencoder()
    train(opened(system, dataset="factory", machines=("fan",)))
    assert system.sections == {"fan_dev": ["00", "00", "03", "03"]}


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        ("all", ["all"]),
        ("machine_type", ["fan", "valve"]),
        ("section", ["fan_00", "fan_03", "valve_00", "valve_03"]),
    ],
)
def test_other_scopes_have_the_names_of_their_clips(opened, scope, names):
    run = opened(Autoencoder(scope))
    assert [unit for unit, _ in units_of(run.table, scope)] == names


def test_a_finished_training_leaves_frames_beside_the_store_alone_for_the_next(opened, capsys):
    system = Autoencoder("all")

    run = opened(system)
    train(run)

    assert system.computed == ["train", "moments", "build", "batches"]
    assert files_of(run) == DONE
    assert "front end: 8/8" in capsys.readouterr().err
    [frames] = run.store.kept.glob("*.float32")
    before = frames.read_bytes()
    train(opened(system, runs=run.folder.path / "again"))  # Another seed, variant or member.
    assert "front end" not in capsys.readouterr().err
    assert [*run.store.kept.glob("*.float32")] == [frames]
    assert frames.read_bytes() == before


@pytest.mark.parametrize("combines", [False, True])
def test_the_seed_a_training_drew_from_stands_in_its_record(opened, monkeypatch, combines):
    system = Autoencoder("all")
    monkeypatch.setattr(system, "combines_variants", combines, raising=False)

    run = opened(system)
    train(run)

    record = json.loads((run.folder.task("all", 0) / "TRAINED").read_text())
    assert record["seed"] == training_seed(system, run.recipe.variant, 0)
    assert (record["seed"] == 0) != combines


@pytest.mark.parametrize(
    "error", [TrainingError("diverged"), OSError(28, "x"), KeyboardInterrupt()]
)
def test_a_training_that_ends_after_its_last_epoch_and_goes_on_computes_nothing_twice(
    opened, capsys, error
):
    def fail():
        raise error

    system = Autoencoder("all", fail)
    run = opened(system)
    with pytest.raises(type(error)):
        train(run)
    assert files_of(run) == {"passes", *LEFT_BY_FIT}
    assert "front end: 8/8" in capsys.readouterr().err
    before = (run.folder.path / "all/seed0/train.csv").read_bytes()

    system.computed, system.after_fit = [], lambda: None
    train(run)

    assert system.computed == ["train"]
    assert "front end" not in capsys.readouterr().err
    assert files_of(run) == DONE
    assert (run.folder.path / "all/seed0/train.csv").read_bytes() == before


def test_a_training_stopped_in_the_middle_goes_on_with_the_frames_it_stored(
    opened, capsys, monkeypatch
):
    def stop(self, epoch, logs=None):
        raise KeyboardInterrupt

    system = Autoencoder("all")
    run = opened(system)
    with monkeypatch.context() as patch:
        patch.setattr(training.RecordEpochs, "on_epoch_begin", stop)
        with pytest.raises(KeyboardInterrupt):
            train(run)
    assert files_of(run) == {"passes"}
    capsys.readouterr()

    system.computed = []
    train(run)

    assert system.computed == ["train", "build", "batches"]
    assert "front end" not in capsys.readouterr().err
    assert files_of(run) == DONE


def test_what_is_trained_is_represented_without_training_and_its_warnings_stay(opened, monkeypatch):
    system = Autoencoder("all")
    run = opened(system)
    with monkeypatch.context() as patch:
        patch.setattr(training, "represent", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(run)
    assert files_of(run) == DONE - {"DONE", "representations.npz"}

    system.computed = []
    score(run)

    assert system.computed == []
    assert files_of(run) == DONE
    assert read_metadata(run.folder.scores(0)).notes == ("few clips",)


def interrupted(*_):
    raise KeyboardInterrupt


def test_a_run_is_read_from_its_folder_alone(opened):
    system = Autoencoder("section")
    run = dataclasses.replace(opened(system), is_in_process=True)
    score(run)
    shutil.rmtree(run.data)

    finished = open_finished(run.folder.path)
    units = list(load_units(finished, system, 0))

    assert finished.folder == run.folder
    pd.testing.assert_frame_equal(pd.concat(unit.table for unit in units), finished.table)
    scores = [unit.arrays["means"][:, 0] - unit.models.mean[0] for unit in units]
    expected = read_trial(run.folder.scores(0)).columns["first"]
    np.testing.assert_array_equal(np.concatenate(scores), expected)
    assert [unit.models.network.model.input_shape for unit in units] == [(None, 8)] * 4
    of_fan = list(load_units(finished, system, 0, ["fan"]))
    assert [unit.table["section"].tolist() for unit in of_fan] == [["00"] * 3, ["03"] * 3]


def test_scores_changed_after_the_run_are_not_read_and_are_made_again(opened):
    run = opened(Autoencoder("all"))
    score(run)
    path = run.folder.scores(0) / "scores.csv"
    before = path.read_bytes()
    path.write_bytes(before.replace(b"normal_0002", b"normal_0009"))

    with pytest.raises(DataError, match=r"scores\.csv: changed since the run wrote it"):
        read_trial(run.folder.scores(0))
    score(run)

    assert path.read_bytes() == before
    read_trial(run.folder.scores(0))


def test_representations_of_something_else_are_computed_again(opened):
    system = Autoencoder("machine_type")
    run = opened(system)
    score(run)
    scores = (run.folder.scores(0) / "scores.csv").read_bytes()
    fan, valve = (run.folder.task(name, 0) / "representations.npz" for name in ("fan", "valve"))
    content = fan.read_bytes()
    with np.load(valve) as arrays:
        np.savez(fan, **{name: -each for name, each in arrays.items()})
    with pytest.raises(RecipeError, match=r"fan/seed0: holds no finished training"):
        list(load_units(run, system, 0))
    (run.folder.scores(0) / "DONE").unlink()

    score(run)

    assert fan.read_bytes() == content
    assert (run.folder.scores(0) / "scores.csv").read_bytes() == scores


def test_a_clip_replaced_with_size_and_time_kept_is_never_that_of_the_run(opened, tmp_path):
    run = opened(Autoencoder("all"))
    score(run)
    path = Path(run.table["path"].iloc[2])
    before = path.stat()
    soundfile.write(path, 0.2 * np.random.default_rng(9).normal(size=CLIP_LENGTH), 16000)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size

    again, elsewhere = (
        open_run("wilkinghoff2021", run.data, recipe="mini", runs=tmp_path / runs)
        for runs in ("runs", "others")
    )
    with pytest.raises(RecipeError, match="the data are not those it had from"):
        score(again)
    score(elsewhere)

    of_run, of_elsewhere = (
        read_trial(each.folder.scores(0)).columns["first"] for each in (run, elsewhere)
    )
    assert of_run[2] != of_elsewhere[2]
    np.testing.assert_array_equal(of_run.drop(2), of_elsewhere.drop(2))


def test_results_do_not_outlive_the_scores_they_are_of(opened, tmp_path):
    run = opened(Autoencoder("all"))
    score(run)
    (run.folder.path / "official.csv").write_text("of one trial")

    score(run)
    assert (run.folder.path / "official.csv").exists()
    score(
        open_run(
            "wilkinghoff2021",
            run.data,
            recipe="mini",
            runs=tmp_path / "runs",
            overrides=["seeds=[0, 1]"],
        )
    )

    assert not (run.folder.path / "official.csv").exists()


def test_the_fingerprint_covers_files_of_weights_that_the_recipe_names(opened, tmp_path):
    run = opened(Autoencoder("all"))
    file = tmp_path / "start.keras"
    digests = {run.folder.digest}
    for content in (b"some", b"others"):
        file.write_bytes(content)
        overrides = [f"config.bc.start_weights={file}"]
        of_file = open_run("kuroyanagi2021", run.data, recipe="mini", overrides=overrides)
        digests.add(of_file.folder.data_fingerprint)
    assert len(digests) == 3


def test_units_that_are_not_finished_are_missed(opened):
    system = Autoencoder("machine_type")
    run = opened(system)
    train(run)
    (run.folder.task("valve", 0) / "TRAINED").unlink()

    with pytest.raises(RecipeError, match=r"valve/seed0: holds no finished training"):
        list(load_units(run, system, 0))

    assert len(list(load_units(run, system, 0, ["fan"]))) == 1


def test_a_folder_without_scores_is_not_opened(opened, tmp_path):
    with pytest.raises(RecipeError, match=r"no run\. `asdkeras train` or `asdkeras eval`"):
        open_finished(tmp_path)

    run = opened(Autoencoder("all"))
    train(run)

    with pytest.raises(RecipeError, match=r"has no scores yet\. `asdkeras eval` finishes it"):
        open_finished(run.folder.path)


@pytest.mark.parametrize(
    ("selected", "left_out"),
    [
        (None, ()),
        (["fan", "valve"], ()),
        (["fan"], ("valve",)),
        (["fan_00"], ("fan_03", "valve")),
    ],
)
def test_machines_that_were_not_asked_for_are_known_in_training(opened, selected, left_out):
    known = []

    class Asking(Autoencoder):
        def train(self, clips, context):
            known.append(context.left_out)
            return super().train(clips, context)

    train(opened(Asking("all"), selected=selected))

    assert known == [left_out]


RULE = ThresholdRule("section", "percentile", 90.0)
MEMBERS = {"left": ("fan", "slider"), "right": ("valve",)}
TOGETHER = Ensemble(
    MEMBERS,
    Combination("sum"),
    lambda columns, table, score: RULE.thresholds(columns[score], table),
)


@pytest.fixture
def together(opened, monkeypatch):
    """A run of an ensemble of networks per machine type, and the systems of its members."""
    members = {name: Autoencoder("machine_type") for name in MEMBERS}
    run = opened(TOGETHER)
    monkeypatch.setattr(runner, "system_of", lambda run: members.get(run.recipe.variant, TOGETHER))
    return run, members


def test_members_are_trained_on_the_machine_types_that_they_score_alone(together):
    run, members = together

    score(run)

    assert {name: set(each.sections) for name, each in members.items()} == {
        "left": {"fan"},
        "right": {"valve"},
    }
    trained = run.folder.path.parents[1].glob("*/*/*/seed0/TRAINED")
    assert {path.parents[3].name + " " + path.parents[1].name for path in trained} == {
        "left fan",
        "right valve",
    }
    trial = read_trial(run.folder.scores(0))
    pd.testing.assert_series_equal(
        trial.table["machine_type"], run.table["machine_type"].reset_index(drop=True)
    )
    for name, machine_type in (("left", "fan"), ("right", "valve")):
        folder = member_runs(run, TOGETHER)[name].folder.scores(0)
        own = trial.columns[(trial.table["machine_type"] == machine_type).to_numpy(bool)]
        np.testing.assert_array_equal(read_trial(folder).columns, own)


def test_the_scores_of_a_member_are_no_run_and_a_run_trains_what_is_missing(together):
    run, members = together
    score(run)
    member = member_runs(run, TOGETHER)["left"]
    whole = dataclasses.replace(
        member, folder=dataclasses.replace(member.folder, machine_types=None)
    )

    with pytest.raises(RecipeError, match=r"has no scores yet\. `asdkeras eval` finishes it"):
        open_finished(member.folder.path)
    assert missing_scores(member) == []
    assert missing_scores(whole) == [0]
    members["left"].sections.clear()
    score(whole)

    assert set(members["left"].sections) == {"valve"}
    assert set(read_trial(whole.folder.scores(0)).table["machine_type"]) == {"fan", "valve"}
    assert open_finished(member.folder.path).folder.digest == member.folder.digest


def test_a_member_on_all_machine_types_of_the_data_is_a_whole_run(opened):
    run = opened(TOGETHER, machines=("fan",))

    members = member_runs(run, TOGETHER)

    assert list(members) == ["left"]
    assert members["left"].folder.machine_types is None


def test_what_a_member_learns_from_is_still_the_whole_dataset(together):
    """Clips of other machines may be the negatives of a classifier."""
    run, _ = together
    member = member_runs(run, TOGETHER)["left"]
    pd.testing.assert_frame_equal(member.table, run.table)
    assert set(member.scored["machine_type"]) == {"fan"}


@pytest.mark.parametrize("is_ensemble", [False, True])
def test_results_of_a_reconstruction_say_so(is_ensemble, together, opened, monkeypatch):
    run, _ = together
    if not is_ensemble:
        run = opened(Autoencoder("all"))
    monkeypatch.setattr(
        remarks,
        "reconstruction_of",
        lambda config, variant: "of ours" if variant == run.recipe.variant else None,
    )

    score(run)

    notes = read_metadata(run.folder.scores(0)).notes
    assert notes[0] == "reconstruction: of ours"
    assert sum("reconstruction" in note for note in notes) == 1


def scores_of(run):
    return read_trial(run.folder.scores(0)).columns


def test_an_untrained_run_is_repeatable_and_lies_beside_the_trained_one(opened, tmp_path):
    trained, *untrained = (
        opened(Autoencoder(), runs=tmp_path / runs, untrained=untrained)
        for runs, untrained in (("runs", False), ("runs", True), ("others", True))
    )
    for run in (trained, *untrained):
        score(run)

    assert trained.folder.path == tmp_path / "runs/wilkinghoff2021/two_heads_s4/dcase2021"
    one, other = untrained
    assert one.folder.path == tmp_path / "runs/wilkinghoff2021/two_heads_s4_untrained/dcase2021"
    pd.testing.assert_frame_equal(scores_of(one), scores_of(other), check_exact=True)
    assert not scores_of(one).equals(scores_of(trained))
    notes = read_metadata(one.folder.scores(0)).notes
    assert "networks are as they start: nothing was learned, a control" in notes
    assert not any(
        "as they start" in each for each in read_metadata(trained.folder.scores(0)).notes
    )


def test_no_paper_is_compared_with_an_untrained_network(opened, monkeypatch):
    system = Autoencoder()
    monkeypatch.setattr(Autoencoder, "published_rows", {"first": "row"})

    runs = [opened(system, untrained=untrained) for untrained in (False, True)]
    for run in runs:
        score(run)

    rows = [read_metadata(run.folder.scores(0)).published_rows for run in runs]
    assert rows == [{"first": "row"}, {}]


def test_an_untrained_run_is_read_from_its_folder_as_such_and_makes_no_detector(opened):
    run = opened(Autoencoder(), untrained=True)
    score(run)

    assert open_finished(run.folder.path).recipe.untrained
    with pytest.raises(RecipeError, match=r"two_heads_s4: its networks have learned nothing"):
        Detector.of_run(run.folder.path)


def test_members_of_an_untrained_ensemble_are_untrained(opened):
    ensemble = Ensemble(
        members={"two_heads_s1": None, "two_heads_s4": None},
        combination=Combination("mean"),
        thresholds=Autoencoder().thresholds,
    )

    members = runner.member_runs(opened(ensemble, untrained=True), ensemble)

    for variant, member in members.items():
        assert member.recipe.untrained
        assert member.recipe.variant == variant
        assert member.folder.path.parent.name == f"{variant}_untrained"
        assert member.folder.recipe_digest == member.recipe.digest()


def test_a_system_without_networks_is_not_left_untrained(tmp_path):
    with pytest.raises(RecipeError, match=r"--untrained: controls2026 has no network"):
        open_run(SPECTRA, tmp_path, recipe="mini", overrides=["untrained=true"])


def test_what_a_recipe_says_of_a_training_is_what_it_said_before_networks_could_stay_as_they_are():
    recipe = load_recipe(recipes_of("baseline2020")["mini"])
    untrained = dataclasses.replace(recipe, untrained=True)

    assert "untrained" not in recipe.as_mapping()
    assert untrained.as_mapping()["untrained"] is True
    assert recipe.digest() != untrained.digest()
