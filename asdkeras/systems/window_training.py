"""Training on windows of log-mel frames, which all official baselines have in common."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import keras

from asdkeras.batches.steps import Schedule
from asdkeras.batches.window_batches import (
    Holdout,
    held_out_batches,
    num_training_windows,
    window_batches,
)
from asdkeras.data.frames import Windows
from asdkeras.data.labels import Labels
from asdkeras.errors import RecipeError
from asdkeras.systems.log_mel_front_end import LogMelFrontEnd, log_mel_model
from asdkeras.systems.model_files import Models, TrainedNetwork
from asdkeras.systems.system import Fitted, RunContext, TrainingLog


@dataclasses.dataclass(frozen=True)
class WindowModels(Models):
    """The network of a baseline, from windows, or vectors of their values."""

    network: TrainedNetwork


def require_training(settings: Any, num_clips: int, num_frames: int, hop: int, where: str) -> int:
    """How many windows are left to train with; a RecipeError if all of them are held out.

    Args:
        settings: has `num_frames` and `validation_fraction`, and is the section `where`.
        num_frames: of a clip.
    """
    num_windows = num_clips * (1 + (num_frames - settings.num_frames) // hop)
    count = math.floor(num_windows * (1.0 - settings.validation_fraction))
    if count < 1:
        raise RecipeError(
            f"`{where}.validation_fraction`: {settings.validation_fraction} leaves none of "
            f"{num_windows} windows to train with. Use more clips, or --set "
            f"config.{where}.validation_fraction=0.0."
        )
    return count


def train_on_windows(
    settings: Any,
    windows: Windows,
    holdout: Holdout,
    labels: Labels | None,
    context: RunContext,
    build: Callable[[], keras.Model],
    record: tuple[str, ...] = (),
) -> Fitted:
    """Train on windows of all clips, shuffled as a whole in each epoch.

    Args:
        settings: has `epochs` and `batch_size`.
        holdout: windows that are measured and select nothing.
        labels: of the clips; None for an autoencoder.
        record: see `TrainingLog`.
    """
    num_training = num_training_windows(windows, holdout)
    context.say(
        f"{windows.store.num_clips} training clips, {len(windows)} windows of "
        f"{windows.num_frames} frames, {len(windows) - num_training} of them held out"
    )
    size, epochs = settings.batch_size, settings.epochs
    return context.fit(
        build=build,
        batches=lambda first: window_batches(
            windows, holdout, labels, Schedule(size, context.seed, first, epochs)
        ),
        epochs=epochs,
        steps_per_epoch=math.ceil(num_training / size),
        log=TrainingLog(
            validation=lambda: held_out_batches(windows, holdout, labels, size), record=record
        ),
    )


def front_end_of(front_end: LogMelFrontEnd, models: Models) -> keras.Model:
    """The model from waveform to frames that a training used."""
    return log_mel_model(front_end, models.sample_rate_hz, models.clip_length)
