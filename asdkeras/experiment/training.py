"""Training that shows its progress, can be stopped at any time, and goes on where it stood."""

import dataclasses
import functools
import hashlib
import itertools
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from asdkeras import __version__
from asdkeras.batches.steps import own_errors
from asdkeras.batches.waveform_batches import inference_batches
from asdkeras.data.clip_set import ClipSet
from asdkeras.data.frames import FrameStore
from asdkeras.data.kept_files import FRAMES, kept_arrays
from asdkeras.data.moments import band_moments
from asdkeras.dsp.clip_length import Keep
from asdkeras.errors import TrainingError
from asdkeras.experiment.training_records import (
    WEIGHTS,
    RecordBatches,
    RecordEpochs,
    ShowProgress,
    batch_values,
    keep_untrained,
    name_of,
)
from asdkeras.files import reading, write_arrays
from asdkeras.losses.finite_training import FiniteTraining
from asdkeras.mixed_precision import networks_in
from asdkeras.networks.folded_for_inference import folded
from asdkeras.optimizers.loss_scale import LossScale, with_loss_scale
from asdkeras.progress import Update, say, stage
from asdkeras.replicas import number_of
from asdkeras.systems.model_files import Models, TrainedNetwork
from asdkeras.systems.system import NOTHING_MORE, AnySystem, Fitted, TrainingLog

_PASSES = "passes"
_ADVICE = "The last whole epoch is kept. Try a lower learning rate or another seed."

Arrays = Mapping[str, NDArray[np.generic]]


@dataclasses.dataclass
class TaskContext:
    """The `RunContext` of one task, to be used as a context manager.

    What `once` keeps is deleted when the block ends well. Messages begin with `name`; `warnings`
    are repeated under the result table. Where `untrained`, `fit` takes no step: every epoch that is
    kept is the network as it starts. Networks are built in `precision`.
    """

    folder: Path
    seed: int
    table: pd.DataFrame
    name: str
    all_training_clips: ClipSet
    left_out: tuple[str, ...] = ()
    untrained: bool = False
    precision: str = "float32"
    warnings: list[str] = dataclasses.field(default_factory=list)
    _stores: list[FrameStore] = dataclasses.field(default_factory=list, init=False)

    def __enter__(self) -> "TaskContext":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        for store in self._stores:
            store.close()
        self._stores.clear()
        if kind is None:
            discard_passes(self.folder)

    def say(self, message: str) -> None:
        say(f"{self.name}: {message}")

    def warn(self, message: str) -> None:
        self.warnings.append(message)
        say(f"{self.name}: warning: {message}")

    def stage(self, name: str) -> AbstractContextManager[Update]:
        return stage(f"{self.name} {name}".rstrip())

    def store_frames(
        self, front_end: keras.Model, clips: ClipSet, clip_length: int, keep: Keep, batch_size: int
    ) -> FrameStore:
        key = _key(front_end, clips, clip_length, keep, batch_size)
        compute = _of_waveforms(front_end, clip_length, {})
        num_frames, num_bands = front_end.output_shape[1:]
        store = FrameStore(
            clips.store.kept / f"{key[:32]}{FRAMES}",
            len(clips),
            num_frames,
            num_bands,
            lambda: self._frames("front end", compute, clips, clip_length, keep, batch_size),
            key,
            clips.store.num_bytes,
        )
        self._stores.append(store)
        return store

    def band_moments(
        self, front_end: keras.Model, clips: ClipSet, clip_length: int, keep: Keep, batch_size: int
    ) -> dict[str, NDArray[np.float64]]:
        compute = _of_waveforms(front_end, clip_length, {})
        given = clips, clip_length, keep, batch_size
        frames = self._frames("band statistics", compute, *given)
        first = next(frames)  # Another version of the front end gives other bytes.
        key = hashlib.sha256(_key(front_end, *given).encode() + first.tobytes()).hexdigest()
        path = clips.store.kept / f"moments-{key[:32]}.npz"
        everything = itertools.chain([first], frames)
        return kept_arrays(path, key, lambda: band_moments(everything))

    def _frames(
        self,
        name: str,
        compute: Callable[..., tf.Tensor],
        clips: ClipSet,
        clip_length: int,
        keep: Keep,
        batch_size: int,
    ) -> Iterator[NDArray[np.float32]]:
        num_done = 0
        with self.stage(name) as update, own_errors():
            for batch in inference_batches(clips, clip_length, keep, batch_size):
                yield compute(batch).numpy()
                num_done += len(batch)
                update(num_done, len(clips))

    def once(self, name: str, compute: Callable[[], Arrays]) -> dict[str, NDArray[np.generic]]:
        path = self.folder / _PASSES / f"{name}.npz"
        if not path.exists():
            write_arrays(path, compute())
        with reading(path), np.load(path) as kept:
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
        folder = self.folder / phase
        folder.mkdir(exist_ok=True)
        weights = folder / WEIGHTS
        earlier = {*keep_epochs} - {epochs}
        if self.untrained and not weights.exists():
            self._open_frames()
            last = functools.partial(batches, epochs - 1)
            with own_errors():
                model = self._built(build)
                keep_untrained(model, last, epochs, steps_per_epoch, folder, log, earlier)
        if weights.exists():
            with reading(weights):
                model = keras.saving.load_model(weights)
            first_epoch = epochs if self.untrained else _epochs_seen(model, steps_per_epoch)
        else:
            self._open_frames()
            model, first_epoch = self._built(build), 0
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
                        RecordBatches(folder, log.record, epochs),
                        RecordEpochs(folder, log, earlier),
                        ShowProgress(update, epochs, steps_per_epoch),
                    ],
                )
        networks = {epoch: TrainedNetwork(folder / name_of(epoch)) for epoch in earlier}
        networks[epochs] = TrainedNetwork(weights, model)
        return Fitted(networks, batch_values(folder, log.record))

    def _built(self, build: Callable[[], keras.Model]) -> keras.Model:
        with networks_in(self.precision):
            model = build()
        return with_loss_scale(model) if self.precision == "mixed_float16" else model


