"""One length for all clips."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Keep = Literal["start", "end", "random"]


def fit_clip_length(
    waveform: npt.NDArray[Any], clip_length: int, keep: Keep, draw: float = 0.0
) -> npt.NDArray[Any]:
    """Cut a clip `(samples,)` that is too long, repeat one that is too short.

    Repeating and not padding: silence at the end would be a sound of its own that tells machine
    types with short clips from the others.

    Args:
        keep: which end of a longer clip stays; a shorter one is repeated from its start. `random`
            repeats it likewise, whole, until it is long enough, and keeps the window that `draw`
            chooses among all there are.
        draw: in [0, 1), where a random window starts: 0 is the start of the clip.

    Returns:
        `(clip_length,)` of the same dtype; the waveform or a view of it unless it was repeated.

    Raises:
        ValueError: if the waveform or `clip_length` is empty, or `draw` is out of range.

    >>> fit_clip_length(np.array([1, 2, 3]), 2, keep="end")
    array([2, 3])
    >>> fit_clip_length(np.array([1, 2, 3]), 7, keep="end")
    array([1, 2, 3, 1, 2, 3, 1])
    >>> fit_clip_length(np.array([1, 2, 3]), 7, keep="random", draw=0.5)
    array([2, 3, 1, 2, 3, 1, 2])
    """
    length = len(waveform)
    if length == 0 or clip_length < 1:
        raise ValueError(
            "a clip and its wanted length need at least one sample. "
            f"Received: {length} samples, clip_length={clip_length}"
        )
    if not 0.0 <= draw < 1.0:
        raise ValueError(f"`draw` must lie in [0, 1). Received: draw={draw}")
    if length == clip_length:
        return waveform
    if keep == "random":
        repeated = waveform if length > clip_length else _repeated(waveform, clip_length)
        start = int(draw * (len(repeated) - clip_length + 1))
        return repeated[start : start + clip_length]
    if length > clip_length:
        return waveform[:clip_length] if keep == "start" else waveform[length - clip_length :]
    return _repeated(waveform, clip_length)[:clip_length]


def _repeated(waveform: npt.NDArray[Any], least_length: int) -> npt.NDArray[Any]:
    return np.tile(waveform, -(-least_length // len(waveform)))
