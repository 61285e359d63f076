"""BlockwiseConv2D against the sum that defines a convolution."""

import keras
import numpy as np
import pytest
from keras import ops

from asdkeras.layers.blockwise_conv2d import BlockwiseConv2D
from tests.contracts import check_layer


def convolution_by_definition(images, kernel, strides):
    """Sum over the kernel at every output pixel, zeros shared out as `same` does, in float64."""
    starts, paddings = [], [(0, 0)]
    for length, size, stride in zip(images.shape[1:3], kernel.shape[:2], strides, strict=True):
        num_outputs = int(np.ceil(length / stride))
        missing = max((num_outputs - 1) * stride + size - length, 0)
        paddings.append((missing // 2, missing - missing // 2))
        starts.append(range(0, num_outputs * stride, stride))
    padded = np.pad(images.astype("float64"), [*paddings, (0, 0)])
    output = np.zeros((len(images), len(starts[0]), len(starts[1]), kernel.shape[3]))
    for i, top in enumerate(starts[0]):
        for j, left in enumerate(starts[1]):
            window = padded[:, top : top + kernel.shape[0], left : left + kernel.shape[1]]
            output[:, i, j] = np.einsum("bhwc,hwcf->bf", window, kernel.astype("float64"))
    return output


@pytest.mark.parametrize(
    ("height", "width", "channels", "size", "strides"),
    [
        (9, 13, 1, 7, 2),
        (10, 12, 1, 7, 2),
        (10, 13, 3, (7, 4), (2, 3)),
        (7, 8, 2, (3, 5), (3, 1)),
        (11, 10, 1, 2, 4),
        (5, 6, 2, 3, 1),
    ],
)
def test_output_is_that_of_the_convolution(height, width, channels, size, strides):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, height, width, channels)).astype("float32")
    layer = BlockwiseConv2D(4, size, strides=strides, padding="same", use_bias=False)

    output = layer(images)

    expected = convolution_by_definition(images, layer.kernel.numpy(), layer.strides)
    np.testing.assert_allclose(output, expected, rtol=1e-5, atol=1e-5)


def test_weights_and_gradients_are_those_of_conv2d():
    images = np.random.default_rng(0).normal(size=(2, 9, 10, 1)).astype("float32")
    weights = []
    for kind in (keras.layers.Conv2D, BlockwiseConv2D):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [keras.Input((9, 10, 1)), kind(3, 7, strides=2, padding="same", activation="relu")]
        )
        model.compile(keras.optimizers.SGD(0.1), loss="mse")
        for _ in range(3):
            model.train_on_batch(images, np.ones((2, 5, 5, 3), "float32"))
        weights.append([ops.convert_to_numpy(weight) for weight in model.weights])
    assert [weight.shape for weight in weights[1]] == [(7, 7, 1, 3), (3,)]
    for ours, expected in zip(*reversed(weights), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "arguments",
    [{"padding": "valid"}, {"data_format": "channels_first"}, {"dilation_rate": 2}, {"groups": 2}],
)
def test_other_convolutions_are_refused_with_the_remedy(arguments):
    name = next(iter(arguments))
    with pytest.raises(ValueError, match=rf"needs {name}=.*Received: {name}=.*Conv2D"):
        BlockwiseConv2D(4, 3, **({"padding": "same"} | arguments))


@pytest.mark.parametrize("shape", [(None, 8, 1), (8, None, 1)])
def test_image_of_unknown_size_is_refused_with_the_remedy(shape):
    with pytest.raises(ValueError, match=r"fixed height and width.*Received.*None.*Conv2D"):
        BlockwiseConv2D(4, 3, padding="same")(keras.Input(shape))


def test_layer_contract():
    images = np.random.default_rng(0).normal(size=(4, 9, 10, 1)).astype("float32")
    check_layer(BlockwiseConv2D(3, 7, strides=2, padding="same"), images, output_shape=(4, 5, 5, 3))
