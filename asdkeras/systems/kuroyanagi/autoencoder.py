"""The first approach: a conformer rebuilds clips that are partly hidden from it."""

import dataclasses

import keras
import numpy as np
import pandas as pd
from keras import ops

from asdkeras.data.sequence_batches import sequence_batches
from asdkeras.errors import DataError
from asdkeras.layers.gaussian_scores import GaussianScores
from asdkeras.layers.masked_copies import MaskedCopies
from asdkeras.layers.resumable_dropout import ResumableDropout
from asdkeras.layers.spec_augment import SpecAugment
from asdkeras.networks.conformer_autoencoder import conformer_autoencoder
from asdkeras.optimizers.noam import Noam
from asdkeras.systems.baselines.front_end import KEEP, heard_length
from asdkeras.systems.kuroyanagi.front_end import (
    SOURCE,
    UNKNOWN,
    domains_of,
    log_mel,
    require_frames,
)
from asdkeras.systems.kuroyanagi.gaussian_fits import POOLINGS, fit_gaussians, held_out
from asdkeras.systems.system import ScoreTable, Trained

ERROR = "absolute_error"
_DOMAINS = 2
_CLIPS_AT_ONCE = 16
_POOL = {"mean": ops.mean, "maximum": ops.max, "median": ops.median}


def answer_of(settings):
    """The column that is the score."""
    return f"gaussian_{settings.time_pooling}"


def train(settings, clips, context):
    """Train on the clips of one machine type, and fit a Gaussian per section and domain.

    Args:
        settings: `Autoencoder`.
        clips: `ClipSet`, the training clips.
        context: `RunContext`.

    Returns:
        `Trained`: `scores_conformer` `(clips, sections * 2, 3)`, what each Gaussian says in
        each pooling over time, `error_conformer` `(clips,)`, the mean absolute error, and for
        maps `embedding_conformer` `(clips, bands)`, that of each band; constants `own_rows`
        and `own_scores`, which clips of the table Gaussians were fitted to, and their scores
        by the other clips of their Gaussian.

    Raises:
        RecipeError: if clips are shorter than what is hidden of them.
    """
    names = sorted(set(clips.table["section"]))
    of_all = _indices(names, context.table)  # First: what it refuses shall not wait for training.
    is_held_out = held_out(settings.held_out_fraction, clips.table, context.seed)
    learned = dataclasses.replace(clips, table=clips.table[~is_held_out])
    clip_length = heard_length(settings, clips, context, "ae")
    require_frames(settings.masks.time_width, settings, clip_length, "ae")
    waveform = keras.Input((clip_length,), name="waveform")
    front_end = keras.Model(waveform, log_mel(waveform, settings, clips.store.sample_rate_hz))
    frames = context.store_frames(front_end, learned, clip_length, KEEP, _CLIPS_AT_ONCE)
    context.say(
        f"{len(learned)} training clips and {len(clips) - len(learned)} held out, "
        f"{frames.num_frames} frames, {len(names)} sections"
    )
    mean, variance = frames.moments()
    standardize = keras.layers.Normalization(axis=-1, mean=mean, variance=variance)
    standardize.build((None, frames.num_frames, frames.num_bands))  # Before any graph calls it.
    network = _trained_network(settings, frames, standardize, learned, names, context)

    errors = _error_model(settings, front_end, standardize, network, context.seed)
    sections = _indices(names, clips.table)
    fits = fit_gaussians(settings, clips, is_held_out, sections, errors, clip_length, KEEP)
    positions = context.table.index.get_indexer(clips.table.index[fits.positions])
    return Trained(
        {"conformer": _score_model(errors, fits.gaussians)},
        {"own_rows": positions, "own_scores": fits.scores},
        clip_length,
        KEEP,
        inputs={"section": of_all},
    )


def _trained_network(settings, frames, standardize, clips, names, context):
    """From masked frames and a section to the frames; the clips are those of the frames."""
    sections = _indices(names, clips.table)
    rounds = settings.steps // settings.steps_per_save
    shape = (frames.num_frames, frames.num_bands)

    def clean_and_wanted(inputs, clean):
        clean = standardize(clean)
        return {**inputs, "frames": clean}, clean

    fitted = context.fit(
        build=lambda: training_model(settings, shape, len(names)),
        batches=lambda first_round: sequence_batches(
            frames.windows(frames.num_frames, 1),
            sections,
            batch_size=settings.batch_size,
            seed=context.seed,
            first_step=first_round * settings.steps_per_save,
            steps=settings.steps,
        ).map(clean_and_wanted),
        epochs=rounds,
        steps_per_epoch=settings.steps_per_save,
        keep_epochs=(),
        watch=lambda model: {"learning_rate": float(model.optimizer.learning_rate)},
    )
    return fitted.models[rounds].get_layer("autoencoder")


