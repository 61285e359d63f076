"""What a training leaves while it goes on: `train.csv`, weights, values of batches, progress."""

import csv
import io
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np

from asdkeras.files import reading, replacing, write_arrays, write_text
from asdkeras.progress import Update
from asdkeras.scorers.terms import Floats
from asdkeras.systems.system import TrainingLog

_BATCH_VALUES = "batch_values.npz"
WEIGHTS = "weights.keras"

Logs = Mapping[str, float]  # As Keras gives them to callbacks.
_NO_LOGS: Logs = {}


def batch_values(folder: Path, record: tuple[str, ...]) -> dict[str, Floats]:
    if not record:
        return {}
    with reading(folder / _BATCH_VALUES), np.load(folder / _BATCH_VALUES) as arrays:
        return {name: arrays[name] for name in record}


def name_of(epoch: int) -> str:
    return f"weights_epoch{epoch:04d}.keras"


class RecordBatches(keras.callbacks.Callback):
    """What is logged after every batch of the last epoch, in a file once they are all done."""

    def __init__(self, folder: Path, names: tuple[str, ...], epochs: int) -> None:
        super().__init__()
        self._path = folder / _BATCH_VALUES
        self._names = names
        self._last_epoch = epochs - 1
        self._is_last = False
        self._rows: list[list[float]] = []

    def on_epoch_begin(self, epoch: int, logs: Logs = _NO_LOGS) -> None:
        self._is_last = epoch == self._last_epoch

    def on_train_batch_end(self, batch: int, logs: Logs = _NO_LOGS) -> None:
        unknown = sorted({*self._names} - {*logs})
        if unknown:
            raise ValueError(
                "what is recorded must be a loss or metric of the compiled model. Received: "
                f"record={unknown}, logged are {sorted(logs)}"
            )
        if self._is_last:
            self._rows.append([float(logs[name]) for name in self._names])

    def on_epoch_end(self, epoch: int, logs: Logs = _NO_LOGS) -> None:
        if self._is_last and self._names:
            columns = np.array(self._rows, np.float64).T
            write_arrays(self._path, dict(zip(self._names, columns, strict=True)))


class _RecordTest(RecordBatches):
    """The same of a test, in which the model stays as it is."""

    def on_test_begin(self, logs: Logs = _NO_LOGS) -> None:
        self.on_epoch_begin(self._last_epoch)

    def on_test_batch_end(self, batch: int, logs: Logs = _NO_LOGS) -> None:
        self.on_train_batch_end(batch, logs)

    def on_test_end(self, logs: Logs = _NO_LOGS) -> None:
        self.on_epoch_end(self._last_epoch)


def keep_untrained(
    model: keras.Model,
    batches: Callable[[], object],
    epochs: int,
    steps_per_epoch: int,
    folder: Path,
    log: TrainingLog,
    keep_epochs: set[int],
) -> None:
    """Leave a model as it starts, as if that were what came of every epoch.

    Values of batches are those of the last epoch's batches in inference, without any update.

    Args:
        batches: returns the endless dataset of the last epoch; called if something is recorded.
    """
    if log.record:
        record = _RecordTest(folder, log.record, epochs)
        model.evaluate(batches(), steps=steps_per_epoch, verbose=0, callbacks=[record])
    model.optimizer.build(model.trainable_variables)  # Else the file cannot be loaded.
    for name in (*map(name_of, sorted(keep_epochs)), WEIGHTS):
        save(model, folder / name)


def save(model: keras.Model, path: Path) -> None:
    """Write a model, whole or not at all."""
    with replacing(path) as temporary:
        model.save(temporary)


class RecordEpochs(keras.callbacks.Callback):
    """After each epoch: a row of `train.csv`, then the weights."""

    def __init__(self, folder: Path, log: TrainingLog, keep_epochs: set[int]) -> None:
        super().__init__()
        self._folder = folder
        self._watch = log.watch
        self._keep_epochs = keep_epochs
        self._left_out = {*log.record, *(f"val_{name}" for name in log.record)}
        self._started = 0.0

    def on_epoch_begin(self, epoch: int, logs: Logs = _NO_LOGS) -> None:
        self._started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Logs = _NO_LOGS) -> None:
        row = {
            "epoch": epoch + 1,
            **{name: float(logs[name]) for name in logs if name not in self._left_out},
            **self._watch(self.model),
            "seconds": round(time.monotonic() - self._started, 3),
        }
        self._write(row)
        if epoch + 1 in self._keep_epochs:
            save(self.model, self._folder / name_of(epoch + 1))
        save(self.model, self._folder / WEIGHTS)  # Last: from here on the epoch counts as done.

    def _write(self, row: dict[str, float]) -> None:
        path = self._folder / "train.csv"
        rows = []
        if path.exists():
            with reading(path), path.open(encoding="utf-8", newline="") as file:
                rows = [old for old in csv.DictReader(file) if int(old["epoch"]) < row["epoch"]]
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(row), lineterminator="\n")
        writer.writeheader()
        writer.writerows([*rows, row])
        write_text(path, text.getvalue())


class ShowProgress(keras.callbacks.Callback):
    """Progress and loss after each batch."""

    def __init__(self, update: Update, epochs: int, steps_per_epoch: int) -> None:
        super().__init__()
        self._update = update
        self._epochs = epochs
        self._steps_per_epoch = steps_per_epoch
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Logs = _NO_LOGS) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs = _NO_LOGS) -> None:
        self._update(
            self._epoch * self._steps_per_epoch + batch + 1,
            self._epochs * self._steps_per_epoch,
            f"epoch {self._epoch + 1}/{self._epochs} loss {logs['loss']:.3f}",
        )
