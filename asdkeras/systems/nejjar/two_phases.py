"""Both phases of training, and the encoders that are kept."""

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import keras

from asdkeras.batches.pair_batches import pair_batches
from asdkeras.batches.steps import Schedule, in_parts
from asdkeras.batches.window_batches import Holdout, window_batches
from asdkeras.data.clip_set import ClipSet
from asdkeras.data.frames import Windows
from asdkeras.data.labels import Labels, section_labels
from asdkeras.errors import RecipeError
from asdkeras.systems.log_mel_front_end import KEEP, require_frames, stored_frames
from asdkeras.systems.model_files import Models, TrainedNetwork
from asdkeras.systems.nejjar.encoder import encoder_of, fine_tuning_model, pretraining_model
from asdkeras.systems.system import RunContext, TrainingLog, learning_rate

if TYPE_CHECKING:
    from asdkeras.systems.nejjar2022 import Config

EMBEDDING, PRETRAINED = "embedding", "pretrained_embedding"
_PHASE = "pretraining"


@dataclasses.dataclass(frozen=True)
class Encoders(Models):
    """What training leaves.

    Attributes:
        encoders: `embedding` -> model of the last phase there is and, with both of them,
            `pretrained_embedding` -> that of the first; each has a layer `encoder`.
    """

    encoders: dict[str, TrainedNetwork]


def check(config: "Config", clips: ClipSet) -> None:
    """See `System.check`.

    Raises:
        RecipeError: if there is nothing to learn from, or too little for a batch or a window.
    """
    table, size = clips.table, config.pretraining.batch_size
    frames = require_frames(config.num_frames, config.front_end, clips, "num_frames")
    num_windows = len(clips) * (1 + (frames - config.num_frames) // config.window_hop)
    if config.variant != "no_pretraining" and num_windows < size:
        raise RecipeError(
            f"`pretraining.batch_size`: {size} windows, and there are {num_windows} in all. Use "
            f"more clips, or --set config.pretraining.batch_size={num_windows // 2 or 2}."
        )
    if config.variant == "no_pretraining" and table["section"].nunique() < 2:
        raise RecipeError(
            f"{table['machine_type'].iloc[0]} has one section, {table['section'].iloc[0]}, and "
            "without pre-training the network learns by telling sections apart. Take --variant "
            "dgmix, or name several sections in a CSV file."
        )


def train(config: "Config", clips: ClipSet, context: RunContext) -> Encoders:
    """Train the encoder of one machine type."""
    table = clips.table
    num_sections = table["section"].nunique()
    clip_length, frames = stored_frames(config.front_end, clips, context)
    windows = frames.windows(config.num_frames, config.window_hop)
    context.say(f"{len(clips)} training clips, {len(windows)} windows, {num_sections} sections")

    def new_encoder() -> keras.Model:
        moments = frames.moments() if config.standardize else None
        return encoder_of(config, moments)

    encoders = {}
    if config.variant != "no_pretraining":
        encoders[PRETRAINED] = _pretrained(config, windows, new_encoder, context)
    if num_sections > 1:
        labels = section_labels(table)
        before = encoders.get(PRETRAINED)
        encoders[EMBEDDING] = _fine_tuned(config, windows, new_encoder, labels, before, context)
    else:
        context.warn(
            f"{table['machine_type'].iloc[0]} has one section, so there is nothing to "
            "fine-tune with: clips are scored by the embeddings of pre-training"
        )
        encoders = {EMBEDDING: encoders[PRETRAINED]}
    return Encoders(clip_length, clips.store.sample_rate_hz, KEEP, encoders)


def _pretrained(
    config: "Config", windows: Windows, new_encoder: Callable[[], keras.Model], context: RunContext
) -> TrainedNetwork:
    settings = config.pretraining
    updates = len(windows) // settings.batch_size

    def batches(first: int) -> object:
        schedule = Schedule(settings.batch_size, context.seed, first, settings.epochs)
        if config.variant == "dgmix":
            whole = pair_batches(
                windows, None, None, config.mixup_alpha, schedule, drop_remainder=True
            )
        else:
            everything = Holdout(0.0, "last")
            whole = window_batches(windows, everything, None, schedule, drop_remainder=True)
        return in_parts(whole, settings.accumulation_steps)

    fitted = context.fit(
        build=lambda: pretraining_model(config, new_encoder(), updates),
        batches=batches,
        epochs=settings.epochs,
        steps_per_epoch=updates * settings.accumulation_steps,
        log=TrainingLog(watch=learning_rate),
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
        batches=lambda first: pair_batches(
            windows,
            labels,
            groups,
            config.mixup_alpha,
            Schedule(settings.batch_size, context.seed, first, settings.epochs),
        ),
        epochs=settings.epochs,
        steps_per_epoch=math.ceil(len(windows) / settings.batch_size),
        log=TrainingLog(watch=learning_rate),
    )
    return fitted.networks[settings.epochs]
