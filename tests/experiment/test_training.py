"""Training of a task: what it leaves, whenever and however often it was stopped."""

import contextlib
import os
import re
import time
import types

import keras
import numpy as np
import pandas as pd
import pytest

from asdkeras.batches.steps import Schedule
from asdkeras.batches.window_batches import (
    Holdout,
    held_out_batches,
    num_training_windows,
    window_batches,
)
from asdkeras.errors import DataError, TrainingError
from asdkeras.experiment import training, training_records
from asdkeras.experiment.training import TaskContext
from asdkeras.systems.system import TrainingLog
from tests.trained_runs import eager_steps

NUM_CLIPS, CLIP_LENGTH = 6, 16
HOLDOUT = Holdout(0.25, "last")
EPOCHS, STEPS = 3, 7  # 36 windows, 27 of them for training, 4 at once.


class Clips:
    """Noise; `store`, in whose folder frames are kept, is that of the test."""

    def fingerprint(self, clip_length, keep):
        return f"noise {clip_length} {keep}"

    def __len__(self):
        return NUM_CLIPS

    def read(self, positions, clip_length, keep):
        assert keep == "end"
        noise = np.random.default_rng(0).normal(size=(NUM_CLIPS, clip_length))
        return noise[positions].astype("float32")


class Gone(Clips):
    """Clips whose last is gone."""

    def read(self, positions, clip_length, keep):
        if positions[-1] == NUM_CLIPS - 1:
            raise DataError("a.samples: is gone.")
        return super().read(positions, clip_length, keep)


@keras.saving.register_keras_serializable("asdkeras_tests")
class LastBatch(keras.metrics.Metric):
    """Squared error of the last batch alone."""

    def __init__(self, name="last_batch", **kwargs):
        super().__init__(name=name, **kwargs)
        self.value = self.add_variable((), "zeros", name="value")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.value.assign(keras.ops.mean(keras.ops.square(y_true - y_pred)))

    def result(self):
        return self.value


@pytest.fixture(scope="module", autouse=True)
def _without_graphs():
    with eager_steps():
        yield


@pytest.fixture(scope="module", autouse=True)
def _store(tmp_path_factory):
    Clips.store = store_in(tmp_path_factory.mktemp("store"))


@pytest.fixture(autouse=True)
def kept(tmp_path_factory, monkeypatch):
    """The folder beside the clip store."""
    store = store_in(tmp_path_factory.mktemp("store"))
    monkeypatch.setattr(Clips, "store", store)
    return store.kept


def store_in(folder):
    return types.SimpleNamespace(kept=folder / "kept", num_bytes=2**20)


@pytest.fixture(scope="module")
def front_end():
    """8 frames of 2 bands."""
    return front_end_of(2.0)


def front_end_of(factor, **names):
    waveform = keras.Input((CLIP_LENGTH,))
    return keras.Model(waveform, keras.layers.Reshape((8, 2), **names)(factor * waveform))


@pytest.fixture
def context(tmp_path):
    with task_in(tmp_path) as task:
        yield task


def task_in(folder, untrained=False):
    return TaskContext(folder, 0, pd.DataFrame(), "train a task", Clips(), untrained=untrained)


def stored(context, front_end, clips=None):
    """A store of frames that are there."""
    store = context.store_frames(front_end, clips or Clips(), CLIP_LENGTH, "end", 4)
    store.open()
    return store


def autoencoder(learning_rate=0.1):
    keras.utils.set_random_seed(0)
    layers = [keras.Input((6,)), keras.layers.Dense(3), keras.layers.BatchNormalization()]
    model = keras.Sequential([*layers, keras.layers.ReLU(), keras.layers.Dense(6)])
    model.compile(keras.optimizers.Adam(learning_rate), "mse", metrics=[LastBatch()])
    return model


