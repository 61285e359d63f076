"""ResNet34 and ResNeXt50: counts, the whole network in NumPy, start values and padding."""

import keras
import numpy as np
import pytest

from asdkeras.networks.residual_networks import residual_network
from tests.networks.released import count

KINDS = ["resnet34", "resnext50_32x4d"]
SMALL = {"resnet34": 4, "resnext50_32x4d": 16}  # kind: width


def network(kind, width, frames=None, bands=None):
    keras.utils.set_random_seed(0)
    spectrograms = keras.Input((frames, bands, 1))
    return keras.Model(spectrograms, residual_network(spectrograms, kind, width))


@pytest.fixture(scope="module", params=KINDS)
def small(request):
    """A small network as it starts; tests leave its weights as they are."""
    return network(request.param, SMALL[request.param])


@pytest.fixture
def filled(small):
    """The same with weights to tell everything from everything, for one test."""
    start = small.get_weights()
    fill(small)
    yield small
    small.set_weights(start)


def drawn(frames, bands):
    shape = (2, frames, bands, 1)
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def fill(model):
    """Weights of every kind that change what they are multiplied with or added to."""
    rng = np.random.default_rng(1)
    for weight in model.weights:
        values = rng.normal(0.0, 0.3, size=weight.shape)
        if weight.path.endswith("kernel"):
            values *= np.sqrt(2.0 / np.prod(weight.shape[:3])) / 0.3
        elif not weight.path.endswith(("beta", "moving_mean")):
            # Variances small enough to tell epsilon 1e-5 from others.
            values = 0.1 * np.exp(values)
        weight.assign(values)


class Definition:
    """The network in float64, with the weights of a model by the names of its layers."""

    def __init__(self, model):
        self.model = model
        self.read = set()

    def __call__(self, x, kind):
        x = np.maximum(self.convolved(np.float64(x), "stem", 2), 0.0)
        x = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], constant_values=-np.inf)
        x = windows(x, 3, 2).max(axis=(3, 4))
        for group, num_blocks in enumerate([3, 4, 6, 3], start=1):
            for block in range(1, num_blocks + 1):
                strides = 2 if block == 1 and group in (2, 3, 4) else 1
                x = self.block(x, f"group{group}_block{block}", strides, kind)
        return x

    def block(self, x, name, strides, kind):
        if kind == "resnet34":
            residual = np.maximum(self.convolved(x, f"{name}_first", strides), 0.0)
        else:
            residual = np.maximum(self.convolved(x, f"{name}_first", 1), 0.0)
            residual = np.maximum(self.convolved(residual, f"{name}_grouped", strides, 32), 0.0)
        residual = self.convolved(residual, f"{name}_last", 1)
        if x.shape != residual.shape:
            x = self.convolved(x, f"{name}_shortcut", strides)
        return np.maximum(x + residual, 0.0)

    def convolved(self, x, name, strides, num_groups=1):
        self.read |= {f"{name}_convolution", f"{name}_normalization"}
        (kernel,) = self.model.get_layer(f"{name}_convolution").get_weights()
        margin = kernel.shape[0] // 2  # as many zeros before as behind
        x = np.pad(x, [(0, 0), (margin, margin), (margin, margin), (0, 0)])
        parts = zip(
            np.split(x, num_groups, axis=3),
            np.split(np.float64(kernel), num_groups, axis=3),
            strict=True,
        )
        x = np.concatenate(
            [
                np.einsum("bhwijc,ijco->bhwo", windows(part, len(kernel), strides), filters)
                for part, filters in parts
            ],
            axis=3,
        )
        weights = self.model.get_layer(f"{name}_normalization").get_weights()
        gamma, beta, mean, variance = map(np.float64, weights)
        return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta


