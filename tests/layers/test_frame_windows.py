"""FrameWindows against windows cut one by one and against the baselines' vectors."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from asdkeras.layers.frame_windows import FrameWindows
from asdkeras.layers.log_mel_spectrogram import LogMelSpectrogram
from tests.contracts import check_layer
from tests.golden import load_golden


def spectrogram(frames, bands=3, batch=2):
    return np.random.default_rng(0).normal(size=(batch, frames, bands)).astype("float32")


def windows_by_definition(frames, num_frames, hop):
    clips = []
    for clip in frames:
        starts = [start for start in range(0, len(clip), hop) if start + num_frames <= len(clip)]
        clips.append([clip[start : start + num_frames] for start in starts])
    return np.array(clips)


@pytest.mark.parametrize(
    ("frames", "num_frames", "hop"),
    [(12, 5, 1), (12, 5, 3), (14, 5, 3), (9, 2, 4), (7, 7, 2), (5, 1, 1), (8, 3, 20)],
)
def test_windows_are_those_cut_one_by_one(frames, num_frames, hop):
    values = spectrogram(frames)

    windows = FrameWindows(num_frames, hop)(values)

    np.testing.assert_array_equal(windows, windows_by_definition(values, num_frames, hop))


def test_windows_start_at_every_frame_unless_told():
    assert FrameWindows(5)(spectrogram(9)).shape == (2, 5, 5, 3)


@pytest.mark.parametrize(
    ("year", "pad_mode"), [("2021", "reflect"), ("2022", "constant"), ("2023", "constant")]
)
def test_flat_windows_are_the_vectors_of_the_official_baselines(year, pad_mode):
    golden = load_golden("official_baselines/official_logmel")
    waveforms = golden["pcm_int16"][None].astype("float32") / 32768
    log_mel = LogMelSpectrogram(
        16000, window="periodic", pad_mode=pad_mode, floor=np.finfo(float).eps
    )(waveforms)

    vectors = np.reshape(FrameWindows(5)(log_mel), (-1, 640))

    assert vectors.shape == tuple(golden["vec5_shape"])
    np.testing.assert_allclose(vectors[0], golden[f"vec5_{year}_first"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(vectors[-1], golden[f"vec5_{year}_last"], rtol=0, atol=1e-4)


def graph_of(layer, length, **arguments):
    """The layer as a graph for any number of clips of 3 bands; None: of any length."""
    signature = [tf.TensorSpec((None, length, 3))]
    return tf.function(layer, input_signature=signature, **arguments)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize(("num_frames", "hop"), [(5, 1), (4, 3)])
def test_number_of_frames_may_be_unknown_until_the_graph_runs(num_frames, hop, jit_compile):
    graph = graph_of(FrameWindows(num_frames, hop), None, jit_compile=jit_compile)
    for length in (6, 11):
        values = spectrogram(length)
        expected = windows_by_definition(values, num_frames, hop)
        np.testing.assert_array_equal(graph(values), expected)


@pytest.mark.parametrize(("length", "hop"), [(4, 1), (0, 1), (3, 2)])
def test_clip_found_too_short_when_the_graph_runs_has_no_windows(length, hop):
    graph = graph_of(FrameWindows(5, hop), None)
    assert graph(np.zeros((2, length, 3), "float32")).shape == (2, 0, 5, 3)


@pytest.mark.parametrize(("length", "num_windows"), [(None, None), (11, 4), (5, 1)])
def test_number_of_windows_is_known_where_that_of_frames_is(length, num_windows):
    expected = (None, num_windows, 5, 3)
    layer = FrameWindows(5, 2)

    traced = graph_of(layer, length).get_concrete_function().output_shapes

    assert tuple(traced) == expected
    assert layer.compute_output_shape((None, length, 3)) == expected
    assert layer(keras.Input((length, 3))).shape == expected


def test_gradient_counts_the_windows_of_each_frame():
    frames = tf.constant(spectrogram(7))
    with tf.GradientTape() as tape:
        tape.watch(frames)
        total = tf.reduce_sum(FrameWindows(3, 2)(frames))

    assert np.asarray(tape.gradient(total, frames))[0, :, 0].tolist() == [1, 1, 2, 1, 2, 1, 1]


@pytest.mark.parametrize("frames", [np.zeros((2, 4, 3), "float32"), keras.KerasTensor((2, 4, 3))])
def test_clip_of_too_few_frames_is_refused_with_the_remedy(frames):
    with pytest.raises(ValueError, match=r"window of 5 frames.*Received.*\(2, 4, 3\).*longer"):
        FrameWindows(5)(frames)


def test_spectrogram_without_an_axis_of_clips_is_refused():
    with pytest.raises(ValueError, match="expected ndim=3, found ndim=2"):
        FrameWindows(5)(np.zeros((9, 3), "float32"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_frames": 0}, "num_frames.*at least 1.*Received: num_frames=0"),
        ({"num_frames": 5, "hop": 0}, "hop.*at least 1.*Received: hop=0"),
    ],
)
def test_wrong_argument_is_refused_with_the_reason(arguments, message):
    with pytest.raises(ValueError, match=message):
        FrameWindows(**arguments)


@pytest.mark.parametrize(("hop", "num_windows"), [(1, 8), (3, 3)])
def test_layer_contract(hop, num_windows):
    check_layer(FrameWindows(5, hop), spectrogram(12), output_shape=(2, num_windows, 5, 3))
