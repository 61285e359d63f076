"""The second approach: a network per section tells it from everything else."""

import dataclasses

import numpy as np
import pandas as pd
from keras import ops

from asdkeras.data.outlier_batches import (
    Crop,
    OutlierClips,
    adaptation_batches,
    outlier_batches,
)
from asdkeras.data.splits import source_and_target
from asdkeras.data.waveform_noise import Augmentation
from asdkeras.errors import DataError, RecipeError
from asdkeras.systems.baselines.front_end import KEEP, heard_length
from asdkeras.systems.kuroyanagi.classifier_models import (
    scoring_model,
    targets_of,
    training_model,
)
from asdkeras.systems.kuroyanagi.front_end import (
    PAD_MODE,
    SOURCE,
    TARGET,
    UNKNOWN,
    domains_of,
    require_frames,
)
from asdkeras.systems.system import ScoreTable, Trained

ANSWER = "combined"
_PHASE = "source"


def answer_of(settings):
    """The column that is the score."""
    return ANSWER


def train(settings, clips, context):
    """Train the classifier of one section, and fine-tune a copy for its target domain.

    Args:
        settings: `Classifier`.
        clips: `ClipSet`, the training clips of the section.
        context: `RunContext`.

    Returns:
        `Trained`: `posterior`, `distance` and `embedding` by the model of the source domain
        (`_source`) and, if the section has target clips, by the one tuned to them (`_target`).

    Raises:
        DataError: if the section has no source clips, or a machine type is silent.
        RecipeError: if there is nothing to tell the section from, or clips are too short.
    """
    everything = context.all_training_clips
    positives, targets, negatives = _roles(settings, clips.table, everything.table)
    clip_length = heard_length(settings, clips, context, "bc")
    require_frames(settings.num_frames, settings, clip_length, "bc")
    context.say(
        f"{len(positives)} source and {len(targets)} target clips, {len(negatives)} of others"
    )
    moments = _moments(settings, clips.table["machine_type"].iloc[0], everything)
    heard = OutlierClips(
        everything,
        clip_length,
        KEEP,
        everything.table["machine_type"].map(lambda name: moments[name][0]).to_numpy(float),
        everything.table["machine_type"].map(lambda name: moments[name][1]).to_numpy(float),
    )
    trained = {
        "source": _trained(
            settings,
            context,
            settings,
            phase=_PHASE if len(targets) else "",
            batches=lambda options: outlier_batches(heard, positives, negatives, **options),
        )
    }
    if len(targets):
        adaptation = settings.adaptation
        trained["target"] = _trained(
            settings,
            context,
            adaptation,
            before=trained["source"],
            batches=lambda options: adaptation_batches(
                heard,
                positives,
                negatives,
                targets,
                num_target=adaptation.num_target,
                alpha=adaptation.mixup_alpha,
                **options,
            ),
        )
    own_moments = moments[clips.table["machine_type"].iloc[0]]
    rate_hz = clips.store.sample_rate_hz
    models = {
        name: scoring_model(settings, model, rate_hz, clip_length, *own_moments)
        for name, model in trained.items()
    }
    return Trained(models, {}, clip_length, KEEP, rows=_rows(context.table, set(models)))


def _roles(settings, own, everything):
    """Positions among all training clips: of the section, by domain, and of what is not it."""
    is_source, is_target = source_and_target(everything)
    is_own = everything.index.isin(own.index)
    machine_type, section = own["machine_type"].iloc[0], own["section"].iloc[0]
    is_other = is_source & ~is_own
    if settings.negatives == "same_dataset":
        is_toy = everything["machine_type"].str.startswith("Toy").to_numpy(bool)
        is_other &= is_toy == machine_type.startswith("Toy")
    if not (is_source & is_own).any():
        raise DataError(
            f"{machine_type} {section}: has no training clips of the source domain, which the "
            "classifier learns first. Leave its clips out, or take --variant ae."
        )
    if not is_other.any():
        where = " of its dataset" if settings.negatives == "same_dataset" else ""
        raise RecipeError(
            f"{machine_type} {section}: there are no training clips of other sections or "
            f"machines{where} to tell it from. Give more machines (--data, --machines), or take "
            "--variant ae."
        )
    return (np.flatnonzero(mask) for mask in (is_source & is_own, is_target & is_own, is_other))


def _moments(settings, own, everything):
    """Machine type -> mean and deviation of the samples of its training clips."""
    found = {}
    for name, clips in everything.table.groupby("machine_type"):
        mean, deviation = everything.store.moments(clips.index.to_numpy())
        if not deviation > 0:
            raise DataError(
                f"{name}: all samples of its {len(clips)} training clips are equal, so nothing is "
                "to be heard. Look at the files, or leave the machine type out with --machines."
            )
        found[str(name)] = (mean, deviation)
    return found if settings.normalization == "own_machine" else dict.fromkeys(found, found[own])


