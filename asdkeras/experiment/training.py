"""Training that shows its progress, can be stopped at any time, and goes on where it stood."""

import csv
import dataclasses
import functools
import io
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from asdkeras.batches.steps import own_errors
from asdkeras.batches.waveform_batches import inference_batches
from asdkeras.data.clip_set import ClipSet
from asdkeras.data.frames import FrameStore
from asdkeras.dsp.clip_length import Keep
from asdkeras.files import replacing, write_arrays, write_text
from asdkeras.losses.finite_training import FiniteTraining
from asdkeras.progress import Update, say, stage
from asdkeras.scorers.terms import Floats
from asdkeras.systems.model_files import TrainedNetwork
from asdkeras.systems.system import NOTHING_MORE, Fitted, TrainingLog

_BATCH_VALUES = "batch_values.npz"
_FRAMES, _PASSES = ".float32", "passes"
_ADVICE = "The last whole epoch is kept. Try a lower learning rate or another seed."

Logs = Mapping[str, float]  # As Keras gives them to callbacks.
Arrays = Mapping[str, NDArray[np.generic]]
_NO_LOGS: Logs = {}


@dataclasses.dataclass
class TaskContext:
    """The `RunContext` of one task, to be used as a context manager.

    When the block ends well or by an error, the stored frames are deleted; if it is stopped,
    they stay for the next try. What `once` keeps is deleted when the block ends well.

    Attributes:
        folder: of the task.
        seed: int, of the trial.
        table: see `RunContext`.
        name: what progress lines call the task.
        all_training_clips: see `RunContext`.
        warnings: what is to be said again under the result table.
    """

    folder: Path
    seed: int
    table: pd.DataFrame
    name: str
    all_training_clips: ClipSet
    warnings: list[str] = dataclasses.field(default_factory=list)
    _stores: list[FrameStore] = dataclasses.field(default_factory=list, init=False)

    def __enter__(self) -> "TaskContext":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for store in self._stores:
            store.close()
        self._stores.clear()
        if kind is None:
            discard_passes(self.folder)
        elif issubclass(kind, Exception):
            _discard_frames(self.folder)

    def say(self, message: str) -> None:
        """One line on standard error."""
        say(f"{self.name}: {message}")

    def warn(self, message: str) -> None:
        """Say it, and keep it for the result table."""
        self.warnings.append(message)
        say(f"{self.name}: warning: {message}")

    def stage(self, name: str) -> AbstractContextManager[Update]:
        """Progress of a part of the task, see `asdkeras.progress.stage`."""
        return stage(f"{self.name} {name}".rstrip())

    def store_frames(
        self, front_end: keras.Model, clips: ClipSet, clip_length: int, keep: Keep, batch_size: int
    ) -> FrameStore:
        """See `RunContext.store_frames`."""
        compute = _of_waveforms(front_end, clip_length, {})

        def batches() -> Iterator[NDArray[np.float32]]:
            num_done = 0
            with self.stage("front end") as update, own_errors():
                for batch in inference_batches(clips, clip_length, keep, batch_size):
                    yield compute(batch).numpy()
                    num_done += len(batch)
                    update(num_done, len(clips))

        path = self.folder / f"frames{len(self._stores)}{_FRAMES}"
        num_frames, num_bands = front_end.output_shape[1:]
        self._stores.append(FrameStore(path, len(clips), num_frames, num_bands, batches))
        return self._stores[-1]

    def once(self, name: str, compute: Callable[[], Arrays]) -> dict[str, NDArray[np.generic]]:
        """See `RunContext.once`."""
        path = self.folder / _PASSES / f"{name}.npz"
        if not path.exists():
            write_arrays(path, compute())
        with np.load(path) as kept:
            return dict(kept)

    def _open_frames(self) -> None:
        """Before threads read windows: the frames are computed in this one."""
        for store in self._stores:
            store.open()

    def fit(
        self,
        build: Callable[[], keras.Model],
        batches: Callable[[int], object],
        *,
        epochs: int,
        steps_per_epoch: int,
        keep_epochs: tuple[int, ...] = (),
        log: TrainingLog = NOTHING_MORE,
        phase: str = "",
    ) -> Fitted:
        """See `RunContext.fit`."""
        folder = self.folder / phase
        folder.mkdir(exist_ok=True)
        weights = folder / "weights.keras"
        if weights.exists():
            model = keras.saving.load_model(weights)
            first_epoch = _batches_seen(model.optimizer) // steps_per_epoch
        else:
            self._open_frames()
            model, first_epoch = build(), 0
        of_phase = f"{phase}: " if phase else ""
        if 0 < first_epoch < epochs:
            self.say(f"{of_phase}goes on after epoch {first_epoch} of {epochs}")
        if first_epoch < epochs:
            self._open_frames()
            with self.stage(phase) as update, own_errors():
                model.fit(
                    batches(first_epoch),
                    initial_epoch=first_epoch,
                    epochs=epochs,
                    steps_per_epoch=steps_per_epoch,
                    validation_data=log.validation(),
                    shuffle=False,  # The batches come shuffled.
                    verbose=0,
                    callbacks=[
                        FiniteTraining(log.watch, advice=_ADVICE),
                        _RecordBatches(folder, log.record, epochs),
                        _Record(folder, log, {*keep_epochs} - {epochs}),
                        _ShowProgress(update, epochs, steps_per_epoch),
                    ],
                )
        kept = {
            epoch: TrainedNetwork(folder / _name_of(epoch)) for epoch in {*keep_epochs} - {epochs}
        }
        networks = {**kept, epochs: TrainedNetwork(weights, model)}
        return Fitted(networks, _batch_values(folder, log.record))


