"""The modified ResNet against the released network, layer by layer and in its output."""

import keras
import numpy as np
import pytest

from asdkeras.networks.wilkinghoff_resnet import wilkinghoff_resnet
from tests.golden import load_golden
from tests.networks.released import check_layers, count, fill

OWN_NAMES = {"emb": "embedding"}
GOLDEN = "wilkinghoff_networks/sub-cluster-AdaCos_logmel"


def network(num_frames=313, num_bins=128, **arguments):
    features = keras.Input((num_frames, num_bins))
    return keras.Model(features, wilkinghoff_resnet(features, **arguments))


def test_embedding_is_that_of_the_released_network():
    golden = load_golden(f"{GOLDEN}.json")
    model = network()
    fill(model, golden, OWN_NAMES)
    features = np.random.RandomState(7).randn(2, 313, 128, 1)[..., 0]

    embedding = model(features.astype("float32"))

    expected = load_golden(GOLDEN)["emb"]
    np.testing.assert_allclose(embedding, expected, atol=1e-5 * np.abs(expected).max())


def test_every_layer_has_the_shape_and_the_parameters_of_the_released_one():
    check_layers(network(), load_golden(f"{GOLDEN}.json"), OWN_NAMES)


def test_parameters_add_up_to_the_table_of_the_paper():
    model = network()
    assert count(model.trainable_weights) == 766_944
    assert count(model.non_trainable_weights) == 1_952


def test_first_pooling_drops_the_border():
    model = network()
    shapes = [layer.output.shape for layer in model.layers if "max_pooling" in layer.name]
    assert (None, 78, 31, 16) in shapes


def test_statistics_move_by_one_percent_per_training_step():
    model = network(40, 16)
    first = next(layer for layer in model.layers if "batch_normalization" in layer.name)
    inner = keras.Model(model.input, first.input)
    features = np.random.default_rng(0).normal(size=(4, 40, 16)).astype("float32")

    model(features, training=True)

    expected = 0.01 * np.mean(inner(features), axis=(0, 1, 2))
    np.testing.assert_allclose(first.moving_mean, expected, rtol=1e-4, atol=1e-7)


def test_weight_decay_is_on_kernels_only():
    model = network(weight_decay=1e-3)
    kernels = [w for w in model.trainable_weights if w.path.endswith("kernel")]
    for weight in model.trainable_weights:
        weight.assign(np.ones(weight.shape))

    penalty = sum(float(loss) for loss in model.losses)

    assert len(kernels) == len(model.losses) == 21
    assert penalty == pytest.approx(1e-3 * count(kernels), rel=1e-5)


@pytest.mark.parametrize("num_frames", [32, 100, 626])
def test_clips_of_any_length_give_an_embedding_of_the_same_size(num_frames):
    model = network(num_frames, embedding_dim=64)
    assert model.output_shape == (None, 64)
    assert model.get_layer("embedding").kernel.shape == (512, 64)


def test_network_without_a_fixed_length_saves_and_loads(tmp_path):
    model = network(None)
    features = np.random.default_rng(0).normal(size=(2, 40, 128)).astype("float32")
    model.save(tmp_path / "network.keras")

    loaded = keras.saving.load_model(tmp_path / "network.keras")

    np.testing.assert_allclose(loaded(features), model(features), rtol=1e-5, atol=1e-6)