def fit(context, front_end, build=autoencoder, keep_epochs=(EPOCHS,), phase="", **more):
    """Train as a system does."""
    frames = context.store_frames(front_end, Clips(), CLIP_LENGTH, "end", 4)
    windows = frames.windows(3, 1, as_vectors=True)
    log = {
        "validation": lambda: held_out_batches(windows, HOLDOUT, None, 4),
        "record": ("last_batch",),
        **more,
    }
    return context.fit(
        build,
        lambda first_epoch: batches(windows, first_epoch),
        epochs=EPOCHS,
        steps_per_epoch=STEPS,
        keep_epochs=keep_epochs,
        log=TrainingLog(**log),
        phase=phase,
    )


def batches(windows, first_epoch):
    assert num_training_windows(windows, HOLDOUT) == 27
    return window_batches(windows, HOLDOUT, None, Schedule(4, 0, first_epoch, EPOCHS))


def stop_at(monkeypatch, step):
    """Ctrl-C after a step, counted from the first epoch on."""

    def update(done, total, detail=""):
        if done == step and detail.startswith("epoch"):
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "stage", lambda name: contextlib.nullcontext(update))


def rows(context):
    return pd.read_csv(context.folder / "train.csv").drop(columns="seconds")


def never(*_):
    raise AssertionError("trained again")


def assert_same_weights(one, other):
    for value, expected in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(value, expected)


