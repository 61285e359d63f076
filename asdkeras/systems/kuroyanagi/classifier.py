"""The second approach: a network per section separates it from everything else."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

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
from asdkeras.scorers.section_standardization import domain_moments
from asdkeras.scorers.terms import Floats, Term, by_domain, representation, smallest
from asdkeras.scorers.thresholds import ThresholdRule
from asdkeras.systems.kuroyanagi.classifier_models import (
    BACKBONE,
    scoring_model,
    targets_of,
    training_model,
)
from asdkeras.systems.kuroyanagi.config_sections import Adaptation, Classifier, domain_thresholds
from asdkeras.systems.kuroyanagi.held_out_clips import held_out, held_out_rows
from asdkeras.systems.kuroyanagi.log_mel import PAD_MODE, require_frames
from asdkeras.systems.kuroyanagi.start_weights import (
    RANDOM,
    load_start_weights,
    require_start_weights,
)
from asdkeras.systems.log_mel_front_end import KEEP, heard_length, used_length
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
        held_out_positions: `(held out,)`, training clips that no network has learned from.
        mean: of the samples, by which waveforms are normalized, as by `deviation`.
    """

    networks: dict[str, TrainedNetwork]
    held_out_positions: NDArray[np.int64]
    mean: float
    deviation: float


