"""TimeWarp: where frames go, how often, what stays, and what becomes of its draws."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from asdkeras.layers import time_warp
from asdkeras.layers.time_warp import TimeWarp, least_frames, warped
from tests.contracts import check_layer

FRAMES, BANDS, WIDTH = 12, 3, 4


@pytest.fixture
def spectrograms():
    return np.random.default_rng(0).normal(size=(5, FRAMES, BANDS)).astype("float32")


def naive_warp(spectrogram, point, target):
    """Frame by frame: the piece before `target` shows what was before `point`, stretched evenly."""
    spectrogram = spectrogram.astype("float64")
    last = len(spectrogram) - 1
    result = np.empty_like(spectrogram)
    for time in range(len(spectrogram)):
        if time <= target:
            source = point * time / target
        else:
            source = point + (last - point) * (time - target) / (last - target)
        for band in range(spectrogram.shape[1]):
            result[time, band] = np.interp(source, np.arange(last + 1), spectrogram[:, band])
    return result


@pytest.mark.parametrize("distance", [-3.7, -1.0, 0.0, 0.4, 3.0, 3.9])
def test_a_frame_moves_and_the_pieces_beside_it_are_stretched_evenly(spectrograms, distance):
    points = np.array([[5.0], [6.0], [7.0], [5.0], [6.0]], "float32")

    targets = points + np.float32(distance)

    found = warped(spectrograms, points, targets)

    drawn = points[:, 0].astype("float64"), targets[:, 0].astype("float64")
    for values, each, *moved in zip(np.asarray(found), spectrograms, *drawn, strict=True):
        np.testing.assert_allclose(values, naive_warp(each, *moved), atol=5e-6)


def ramps(count, frames):
    """Spectrograms whose values are the numbers of their frames."""
    return np.tile(np.arange(frames, dtype="float32")[None, :, None], (count, 1, 1))


def test_points_and_distances_are_drawn_as_the_paper_draws_them(monkeypatch):
    count, frames = 20_000, 14
    drawn = {}

    def record(spectrograms, points, targets):
        drawn["points"], drawn["targets"] = (np.asarray(each)[:, 0] for each in (points, targets))
        return spectrograms

    monkeypatch.setattr(time_warp, "warped", record)
    TimeWarp(WIDTH, seed=0)(ramps(count, frames), training=True)

    points, counts = np.unique(drawn["points"], return_counts=True)
    assert points.tolist() == [5.0, 6.0, 7.0, 8.0, 9.0]  # Strictly between 4 and 10.
    # Five standard deviations of a binomial share.
    np.testing.assert_allclose(counts / count, 0.2, atol=5 * np.sqrt(0.16 / count))
    distances = drawn["targets"] - drawn["points"]
    is_later = distances > 0.0
    assert is_later.mean() == pytest.approx(0.5, abs=5 * np.sqrt(0.25 / count))
    for side in (distances[is_later], -distances[~is_later]):
        assert stats.kstest(side, stats.uniform(0.0, WIDTH).cdf).pvalue > 1e-4
    assert abs(np.corrcoef(drawn["points"], distances)[0, 1]) < 5 / np.sqrt(count)


def test_the_first_and_the_last_frame_stay(spectrograms):
    layer = TimeWarp(WIDTH, seed=0)
    for _ in range(20):
        output = np.asarray(layer(spectrograms, training=True))
        np.testing.assert_array_equal(output[:, [0, -1]], spectrograms[:, [0, -1]])


def test_what_does_not_change_in_time_does_not_change():
    constant = np.repeat([[[0.1, -40.0, 1e6]]], FRAMES, axis=1).astype("float32")
    output = TimeWarp(WIDTH, seed=0)(constant, training=True)
    np.testing.assert_array_equal(output, constant)


def test_time_never_runs_backwards():
    output = np.asarray(TimeWarp(5, seed=0)(ramps(5_000, 12), training=True))
    assert np.diff(output[:, :, 0], axis=1).min() > 0.0


def test_all_bands_move_together():
    output = np.asarray(TimeWarp(WIDTH, seed=0)(np.repeat(ramps(4, 12), 3, 2), training=True))
    np.testing.assert_array_equal(output, np.repeat(output[:, :, :1], 3, axis=2))
    assert np.all(np.abs(output[:, :, 0] - np.arange(12)).max(axis=1) > 1e-3)


@pytest.mark.parametrize(("width", "training"), [(0, True), (WIDTH, False)])
def test_nothing_moves_by_no_width_or_outside_training(spectrograms, width, training):
    output = TimeWarp(width, seed=0)(spectrograms, training=training)
    np.testing.assert_array_equal(output, spectrograms)


def test_every_call_and_every_example_draws_anew():
    layer = TimeWarp(WIDTH, seed=0)
    first, second = (np.asarray(layer(ramps(5, FRAMES), training=True)) for _ in range(2))
    assert np.all(np.any(first != second, axis=(1, 2)))
    assert len({example.tobytes() for example in first}) == 5


def test_draws_depend_on_the_seed_alone(spectrograms):
    first, again, other = (
        np.asarray(TimeWarp(WIDTH, seed=seed)(spectrograms, training=True)) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


def warped_in_training(model, spectrograms):
    """What a model makes of a batch in training, in a graph for batches of any size."""
    signature = [tf.TensorSpec((None, FRAMES, BANDS))]
    graph = tf.function(lambda batch: model(batch, training=True), input_signature=signature)
    return np.asarray(graph(spectrograms))


@pytest.mark.parametrize("seed", [0, None])
def test_loaded_model_goes_on_with_the_draws_of_the_saved_one(tmp_path, spectrograms, seed):
    windows = keras.Input((FRAMES, BANDS))
    model = keras.Model(windows, TimeWarp(WIDTH, seed=seed)(windows))
    first = warped_in_training(model, spectrograms)
    model.save(tmp_path / "model.keras")

    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)

    found = warped_in_training(loaded, spectrograms)
    np.testing.assert_array_equal(found, warped_in_training(model, spectrograms))
    assert np.any(found != first)


def test_half_precision_moves_frames_as_far():
    # Numbers of frames beyond 256 have no fractions of a quarter in float16.
    noise = np.random.default_rng(0).normal(size=(3, 600, 2)).astype("float16")

    output = TimeWarp(80, seed=0, dtype="float16")(noise, training=True)

    assert keras.backend.standardize_dtype(output.dtype) == "float16"
    expected = TimeWarp(80, seed=0)(noise.astype("float32"), training=True)
    np.testing.assert_allclose(np.asarray(output, "float32"), expected, atol=0.01)


def test_gradient_goes_to_the_frames_that_are_shown(spectrograms):
    inputs = tf.constant(spectrograms)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        output = TimeWarp(WIDTH, seed=0)(inputs, training=True)
    gradient = np.asarray(tape.gradient(output, inputs))

    # Each of the shown frames is a mean of two with weights that add up to 1.
    np.testing.assert_allclose(gradient.sum(axis=1), FRAMES, rtol=1e-5)
    assert gradient.min() >= 0.0


def test_layer_contract(spectrograms):
    check_layer(TimeWarp(WIDTH, seed=0), spectrograms, output_shape=(5, FRAMES, BANDS))


def test_negative_width_is_refused():
    with pytest.raises(ValueError, match=r"`width` must not be negative\. Received: width=-1"):
        TimeWarp(-1)


def test_width_that_leaves_no_frame_is_refused(spectrograms):
    TimeWarp(5)(spectrograms, training=True)
    message = re.escape("leave a frame between `width` and 12 - `width`. Received: width=6")
    with pytest.raises(ValueError, match=message):
        TimeWarp(6)(spectrograms)
    assert [least_frames(width) for width in (0, 1, 5, 6)] == [1, 4, 12, 14]


def test_spectrograms_of_unknown_length_are_refused():
    with pytest.raises(ValueError, match=r"needs to know the number of frames\. Received: .*None"):
        TimeWarp(1)(keras.Input((None, 16)))
