"""MixedCrossEntropy: the definition, and the gradient where rows do not sum to 1."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from asdkeras.losses.mixed_cross_entropy import MixedCrossEntropy

LABELS = np.array([[1.0, 0.0, 0.0], [0.3, 0.7, 0.0], [0.0, 0.2, 0.3], [0.0, 0.0, 0.0]])


@pytest.fixture
def logits():
    return np.random.default_rng(0).normal(scale=2.0, size=(4, 3))


def loss_by_definition(labels, logits):
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return -(labels * np.log(probabilities)).sum(axis=1)


@pytest.mark.parametrize("form", ["log", "reference"])
def test_loss_is_the_definition_and_averages_over_the_batch(logits, form):
    expected = loss_by_definition(LABELS, logits)
    np.testing.assert_allclose(
        MixedCrossEntropy(form, reduction=None)(LABELS, logits), expected, rtol=1e-5, atol=1e-6
    )
    assert float(MixedCrossEntropy(form)(LABELS, logits)) == pytest.approx(expected.mean())


@pytest.mark.parametrize("form", ["log", "reference"])
def test_gradient_is_the_slope_of_the_definition_for_rows_that_do_not_sum_to_one(logits, form):
    variable = tf.constant(logits, "float32")

    with tf.GradientTape() as tape:
        tape.watch(variable)
        loss = keras.ops.sum(MixedCrossEntropy(form, reduction=None)(LABELS, variable))
    gradient = tape.gradient(loss, variable)

    step = 1e-6
    for index in np.ndindex(logits.shape):
        change = np.zeros_like(logits)
        change[index] = step
        slope = loss_by_definition(LABELS, logits + change).sum()
        slope = (slope - loss_by_definition(LABELS, logits - change).sum()) / (2 * step)
        assert float(gradient[index[0], index[1]]) == pytest.approx(slope, abs=1e-5)


@pytest.mark.parametrize(
    ("form", "loss", "has_gradient"),
    [
        ("log", 200.0, True),
        ("reference", -np.log(1e-7), False),
    ],
)
def test_a_clip_far_off_learns_only_from_the_log_form(form, loss, has_gradient):
    far_off = tf.constant([[0.0, 200.0]])

    with tf.GradientTape() as tape:
        tape.watch(far_off)
        value = MixedCrossEntropy(form)([[1.0, 0.0]], far_off)
    gradient = tape.gradient(value, far_off)

    assert float(value) == pytest.approx(loss, rel=1e-5)
    assert bool(np.any(gradient.numpy())) == has_gradient


def test_loss_survives_its_config(logits):
    loss = MixedCrossEntropy("reference", reduction="sum", name="mine")

    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))

    assert copy.get_config() == loss.get_config()
    assert copy.form == "reference"
    np.testing.assert_allclose(copy(LABELS, logits), loss(LABELS, logits))


def test_unknown_form_is_refused():
    with pytest.raises(ValueError, match=r"`form` must be one of.*Received: form='logs'"):
        MixedCrossEntropy("logs")
