"""Training that shows its progress, can be stopped at any time, and goes on where it stood."""

import csv
import dataclasses
import functools
import io
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from asdkeras.data.pipeline import inference_batches, own_errors
from asdkeras.files import replacing, write_text
from asdkeras.losses.finite_training import FiniteTraining
from asdkeras.progress import say, stage
from asdkeras.systems.system import Representations

_ADVICE = "The last whole epoch is kept. Try a lower learning rate or another seed."


@dataclasses.dataclass
class TaskContext:
    """The `RunContext` of one task.

    Attributes:
        folder: of the task.
        seed: int, of the trial.
        table: see `RunContext`.
        name: what progress lines call the task.
        warnings: what is to be said again under the result table.
    """

    folder: Path
    seed: int
    table: pd.DataFrame
    name: str
    warnings: list = dataclasses.field(default_factory=list)

    def say(self, message):
        """One line on standard error."""
        say(f"{self.name}: {message}")

    def warn(self, message):
        """Say it, and keep it for the result table."""
        self.warnings.append(message)
        say(f"{self.name}: warning: {message}")

    def fit(self, build, batches, *, epochs, steps_per_epoch, keep_epochs, watch):
        """See `RunContext.fit`."""
        weights = self.folder / "weights.keras"
        if weights.exists():
            model = keras.saving.load_model(weights)
            first_epoch = int(model.optimizer.iterations) // steps_per_epoch
        else:
            model, first_epoch = build(), 0
        if 0 < first_epoch < epochs:
            self.say(f"goes on after epoch {first_epoch} of {epochs}")
        if first_epoch < epochs:
            with stage(self.name) as update, own_errors():
                model.fit(
                    batches(first_epoch),
                    initial_epoch=first_epoch,
                    epochs=epochs,
                    steps_per_epoch=steps_per_epoch,
                    shuffle=False,  # The batches come shuffled.
                    verbose=0,
                    callbacks=[
                        FiniteTraining(watch, advice=_ADVICE),
                        _Record(self.folder, watch, {*keep_epochs} - {epochs}),
                        _ShowProgress(update, epochs, steps_per_epoch),
                    ],
                )
        kept = {
            epoch: keras.saving.load_model(self.folder / _name_of(epoch))
            for epoch in {*keep_epochs} - {epochs}
        }
        return {**kept, epochs: model}


def _name_of(epoch):
    return f"weights_epoch{epoch:04d}.keras"


def represent(trained, clips, batch_size):
    """Every model of `trained` on every clip.

    Args:
        trained: `Trained`.
        clips: `ClipSet`.
        batch_size: int.

    Returns:
        `Representations`.
    """
    # One trace for any batch size, the smaller last one included.
    waveforms = tf.TensorSpec((None, trained.clip_length), tf.float32)
    models = {
        name: tf.function(functools.partial(model, training=False), input_signature=[waveforms])
        for name, model in trained.models.items()
    }
    rows = {name: [] for name in models}
    num_done = 0
    with stage("represent clips") as update, own_errors():
        batches = inference_batches(clips, trained.clip_length, trained.keep, batch_size)
        for batch in batches:
            for name, model in models.items():
                rows[name].append(model(batch).numpy())
            num_done += len(batch)
            update(num_done, len(clips))
    arrays = {name: np.concatenate(each) for name, each in rows.items()}
    return Representations(arrays, trained.constants)


def make_repeatable(seed):
    """Same seed, same machine: same numbers, from every operation, whatever ran before."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


class _Record(keras.callbacks.Callback):
    """After each epoch: a row of `train.csv`, then the weights."""

    def __init__(self, folder, watch, keep_epochs):
        super().__init__()
        self._folder = folder
        self._watch = watch
        self._keep_epochs = keep_epochs
        self._started = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self._started = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        row = {
            "epoch": epoch + 1,
            **{name: float(value) for name, value in logs.items()},
            **self._watch(self.model),
            "seconds": round(time.monotonic() - self._started, 3),
        }
        self._write(row)
        if epoch + 1 in self._keep_epochs:
            self._save(_name_of(epoch + 1))
        self._save("weights.keras")  # Last: from here on the epoch counts as done.

    def _write(self, row):
        path = self._folder / "train.csv"
        rows = []
        if path.exists():
            with path.open(encoding="utf-8", newline="") as file:
                rows = [old for old in csv.DictReader(file) if int(old["epoch"]) < row["epoch"]]
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(row), lineterminator="\n")
        writer.writeheader()
        writer.writerows([*rows, row])
        write_text(path, text.getvalue())

    def _save(self, name):
        with replacing(self._folder / name) as temporary:
            self.model.save(temporary)


class _ShowProgress(keras.callbacks.Callback):
    def __init__(self, update, epochs, steps_per_epoch):
        super().__init__()
        self._update = update
        self._epochs = epochs
        self._steps_per_epoch = steps_per_epoch
        self._epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self._update(
            self._epoch * self._steps_per_epoch + batch + 1,
            self._epochs * self._steps_per_epoch,
            f"epoch {self._epoch + 1}/{self._epochs} loss {logs['loss']:.3f}",
        )
