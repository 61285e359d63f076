"""The second approach: a network per section tells it from everything else."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asdkeras.batches.chunk_batches import Crop
from asdkeras.batches.outlier_batches import OutlierClips, TargetSlots, outlier_batches
from asdkeras.batches.steps import Schedule
from asdkeras.batches.waveform_noise import Augmentation
from asdkeras.data.clip_set import ClipSet
from asdkeras.data.labels import source_and_target
from asdkeras.errors import DataError, RecipeError
from asdkeras.scorers.section_scorer import SectionScorer
from asdkeras.scorers.terms import Floats, Term, by_domain, representation, smallest
from asdkeras.scorers.thresholds import ThresholdRule
from asdkeras.systems.kuroyanagi.classifier_models import scoring_model, targets_of, training_model
from asdkeras.systems.kuroyanagi.config_sections import Adaptation, Classifier, domain_thresholds
from asdkeras.systems.kuroyanagi.log_mel import PAD_MODE, require_frames
from asdkeras.systems.log_mel_front_end import KEEP, heard_length
from asdkeras.systems.model_files import Models, TrainedNetwork
from asdkeras.systems.system import (
    NormalClips,
    RunContext,
    System,
    TrainingLog,
    domains_of,
    learning_rate,
)

ANSWER = "combined"
_PHASE = "source"


@dataclasses.dataclass(frozen=True)
class Classifiers(Models):
    """What training leaves.

    Attributes:
        networks: `source` -> the classifier of the source domain and, if the section has target
            clips, `target` -> the one tuned to them.
        mean: of the samples, by which waveforms are normalized, as by `deviation`.
    """

    networks: dict[str, TrainedNetwork]
    mean: float
    deviation: float


class OutlierClassifierSystem(System[Any, Classifiers]):
    """A classifier per section, scored by its posterior and the distance to its centroid.

    Its scores are `posterior` and `distance` by the model of the clip's domain, and `combined`,
    their weighted sum. Distances are divided so that those of the training clips of the section
    lie in 0 to 1. Of a clip whose domain is unknown the smaller scores of both models count.

    The config has `variant` and `threshold_percentile`.
    """

    models_class = Classifiers
    combines_variants = True
    scope = "section"
    batch_size = 4  # Each clip has ten windows.
    main_score = ANSWER

    def __init__(self, config: Any, settings: Classifier) -> None:
        super().__init__(config)
        self.settings = settings

    @property
    def published_rows(self) -> dict[str, str]:
        return {ANSWER: "bc"} if self.config.variant == "bc" else {}

    def train(self, clips: ClipSet, context: RunContext) -> Classifiers:
        return train(self.settings, clips, context)

    def represent(self, models: Classifiers) -> dict[str, keras.Model]:
        """`posterior`, `distance` and `embedding` by each model."""
        moments = models.mean, models.deviation
        return {
            name: scoring_model(
                self.settings, each.model, models.sample_rate_hz, models.clip_length, *moments
            )
            for name, each in models.networks.items()
        }

    def rows(self, models: Classifiers, table: pd.DataFrame) -> dict[str, NDArray[np.bool_]]:
        """All training clips, and the test clips of the domain of a model or of an unknown one.

        Without a model for the target domain that of the source domain represents all.
        """
        if "target" not in models.networks:
            return {}
        is_training = (table["split"] == "train").to_numpy(bool)
        domains = domains_of(table)
        return {
            "source": is_training | (domains != "target"),
            "target": is_training | (domains != "source"),
        }

    def section_scorer(self, normal: NormalClips[Classifiers]) -> SectionScorer:
        by_model = {name: self._scores(normal, name) for name in normal.models.networks}
        source = by_model["source"]
        target = by_model.get("target", source)
        scores = {
            name: by_domain(
                source[name],
                target[name],
                smallest(*(scores[name] for scores in by_model.values())),
                training_is_source=True,
            )
            for name in source
        }
        return SectionScorer(scores, representation("embedding_source"))

    def _scores(self, normal: NormalClips[Classifiers], name: str) -> dict[str, Term]:
        """Both together, one minus the posterior, and the scaled distance, by one model."""
        least, spread = _range(normal.values(representation(f"distance_{name}")))
        posterior = 1.0 - representation(f"posterior_{name}")
        distance = (representation(f"distance_{name}") - least) / spread
        weight = self.settings.posterior_weight
        together = weight * posterior + (1.0 - weight) * distance
        return {ANSWER: together, "posterior": posterior, "distance": distance}

    @property
    def threshold_rule(self) -> ThresholdRule:
        return domain_thresholds(self.config)


def train(settings: Classifier, clips: ClipSet, context: RunContext) -> Classifiers:
    """Train the classifier of one section, and fine-tune a copy for its target domain.

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
    of_clips = np.array([moments[name] for name in everything.table["machine_type"]])
    crop = Crop(settings.window_length, settings.hop_length, settings.num_frames, PAD_MODE)
    outlier_clips = OutlierClips(
        everything, clip_length, KEEP, of_clips[:, 0], of_clips[:, 1], crop
    )
    augmented, augmentation = settings.augmentation, None
    if augmented.noise_probability > 0.0 or augmented.volume_probability > 0.0:
        augmentation = Augmentation(**dataclasses.asdict(augmented))

    def batches(schedule: Schedule, target_slots: TargetSlots | None = None) -> Any:
        made = outlier_batches(
            outlier_clips, positives, negatives, schedule, augmentation, target_slots
        )
        return targets_of(settings, made)

    phase = _PHASE if len(targets) else ""
    trained = {"source": _trained(settings, crop, context, settings, batches, phase=phase)}
    if len(targets):
        adaptation = settings.adaptation
        slots = TargetSlots(targets, adaptation.num_target, adaptation.mixup_alpha)
        trained["target"] = _trained(
            settings,
            crop,
            context,
            adaptation,
            lambda schedule: batches(schedule, slots),
            before=trained["source"],
        )
    own_moments = moments[clips.table["machine_type"].iloc[0]]
    return Classifiers(clip_length, clips.store.sample_rate_hz, KEEP, trained, *own_moments)


