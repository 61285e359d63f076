"""MobileFaceNet against the recorded network, against its definition, and by its counts."""

import math

import keras
import numpy as np
import pytest
from keras import layers

from asdkeras.layers.fused_batch_normalization import FusedBatchNormalization
from asdkeras.networks.mobile_face_net import linear_embedding, mobile_face_net
from tests.golden import load_golden
from tests.networks.released import count

SMALL = {
    "stem_channels": 8,
    "groups": ((2, 8, 2, 2), (4, 16, 1, 2), (2, 16, 2, 2), (4, 16, 1, 2), (2, 16, 1, 1)),
    "num_features": 24,
}
TINY = {"stem_channels": 4, "groups": ((2, 4, 2, 2),), "num_features": 5}
RECORDED = "mobile_face_net/mobilefacenet_small"


def network(num_frames=32, num_bins=1025, dims=(), **arguments):
    spectrograms = keras.Input((num_frames, num_bins))
    features = mobile_face_net(spectrograms, **arguments)
    return keras.Model(spectrograms, [linear_embedding(features, d) for d in dims] or features)


@pytest.fixture(scope="module")
def full():
    return network(dims=(128, 128))


def of_kind(model, *kinds):
    """Layers in the order of the computation; a depthwise convolution is no `Conv2D` here."""
    return [layer for layer in model.layers if type(layer) in kinds]


@pytest.fixture(scope="module")
def small():
    return network(32, 65, dims=(6, 6), **SMALL)


@pytest.fixture
def recorded(small):
    """The recorded small network with two embeddings, and the recording."""
    model, golden = small, load_golden(RECORDED)
    convolutions, norms, slopes = [], [], []
    for name, block in (
        [("conv1", None), ("dw_conv1", None)]
        + [("blocks", i) for i in range(7)]
        + [(name, None) for name in ("conv2", "gdc", "heads.0", "heads.1")]
    ):
        if block is None:
            convolutions.append(golden[f"P/{name}.conv.weight"])
            norms.append(f"P/{name}.bn")
            slopes += [golden[key] for key in (f"P/{name}.prelu.weight",) if key in golden]
        else:
            parts = f"P/blocks.{block}.conv"
            convolutions += [golden[f"{parts}.{i}.weight"] for i in (0, 3, 6)]
            norms += [f"{parts}.{i}" for i in (1, 4, 7)]
            slopes += [golden[f"{parts}.{i}.weight"] for i in (2, 5)]
    kinds = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)
    for layer, kernel in zip(of_kind(model, *kinds), convolutions, strict=True):
        order = (2, 3, 0, 1) if isinstance(layer, layers.DepthwiseConv2D) else (2, 3, 1, 0)
        layer.set_weights([kernel.transpose(order).reshape(layer.kernel.shape)])
    for layer, name in zip(of_kind(model, FusedBatchNormalization), norms, strict=True):
        keys = ("weight", "bias", "running_mean", "running_var")
        layer.set_weights([golden[f"{name}.{key}"] for key in keys])
    for layer, slope in zip(of_kind(model, layers.PReLU), slopes, strict=True):
        layer.set_weights([slope[None, None]])
    return model, golden


def test_embeddings_are_those_of_the_recorded_network(recorded):
    model, golden = recorded

    outputs = model(golden["x"][:, 0])

    for output, key in zip(outputs, ("sec", "att"), strict=True):
        expected = golden[key]
        np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())


def test_training_uses_the_statistics_of_the_batch_as_the_recorded_network_does(recorded):
    model, golden = recorded

    section, _ = model(golden["x"][:, 0], training=True)

    expected = load_golden(f"{RECORDED}_train_mode")["sec"]
    np.testing.assert_allclose(section, expected, rtol=1e-4, atol=1e-6)


def test_running_statistics_move_by_a_tenth_per_step(recorded):
    model, golden = recorded
    first = of_kind(model, FusedBatchNormalization)[0]
    inside = keras.Model(model.input, first.input)(golden["x"][:, 0])
    old_mean, old_variance = (np.array(values) for values in first.get_weights()[2:])

    model(golden["x"][:, 0], training=True)

    mean, variance = first.get_weights()[2:]
    inside = np.asarray(inside, np.float64)
    expected = 0.9 * old_mean + 0.1 * inside.mean(axis=(0, 1, 2))
    np.testing.assert_allclose(mean, expected, rtol=1e-4, atol=1e-6)
    expected = 0.9 * old_variance + 0.1 * inside.var(axis=(0, 1, 2))
    np.testing.assert_allclose(variance, expected, rtol=1e-4)


