"""Training in half precision: skipped batches are batches, and a stop changes nothing."""

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers

from asdkeras.errors import TrainingError
from asdkeras.experiment.training import TaskContext
from asdkeras.mixed_precision import network
from asdkeras.optimizers.lars import LARS
from asdkeras.optimizers.loss_scale import LossScale
from asdkeras.optimizers.noam import Noam
from asdkeras.optimizers.one_cycle import OneCycle, OneCycleAdam
from asdkeras.systems.system import TrainingLog, learning_rate
from tests.experiment.test_training import Clips, assert_same_weights, never, stop_at
from tests.trained_runs import eager_steps

EPOCHS, STEPS, BATCH = 3, 4, 5
ACCUMULATED = 2
OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.01),
    "noam": lambda: keras.optimizers.Adam(Noam(8, 4)),
    "one_cycle": lambda: OneCycleAdam(OneCycle(0.01, EPOCHS * STEPS)),
    "lars": lambda: LARS(0.1),
    "accumulating": lambda: LARS(0.1, gradient_accumulation_steps=ACCUMULATED),
}


@pytest.fixture(scope="module", autouse=True)
def _without_graphs():
    with eager_steps():
        yield


@network
def embedding(vectors):
    x = layers.BatchNormalization()(layers.Dense(8)(vectors))
    return layers.Dense(4, dtype="float32", name="embedding")(layers.ReLU()(x))


def autoencoder(optimizer="adam"):
    keras.utils.set_random_seed(0)
    vectors = keras.Input((6,))
    model = keras.Model(vectors, layers.Dense(6, name="head")(embedding(vectors)))
    model.compile(OPTIMIZERS[optimizer](), "mse", metrics=["mae"])
    return model


def batches(first_epoch, scale=30.0):
    """Vectors so large that the first losses, scaled, have gradients beyond float16."""
    for epoch in range(first_epoch, EPOCHS):
        random = np.random.default_rng(epoch)
        for _ in range(STEPS):
            vectors = scale * random.normal(size=(BATCH, 6)).astype("float32")
            yield vectors, vectors


def task_in(folder, precision="mixed_float16", **more):
    return TaskContext(folder, 0, pd.DataFrame(), "a task", Clips(), precision=precision, **more)


def fit(folder, build=autoencoder, batches=batches, precision="mixed_float16", **more):
    log = TrainingLog(watch=learning_rate, record=("mae",))
    return task_in(folder, precision, **more).fit(
        build, batches, epochs=EPOCHS, steps_per_epoch=STEPS, log=log
    )


def rows(folder):
    return pd.read_csv(folder / "train.csv").drop(columns="seconds")


def state_of(fitted):
    model = fitted.networks[EPOCHS].model
    return [np.array(each) for each in (*model.variables, *model.optimizer.variables)]


@pytest.fixture(scope="module", params=OPTIMIZERS)
def whole(request, tmp_path_factory):
    """Name of an optimizer, and a training with it that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    return request.param, fit(folder, lambda: autoencoder(request.param)), folder


def test_losses_are_scaled_for_float16_and_skipped_batches_counted(whole):
    name, fitted, folder = whole
    optimizer = fitted.networks[EPOCHS].model.optimizer

    assert type(optimizer) is LossScale
    assert type(optimizer.inner_optimizer) is type(OPTIMIZERS[name]())
    assert optimizer.batches == EPOCHS * STEPS
    num_updates = int(optimizer.iterations) * (ACCUMULATED if name == "accumulating" else 1)
    assert 0 < num_updates < EPOCHS * STEPS  # Some were skipped.
    assert float(optimizer.dynamic_scale) < optimizer.initial_scale
    assert np.isfinite(rows(folder)).all(axis=None)
    assert rows(folder)["loss"].between(500.0, 1500.0).all()  # Of vectors of 900, not scaled.


# In the first epoch, and where the next one would be the last.
@pytest.mark.parametrize("step", [2, 9])
def test_a_training_stopped_and_resumed_ends_as_one_that_was_not(
    whole, tmp_path, monkeypatch, step
):
    name, expected, folder = whole
    with monkeypatch.context() as patch:
        stop_at(patch, step)
        with pytest.raises(KeyboardInterrupt):
            fit(tmp_path, lambda: autoencoder(name))

    again = fit(tmp_path, lambda: autoencoder(name) if step < STEPS else never())

    for one, other in zip(state_of(again), state_of(expected), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(again.batch_values["mae"], expected.batch_values["mae"])
    pd.testing.assert_frame_equal(rows(tmp_path), rows(folder), check_exact=True)


def test_a_finished_training_is_loaded_without_any_policy(whole):
    _, expected, folder = whole

    again = fit(folder, never, never, precision="float32")

    assert_same_weights(again.networks[EPOCHS], expected.networks[EPOCHS])
    model = again.networks[EPOCHS].model
    assert {layer.compute_dtype for layer in model.layers} == {"float16", "float32"}


def test_a_loss_that_is_no_number_stops_the_training(tmp_path):
    def broken(first_epoch):
        for vectors, wanted in batches(first_epoch):
            yield vectors * np.float32(np.nan), wanted

    with pytest.raises(TrainingError, match="epoch 1, step 1: loss no finite number"):
        fit(tmp_path, batches=broken)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_other_losses_are_not_scaled(tmp_path, precision):
    model = fit(tmp_path, precision=precision).networks[EPOCHS].model

    assert type(model.optimizer) is keras.optimizers.Adam
    half = precision.removeprefix("mixed_")
    assert {layer.compute_dtype for layer in model.layers} == {"float32", half}


def test_an_untrained_network_is_in_half_precision_too(tmp_path):
    model = fit(tmp_path, untrained=True).networks[EPOCHS].model

    assert "float16" in {layer.compute_dtype for layer in model.layers}
    for value, start in zip(model.get_weights(), autoencoder().get_weights(), strict=True):
        np.testing.assert_array_equal(value, start)
