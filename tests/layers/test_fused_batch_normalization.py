"""FusedBatchNormalization against the definition in float64, and against Keras' own layer."""

from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from asdkeras.dsp.fourier import matrix_products
from asdkeras.layers.fused_batch_normalization import (
    FusedBatchNormalization,
    with_fused_normalization,
)
from tests.contracts import check_layer

EPSILON = 1e-3
SHAPES = [(6, 5, 7, 16), (6, 5, 7, 8), (6, 9, 32), (24, 16), (24, 1, 1, 16), (24, 1, 16)]
OTHERS = [(6, 5, 7, 5), (6, 5, 7, 1), (3, 4, 2, 2, 16)]


def by_definition(x, gamma, beta, upstream):
    """Output and gradients of inputs, gamma and beta, and mean and variance, in float64."""
    axes = tuple(range(x.ndim - 1))
    x, upstream = x.astype("float64"), upstream.astype("float64")
    mean, variance = x.mean(axes), ((x - x.mean(axes)) ** 2).mean(axes)
    deviation = np.sqrt(variance + EPSILON)
    normal = (x - mean) / deviation
    of_normal = upstream * gamma
    shared = of_normal.mean(axes) + normal * (of_normal * normal).mean(axes)
    of_x = (of_normal - shared) / deviation
    gradients = of_x, (upstream * normal).sum(axes), upstream.sum(axes)
    return normal * gamma + beta, gradients, mean, variance


def example(shape, kind=FusedBatchNormalization, **options):
    rng = np.random.default_rng(0)
    x = (2.0 * rng.normal(size=shape) + 3.0).astype("float32")
    upstream = rng.normal(size=shape).astype("float32")
    layer = kind(epsilon=EPSILON, **options)
    layer.build(shape)
    channels = shape[-1]
    layer.set_weights(
        [
            rng.normal(size=channels),
            rng.normal(size=channels),
            rng.normal(size=channels),
            rng.uniform(0.5, 2.0, size=channels),
        ]
    )
    return layer, x, upstream


def run(layer, x, upstream, training=True):
    with tf.GradientTape() as tape:
        inputs = tf.constant(x)
        tape.watch(inputs)
        outputs = layer(inputs, training=training)
    watched = [inputs, layer.gamma.value, layer.beta.value]
    gradients = tape.gradient(outputs, watched, output_gradients=tf.constant(upstream))
    return np.array(outputs), [np.array(each) for each in gradients]


def kinds_of_operations(layer, x, training):
    graph = tf.function(lambda inputs: layer(inputs, training=training))
    return {
        each.type for each in graph.get_concrete_function(tf.constant(x)).graph.get_operations()
    }


@pytest.mark.parametrize("shape", SHAPES + OTHERS)
def test_training_is_as_defined(shape):
    layer, x, upstream = example(shape, momentum=0.9)
    gamma, beta, *moving = (np.array(each) for each in layer.weights)

    outputs, gradients = run(layer, x, upstream)

    expected, expected_gradients, mean, variance = by_definition(x, gamma, beta, upstream)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=2e-5)
    for ours, theirs in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=5e-5)
    # The variance that moves is over all values, not over one less.
    for weight, old, new in zip(layer.weights[2:], moving, (mean, variance), strict=True):
        np.testing.assert_allclose(weight, 0.9 * old + 0.1 * new, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES + OTHERS)
