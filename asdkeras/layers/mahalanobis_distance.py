"""Length of a clip's residuals, measured by the covariance of those of normal sounds."""

import keras
import numpy as np
from keras import ops

from asdkeras.dsp.precision import working_dtype
from asdkeras.layers.fitted_weights import add_fitted_weight
from asdkeras.layers.gaussian_scores import whitening_of

_FORMS = ("mean_residual", "framewise")


@keras.saving.register_keras_serializable(package="asdkeras")
class MahalanobisDistance(keras.layers.Layer):
    """Squared Mahalanobis length of residuals, by the closest of several covariances.

    What `SelectiveMahalanobis` computes, as part of a model that is saved whole. For the
    mean residual m of a clip, or the mean M of the outer products of its residuals, and a
    covariance C, the form

        mean_residual: |W' m|^2,    W W' = inverse of C
        framewise:     trace of (inverse of C) M

    The first cannot be negative however it is rounded. The inverses are a weight that
    nothing trains and `set_covariances` sets; until then they are unit matrices.

    Computed in float64, in float32 within `asdkeras.dsp.precision.single_precision`; single
    precision costs `framewise` as many digits as the condition number of C has.

    Args:
        num_covariances: int, at least 1, such as one for each domain.
        form: `mean_residual` or `framewise`, see above.

    Call arguments:
        moments: float, `(batch, bands)`, m above, or `(batch, bands, bands)`, M above;
            bands fixed.

    Attributes:
        factor: weight, float64, `(num_covariances, bands, bands)`: W above, or the inverse
            of C.

    Output shape: `(batch,)`, float64, higher is more anomalous.

    Raises:
        ValueError: if `num_covariances` is below 1 or `form` unknown; when built, if the
            number of bands is unknown or moments are not square.
    """

    def __init__(self, num_covariances, form="mean_residual", **kwargs):
        super().__init__(autocast=False, **kwargs)
        if num_covariances < 1:
            raise ValueError(
                f"`num_covariances` must be at least 1. Received: num_covariances={num_covariances}"
            )
        if form not in _FORMS:
            raise ValueError(f"`form` must be one of {_FORMS}. Received: form={form!r}")
        self.num_covariances = num_covariances
        self.form = form
        self.input_spec = keras.layers.InputSpec(ndim=2 if form == "mean_residual" else 3)

    def build(self, input_shape):
        bands = input_shape[-1]
        if bands is None or set(input_shape[1:]) != {bands}:
            axes = "(batch, bands)" if self.form == "mean_residual" else "(batch, bands, bands)"
            raise ValueError(
                f"MahalanobisDistance needs moments of shape {axes} with the number of bands "
                f"known. Received: moments of shape {tuple(input_shape)}"
            )
        factors = np.broadcast_to(np.eye(bands), (self.num_covariances, bands, bands))
        self.factor = add_fitted_weight(self, "factor", factors)
        self.input_spec = keras.layers.InputSpec(shape=(None, *input_shape[1:]))

    def set_covariances(self, covariances):
        """Take over covariances; builds the layer if it is not.

        Args:
            covariances: list of `num_covariances` float arrays, `(bands, bands)`, positive
                definite.

        Raises:
            ValueError: if the number of covariances or of their bands is another one, or
                one is not positive definite.
        """
        if len(covariances) != self.num_covariances:
            raise ValueError(
                f"MahalanobisDistance has places for {self.num_covariances} covariances. "
                f"Received: {len(covariances)} covariances"
            )
        whitening = [whitening_of(covariance) for covariance in covariances]
        if not self.built:
            bands = len(whitening[0])
            self.build((None, bands) if self.form == "mean_residual" else (None, bands, bands))
        bands = self.factor.shape[-1]
        if {len(factor) for factor in whitening} != {bands}:
            raise ValueError(
                f"MahalanobisDistance was built for {bands} bands. Received: covariances of "
                f"{[len(factor) for factor in whitening]} bands"
            )
        if self.form == "framewise":
            whitening = [factor @ factor.T for factor in whitening]
        self.factor.assign(np.array(whitening))

    def compute_output_spec(self, moments):
        return keras.KerasTensor(moments.shape[:1], working_dtype())

    def call(self, moments):
        moments = ops.cast(moments, working_dtype())
        factor = ops.cast(self.factor, working_dtype())
        if self.form == "mean_residual":
            whitened = ops.matmul(moments, factor)
            return ops.min(ops.sum(ops.square(whitened), axis=-1), axis=0)
        # Both matrices are symmetric, so the trace of their product is one of vectors.
        size = factor.shape[-1] ** 2
        vectors = ops.reshape(moments, (-1, size))
        return ops.min(ops.matmul(vectors, ops.transpose(ops.reshape(factor, (-1, size)))), axis=1)
