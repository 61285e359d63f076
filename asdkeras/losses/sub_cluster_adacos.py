"""Sub-cluster AdaCos: an angular softmax in which a class owns several centers."""

import math

import keras
from keras import ops

from asdkeras.losses.cosines import cosines_to_centers, unit_vectors

_SCALE_UPDATES = ("guarded", "reference", "fixed")


@keras.saving.register_keras_serializable(package="asdkeras")
class SubClusterAdaCos(keras.layers.Layer):
    """Class logits from cosines to several centers per class, with a self-tuning scale.

    The softmax runs over every center of every class and a class collects the
    probability of its centers, so its logit is the log-sum-exp of its scaled cosines.
    Train with `MixedCrossEntropy`. Each training call first moves `scale` to suit its
    own batch; inference never does. Always computed in float32.

    The update keeps two oddities of the released code, see `adapted_scale`; both let
    the scale grow without bound once cosines are large, hence the guard.

    Args:
        num_classes: int, at least 2. Classes of the auxiliary task (paper: C).
        num_subclusters: int, at least 1. Centers per class (paper: S); with 1, a class
            has a single center, as in AdaCos.
        trainable_centers: bool. True in the IJCNN 2021 code, False in later code.
        scale_update: `guarded` keeps the scale within its floor and ceiling and skips
            an update that is not finite; `reference` does neither; `fixed` stays at the
            start value.
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
        scale: weight, scalar (paper: s).
        scale_clamped: weight, scalar, number of updates that the guard changed.

    Output shape: `(batch, num_classes)`, float32 logits.

    Raises:
        ValueError: if an argument is out of range.

    References:
        Wilkinghoff, "Sub-Cluster AdaCos: Learning Representations for Anomalous Sound
        Detection", IJCNN 2021. Zhang et al., "AdaCos", CVPR 2019.
    """

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
        super().__init__(autocast=False, **kwargs)
        if num_classes < 2:
            raise ValueError(
                "SubClusterAdaCos needs `num_classes` of at least 2: one class leaves "
                f"nothing to tell apart. Received: num_classes={num_classes}"
            )
        if num_subclusters < 1:
            raise ValueError(
                "SubClusterAdaCos needs `num_subclusters` of at least 1. "
                f"Received: num_subclusters={num_subclusters}"
            )
        if scale_update not in _SCALE_UPDATES:
            raise ValueError(
                f"`scale_update` must be one of {_SCALE_UPDATES}. "
                f"Received: scale_update={scale_update!r}"
            )
        if not 0 < scale_floor < scale_ceiling:
            raise ValueError(
                "`scale_floor` must lie between 0 and `scale_ceiling`. "
                f"Received: scale_floor={scale_floor}, scale_ceiling={scale_ceiling}"
            )
        self.num_classes = num_classes
        self.num_subclusters = num_subclusters
        self.trainable_centers = trainable_centers
        self.scale_update = scale_update
        self.scale_floor = scale_floor
        self.scale_ceiling = scale_ceiling

    def build(self, embeddings_shape, labels_shape=None):
        num_centers = self.num_classes * self.num_subclusters
        start = math.sqrt(2) * math.log(num_centers - 1)
        if self.scale_update != "reference":
            start = min(max(start, self.scale_floor), self.scale_ceiling)
        self.centers = self.add_weight(
            name="centers",
            shape=(embeddings_shape[-1], num_centers),
            initializer="glorot_uniform",
            dtype="float32",
            autocast=False,
            trainable=self.trainable_centers,
        )
        self.scale = self._scalar("scale", start)
        self.scale_clamped = self._scalar("scale_clamped", 0.0)

    def _scalar(self, name, start):
        return self.add_weight(
            name=name,
            shape=(),
            initializer=keras.initializers.Constant(start),
            dtype="float32",
            autocast=False,
            trainable=False,
        )

    def call(self, embeddings, labels, training=False):
        embeddings = ops.cast(embeddings, "float32")
        cosines = cosines_to_centers(embeddings, self.centers, self.num_classes)
        scale = ops.convert_to_tensor(self.scale)
        if training and self.scale_update != "fixed":
            # The scale follows the batch; the batch must not learn to steer the scale.
            scale = self._moved_scale(
                scale, ops.stop_gradient(cosines), ops.cast(labels, "float32")
            )
        return ops.logsumexp(scale * cosines, axis=-1)

    def _moved_scale(self, scale, cosines, labels):
        new_scale = adapted_scale(cosines, labels, scale)
        if self.scale_update == "guarded":
            kept = ops.clip(new_scale, self.scale_floor, self.scale_ceiling)
            kept = ops.where(ops.isfinite(new_scale), kept, scale)
            is_clamped = ops.logical_not(ops.equal(kept, new_scale))
            self.scale_clamped.assign_add(ops.cast(is_clamped, "float32"))
            new_scale = kept
        self.scale.assign(new_scale)
        return new_scale

    def unit_centers(self):
        """Centers scaled to length 1: ndarray `(num_classes, num_subclusters, dim)`."""
        centers = ops.transpose(unit_vectors(self.centers, axis=0))
        shape = (self.num_classes, self.num_subclusters, -1)
        return ops.convert_to_numpy(ops.reshape(centers, shape))


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
    batch_size = ops.cast(ops.shape(cosines)[0], "float32")
    log_mean_of_sums = ops.logsumexp(scale * cosines) - ops.log(batch_size)

    # The released code sums the angles of all sub-clusters instead of taking one and
    # multiplies by the number of labels. With several sub-clusters or mixed labels the
    # result exceeds pi/4 for almost any batch, so the cap below decides.
    # We keep both: the published numbers were trained this way.
    limit = 1.0 - 1e-7
    angles = ops.sum(ops.arccos(ops.clip(cosines, -limit, limit)), axis=-1)
    num_labels = ops.cast(ops.count_nonzero(labels, axis=-1), "float32")
    label_angles = num_labels * ops.sum(labels * angles, axis=-1)

    # One of the batch, never the mean of the middle two: tfp.stats.percentile takes the
    # nearest position, a tie going to the even one.
    middle = ops.cast(ops.round((batch_size - 1.0) / 2.0), "int32")
    median_angle = ops.take(ops.sort(label_angles), middle)
    return log_mean_of_sums / ops.cos(ops.minimum(median_angle, math.pi / 4)) + 1e-7
