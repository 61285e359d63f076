"""The baseline classifier: its counts, and that it is MobileNetV2 of frames by bands."""

import keras
import numpy as np
import pytest

from asdkeras.networks.baseline_mobilenet_v2 import baseline_mobilenet_v2
from tests.golden import load_golden
from tests.networks.released import count

FRAMES, BANDS = 33, 40  # Odd and unequal: padding and order of the axes show.


def network(frames=FRAMES, bands=BANDS, num_classes=3, **arguments):
    windows = keras.Input((frames, bands))
    return keras.Model(windows, baseline_mobilenet_v2(windows, num_classes, **arguments))


@pytest.fixture(scope="module")
def lively():
    """A network that tells windows apart; one as it starts has nearly constant probabilities."""
    model, rng = network(), np.random.default_rng(0)
    for weight in model.weights:
        size = np.prod(weight.shape[: -2 if "depthwise" in weight.path else -1])
        values = np.sqrt(2 / max(size, 1)) * rng.normal(size=weight.shape)
        if weight.path.endswith("variance"):
            values = 1 + 0.1 * np.abs(rng.normal(size=weight.shape))
        elif weight.path.endswith("gamma"):
            values = 1 + 0.1 * rng.normal(size=weight.shape)
        elif weight.path.endswith(("beta", "mean", "bias")):
            values = 0.1 * rng.normal(size=weight.shape)
        weight.assign(values)
    return model


def windows_of(batch=4, seed=1):
    return np.random.default_rng(seed).normal(size=(batch, FRAMES, BANDS)).astype("float32")


@pytest.mark.parametrize(
    ("num_classes", "total", "trainable"), [(3, 710_067, 691_523), (6, 713_910, 695_366)]
)
def test_parameters_add_up_to_those_of_the_official_network(num_classes, total, trainable):
    official = load_golden("official_networks/keras_baselines.json")
    model = network(64, 128, num_classes)
    assert count(model.weights) == total
    assert count(model.trainable_weights) == trainable
    assert official[f"mobilenetv2_classes{num_classes}"] == {"total": total, "trainable": trainable}
    assert model.output_shape == (None, num_classes)


def test_weights_begin_like_those_of_the_official_network():
    recorded = load_golden("official_networks/keras_baselines.json")["mobilenetv2_score"]
    expected = [(name.removesuffix(":0"), shape) for name, shape in recorded["mobilenet_names"]]

    first = network(64, 128).weights[: len(expected)]

    names = ["/".join(weight.path.split("/")[-2:]) for weight in first]
    # Keras 3 calls the kernel of a depthwise convolution a kernel.
    assert [name.replace("depthwise_kernel", "kernel") for name, _ in expected] == names
    assert [list(weight.shape) for weight in first] == [shape for _, shape in expected]


def test_output_is_that_of_mobilenet_v2_on_three_equal_channels(lively):
    reference = keras.applications.MobileNetV2(
        input_shape=(FRAMES, BANDS, 3), alpha=0.5, weights=None, classes=3
    )
    reference.set_weights(lively.get_weights())
    windows = windows_of()

    probabilities = lively(windows)

    images = np.stack([windows, windows, windows], axis=3)
    np.testing.assert_allclose(probabilities, reference(images), rtol=1e-5, atol=1e-6)
    assert np.std(probabilities, axis=0).min() > 1e-2


def test_output_is_one_probability_per_class(lively):
    probabilities = np.asarray(lively(windows_of()), dtype=np.float64)
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-6)


def test_first_convolution_sees_frames_by_bands_with_one_third_of_weight_per_channel(lively):
    classifier = lively.layers[-1]
    first = classifier.get_layer("Conv1")
    halved = keras.Model(classifier.inputs, first.output)
    windows = windows_of(1)

    output = halved([np.repeat(windows[..., None], 3, axis=3)])[0]

    kernel = np.sum(first.get_weights()[0].astype(np.float64), axis=2)  # Of the channels' sum.
    assert output.shape == (17, 20, 16)
    for frame, band in ((3, 5), (8, 2)):
        # 33 frames are padded on both sides, 40 bands behind the last one only.
        patch = windows[0, 2 * frame - 1 : 2 * frame + 2, 2 * band : 2 * band + 3]
        expected = [np.sum(patch * kernel[:, :, filter_]) for filter_ in range(16)]
        np.testing.assert_allclose(output[frame, band], expected, rtol=1e-4, atol=1e-5)


def test_normalizations_have_the_momentum_and_the_epsilon_of_mobilenet_v2():
    norms = [
        layer
        for layer in network().layers[-1].layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert len(norms) == 52
    assert {(norm.momentum, norm.epsilon) for norm in norms} == {(0.999, 1e-3)}


def test_width_scales_the_filters():
    assert network(width=1.0).layers[-1].get_layer("Conv1").filters == 32


@pytest.mark.slow
def test_one_step_of_training_changes_every_kernel(lively):
    model = keras.models.clone_model(lively)
    model.set_weights(lively.get_weights())
    model.compile("sgd", loss="categorical_crossentropy")
    kernels = [weight for weight in model.trainable_weights if weight.path.endswith("kernel")]
    before = [np.array(kernel) for kernel in kernels]

    model.train_on_batch(windows_of(), np.eye(3)[[0, 1, 2, 0]])

    assert len(kernels) == 53
    for kernel, old in zip(kernels, before, strict=True):
        assert np.any(np.asarray(kernel) != old), kernel.path


def test_network_saves_and_loads_in_safe_mode(tmp_path, lively):
    lively.save(tmp_path / "network.keras")

    loaded = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True)

    np.testing.assert_allclose(loaded(windows_of()), lively(windows_of()), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(31, 128), (64, 31), (None, 128), (64, None), (64,), (64, 1, 1)])
def test_windows_without_a_fixed_and_sufficient_size_are_refused(shape):
    message = r"`windows`.*at least 32.*Received: windows of shape"
    with pytest.raises(ValueError, match=message):
        baseline_mobilenet_v2(keras.Input(shape), 3)


@pytest.mark.parametrize(
    ("num_classes", "width", "message"),
    [
        (1, 0.5, "`num_classes` must be at least 2.*Received: num_classes=1"),
        (3, 0.0, "`width` must be above 0.*Received: width=0.0"),
        (3, float("nan"), "`width` must be above 0.*Received: width=nan"),
    ],
)
def test_wrong_argument_is_refused_with_the_reason(num_classes, width, message):
    with pytest.raises(ValueError, match=message):
        baseline_mobilenet_v2(keras.Input((FRAMES, BANDS)), num_classes, width)
