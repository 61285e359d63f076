"""BlockwiseConv1D against the sum that defines a convolution."""

import keras
import numpy as np
import pytest
from keras import ops

from asdkeras.layers import blockwise_conv1d as module
from asdkeras.layers.blockwise_conv1d import BlockwiseConv1D
from tests.contracts import check_layer


def convolution_by_definition(values, kernel, stride):
    """Sum over the kernel at every output, zeros shared out as `same` does, in float64."""
    num_outputs = int(np.ceil(values.shape[1] / stride))
    missing = max((num_outputs - 1) * stride + len(kernel) - values.shape[1], 0)
    padding = (missing // 2, missing - missing // 2)
    padded = np.pad(values.astype("float64"), [(0, 0), padding, (0, 0)])
    starts = range(0, num_outputs * stride, stride)
    windows = [padded[:, start : start + len(kernel)] for start in starts]
    return np.einsum("obkc,kcf->bof", np.array(windows), kernel.astype("float64"))


@pytest.mark.parametrize(
    ("length", "channels", "size", "stride"),
    [(40, 1, 16, 4), (41, 2, 16, 4), (43, 3, 7, 3), (17, 2, 2, 5), (9, 1, 3, 1), (5, 2, 16, 4)],
)
def test_output_is_that_of_the_convolution(length, channels, size, stride):
    values = np.random.default_rng(0).normal(size=(2, length, channels)).astype("float32")
    layer = BlockwiseConv1D(4, size, strides=stride, padding="same", use_bias=False)

    output = layer(values)

    expected = convolution_by_definition(values, layer.kernel.numpy(), stride)
    np.testing.assert_allclose(output, expected, rtol=1e-5, atol=1e-5)


def test_convolution_has_the_samples_of_a_stride_as_channels(monkeypatch):
    shapes = []
    convolve = module.ops.conv

    def record(values, kernel, **arguments):
        shapes.append((tuple(values.shape), tuple(kernel.shape)))
        return convolve(values, kernel, **arguments)

    monkeypatch.setattr(module.ops, "conv", record)
    layer = BlockwiseConv1D(5, 16, strides=4, padding="same")
    layer(np.zeros((2, 41, 3), "float32"))
    assert shapes == [((2, 14, 12), (4, 12, 5))]


def test_weights_and_gradients_are_those_of_conv1d():
    values = np.random.default_rng(0).normal(size=(2, 41, 2)).astype("float32")
    weights = []
    for kind in (keras.layers.Conv1D, BlockwiseConv1D):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [keras.Input((41, 2)), kind(3, 16, strides=4, padding="same", activation="relu")]
        )
        model.compile(keras.optimizers.SGD(0.1), loss="mse")
        for _ in range(3):
            model.train_on_batch(values, np.ones((2, 11, 3), "float32"))
        weights.append([ops.convert_to_numpy(weight) for weight in model.weights])
    assert [weight.shape for weight in weights[1]] == [(16, 2, 3), (3,)]
    for ours, expected in zip(*reversed(weights), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "arguments",
    [{"padding": "valid"}, {"data_format": "channels_first"}, {"dilation_rate": 2}, {"groups": 2}],
)
def test_other_convolutions_are_refused_with_the_remedy(arguments):
    name = next(iter(arguments))
    with pytest.raises(ValueError, match=rf"needs {name}=.*Received: {name}=.*Conv1D"):
        BlockwiseConv1D(4, 3, **({"padding": "same"} | arguments))


def test_sequence_of_unknown_length_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"fixed length.*Received.*None.*Conv1D"):
        BlockwiseConv1D(4, 3, padding="same")(keras.Input((None, 1)))


def test_layer_contract():
    values = np.random.default_rng(0).normal(size=(4, 9, 2)).astype("float32")
    check_layer(BlockwiseConv1D(3, 7, strides=2, padding="same"), values, output_shape=(4, 5, 3))
