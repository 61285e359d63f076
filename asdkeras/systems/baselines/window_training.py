"""Training on windows of log-mel frames, which all official baselines have in common."""

import dataclasses
import math

import keras
import numpy as np

from asdkeras.data.frames import Windows
from asdkeras.data.pipeline import (
    Holdout,
    held_out_batches,
    num_training_windows,
    window_batches,
)
from asdkeras.systems.baselines.front_end import (
    KEEP,
    heard_length,
    log_mel_model,
    require_frames,
)

_CLIPS_AT_ONCE = 16


@dataclasses.dataclass(frozen=True)
class TrainedOnWindows:
    """What training leaves, and what it was trained on.

    Attributes:
        network: from windows, or vectors of their values, to what it learned.
        front_end: from waveform to frames.
        windows: of the training clips.
        holdout: which of them were held out.
        batch_values: as in `Fitted`.
        clip_length: int, samples that are heard of a clip.
    """

    network: keras.Model
    front_end: keras.Model
    windows: Windows
    holdout: Holdout
    batch_values: dict[str, np.ndarray]
    clip_length: int


def train_on_windows(
    config, front_end, clips, context, build, *, key, hop, holdout, labels, as_vectors, record=()
):
    """Train on windows of all clips, shuffled as a whole in each epoch.

    Args:
        config: has `num_frames`, `epochs` and `batch_size`.
        front_end: `FrontEnd`.
        clips: `ClipSet`.
        context: `RunContext`.
        build: returns the compiled network.
        key: of `config` in the recipe.
        hop: int, frames from window to window.
        holdout: `Holdout`; what is held out is measured and selects nothing.
        labels: as in `window_batches`.
        as_vectors: as in `window_batches`.
        record: as in `RunContext.fit`.

    Returns:
        `TrainedOnWindows`.

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
        keep_epochs=(config.epochs,),
        watch=lambda model: {},
        validation=lambda: held_out(config, windows, holdout, labels, as_vectors=as_vectors),
        record=record,
    )
    return TrainedOnWindows(
        network=fitted.models[config.epochs],
        front_end=log_mel,
        windows=windows,
        holdout=holdout,
        batch_values=fitted.batch_values,
        clip_length=clip_length,
    )


def held_out(config, windows, holdout, labels, *, as_vectors):
    """Batches of the windows that are held out, see `held_out_batches`; None if none are."""
    if num_training_windows(windows, holdout) == len(windows):
        return None
    return held_out_batches(
        windows, holdout, labels, batch_size=config.batch_size, as_vectors=as_vectors
    )
