"""Mean and deviation of the samples of many clips, each clip read only once.

A dataset of 42,000 clips is 13 GB, and every model on normalized clips would read it all before
it starts. So mean and squared deviations of each clip are kept in a file beside the samples.
"""

import fcntl
import os
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asdkeras import files
from asdkeras.data.audio import INT16_SCALE, Samples

_SAMPLES_AT_ONCE = 2**20  # Sums of so many squares of int16 are exact in float64.

Floats = npt.NDArray[np.float64]
ReadSamples = Callable[[np.int64, int, int], Samples]


def joined(counts: npt.ArrayLike, means: npt.ArrayLike, squares: npt.ArrayLike) -> Floats:
    """Mean and sum of squared deviations, `(2,)`, of several sets of samples taken together.

    Measured from the mean of the first set, so that a deviation small beside the mean keeps its
    digits, and sets that are constant and equal give a deviation of exactly 0 (Chan et al.,
    "Updating formulae and a pairwise algorithm for computing sample variances", 1979). All three
    arguments are `(sets,)`; `squares` has the sums of squared deviations from the own means.
    """
    weights, all_means = np.asarray(counts, np.float64), np.asarray(means, np.float64)
    distances = all_means - all_means[0]
    shift = np.dot(weights, distances) / weights.sum()
    between = np.dot(weights, (distances - shift) ** 2)
    return np.array([all_means[0] + shift, np.sum(squares) + between])


def clip_moments(
    positions: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
    read_samples: ReadSamples,
    path: Path,
) -> Floats:
    """Mean and sum of squared deviations of each of some clips in [-1, 1], `(clips, 2)`.

    What is not in the file yet is computed and added to it, by one process at a time; others that
    want the same clips wait and find them there.

    Args:
        positions: `(clips,)`, clips of the store.
        lengths: samples of all clips of the store.
        read_samples: from a clip, first sample and last sample + 1 to the stored samples; called by
            several threads at once.
        path: the file. One that is damaged or of another shape is replaced.

    Raises:
        DataError: if the store has been cut off since it was opened.
        OSError: if the file cannot be written.
    """
    known = _read(path, len(lengths))
    if np.isnan(known[positions]).any():
        with path.with_suffix(".lock").open("w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # One process or thread computes for this file.
            known = _read(path, len(lengths))
            missing = np.unique(positions[np.isnan(known[positions]).any(axis=1)])
            if len(missing):
                with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as executor:
                    found = executor.map(
                        lambda clip: _moments_of(clip, int(lengths[clip]), read_samples), missing
                    )
                    known[missing] = list(found)
                files.write_arrays(path, {"moments": known})
    return known[positions]


def _moments_of(clip: np.int64, length: int, read_samples: ReadSamples) -> Floats:
    counts, moments = [], []
    for start in range(0, length, _SAMPLES_AT_ONCE):
        samples = read_samples(clip, start, min(start + _SAMPLES_AT_ONCE, length))
        counts.append(len(samples))
        moments.append(_moments_of_block(samples))
    return joined(counts, *zip(*moments, strict=True))


def _moments_of_block(samples: Samples) -> tuple[float, float]:
    values, count = samples.astype(np.float64), len(samples)
    if samples.dtype == np.int16:
        # As near to the truth as float64 can be, for the sums are whole numbers.
        total, total_of_squares = int(values.sum()), int(np.dot(values, values))
        squares = (count * total_of_squares - total**2) / count
        return total / count * INT16_SCALE, squares * INT16_SCALE**2
    mean = values.mean()
    values -= mean
    return float(mean), float(np.dot(values, values))


def _read(path: Path, num_clips: int) -> Floats:
    """Known moments, `(num_clips, 2)`; NaN where the file has none."""
    unknown = np.full((num_clips, 2), np.nan)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            moments = content["moments"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return unknown
    fits = moments.shape == unknown.shape and moments.dtype == np.float64
    return moments if fits else unknown
