"""ClassCompactness and CompactnessLoss: the definition, and what trains and what does not."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from asdkeras.losses.class_compactness import ClassCompactness, CompactnessLoss
from tests.contracts import check_layer

NUM_CLASSES, DIM = 4, 6


@pytest.fixture(autouse=True)
def _same_centers_in_every_run():
    keras.utils.set_random_seed(0)


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    labels = np.eye(NUM_CLASSES)[[0, 1, 1, 3, 2]]
    labels[3] = [0.0, 0.7, 0.0, 0.3]
    return rng.normal(size=(5, DIM)).astype("float32"), labels.astype("float32")


def distances_by_definition(embeddings, centers, normalize):
    """Squared distances in float64, one at a time."""
    distances = np.zeros((len(embeddings), centers.shape[1]))
    for clip, label in np.ndindex(distances.shape):
        x, center = np.float64(embeddings[clip]), np.float64(centers[:, label])
        if normalize:
            x, center = x / np.linalg.norm(x), center / np.linalg.norm(center)
        distances[clip, label] = np.linalg.norm(x - center) ** 2
    return distances


@pytest.mark.parametrize("normalize", [True, False])
def test_logits_are_minus_the_squared_distances(batch, normalize):
    layer = ClassCompactness(NUM_CLASSES, normalize)

    logits = layer(*batch)

    expected = -distances_by_definition(batch[0], layer.centers.numpy(), normalize)
    np.testing.assert_allclose(logits, expected, rtol=1e-5)


def test_distances_are_normalized_by_default(batch):
    layer = ClassCompactness(NUM_CLASSES)
    np.testing.assert_allclose(layer(batch[0]), layer(10.0 * batch[0]), rtol=1e-5)


def test_training_and_labels_change_no_logit(batch):
    layer = ClassCompactness(NUM_CLASSES)
    expected = layer(batch[0])
    np.testing.assert_array_equal(layer(*batch, training=True), expected)
    np.testing.assert_array_equal(layer(*batch), expected)


@pytest.mark.parametrize("normalize", [True, False])
def test_loss_is_the_mean_over_clips_of_the_distances_weighted_by_label(batch, normalize):
    embeddings, labels = batch
    layer = ClassCompactness(NUM_CLASSES, normalize)

    loss = CompactnessLoss()(labels, layer(embeddings, labels))

    distances = distances_by_definition(embeddings, layer.centers.numpy(), normalize)
    total = sum(
        labels[clip, label] * distances[clip, label] for clip, label in np.ndindex(labels.shape)
    )
    assert float(loss) == pytest.approx(total / 5, rel=1e-5)


def test_gradient_draws_an_embedding_to_its_own_center_and_from_no_other(batch):
    embeddings, labels = tf.constant(batch[0][:1]), batch[1][:1]
    layer = ClassCompactness(NUM_CLASSES, normalize=False)

    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        loss = CompactnessLoss()(labels, layer(embeddings, labels))

    expected = 2.0 * (embeddings.numpy()[0] - layer.centers.numpy()[:, 0])
    np.testing.assert_allclose(tape.gradient(loss, embeddings)[0], expected, rtol=1e-5)


def test_centers_are_fixed_by_default(batch):
    layer = ClassCompactness(NUM_CLASSES)
    layer(*batch)
    assert layer.trainable_weights == []
    assert layer.centers.shape == (DIM, NUM_CLASSES)


def test_centers_that_train_are_drawn_to_the_clips_of_their_class(batch):
    embeddings, labels = batch
    layer = ClassCompactness(NUM_CLASSES, normalize=False, trainable_centers=True)

    with tf.GradientTape() as tape:
        loss = CompactnessLoss()(labels, layer(embeddings, labels))
    (gradient,) = tape.gradient(loss, [weight.value for weight in layer.trainable_weights])

    differences = layer.centers.numpy()[None] - embeddings[:, :, None]
    expected = 2.0 * np.einsum("nc,ndc->dc", labels, differences) / 5
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6)


def test_logits_stay_float32_under_a_half_precision_policy(batch):
    layer = ClassCompactness(NUM_CLASSES, dtype="mixed_float16")
    half = batch[0].astype("float16")

    logits = layer(half)

    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    assert str(layer.centers.dtype) == "float32"
    expected = -distances_by_definition(half, layer.centers.numpy(), True)
    np.testing.assert_allclose(logits, expected, rtol=1e-5)


def test_loss_survives_its_config():
    loss = CompactnessLoss(reduction="sum", name="mine")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert copy.get_config() == loss.get_config()


def test_no_class_is_refused():
    with pytest.raises(ValueError, match=r"at least 1.*Received: num_classes=0"):
        ClassCompactness(0)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("trainable", [True, False])
def test_layer_contract(batch, normalize, trainable):
    layer = ClassCompactness(NUM_CLASSES, normalize, trainable)
    check_layer(layer, *batch, output_shape=(5, NUM_CLASSES))
