"""DG-Mix's MobileNetV2, expander and classifier: counts, shapes and definition."""

import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from asdkeras.layers.fused_batch_normalization import FusedBatchNormalization
from asdkeras.networks.dgmix_mobilenet_v2 import dgmix_mobilenet_v2, expander, section_logits
from tests.golden import load_golden
from tests.networks.released import count

GOLDEN = "dgmix_mobilenet_v2/dgmix_mobilenetv2_counts.json"
# Table 1: (expansion t, channels c, blocks n, stride s)
TABLE = (
    (1, 8, 1, 1),
    (6, 16, 2, 2),
    (6, 16, 3, 2),
    (6, 32, 4, 2),
    (6, 48, 3, 1),
    (6, 80, 3, 2),
    (6, 160, 1, 1),
)


def encoder(num_frames=64, num_bands=128):
    windows = keras.Input((num_frames, num_bands))
    return keras.Model(windows, dgmix_mobilenet_v2(windows))


def of_embeddings(function, *arguments, num_features=320, **options):
    embeddings = keras.Input((num_features,))
    return keras.Model(embeddings, function(embeddings, *arguments, **options))


@pytest.fixture(scope="module")
def full():
    keras.utils.set_random_seed(0)
    return encoder()


@pytest.fixture
def trainable(full):
    """The full network, which gets its initial weights back when the test is over."""
    weights = full.get_weights()
    yield full
    full.set_weights(weights)


@pytest.fixture(scope="module")
def small():
    """On windows of 32 frames and 64 bands, which leave 2 bands and 1 frame, with any weights."""
    model = encoder(32, 64)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        values = rng.normal(size=weight.shape)
        if weight.path.endswith("kernel"):
            is_depthwise = "depthwise" in weight.path
            values *= 2.0 / math.sqrt(9 if is_depthwise else math.prod(weight.shape[:-1]))
        elif weight.path.endswith("variance"):
            values = 0.5 + np.abs(values)
        weight.assign(values)
    return model


def of_kind(model, *kinds):
    """Layers in the order of the computation; a depthwise convolution is no `Conv2D` here."""
    return [layer for layer in model.layers if type(layer) in kinds]


def test_maps_shrink_as_those_of_the_recorded_network(full):
    golden = load_golden(GOLDEN)["trunk_shapes"]
    expected = [(bands, frames, channels) for _, channels, bands, frames in golden]
    assert expected[0] == (64, 32, 16)

    stem, first, *inside, _, _ = of_kind(full, layers.Conv2D)

    shapes = [layer.output.shape[1:] for layer in (stem, first, *inside[1::2])]
    assert shapes == expected


def test_convolution_behind_the_trunk_covers_all_that_is_left(full):
    *_, widening, covering = of_kind(full, layers.Conv2D)
    assert widening.output.shape[1:] == (4, 2, 320)
    assert covering.kernel.shape == (4, 2, 320, 320)
    assert covering.output.shape[1:] == (1, 1, 320)


def test_parameters_of_each_row_are_those_of_the_table(full):
    kinds = (layers.Conv2D, layers.DepthwiseConv2D)
    convolutions = [count(layer.trainable_weights) for layer in of_kind(full, *kinds)]
    norms = [count(layer.trainable_weights) for layer in of_kind(full, FusedBatchNormalization)]
    counts = iter([a + b for a, b in zip(convolutions, norms, strict=True)])
    lengths = [1, 2, 6, 9, 12, 9, 9, 3, 1, 1]

    rows = [sum(itertools.islice(counts, length)) for length in lengths]

    expected = [464, 320, 6160, 13_056, 50_464, 80_928, 207_168, 121_760, 51_840, 819_840]
    assert rows == expected
    assert next(counts, None) is None
    assert sum(rows[:8]) == load_golden(GOLDEN)["trunk_to_160"] == 480_320


