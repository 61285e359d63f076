"""Training on windows of log-mel frames, which all official baselines have in common."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import keras

from asdkeras.batches.pipeline import (
    Holdout,
    held_out_batches,
    num_training_windows,
    window_batches,
)
from asdkeras.data.clip_set import ClipSet
from asdkeras.data.frames import Windows
from asdkeras.data.labels import Labels
from asdkeras.scorers.terms import Floats
from asdkeras.systems.log_mel_front_end import (
    KEEP,
    LogMelFrontEnd,
    heard_length,
    log_mel_model,
    require_frames,
)
from asdkeras.systems.model_files import Models, TrainedNetwork
from asdkeras.systems.system import RunContext

_CLIPS_AT_ONCE = 16


@dataclasses.dataclass(frozen=True)
class WindowModels(Models):
    """What the training of a baseline leaves.

    Attributes:
        network: from windows, or vectors of their values, to what it learned.
    """

    network: TrainedNetwork


@dataclasses.dataclass(frozen=True)
class TrainedOnWindows:
    """A trained network, and what it was trained on.

    Attributes:
        models: record of the training.
        windows: of the training clips.
        holdout: which of them were held out.
        batch_values: as in `Fitted`.
    """

    models: WindowModels
    windows: Windows
    holdout: Holdout
    batch_values: dict[str, Floats]


def train_on_windows(
    config: Any,
    front_end: LogMelFrontEnd,
    clips: ClipSet,
    context: RunContext,
    build: Callable[[], keras.Model],
    *,
    key: str,
    hop: int,
    holdout: Holdout,
    labels: Labels | None,
    as_vectors: bool,
    record: tuple[str, ...] = (),
) -> TrainedOnWindows:
    """Train on windows of all clips, shuffled as a whole in each epoch.

    Args:
        config: has `num_frames`, `epochs` and `batch_size`.
        build: returns the compiled network.
        key: of `config` in the recipe.
        hop: int, frames from window to window.
        holdout: `Holdout`; what is held out is measured and selects nothing.

    Raises:
        RecipeError: if clips have fewer frames than a window.
    """
    clip_length = heard_length(front_end, clips, context)
    require_frames(config.num_frames, front_end, clip_length, f"{key}.num_frames")
    log_mel = log_mel_model(front_end, clips.store.sample_rate_hz, clip_length)
    frames = context.store_frames(log_mel, clips, clip_length, KEEP, _CLIPS_AT_ONCE)
    windows = frames.windows(config.num_frames, hop)
    num_training = num_training_windows(windows, holdout)
    context.say(
        f"{len(clips)} training clips, {len(windows)} windows of {config.num_frames} frames, "
        f"{len(windows) - num_training} of them held out"
    )
    fitted = context.fit(
        build=build,
        batches=lambda first_epoch: window_batches(
            windows,
            holdout,
            labels,
            batch_size=config.batch_size,
            seed=context.seed,
            first_epoch=first_epoch,
            epochs=config.epochs,
            as_vectors=as_vectors,
        ),
        epochs=config.epochs,
        steps_per_epoch=math.ceil(num_training / config.batch_size),
        validation=lambda: held_out(config, windows, holdout, labels, as_vectors=as_vectors),
        record=record,
    )
    network = fitted.networks[config.epochs]
    models = WindowModels(clip_length, clips.store.sample_rate_hz, KEEP, network)
    return TrainedOnWindows(models, windows, holdout, fitted.batch_values)


def held_out(
    config: Any, windows: Windows, holdout: Holdout, labels: Labels | None, *, as_vectors: bool
) -> Any:
    """Batches of the windows that are held out, see `held_out_batches`; None if none are."""
    if num_training_windows(windows, holdout) == len(windows):
        return None
    return held_out_batches(
        windows, holdout, labels, batch_size=config.batch_size, as_vectors=as_vectors
    )


def front_end_of(front_end: LogMelFrontEnd, models: Models) -> keras.Model:
    """The model from waveform to frames that a training used."""
    return log_mel_model(front_end, models.sample_rate_hz, models.clip_length)