@pytest.fixture(scope="module")
def whole(front_end, tmp_path_factory):
    """A training that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    with task_in(folder) as task:
        fitted = fit(task, front_end, keep_epochs=(1, EPOCHS))
    return types.SimpleNamespace(rows=rows(task), fitted=fitted, folder=folder)


# In the first epoch, after the last step of an epoch before its end, in the last epoch.
@pytest.mark.parametrize("step", [3, 14, 20])
def test_a_training_stopped_and_resumed_ends_as_one_that_was_not(
    whole, context, front_end, monkeypatch, step
):
    with monkeypatch.context() as patch:
        stop_at(patch, step)
        with pytest.raises(KeyboardInterrupt), context:
            fit(context, front_end)

    again = fit(context, front_end)

    assert_same_weights(again.networks[EPOCHS], whole.fitted.networks[EPOCHS])
    np.testing.assert_array_equal(
        again.batch_values["last_batch"], whole.fitted.batch_values["last_batch"]
    )
    pd.testing.assert_frame_equal(rows(context), whole.rows)


def test_a_trained_task_is_loaded_with_all_it_recorded(whole):
    again = task_in(whole.folder).fit(
        never,
        never,
        epochs=EPOCHS,
        steps_per_epoch=STEPS,
        keep_epochs=(1, EPOCHS),
        log=TrainingLog(validation=never, record=("last_batch",)),
    )

    assert set(again.networks) == {1, EPOCHS}
    np.testing.assert_array_equal(
        again.batch_values["last_batch"], whole.fitted.batch_values["last_batch"]
    )
    for epoch, network in again.networks.items():
        assert_same_weights(network, whole.fitted.networks[epoch])


def test_a_phase_before_the_last_has_files_of_its_own_and_is_not_repeated(context, front_end):
    first = fit(context, front_end, phase="first")
    fit(context, front_end, build=lambda: autoencoder(0.01))

    assert len(pd.read_csv(context.folder / "first" / "train.csv")) == EPOCHS
    assert (
        rows(context)["loss"].iloc[0]
        != pd.read_csv(context.folder / "first" / "train.csv")["loss"].iloc[0]
    )
    again = fit(context, front_end, build=never, phase="first")
    np.testing.assert_array_equal(
        again.batch_values["last_batch"], first.batch_values["last_batch"]
    )
    assert_same_weights(again.networks[EPOCHS], first.networks[EPOCHS])


def accumulating():
    """An update takes all seven batches of an epoch."""
    model = autoencoder()
    model.compile(
        keras.optimizers.SGD(0.1, gradient_accumulation_steps=STEPS), "mse", metrics=[LastBatch()]
    )
    return model


def test_a_training_that_accumulates_gradients_goes_on_after_its_last_epoch(
    context, front_end, monkeypatch, capsys
):
    with monkeypatch.context() as patch:
        stop_at(patch, 10)
        with pytest.raises(KeyboardInterrupt):
            fit(context, front_end, build=accumulating)

    fit(context, front_end, build=never)

    assert "goes on after epoch 1 of 3" in capsys.readouterr().err
    assert rows(context)["epoch"].tolist() == [1, 2, 3]


def test_recorded_values_are_kept_before_the_last_epoch_counts_as_done(
    context, front_end, monkeypatch
):
    saved_at = []
    save = training_records.save

    def watched(model, path):
        saved_at.append((path.name, (context.folder / "batch_values.npz").exists()))
        save(model, path)

    monkeypatch.setattr(training_records, "save", watched)

    fit(context, front_end)

    assert saved_at == [("weights.keras", False)] * 2 + [("weights.keras", True)]


def test_recorded_values_are_those_after_each_batch_of_the_last_epoch(context, front_end):
    fitted = fit(context, front_end, lambda: autoencoder(learning_rate=0.0))

    windows = stored(context, front_end).windows(3, 1, as_vectors=True)
    model = fitted.networks[EPOCHS].model
    expected = [
        np.mean(np.square(np.float64(x) - np.float64(model(x, training=True))))
        for x, _ in batches(windows, EPOCHS - 1)
    ]
    values = fitted.batch_values["last_batch"]
    assert values.shape == (STEPS,)
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, expected, rtol=1e-5)


def test_several_names_are_recorded_in_step(context, front_end):
    values = fit(context, front_end, record=("loss", "last_batch")).batch_values

    sizes = np.array([4, 4, 4, 4, 4, 4, 3])
    means = np.cumsum(values["last_batch"] * sizes) / np.cumsum(sizes)
    np.testing.assert_allclose(values["loss"], means, rtol=1e-5)


def test_losses_of_training_and_validation_go_into_the_table_and_recorded_values_do_not(whole):
    assert list(whole.rows.columns) == ["epoch", "loss", "val_loss"]
    assert whole.rows["epoch"].tolist() == [1, 2, 3]


def test_the_loss_of_validation_is_that_of_the_windows_held_out(whole, context, front_end):
    windows = stored(context, front_end).windows(3, 1, as_vectors=True)
    rest = windows.read(np.arange(27, 36))
    model = whole.fitted.networks[EPOCHS].model
    errors = np.float64(rest) - np.float64(model(rest, training=False))
    assert whole.rows["val_loss"].iloc[-1] == pytest.approx(np.mean(errors**2), rel=1e-5)


def test_without_validation_and_record_there_is_neither(context, front_end):
    fitted = fit(context, front_end, validation=lambda: None, record=())

    assert list(rows(context).columns) == ["epoch", "last_batch", "loss"]
    assert fitted.batch_values == {}
    assert not (context.folder / "batch_values.npz").exists()


def test_the_progress_tells_the_loss_of_training(context, front_end, capsys):
    fit(context, front_end)

    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "asdkeras: train a task front end: 6/6"
    assert re.fullmatch(r"asdkeras: train a task: 21/21 epoch 3/3 loss \d\.\d{3}", lines[-1])


def test_a_name_that_is_not_logged_stops_at_the_first_batch(context, front_end):
    message = r"record=\['lost'\], logged are \['last_batch', 'loss'\]"
    with pytest.raises(ValueError, match=message):
        fit(context, front_end, record=("lost", "loss"))

    assert not (context.folder / "weights.keras").exists()


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_a_validation_loss_that_is_not_finite_stops_the_training(context, front_end, value):
    broken = np.full((2, 6), value, "float32")

    with pytest.raises(TrainingError, match=r"epoch 1, step \d+: val_loss no finite number\."):
        fit(context, front_end, validation=lambda: (broken, broken))

    assert not (context.folder / "weights.keras").exists()
    assert not (context.folder / "train.csv").exists()


def test_a_training_loss_that_is_not_finite_stops_it_too(context, front_end):
    with pytest.raises(TrainingError, match=r"epoch 1, step \d: loss"):
        fit(context, front_end, lambda: autoencoder(learning_rate=1e30))


def test_stored_frames_are_those_of_the_front_end_in_the_order_of_the_clips(context, front_end):
    store = stored(context, front_end)

    waveforms = Clips().read(np.arange(NUM_CLIPS), CLIP_LENGTH, "end")
    np.testing.assert_array_equal(
        store.windows(8, 1).read(range(NUM_CLIPS)), 2.0 * waveforms.reshape(NUM_CLIPS, 8, 2)
    )


def test_frames_are_computed_as_after_training(context):
    waveform = keras.Input((CLIP_LENGTH,))
    dropped = keras.layers.Dropout(0.9)(keras.layers.Reshape((8, 2))(waveform))

    store = stored(context, keras.Model(waveform, dropped))

    assert np.all(store.windows(8, 1).read(range(NUM_CLIPS)) != 0.0)


@pytest.mark.parametrize("error", [None, DataError("gone"), KeyboardInterrupt(), SystemExit()])
def test_frames_are_kept_beside_the_store_for_other_tasks_and_tries(
    tmp_path, front_end, kept, capsys, error
):
    expected = contextlib.nullcontext() if error is None else pytest.raises(type(error))
    with expected, task_in(tmp_path) as context:
        store = stored(context, front_end)
        if error is not None:
            raise error
    assert store.is_closed
    before = {path.name: path.read_bytes() for path in kept.glob("*.float32")}
    capsys.readouterr()

    with task_in(tmp_path / "another") as context:
        again = stored(context, front_end_of(2.0, name="reshape_77"))
        again.moments()

    assert "front end" not in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in kept.glob("*.float32")} == before
    assert [*before] == [again.path.name]
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("change", ["front end", "clips", "clip length", "batches", "version"])
def test_frames_of_anything_else_are_other_frames(context, front_end, kept, monkeypatch, change):
    store = stored(context, front_end)
    clips, length, size = Clips(), CLIP_LENGTH, 4
    if change == "front end":
        front_end = front_end_of(3.0)
    elif change == "clips":
        monkeypatch.setattr(clips, "fingerprint", lambda *given: "others", raising=False)
    elif change == "batches":  # They may move last digits.
        size = 3
    elif change == "version":
        monkeypatch.setattr(training, "__version__", "another")
    if change == "clip length":
        length = 8
        waveform = keras.Input((length,))
        front_end = keras.Model(waveform, keras.layers.Reshape((4, 2))(2.0 * waveform))

    other = context.store_frames(front_end, clips, length, "end", size)
    other.open()

    assert other.path != store.path
    assert len([*kept.glob("*.float32")]) == 2


def test_frames_take_at_most_as_much_room_as_the_clips(context, front_end, kept):
    Clips.store.num_bytes = 2 * NUM_CLIPS * 16 * 4

    for factor in (2.0, 3.0, 2.0, 4.0):
        last = stored(context, front_end_of(factor))
        time.sleep(0.02)  # Clocks of file systems are coarse.

    assert {path.stem for path in kept.iterdir()} - {".lock"} == {
        context.store_frames(front_end_of(factor), Clips(), CLIP_LENGTH, "end", 4).path.stem
        for factor in (2.0, 4.0)  # That of 3.0 was longest unused.
    }
    assert last.path.exists()


def test_clips_that_cannot_be_read_leave_no_frames(context, front_end, kept):
    with pytest.raises(DataError, match=r"^a\.samples: is gone\.$"):
        stored(context, front_end, Gone())

    assert os.listdir(context.folder) == []
    assert os.listdir(kept) == [".lock"]


def test_band_moments_are_those_of_the_frames_and_computed_once(
    tmp_path, context, front_end, kept, capsys
):
    given = Clips(), CLIP_LENGTH, "end", 4
    moments = context.band_moments(front_end, *given)

    expected = stored(context, front_end).moments()
    for name in ("mean", "variance"):
        np.testing.assert_allclose(moments[name], expected[name], rtol=1e-12)
    assert "band statistics: 6/6" in capsys.readouterr().err
    again = task_in(tmp_path / "another").band_moments(front_end_of(2.0), *given)
    assert "band statistics" not in capsys.readouterr().err
    other = context.band_moments(front_end_of(3.0), *given)
    for name in ("mean", "variance"):
        np.testing.assert_array_equal(again[name], moments[name])
        assert not np.allclose(other[name], moments[name])


@pytest.mark.parametrize(
    ("error", "is_kept"), [(None, False), (DataError("gone"), True), (KeyboardInterrupt(), True)]
)
def test_arrays_of_a_finished_pass_are_computed_once_for_each_training(
    context, front_end, error, is_kept
):
    passes = []

    def read_once(task):
        """A pass over frames."""
        frames = task.store_frames(front_end, Clips(), CLIP_LENGTH, "end", 4)

        def compute():
            passes.append("computed")
            return frames.moments()

        return task.once("a pass", compute)

    expected = contextlib.nullcontext() if error is None else pytest.raises(type(error))
    with expected, context:
        first = read_once(context)
        if error is not None:
            raise error
    assert (context.folder / "passes/a pass.npz").exists() == is_kept

    again = read_once(task_in(context.folder))

    assert len(passes) == (1 if is_kept else 2)
    assert set(again) == {"mean", "variance"}
    for name, array in first.items():
        np.testing.assert_array_equal(again[name], array)


def test_untrained_networks_of_all_kept_epochs_are_as_they_start(tmp_path, front_end):
    with task_in(tmp_path, untrained=True) as context:
        networks = fit(context, front_end, keep_epochs=(1, EPOCHS)).networks

    assert sorted(networks) == [1, EPOCHS]
    start = types.SimpleNamespace(model=autoencoder())
    for network in networks.values():
        assert_same_weights(network, start)
        assert_same_weights(training.TrainedNetwork(network.path), start)
    assert not (tmp_path / "train.csv").exists()


def test_untrained_networks_of_all_phases_lie_where_trained_ones_do(tmp_path, front_end):
    with task_in(tmp_path, untrained=True) as context:
        fit(context, front_end, phase="first")
        fit(context, front_end)

    assert {*tmp_path.rglob("*.keras")} == {
        tmp_path / "first" / "weights.keras",
        tmp_path / "weights.keras",
    }


def test_untrained_networks_are_made_once(tmp_path, front_end):
    with task_in(tmp_path, untrained=True) as context:
        first = fit(context, front_end)
    with task_in(tmp_path, untrained=True) as context:
        again = fit(context, front_end, build=never)

    assert_same_weights(again.networks[EPOCHS], first.networks[EPOCHS])
    values = [fitted.batch_values["last_batch"].tolist() for fitted in (first, again)]
    assert values[0] == values[1]


def test_values_of_untrained_networks_are_those_of_the_last_epoch_in_inference(tmp_path, front_end):
    with task_in(tmp_path, untrained=True) as context:
        values = fit(context, front_end).batch_values["last_batch"]
        windows = stored(context, front_end).windows(3, 1, as_vectors=True)
        vectors = [np.asarray(x, np.float64) for x, _ in batches(windows, EPOCHS - 1)]

    model = autoencoder()
    expected = [np.mean(np.square(x - np.float64(model(x, training=False)))) for x in vectors]
    assert values.shape == (STEPS,)
    np.testing.assert_allclose(values, expected, rtol=1e-5)


def test_untrained_networks_need_no_batches_where_nothing_is_recorded(tmp_path, front_end):
    with task_in(tmp_path, untrained=True) as context:
        context.fit(autoencoder, never, epochs=EPOCHS, steps_per_epoch=STEPS)

    assert (tmp_path / "weights.keras").is_file()
