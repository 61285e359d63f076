"""One length for all clips: which samples stay, and that they are not copied in vain."""

import numpy as np
import pytest

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
