"""What every layer must do, whatever it computes."""

import tempfile
from pathlib import Path

import keras
import numpy as np
from keras import ops


def check_layer(layer, *inputs, output_shape):
    """Assert that a layer traces, saves, loads, takes half precision and trains."""
    expected = ops.convert_to_numpy(layer(*inputs))
    assert expected.shape == output_shape
    assert np.all(np.isfinite(expected))

    model = _model(layer, inputs)
    assert model.output_shape[1:] == output_shape[1:]
    np.testing.assert_allclose(model.predict_on_batch(list(inputs)), expected, rtol=1e-5, atol=1e-6)
    _check_config_round_trip(layer, inputs, expected)
    _check_saving(model, inputs, expected)

    half = type(layer).from_config({**layer.get_config(), "dtype": "mixed_float16"})
    assert np.all(np.isfinite(half(*[array.astype("float16") for array in inputs])))
    if layer.trainable_weights:
        _check_training_step(_model(type(layer).from_config(layer.get_config()), inputs), inputs)


def _model(layer, inputs):
    symbols = [keras.Input(shape=array.shape[1:]) for array in inputs]
    return keras.Model(symbols, layer(*symbols))


def _check_config_round_trip(layer, inputs, expected):
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    copy(*inputs)
    copy.set_weights(layer.get_weights())
    assert copy.get_config() == layer.get_config()
    np.testing.assert_allclose(copy(*inputs), expected, rtol=1e-5, atol=1e-6)


def _check_saving(model, inputs, expected):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        loaded = keras.saving.load_model(path, safe_mode=True)
    np.testing.assert_allclose(
        loaded.predict_on_batch(list(inputs)), expected, rtol=1e-5, atol=1e-6
    )


def _check_training_step(model, inputs):
    """One step of the graph changes every trainable weight and leaves all of them finite."""
    model.compile("sgd", loss="mse")
    before = [ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    target = ops.zeros((len(inputs[0]), *model.output_shape[1:]))
    assert np.isfinite(model.train_on_batch(list(inputs), target))
    for weight, old in zip(model.trainable_weights, before, strict=True):
        new = ops.convert_to_numpy(weight)
        assert np.all(np.isfinite(new))
        assert np.any(new != old)