def test_parameters_add_up_to_the_mean_of_both_recorded_readings(full):
    # One of the last two layers has a bias, the other batch normalization.
    golden = load_golden(GOLDEN)
    totals = [golden[f"total bn={bn} depthwise=False"][0] for bn in (False, True)]
    assert count(full.trainable_weights) == sum(totals) / 2 == 1_454_720
    # A moving mean and variance where there are a gamma and a beta.
    norms = of_kind(full, FusedBatchNormalization)
    expected = sum(count(layer.trainable_weights) for layer in norms)
    assert count(full.non_trainable_weights) == expected


@pytest.mark.parametrize(("form", "expected"), [("released", 3_694_080), ("printed", 3_697_920)])
def test_parameters_of_the_expander_add_up(form, expected):
    model = of_embeddings(expander, form=form)
    assert count(model.trainable_weights) == expected
    kernels = sum(count([layer.kernel]) for layer in of_kind(model, layers.Dense))
    assert kernels == load_golden(GOLDEN)["expander_320_1280x3"]


def test_parameters_of_the_classifier_add_up():
    model = of_embeddings(section_logits, 6)
    assert count(model.trainable_weights) == load_golden(GOLDEN)["classifier_320_128_6"] == 41_862


def convolved(image, kernel, stride=1, zeros=0, is_depthwise=False):
    """Convolution of `(bands, frames, channels)` as the definition says it, zeros around."""
    image = np.pad(image, [(zeros, zeros), (zeros, zeros), (0, 0)])
    height, width = kernel.shape[:2]
    rows = (image.shape[0] - height) // stride + 1
    columns = (image.shape[1] - width) // stride + 1
    output = 0.0
    for i in range(height):
        for j in range(width):
            pixels = image[i : i + rows * stride : stride, j : j + columns * stride : stride]
            output += pixels * kernel[i, j, :, 0] if is_depthwise else pixels @ kernel[i, j]
    return output


def by_definition(weights, window):
    """The network on one window `(frames, bands)`, in float64, from its weights in their order."""
    weights = [np.asarray(weight, np.float64) for weight in weights]

    def normalized(x):
        gamma, beta, mean, variance = (weights.pop(0) for _ in range(4))
        return gamma * (x - mean) / np.sqrt(variance + 1e-5) + beta

    def step(x, **arguments):
        return normalized(convolved(x, weights.pop(0), **arguments))

    def relu6(x):
        return np.minimum(np.maximum(x, 0.0), 6.0)

    bands_by_frames = window.T
    x = np.stack([bands_by_frames] * 3, axis=2)
    x = relu6(step(x, stride=2, zeros=1))
    for expansion, channels, num_blocks, first_stride in TABLE:
        for block in range(num_blocks):
            stride = first_stride if block == 0 else 1
            inside = x if expansion == 1 else relu6(step(x))
            inside = relu6(step(inside, stride=stride, zeros=1, is_depthwise=True))
            inside = step(inside)
            x = x + inside if stride == 1 and x.shape[2] == channels else inside
    x = relu6(step(x))
    x = relu6(step(x))
    assert x.shape == (1, 1, 320)
    embedding = x[0, 0] @ weights.pop(0) + weights.pop(0)
    assert not weights
    return embedding


def test_encoder_is_its_definition(small):
    windows = np.random.default_rng(1).normal(size=(2, 32, 64)).astype("float32")

    embeddings = small(windows)

    in_order = [weight for layer in small.layers for weight in layer.get_weights()]
    expected = np.stack([by_definition(in_order, window) for window in windows.astype(float)])
    assert expected.shape == (2, 320)
    np.testing.assert_allclose(embeddings, expected, atol=5e-5 * np.abs(expected).max())


def test_every_activation_of_the_definition_test_is_cut_at_both_ends(small):
    windows = np.random.default_rng(1).normal(size=(2, 32, 64)).astype("float32")
    outputs = [layer.output for layer in of_kind(small, layers.ReLU)]
    assert len(outputs) == 1 + 1 + 2 * 16 + 2

    for values in keras.Model(small.input, outputs)(windows):
        assert np.min(values) == 0.0
        assert np.max(values) == 6.0


