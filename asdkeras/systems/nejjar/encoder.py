"""The encoder, and the models that train it in both phases."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import keras
from keras import ops

from asdkeras.batches.mixup import between
from asdkeras.layers.frame_windows import FrameWindows
from asdkeras.layers.spec_augment import SpecAugment
from asdkeras.layers.time_warp import TimeWarp
from asdkeras.losses.mixed_divergence import MixedDivergence
from asdkeras.losses.vicreg import Consistency, VICReg
from asdkeras.networks.dgmix_mobilenet_v2 import dgmix_mobilenet_v2, expander, section_logits
from asdkeras.optimizers.lars import LARS
from asdkeras.scorers.terms import Floats
from asdkeras.systems.nejjar.phases import Pretraining, Views

if TYPE_CHECKING:
    from asdkeras.systems.nejjar2022 import Config


def encoder_of(config: "Config", moments: dict[str, Floats] | None = None) -> keras.Model:
    """From a window of log-mel frames, `(batch, frames, bands)`, to its embedding, `(batch, 320)`.

    Args:
        moments: `mean` and `variance` of each band, `(bands,)`, by which windows are
            standardized; None leaves them in dB.
    """
    windows = keras.Input((config.num_frames, config.front_end.num_mel_bins), name="windows")
    values = windows
    if moments is not None:
        values = keras.layers.Normalization(axis=-1, **moments)(windows)
    return keras.Model(windows, dgmix_mobilenet_v2(values), name="encoder")


def pretraining_model(
    config: "Config", encoder: keras.Model, updates_per_epoch: int
) -> keras.Model:
    """The encoder and its expander, ready for self-supervised training.

    Its inputs are the batches of `pair_batches` (`dgmix`) or of windows (`vicreg`); each passes by
    itself, so that batch normalization sees one at a time. The losses are in the model.
    """
    settings = config.pretraining
    embeddings = keras.Input(encoder.output_shape[1:])
    expand = keras.Model(
        embeddings,
        expander(embeddings, form=settings.expander, dim=settings.expander_dim),
        name="expander",
    )
    loss = VICReg(weights=settings.weights, form=settings.form, name="vicreg")
    if config.variant == "dgmix":
        inputs = _pair_inputs(encoder)
        first, second, mixed = (expand(encoder(inputs[name])) for name in _WINDOWS)
        mixture = between(first, second, inputs["weight"])
        model = keras.Model(inputs, loss(first, second, compared=(mixed, mixture)))
    else:
        window = keras.Input(encoder.input_shape[1:], name="window")
        augment = _augmentation(config.views)
        first, second = (expand(encoder(augment(window))) for _ in range(2))
        model = keras.Model(window, loss(first, second))
    model.compile(_lars(settings, updates_per_epoch))
    return model


def _augmentation(views: Views) -> Callable[[keras.KerasTensor], keras.KerasTensor]:
    """From windows to a view of them, another one at each call: SpecAugment."""
    warp = TimeWarp(views.time_warp) if views.time_warp else None
    mask = SpecAugment(
        num_time_masks=views.num_time_masks,
        time_width=views.time_width,
        num_band_masks=views.num_band_masks,
        band_width=views.band_width,
        fill=views.fill,
    )
    return lambda windows: mask(windows if warp is None else warp(windows))


def _lars(settings: Pretraining, updates_per_epoch: int) -> LARS:
    """LARS on the way from 0 up to its rate and along a cosine to the end."""
    warmup = settings.warmup_epochs * updates_per_epoch
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else settings.learning_rate,
        settings.epochs * updates_per_epoch - warmup,
        alpha=settings.end_learning_rate / settings.learning_rate,
        warmup_target=settings.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    steps = settings.accumulation_steps
    return LARS(
        schedule,
        weight_decay=settings.weight_decay,
        momentum=settings.momentum,
        trust_coefficient=settings.trust_coefficient,
        gradient_accumulation_steps=steps if steps > 1 else None,
    )


def fine_tuning_model(config: "Config", encoder: keras.Model, num_classes: int) -> keras.Model:
    """The encoder and a classifier of sections, ready for training with mixed windows.

    From the batches of `pair_batches` to the logits `section` of the mixed windows; equation 1 on
    the encoder's output is in the model.
    """
    settings = config.fine_tuning
    inputs = _pair_inputs(encoder)
    first, second, mixed = (encoder(inputs[name]) for name in _WINDOWS)
    consistent = Consistency(
        weight=settings.consistency_weight,
        form=config.pretraining.form,
        name="consistent",
    )(mixed, between(first, second, inputs["weight"]))
    logits = section_logits(mixed, num_classes)
    model = keras.Model(inputs, {"section": logits, "consistency": consistent})
    model.compile(
        keras.optimizers.AdamW(
            settings.learning_rate,
            weight_decay=settings.weight_decay,
            epsilon=settings.adam_epsilon,
        ),
        {"section": MixedDivergence()},
    )
    return model


_WINDOWS = ("first", "second", "mixed")


def _pair_inputs(encoder: keras.Model) -> dict[str, keras.KerasTensor]:
    inputs = {name: keras.Input(encoder.input_shape[1:], name=name) for name in _WINDOWS}
    return {**inputs, "weight": keras.Input((1,), name="weight")}


def clip_embedding(config: "Config", encoder: keras.Model, front_end: keras.Model) -> keras.Model:
    """Model from waveform to the mean of the embeddings of its windows, `(batch, 320)`."""
    windows = FrameWindows(config.num_frames, config.window_hop)(front_end.output)
    embeddings = encoder(ops.reshape(windows, (-1, *windows.shape[2:])))
    of_clips = ops.reshape(embeddings, (-1, windows.shape[1], embeddings.shape[-1]))
    return keras.Model(front_end.input, ops.mean(of_clips, axis=1))
