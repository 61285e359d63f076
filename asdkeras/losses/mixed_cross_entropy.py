"""Cross-entropy for labels that need not sum to 1."""

import keras
from keras import ops

from asdkeras.shapes import check_classes

_FORMS = ("log", "reference")


@keras.saving.register_keras_serializable(package="asdkeras")
class MixedCrossEntropy(keras.losses.Loss):
    """`-sum_c y_c log P(c)` on logits, for one-hot and mixed labels.

    The fused cross-entropy of TensorFlow takes the gradient as if each row of labels
    summed to 1, which labels mixed by their maximum do not.

    Args:
        form: `log` works on log-probabilities. `reference` works on probabilities as
            Keras does for a softmax output: divided by their row sum and clipped to
            [1e-7, 1 - 1e-7], so a clip far off gets no gradient.
        reduction: as in every Keras loss.
        name: str.

    Call arguments:
        y_true: float, not negative, `(batch, classes)`.
        y_pred: float logits, `(batch, classes)`.

    Returns:
        float scalar, the mean over the batch, unless `reduction` says otherwise.

    Raises:
        ValueError: if `form` is unknown or an input has another shape.
    """

    def __init__(
        self, form="log", reduction="sum_over_batch_size", name="mixed_cross_entropy", **kwargs
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)
        if form not in _FORMS:
            raise ValueError(f"`form` must be one of {_FORMS}. Received: form={form!r}")
        self.form = form

    def call(self, y_true, y_pred):
        check_classes(self, y_true, y_pred)
        if self.form == "log":
            return -ops.sum(y_true * ops.log_softmax(y_pred, axis=-1), axis=-1)
        probabilities = ops.softmax(y_pred, axis=-1)
        probabilities /= ops.sum(probabilities, axis=-1, keepdims=True)
        probabilities = ops.clip(probabilities, 1e-7, 1.0 - 1e-7)
        return -ops.sum(y_true * ops.log(probabilities), axis=-1)

    def get_config(self):
        return {**super().get_config(), "form": self.form}