def by_definition_of_the_expander(weights, embeddings, num_normalized):
    """The expander in training: the mean and the variance are those of the batch."""
    weights = [np.asarray(weight, np.float64) for weight in weights]
    x = embeddings
    for _ in range(num_normalized):
        kernel, bias, gamma, beta = (weights.pop(0) for _ in range(4))
        x = x @ kernel + bias
        x = gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5) + beta
        x = np.maximum(x, 0.0)
    if weights:
        x = x @ weights.pop(0)
    assert not weights
    return x


@pytest.mark.parametrize(("form", "num_normalized"), [("released", 2), ("printed", 3)])
def test_expander_is_its_definition_in_training(form, num_normalized):
    model = of_embeddings(expander, num_features=4, form=form, dim=6)
    rng = np.random.default_rng(0)
    for weight in model.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))
    embeddings = 0.01 * rng.normal(size=(5, 4)).astype("float32")  # Small beside the epsilon.

    expanded = model(embeddings, training=True)

    in_order = [weight for layer in model.layers for weight in layer.trainable_weights]
    expected = by_definition_of_the_expander(in_order, embeddings.astype(float), num_normalized)
    np.testing.assert_allclose(expanded, expected, rtol=1e-4, atol=1e-5)


def test_released_form_and_the_dimension_of_the_paper_are_the_defaults():
    model = of_embeddings(expander)
    assert model.output_shape == (None, 1280)
    assert len(of_kind(model, FusedBatchNormalization)) == 2


def test_classifier_is_its_definition():
    model = of_embeddings(section_logits, 3, num_features=4)
    embeddings = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")

    logits = model(embeddings)

    first, first_bias, second, second_bias = (w.astype(float) for w in model.get_weights())
    hidden = np.maximum(embeddings.astype(float) @ first + first_bias, 0.0)
    assert hidden.shape == (5, 128)
    np.testing.assert_allclose(logits, hidden @ second + second_bias, rtol=1e-5, atol=1e-6)


def test_initial_kernels_of_the_encoder_deviate_by_their_fan_out(full):
    convolutions = of_kind(full, layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)
    assert len(convolutions) == 1 + 2 + 3 * 16 + 3
    for layer in convolutions:
        kernel = layer.get_weights()[0].astype(np.float64)
        size = math.prod(kernel.shape[:-2])
        deviation = math.sqrt(2 / (size * layer.output.shape[-1]))
        # Four standard errors of a standard deviation and of a mean.
        assert np.std(kernel) == pytest.approx(deviation, rel=4 / math.sqrt(2 * kernel.size))
        assert abs(np.mean(kernel)) < 4 * deviation / math.sqrt(kernel.size)
        if kernel.size > 1000:
            assert np.abs(kernel).max() > 2.5 * deviation  # Not truncated, which ends at 2.3.


def test_bias_of_the_encoder_starts_at_zero(full):
    (linear,) = of_kind(full, layers.Dense)
    np.testing.assert_array_equal(linear.bias, np.zeros(320))


@pytest.mark.parametrize(
    ("function", "arguments", "fans_in"),
    [(expander, {"dim": 500}, [320, 500, 500]), (section_logits, {"num_classes": 50}, [320, 128])],
)
def test_initial_linear_layers_are_uniform_by_their_fan_in(function, arguments, fans_in):
    keras.utils.set_random_seed(0)
    model = of_embeddings(function, **arguments)
    linear = of_kind(model, layers.Dense)
    for layer, fan_in in zip(linear, fans_in, strict=True):
        limit = 1 / math.sqrt(fan_in)
        for weight in layer.get_weights():
            # Variance of a square of a uniform value: 4/45 limit^4. Four standard errors.
            error = 4 * math.sqrt(4 / 45 / weight.size) * limit**2
            assert np.mean(weight.astype(float) ** 2) == pytest.approx(limit**2 / 3, abs=error)
            assert 0.8 * limit < np.abs(weight).max() <= limit * (1 + 1e-6)
            assert weight.min() < 0.0


