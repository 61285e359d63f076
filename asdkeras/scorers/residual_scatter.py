"""Sums over batches of residuals, from which their covariance is made."""

from typing import NamedTuple

import numpy as np

from asdkeras.scorers.gaussians import Floats


class ResidualScatter(NamedTuple):
    """Sums over the residual rows of one domain.

    Attributes:
        n_rows: `frames` for every vector.
        mean: `(bands,)`, over all rows.
        within: `(bands, bands)`, outer products of rows less the mean of their batch, summed.
        between: `(bands, bands)`, what `within` lacks of those of rows less `mean`.
    """

    n_vectors: int
    n_rows: int
    mean: Floats
    within: Floats
    between: Floats


def with_batch(scatter: ResidualScatter | None, residuals: Floats) -> ResidualScatter | None:
    """The scatter of one domain with a batch of its vectors, `(vectors, frames, bands)`, added.

    It is None before the first vector of the domain, and stays as it is if the batch has none.
    """
    if len(residuals) == 0:
        return scatter
    rows = residuals.reshape(-1, residuals.shape[-1])
    mean = rows.mean(axis=0)
    centered = rows - mean
    within = centered.T @ centered
    if scatter is None:
        return ResidualScatter(len(residuals), len(rows), mean, within, np.zeros_like(within))
    n_rows = scatter.n_rows + len(rows)
    gap = mean - scatter.mean
    return ResidualScatter(
        scatter.n_vectors + len(residuals),
        n_rows,
        scatter.mean + len(rows) / n_rows * gap,
        scatter.within + within,
        scatter.between + scatter.n_rows * len(rows) / n_rows * np.outer(gap, gap),
    )
