"""Log-likelihoods of Gaussians with full covariances."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

Floats = NDArray[np.float64]


def log_likelihoods(embeddings: Floats, means: Floats, covariances: Floats) -> Floats:
    """Log density of every embedding under every Gaussian, `(clips, components)`, in nats.

    Args:
        embeddings: `(clips, dim)`.
        means: `(components, dim)`.
        covariances: `(components, dim, dim)`, positive definite.
    """
    columns = [
        _log_likelihood(embeddings, mean, np.linalg.cholesky(covariance))
        for mean, covariance in zip(means, covariances, strict=True)
    ]
    return np.stack(columns, axis=1)


def _log_likelihood(embeddings: Floats, mean: Floats, lower: Floats) -> Floats:
    whitened = solve_triangular(lower, (embeddings - mean).T, lower=True, check_finite=False)
    log_determinant = 2.0 * np.log(np.diagonal(lower)).sum()
    return -0.5 * (len(mean) * np.log(2.0 * np.pi) + log_determinant + (whitened**2).sum(axis=0))
