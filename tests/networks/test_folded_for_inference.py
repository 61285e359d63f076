"""Networks with folded batch normalizations against the networks as they are."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from asdkeras.layers.blockwise_conv1d import BlockwiseConv1D
from asdkeras.layers.blockwise_conv2d import BlockwiseConv2D
from asdkeras.layers.grouped_conv2d import GroupedConv2D
from asdkeras.networks.baseline_autoencoder import baseline_autoencoder
from asdkeras.networks.baseline_mobilenet_v2 import baseline_mobilenet_v2
from asdkeras.networks.chunk_embeddings import chunk_embeddings
from asdkeras.networks.conformer_block import conformer_block
from asdkeras.networks.dgmix_mobilenet_v2 import dgmix_mobilenet_v2
from asdkeras.networks.efficientnet_b3 import efficientnet_b3
from asdkeras.networks.folded_for_inference import folded
from asdkeras.networks.mobile_face_net import linear_embedding, mobile_face_net
from asdkeras.networks.residual_networks import residual_network
from asdkeras.networks.wilkinghoff_resnet import wilkinghoff_resnet
from asdkeras.networks.wilkinghoff_two_branch import two_branch

GROUPS = ((2, 4, 2, 2), (2, 6, 1, 1))
SLOW = ("baseline_mobilenet", "efficientnet")
# Name: input shape, network, and how many batch normalizations stay.
NETWORKS = {
    "autoencoder": ((6,), baseline_autoencoder, 0),
    "baseline_mobilenet": ((32, 32), lambda x: baseline_mobilenet_v2(x, 3, width=0.1), 0),
    "conformer": ((7, 8), lambda x: conformer_block(x, kernel_size=3, num_heads=2), 0),
    "dgmix_mobilenet": ((32, 32), dgmix_mobilenet_v2, 0),
    "efficientnet": ((32, 32, 1), efficientnet_b3, 0),
    "mobile_face_net": (
        (16, 9),
        lambda x: linear_embedding(
            mobile_face_net(x, stem_channels=3, groups=GROUPS, num_features=5), 2
        ),
        0,
    ),
    "resnet": ((32, 32, 1), lambda x: residual_network(x, "resnet34", 4), 0),
    "resnext": ((32, 32, 1), lambda x: residual_network(x, "resnext50_32x4d", 16), 0),
    "wilkinghoff_resnet": ((40, 33), wilkinghoff_resnet, 9),  # Behind activations.
    # At the entry, behind the flat maximum, and one behind an activation.
    "two_branch": ((512,), lambda x: two_branch(x, window_length=64, hop_length=32), 3),
    "two_branch_residual": (
        (512,),
        lambda x: two_branch(x, window_length=64, hop_length=32, first_block_norm="residual"),
        3,
    ),
}


@pytest.fixture
def in_float64():
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy("float32")


def lively(model, seed=0):
    """As if trained: statistics that moved, and factors of both signs."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        noise = rng.normal(size=weight.shape)
        if weight.path.endswith("variance"):
            weight.assign(0.5 + np.abs(noise))
        elif weight.path.endswith("gamma"):
            weight.assign(np.sign(noise) * rng.uniform(0.5, 1.0, weight.shape))
        elif weight.path.endswith(("beta", "mean", "bias")):
            weight.assign(0.3 * noise)
    return model


def network_of(name):
    shape, build, num_left = NETWORKS[name]
    inputs = keras.Input(shape, name="given")
    return lively(keras.Model(inputs, build(inputs), name=name)), num_left


def inputs_of(model, batch=2):
    shape = (batch, *model.input_shape[1:])
    return np.random.default_rng(1).normal(size=shape).astype(keras.config.floatx())


def difference(model, other, inputs):
    """The largest, relative to the largest value of each output."""
    expected, found = (each(inputs, training=False) for each in (model, other))
    keras.tree.assert_same_structure(expected, found)
    pairs = zip(keras.tree.flatten(expected), keras.tree.flatten(found), strict=True)
    pairs = [tuple(map(ops.convert_to_numpy, each)) for each in pairs]
    assert all(np.ptp(each) > 0.0 for each, _ in pairs)
    return max(np.abs(each - other).max() / np.abs(each).max() for each, other in pairs)


def normalizations(model):
    found = []
    for layer in model.layers:
        inner = getattr(layer, "network", layer)
        if isinstance(inner, keras.Model):
            found += normalizations(inner)
        elif isinstance(layer, layers.BatchNormalization):
            found.append(layer)
    return found


def _marked(name):
    return pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name


@pytest.mark.parametrize("name", [*map(_marked, NETWORKS)])
def test_values_are_those_of_the_network_as_it_is(name, in_float64):
    model, num_left = network_of(name)

    found = folded(model)

    assert len(normalizations(found)) == num_left
    assert found.name == name
    assert [each.name for each in found.inputs] == ["given"]
    assert difference(model, found, inputs_of(model)) < 1e-10


