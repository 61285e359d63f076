"""Both phases of training, and what of them is kept: one embedding per clip."""

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import keras
import pandas as pd

from asdkeras.batches.pipeline import Holdout, in_parts, pair_batches, window_batches
from asdkeras.data.clip_set import ClipSet
from asdkeras.data.frames import FrameStore, Windows
from asdkeras.data.labels import Labels, section_labels
from asdkeras.errors import RecipeError
from asdkeras.scorers.terms import Floats
from asdkeras.systems.log_mel_front_end import (
    KEEP,
    heard_length,
    log_mel_model,
    require_frames,
)
from asdkeras.systems.model_files import Models, TrainedNetwork
from asdkeras.systems.nejjar.encoder import encoder_of, fine_tuning_model, pretraining_model
from asdkeras.systems.system import RunContext

if TYPE_CHECKING:
    from asdkeras.systems.nejjar2022 import Config

EMBEDDING, PRETRAINED = "embedding", "pretrained_embedding"
_PHASE = "pretraining"
_CLIPS_AT_ONCE = 16


@dataclasses.dataclass(frozen=True)
class Encoders(Models):
    """What training leaves.

    Attributes:
        encoders: `embedding` -> model of the last phase there is and, with both of them,
            `pretrained_embedding` -> that of the first; each has a layer `encoder`.
    """

    encoders: dict[str, TrainedNetwork]


def train(config: "Config", clips: ClipSet, context: RunContext) -> Encoders:
    """Train the encoder of one machine type.

    Raises:
        RecipeError: if there is nothing to learn from, or too little for a batch or a window.
    """
    num_sections = clips.table["section"].nunique()
    _require_sections(config, clips.table, num_sections)
    clip_length = heard_length(config.front_end, clips, context)
    require_frames(config.num_frames, config.front_end, clip_length, "num_frames")
    log_mel = log_mel_model(config.front_end, clips.store.sample_rate_hz, clip_length)
    frames = context.store_frames(log_mel, clips, clip_length, KEEP, _CLIPS_AT_ONCE)
    windows = frames.windows(config.num_frames, config.window_hop)
    context.say(f"{len(clips)} training clips, {len(windows)} windows, {num_sections} sections")

    def new_encoder() -> keras.Model:
        return encoder_of(config, _moments(frames, context) if config.standardize else None)

    encoders = {}
    if config.variant != "no_pretraining":
        encoders[PRETRAINED] = _pretrained(config, windows, new_encoder, context)
    if num_sections > 1:
        labels = section_labels(clips.table)
        before = encoders.get(PRETRAINED)
        encoders[EMBEDDING] = _fine_tuned(config, windows, new_encoder, labels, before, context)
    else:
        context.warn(
            f"{clips.table['machine_type'].iloc[0]} has one section, so there is nothing to "
            "fine-tune with: clips are scored by the embeddings of pre-training"
        )
        encoders = {EMBEDDING: encoders[PRETRAINED]}
    return Encoders(clip_length, clips.store.sample_rate_hz, KEEP, encoders)


def _moments(frames: FrameStore, context: RunContext) -> tuple[Floats, Floats]:
    """Mean and variance of each band over all frames."""
    moments = context.once(
        "moments", lambda: dict(zip(("mean", "variance"), frames.moments(), strict=True))
    )
    return moments["mean"], moments["variance"]


def _require_sections(config: "Config", table: pd.DataFrame, num_sections: int) -> None:
    if config.variant == "no_pretraining" and num_sections < 2:
        raise RecipeError(
            f"{table['machine_type'].iloc[0]} has one section, {table['section'].iloc[0]}, and "
            "without pre-training the network learns by telling sections apart. Take --variant "
            "dgmix, or name several sections in a CSV file."
        )


def _pretrained(
    config: "Config", windows: Windows, new_encoder: Callable[[], keras.Model], context: RunContext
) -> TrainedNetwork:
    """The model after self-supervised training."""
    settings = config.pretraining
    updates = len(windows) // settings.batch_size
    if updates < 1:
        raise RecipeError(
            f"`pretraining.batch_size`: {settings.batch_size} windows, and there are "
            f"{len(windows)} in all. Use more clips, or --set "
            f"config.pretraining.batch_size={len(windows) // 2 or 2}."
        )

    def batches(first_epoch: int) -> object:
        options = {
            "batch_size": settings.batch_size,
            "seed": context.seed,
            "first_epoch": first_epoch,
            "epochs": settings.epochs,
            "drop_remainder": True,
        }
        if config.variant == "dgmix":
            whole = pair_batches(windows, None, alpha=config.mixup_alpha, groups=None, **options)
        else:
            everything = Holdout(0.0, "last")
            whole = window_batches(windows, everything, None, as_vectors=False, **options)
        return in_parts(whole, settings.accumulation_steps)

    fitted = context.fit(
        build=lambda: pretraining_model(config, new_encoder(), updates),
        batches=batches,
        epochs=settings.epochs,
        steps_per_epoch=updates * settings.accumulation_steps,
        watch=_learning_rate,
        phase=_PHASE,
    )
    return fitted.networks[settings.epochs]


def _fine_tuned(
    config: "Config",
    windows: Windows,
    new_encoder: Callable[[], keras.Model],
    labels: Labels,
    pretrained: TrainedNetwork | None,
    context: RunContext,
) -> TrainedNetwork:
    """The model that has learned sections, from where `pretrained` stands if there is one."""
    settings = config.fine_tuning
    groups = labels.indices if settings.pairing == "within_section" else None

    def build() -> keras.Model:
        encoder = new_encoder()
        if pretrained is not None:
            encoder.set_weights(pretrained.model.get_layer("encoder").get_weights())
        return fine_tuning_model(config, encoder, len(labels.classes))

    fitted = context.fit(
        build=build,
        batches=lambda first_epoch: pair_batches(
            windows,
            labels,
            alpha=config.mixup_alpha,
            groups=groups,
            batch_size=settings.batch_size,
            seed=context.seed,
            first_epoch=first_epoch,
            epochs=settings.epochs,
            drop_remainder=False,
        ),
        epochs=settings.epochs,
        steps_per_epoch=math.ceil(len(windows) / settings.batch_size),
        watch=_learning_rate,
    )
    return fitted.networks[settings.epochs]


def _learning_rate(model: keras.Model) -> dict[str, float]:
    """Of the next step."""
    return {"learning_rate": float(model.optimizer.learning_rate)}
