"""Both phases of training, and what of them is kept: one embedding per clip."""

import math

from asdkeras.data.labels import section_labels
from asdkeras.data.pipeline import Holdout, in_parts, pair_batches, window_batches
from asdkeras.errors import RecipeError
from asdkeras.systems.baselines.front_end import (
    KEEP,
    heard_length,
    log_mel_model,
    require_frames,
)
from asdkeras.systems.nejjar.networks import (
    clip_embedding,
    encoder_of,
    fine_tuning_model,
    pretraining_model,
)
from asdkeras.systems.system import Trained

EMBEDDING, PRETRAINED = "embedding", "pretrained_embedding"
_PHASE = "pretraining"
_CLIPS_AT_ONCE = 16


def train(config, clips, context):
    """Train the encoder of one machine type.

    Args:
        config: of the system.
        clips: `ClipSet`, the training clips.
        context: `RunContext`.

    Returns:
        `Trained`: `embedding` of the last phase there is and, with both of them,
        `pretrained_embedding` of the first.

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
    moments = frames.moments() if config.standardize else None
    encoders = {}
    if config.variant != "no_pretraining":
        encoders[PRETRAINED] = _pretrained(config, windows, moments, context)
    if num_sections > 1:
        labels = section_labels(clips.table)
        before = encoders.get(PRETRAINED)
        encoders[EMBEDDING] = _fine_tuned(config, windows, moments, labels, before, context)
    else:
        context.warn(
            f"{clips.table['machine_type'].iloc[0]} has one section, so there is nothing to "
            "fine-tune with: clips are scored by the embeddings of pre-training"
        )
        encoders = {EMBEDDING: encoders[PRETRAINED]}
    models = {name: clip_embedding(config, each, log_mel) for name, each in encoders.items()}
    return Trained(models, {}, clip_length, KEEP)


def _require_sections(config, table, num_sections):
    if config.variant == "no_pretraining" and num_sections < 2:
        raise RecipeError(
            f"{table['machine_type'].iloc[0]} has one section, {table['section'].iloc[0]}, and "
            "without pre-training the network learns by telling sections apart. Take --variant "
            "dgmix, or name several sections in a CSV file."
        )


def _pretrained(config, windows, moments, context):
    """The encoder after self-supervised training."""
    settings = config.pretraining
    updates = len(windows) // settings.batch_size
    if updates < 1:
        raise RecipeError(
            f"`pretraining.batch_size`: {settings.batch_size} windows, and there are "
            f"{len(windows)} in all. Use more clips, or --set "
            f"config.pretraining.batch_size={len(windows) // 2 or 2}."
        )

    def batches(first_epoch):
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
        build=lambda: pretraining_model(config, encoder_of(config, moments), updates),
        batches=batches,
        epochs=settings.epochs,
        steps_per_epoch=updates * settings.accumulation_steps,
        keep_epochs=(settings.epochs,),
        watch=_learning_rate,
        phase=_PHASE,
    )
    return fitted.models[settings.epochs].get_layer("encoder")


def _fine_tuned(config, windows, moments, labels, pretrained, context):
    """An encoder that has learned sections, from where `pretrained` stands if there is one."""
    settings = config.fine_tuning
    groups = labels.indices if settings.pairing == "within_section" else None

    def build():
        encoder = encoder_of(config, moments)
        if pretrained is not None:
            encoder.set_weights(pretrained.get_weights())
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
        keep_epochs=(settings.epochs,),
        watch=_learning_rate,
    )
    return fitted.models[settings.epochs].get_layer("encoder")


def _learning_rate(model):
    """Of the next step."""
    return {"learning_rate": float(model.optimizer.learning_rate)}
