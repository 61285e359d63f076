"""How unlikely an embedding is under the Gaussian of a mixture that explains it best."""

import keras
import numpy as np
from keras import ops

from asdkeras.dsp.precision import working_dtype
from asdkeras.layers.gaussian_scores import add_standard_normals, score_at_mean, whitening_of


@keras.saving.register_keras_serializable(package="asdkeras")
class MixtureScore(keras.layers.Layer):
    """Negative log-likelihood of an embedding and the closest component of a mixture.

    What `GaussianMixtureScorer` computes, as part of a model that is saved whole:

        -max_k [log w_k + log N(x; m_k, C_k)]
            = min_k [offset_k + |W_k' (x - m_k)|^2 / 2],    W_k W_k' = inverse of C_k

    The components are weights that nothing trains and `set_components` sets; until then
    they are standard normal. They are the larger part of a model: several hundred of 512
    dimensions take hundreds of megabytes. All are computed at once, which takes
    `batch * num_components * dim` numbers for a batch.

    Computed in float64, in float32 within `asdkeras.dsp.precision.single_precision`.

    Args:
        num_components: int, at least 1.

    Call arguments:
        embeddings: float, `(batch, dim)`, dim fixed.

    Attributes:
        mean: weight, float64, `(num_components, dim)`.
        whitening: weight, float64, `(num_components, dim, dim)` (W above).
        offset: weight, float64, `(num_components,)`: the score of an embedding at the mean.

    Output shape: `(batch,)`, float64, nats, higher is more anomalous.

    Raises:
        ValueError: if `num_components` is below 1; when built, if the dimension is unknown.
    """

    def __init__(self, num_components, **kwargs):
        super().__init__(autocast=False, **kwargs)
        if num_components < 1:
            raise ValueError(
                f"`num_components` must be at least 1. Received: num_components={num_components}"
            )
        self.num_components = num_components
        self.input_spec = keras.layers.InputSpec(ndim=2)

    def build(self, input_shape):
        dim = input_shape[-1]
        if dim is None:
            raise ValueError(
                "MixtureScore needs to know the dimension of embeddings. Received: embeddings "
                f"of shape {tuple(input_shape)}"
            )
        add_standard_normals(self, self.num_components, dim)
        self.input_spec = keras.layers.InputSpec(shape=(None, dim))

    def set_components(self, means, covariances, weights=None):
        """Take over the components of a mixture; builds the layer if it is not.

        Args:
            means: float, `(num_components, dim)`.
            covariances: float, `(num_components, dim, dim)`, positive definite.
            weights: float, `(num_components,)`, above 0, sum to 1. None leaves `log w_k` out.

        Raises:
            ValueError: if a shape is another one, a covariance is not positive definite or a
                weight not above 0.
        """
        means, covariances = np.asarray(means, np.float64), np.asarray(covariances, np.float64)
        weights = np.ones(len(means)) if weights is None else np.asarray(weights, np.float64)
        self._check_components(means, covariances, weights)
        if not self.built:
            self.build((None, means.shape[1]))
        if self.mean.shape[1] != means.shape[1]:
            raise ValueError(
                f"MixtureScore was built for embeddings of dimension {self.mean.shape[1]}. "
                f"Received: means of shape {means.shape}"
            )
        whitening = np.array([whitening_of(covariance) for covariance in covariances])
        self.mean.assign(means)
        self.whitening.assign(whitening)
        self.offset.assign([score_at_mean(factor) for factor in whitening] - np.log(weights))

    def _check_components(self, means, covariances, weights):
        count, dim = self.num_components, means.shape[-1]
        found = (means.shape, covariances.shape, weights.shape)
        if found != ((count, dim), (count, dim, dim), (count,)):
            raise ValueError(
                f"MixtureScore has places for {count} components: means (components, dim), "
                "covariances (components, dim, dim) and weights (components,). Received: shapes "
                f"{found[0]}, {found[1]} and {found[2]}"
            )
        if not np.all(weights > 0.0):
            raise ValueError(
                "the weights of components must be above 0, for one of weight 0 explains "
                f"nothing. Received: weights={weights}. Leave such components out."
            )

    def compute_output_spec(self, embeddings):
        return keras.KerasTensor(embeddings.shape[:1], working_dtype())

    def call(self, embeddings):
        dtype = working_dtype()
        # Components first, for then all are whitened by one product of stacks of matrices.
        means = ops.expand_dims(ops.cast(self.mean, dtype), 1)
        gaps = ops.cast(embeddings, dtype) - means
        whitened = ops.matmul(gaps, ops.cast(self.whitening, dtype))
        offsets = ops.expand_dims(ops.cast(self.offset, dtype), 1)
        return ops.min(offsets + 0.5 * ops.sum(ops.square(whitened), axis=-1), axis=0)