def test_maps_shrink_as_in_the_table(full):
    golden = load_golden("mobile_face_net/mobilefacenet.json")
    expected = [(height, width, channels) for _, channels, height, width in golden["shapes"]]
    assert expected[0] == (16, 513, 64)
    assert expected[5:8] == [(8, 257, 64), (4, 129, 128), (2, 65, 128)]
    assert expected[-2:] == [(1, 33, 512), (1, 1, 512)]

    stem, *inside, last = of_kind(full, layers.Conv2D)
    projections = inside[1::2]
    weighted = of_kind(full, layers.DepthwiseConv2D)[-1]
    shapes = [layer.output.shape[1:] for layer in (stem, *projections, last, weighted)]
    assert shapes == expected


def test_parameters_add_up_to_the_table(full):
    golden = load_golden("mobile_face_net/mobilefacenet.json")
    assert count(full.trainable_weights) == 1_059_584 == golden["params_embedding_model"]
    assert count(full.non_trainable_weights) == 19_840 == golden["buffers_bn_running"]
    trunk = keras.Model(full.input, of_kind(full, layers.Flatten)[0].output)
    assert count(trunk.trainable_weights) == 928_000 == golden["params_trunk_to_gdc"]


@pytest.mark.parametrize(
    ("dims", "batch_norm", "expected"),
    [
        ((128, 128), True, "params_two_heads_bn_nobias"),
        ((256,), True, "params_mtl_single_256_head_bn"),
        ((128, 128), False, "params_heads_conv_bias_no_bn"),
    ],
)
def test_parameters_of_the_embeddings_add_up(dims, batch_norm, expected):
    features = keras.Input((512,))
    outputs = [linear_embedding(features, dim, batch_norm=batch_norm) for dim in dims]

    model = keras.Model(features, outputs)

    golden = load_golden("mobile_face_net/mobilefacenet.json")
    assert count(model.trainable_weights) == golden[expected]


def test_original_network_has_its_published_number_of_parameters():
    # The image of faces has three channels and here is one: the stem has 2 * 9 * 64 fewer.
    groups = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))

    model = network(112, 96, dims=(128,), groups=groups)

    published = load_golden("mobile_face_net/mobilefacenet.json")[
        "params_original_stride1_third_group_112x96_3ch"
    ]
    assert count(model.trainable_weights) == published - 2 * 9 * 64 == 999_552 - 1152


