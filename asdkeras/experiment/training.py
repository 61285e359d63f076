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

from asdkeras.data.frames import FrameStore, write_frames
from asdkeras.data.pipeline import inference_batches, own_errors
from asdkeras.files import PART_PREFIX, replacing, write_text
from asdkeras.losses.finite_training import FiniteTraining
from asdkeras.progress import say, stage
from asdkeras.systems.system import ClipSet, Fitted, Representations

_BATCH_VALUES = "batch_values.npz"
_ADVICE = "The last whole epoch is kept. Try a lower learning rate or another seed."


@dataclasses.dataclass
class TaskContext:
    """The `RunContext` of one task.

    Attributes:
        folder: of the task.
        seed: int, of the trial.
        table: see `RunContext`.
        name: what progress lines call the task.
        all_training_clips: see `RunContext`; None for systems that do not ask for them.
        warnings: what is to be said again under the result table.
    """

    folder: Path
    seed: int
    table: pd.DataFrame
    name: str
    all_training_clips: ClipSet | None = None
    warnings: list = dataclasses.field(default_factory=list)
    _stores: list[FrameStore] = dataclasses.field(default_factory=list, init=False)

    def say(self, message):
        """One line on standard error."""
        say(f"{self.name}: {message}")

    def warn(self, message):
        """Say it, and keep it for the result table."""
        self.warnings.append(message)
        say(f"{self.name}: warning: {message}")

    def store_frames(self, front_end, clips, clip_length, keep, batch_size):
        """See `RunContext.store_frames`; `close` deletes the frames again."""
        compute = _of_waveforms(front_end, clip_length, {})

        def batches(update):
            num_done = 0
            for batch in inference_batches(clips, clip_length, keep, batch_size):
                yield compute(batch).numpy()
                num_done += len(batch)
                update(num_done, len(clips))

        # Named like what a killed process leaves half: the next run clears it away.
        path = self.folder / f"{PART_PREFIX}frames{len(self._stores)}"
        with stage(f"{self.name} front end") as update, own_errors():
            self._stores.append(write_frames(path, batches(update), len(clips)))
        return self._stores[-1]

    def close(self):
        """Delete all stored frames."""
        for store in self._stores:
            store.close()
            store.path.unlink(missing_ok=True)
        self._stores.clear()

    def fit(
        self,
        build,
        batches,
        *,
        epochs,
        steps_per_epoch,
        keep_epochs,
        watch,
        validation=None,
        record=(),
        phase="",
    ):
        """See `RunContext.fit`."""
        folder = self.folder / phase
        folder.mkdir(exist_ok=True)
        weights = folder / "weights.keras"
        if weights.exists():
            model = keras.saving.load_model(weights)
            first_epoch = _batches_seen(model.optimizer) // steps_per_epoch
        else:
            model, first_epoch = build(), 0
        of_phase = f"{phase}: " if phase else ""
        if 0 < first_epoch < epochs:
            self.say(f"{of_phase}goes on after epoch {first_epoch} of {epochs}")
        if first_epoch < epochs:
            with stage(f"{self.name} {phase}".rstrip()) as update, own_errors():
                model.fit(
                    batches(first_epoch),
                    initial_epoch=first_epoch,
                    epochs=epochs,
                    steps_per_epoch=steps_per_epoch,
                    validation_data=None if validation is None else validation(),
                    shuffle=False,  # The batches come shuffled.
                    verbose=0,
                    callbacks=[
                        FiniteTraining(watch, advice=_ADVICE),
                        _RecordBatches(folder, record, epochs),
                        _Record(folder, watch, {*keep_epochs} - {epochs}, record),
                        _ShowProgress(update, epochs, steps_per_epoch),
                    ],
                )
        kept = {
            epoch: keras.saving.load_model(folder / _name_of(epoch))
            for epoch in {*keep_epochs} - {epochs}
        }
        return Fitted({**kept, epochs: model}, _batch_values(folder, record))


def _batches_seen(optimizer):
    """Training batches so far; Keras counts updates, of which each may take several."""
    return int(optimizer.iterations) * (optimizer.gradient_accumulation_steps or 1)


def _batch_values(folder, record):
    if not record:
        return {}
    with np.load(folder / _BATCH_VALUES) as arrays:
        return {name: arrays[name] for name in record}


