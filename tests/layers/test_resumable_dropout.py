"""Dropout as Keras has it, and whose draws go on in a loaded model."""

import keras
import numpy as np
import pytest

from asdkeras.layers.resumable_dropout import ResumableDropout
from tests.contracts import check_layer


@pytest.fixture
def values():
    return np.ones((200, 50), "float32")


def test_so_many_values_are_dropped_and_the_others_scaled(values):
    dropped = np.array(ResumableDropout(0.2, seed=0)(values, training=True))
    assert set(np.unique(dropped)) == {0.0, np.float32(1 / 0.8)}
    assert (dropped == 0).mean() == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / values.size))


def test_nothing_is_dropped_at_inference(values):
    np.testing.assert_array_equal(ResumableDropout(0.2, seed=0)(values), values)


def test_layer_contract(values):
    check_layer(ResumableDropout(0.2, seed=0), values, output_shape=values.shape)


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_a_loaded_model_drops_what_the_saved_one_would_have_dropped_next(tmp_path, values, rate):
    inputs = keras.Input((50,))
    model = keras.Model(inputs, ResumableDropout(rate)(inputs))
    first = np.array(model(values, training=True))
    model.save(tmp_path / "model.keras")
    expected = np.array(model(values, training=True))

    loaded = keras.saving.load_model(tmp_path / "model.keras")

    np.testing.assert_array_equal(loaded(values, training=True), expected)
    assert (first == expected).all() == (rate == 0.0)