# Layer and input shape.
LAYERS = {
    "Conv1D": (lambda: layers.Conv1D(4, 3), (9, 2)),
    "BlockwiseConv1D": (lambda: BlockwiseConv1D(4, 4, strides=2, padding="same"), (9, 2)),
    "Conv2D": (lambda: layers.Conv2D(4, 3, use_bias=False), (5, 6, 2)),
    "Conv2D in groups": (lambda: GroupedConv2D(4, 3, groups=2), (5, 6, 2)),
    "BlockwiseConv2D": (lambda: BlockwiseConv2D(4, 3, strides=2, padding="same"), (5, 6, 1)),
    "DepthwiseConv1D": (lambda: layers.DepthwiseConv1D(3, depth_multiplier=2), (9, 2)),
    "DepthwiseConv2D": (lambda: layers.DepthwiseConv2D(3, depth_multiplier=2), (5, 6, 2)),
    "Dense": (lambda: layers.Dense(4, use_bias=False), (3,)),
    "Dense of frames": (lambda: layers.Dense(4), (5, 3)),
}


def model_of(shape, build):
    inputs = keras.Input(shape)
    return lively(keras.Model(inputs, build(inputs)))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("arguments", [{}, {"scale": False}, {"center": False}])
def test_layer_gives_what_the_normalization_makes_of_its_output(name, arguments):
    make, shape = LAYERS[name]
    layer, normalization = make(), layers.BatchNormalization(**arguments)
    model = model_of(shape, lambda x: normalization(layer(x)))
    inputs = inputs_of(model)

    found = folded(model)

    (new,) = found.layers[1:]
    assert type(new) is type(layer)
    assert new.name == layer.name
    y = np.float64(layer(inputs))
    mean, variance = (
        np.float64(each) for each in (normalization.moving_mean, normalization.moving_variance)
    )
    gamma = np.float64(normalization.gamma) if normalization.scale else 1.0
    beta = np.float64(normalization.beta) if normalization.center else 0.0
    expected = gamma * (y - mean) / np.sqrt(variance + normalization.epsilon) + beta
    np.testing.assert_allclose(found(inputs), expected, rtol=1e-5, atol=1e-6)


def _shared_convolution(x):
    convolution = layers.Conv2D(2, 1)
    return convolution(layers.BatchNormalization()(convolution(x)))


def _used_twice(x):
    y = layers.Conv2D(3, 1)(x)
    return layers.Concatenate()([layers.BatchNormalization()(y), y])


NOT_FOLDED = {
    "nothing in front": lambda x: layers.BatchNormalization()(x),
    "activation inside": lambda x: layers.BatchNormalization()(
        layers.Conv2D(3, 1, activation="relu")(x)
    ),
    "another user": _used_twice,
    "convolution used again": _shared_convolution,
    "an output, too": lambda x: (lambda y: [y, layers.BatchNormalization()(y)])(
        layers.Conv2D(3, 1)(x)
    ),
    "another axis": lambda x: layers.BatchNormalization(axis=1)(layers.Conv2D(3, 1)(x)),
    "in training mode": lambda x: layers.BatchNormalization()(
        layers.Conv2D(3, 1)(x), training=True
    ),
    "another precision": lambda x: layers.BatchNormalization()(
        layers.Conv2D(3, 1, dtype="mixed_bfloat16")(x)
    ),
    "padding between": lambda x: layers.BatchNormalization()(
        layers.ZeroPadding2D(1)(layers.Conv2D(3, 1)(x))
    ),
    "bounded activation": lambda x: layers.BatchNormalization(gamma_initializer="ones")(
        layers.ReLU(max_value=6.0)(layers.Conv2D(3, 1)(x))
    ),
    "a sum of others": lambda x: layers.BatchNormalization()(layers.Add()([x, layers.ReLU()(x)])),
    "a sum with a number": lambda x: layers.BatchNormalization()(layers.Conv2D(3, 1)(x) + 1.0),
    "a sum of other shapes": lambda x: layers.BatchNormalization()(
        layers.Conv2D(2, 1)(x) + layers.Dense(2)(layers.GlobalAveragePooling2D()(x))[:, None, None]
    ),
    "no normalization": lambda x: layers.Conv2D(3, 1)(x),
}


@pytest.mark.parametrize("name", NOT_FOLDED)
def test_model_stays_the_same_where_nothing_can_be_folded(name):
    model = model_of((4, 5, 2), NOT_FOLDED[name])
    assert folded(model) is model


def _unit(x):
    """As in residual networks whose normalizations stand behind the addition."""
    x = layers.BatchNormalization()(x)
    residual = layers.Conv2D(2, 1)(layers.ReLU()(x))
    y = layers.BatchNormalization()(layers.Add()([x, residual]))
    return layers.BatchNormalization()(layers.Conv2D(2, 1)(y) + layers.Conv2D(2, 1)(y))