def discard_passes(folder: Path) -> None:
    """Delete the arrays that `once` kept for a later try of a task."""
    shutil.rmtree(folder / _PASSES, ignore_errors=True)


def _key(
    front_end: keras.Model, clips: ClipSet, clip_length: int, keep: Keep, batch_size: int
) -> str:
    """Hex digest of all that the frames of clips depend on, but not of what layers are called."""
    text = front_end.to_json()
    for number, each in enumerate([front_end, *front_end.operations]):
        kind = re.sub(r"_\d+$", "", each.name)
        text = text.replace(f'"{each.name}"', f'"{kind}#{number}"')
    of_clips = clips.fingerprint(clip_length, keep)
    content = hashlib.sha256(f"{__version__} {of_clips} {batch_size} {text}".encode())
    for weight in front_end.weights:
        content.update(keras.ops.convert_to_numpy(weight).tobytes())
    return content.hexdigest()


def _epochs_seen(model: keras.Model, steps_per_epoch: int) -> int:
    """Whole epochs so far; Keras counts updates, each of which may take several batches."""
    optimizer = model.optimizer
    if isinstance(optimizer, LossScale):
        return int(number_of(optimizer.batches)) // steps_per_epoch
    updates = int(number_of(optimizer.iterations))
    return updates * (optimizer.gradient_accumulation_steps or 1) // steps_per_epoch


def networks_for_inference(system: AnySystem, models: Models) -> dict[str, keras.Model]:
    """The networks that represent clips, as evaluation, detectors and exports compute them.

    They are those of `System.represent` with their batch normalizations folded.
    """
    known: dict[int, object] = {}
    return {name: folded(each, known) for name, each in system.represent(models).items()}


def represent(
    system: AnySystem, models: Models, clips: ClipSet, name: str = "represent"
) -> dict[str, NDArray[np.float32]]:
    """Represent clips by every network of a system, under the progress line `name`.

    Returns:
        name of a representation -> `(clips, ...)`, NaN for clips that a network does not represent.

    Raises:
        TrainingError: if one that is represented has values that are no finite numbers.
    """
    networks = networks_for_inference(system, models)
    inputs = system.inputs(models, clips.table)
    clip_length, keep = models.clip_length, models.keep
    arrays = {
        array: np.full((len(clips), *output.shape[1:]), np.nan, "float32")
        for each, network in networks.items()
        for array, output in named_outputs(each, network.output).items()
    }
    groups = _by_rows(networks, system.rows(models, clips.table), len(clips))
    total = sum(len(rows) for rows, _ in groups)
    num_done = 0
    with stage(name) as update, own_errors():
        for rows, names in groups:
            part = dataclasses.replace(clips, table=clips.table.iloc[rows])
            calls = {each: _of_waveforms(networks[each], clip_length, inputs) for each in names}
            first = 0
            for batch in inference_batches(part, clip_length, keep, system.batch_size):
                chosen = rows[first : first + len(batch)]
                values = {each: tf.constant(of_clips[chosen]) for each, of_clips in inputs.items()}
                for network, call in calls.items():
                    outputs = call({"waveform": batch, **values} if values else batch)
                    for array, output in named_outputs(network, outputs).items():
                        arrays[array][chosen] = _finite(array, output.numpy())
                first += len(batch)
                num_done += len(batch)
                update(num_done, total)
    return arrays


def _finite(name: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
    if not np.isfinite(values).all():
        raise TrainingError(
            f"training diverged: `{name}`, by which clips are scored, is not finite everywhere. "
            "Try a lower learning rate, another seed, or --set precision=float32."
        )
    return values


def _by_rows(
    networks: Iterable[str], rows: Mapping[str, NDArray[np.bool_]], num_clips: int
) -> list[tuple[NDArray[np.intp], list[str]]]:
    """Rows of clips, and the networks that represent just these, so that each is read once."""
    everyone = np.full(num_clips, True)
    groups: dict[bytes, tuple[NDArray[np.intp], list[str]]] = {}
    for name in networks:
        is_used = np.asarray(rows.get(name, everyone), bool)
        groups.setdefault(is_used.tobytes(), (np.flatnonzero(is_used), []))[1].append(name)
    return [group for group in groups.values() if len(group[0])]


def named_outputs(
    model: str, outputs: keras.KerasTensor | dict[str, keras.KerasTensor]
) -> dict[str, keras.KerasTensor]:
    """The outputs of a model by the names of its representations."""
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
    call = functools.partial(model, training=False)
    return tf.function(call, input_signature=[signature], autograph=False)


def make_repeatable(seed: int) -> None:
    """Same seed, same machine: same numbers, from every operation, whatever ran before."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
