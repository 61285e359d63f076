"""Mean and variance of the bands of features, by which systems standardize them."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

_SMALLEST_VARIANCE = 1e-6  # In dB squared: a band that varies less carries no sound.


def band_moments(blocks: Iterable[npt.NDArray[np.floating]]) -> dict[str, npt.NDArray[np.float64]]:
    """Mean and variance of each band over all rows of blocks `(..., bands)` in dB, in one pass.

    Blocks are joined by their own means and squared deviations from them (Chan et al., "Updating
    formulae and a pairwise algorithm for computing sample variances", 1979), so a variance that is
    small beside the mean keeps its digits.

    Returns:
        `mean` and `variance`, `(bands,)`. The variance is that of a population (ddof 0), and 1 for
        a band that never changes, such as one above the band of a low sample rate: else a trace of
        sound in a test clip would drown all other bands.
    """
    mean: npt.NDArray[np.float64] = np.zeros(1)
    squares: npt.NDArray[np.float64] = np.zeros(1)
    count = 0
    for block in blocks:
        rows = block.reshape(-1, block.shape[-1])
        block_mean = rows.mean(axis=0, dtype=np.float64)
        shift, share = block_mean - mean, len(rows) / (count + len(rows))
        mean = mean + shift * share
        squares = squares + (((rows - block_mean) ** 2).sum(axis=0) + shift**2 * count * share)
        count += len(rows)
    variance = squares / count
    return {"mean": mean, "variance": np.where(variance > _SMALLEST_VARIANCE, variance, 1.0)}