def test_terms_of_a_sum_are_scaled_in_its_place():
    model = model_of((4, 5, 2), _unit)
    found = folded(model)
    # One stays at the entry, which has another user.
    assert len(normalizations(model)) == 3
    assert len(normalizations(found)) == 1
    assert difference(model, found, inputs_of(model)) < 1e-5


@pytest.mark.parametrize("activation", [layers.ReLU(), layers.LeakyReLU(0.1)])
@pytest.mark.parametrize(("sign", "num_left"), [(1.0, 0), (-1.0, 1)])
def test_factors_above_0_pass_an_activation(activation, sign, num_left):
    normalization = layers.BatchNormalization()
    model = model_of((4, 5, 2), lambda x: normalization(activation(layers.Conv2D(3, 1)(x))))
    normalization.gamma.assign([0.5, 1.5, sign])

    found = folded(model)

    assert len(normalizations(found)) == num_left
    assert (found is model) == (num_left == 1)
    assert difference(model, found, inputs_of(model)) < 1e-5


def test_convolution_in_front_of_an_activation_has_a_bias():
    model = model_of((4, 5, 2), lambda x: layers.ReLU()(layers.Conv2D(3, 1, use_bias=False)(x)))
    found = folded(model)
    assert found.layers[1].use_bias
    assert difference(model, found, inputs_of(model)) == 0.0


def test_names_and_structure_of_inputs_and_outputs_stay():
    inputs = {
        "image": keras.Input((4, 5, 2), name="image"),
        "weight": keras.Input((1,), name="weight"),
    }
    x = layers.BatchNormalization()(layers.Conv2D(3, 1)(inputs["image"]))
    mean = ops.mean(x, axis=(1, 2)) * inputs["weight"]
    model = lively(keras.Model(inputs, {"map": x, "mean": mean}, name="named"))
    rng = np.random.default_rng(0)
    given = {"image": rng.normal(size=(2, 4, 5, 2)), "weight": rng.normal(size=(2, 1))}
    given = {name: each.astype("float32") for name, each in given.items()}

    found = folded(model)

    assert found.name == "named"
    assert not normalizations(found)
    assert set(found.input) == set(inputs)
    assert set(found.output) == {"map", "mean"}
    assert difference(model, found, given) < 1e-5


def test_what_is_not_folded_is_shared_and_the_trained_network_stays_as_it_is():
    first, last = layers.Dense(3), layers.Dense(2)
    model = model_of((4,), lambda x: last(layers.BatchNormalization()(first(x))))
    model.compile("sgd", "mse")
    before = model.get_weights()

    found = folded(model)

    assert last in found.layers
    assert first not in found.layers
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
    model.train_on_batch(np.ones((2, 4), "float32"), np.ones((2, 2), "float32"))
    assert not found.compiled


def test_network_within_several_models_is_folded_once():
    inner = model_of((4,), lambda x: layers.BatchNormalization()(layers.Dense(3)(x)))
    outer = model_of((4,), lambda x: layers.BatchNormalization()(layers.Dense(2)(inner(x))))
    models = [model_of((4,), lambda x, n=n: n * outer(x)) for n in (1.0, 2.0)]
    known = {}

    found = [folded(each, known) for each in models]

    parts = [[layer for layer in each.layers if isinstance(layer, keras.Model)] for each in found]
    assert parts[0] == parts[1]
    assert len(parts[0]) == 1
    for model, other in zip(models, found, strict=True):
        assert not normalizations(other)
        assert difference(model, other, inputs_of(model)) < 1e-5


def test_chunks_pass_a_folded_network_unless_they_share_rows():
    chunk = keras.Input((4, 3))
    x = layers.BatchNormalization()(layers.Dense(2)(layers.Flatten()(chunk)))
    network = lively(keras.Model(chunk, x))
    model = model_of((9, 3), lambda x: chunk_embeddings(network, x, hop=1, chunks_at_once=3))
    face, _ = network_of("mobile_face_net")
    sharing = model_of((20, 9), lambda x: chunk_embeddings(face, x, hop=1, chunks_at_once=3))

    found = folded(model)

    assert len(normalizations(model)) == 1
    assert not normalizations(found)
    assert difference(model, found, inputs_of(model)) < 1e-5
    assert folded(sharing) is sharing


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_precision_of_layers_stays(policy):
    model = model_of(
        (4,), lambda x: layers.BatchNormalization(dtype=policy)(layers.Dense(3, dtype=policy)(x))
    )
    found = folded(model)
    assert found.layers[-1].dtype_policy.name == policy
    assert found.layers[-1].kernel.dtype == "float32"
    assert difference(model, found, inputs_of(model)) < 0.03  # Eight bits of mantissa.


def test_folded_network_is_saved_and_loaded(tmp_path):
    model = model_of((4, 5, 2), _unit)
    found = folded(model)
    found.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert difference(found, loaded, inputs_of(model)) == 0.0


def test_model_without_a_graph_is_refused_with_the_remedy():
    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match=r"functional.*Received.*keras\.Model\(inp"):
        folded(Own())
