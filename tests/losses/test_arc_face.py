"""ArcFace: the definition with its margin, mixed labels, and angles near 0 and pi."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from asdkeras.losses.arc_face import ArcFace, ArcFaceCrossEntropy
from tests.contracts import check_layer

NUM_CLASSES, DIM = 4, 6


@pytest.fixture(autouse=True)
def _same_centers_in_every_run():
    keras.utils.set_random_seed(0)


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    labels = np.eye(NUM_CLASSES)[[0, 1, 1, 3, 2]]
    labels[3] = [0.0, 0.7, 0.0, 0.2]
    return rng.normal(size=(5, DIM)).astype("float32"), labels.astype("float32")


def loss_by_definition(labels, cosines, margin, scale):
    """The loss of each clip in float64: one softmax for each labelled class."""
    losses = np.zeros(len(labels))
    for clip, label in np.ndindex(labels.shape):
        logits = scale * np.float64(cosines[clip])
        angle = np.arccos(np.float64(cosines[clip, label]))
        if angle + margin > np.pi:
            logits[label] -= scale * margin * np.sin(margin)
        else:
            logits[label] = scale * np.cos(angle + margin)
        log_sum = logits.max() + np.log(np.exp(logits - logits.max()).sum())
        losses[clip] += labels[clip, label] * (log_sum - logits[label])
    return losses


# The angle of the first row to class 0 plus the margin exceeds pi. In the last two rows the
# share of class 0 rounds to 1 in float32, though with the margin the loss is 5.5 and 0.4.
COSINES = np.array(
    [
        [-0.95, 0.3, -0.2, 0.1],
        [-0.5, 0.3, -0.2, 0.1],
        [0.6, 0.62, -0.9, 0.95],
        [0.99, 0.1, -0.97, 0.2],
        [0.8, 0.5, 0.45, -0.2],
        [0.9, 0.57, 0.4, -0.2],
    ]
)


def test_logits_are_scaled_cosines_in_training_too(batch):
    layer = ArcFace(NUM_CLASSES, scale=30.0)

    logits = layer(*batch, training=True)

    embeddings, centers = np.float64(batch[0]), np.float64(layer.centers.numpy())
    for clip, label in np.ndindex(5, NUM_CLASSES):
        cosine = embeddings[clip] @ centers[:, label]
        cosine /= np.linalg.norm(embeddings[clip]) * np.linalg.norm(centers[:, label])
        assert float(logits[clip, label]) == pytest.approx(30.0 * cosine, rel=1e-5)
    np.testing.assert_array_equal(layer(batch[0]), logits)


@pytest.mark.parametrize("scale", [8.0, 64.0])
@pytest.mark.parametrize("margin", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("label", range(NUM_CLASSES))
def test_loss_is_the_definition_for_one_label(label, margin, scale):
    labels = np.eye(NUM_CLASSES)[[label] * len(COSINES)]

    losses = ArcFaceCrossEntropy(margin, scale, reduction=None)(labels, scale * COSINES)

    expected = loss_by_definition(labels, COSINES, margin, scale)
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=1e-5)


def test_loss_of_mixed_labels_is_that_of_each_label_alone_by_weight():
    labels = np.random.default_rng(0).uniform(size=COSINES.shape)
    loss = ArcFaceCrossEntropy(reduction=None)

    losses = loss(labels, 64.0 * COSINES)

    np.testing.assert_allclose(losses, loss_by_definition(labels, COSINES, 0.5, 64.0), rtol=1e-5)


def test_loss_is_the_mean_over_the_batch():
    labels = np.eye(NUM_CLASSES)[[0] * len(COSINES)]
    expected = loss_by_definition(labels, COSINES, 0.5, 64.0).mean()
    assert float(ArcFaceCrossEntropy()(labels, 64.0 * COSINES)) == pytest.approx(expected)


def test_gradient_is_the_slope_of_the_definition():
    labels = np.random.default_rng(0).uniform(size=COSINES.shape)
    logits = tf.constant(16.0 * COSINES, "float32")

    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = keras.ops.sum(ArcFaceCrossEntropy(scale=16.0, reduction=None)(labels, logits))
    gradient = tape.gradient(loss, logits).numpy()

    step = 1e-6
    for index in np.ndindex(COSINES.shape):
        change = np.zeros_like(COSINES)
        change[index] = step
        above = loss_by_definition(labels, COSINES + change, 0.5, 16.0).sum()
        below = loss_by_definition(labels, COSINES - change, 0.5, 16.0).sum()
        slope = (above - below) / (2 * step * 16.0)
        assert gradient[index] == pytest.approx(slope, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_embedding_on_its_center_or_opposite_has_finite_loss_and_gradient(sign):
    layer = ArcFace(NUM_CLASSES)
    layer.build((None, DIM))
    embeddings = tf.constant(sign * layer.centers.numpy().T)

    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        loss = ArcFaceCrossEntropy()(np.eye(NUM_CLASSES), layer(embeddings))

    assert np.isfinite(float(loss))
    assert np.all(np.isfinite(tape.gradient(loss, embeddings)))


def test_zero_labels_cost_nothing_and_teach_nothing():
    logits = tf.constant(64.0 * COSINES, "float32")

    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = ArcFaceCrossEntropy()(np.zeros_like(COSINES), logits)

    assert float(loss) == 0.0
    np.testing.assert_array_equal(tape.gradient(loss, logits), 0.0)


@pytest.mark.parametrize(("arguments", "names"), [((), ["centers"]), ((64.0, False), [])])
def test_centers_train_unless_told_not_to(batch, arguments, names):
    layer = ArcFace(NUM_CLASSES, *arguments)
    layer(*batch)
    assert [weight.name for weight in layer.trainable_weights] == names


def test_logits_stay_float32_under_a_half_precision_policy(batch):
    layer = ArcFace(NUM_CLASSES, dtype="mixed_float16")
    half = (1e-3 * batch[0]).astype("float16")

    logits = layer(half)

    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    assert str(layer.centers.dtype) == "float32"
    np.testing.assert_allclose(logits, layer(half.astype("float32")), rtol=1e-6)


def test_loss_survives_its_config():
    loss = ArcFaceCrossEntropy(0.3, 20.0, reduction=None, name="mine")
    labels = np.eye(NUM_CLASSES)[[0] * len(COSINES)]

    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))

    assert copy.get_config() == loss.get_config()
    np.testing.assert_array_equal(copy(labels, COSINES), loss(labels, COSINES))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ArcFace(1), r"at least 2.*Received: num_classes=1"),
        (lambda: ArcFace(5, scale=0.0), r"scale.*above 0.*Received: scale=0.0"),
        (lambda: ArcFaceCrossEntropy(scale=-1.0), r"scale.*above 0.*Received: scale=-1.0"),
        (lambda: ArcFaceCrossEntropy(-0.1), r"margin_rad.*Received: margin_rad=-0.1"),
        (lambda: ArcFaceCrossEntropy(3.2), r"margin_rad.*Received: margin_rad=3.2"),
    ],
)
def test_wrong_argument_is_refused_with_the_reason(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("trainable", [True, False])
def test_layer_contract(batch, trainable):
    layer = ArcFace(NUM_CLASSES, trainable_centers=trainable)
    check_layer(layer, *batch, output_shape=(5, NUM_CLASSES))
