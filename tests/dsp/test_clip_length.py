"""One length for all clips: which samples stay, and that they are not copied in vain."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdkeras.dsp.clip_length import fit_clip_length


@pytest.mark.parametrize(
    ("length", "clip_length", "keep", "expected"),
    [
        (5, 3, "end", [2, 3, 4]),
        (5, 3, "start", [0, 1, 2]),
        (2, 5, "end", [0, 1, 0, 1, 0]),
        (2, 5, "start", [0, 1, 0, 1, 0]),
        (3, 6, "end", [0, 1, 2, 0, 1, 2]),
        (4, 5, "end", [0, 1, 2, 3, 0]),
    ],
)
def test_longer_clips_are_cut_and_shorter_ones_repeated(length, clip_length, keep, expected):
    fitted = fit_clip_length(np.arange(length, dtype=np.int16), clip_length, keep)

    assert fitted.tolist() == expected
    assert fitted.dtype == np.int16


def test_a_clip_of_the_right_length_is_not_copied():
    waveform = np.zeros(4, np.float32)
    assert fit_clip_length(waveform, 4, "end") is waveform


@pytest.mark.parametrize("keep", ["start", "end"])
def test_a_longer_clip_is_not_copied(keep):
    waveform = np.zeros(9, np.float32)
    assert np.shares_memory(fit_clip_length(waveform, 4, keep), waveform)


@pytest.mark.parametrize(("length", "clip_length"), [(0, 3), (3, 0)])
def test_nothing_cannot_be_fitted(length, clip_length):
    message = f"at least one sample.*Received: {length} samples, clip_length={clip_length}"
    with pytest.raises(ValueError, match=message):
        fit_clip_length(np.zeros(length), clip_length, "end")


LENGTHS = st.integers(1, 40)
DRAWS = st.floats(0.0, 1.0, exclude_max=True)


@given(length=LENGTHS, clip_length=LENGTHS, draw=DRAWS)
def test_a_random_window_is_a_part_of_the_repeated_clip(length, clip_length, draw):
    fitted = fit_clip_length(np.arange(length), clip_length, "random", draw)

    assert len(fitted) == clip_length
    assert fitted.tolist() == [(fitted[0] + step) % length for step in range(clip_length)]
    if length >= clip_length:
        assert fitted[0] <= fitted[-1]  # Not across the end of a clip that is long enough.


@pytest.mark.parametrize(
    ("length", "clip_length", "num_starts"), [(9, 4, 6), (4, 3, 2), (3, 7, 3), (4, 5, 4), (3, 6, 1)]
)
def test_every_start_is_as_likely(length, clip_length, num_starts):
    draws = (np.arange(100 * num_starts) + 0.5) / (100 * num_starts)

    starts = [int(fit_clip_length(np.arange(length), clip_length, "random", d)[0]) for d in draws]

    assert np.bincount(starts).tolist() == [100] * num_starts


@given(length=LENGTHS, clip_length=LENGTHS)
def test_draw_zero_is_the_start(length, clip_length):
    waveform = np.arange(length)
    expected = fit_clip_length(waveform, clip_length, "start")
    assert fit_clip_length(waveform, clip_length, "random", 0.0).tolist() == expected.tolist()
    assert fit_clip_length(waveform, clip_length, "random").tolist() == expected.tolist()


@given(length=LENGTHS, clip_length=LENGTHS)
def test_the_largest_draw_is_the_last_window(length, clip_length):
    waveform = np.arange(length)
    fitted = fit_clip_length(waveform, clip_length, "random", np.nextafter(1.0, 0.0))
    assert fitted[-1] == length - 1


@given(length=LENGTHS, draw=DRAWS)
def test_a_clip_of_the_right_length_is_itself_whatever_is_drawn(length, draw):
    waveform = np.arange(length)
    assert fit_clip_length(waveform, length, "random", draw) is waveform


def test_a_random_window_of_a_longer_clip_is_not_copied():
    waveform = np.zeros(9, np.float32)
    assert np.shares_memory(fit_clip_length(waveform, 4, "random", 0.5), waveform)


@pytest.mark.parametrize("keep", ["start", "end"])
def test_the_draw_is_for_random_windows_alone(keep):
    waveform = np.arange(9)
    assert np.array_equal(
        fit_clip_length(waveform, 4, keep, 0.5), fit_clip_length(waveform, 4, keep)
    )


@pytest.mark.parametrize("draw", [1.0, -0.1, float("nan")])
def test_a_draw_out_of_range_is_refused(draw):
    with pytest.raises(ValueError, match=rf"`draw` must lie in \[0, 1\).*Received: draw={draw}"):
        fit_clip_length(np.zeros(9), 4, "random", draw)
