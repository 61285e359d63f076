"""Sub-cluster AdaCos: an angular softmax in which a class owns several centers."""

import math

import keras
from keras import ops

from asdkeras.losses.adaptive_scale import (
    AdaptiveScaleHead,
    angles_of,
    batch_mean_of_sums,
    capped_median,
)
from asdkeras.losses.cosines import check_inputs, cosines_to_centers


@keras.saving.register_keras_serializable(package="asdkeras")
class SubClusterAdaCos(AdaptiveScaleHead):
    """Class logits from cosines to several centers per class, with a self-tuning scale.

    The softmax runs over every center of every class and a class collects the
    probability of its centers, so its logit is the log-sum-exp of its scaled cosines.
    Train with `MixedCrossEntropy`. Each training call first moves `scale` to suit its
    own batch; inference never does. Always computed in float32.

    The update keeps two oddities of the released code, see `adapted_scale`; both let
    the scale grow without bound once cosines are large, hence the guard.

    A saved model loads without `custom_objects` once this module is imported.

    Args:
        num_classes: int, at least 2. Classes of the auxiliary task (paper: C).
        num_subclusters: int, at least 1. Centers per class (paper: S); with 1, a class
            has a single center, as in AdaCos.
        trainable_centers: bool. True in the IJCNN 2021 code, False in later code.
        scale_update: `guarded` keeps the scale within its floor and ceiling and skips
            an update that is not finite; `reference` does neither; `adacos2019` is the
            update AdaCos was published with, see `adapted_scale_2019`, under the same
            guard; `fixed` stays at the start value.
        scale_floor: float above 0. Not read by `reference`.
        scale_ceiling: float above the floor. The largest scale of a healthy training
            was below 20, and at 64 most updates grow without bound. Not read by
            `reference`.

    Call arguments:
        embeddings: float, `(batch, dim)`. Only the direction matters.
        labels: float, `(batch, num_classes)`, may be mixed. Read in training only.

    Attributes:
        centers: weight, `(dim, num_classes * num_subclusters)`; column `c * S + j` is
            center j of class c.
        scale: weight, scalar (paper: s). Starts at `sqrt(2) log(C S - 1)`, with
            `adacos2019` at `sqrt(2) log(C - 1)`.
        scale_clamped: weight, scalar, number of updates that the guard changed.

    Output shape: `(batch, num_classes)`, float32 logits.

    Raises:
        ValueError: if an argument is out of range or inputs have another shape.

    References:
        Wilkinghoff, "Sub-Cluster AdaCos: Learning Representations for Anomalous Sound
        Detection", IJCNN 2021. Zhang et al., "AdaCos", CVPR 2019.
    """

    _per_class = "num_subclusters"
    _scale_updates = ("guarded", "reference", "adacos2019", "fixed")

    def __init__(
        self,
        num_classes,
        num_subclusters,
        trainable_centers=True,
        scale_update="guarded",
        scale_floor=0.5,
        scale_ceiling=64.0,
        **kwargs,
    ):
        super().__init__(
            num_classes,
            num_subclusters,
            trainable_centers,
            scale_update,
            scale_floor,
            scale_ceiling,
            **kwargs,
        )
        self.num_subclusters = num_subclusters

    def build(self, embeddings_shape, labels_shape=None):
        is_published = self.scale_update == "adacos2019"
        num_centers = self.num_classes * (1 if is_published else self.num_subclusters)
        self._build_weights(embeddings_shape[-1], math.sqrt(2) * math.log(num_centers - 1))

    def call(self, embeddings, labels, training=False):
        check_inputs(self, embeddings, labels, training)
        embeddings = ops.cast(embeddings, "float32")
        cosines = cosines_to_centers(embeddings, self.centers, self.num_classes)
        update = adapted_scale_2019 if self.scale_update == "adacos2019" else adapted_scale
        scale = self._scale_for(cosines, labels, training, update)
        return ops.logsumexp(scale * cosines, axis=-1)


def adapted_scale(cosines, labels, scale):
    """The scale for this batch, given the scale it has now, as in the released code.

    Args:
        cosines: float, `(batch, classes, subclusters)`.
        labels: float, `(batch, classes)`.
        scale: float scalar, the present scale.

    Returns:
        float scalar, may be infinite.
    """
    # Published AdaCos leaves the own class out of this mean. The released code keeps
    # it, so the scale multiplies itself from step to step when cosines near 1.
    log_mean_of_sums = batch_mean_of_sums(scale * cosines)

    # The released code sums the angles of all sub-clusters instead of taking one and
    # multiplies by the number of labels. With several sub-clusters or mixed labels the
    # result exceeds pi/4 for almost any batch, so the cap decides.
    # We keep both: the published numbers were trained this way.
    angles = ops.sum(angles_of(cosines), axis=-1)
    num_labels = ops.cast(ops.count_nonzero(labels, axis=-1), "float32")
    label_angles = num_labels * ops.sum(labels * angles, axis=-1)
    return log_mean_of_sums / ops.cos(capped_median(label_angles)) + 1e-7


def adapted_scale_2019(cosines, labels, scale):
    """The scale for this batch, given the scale it has now, as AdaCos was published.

    Only the classes a clip has no label of count as rivals, and a clip's angle is the
    one to its own class: to the nearest of its centers, weighted by label if mixed.

    Args:
        cosines: float, `(batch, classes, subclusters)`.
        labels: float, `(batch, classes)`.
        scale: float scalar, the present scale.

    Returns:
        float scalar; -inf if every clip of the batch has a label of every class.
    """
    is_rival = ops.expand_dims(ops.equal(labels, 0.0), -1)
    log_mean_of_sums = batch_mean_of_sums(ops.where(is_rival, scale * cosines, -math.inf))
    angles = angles_of(ops.max(cosines, axis=-1))
    label_angles = ops.sum(labels * angles, axis=-1)
    return log_mean_of_sums / ops.cos(capped_median(label_angles))