def training_model(settings, shape, num_sections):
    """The network behind what hides a part of its input, ready for training.

    Args:
        settings: `Autoencoder`.
        shape: frames and bands of a clip.
        num_sections: int.

    Returns:
        model from `frames`, standardized, and `section` to the frames rebuilt.
    """
    inputs = {
        "frames": keras.Input(shape, name="frames"),
        "section": keras.Input((), name="section", dtype="int32"),
    }
    outputs = conformer_autoencoder(
        inputs["frames"],
        inputs["section"],
        num_sections=num_sections,
        num_blocks=settings.num_blocks,
        width=settings.width,
        kernel_size=settings.kernel_size,
        num_heads=settings.num_heads,
        latent_dim=settings.latent_dim,
        dropout=settings.dropout,
    )
    network = keras.Model(inputs, outputs, name="autoencoder")
    masks = settings.masks
    hidden = SpecAugment(**_numbers(masks), fill="zero")(inputs["frames"])
    hidden = ResumableDropout(masks.input_dropout)(hidden)
    model = keras.Model(inputs, network({**inputs, "frames": hidden}))
    schedule = Noam(settings.width, settings.warmup_steps, settings.rate_factor)
    model.compile(
        keras.optimizers.Adam(schedule, epsilon=settings.adam_epsilon), "mean_absolute_error"
    )
    return model


def _numbers(masks):
    """Fields of `Masks` that `SpecAugment` and `MaskedCopies` have, too."""
    return {n: each for n, each in dataclasses.asdict(masks).items() if n != "input_dropout"}


def _error_model(settings, front_end, standardize, network, seed):
    """From `waveform` and `section` to what the network rebuilds wrongly of masked copies.

    Absolute errors against the clean frames, pooled over the copies: `(batch, frames, bands)`.
    """
    section = keras.Input((), name="section", dtype="int32")
    clean = standardize(front_end.output)
    copies = MaskedCopies(
        settings.num_copies,
        **_numbers(settings.masks),
        dropout=settings.masks.input_dropout,
        seed=seed,
    )(clean)
    rebuilt = network(
        {
            "frames": ops.reshape(copies, (-1, *clean.shape[1:])),
            "section": ops.repeat(section, settings.num_copies),
        }
    )
    rebuilt = ops.reshape(rebuilt, (-1, *copies.shape[1:]))
    errors = _POOL[settings.copy_pooling](ops.abs(rebuilt - clean[:, None]), axis=1)
    return keras.Model({"waveform": front_end.input, "section": section}, errors)


def _score_model(errors, gaussians):
    layer = GaussianScores(len(gaussians))
    outputs = {
        "scores": layer(errors.output),
        "error": ops.mean(errors.output, axis=(1, 2)),
        "embedding": ops.mean(errors.output, axis=1),
    }
    layer.set_gaussians(gaussians)
    return keras.Model(errors.input, outputs)


def score(settings, representations, table, seed):
    """What the Gaussian of its section and domain says of each clip.

    Of a clip whose domain is unknown the smaller of both scores counts; a training clip that a
    Gaussian was fitted to is scored by the other clips of that Gaussian.
    """
    of_all = representations.clips["scores_conformer"].astype("float64")
    by_domain = of_all.reshape(len(table), -1, _DOMAINS, len(POOLINGS))
    names = sorted(set(table.loc[table["split"] == "train", "section"]))
    own = by_domain[np.arange(len(table)), _indices(names, table)]
    domains = domains_of(table)
    scores = own[np.arange(len(table)), np.maximum(domains, SOURCE)]
    is_unknown = (domains == UNKNOWN) & (table["split"] != "train").to_numpy(bool)
    scores[is_unknown] = own[is_unknown].min(axis=1)
    scores[representations.constants["own_rows"]] = representations.constants["own_scores"]
    columns = pd.DataFrame(
        scores, index=table.index, columns=[f"gaussian_{pooling}" for pooling in POOLINGS]
    ).assign(**{ERROR: representations.clips["error_conformer"].astype("float64")})
    answer = answer_of(settings)
    named = (answer, *(name for name in columns if name != answer))
    return ScoreTable(columns, answer, answer, named)


def graph(settings, tensors, fit, column):
    """The smaller of what the Gaussians of both domains say; mean errors as embedding."""
    names = sorted(set(fit.table.loc[fit.table["split"] == "train", "section"]))
    if column == ERROR:
        return tensors["error_conformer"], tensors["embedding_conformer"]
    pooling = [f"gaussian_{each}" for each in POOLINGS].index(column)
    first = names.index(fit.section) * _DOMAINS
    of_domains = tensors["scores_conformer"][:, first : first + _DOMAINS, pooling]
    return ops.min(of_domains, axis=1), tensors["embedding_conformer"]


def _indices(names, table):
    """Which of the sections each clip is of, int32 `(clips,)`.

    Raises:
        DataError: if a clip is of none.
    """
    indices = pd.Index(names).get_indexer(table["section"]).astype("int32")
    if (indices < 0).any():
        clip = table.iloc[int(np.argmin(indices))]
        raise DataError(
            f"{clip['path']}: section {clip['section']} of {clip['machine_type']} has no training "
            "clips. Leave its clips out, or add normal ones."
        )
    return indices