def discard_passes(folder: Path) -> None:
    """Delete what a task kept for a later try: stored frames, and arrays of `once`."""
    _discard_frames(folder)
    shutil.rmtree(folder / _PASSES, ignore_errors=True)


def _discard_frames(folder: Path) -> None:
    for path in folder.glob(f"*{_FRAMES}"):
        path.unlink()


def _batches_seen(optimizer: keras.Optimizer) -> int:
    """Training batches so far; Keras counts updates, of which each may take several."""
    return int(optimizer.iterations) * (optimizer.gradient_accumulation_steps or 1)


def _batch_values(folder: Path, record: tuple[str, ...]) -> dict[str, Floats]:
    if not record:
        return {}
    with np.load(folder / _BATCH_VALUES) as arrays:
        return {name: arrays[name] for name in record}


def _name_of(epoch: int) -> str:
    return f"weights_epoch{epoch:04d}.keras"


@dataclasses.dataclass(frozen=True)
class Represented:
    """Models of a unit, and what they take of its clips.

    Attributes:
        models: see `System.represent`.
        clip_length: int, samples.
        keep: which part of a longer clip is used.
        inputs: see `System.inputs`, of the table of the unit.
        rows: see `System.rows`, of the table of the unit.
    """

    models: Mapping[str, keras.Model]
    clip_length: int
    keep: Keep
    inputs: Arrays = dataclasses.field(default_factory=dict)
    rows: Mapping[str, NDArray[np.bool_]] = dataclasses.field(default_factory=dict)


def represent(
    unit: Represented, clips: ClipSet, batch_size: int, name: str = "represent"
) -> dict[str, NDArray[np.float32]]:
    """Every model on every clip that it is for.

    Args:
        unit: models.
        clips: of the unit.
        batch_size: int.
        name: what progress lines call the stage.

    Returns:
        name of a representation -> `(clips, ...)`, NaN where a model has no row.
    """
    arrays = {
        array: np.full((len(clips), *output.shape[1:]), np.nan, "float32")
        for each, model in unit.models.items()
        for array, output in named_outputs(each, model.output).items()
    }
    groups = list(_by_rows(unit, len(clips)))
    total = sum(len(rows) for rows, _ in groups)
    num_done = 0
    with stage(name) as update, own_errors():
        for rows, names in groups:
            part = dataclasses.replace(clips, table=clips.table.iloc[rows])
            calls = {
                each: _of_waveforms(unit.models[each], unit.clip_length, unit.inputs)
                for each in names
            }
            first = 0
            for batch in inference_batches(part, unit.clip_length, unit.keep, batch_size):
                chosen = rows[first : first + len(batch)]
                values = {
                    each: tf.constant(of_clips[chosen]) for each, of_clips in unit.inputs.items()
                }
                for model, call in calls.items():
                    outputs = call({"waveform": batch, **values} if values else batch)
                    for array, output in named_outputs(model, outputs).items():
                        arrays[array][chosen] = output.numpy()
                first += len(batch)
                num_done += len(batch)
                update(num_done, total)
    return arrays


def _by_rows(unit: Represented, num_clips: int) -> Iterator[tuple[NDArray[np.intp], list[str]]]:
    """Rows of clips, and the models that represent just these, so that each is read once."""
    everyone = np.full(num_clips, True)
    groups: dict[bytes, tuple[NDArray[np.intp], list[str]]] = {}
    for model in unit.models:
        is_used = np.asarray(unit.rows.get(model, everyone), bool)
        groups.setdefault(is_used.tobytes(), (np.flatnonzero(is_used), []))[1].append(model)
    return ((rows, names) for rows, names in groups.values() if len(rows))


def named_outputs(
    model: str, outputs: keras.KerasTensor | dict[str, keras.KerasTensor]
) -> dict[str, keras.KerasTensor]:
    """What a model gives, by the names of its representations.

    Args:
        model: its name.
        outputs: an array or tensor, or a dict of several.
    """
    if isinstance(outputs, dict):
        return {f"{key}_{model}": each for key, each in outputs.items()}
    return {model: outputs}


def _of_waveforms(
    model: keras.Model, clip_length: int, inputs: Arrays
) -> Callable[..., keras.KerasTensor]:
    """The model in inference; one trace for any batch size, the smaller last one included."""
    signature = tf.TensorSpec((None, clip_length), tf.float32)
    if inputs:
        signature = {"waveform": signature} | {
            name: tf.TensorSpec((None, *values.shape[1:]), values.dtype)
            for name, values in inputs.items()
        }
    return tf.function(functools.partial(model, training=False), input_signature=[signature])


def make_repeatable(seed: int) -> None:
    """Same seed, same machine: same numbers, from every operation, whatever ran before."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


class _RecordBatches(keras.callbacks.Callback):
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


class _Record(keras.callbacks.Callback):
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
            self._save(_name_of(epoch + 1))
        self._save("weights.keras")  # Last: from here on the epoch counts as done.

    def _write(self, row: dict[str, float]) -> None:
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

    def _save(self, name: str) -> None:
        with replacing(self._folder / name) as temporary:
            self.model.save(temporary)


class _ShowProgress(keras.callbacks.Callback):
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