def _name_of(epoch):
    return f"weights_epoch{epoch:04d}.keras"


def represent(trained, clips, batch_size, name="represent"):
    """Every model of `trained` on every clip that it is for.

    Args:
        trained: `Trained`.
        clips: `ClipSet`.
        batch_size: int.
        name: what progress lines call the stage.

    Returns:
        `Representations`.
    """
    everyone = np.full(len(clips), True)
    groups = {}  # Models that hear the same clips read them once.
    for model in trained.models:
        is_heard = np.asarray(trained.rows.get(model, everyone), bool)
        groups.setdefault(is_heard.tobytes(), (np.flatnonzero(is_heard), []))[1].append(model)
    arrays = {
        array: np.full((len(clips), *output.shape[1:]), np.nan, "float32")
        for each, model in trained.models.items()
        for array, output in named_outputs(each, model.output).items()
    }
    total = sum(len(rows) for rows, _ in groups.values())
    num_done = 0
    with stage(name) as update, own_errors():
        for rows, names in groups.values():
            if not len(rows):
                continue
            part = dataclasses.replace(clips, table=clips.table.iloc[rows])
            models = {
                each: _of_waveforms(trained.models[each], trained.clip_length, trained.inputs)
                for each in names
            }
            first = 0
            for batch in inference_batches(part, trained.clip_length, trained.keep, batch_size):
                chosen = rows[first : first + len(batch)]
                values = {each: of_clips[chosen] for each, of_clips in trained.inputs.items()}
                for model, call in models.items():
                    outputs = call({"waveform": batch, **values} if values else batch)
                    for array, output in named_outputs(model, outputs).items():
                        arrays[array][chosen] = output.numpy()
                first += len(batch)
                num_done += len(batch)
                update(num_done, total)
    return Representations(arrays, trained.constants)


def named_outputs(model, outputs):
    """What a model of `Trained` gives, by the names of its representations.

    Args:
        model: its name.
        outputs: an array or tensor, or a dict of several.
    """
    if isinstance(outputs, dict):
        return {f"{key}_{model}": each for key, each in outputs.items()}
    return {model: outputs}


def _of_waveforms(model, clip_length, inputs):
    """The model in inference; one trace for any batch size, the smaller last one included."""
    signature = tf.TensorSpec((None, clip_length), tf.float32)
    if inputs:
        signature = {"waveform": signature} | {
            name: tf.TensorSpec((None, *values.shape[1:]), values.dtype)
            for name, values in inputs.items()
        }
    return tf.function(functools.partial(model, training=False), input_signature=[signature])


def make_repeatable(seed):
    """Same seed, same machine: same numbers, from every operation, whatever ran before."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


class _RecordBatches(keras.callbacks.Callback):
    """What is logged after every batch of the last epoch, in a file once they are all done."""

    def __init__(self, folder, names, epochs):
        super().__init__()
        self._path = folder / _BATCH_VALUES
        self._names = names
        self._last_epoch = epochs - 1
        self._is_last = False
        self._rows = []

    def on_epoch_begin(self, epoch, logs=None):
        self._is_last = epoch == self._last_epoch

    def on_train_batch_end(self, batch, logs=None):
        unknown = sorted({*self._names} - {*logs})
        if unknown:
            raise ValueError(
                "what is recorded must be a loss or metric of the compiled model. Received: "
                f"record={unknown}, logged are {sorted(logs)}"
            )
        if self._is_last:
            self._rows.append([float(logs[name]) for name in self._names])

    def on_epoch_end(self, epoch, logs=None):
        if self._is_last and self._names:
            columns = np.array(self._rows, np.float64).T
            with replacing(self._path) as temporary:
                np.savez(temporary, **dict(zip(self._names, columns, strict=True)))


class _Record(keras.callbacks.Callback):
    """After each epoch: a row of `train.csv`, then the weights."""

    def __init__(self, folder, watch, keep_epochs, left_out):
        super().__init__()
        self._folder = folder
        self._watch = watch
        self._keep_epochs = keep_epochs
        self._left_out = {*left_out, *(f"val_{name}" for name in left_out)}
        self._started = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self._started = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
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