def convolved(x, kernel, stride, is_depthwise=False):
    """Convolution of `(time, frequency, channels)` as the definition says it, zeros around."""
    height, width = kernel.shape[:2]
    x = np.pad(x, [(height // 2, height // 2), (width // 2, width // 2), (0, 0)])
    rows = (x.shape[0] - height) // stride + 1
    columns = (x.shape[1] - width) // stride + 1
    output = np.zeros((rows, columns, x.shape[2] if is_depthwise else kernel.shape[3]))
    for row in range(rows):
        for column in range(columns):
            for i in range(height):
                for j in range(width):
                    pixel = x[row * stride + i, column * stride + j]
                    weight = kernel[i, j, :, 0] if is_depthwise else kernel[i, j]
                    output[row, column] += pixel * weight if is_depthwise else pixel @ weight
    return output


def by_definition(weights, chunk, groups):
    """The network on one chunk, in float64, from its weights in their order."""
    weights = [np.asarray(weight, np.float64) for weight in weights]

    def normalized(x):
        gamma, beta, mean, variance = (weights.pop(0) for _ in range(4))
        return gamma * (x - mean) / np.sqrt(variance + 1e-5) + beta

    def activated(x):
        slope = weights.pop(0)[0, 0]
        return np.where(x > 0, x, slope * x)

    def step(x, stride=1, is_depthwise=False):
        return normalized(convolved(x, weights.pop(0), stride, is_depthwise))

    x = activated(step(chunk[:, :, None], 2))
    x = activated(step(x, is_depthwise=True))
    for _, channels, num_blocks, first_stride in groups:
        for block in range(num_blocks):
            stride = first_stride if block == 0 else 1
            inside = activated(step(x))
            inside = step(activated(step(inside, stride, is_depthwise=True)))
            x = inside + x if stride == 1 and x.shape[2] == channels else inside
    x = activated(step(x))
    weighted = np.sum(x * weights.pop(0)[..., 0], axis=(0, 1))
    features = normalized(weighted)
    embedding = normalized(features @ weights.pop(0))
    assert not weights
    return embedding


def test_network_is_its_definition():
    # Stride 1 in the first block of a group, with and without new channels; 9 x 11 leaves
    # 3 x 3 for the last convolution.
    groups = ((2, 4, 2, 2), (3, 4, 2, 1), (2, 6, 1, 1))
    model = network(9, 11, dims=(3,), stem_channels=4, groups=groups, num_features=5)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        values = rng.normal(size=weight.shape)
        weight.assign(0.5 + np.abs(values) if weight.path.endswith("variance") else values)
    chunks = rng.normal(size=(2, 9, 11)).astype("float32")

    embeddings = model(chunks)

    in_order = [weight for layer in model.layers for weight in layer.get_weights()]
    assert of_kind(model, layers.DepthwiseConv2D)[-1].kernel.shape == (3, 3, 5, 1)
    expected = [by_definition(in_order, chunk, groups) for chunk in chunks.astype(float)]
    np.testing.assert_allclose(embeddings, expected, atol=1e-5 * np.abs(expected).max())


def test_initial_kernels_deviate_by_their_fan_out(full):
    convolutions = of_kind(full, layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)
    assert len(convolutions) == 2 + 3 * 15 + 2 + 2
    for layer in convolutions:
        kernel = layer.get_weights()[0].astype(np.float64)
        size = math.prod(kernel.shape[:-2])
        num_outputs = layer.output.shape[-1]
        deviation = math.sqrt(2 / (size * num_outputs))
        # Four standard errors of a standard deviation and of a mean.
        assert np.std(kernel) == pytest.approx(deviation, rel=4 / math.sqrt(2 * kernel.size))
        assert abs(np.mean(kernel)) < 4 * deviation / math.sqrt(kernel.size)
        assert np.abs(kernel).max() > 2.1 * deviation  # Not truncated.


def test_slopes_start_at_a_quarter_and_belong_to_channels(full):
    slopes = of_kind(full, layers.PReLU)
    assert len(slopes) == 2 + 2 * 15 + 1
    for layer in slopes:
        np.testing.assert_array_equal(layer.alpha, np.full((1, 1, layer.output.shape[-1]), 0.25))


def test_embedding_without_batch_normalization_has_a_bias_that_starts_at_zero():
    features = keras.Input((7,))

    model = keras.Model(features, linear_embedding(features, 3, batch_norm=False, name="section"))

    (layer,) = of_kind(model, layers.Dense)
    assert layer.name == "section"
    np.testing.assert_array_equal(layer.bias, np.zeros(3))


def test_embedding_bears_its_name_with_batch_normalization_too():
    features = keras.Input((7,))
    output = linear_embedding(features, 3, name="section")
    assert keras.Model(features, output).get_layer("section").output is output


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (33, 2)])
def test_chunks_of_any_size_are_taken(shape):
    model = network(*shape, **TINY)
    assert np.all(np.isfinite(model(np.ones((2, *shape), "float32"))))


def test_one_step_of_training_changes_every_weight():
    model = network(9, 11, dims=(2,), **TINY)
    model.compile("sgd", loss="mse", run_eagerly=True)
    before = [np.array(weight) for weight in model.trainable_weights]
    chunks = np.random.default_rng(0).normal(size=(4, 9, 11)).astype("float32")

    model.train_on_batch(chunks, np.array([[0.0, 1.0], [2.0, 3.0], [1.0, 4.0], [5.0, 2.0]]))

    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert np.any(np.asarray(weight) != old), weight.path


def test_network_saves_and_loads_in_safe_mode(tmp_path, recorded):
    model, golden = recorded
    model.save(tmp_path / "network.keras")

    loaded = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True)

    chunks = golden["x"][:, 0]
    np.testing.assert_allclose(loaded(chunks)[0], model(chunks)[0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(None, 65), (32, None), (32,), (32, 65, 1)])
def test_spectrograms_without_a_fixed_size_are_refused(shape):
    message = r"`spectrograms`.*fixed frames and bins.*Received: spectrograms of shape"
    with pytest.raises(ValueError, match=message):
        mobile_face_net(keras.Input(shape))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stem_channels": 0}, "`stem_channels` must be at least 1. Received: stem_channels=0"),
        ({"num_features": 0}, "`num_features` must be at least 1. Received: num_features=0"),
        ({"groups": ((2, 8, 1),)}, "`groups` must be.*Received: groups="),
        ({"groups": ((2, 8, 1, 1), (2, 8, 0, 1))}, "`groups` must be.*Received: groups="),
    ],
)
def test_wrong_argument_is_refused_with_the_reason(arguments, message):
    with pytest.raises(ValueError, match=message):
        mobile_face_net(keras.Input((32, 65)), **arguments)


@pytest.mark.parametrize("shape", [(None,), (3, 4)])
def test_features_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"`features` must have the shape.*Received: features"):
        linear_embedding(keras.Input(shape), 3)


def test_embedding_of_no_dimension_is_refused():
    with pytest.raises(ValueError, match=r"`dim` must be at least 1\. Received: dim=0"):
        linear_embedding(keras.Input((4,)), 0)
