"""Networks with folded batch normalizations against the networks as they are."""

import keras
import numpy as np
import pytest
from keras import layers, ops

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


@pytest.mark.parametrize("name", map(_marked, NETWORKS))
def test_values_are_those_of_the_network_as_it_is(name, in_float64):
    model, num_left = network_of(name)

    found = folded(model)

    assert len(normalizations(found)) == num_left
    assert found.name == name
    assert [each.name for each in found.inputs] == ["given"]
    assert difference(model, found, inputs_of(model)) < 1e-10
