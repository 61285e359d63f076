"""Distance of an embedding to the nearest exemplars of normal sound."""

import keras
import numpy as np
from keras import ops

from asdkeras.dsp.precision import working_dtype
from asdkeras.layers.fitted_weights import add_fitted_weight
from asdkeras.layers.unit_vectors import scaled_to_length_one

# So many exemplars are subtracted from a batch at a time, which bounds the memory it takes.
_BLOCK = 256


@keras.saving.register_keras_serializable(package="asdkeras")
class ExemplarDistance(keras.layers.Layer):
    """Mean distance to the nearest exemplars, such as normal clips or means of some.

    What `NearestNeighborScorer` computes, as part of a model that is saved whole. Distances
    are sums of squared differences and not differences of large sums, so that close embeddings
    keep their digits in single precision too; the cosine distance of unit vectors is half of
    it. It takes `batch * 256 * dim` numbers at a time, whatever the number of exemplars.

    The exemplars are weights that nothing trains and `set_exemplars` sets; until then they
    are zeros. Computed in float64, in float32 within
    `asdkeras.dsp.precision.single_precision`.

    Args:
        num_exemplars: int, at least 1.
        metric: `cosine`, 1 - <x, c> / (|x| |c|); a vector of zeros is at distance 1 of
            everything, even of zeros, as in scikit-learn. `euclidean`, |x - c|. `dot`,
            1 - <x, c>, the cosine distance only if both have length 1.
        num_neighbors: int, at least 1, nearest exemplars whose distances are averaged; all of
            them where there are fewer.

    Call arguments:
        embeddings: float, `(batch, dim)`, dim fixed.

    Attributes:
        exemplars: weight, float64, `(num_exemplars, dim)`, as they were set.

    Output shape: `(batch,)`, float64, higher is more anomalous.

    Raises:
        ValueError: if `num_exemplars` or `num_neighbors` is below 1 or `metric` unknown; when
            built, if the dimension is unknown.
    """

    def __init__(self, num_exemplars, metric="cosine", num_neighbors=1, **kwargs):
        super().__init__(autocast=False, **kwargs)
        for name, count in (("num_exemplars", num_exemplars), ("num_neighbors", num_neighbors)):
            if count < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={count}")
        if metric not in _DISTANCES:
            raise ValueError(
                f"`metric` must be one of {tuple(_DISTANCES)}. Received: metric={metric!r}"
            )
        self.num_exemplars = num_exemplars
        self.metric = metric
        self.num_neighbors = num_neighbors
        self.input_spec = keras.layers.InputSpec(ndim=2)

    def build(self, input_shape):
        dim = input_shape[-1]
        if dim is None:
            raise ValueError(
                "ExemplarDistance needs to know the dimension of embeddings. Received: "
                f"embeddings of shape {tuple(input_shape)}"
            )
        self.exemplars = add_fitted_weight(self, "exemplars", np.zeros((self.num_exemplars, dim)))
        self.input_spec = keras.layers.InputSpec(shape=(None, dim))

    def set_exemplars(self, exemplars):
        """Take over exemplars; builds the layer if it is not.

        Args:
            exemplars: float, `(num_exemplars, dim)`.

        Raises:
            ValueError: if the number of exemplars or their dimension is another one.
        """
        exemplars = np.asarray(exemplars, np.float64)
        if exemplars.ndim != 2 or len(exemplars) != self.num_exemplars:
            raise ValueError(
                f"ExemplarDistance has places for {self.num_exemplars} exemplars, one in each "
                f"row. Received: exemplars of shape {exemplars.shape}"
            )
        if not self.built:
            self.build((None, exemplars.shape[1]))
        if self.exemplars.shape[1] != exemplars.shape[1]:
            raise ValueError(
                "ExemplarDistance was built for embeddings of dimension "
                f"{self.exemplars.shape[1]}. Received: exemplars of shape {exemplars.shape}"
            )
        self.exemplars.assign(exemplars)

    def compute_output_spec(self, embeddings):
        return keras.KerasTensor(embeddings.shape[:1], working_dtype())

    def call(self, embeddings):
        embeddings = ops.cast(embeddings, working_dtype())
        exemplars = ops.cast(self.exemplars, working_dtype())
        if self.metric == "cosine":
            embeddings, exemplars = map(scaled_to_length_one, (embeddings, exemplars))
        starts = range(0, self.num_exemplars, _BLOCK)
        distances = _DISTANCES[self.metric]
        blocks = [distances(embeddings, exemplars[start : start + _BLOCK]) for start in starts]
        nearest = self._nearest(ops.concatenate(blocks, axis=1))
        return ops.mean(ops.sqrt(nearest) if self.metric == "euclidean" else nearest, axis=1)

    def _nearest(self, distances):
        """The smallest distances, `(batch, neighbors)`."""
        count = min(self.num_neighbors, self.num_exemplars)
        if count == 1:  # Without a search, which not every export format has.
            return ops.min(distances, axis=1, keepdims=True)
        return -ops.top_k(-distances, count)[0]


def _squared_distances(embeddings, exemplars):
    return ops.sum(ops.square(ops.expand_dims(embeddings, 1) - exemplars), axis=-1)


def _cosine_distances(embeddings, exemplars):
    """1 - <x, c> of vectors of length 1 or 0: half of |x - c|^2 + 1 - |x|^2 + 1 - |c|^2."""
    missing = ops.expand_dims(_missing(embeddings), 1) + _missing(exemplars)
    return 0.5 * (_squared_distances(embeddings, exemplars) + missing)


def _products(embeddings, exemplars):
    return 1.0 - ops.matmul(embeddings, ops.transpose(exemplars))


def _missing(directions):
    """1 for vectors without direction, and exactly 0 for others, whatever their rounding."""
    return ops.cast(ops.sum(ops.square(directions), axis=-1) < 0.5, directions.dtype)


_DISTANCES = {"cosine": _cosine_distances, "euclidean": _squared_distances, "dot": _products}
