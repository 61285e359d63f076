"""How unlikely the frames of a clip are under each of several Gaussians, pooled over time."""

import math

import keras
import numpy as np
from keras import ops
from scipy.linalg import solve_triangular

_LOG_TWO_PI = math.log(2.0 * math.pi)


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
    of magnitude apart; a backend without float64 computes in the widest type it has.

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
        count = self.num_gaussians
        self.mean = self._constants("mean", np.zeros((count, bands)))
        self.whitening = self._constants("whitening", np.tile(np.eye(bands), (count, 1, 1)))
        self.offset = self._constants("offset", np.full(count, 0.5 * bands * _LOG_TWO_PI))

    def _constants(self, name, values):
        return self.add_weight(
            name=name,
            shape=values.shape,
            initializer=lambda shape, dtype: ops.convert_to_tensor(values, dtype),
            dtype="float64",
            autocast=False,
            trainable=False,
        )

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
        lowers = [np.linalg.cholesky(gaussian.covariance) for gaussian in gaussians]
        self.mean.assign(np.array(means))
        self.whitening.assign(np.array([_inverse(lower).T for lower in lowers]))
        self.offset.assign(np.array([_score_at_mean(lower) for lower in lowers]))

    def compute_output_spec(self, errors):
        return keras.KerasTensor((errors.shape[0], self.num_gaussians, 3), "float64")

    def call(self, errors):
        errors = ops.cast(errors, "float64")
        # One Gaussian after the other: all frames whitened by all of them at once would be
        # as many times the memory.
        scores = [self._pooled(errors, number) for number in range(self.num_gaussians)]
        return ops.stack(scores, axis=1)

    def _pooled(self, errors, number):
        whitened = ops.matmul(errors - self.mean[number], self.whitening[number])
        frames = self.offset[number] + 0.5 * ops.sum(ops.square(whitened), axis=-1)
        pooled = [ops.mean(frames, axis=1), ops.max(frames, axis=1), ops.median(frames, axis=1)]
        return ops.stack(pooled, axis=-1)


def _inverse(lower):
    return solve_triangular(lower, np.eye(len(lower)), lower=True)


def _score_at_mean(lower):
    return 0.5 * len(lower) * _LOG_TWO_PI + np.log(np.diagonal(lower)).sum()
