"""LossScale: the optimizer of Keras, and how many batches there were."""

import keras
import numpy as np
import pytest

from asdkeras.optimizers.loss_scale import LossScale, with_loss_scale

LARGE = 1e30  # Of a loss whose scaled gradient is infinite in float32.


def compiled(optimizer):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="head")])
    model.compile(optimizer, "mse", loss_weights=[2.0], metrics=["mae"])
    return model


def train(model, factors):
    inputs = np.random.default_rng(0).normal(size=(len(factors), 4, 3)).astype("float32")
    for values, factor in zip(inputs, factors, strict=True):
        model.train_on_batch(np.float32(factor) * values, np.zeros((4, 2), "float32"))
    return model.get_weights()


def test_steps_are_those_of_keras_and_of_the_optimizer_alone():
    optimizers = [
        keras.optimizers.Adam(0.1),
        keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.1)),
        LossScale(keras.optimizers.Adam(0.1)),
    ]

    alone, of_keras, ours = (train(compiled(each), [1.0, 2.0]) for each in optimizers)

    for expected, wanted, found in zip(alone, of_keras, ours, strict=True):
        np.testing.assert_array_equal(found, wanted)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_skipped_batch_changes_no_weight_and_counts():
    model = compiled(LossScale(keras.optimizers.Adam(0.1)))
    before = train(model, [1.0])

    after = train(model, [LARGE])

    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (int(model.optimizer.batches), int(model.optimizer.iterations)) == (2, 1)
    assert model.optimizer.dynamic_scale == 2.0**14


def test_a_model_is_compiled_as_it_was():
    model = with_loss_scale(compiled(keras.optimizers.Adam(0.1)))

    assert type(model.optimizer) is LossScale
    assert model.optimizer.built
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1)
    plain = compiled(keras.optimizers.Adam(0.1))
    data = np.ones((4, 3), "float32"), np.zeros((4, 2), "float32")
    assert model.evaluate(*data, verbose=0) == plain.evaluate(*data, verbose=0)


def test_a_loaded_training_knows_its_batches_and_goes_on(tmp_path):
    model = with_loss_scale(compiled(keras.optimizers.Adam(0.1)))
    train(model, [1.0, LARGE])
    model.save(tmp_path / "model.keras")

    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert type(loaded.optimizer) is LossScale
    assert int(loaded.optimizer.batches) == 2
    for one, other in zip(train(model, [3.0]), train(loaded, [3.0]), strict=True):
        np.testing.assert_array_equal(one, other)
