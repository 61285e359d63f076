"""A convolution in groups: Keras' own values, gradients by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from asdkeras.layers.grouped_conv2d import GroupedConv2D
from tests.contracts import check_layer


@pytest.fixture
def images():
    return np.random.default_rng(0).normal(size=(2, 7, 6, 6)).astype("float32")


@pytest.mark.parametrize(
    ("groups", "filters", "options"),
    [
        (3, 6, {"padding": "same"}),
        (2, 4, {"strides": 2}),
        (6, 12, {"padding": "same", "dilation_rate": 2}),
        (1, 5, {"use_bias": False}),
    ],
)
def test_values_and_weights_are_those_of_keras(images, groups, filters, options):
    ours = GroupedConv2D(filters, 3, groups=groups, **options)
    theirs = keras.layers.Conv2D(filters, 3, groups=groups, **options)
    theirs.build(images.shape)
    ours.build(images.shape)
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]
    ours.set_weights(theirs.get_weights())

    np.testing.assert_allclose(ours(images), theirs(images), rtol=1e-5, atol=1e-6)
    assert ours.compute_output_shape(images.shape) == theirs(images).shape


def test_gradients_are_those_of_a_convolution_for_each_group(images):
    layer = GroupedConv2D(6, 3, groups=3, use_bias=False)
    layer.build(images.shape)
    kernel = np.array(layer.kernel)
    with tf.GradientTape(persistent=True) as tape:
        inputs = tf.constant(images)
        tape.watch(inputs)
        loss = tf.reduce_sum(tf.sin(layer(inputs)))
    of_kernel, of_inputs = tape.gradient(loss, [layer.kernel.value, inputs])

    for group in range(3):
        channels, filters = slice(2 * group, 2 * group + 2), slice(2 * group, 2 * group + 2)
        with tf.GradientTape() as tape:
            part, own = tf.constant(images[..., channels]), tf.constant(kernel[..., filters])
            tape.watch([part, own])
            loss = tf.reduce_sum(tf.sin(keras.ops.conv(part, own)))
        by_part, by_own = tape.gradient(loss, [part, own])
        np.testing.assert_allclose(of_inputs[..., channels], by_part, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(of_kernel[..., filters], by_own, rtol=1e-4, atol=1e-5)


def test_layer_contract(images):
    check_layer(GroupedConv2D(6, 3, groups=2), images, output_shape=(2, 5, 4, 6))


def test_channels_first_are_refused():
    with pytest.raises(ValueError, match=r"channels_last.*Received: .*channels_first"):
        GroupedConv2D(6, 3, groups=2, data_format="channels_first")