class OutlierClassifierSystem(System[Any, Classifiers]):
    """A classifier per section, scored by its posterior and the distance to its centroid.

    Its scores are `posterior` and `distance` by the model of the clip's domain, and `combined`,
    their weighted sum, on the scale that `bc.combination` says. Of a clip whose domain is unknown
    the smaller scores of both models count.

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

    def check(self, clips: ClipSet, everything: ClipSet) -> None:
        check(self.settings, clips, everything)

    def train(self, clips: ClipSet, context: RunContext) -> Classifiers:
        return train(self.settings, clips, context)

    def represent(self, models: Classifiers) -> dict[str, keras.Model]:
        """`logit`, `posterior`, `distance` and `embedding` by each model."""
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

    def held_out(self, models: Classifiers, table: pd.DataFrame) -> NDArray[np.bool_]:
        return held_out_rows(models.held_out_positions, table)

    def section_scorer(self, normal: NormalClips[Classifiers]) -> SectionScorer:
        source = self._scores(normal, "source", "source")
        if "target" in normal.models.networks:
            target = self._scores(normal, "target", "target")
        else:
            target = self._scores(normal, "source", "target")
        scores = {
            name: by_domain(
                source[name],
                target[name],
                smallest(source[name], target[name]),
                training_is_source=True,
            )
            for name in source
        }
        return SectionScorer(scores, representation("embedding_source"))

    def _scores(self, normal: NormalClips[Classifiers], name: str, domain: str) -> dict[str, Term]:
        """Both together, by posterior and by distance, of one model for clips of a domain."""
        distance = representation(f"distance_{name}")
        if self.settings.combination == "standardized":
            posterior = _standardized(-1.0 * representation(f"logit_{name}"), normal, domain)
            distance = _standardized(distance, normal, domain)
        else:
            least, spread = _range(normal.values(distance))
            posterior = 1.0 - representation(f"posterior_{name}")
            distance = (distance - least) / spread
        weight = self.settings.posterior_weight
        together = weight * posterior + (1.0 - weight) * distance
        return {ANSWER: together, "posterior": posterior, "distance": distance}

    @property
    def threshold_rule(self) -> ThresholdRule:
        return domain_thresholds(self.config)


def check(settings: Classifier, clips: ClipSet, everything: ClipSet) -> None:
    """See `System.check`; moments of waveforms are read once and kept beside the store.

    Raises:
        DataError: if the section has no source clips, or a machine type is silent.
        RecipeError: if there is nothing to tell the section from, clips are too short, or there
            are no such start weights.
    """
    require_start_weights(settings.start_weights)
    _roles(settings, clips.table, np.full(len(clips), False), everything.table)
    clip_length = used_length(settings, clips)
    require_frames(settings.num_frames, settings, clip_length, "bc")
    _moments(settings, clips.table["machine_type"].iloc[0], everything)
    if settings.start_weights != RANDOM:
        crop = Crop(settings.window_length, settings.hop_length, settings.num_frames, PAD_MODE)
        model = training_model(
            settings, everything.store.sample_rate_hz, crop.num_samples, settings.steps
        )
        load_start_weights(model.get_layer(BACKBONE), settings.start_weights)


def train(settings: Classifier, clips: ClipSet, context: RunContext) -> Classifiers:
    """Train the classifier of one section, and fine-tune a copy for its target domain."""
    everything = context.all_training_clips
    is_held_out = held_out(settings.held_out_fraction, clips.table)
    roles = _roles(settings, clips.table, is_held_out, everything.table)
    clip_length = heard_length(settings, clips, context, "bc")
    context.say(
        f"{len(roles.positives)} source and {len(roles.targets)} target clips, "
        f"{is_held_out.sum()} held out, {len(roles.negatives)} of others and "
        f"{len(roles.other_targets)} of others in the target domain"
    )
    _warn_of_left_out(settings, clips.table["machine_type"].iloc[0], context)
    moments = _moments(settings, clips.table["machine_type"].iloc[0], everything)
    of_clips = np.array([moments[name] for name in everything.table["machine_type"]])
    crop = Crop(settings.window_length, settings.hop_length, settings.num_frames, PAD_MODE)
    outlier_clips = OutlierClips(
        everything, clip_length, KEEP, of_clips[:, 0], of_clips[:, 1], crop
    )
    trained = _both_trained(settings, outlier_clips, roles, context)
    return Classifiers(
        clip_length,
        clips.store.sample_rate_hz,
        KEEP,
        trained,
        np.flatnonzero(is_held_out),
        *moments[clips.table["machine_type"].iloc[0]],
    )


def _both_trained(
    settings: Classifier, outlier_clips: OutlierClips, roles: "_Roles", context: RunContext
) -> dict[str, TrainedNetwork]:
    """The networks of `Classifiers`."""
    augmented, augmentation = settings.augmentation, None
    if augmented.noise_probability > 0.0 or augmented.volume_probability > 0.0:
        augmentation = Augmentation(**dataclasses.asdict(augmented))

    def batches(schedule: Schedule, target_slots: TargetSlots | None = None) -> Any:
        made = outlier_batches(
            outlier_clips,
            roles.positives,
            roles.negatives,
            schedule,
            augmentation,
            target_slots,
        )
        return targets_of(settings, made)

    crop = outlier_clips.crop
    phase = _PHASE if len(roles.targets) else ""
    trained = {"source": _trained(settings, crop, context, settings, batches, phase=phase)}
    if len(roles.targets):
        adaptation = settings.adaptation
        slots = TargetSlots(
            roles.targets,
            _negatives_of_slots(roles, context),
            adaptation.num_target,
            adaptation.mixup_probability,
            adaptation.mixup_alpha,
        )
        trained["target"] = _trained(
            settings,
            crop,
            context,
            adaptation,
            lambda schedule: batches(schedule, slots),
            before=trained["source"],
        )
    return trained


class _Roles(NamedTuple):
    """Positions among all training clips of what one classifier learns from.

    Attributes:
        positives: of the section, in the source domain.
        targets: of the section, in the target domain.
        negatives: of other sections and machines, in the source domain.
        other_targets: of these, in the target domain.
    """

    positives: NDArray[np.intp]
    targets: NDArray[np.intp]
    negatives: NDArray[np.intp]
    other_targets: NDArray[np.intp]


def _roles(
    settings: Classifier,
    own: pd.DataFrame,
    is_held_out: NDArray[np.bool_],
    everything: pd.DataFrame,
) -> _Roles:
    is_source, is_target = source_and_target(everything)
    is_own = everything.index.isin(own.index)
    is_learned = everything.index.isin(own.index[~is_held_out])
    machine_type, section = own["machine_type"].iloc[0], own["section"].iloc[0]
    is_other = ~is_own
    if settings.negatives == "same_dataset":
        is_other &= _is_toy(everything["machine_type"]) == machine_type.startswith("Toy")
    if not (is_source & is_own).any():
        raise DataError(
            f"{machine_type} {section}: has no training clips of the source domain, which the "
            "classifier learns first. Leave its clips out, or take --variant ae."
        )
    if not (is_source & is_other).any():
        where = " of its dataset" if settings.negatives == "same_dataset" else ""
        raise RecipeError(
            f"{machine_type} {section}: there are no training clips of other sections or "
            f"machines{where} to tell it from. Give more machines (--data, --machines), or take "
            "--variant ae."
        )
    masks = (
        *(is_source & is_learned, is_target & is_learned),
        *(is_source & is_other, is_target & is_other),
    )
    return _Roles(*(np.flatnonzero(mask) for mask in masks))


def _is_toy(names: pd.Series) -> NDArray[np.bool_]:
    """Whether machine types are of ToyADMOS, and not of MIMII."""
    return names.str.startswith("Toy").to_numpy(bool)


def _negatives_of_slots(roles: _Roles, context: RunContext) -> NDArray[np.intp]:
    """Negatives among the target clips of a batch; those of the source domain if there are none."""
    if len(roles.other_targets):
        return roles.other_targets
    context.warn(
        "no other section or machine has training clips of the target domain: fine-tuning takes "
        "negatives of the source domain in their place"
    )
    return roles.negatives


def _warn_of_left_out(settings: Classifier, machine_type: str, context: RunContext) -> None:
    """Say which negatives a selection of machines takes away."""
    left_out = pd.Series(context.left_out, dtype="string")
    if settings.negatives == "same_dataset":
        left_out = left_out[_is_toy(left_out) == machine_type.startswith("Toy")]
    if len(left_out):
        context.warn(
            "--machines takes away negatives that the paper's classifier learns from: "
            f"{', '.join(left_out)}. Scores are not those of the whole dataset."
        )


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

    The cycle of learning rates and the state of Adam begin anew in either training.

    Args:
        rounds: has `steps` and `steps_per_save`.
        batches: `Schedule` in steps -> batches for the model.
        phase: see `RunContext.fit`.
    """
    steps, per_round = rounds.steps, rounds.steps_per_save
    rate_hz = context.all_training_clips.store.sample_rate_hz

    def build() -> keras.Model:
        model = training_model(settings, rate_hz, crop.num_samples, steps)
        if before is None:
            load_start_weights(model.get_layer(BACKBONE), settings.start_weights)
        else:
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


def _standardized(term: Term, normal: NormalClips[Classifiers], domain: str) -> Term:
    """The term with mean 0 and variance 1 over the held-out clips of a domain.

    All held-out clips count where fewer than 10 are of the domain, and all training clips of the
    section where fewer than two are held out: one has no variance.
    """
    counts = np.isin(normal.positions, normal.models.held_out_positions)
    if counts.sum() < 2:
        counts = np.full(len(counts), True)
    moments = domain_moments(
        [*normal.values(term), np.nan],  # The last one stands for clips of the domain.
        [*domains_of(normal.table), domain],
        [*counts, False],
    )
    return (term - float(moments.mean[-1])) / float(moments.spread[-1])


def _range(distances: Floats) -> tuple[float, float]:
    """The least distance, and how far the largest lies above it."""
    least, largest = distances.min(), distances.max()
    return float(least), float(largest - least if largest > least else 1.0)