def _trained(settings, context, schedule, *, batches, before=None, phase=""):
    """The classifier after the steps of a schedule, from where `before` stands if there is one.

    Args:
        settings: `Classifier`.
        context: `RunContext`.
        schedule: what has `steps` and `steps_per_save`.
        batches: options of a batch function -> its batches.
        before: model with the weights to start from, or None.
        phase: see `RunContext.fit`.
    """
    crop = Crop(settings.window_length, settings.hop_length, settings.num_frames, PAD_MODE)
    rounds = schedule.steps // schedule.steps_per_save
    rate_hz = context.all_training_clips.store.sample_rate_hz

    def build():
        model = training_model(settings, rate_hz, crop.num_samples, schedule.steps)
        if before is not None:
            model.set_weights(before.get_weights())
        return model

    def from_round(first_round):
        options = {
            "crop": crop,
            "augmentation": _augmentation(settings.augmentation),
            "batch_size": settings.batch_size,
            "seed": context.seed,
            "first_step": first_round * schedule.steps_per_save,
            "steps": schedule.steps,
        }
        return targets_of(settings, batches(options))

    fitted = context.fit(
        build=build,
        batches=from_round,
        epochs=rounds,
        steps_per_epoch=schedule.steps_per_save,
        keep_epochs=(),
        watch=lambda model: {"learning_rate": float(model.optimizer.learning_rate)},
        phase=phase,
    )
    return fitted.models[rounds]


def _augmentation(settings):
    if settings.noise_probability == settings.volume_probability == 0.0:
        return None
    return Augmentation(**dataclasses.asdict(settings))


def _rows(table, models):
    """Which clips each model hears: all of training, and the test clips of its domain.

    Both hear test clips whose domain is unknown. Without a model for the target domain that
    of the source hears everything.
    """
    if "target" not in models:
        return {}
    is_training = (table["split"] == "train").to_numpy(bool)
    domains = domains_of(table)
    return {
        "source": is_training | (domains != TARGET),
        "target": is_training | (domains != SOURCE),
    }


def score(settings, representations, table, seed):
    """Posterior and distance of each clip by the model of its domain, and their weighted sum.

    Distances are divided so that those of the training clips of the section lie in 0 to 1. Of
    a clip whose domain is unknown the smaller scores of both models count.
    """
    is_training = (table["split"] == "train").to_numpy(bool)
    by_model = {
        name: _scores(settings, representations, name, is_training)
        for name in ("source", "target")
        if f"distance_{name}" in representations.clips
    }
    domains = domains_of(table)
    if "target" not in by_model:
        values = by_model["source"]
    else:
        source, target = by_model["source"], by_model["target"]
        values = np.where((domains == TARGET)[:, None], target, source)
        is_unknown = (domains == UNKNOWN) & ~is_training
        values[is_unknown] = np.minimum(source, target)[is_unknown]
    columns = pd.DataFrame(values, index=table.index, columns=[ANSWER, "posterior", "distance"])
    return ScoreTable(columns, ANSWER, ANSWER, tuple(columns))


def _scores(settings, representations, name, is_training):
    """Both together, one minus the posterior, and the scaled distance, float64 `(clips, 3)`."""
    posterior = 1.0 - representations.clips[f"posterior_{name}"].astype("float64")
    distance = representations.clips[f"distance_{name}"].astype("float64")
    least, spread = _range(distance[is_training])
    distance = (distance - least) / spread
    weight = settings.posterior_weight
    together = weight * posterior + (1.0 - weight) * distance
    return np.stack([together, posterior, distance], axis=1)


def _range(distances):
    """The least distance, and how far the largest lies above it."""
    least, largest = distances.min(), distances.max()
    return float(least), float(largest - least if largest > least else 1.0)


def graph(settings, tensors, fit, column):
    """A column of the model that finds the clip less anomalous; its embedding by the first."""
    scores = []
    for name in ("source", "target"):
        if f"distance_{name}" in fit.representations.clips:
            distances = fit.representations.clips[f"distance_{name}"][fit.is_normal]
            least, spread = _range(distances.astype("float64"))
            posterior = 1.0 - tensors[f"posterior_{name}"]
            distance = (tensors[f"distance_{name}"] - least) / spread
            weight = settings.posterior_weight
            together = weight * posterior + (1.0 - weight) * distance
            scores.append({ANSWER: together, "posterior": posterior, "distance": distance}[column])
    score = ops.minimum(*scores) if len(scores) > 1 else scores[0]
    return score, tensors["embedding_source"]
