"""WindowPoints against points collected one by one."""

import keras
import numpy as np
import pytest

from asdkeras.layers.window_points import WindowPoints
from tests.contracts import check_layer

WINDOWS = np.random.default_rng(0).normal(size=(2, 4, 6)).astype("float32")
MEMBERS = {  # Of 4 frames and 6 bands.
    "all": lambda frame, band: True,
    "early": lambda frame, band: frame in (0, 1),
    "late": lambda frame, band: frame in (2, 3),
    "low": lambda frame, band: band in (0, 1, 2),
    "high": lambda frame, band: band in (3, 4, 5),
    "even": lambda frame, band: band in (0, 2, 4),
    "odd": lambda frame, band: band in (1, 3, 5),
}


def points_by_definition(window, is_member):
    frames, bands = window.shape
    return [
        (2 * frame / (frames - 1) - 1, 2 * band / (bands - 1) - 1, window[frame, band])
        for frame in range(frames)
        for band in range(bands)
        if is_member(frame, band)
    ]


@pytest.mark.parametrize("part", MEMBERS)
def test_points_are_those_collected_one_by_one(part):
    expected = [points_by_definition(window, MEMBERS[part]) for window in WINDOWS]

    np.testing.assert_allclose(WindowPoints(part)(WINDOWS), expected, rtol=0, atol=1e-6)


def test_all_points_unless_told():
    np.testing.assert_array_equal(WindowPoints()(WINDOWS), WindowPoints("all")(WINDOWS))


@pytest.mark.parametrize("pair", [("early", "late"), ("low", "high"), ("even", "odd")])
def test_two_parts_make_a_window_of_odd_sizes_whole(pair):
    window = np.arange(15, dtype="float32").reshape(1, 3, 5)

    values = [np.array(WindowPoints(part)(window))[0, :, 2] for part in pair]

    assert sorted(np.concatenate(values)) == list(range(15))
    assert len(values[0]) != len(values[1])


def test_the_layer_keeps_the_contract():
    check_layer(WindowPoints("odd"), WINDOWS, output_shape=(2, 12, 3))


def test_an_unknown_part_is_refused():
    with pytest.raises(ValueError, match=r"one of .*'early'.*Received: part='left'"):
        WindowPoints("left")


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (None, 5), (5, None)])
def test_windows_without_two_known_frames_and_bands_are_refused(shape):
    with pytest.raises(ValueError, match=r"at least two of each.*Received: windows of shape"):
        WindowPoints()(keras.Input(shape))
