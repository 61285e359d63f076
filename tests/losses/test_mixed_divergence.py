"""MixedDivergence: the definition, its relation to the cross-entropy, and its edges."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from asdkeras.losses.mixed_divergence import MixedDivergence

LABELS = np.array([[1.0, 0.0, 0.0], [0.3, 0.7, 0.0], [0.2, 0.3, 0.5], [0.0, 0.0, 1.0]])


@pytest.fixture
def logits():
    return np.random.default_rng(0).normal(scale=2.0, size=(4, 3))


def divergence_by_definition(labels, logits):
    divergences = []
    for label, row in zip(labels, logits, strict=True):
        total = sum(np.exp(value) for value in row)
        terms = [y * np.log(y / (np.exp(v) / total)) for y, v in zip(label, row, strict=True) if y]
        divergences.append(sum(terms))
    return np.array(divergences)


def test_loss_is_the_definition_and_averages_over_the_batch(logits):
    expected = divergence_by_definition(LABELS, logits)
    np.testing.assert_allclose(
        MixedDivergence(reduction=None)(LABELS, logits), expected, rtol=1e-5, atol=1e-6
    )
    assert float(MixedDivergence()(LABELS, logits)) == pytest.approx(expected.mean(), rel=1e-6)


def test_it_is_the_cross_entropy_less_the_entropy_of_the_labels(logits):
    entropy = -np.sum(LABELS * np.log(np.where(LABELS > 0.0, LABELS, 1.0)), axis=1)
    cross_entropy = keras.losses.CategoricalCrossentropy(from_logits=True)(LABELS, logits)

    divergence = float(MixedDivergence()(LABELS, logits))

    assert divergence == pytest.approx(float(cross_entropy) - entropy.mean(), rel=1e-6)
    assert divergence < float(cross_entropy) - 0.1


def test_predictions_equal_to_the_labels_have_a_loss_of_zero():
    labels = LABELS[2:3]
    assert float(MixedDivergence()(labels, np.log(labels) + 7.0)) == pytest.approx(0.0, abs=1e-6)


def test_gradient_is_probability_less_label(logits):
    variable = tf.constant(logits, "float32")
    with tf.GradientTape() as tape:
        tape.watch(variable)
        loss = keras.ops.sum(MixedDivergence(reduction=None)(LABELS, variable))
    gradient = tape.gradient(loss, variable)

    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(gradient, probabilities - LABELS, rtol=1e-5, atol=1e-6)


def test_extreme_logits_have_a_finite_loss_and_gradient():
    labels = tf.constant([[1.0, 0.0], [0.5, 0.5]])
    far_off = tf.constant([[-1e4, 1e4], [1e4, -1e4]])
    with tf.GradientTape() as tape:
        tape.watch([labels, far_off])
        loss = keras.ops.sum(MixedDivergence(reduction=None)(labels, far_off))
    gradients = tape.gradient(loss, [labels, far_off])

    assert float(loss) == pytest.approx(2e4 + 1e4 - np.log(2), rel=1e-6)
    np.testing.assert_array_equal(gradients[1], [[-1.0, 1.0], [0.5, -0.5]])
    assert np.all(np.isfinite(gradients[0]))


def test_half_precision_logits_are_worked_on_in_float32(logits):
    halves = (100.0 * logits).astype("float16")
    with np.errstate(over="raise", divide="raise"):
        expected = divergence_by_definition(LABELS, halves.astype("float64"))
    loss = MixedDivergence()(LABELS, halves)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert float(loss) == pytest.approx(expected.mean(), rel=1e-6)


def test_loss_survives_its_config(logits):
    loss = MixedDivergence(reduction="sum", name="mine")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert copy.get_config() == loss.get_config()
    np.testing.assert_allclose(copy(LABELS, logits), loss(LABELS, logits))
