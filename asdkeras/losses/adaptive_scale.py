"""What the heads that tune their own scale have in common."""

import math

import keras
from keras import ops

from asdkeras.losses.cosines import CenterHead, add_centers, unit_vectors
from asdkeras.replicas import whole_batch


class AdaptiveScaleHead(CenterHead):
    """Centers by class, and a scale that follows the batch; a subclass says how.

    A frozen head, `trainable=False`, keeps its scale in training too, as batch normalization
    its moments. On several replicas the batch is that of all of them, and so the scale is one.

    A subclass says how its argument `centers_per_class` is called, and what `scale_update` may
    be.

    Args:
        num_classes: int, at least 2.
        centers_per_class: int, at least 1.
        trainable_centers: bool.
        scale_update: `fixed` stays at the start value, `reference` is not guarded;
            anything else keeps the scale within its floor and ceiling and skips an
            update that is not finite.
        scale_floor: float above 0.
        scale_ceiling: float above the floor.

    Attributes:
        centers: weight, `(dim, num_classes * centers_per_class)`; column `c * J + j` is
            center j of class c.
        scale: weight, scalar (paper: s).
        scale_clamped: weight, scalar, number of updates that the guard changed.
    """

    def __init__(
        self,
        num_classes,
        centers_per_class,
        trainable_centers,
        scale_update,
        scale_floor,
        scale_ceiling,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if num_classes < 2:
            raise ValueError(
                f"{type(self).__name__} needs `num_classes` of at least 2: one class leaves "
                f"nothing to tell apart. Received: num_classes={num_classes}"
            )
        if not 0 < scale_floor < scale_ceiling:
            raise ValueError(
                "`scale_floor` must lie between 0 and `scale_ceiling`. "
                f"Received: scale_floor={scale_floor}, scale_ceiling={scale_ceiling}"
            )
        self.num_classes = num_classes
        self.trainable_centers = trainable_centers
        self.scale_update = scale_update
        self.scale_floor = scale_floor
        self.scale_ceiling = scale_ceiling
        if centers_per_class < 1:
            raise ValueError(
                f"{type(self).__name__} needs `{self._per_class}` of at least 1. "
                f"Received: {self._per_class}={centers_per_class}"
            )
        if scale_update not in self._scale_updates:
            raise ValueError(
                f"`scale_update` must be one of {self._scale_updates}. "
                f"Received: scale_update={scale_update!r}"
            )
        self._centers_per_class = centers_per_class

    def _build_weights(self, dim, start):
        if self.scale_update != "reference":
            start = min(max(start, self.scale_floor), self.scale_ceiling)
        self.centers = add_centers(self, dim, self.num_classes * self._centers_per_class)
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
            aggregation="only_first_replica",  # All of them come to the same value.
        )

    def _scale_for(self, cosines, labels, training, adapted_scale):
        """The scale this call works with: moved first if training, the present one if not."""
        scale = ops.convert_to_tensor(self.scale)
        if training and self.trainable and self.scale_update != "fixed":
            if labels is None:
                raise ValueError(
                    f"{type(self).__name__} `{self.name}` needs labels in training, for its scale "
                    "follows them. Received: labels=None"
                )
            # The scale follows the batch; the batch must not learn to steer the scale.
            cosines, labels = whole_batch(ops.stop_gradient(cosines), ops.cast(labels, "float32"))
            scale = self._keep(scale, adapted_scale(cosines, labels, scale))
        return scale

    def _keep(self, scale, new_scale):
        if self.scale_update != "reference":
            kept = ops.clip(new_scale, self.scale_floor, self.scale_ceiling)
            kept = ops.where(ops.isfinite(new_scale), kept, scale)
            is_clamped = ops.logical_not(ops.equal(kept, new_scale))
            self.scale_clamped.assign_add(ops.cast(is_clamped, "float32"))
            new_scale = kept
        self.scale.assign(new_scale)
        return new_scale

    def unit_centers(self):
        """Centers scaled to length 1: ndarray `(num_classes, centers_per_class, dim)`."""
        centers = ops.transpose(unit_vectors(self.centers, axis=0))
        shape = (self.num_classes, self._centers_per_class, -1)
        return ops.convert_to_numpy(ops.reshape(centers, shape))


def batch_mean_of_sums(exponents):
    """`log((1 / batch) sum of exp(exponents))`, the sum over the batch and all the rest.

    Args:
        exponents: float, `(batch, ...)`; -inf leaves an entry out.

    Returns:
        float scalar; -inf if every entry is left out.
    """
    return ops.logsumexp(exponents) - ops.log(ops.cast(ops.shape(exponents)[0], "float32"))


def angles_of(cosines):
    """Angles in radians; a cosine that rounding took beyond 1 counts as just below 1."""
    limit = 1.0 - 1e-7
    return ops.arccos(ops.clip(cosines, -limit, limit))


def capped_median(angles):
    """The middle angle of the batch, but at most pi/4.

    One of the batch, never the mean of the middle two: tfp.stats.percentile, which the
    released code calls, takes the nearest position, a tie going to the even one.

    Args:
        angles: float, `(batch,)`, radians.

    Returns:
        float scalar.
    """
    num_angles = ops.cast(ops.shape(angles)[0], "float32")
    middle = ops.cast(ops.round((num_angles - 1.0) / 2.0), "int32")
    return ops.minimum(ops.take(ops.sort(angles), middle), math.pi / 4)
