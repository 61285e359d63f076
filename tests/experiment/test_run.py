"""What the runner does around a system: which models there are, and what training leaves."""

import dataclasses
import shutil

import keras
import numpy as np
import pandas as pd
import pytest
import soundfile

from asdkeras.batches.steps import Schedule
from asdkeras.batches.window_batches import Holdout, num_training_windows, window_batches
from asdkeras.errors import RecipeError, TrainingError
from asdkeras.experiment import open_run as opening
from asdkeras.experiment import run as runner
from asdkeras.experiment import training
from asdkeras.experiment.open_run import open_finished, open_run
from asdkeras.experiment.run import load_units, score, train
from asdkeras.experiment.units import units_of
from asdkeras.score_files import read_metadata, read_trial
from asdkeras.scorers.section_scorer import SectionScorer
from asdkeras.scorers.terms import representation
from asdkeras.systems.model_files import Models, TrainedNetwork
from asdkeras.systems.system import System

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
        selected=None,
    ):
        folder = tmp_path / dataset
        for machine in machines:
            for section in sections:
                write_clips(folder / machine, section)
        monkeypatch.setattr(runner, "system_of", lambda run: system)
        monkeypatch.setattr(opening, "known_truth", lambda dataset: None)  # Whatever is fetched.
        places = {"recipe": "mini", "runs": tmp_path / "runs"}
        return open_run("wilkinghoff2021", folder, machines=selected, **places)

    return opened


def write_clips(folder, section):
    """Two training clips and a test clip."""
    for number, split in enumerate(("train", "train", "test")):
        path = folder / split / f"section_{section}_source_{split}_normal_{number:04d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = 0.1 * np.random.default_rng(number).normal(size=CLIP_LENGTH)
        soundfile.write(path, noise, 16000)


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


def test_a_finished_training_leaves_no_frames(opened):
    system = Autoencoder("all")

    run = opened(system)
    train(run)

    assert system.computed == ["train", "moments", "build", "batches"]
    assert files_of(run) == DONE


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (TrainingError("diverged"), set()),
        (OSError(28, "x"), set()),
        (KeyboardInterrupt(), {"frames0.float32"}),
    ],
)
def test_a_training_that_ends_after_its_last_epoch_and_goes_on_computes_nothing_twice(
    opened, capsys, error, kept
):
    def fail():
        raise error

    system = Autoencoder("all", fail)
    run = opened(system)
    with pytest.raises(type(error)):
        train(run)
    assert files_of(run) == {"passes", *LEFT_BY_FIT, *kept}
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
    assert files_of(run) == {"passes", "frames0.float32"}
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
