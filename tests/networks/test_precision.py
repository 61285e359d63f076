"""Every network in half precision: what is float32 all the same, and that it can be trained."""

import importlib
import pkgutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from asdkeras import networks
from asdkeras.mixed_precision import networks_in
from asdkeras.networks.attentive_neural_process import attentive_neural_process
from asdkeras.networks.baseline_autoencoder import baseline_autoencoder
from asdkeras.networks.baseline_mobilenet_v2 import baseline_mobilenet_v2
from asdkeras.networks.conformer_autoencoder import conformer_autoencoder
from asdkeras.networks.dgmix_mobilenet_v2 import dgmix_mobilenet_v2, expander
from asdkeras.networks.efficientnet_b3 import efficientnet_b3
from asdkeras.networks.mobile_face_net import mobile_face_net
from asdkeras.networks.residual_networks import residual_network
from asdkeras.networks.wilkinghoff_resnet import wilkinghoff_resnet
from asdkeras.networks.wilkinghoff_two_branch import two_branch

MIXED = {"mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}
NOT_NETWORKS = {
    "folded_for_inference",  # Parts of one, and what calls one.
    *("conformer_block", "chunk_embeddings", "folded_mobile_face_net"),
}


def _of_section(frames):
    sections = keras.ops.cast(frames[:, 0, 0] > 0.0, "int32")
    return conformer_autoencoder(frames, sections, num_sections=2, num_blocks=1, width=16)


def _latent(points):
    return attentive_neural_process(8, 2).latent_path(points)


def _predicted(points):
    process = attentive_neural_process(8, 2)
    latent = process.latent_path(points)[..., 0]
    return process.prediction([points, latent, points[..., :2]])


NETWORKS = {  # Name -> function, shape of its input.
    "attentive_neural_process": (_predicted, (12, 3)),
    "attentive_neural_process_latent": (_latent, (12, 3)),
    "baseline_autoencoder": (baseline_autoencoder, (40,)),
    "baseline_mobilenet_v2": (lambda x: baseline_mobilenet_v2(x, 3), (32, 32)),
    "conformer_autoencoder": (_of_section, (16, 8)),
    "dgmix_mobilenet_v2": (dgmix_mobilenet_v2, (32, 32)),
    "dgmix_mobilenet_v2_expander": (lambda x: expander(x, dim=16), (32,)),
    "efficientnet_b3": (efficientnet_b3, (32, 32, 1)),
    "mobile_face_net": (mobile_face_net, (32, 17)),
    "residual_networks_resnet34": (lambda x: residual_network(x, "resnet34", 4), (32, 32, 1)),
    "residual_networks_resnext": (
        lambda x: residual_network(x, "resnext50_32x4d", 16),
        (32, 32, 1),
    ),
    "wilkinghoff_resnet": (wilkinghoff_resnet, (16, 16)),
    "wilkinghoff_two_branch": (
        lambda x: two_branch(x, embedding_dim=16, window_length=64, hop_length=32),
        (8000,),
    ),
}
SLOW = (
    *("efficientnet_b3", "mobile_face_net", "residual_networks"),
    *("dgmix_mobilenet_v2", "baseline_mobilenet_v2"),
)


def marked(name):
    is_slow = name.startswith(SLOW) and not name.endswith("expander")
    return pytest.param(name, marks=[pytest.mark.slow] if is_slow else [])


def model_of(name, policy):
    build, shape = NETWORKS[name]
    keras.utils.set_random_seed(0)
    inputs = keras.Input(shape)
    with networks_in(policy):
        return keras.Model(inputs, build(inputs))


def flat(model):
    for layer in model.layers:
        yield from flat(layer) if hasattr(layer, "layers") else [layer]


def batch_of(name):
    return np.random.default_rng(0).normal(size=(4, *NETWORKS[name][1])).astype("float32")


def test_every_network_is_here():
    modules = {module.name for module in pkgutil.iter_modules(networks.__path__)} - NOT_NETWORKS

    assert {name for name in modules if not any(key.startswith(name) for key in NETWORKS)} == set()
    for name in NOT_NETWORKS:
        importlib.import_module(f"asdkeras.networks.{name}")


@pytest.mark.parametrize("policy", MIXED)
@pytest.mark.parametrize("name", [marked(name) for name in NETWORKS])
def test_a_network_computes_in_half_precision_and_trains(name, policy):
    model, single = model_of(name, policy), model_of(name, "float32")
    batch = batch_of(name)
    for one, other in zip(model.get_weights(), single.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)  # Both start alike.

    with tf.GradientTape() as tape:
        outputs = model(batch, training=True)
        loss = keras.ops.mean(keras.ops.square(outputs))
    gradients = tape.gradient(loss, model.trainable_variables)

    assert outputs.dtype == model.outputs[0].dtype == "float32"
    assert np.isfinite(outputs).all()
    assert all(each.dtype == "float32" for each in model.weights)
    assert all(np.isfinite(each).all() for each in gradients if each is not None)
    half = [layer for layer in flat(model) if layer.compute_dtype == MIXED[policy]]
    assert any(layer.trainable_variables for layer in half)
    assert {layer.compute_dtype for layer in flat(single)} <= {"float32", "int32"}


@pytest.mark.parametrize("policy", MIXED)
def test_outputs_have_the_digits_of_half_precision(policy):
    name = "baseline_autoencoder"
    half, single = (model_of(name, each)(batch_of(name)) for each in (policy, "float32"))

    digits = {"mixed_bfloat16": 2**-8, "mixed_float16": 2**-11}[policy]
    difference = np.abs(half - single).max() / np.abs(single).max()
    assert 0.0 < difference < 16 * digits
    rounded = keras.ops.cast(keras.ops.cast(half, MIXED[policy]), "float32")
    assert np.any(half != rounded)  # The last layer is in float32.


@pytest.mark.parametrize("policy", MIXED)
def test_the_spectrum_of_a_long_loud_tone_is_not_infinite(policy):
    # 80 000 in one bin, beyond 65 504.
    waveform = keras.Input((160_000,))
    with networks_in(policy):
        embedding = two_branch(waveform, embedding_dim=16, window_length=64, hop_length=8000)
    tone = np.sin(2.0 * np.pi * 1000.0 / 16000.0 * np.arange(160_000))

    found = keras.Model(waveform, embedding)(tone[None].astype("float32"))

    assert np.isfinite(found).all()