def windows(x, size, strides):
    """`(batch, height, width, size, size, channels)`."""
    heights, widths = ((length - size) // strides + 1 for length in x.shape[1:3])
    rows = [
        [x[:, h * strides :, w * strides :][:, :size, :size] for w in range(widths)]
        for h in range(heights)
    ]
    return np.stack([np.stack(row, axis=1) for row in rows], axis=1)


@pytest.mark.parametrize(
    ("kind", "trainable", "channels"),
    [("resnet34", 21_278_400, 512), ("resnext50_32x4d", 22_973_632, 2048)],
)
def test_the_published_network_has_its_parameters_and_its_map(kind, trainable, channels):
    model = network(kind, 64, 256, 256)
    assert count(model.trainable_weights) == trainable
    assert model.output_shape == (None, 8, 8, channels)


def test_the_network_is_its_definition(filled):
    definition = Definition(filled)
    spectrograms = drawn(64, 37)  # Even and odd at every depth but the last.

    output = filled(spectrograms)

    is_grouped = any("grouped" in layer.name for layer in filled.layers)
    expected = definition(spectrograms, "resnext50_32x4d" if is_grouped else "resnet34")
    assert np.mean(expected > 0.0) > 0.2
    np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5 * expected.max())
    assert definition.read == {layer.name for layer in filled.layers if layer.weights}


def test_every_block_starts_as_the_relu_of_its_shortcut(small):
    joined = [layer for layer in small.layers if isinstance(layer, keras.layers.Add)]
    shortcuts, residuals = zip(*(layer.input for layer in joined), strict=True)

    values = keras.Model(small.input, [*shortcuts, *residuals])(drawn(32, 32))

    assert len(joined) == 16
    for shortcut, residual in zip(values[:16], values[16:], strict=True):
        np.testing.assert_array_equal(residual, np.zeros(residual.shape))
        assert np.any(shortcut != 0.0)


def test_only_the_last_scale_of_a_branch_starts_at_zero(small):
    for layer in small.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            expected = 0.0 if layer.name.endswith("_last_normalization") else 1.0
            np.testing.assert_array_equal(layer.gamma, np.full(layer.gamma.shape, expected))
        else:
            assert all(weight.path.endswith("kernel") for weight in layer.weights)


def test_kernels_start_normal_with_the_variance_of_their_fan_out(small):
    sizes = set()
    for layer in small.layers:
        if isinstance(layer, keras.layers.Conv2D) and np.prod(layer.kernel.shape) > 8000:
            kernel = np.array(layer.kernel)
            size, num_filters = kernel.shape[0], kernel.shape[3]
            scaled = kernel / np.sqrt(2.0 / (size * size * num_filters))
            assert np.std(scaled) == pytest.approx(1.0, rel=0.05)  # By chance 0.008.
            assert np.abs(scaled).max() > 3.0  # Truncated at two deviations it cannot be.
            sizes.add((size, layer.groups))
    assert sizes in ({(3, 1)}, {(1, 1), (3, 32)})  # of ResNet34, of ResNeXt50


def test_every_normalization_keeps_nine_tenths(small):
    layers = [x for x in small.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert {(layer.momentum, layer.epsilon) for layer in layers} == {(0.9, 1e-5)}


def test_the_name_of_the_classifier_is_left_to_it(small):
    assert not any("head" in weight.path.split("/") for weight in small.weights)


@pytest.mark.slow
def test_a_network_without_a_fixed_size_saves_and_loads(tmp_path):
    model = network("resnet34", 4)
    fill(model)
    model.save(tmp_path / "network.keras")

    loaded = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True)

    expected = model(drawn(40, 33))
    np.testing.assert_allclose(loaded(drawn(40, 33)), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        ((64, 64), {}, r"shape \(batch, frames.*Received:.*\(None, 64, 64\).*one channel"),
        ((64, 64, None), {}, r"channels fixed. Received:.*\(None, 64, 64, None\)"),
        ((64, 64, 1), {"kind": "resnet50"}, r"one of.*Received: kind='resnet50'"),
        ((64, 64, 1), {"width": 0}, r"at least 1. Received: width=0"),
        (
            (64, 64, 1),
            {"kind": "resnext50_32x4d", "width": 24},
            r"multiple of 16.*32 groups share.*Received: width=24",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(shape, arguments, message):
    with pytest.raises(ValueError, match=message):
        residual_network(keras.Input(shape), **{"kind": "resnet34", **arguments})