def _roles(
    settings: Classifier, own: pd.DataFrame, everything: pd.DataFrame
) -> Iterator[NDArray[np.intp]]:
    """Positions among all training clips: of the section, by domain, and of the negatives."""
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


def _moments(settings: Classifier, own: str, everything: ClipSet) -> dict[str, tuple[float, float]]:
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


def _trained(
    settings: Classifier,
    crop: Crop,
    context: RunContext,
    rounds: Classifier | Adaptation,
    batches: Callable[[Schedule], Any],
    before: TrainedNetwork | None = None,
    phase: str = "",
) -> TrainedNetwork:
    """The classifier after all steps, from where `before` stands if there is one.

    Args:
        rounds: has `steps` and `steps_per_save`.
        batches: `Schedule` in steps -> batches for the model.
        phase: see `RunContext.fit`.
    """
    steps, per_round = rounds.steps, rounds.steps_per_save
    rate_hz = context.all_training_clips.store.sample_rate_hz

    def build() -> keras.Model:
        model = training_model(settings, rate_hz, crop.num_samples, steps)
        if before is not None:
            model.set_weights(before.model.get_weights())
        return model

    fitted = context.fit(
        build=build,
        batches=lambda first: batches(
            Schedule(settings.batch_size, context.seed, first * per_round, steps)
        ),
        epochs=steps // per_round,
        steps_per_epoch=per_round,
        log=TrainingLog(watch=learning_rate),
        phase=phase,
    )
    return fitted.networks[steps // per_round]


def _range(distances: Floats) -> tuple[float, float]:
    """The least distance, and how far the largest lies above it."""
    least, largest = distances.min(), distances.max()
    return float(least), float(largest - least if largest > least else 1.0)
