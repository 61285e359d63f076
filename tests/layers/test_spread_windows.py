"""SpreadWindows against windows cut one by one at places written out by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from asdkeras.layers.spread_windows import SpreadWindows
from tests.contracts import check_layer


def spectrogram(frames, bands=3, batch=2):
    """Frame t of clip i and band b has the value 1000 i + t + b / 10."""
    clips, times, bands = np.ogrid[:batch, :frames, :bands]
    return (1000 * clips + times + bands / 10).astype("float32")


@pytest.mark.parametrize(
    ("frames", "num_windows", "num_frames", "starts"),
    [
        (626, 10, 256, [0, 41, 82, 123, 164, 205, 246, 287, 328, 370]),
        (626, 2, 256, [0, 370]),
        (20, 4, 5, [0, 5, 10, 15]),
        (22, 4, 5, [0, 5, 10, 17]),
        (7, 4, 5, [0, 0, 0, 2]),
        (5, 3, 5, [0, 0, 0]),
        (12, 1, 5, [3]),
        (5, 1, 5, [0]),
    ],
)
def test_windows_start_where_they_should(frames, num_windows, num_frames, starts):
    values = spectrogram(frames)

    windows = SpreadWindows(num_windows, num_frames)(values)

    expected = [[clip[start : start + num_frames] for start in starts] for clip in values]
    np.testing.assert_array_equal(windows, expected)


def test_shape_is_known_for_any_number_of_clips():
    layer = SpreadWindows(10, 256)
    assert layer.compute_output_shape((None, 626, 256)) == (None, 10, 256, 256)
    assert layer(keras.Input((626, 256))).shape == (None, 10, 256, 256)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_graph_cuts_the_same_windows(jit_compile):
    layer = SpreadWindows(3, 4)
    signature = [tf.TensorSpec((None, 12, 3))]
    graph = tf.function(layer, input_signature=signature, jit_compile=jit_compile)
    values = spectrogram(12)
    np.testing.assert_array_equal(graph(values), layer(values))


def test_gradient_counts_the_windows_of_each_frame():
    frames = tf.constant(spectrogram(8))
    with tf.GradientTape() as tape:
        tape.watch(frames)
        total = tf.reduce_sum(SpreadWindows(3, 4)(frames))

    assert np.asarray(tape.gradient(total, frames))[0, :, 0].tolist() == [1, 1, 2, 2, 2, 2, 1, 1]


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((2, 4, 3), "float32"),
        keras.KerasTensor((2, 4, 3)),
        keras.KerasTensor((2, None, 3)),
    ],
)
def test_too_few_or_unknown_frames_are_refused_with_the_remedy(frames):
    with pytest.raises(ValueError, match=r"(?s)Windows of 5 frames.*Received.*\(2, .*longer"):
        SpreadWindows(2, 5)(frames)


def test_spectrogram_without_an_axis_of_clips_is_refused():
    with pytest.raises(ValueError, match="expected ndim=3, found ndim=2"):
        SpreadWindows(2, 5)(np.zeros((9, 3), "float32"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 5), "num_windows.*at least 1.*Received: num_windows=0"),
        ((2, 0), "num_frames.*at least 1.*Received: num_frames=0"),
    ],
)
def test_wrong_argument_is_refused_with_the_reason(arguments, message):
    with pytest.raises(ValueError, match=message):
        SpreadWindows(*arguments)


@pytest.mark.parametrize("num_windows", [1, 3])
def test_layer_contract(num_windows):
    noise = np.random.default_rng(0).normal(size=(2, 12, 3)).astype("float32")
    check_layer(SpreadWindows(num_windows, 5), noise, output_shape=(2, num_windows, 5, 3))