def test_inference_is_as_defined(shape):
    layer, x, upstream = example(shape)
    gamma, beta, mean, variance = (np.array(each, "float64") for each in layer.weights)
    slope = gamma / np.sqrt(variance + EPSILON)

    outputs, (of_x, *_) = run(layer, x, upstream, training=False)

    np.testing.assert_allclose(outputs, (x - mean) * slope + beta, rtol=1e-5, atol=2e-5)
    np.testing.assert_allclose(of_x, upstream * slope, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(layer.moving_mean, mean.astype("float32"))


@pytest.mark.parametrize("shape", SHAPES)
def test_training_is_one_operation(shape):
    layer, x, _ = example(shape)
    kinds = kinds_of_operations(layer, x, training=True)
    assert "FusedBatchNormV3" in kinds
    assert not kinds & {"SquaredDifference", "Mean", "Rsqrt"}


@pytest.mark.parametrize(
    ("shape", "options", "training"),
    [
        *((shape, {}, True) for shape in OTHERS),
        (SHAPES[0], {"axis": 1}, True),
        (SHAPES[0], {"center": False}, True),
        (SHAPES[1], {}, False),
        (SHAPES[0], {"dtype": "float64"}, True),
    ],
)
def test_everything_else_is_left_to_keras(shape, options, training):
    layer = FusedBatchNormalization(**options)
    assert "FusedBatchNormV3" not in kinds_of_operations(layer, np.ones(shape, "float32"), training)


def test_masked_steps_do_not_count():
    layer, x, _ = example((6, 9, 16))
    theirs, _, _ = example((6, 9, 16), layers.BatchNormalization)
    mask = np.arange(9) < np.arange(2, 8)[:, None]
    np.testing.assert_array_equal(
        layer(x, training=True, mask=mask), theirs(x, training=True, mask=mask)
    )
    np.testing.assert_array_equal(layer.moving_variance, theirs.moving_variance)


def test_other_backends_and_exports_compute_as_keras_does():
    layer, x, _ = example(SHAPES[0])
    expected = np.array(layer(x))
    with matrix_products():
        assert "FusedBatchNormV3" not in kinds_of_operations(layer, x, training=False)
    with mock.patch.object(keras.backend, "backend", return_value="jax"):
        assert "FusedBatchNormV3" not in kinds_of_operations(layer, x, training=True)
        np.testing.assert_allclose(layer(x), expected, rtol=1e-5, atol=1e-5)


def test_frozen_layer_keeps_its_statistics():
    layer, x, upstream = example(SHAPES[0], trainable=False)
    expected, _ = run(layer, x, upstream, training=False)
    np.testing.assert_array_equal(run(layer, x, upstream, training=True)[0], expected)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("shape", SHAPES[:2])
def test_half_precision_keeps_statistics_and_weights_in_float32(policy, shape):
    layer, x, upstream = example(shape, dtype=policy)
    gamma, beta, *_ = (np.array(each) for each in layer.weights)
    outputs = layer(x, training=True)
    assert outputs.dtype == layer.compute_dtype
    assert {each.dtype for each in layer.weights} == {"float32"}
    expected, _, mean, _ = by_definition(x, gamma, beta, upstream)
    np.testing.assert_allclose(ops.cast(outputs, "float32"), expected, rtol=0.02, atol=0.06)
    np.testing.assert_allclose(
        (layer.moving_mean - 0.99 * example(shape)[0].moving_mean) / 0.01, mean, rtol=0.01
    )


def test_weights_are_those_of_keras(tmp_path):
    theirs, x, _ = example(SHAPES[0], layers.BatchNormalization, name="normalization")
    ours, _, _ = example(SHAPES[0], name="normalization")
    assert [each.path for each in ours.weights] == [each.path for each in theirs.weights]
    assert ours.get_config() == theirs.get_config()

    model = keras.Sequential([keras.Input(SHAPES[0][1:]), ours])
    model.save(tmp_path / "model.keras")
    (loaded,) = keras.saving.load_model(tmp_path / "model.keras").layers
    assert type(loaded) is FusedBatchNormalization
    theirs.set_weights(loaded.get_weights())
    np.testing.assert_allclose(loaded(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_clone_of_a_network_of_keras_has_fused_normalizations():
    inputs = keras.Input((4, 4, 16))
    normalization = layers.BatchNormalization(momentum=0.7, name="normalization")
    network = keras.Model(inputs, layers.ReLU()(normalization(inputs)))
    clone = keras.models.clone_model(network, clone_function=with_fused_normalization)
    assert [type(each) for each in clone.layers[1:]] == [FusedBatchNormalization, layers.ReLU]
    assert clone.layers[1].get_config() == normalization.get_config()


def test_layer_contract():
    inputs = np.random.default_rng(0).normal(size=(4, 6, 5, 16)).astype("float32")
    check_layer(FusedBatchNormalization(), inputs, output_shape=inputs.shape)
