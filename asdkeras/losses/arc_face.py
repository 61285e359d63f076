"""ArcFace: an angular softmax with a margin for the own class."""

import math

import keras
from keras import ops

from asdkeras.losses.cosines import CenterHead, add_centers, check_inputs, cosines_to_centers
from asdkeras.shapes import check_classes


@keras.saving.register_keras_serializable(package="asdkeras")
class ArcFace(CenterHead):
    """Class logits that are the scaled cosine to the center of the class.

    There is no margin in the logits, so they are right at inference; `ArcFaceCrossEntropy`
    adds it where the labels are. Give both the same `scale`. Always computed in float32.

    A saved model loads without `custom_objects` once this module is imported.

    Args:
        num_classes: int, at least 2. Classes of the auxiliary task.
        scale: float above 0 (paper: s).
        trainable_centers: bool.

    Call arguments:
        embeddings: float, `(batch, dim)`. Only the direction matters.
        labels: not read; taken so that every head is called alike.

    Attributes:
        centers: weight, `(dim, num_classes)`.

    Output shape: `(batch, num_classes)`, float32 logits between `-scale` and `scale`.

    Raises:
        ValueError: if an argument is out of range or inputs have another shape.

    References:
        Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition",
        CVPR 2019.
    """

    def __init__(self, num_classes, scale=64.0, trainable_centers=True, **kwargs):
        super().__init__(**kwargs)
        if num_classes < 2:
            raise ValueError(
                "ArcFace needs `num_classes` of at least 2: one class leaves nothing to "
                f"tell apart. Received: num_classes={num_classes}"
            )
        _check_scale(scale)
        self.num_classes = num_classes
        self.scale = scale
        self.trainable_centers = trainable_centers

    def build(self, embeddings_shape, labels_shape=None):
        self.centers = add_centers(self, embeddings_shape[-1], self.num_classes)

    def call(self, embeddings, labels=None, training=False):
        check_inputs(self, embeddings, labels, training)
        embeddings = ops.cast(embeddings, "float32")
        cosines = cosines_to_centers(embeddings, self.centers, self.num_classes)
        return self.scale * ops.squeeze(cosines, axis=-1)


@keras.saving.register_keras_serializable(package="asdkeras")
class ArcFaceCrossEntropy(keras.losses.Loss):
    """Cross-entropy that takes the angle to the own class for `margin_rad` larger.

    So an embedding must be nearer to its own center than to any other by the margin. The
    margin is on the labelled class only, as published: its logit is
    `scale * cos(angle + margin)`, the others stay. Where angle plus margin exceeds pi,
    beyond which the cosine would rise again, the logit is lowered by
    `scale * margin * sin(margin)` instead.

    With mixed labels, which the paper does not have, the loss is that of each class
    taken as the only label, weighted by its label.

    Args:
        margin_rad: float in [0, pi), radians (paper: m).
        scale: float above 0, that of the `ArcFace` layer.
        reduction: as in every Keras loss.
        name: str.

    Call arguments:
        y_true: float, not negative, `(batch, classes)`.
        y_pred: float logits of `ArcFace`, `(batch, classes)`.

    Returns:
        float scalar, the mean over the batch, unless `reduction` says otherwise.

    Raises:
        ValueError: if an argument is out of range or inputs have another shape.
    """

    def __init__(
        self,
        margin_rad=0.5,
        scale=64.0,
        reduction="sum_over_batch_size",
        name="arc_face_cross_entropy",
        **kwargs,
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)
        if not 0 <= margin_rad < math.pi:
            raise ValueError(f"`margin_rad` must lie in [0, pi). Received: margin_rad={margin_rad}")
        _check_scale(scale)
        self.margin_rad = margin_rad
        self.scale = scale

    def call(self, y_true, y_pred):
        check_classes(self, y_true, y_pred)
        with_margin = y_pred - self.scale * _lost_to_the_margin(
            y_pred / self.scale, self.margin_rad
        )
        # The cross-entropy of class c alone, whose logit alone has the margin.
        losses = ops.softplus(_log_sum_of_others(y_pred) - with_margin)
        return ops.sum(y_true * losses, axis=-1)

    def get_config(self):
        return {**super().get_config(), "margin_rad": self.margin_rad, "scale": self.scale}


def _lost_to_the_margin(cosines, margin_rad):
    """How much smaller a cosine becomes when the angle grows by the margin."""
    limit = 1.0 - 1e-7  # At 1 the sine has no slope.
    cosines = ops.clip(cosines, -limit, limit)
    sines = ops.sqrt(1.0 - ops.square(cosines))
    lost = cosines * (1.0 - math.cos(margin_rad)) + sines * math.sin(margin_rad)
    is_beyond_pi = cosines < -math.cos(margin_rad)
    return ops.where(is_beyond_pi, margin_rad * math.sin(margin_rad), lost)


def _log_sum_of_others(logits):
    """`log sum_{k != c} exp(logit_k)` for every class c, without an array of class pairs.

    Taken from the sum over all classes, which is exact as long as class c holds no more
    than half of it; only the largest logit can, so its sum is made anew.
    """
    is_largest = ops.one_hot(ops.argmax(logits, axis=-1), ops.shape(logits)[-1], dtype="bool")
    others_of_largest = ops.logsumexp(
        ops.where(is_largest, -math.inf, logits), axis=-1, keepdims=True
    )
    log_sum = ops.logsumexp(logits, axis=-1, keepdims=True)
    shares = ops.where(is_largest, 0.0, ops.exp(logits - log_sum))
    return ops.where(is_largest, others_of_largest, log_sum + ops.log1p(-shares))


def _check_scale(scale):
    if not scale > 0:
        raise ValueError(f"`scale` must be above 0. Received: scale={scale}")
