"""The baseline autoencoder against the official one, and against its definition in NumPy."""

import keras
import numpy as np
import pytest

from asdkeras.networks.baseline_autoencoder import baseline_autoencoder
from tests.golden import load_golden
from tests.networks.released import count

NUM_HIDDEN = 9
BN_EPSILON = 1e-3


def network(dim=640):
    vectors = keras.Input((dim,))
    return keras.Model(vectors, baseline_autoencoder(vectors))


def random_network(dim, seed=0):
    """A network none of whose weights has the value it starts with."""
    model = network(dim)
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        scale = np.sqrt(2 / weight.shape[0]) if len(weight.shape) == 2 else 0.3
        values = scale * rng.normal(size=weight.shape)
        weight.assign(1 + np.abs(values) if "variance" in weight.path else values)
    return model


def vectors_of(dim, batch=6, seed=1):
    return np.random.default_rng(seed).normal(-20, 10, size=(batch, dim)).astype("float32")


def reconstruction(vectors, weights, training):
    """Layer by layer in double precision: dense, batch normalization, ReLU; the last dense.

    Returns the output and the batch mean and variance of every hidden layer.
    """
    x = vectors.astype(np.float64)
    weights = [np.asarray(weight, dtype=np.float64) for weight in weights]
    statistics = []
    for layer in range(NUM_HIDDEN):
        kernel, bias, gamma, beta, mean, variance = weights[6 * layer : 6 * layer + 6]
        x = x @ kernel + bias
        statistics.append((x.mean(axis=0), ((x - x.mean(axis=0)) ** 2).mean(axis=0)))
        if training:
            mean, variance = statistics[-1]
        x = gamma * (x - mean) / np.sqrt(variance + BN_EPSILON) + beta
        x = np.where(x > 0, x, 0.0)
    kernel, bias = weights[-2:]
    return x @ kernel + bias, statistics


@pytest.mark.parametrize("training", [False, True])
def test_output_is_dense_normalization_and_relu_in_this_order(training):
    model, vectors = random_network(20), vectors_of(20)
    weights = model.get_weights()

    output = model(vectors, training=training)

    expected, _ = reconstruction(vectors, weights, training)
    assert np.std(expected, axis=0).min() > 0
    np.testing.assert_allclose(output, expected, rtol=1e-5, atol=5e-5)


def test_statistics_move_by_one_percent_per_training_step():
    model, vectors = random_network(20), vectors_of(20)
    weights = model.get_weights()

    model(vectors, training=True)

    _, statistics = reconstruction(vectors, weights, training=True)
    for layer, batch in enumerate(statistics):
        for position, value in zip((4, 5), batch, strict=True):
            expected = 0.99 * weights[6 * layer + position] + 0.01 * value
            moved = model.get_weights()[6 * layer + position]
            np.testing.assert_allclose(moved, expected, rtol=1e-4, atol=1e-5)


def test_predictions_and_score_are_those_of_the_official_network():
    golden = load_golden("official_networks/ae2022_seeded")
    log_mel = load_golden("official_baselines/official_logmel")["logmel_2022_librosa091"]
    stacked = np.stack([log_mel[start : start + 5].ravel() for start in range(len(log_mel) - 4)])
    model = network()
    model.set_weights([golden[f"w{number:03d}"] for number in range(56)])

    predictions = np.asarray(model(stacked.astype("float32")))

    for ours, theirs in ((predictions[0], "pred_first"), (predictions[-1], "pred_last")):
        expected = golden[theirs]
        np.testing.assert_allclose(ours, expected, atol=1e-6 * np.abs(expected).max())
    score = np.mean((stacked - predictions.astype(np.float64)) ** 2)
    assert score == pytest.approx(2017.7951094596465, rel=1e-6)
    assert score == pytest.approx(float(golden["score"]), rel=1e-6)


def test_weights_come_in_the_order_and_the_shapes_of_the_official_network():
    official = load_golden("official_networks/keras_baselines.json")["ae"]
    model = network()

    kinds = [name.split("/")[1].removesuffix(":0") for name in official["weight_names"]]

    assert [weight.path.split("/")[-1] for weight in model.weights] == kinds
    assert [list(weight.shape) for weight in model.weights] == official["weight_shapes"]


def test_parameters_add_up_to_those_of_the_official_network():
    official = load_golden("official_networks/keras_baselines.json")["ae"]
    model = network()
    assert count(model.weights) == official["total"] == 269_992
    assert count(model.trainable_weights) == official["trainable"] == 267_928


def test_output_can_be_negative():
    assert np.min(random_network(20)(vectors_of(20))) < 0


def test_one_step_of_training_changes_every_trainable_weight():
    model = random_network(20)
    model.compile("sgd", loss="mse", run_eagerly=True)
    vectors = vectors_of(20)
    before = [np.array(weight) for weight in model.trainable_weights]

    model.train_on_batch(vectors, vectors)

    for weight, old in zip(model.trainable_weights, before, strict=True):
        # A bias in front of a batch normalization has no influence and no gradient but rounding.
        is_free = weight.path.endswith("bias") and weight is not model.trainable_weights[-1]
        assert is_free or np.any(np.asarray(weight) != old), weight.path


def test_network_saves_and_loads_in_safe_mode(tmp_path):
    model, vectors = random_network(20), vectors_of(20)
    model.save(tmp_path / "network.keras")

    loaded = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True)

    np.testing.assert_allclose(loaded(vectors), model(vectors), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(None,), (5, 128), ()])
def test_vectors_without_one_fixed_length_are_refused(shape):
    with pytest.raises(ValueError, match=r"`vectors`.*fixed dim.*Received: vectors of shape"):
        baseline_autoencoder(keras.Input(shape))
