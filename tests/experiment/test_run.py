"""What the runner does around a system: which models there are, and what training leaves."""

import keras
import numpy as np
import pandas as pd
import pytest
import soundfile

from asdkeras.data.pipeline import Holdout, num_training_windows, window_batches
from asdkeras.errors import TrainingError
from asdkeras.experiment import run as runner
from asdkeras.experiment import training
from asdkeras.experiment.run import open_run, train
from asdkeras.systems.system import System, Trained

CLIP_LENGTH, NUM_FRAMES, EPOCHS = 64, 2, 2
ALL = Holdout(0.0, "last")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ASDKERAS_CACHE", str(tmp_path_factory.mktemp("cache")))
    # The real one cannot be undone: TensorFlow stays in that state for all tests behind.
    monkeypatch.setattr(training, "make_repeatable", keras.utils.set_random_seed)


class Autoencoder:
    """A system on windows of stored frames; takes down what happens to it."""

    def __init__(self, scope="machine_type_and_part", after_fit=lambda: None):
        self.scope = scope
        self.after_fit = after_fit
        self.frame_files = []
        self.heard = {}

    def train(self, clips, context):
        waveform = keras.Input((CLIP_LENGTH,))
        front_end = keras.Model(waveform, keras.layers.Reshape((16, 4))(waveform))
        frames = context.store_frames(front_end, clips, CLIP_LENGTH, "start", 2)
        self.frame_files.append(frames.path)
        self.heard[context.folder.parent.name] = clips.table["section"].tolist()
        windows = frames.windows(NUM_FRAMES, 1)
        fitted = context.fit(
            lambda: self.compiled(waveform),
            lambda first_epoch: window_batches(
                windows,
                ALL,
                None,
                batch_size=8,
                seed=context.seed,
                first_epoch=first_epoch,
                epochs=EPOCHS,
                as_vectors=True,
            ),
            epochs=EPOCHS,
            steps_per_epoch=-(-num_training_windows(windows, ALL) // 8),
            keep_epochs=(EPOCHS,),
            watch=lambda model: {},
        )
        self.after_fit()
        return Trained({"means": self.represented(waveform, fitted)}, {}, CLIP_LENGTH, "start")

    def compiled(self, waveform):
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8)])
        model.compile("adam", "mse")
        return model

    def represented(self, waveform, fitted):
        return keras.Model(waveform, fitted.models[EPOCHS](waveform[:, :8]))

    def system(self):
        return System(self.scope, 4, self.train, None, None, {}, None)


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """Opens a run of a system of ours on a few clips."""

    def opened(system, dataset="dcase2021", sections=("00", "03"), machines=("fan", "valve")):
        folder = tmp_path / dataset
        for machine in machines:
            for section in sections:
                for number in range(2):
                    write_clip(folder / machine / "train", section, number)
        monkeypatch.setattr(runner, "system_of", lambda run: system.system())
        monkeypatch.setattr(runner, "known_truth", lambda dataset: None)  # Whatever is fetched.
        return open_run("wilkinghoff2021", folder, recipe="mini", runs=tmp_path / "runs")

    return opened


def write_clip(folder, section, number):
    folder.mkdir(parents=True, exist_ok=True)
    name = f"section_{section}_source_train_normal_{number:04d}_strength_1.wav"
    noise = 0.1 * np.random.default_rng(number).normal(size=CLIP_LENGTH)
    soundfile.write(folder / name, noise, 16000)


def left(run):
    return {path.name for path in run.folder.path.glob("*/seed0/*")}


DONE = {"DONE", "representations.npz", "train.csv", "weights.keras"}


def test_a_model_per_machine_type_and_part_hears_the_sections_of_its_part(opened):
    system = Autoencoder()

    run = opened(system)
    train(run)

    assert system.heard == {
        "fan_dev": ["00", "00"],
        "fan_eval": ["03", "03"],
        "valve_dev": ["00", "00"],
        "valve_eval": ["03", "03"],
    }
    names = {path.parent.parent.name for path in run.folder.path.glob("*/seed0/DONE")}
    assert names == set(system.heard)


def test_a_part_without_clips_has_no_model(opened):
    system = Autoencoder()
    train(opened(system, sections=("04", "05"), machines=("fan",)))
    assert system.heard == {"fan_eval": ["04", "04", "05", "05"]}


def test_recordings_of_ones_own_are_all_of_the_development_set(opened):
    system = Autoencoder()
    train(opened(system, dataset="factory", machines=("fan",)))
    assert system.heard == {"fan_dev": ["00", "00", "03", "03"]}


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
    assert [unit for unit, _ in runner._units(run.table, scope)] == names


def test_training_leaves_no_frames(opened):
    system = Autoencoder("all")

    run = opened(system)
    train(run)

    (path,) = system.frame_files
    assert path.parent == run.folder.path / "all" / "seed0"
    assert not path.exists()
    assert left(run) == DONE


@pytest.mark.parametrize(
    "error", [TrainingError("diverged"), KeyboardInterrupt(), OSError(28, "x")]
)
def test_a_failed_or_stopped_task_leaves_none_and_goes_on_with_new_ones(opened, error):
    def fail():
        assert system.frame_files[-1].exists()
        raise error

    system = Autoencoder("all", fail)
    run = opened(system)

    with pytest.raises(type(error)):
        train(run)

    assert left(run) == {"train.csv", "weights.keras"}
    before = pd.read_csv(run.folder.path / "all" / "seed0" / "train.csv")
    system.after_fit = lambda: None
    train(run)
    assert len(system.frame_files) == 2
    assert left(run) == DONE
    after = pd.read_csv(run.folder.path / "all" / "seed0" / "train.csv")
    pd.testing.assert_frame_equal(after, before)
