"""A training that leaves the finite numbers stops, and says where."""

import math

import keras

from asdkeras.errors import TrainingError
from asdkeras.replicas import number_of


class FiniteTraining(keras.callbacks.Callback):
    """Stops `model.fit` with a TrainingError as soon as a loss is no finite number.

    Reads the losses after each step, as `fit` logs them (`loss` and every name that ends
    in `loss`), so it stops at the first bad one, and those of validation after each epoch.
    Reads the scales when it stops and after each epoch: a scale that is not finite stops the
    training too, though no loss has shown it yet.

    Args:
        watch: callable that takes the model and returns a dict of name to float, shown in
            the message; a scale that is not finite after an epoch is looked for here. By
            default `scales_of`.
        advice: str, ends the message.

    Raises:
        TrainingError: from `model.fit`; names epoch, step, what is not finite and what
            `watch` returns.
    """

    def __init__(self, watch=None, advice="Try a lower learning rate or another seed."):
        super().__init__()
        self._watch = scales_of if watch is None else watch
        self._advice = advice
        self._epoch = 0
        self._step = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch, logs=None):
        self._step = batch + 1
        if not all(map(math.isfinite, _losses(logs).values())):
            self._stop(_losses(logs))

    def on_epoch_end(self, epoch, logs=None):
        # Normalization by batches differs in validation, so its loss may be the first.
        values = _losses(logs) | self._watch(self.model)
        if not all(map(math.isfinite, values.values())):
            self._stop(values)

    def _stop(self, values):
        broken = [name for name, value in values.items() if not math.isfinite(value)]
        watched = self._watch(self.model)
        state = ", ".join(f"{name}={value:g}" for name, value in watched.items())
        raise TrainingError(
            f"training diverged in epoch {self._epoch}, step {self._step}: "
            f"{', '.join(broken)} no finite number{f' ({state})' if state else ''}. "
            f"{self._advice}"
        )


def _losses(logs):
    return {name: value for name, value in (logs or {}).items() if name.endswith("loss")}


def scales_of(model):
    """The scale of every layer that adapts one.

    Args:
        model: keras.Model; layers of models inside it count.

    Returns:
        dict, `<layer>_scale` to float.
    """
    scales = {}
    for layer in model.layers:
        if hasattr(layer, "layers"):
            scales |= scales_of(layer)
        # Some layers of Keras have an argument of this name.
        scale = getattr(layer, "scale", None)
        if isinstance(scale, keras.Variable) and scale.ndim == 0:
            scales[f"{layer.name}_scale"] = number_of(scale)
    return scales
