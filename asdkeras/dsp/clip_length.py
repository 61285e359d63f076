"""One length for all clips."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt


def fit_clip_length(
    waveform: npt.NDArray[Any], clip_length: int, keep: Literal["start", "end"]
) -> npt.NDArray[Any]:
    """Cut a clip that is too long, repeat one that is too short.

    Repeating and not padding: silence at the end would be a sound of its own that tells
    machine types with short clips from the others.

    Args:
        waveform: `(samples,)`, any dtype.
        clip_length: int > 0, samples wanted.
        keep: which end of a longer clip stays. A shorter one is repeated from its start.

    Returns:
        `(clip_length,)` of the same dtype; the waveform itself if the length agrees, a
        view of it if it was longer.

    Raises:
        ValueError: if the waveform or `clip_length` is empty.

    >>> fit_clip_length(np.array([1, 2, 3]), 2, keep="end")
    array([2, 3])
    >>> fit_clip_length(np.array([1, 2, 3]), 7, keep="end")
    array([1, 2, 3, 1, 2, 3, 1])
    """
    length = len(waveform)
    if length == 0 or clip_length < 1:
        raise ValueError(
            "a clip and its wanted length need at least one sample. "
            f"Received: {length} samples, clip_length={clip_length}"
        )
    if length == clip_length:
        return waveform
    if length > clip_length:
        return waveform[:clip_length] if keep == "start" else waveform[length - clip_length :]
    return np.tile(waveform, -(-clip_length // length))[:clip_length]
