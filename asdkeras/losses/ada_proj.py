"""AdaProj: an angular softmax in which a class owns a subspace."""

import math

import keras
from keras import ops

from asdkeras.losses.adaptive_scale import (
    AdaptiveScaleHead,
    angles_of,
    batch_mean_of_sums,
    capped_median,
)
from asdkeras.losses.cosines import check_inputs, unit_vectors


@keras.saving.register_keras_serializable(package="asdkeras")
class AdaProj(AdaptiveScaleHead):
    """Class logits from cosines to the projection on each class's subspace.

    The centers of a class span its subspace. An embedding x is projected on it, and
    the logit is the scaled cosine between x and its projection p: near `scale` inside
    the subspace, wherever there, and 0 at right angles to it. With one center per class
    the logit is `scale` times the absolute cosine, so a direction and its opposite are
    alike. Train with `MixedCrossEntropy`. Each training call first moves `scale` to suit
    its own batch, see `adapted_scale`; inference never does. Always computed in float32.

    The projection is that of the released code: centers have length 1 but are not made
    orthogonal, so p is the sum of x's shadows on them and the cosine of a vector inside
    the subspace averages 0.975, not 1 (512 dimensions, 32 centers, at random). The sign
    is that of the released code too: the paper prints the squared distance from x to p
    as the logit, by which the farthest class were the likeliest; up to a constant, the
    code takes minus half that distance.

    A saved model loads without `custom_objects` once this module is imported.

    Args:
        num_classes: int, at least 2. Classes of the auxiliary task (paper: C).
        subspace_dimension: int, at least 1, below the embedding's dimension. Centers per
            class (paper: J).
        trainable_centers: bool. False in paper and code.
        scale_update: `guarded` keeps the scale within its floor and ceiling and skips
            an update that is not finite; `reference` does neither; `fixed` stays at the
            start value.
        scale_floor: float above 0. Not read by `reference`.
        scale_ceiling: float above the floor. The largest scale of a healthy training
            was below 24, but with mixed labels a task that is too easy lets it grow
            without bound. Not read by `reference`.

    Call arguments:
        embeddings: float, `(batch, dim)`. Only the direction matters, and not its sign.
        labels: float, `(batch, num_classes)`, may be mixed. Read in training only.

    Attributes:
        centers: weight, `(dim, num_classes * subspace_dimension)`; column `c * J + j` is
            center j of class c.
        scale: weight, scalar (paper: s). Starts at `sqrt(2) log(C J - 1)`.
        scale_clamped: weight, scalar, number of updates that the guard changed.

    Output shape: `(batch, num_classes)`, float32 logits between 0 and `scale`, up to
    rounding.

    Raises:
        ValueError: if an argument is out of range, the embeddings have too few dimensions
            for the subspace or inputs another shape.

    References:
        Wilkinghoff, "AdaProj: Adaptively Scaled Angular Margin Subspace Projections for
        Anomalous Sound Detection with Auxiliary Classification Tasks", DCASE Workshop
        2024.
    """

    _per_class = "subspace_dimension"
    _scale_updates = ("guarded", "reference", "fixed")

    def __init__(
        self,
        num_classes,
        subspace_dimension,
        trainable_centers=False,
        scale_update="guarded",
        scale_floor=0.5,
        scale_ceiling=64.0,
        **kwargs,
    ):
        super().__init__(
            num_classes,
            subspace_dimension,
            trainable_centers,
            scale_update,
            scale_floor,
            scale_ceiling,
            **kwargs,
        )
        self.subspace_dimension = subspace_dimension

    def build(self, embeddings_shape, labels_shape=None):
        dim = embeddings_shape[-1]
        if self.subspace_dimension >= dim:
            raise ValueError(
                "AdaProj needs `subspace_dimension` below the embeddings' dimension: a "
                "subspace that fills the space holds every embedding. Received: "
                f"subspace_dimension={self.subspace_dimension}, embeddings of dimension {dim}"
            )
        num_centers = self.num_classes * self.subspace_dimension
        self._build_weights(dim, math.sqrt(2) * math.log(num_centers - 1))

    def call(self, embeddings, labels, training=False):
        check_inputs(self, embeddings, labels, training)
        embeddings = ops.cast(embeddings, "float32")
        cosines = cosines_to_projections(embeddings, self.centers, self.num_classes)
        scale = self._scale_for(cosines, labels, training, adapted_scale)
        return scale * cosines


def cosines_to_projections(embeddings, centers, num_classes):
    """Cosine between every embedding and its projection on every class's subspace.

    With a the cosines of x to the J centers of a class and G those centers' products
    with each other, the projection p is `sum_j a_j w_j`, so `<x, p> = |a|^2` and
    `|p|^2 = a' G a`: p itself, a `(batch, dim, classes)` array, is never built.

    Args:
        embeddings: float, `(batch, dim)`.
        centers: float, `(dim, classes * J)`, the centers of a class in a row.
        num_classes: int.

    Returns:
        float in [0, 1] up to rounding, `(batch, classes)`; 0 for a zero vector.
    """
    dim, num_centers = centers.shape
    centers = unit_vectors(centers, axis=0)
    cosines = ops.matmul(unit_vectors(embeddings, axis=-1), centers)
    cosines = ops.reshape(cosines, (-1, num_classes, num_centers // num_classes))

    by_class = ops.transpose(ops.reshape(centers, (dim, num_classes, -1)), (1, 2, 0))
    products = ops.matmul(by_class, ops.transpose(by_class, (0, 2, 1)))
    # A matrix product for each class: an einsum of all three takes half as long again.
    cosines_by_class = ops.transpose(cosines, (1, 0, 2))
    projections = ops.matmul(cosines_by_class, products)
    squared_lengths = ops.transpose(ops.sum(projections * cosines_by_class, axis=-1))
    squares = ops.sum(ops.square(cosines), axis=-1)
    return squares * ops.rsqrt(ops.maximum(squared_lengths, 1e-12))


def adapted_scale(cosines, labels, scale):
    """The scale for this batch, given the scale it has now, as in the released code.

    The logit of a clip's own class counts as 0, but only where the label is exactly 1:
    among mixed labels the own classes stay in, except for a pair of one class. The angle
    of a clip is the one to its own subspace, weighted by label if mixed.

    Args:
        cosines: float, `(batch, classes)`.
        labels: float, `(batch, classes)`.
        scale: float scalar, the present scale.

    Returns:
        float scalar, above 0, may be infinite.
    """
    exponents = ops.where(labels < 1.0, scale * cosines, 0.0)
    label_angles = ops.sum(labels * angles_of(cosines), axis=-1)
    return batch_mean_of_sums(exponents) / ops.cos(capped_median(label_angles)) + 1e-7