@pytest.mark.parametrize("index", [0, -1])
def test_running_statistics_of_the_encoder_move_by_a_tenth_per_step(trainable, index):
    norm = of_kind(trainable, FusedBatchNormalization)[index]
    windows = np.random.default_rng(0).normal(size=(4, 64, 128)).astype("float32")
    probe = keras.Model(trainable.input, [norm.input, norm.output])

    inside, _ = probe(windows, training=True)

    inside = np.asarray(inside, np.float64)
    mean, variance = norm.get_weights()[2:]
    np.testing.assert_allclose(mean, 0.1 * inside.mean(axis=(0, 1, 2)), rtol=1e-4, atol=1e-6)
    expected = 0.9 + 0.1 * inside.var(axis=(0, 1, 2))
    np.testing.assert_allclose(variance, expected, rtol=1e-4)


def test_running_statistics_of_the_expander_move_by_a_tenth_per_step():
    model = of_embeddings(expander, num_features=4, dim=6)
    embeddings = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    first, norm = model.layers[1:3]

    model(embeddings, training=True)

    inside = np.asarray(first(embeddings), np.float64)
    mean, variance = norm.get_weights()[2:]
    np.testing.assert_allclose(mean, 0.1 * inside.mean(axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(variance, 0.9 + 0.1 * inside.var(axis=0), rtol=1e-4)


def test_gradient_reaches_every_weight(full):
    rng = np.random.default_rng(0)
    windows = rng.normal(size=(4, 64, 128)).astype("float32")

    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(full(windows) * rng.normal(size=(4, 320)))
    gradients = tape.gradient(loss, full.trainable_weights)

    for weight, gradient in zip(full.trainable_weights, gradients, strict=True):
        assert np.any(np.asarray(gradient) != 0.0), weight.path


def test_network_with_its_heads_saves_and_loads_in_safe_mode(tmp_path, small):
    windows = keras.Input((32, 64))
    embeddings = small(windows)
    outputs = [expander(embeddings, dim=6), section_logits(embeddings, 3)]
    model = keras.Model(windows, outputs)
    model.save(tmp_path / "network.keras")

    loaded = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True)

    values = np.random.default_rng(0).normal(size=(2, 32, 64)).astype("float32")
    for found, expected in zip(loaded(values), model(values), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "shape", [(None, 128), (64, None), (64,), (64, 128, 1), (63, 128), (64, 0)]
)
def test_windows_of_another_shape_are_refused(shape):
    message = r"`windows` must have.*multiples of 32.*Received: windows of shape \(None, .*Use 64"
    with pytest.raises(ValueError, match=message):
        dgmix_mobilenet_v2(keras.Input(shape))


@pytest.mark.parametrize("shape", [(None,), (3, 4)])
@pytest.mark.parametrize(("function", "arguments"), [(expander, ()), (section_logits, (6,))])
def test_embeddings_of_another_shape_are_refused(function, arguments, shape):
    with pytest.raises(ValueError, match=r"`embeddings` must have the shape.*Received: embedd"):
        function(keras.Input(shape), *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"form": "paper"}, "`form` must be 'released' or 'printed'. Received: form='paper'"),
        ({"dim": 0}, "`dim` must be at least 1. Received: dim=0"),
    ],
)
def test_wrong_argument_of_the_expander_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        expander(keras.Input((4,)), **arguments)


def test_an_only_class_is_refused():
    with pytest.raises(ValueError, match=r"`num_classes` must be at least 2.*num_classes=1"):
        section_logits(keras.Input((4,)), 1)
