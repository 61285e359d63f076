"""How unlikely the frames of a clip are under each of several Gaussians, pooled over time."""

import math

import keras
import numpy as np
from keras import ops
from scipy.linalg import solve_triangular

from asdkeras.dsp.precision import working_dtype
from asdkeras.layers.fitted_weights import add_fitted_weight

LOG_TWO_PI = math.log(2.0 * math.pi)


@keras.saving.register_keras_serializable(package="asdkeras")
class GaussianScores(keras.layers.Layer):
    """Negative log-likelihood of frames under every Gaussian, as mean, maximum and median.

    What `FrameGaussian` and `pool_frames` compute, as part of a model that is saved whole.
    For a frame `e` of `F` bands and a Gaussian with mean `m` and covariance `C`,

        (F log(2 pi) + log det C + |W' (e - m)|^2) / 2,    W W' = inverse of C

    and then the mean, the maximum and the median over the frames of the clip. The Gaussians
    are weights that nothing trains and `set_gaussians` sets; until then they are standard
    normal.

    Computed in float64, for the covariance of a hundred bands has eigenvalues many orders
    of magnitude apart; a backend without float64 computes in the widest type it has. In
    float32 within `asdkeras.dsp.precision.single_precision`.

    Args:
        num_gaussians: int, at least 1.

    Call arguments:
        errors: float, `(batch, frames, bands)`, bands fixed.

    Attributes:
        mean: weight, float64, `(num_gaussians, bands)`.
        whitening: weight, float64, `(num_gaussians, bands, bands)` (W above).
        offset: weight, float64, `(num_gaussians,)`: the score of a frame at the mean.

    Output shape: `(batch, num_gaussians, 3)`, float64, nats, higher is more anomalous.

    Raises:
        ValueError: if `num_gaussians` is below 1; when built, if the number of bands is
            unknown.

    References:
        Kuroyanagi et al., "Anomalous Sound Detection with Ensemble of Autoencoder and Binary
        Classification Approaches", DCASE 2021 Challenge.
    """

    def __init__(self, num_gaussians, **kwargs):
        super().__init__(autocast=False, **kwargs)
        if num_gaussians < 1:
            raise ValueError(
                f"`num_gaussians` must be at least 1. Received: num_gaussians={num_gaussians}"
            )
        self.num_gaussians = num_gaussians
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def build(self, input_shape):
        bands = input_shape[-1]
        if bands is None:
            raise ValueError(
                "GaussianScores needs to know the number of bands. Received: errors of shape "
                f"{tuple(input_shape)}"
            )
        add_standard_normals(self, self.num_gaussians, bands)
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: bands})

    def set_gaussians(self, gaussians):
        """Take over means and covariances; builds the layer if it is not.

        Args:
            gaussians: list of `num_gaussians` `FrameGaussian`, or anything with `mean`,
                `(bands,)`, and `covariance`, `(bands, bands)`, positive definite.

        Raises:
            ValueError: if the number of Gaussians or of their bands is another one.
        """
        means = [np.asarray(gaussian.mean, np.float64) for gaussian in gaussians]
        if len(means) != self.num_gaussians:
            raise ValueError(
                f"GaussianScores has places for {self.num_gaussians} Gaussians. "
                f"Received: {len(means)} gaussians"
            )
        if not self.built:
            self.build((None, None, len(means[0])))
        bands = self.mean.shape[-1]
        received = [len(mean) for mean in means]
        if set(received) != {bands}:
            raise ValueError(
                f"GaussianScores was built for frames of {bands} bands. "
                f"Received: gaussians of {received} bands"
            )
        whitening = [whitening_of(gaussian.covariance) for gaussian in gaussians]
        self.mean.assign(np.array(means))
        self.whitening.assign(np.array(whitening))
        self.offset.assign(np.array([score_at_mean(factor) for factor in whitening]))

    def compute_output_spec(self, errors):
        return keras.KerasTensor((errors.shape[0], self.num_gaussians, 3), working_dtype())

    def call(self, errors):
        errors = ops.cast(errors, working_dtype())
        # One Gaussian after the other: all frames whitened by all of them at once would be
        # as many times the memory.
        scores = [self._pooled(errors, number) for number in range(self.num_gaussians)]
        return ops.stack(scores, axis=1)

    def _pooled(self, errors, number):
        mean, whitening, offset = (
            ops.cast(weight, working_dtype())[number]
            for weight in (self.mean, self.whitening, self.offset)
        )
        whitened = ops.matmul(errors - mean, whitening)
        frames = offset + 0.5 * ops.sum(ops.square(whitened), axis=-1)
        pooled = [ops.mean(frames, axis=1), ops.max(frames, axis=1), _median(frames)]
        return ops.stack(pooled, axis=-1)


def add_standard_normals(layer, count, dim):
    """Add the weights `mean`, `whitening` and `offset` of Gaussians, standard normal as yet.

    Args:
        layer: Keras layer, being built.
        count: int, Gaussians.
        dim: int, of each.
    """
    layer.mean = add_fitted_weight(layer, "mean", np.zeros((count, dim)))
    whitening = np.broadcast_to(np.eye(dim), (count, dim, dim))
    layer.whitening = add_fitted_weight(layer, "whitening", whitening)
    layer.offset = add_fitted_weight(layer, "offset", np.full(count, 0.5 * dim * LOG_TWO_PI))


def _median(frames):
    """Of every row. `ops.median` looks for it in float64, whatever it is the median of."""
    ascending = ops.sort(frames, axis=1)
    count = ops.shape(frames)[1]
    return 0.5 * (ascending[:, (count - 1) // 2] + ascending[:, count // 2])


def whitening_of(covariance):
    """W with W W' the inverse of a covariance, upper triangular.

    Args:
        covariance: float, `(dim, dim)`.

    Returns:
        ndarray `(dim, dim)`, float64.

    Raises:
        ValueError: if the covariance is not positive definite.
    """
    covariance = np.asarray(covariance, np.float64)
    try:
        lower = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError as error:
        raise ValueError(
            "a covariance must be a positive definite matrix, for its inverse weighs what is "
            f"scored. Received: a covariance of shape {covariance.shape} that is not"
        ) from error
    return solve_triangular(lower, np.eye(len(lower)), lower=True).T


def score_at_mean(whitening):
    """Negative log-likelihood at the mean of the Gaussian with this whitening, in nats."""
    return 0.5 * len(whitening) * LOG_TWO_PI - np.log(np.diagonal(whitening)).sum()
