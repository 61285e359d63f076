"""InGroups gives what the layer gives for each window, whatever the size of the groups."""

import keras
import numpy as np
import pytest

from asdkeras.layers.in_groups import InGroups

GENERATOR = np.random.default_rng(0)
WINDOWS = GENERATOR.normal(size=(2, 5, 3, 4)).astype("float32")
NUMBERS = GENERATOR.integers(0, 3, size=(2, 5, 2)).astype("int32")


def window_model():
    """A number that depends on all of a window and on some of its rows, taken twice."""
    keras.utils.set_random_seed(1)
    window = keras.Input((3, 4))
    numbers = keras.Input((2,), dtype="int32")
    rows = keras.ops.take_along_axis(window, keras.ops.expand_dims(numbers, -1), axis=1)
    known = keras.layers.Dense(6, activation="tanh")(keras.layers.Flatten()(rows))
    return keras.Model([window, numbers], keras.layers.Dense(2)(known))


def in_groups_model(at_once):
    inputs = [keras.Input((5, 3, 4)), keras.Input((5, 2), dtype="int32")]
    return keras.Model(inputs, InGroups(window_model(), at_once)(inputs))


@pytest.mark.parametrize("at_once", [1, 3, 10, 64])
def test_each_window_gets_what_it_gets_alone(at_once):
    alone = window_model()
    expected = np.zeros((2, 5, 2))
    for clip in range(2):
        for window in range(5):
            inputs = [WINDOWS[clip, window][None], NUMBERS[clip, window][None]]
            expected[clip, window] = alone(inputs)[0]

    grouped = InGroups(alone, at_once)([WINDOWS, NUMBERS])

    np.testing.assert_allclose(grouped, expected, rtol=1e-5, atol=1e-6)


def test_a_model_of_any_number_of_clips_gives_the_same():
    model = in_groups_model(3)
    assert model.output_shape == (None, 5, 2)
    for num_clips in (1, 2):
        inputs = [WINDOWS[:num_clips], NUMBERS[:num_clips]]
        expected = InGroups(model.layers[-1].layer, 5)(inputs)
        np.testing.assert_allclose(model.predict_on_batch(inputs), expected, rtol=1e-5, atol=1e-6)


def test_a_layer_of_one_number_per_window_keeps_the_shape():
    window = keras.Input((3, 4))
    total = keras.Model([window], keras.ops.sum(window, axis=(1, 2)))

    sums = InGroups(total, 4)([WINDOWS])

    np.testing.assert_allclose(sums, WINDOWS.sum(axis=(2, 3)), rtol=1e-5, atol=1e-6)


def test_no_more_windows_than_asked_for_are_computed_at_once():
    seen = []

    class Watching(keras.layers.Layer):
        def call(self, inputs):
            seen.append(inputs[0].shape)
            return inputs[0]

    InGroups(Watching(), 4)([WINDOWS])

    assert set(seen) == {(4, 3, 4)}


def test_weights_of_the_layer_are_saved_and_trained(tmp_path):
    model = in_groups_model(3)
    model.compile("sgd", "mse", run_eagerly=True)
    before = model.get_weights()

    model.train_on_batch([WINDOWS, NUMBERS], np.ones((2, 5, 2)))

    assert len(before) == 4
    assert all(np.any(old != new) for old, new in zip(before, model.get_weights(), strict=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded([WINDOWS, NUMBERS]), model([WINDOWS, NUMBERS]))
    assert loaded.layers[-1].at_once == 3


def test_a_group_needs_a_window():
    with pytest.raises(ValueError, match=r"`at_once` must be at least 1. Received: at_once=0"):
        InGroups(window_model(), 0)
