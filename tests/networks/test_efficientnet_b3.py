"""EfficientNet-B3: its parameters, features that arrive as they are, and what timm lacks."""

import keras
import numpy as np
import pytest

from asdkeras.networks.efficientnet_b3 import efficientnet_b3
from tests.networks.released import count

FRAMES, BANDS = 64, 37  # Even and odd: strided layers pad them differently.


def network(frames=FRAMES, bands=BANDS):
    keras.utils.set_random_seed(0)
    spectrograms = keras.Input((frames, bands, 1))
    return keras.Model(spectrograms, efficientnet_b3(spectrograms))


@pytest.fixture(scope="module")
def model():
    return network()


def drawn(scale=1.0):
    shape = (2, FRAMES, BANDS, 1)
    return np.random.default_rng(0).normal(-3.0, scale, size=shape).astype("float32")


def test_parameters_and_map_are_those_of_the_published_network(model):
    assert count(model.trainable_weights) == 10_695_512
    assert model.output_shape == (None, 2, 2, 1536)


def test_features_reach_the_first_convolution_as_they_are(model):
    inner = model.get_layer("efficientnetb3")
    convolution = inner.get_layer("stem_conv")
    padded = np.pad(np.float64(drawn())[..., 0], [(0, 0), (0, 1), (1, 1)])
    kernel = np.float64(convolution.kernel)[:, :, 0]

    output = keras.Model(inner.input, convolution.output)(drawn())

    expected = np.zeros(output.shape)
    for clip, row, column in np.ndindex(2, 32, 19):
        window = padded[clip, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
        expected[clip, row, column] = np.einsum("ij,ijo->o", window, kernel)
    np.testing.assert_allclose(output, expected, rtol=1e-5, atol=1e-5)


def test_no_branch_is_dropped(model):
    layers = model.get_layer("efficientnetb3").layers
    assert not any(isinstance(layer, keras.layers.Dropout) for layer in layers)
    assert not any("seed" in variable.path for variable in model.variables)


def test_batch_normalizations_are_those_of_timm(model):
    layers = model.get_layer("efficientnetb3").layers
    found = {
        (layer.momentum, layer.epsilon)
        for layer in layers
        if isinstance(layer, keras.layers.BatchNormalization)
    }
    assert found == {(0.9, 1e-3)}


def test_the_name_of_the_classifier_is_left_to_it(model):
    assert not any("head" in weight.path.split("/") for weight in model.weights)


@pytest.mark.slow
def test_in_inference_it_is_the_network_of_keras_on_255_times_the_features(model):
    released = keras.applications.EfficientNetB3(
        include_top=False, weights=None, input_shape=(FRAMES, BANDS, 1)
    )
    own = model.get_layer("efficientnetb3")
    for layer in released.layers:
        if layer.weights and not isinstance(layer, keras.layers.Normalization):
            layer.set_weights(own.get_layer(layer.name).get_weights())

    expected = np.array(released(255.0 * drawn(), training=False))

    output = model(drawn(), training=False)
    np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    assert np.ptp(expected) > 1e-6


@pytest.mark.slow
def test_the_network_saves_and_loads_in_safe_mode(model, tmp_path):
    model.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True)
    np.testing.assert_allclose(loaded(drawn()), model(drawn()), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("shape", [(64, 64), (None, 64, 1), (31, 64, 1), (64, 31, 1)])
def test_spectrograms_of_another_size_are_refused(shape):
    with pytest.raises(ValueError, match=r"at least 32 each.*Received: spectrograms of shape"):
        efficientnet_b3(keras.Input(shape))
