"""The mean squared error of one batch, not of the epoch so far."""

import keras
from keras import ops

from asdkeras.replicas import whole_batch
from asdkeras.shapes import check_shapes


@keras.saving.register_keras_serializable(package="asdkeras")
class BatchSquaredError(keras.metrics.Metric):
    """Mean squared error of the batch seen last.

    The losses Keras logs are means over all batches of the epoch up to now. Thresholds of
    the official baseline of 2023 are taken from the losses of single batches.
    """

    def __init__(self, name="batch_squared_error", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.value = self.add_variable((), "zeros", aggregation="only_first_replica", name="value")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Forget what came before; weights of samples are refused.

        Raises:
            ValueError: if there are weights, or the two differ in shape.
        """
        if sample_weight is not None:
            raise ValueError("`BatchSquaredError` takes no weights of samples. Received: some")
        check_shapes(self, y_true=(y_true, "..."), y_pred=(y_pred, "..."))
        difference = ops.cast(y_pred, self.dtype) - ops.cast(y_true, self.dtype)
        (difference,) = whole_batch(difference)
        self.value.assign(ops.mean(ops.square(difference)))

    def result(self):
        """Of the batch seen last; 0 before the first."""
        return self.value
