"""Gradient reversal: nothing forward, the negative gradient backward."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from asdkeras.layers.gradient_reversal import GradientReversal
from tests.contracts import check_layer

INPUTS = np.random.default_rng(0).normal(size=(3, 5)).astype("float32")


def test_contract():
    check_layer(GradientReversal(0.5), INPUTS, output_shape=(3, 5))


@pytest.mark.parametrize("weight", [0.0, 0.1, 1.0, 7.0])
def test_forward_is_the_identity_to_the_bit(weight):
    np.testing.assert_array_equal(GradientReversal(weight)(INPUTS), INPUTS)


@pytest.mark.parametrize("weight", [0.0, 0.1, 1.0])
def test_the_gradient_comes_back_times_minus_the_weight(weight):
    inputs = tf.Variable(INPUTS)
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(tf.square(GradientReversal(weight)(inputs)))

    np.testing.assert_allclose(tape.gradient(value, inputs), -weight * 2 * INPUTS, rtol=1e-6)


def test_the_network_before_it_unlearns_what_the_classifier_behind_it_learns():
    keras.utils.set_random_seed(0)
    sounds = np.random.default_rng(1).normal(size=(64, 4)).astype("float32")
    domains = (sounds[:, :1] > 0).astype("float32")
    features = keras.layers.Dense(4, use_bias=False)
    classifier = keras.layers.Dense(1, activation="sigmoid")
    inputs = keras.Input((4,))
    model = keras.Model(inputs, classifier(GradientReversal(1.0)(features(inputs))))
    model.compile(keras.optimizers.SGD(0.1), "binary_crossentropy")

    classifier.trainable = False
    model.compile(keras.optimizers.SGD(0.1), "binary_crossentropy")
    before = model.evaluate(sounds, domains, verbose=0)
    model.fit(sounds, domains, epochs=5, verbose=0)

    assert model.evaluate(sounds, domains, verbose=0) > before


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match="weight=-1"):
        GradientReversal(-1)
