"""Kullback-Leibler divergence of predicted classes from labels that may be mixed."""

import keras
from keras import ops

from asdkeras.shapes import check_classes


@keras.saving.register_keras_serializable(package="asdkeras")
class MixedDivergence(keras.losses.Loss):
    """`sum_c y_c (log y_c - log P(c))` on logits: the cross-entropy less what labels allow.

    A cross-entropy can at best reach the entropy of a mixed label, which differs from pair to
    pair; this can reach 0 for every label and has the same gradient. Where `y_c` is 0 the
    term is 0. It works on log-probabilities, so that no logit is too large for it.

    Args:
        reduction: as in every Keras loss.
        name: str.

    Call arguments:
        y_true: float, not negative, `(batch, classes)`, rows sum to 1.
        y_pred: float logits, `(batch, classes)`.

    Returns:
        float scalar, not negative: the sum over the classes and mean over the batch, unless
        `reduction` says otherwise.

    Raises:
        ValueError: if an input has another shape.

    References:
        Nejjar et al., "DG-Mix", DCASE Workshop 2022.
    """

    def __init__(self, reduction="sum_over_batch_size", name="mixed_divergence", **kwargs):
        super().__init__(name=name, reduction=reduction, **kwargs)

    def call(self, y_true, y_pred):
        check_classes(self, y_true, y_pred)
        log_labels = ops.log(ops.where(y_true > 0.0, y_true, 1.0))
        return ops.sum(y_true * (log_labels - ops.log_softmax(y_pred, axis=-1)), axis=-1)
