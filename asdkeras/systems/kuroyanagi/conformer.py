"""The first approach: a conformer rebuilds clips of which a part is hidden."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd
from keras import ops
from numpy.typing import NDArray

from asdkeras.batches.steps import Schedule, as_written
from asdkeras.batches.window_batches import sequence_batches
from asdkeras.data.clip_set import ClipSet
from asdkeras.data.frames import FrameStore
from asdkeras.errors import DataError
from asdkeras.layers.gaussian_scores import GaussianScores
from asdkeras.layers.masked_copies import MaskedCopies
from asdkeras.layers.resumable_dropout import ResumableDropout
from asdkeras.layers.spec_augment import SpecAugment
from asdkeras.networks.conformer_autoencoder import conformer_autoencoder, with_section_id
from asdkeras.networks.conformer_block import conformer_block
from asdkeras.optimizers.fused_adam import FusedAdam
from asdkeras.optimizers.noam import Noam
from asdkeras.scorers.section_scorer import SectionScorer
from asdkeras.scorers.terms import Floats, by_domain, representation, smallest, with_training_scores
from asdkeras.scorers.thresholds import ThresholdRule
from asdkeras.systems.kuroyanagi.config_sections import (
    ConformerAutoencoder,
    Masks,
    domain_thresholds,
)
from asdkeras.systems.kuroyanagi.gaussian_fits import POOLINGS, Gaussian, fit_gaussians
from asdkeras.systems.kuroyanagi.held_out_clips import held_out, held_out_rows
from asdkeras.systems.kuroyanagi.log_mel import SOURCE, TARGET, log_mel, require_frames
from asdkeras.systems.log_mel_front_end import KEEP, heard_length, used_length
from asdkeras.systems.model_files import Models, TrainedNetwork
from asdkeras.systems.system import NormalClips, RunContext, System, TrainingLog, learning_rate

ERROR = "absolute_error"
_DOMAINS = 2
_CLIPS_AT_ONCE = 16
_POOL = {"mean": ops.mean, "maximum": ops.max, "median": ops.median}


def answer_of(settings: ConformerAutoencoder) -> str:
    """Name of the main score."""
    return f"gaussian_{settings.time_pooling}"


@dataclasses.dataclass(frozen=True)
class Conformer(Models):
    """What training leaves.

    Attributes:
        network: the autoencoder behind the layers that hide a part of its input.
        sections: names, in the order of their numbers in the network.
        mean: `(bands,)`, by which frames are standardized, with `variance`.
        gaussian_means: `(sections * 2, features)`, of the errors of each section in the source
            domain and in the target domain; features are the bands and, where it is one, the
            section ID.
        gaussian_covariances: `(sections * 2, features, features)`.
        own_positions: `(fitted clips,)`, training clips that a Gaussian was fitted to.
        own_scores: `(fitted clips, 3)`, their scores by the other clips of their Gaussian, in
            each pooling over time.
        held_out_positions: `(held out,)`, training clips that the network has not learned from.
        seed: of the masks at inference.
    """

    network: TrainedNetwork
    sections: tuple[str, ...]
    mean: Floats
    variance: Floats
    gaussian_means: Floats
    gaussian_covariances: Floats
    own_positions: NDArray[np.int64]
    own_scores: Floats
    held_out_positions: NDArray[np.int64]
    seed: int

    @property
    def gaussians(self) -> list[Gaussian]:
        """Of the sections in turn, of the source and of the target domain."""
        pairs = zip(self.gaussian_means, self.gaussian_covariances, strict=True)
        return [Gaussian(mean, covariance) for mean, covariance in pairs]


class ConformerSystem(System[Any, Conformer]):
    """A conformer autoencoder per machine type, scored by Gaussians of its errors.

    The Gaussians are of all that the network reconstructs: the section ID is one of the paper's
    input features and no exception is made of it (`ae.section_id: regression`).

    Its scores are those by the Gaussian of the section and domain, `gaussian_<pooling>` over
    time, and `absolute_error`, the mean of the errors. Of a clip whose domain is unknown the
    smaller score of both domains counts; a training clip that a Gaussian was fitted to is scored
    by the other clips of that Gaussian.

    The config has `variant` and `threshold_percentile`.
    """

    models_class = Conformer
    combines_variants = True
    batch_size = 4  # Each clip has ten masked copies.

    def __init__(self, config: Any, settings: ConformerAutoencoder) -> None:
        super().__init__(config)
        self.settings = settings

    @property
    def main_score(self) -> str:
        return answer_of(self.settings)

    @property
    def published_rows(self) -> dict[str, str]:
        return {self.main_score: "ae"} if self.config.variant == "ae" else {}

    def check(self, clips: ClipSet, everything: ClipSet) -> None:
        """Clips are not shorter than what is hidden of them."""
        settings = self.settings
        require_frames(settings.masks.time_width, settings, used_length(settings, clips), "ae")

    def train(self, clips: ClipSet, context: RunContext) -> Conformer:
        """Train on the clips of one machine type, and fit a Gaussian per section and domain."""
        settings, rate_hz = self.settings, clips.store.sample_rate_hz
        names = tuple(sorted(set(map(str, clips.table["section"]))))
        is_held_out = held_out(settings.held_out_fraction, clips.table)
        learned = dataclasses.replace(clips, table=clips.table[~is_held_out])
        clip_length = heard_length(settings, clips, context, "ae")
        front_end = _front_end(settings, clip_length, rate_hz)
        frames = context.store_frames(front_end, learned, clip_length, KEEP, _CLIPS_AT_ONCE)
        context.say(
            f"{len(learned)} training clips and {len(clips) - len(learned)} held out, "
            f"{frames.num_frames} frames, {len(names)} sections"
        )
        moments = frames.moments()
        standardize = _standardization(front_end, **moments)
        network = _trained_network(settings, frames, standardize, learned, names, context)
        errors = _error_model(
            settings, front_end, standardize, network.model, len(names), context.seed
        )
        gaussians = context.once(
            "gaussians",
            lambda: fit_gaussians(
                settings, clips, is_held_out, _indices(names, clips.table), errors, context
            ),
        )
        return Conformer(
            clip_length,
            rate_hz,
            KEEP,
            network,
            names,
            moments["mean"],
            moments["variance"],
            **gaussians,
            held_out_positions=np.flatnonzero(is_held_out),
            seed=context.seed,
        )

    def represent(self, models: Conformer) -> dict[str, keras.Model]:
        """Scores by each Gaussian in each pooling, the mean error, and that of each feature.

        `scores` are `(clips, sections * 2, 3)`, `error` is `(clips,)`, `embedding` is
        `(clips, features)`.
        """
        front_end = _front_end(self.settings, models.clip_length, models.sample_rate_hz)
        standardize = _standardization(front_end, models.mean, models.variance)
        errors = _error_model(
            self.settings,
            front_end,
            standardize,
            models.network.model,
            len(models.sections),
            models.seed,
        )
        return {"conformer": _score_model(errors, models.gaussians)}

    def inputs(self, models: Conformer, table: pd.DataFrame) -> dict[str, NDArray[np.int32]]:
        return {"section": _indices(models.sections, table)}

    def held_out(self, models: Conformer, table: pd.DataFrame) -> NDArray[np.bool_]:
        """The clips of the Gaussians of the source domain, each scored by the others of its own."""
        return held_out_rows(models.held_out_positions, table)

    def section_scorer(self, normal: NormalClips[Conformer]) -> SectionScorer:
        models = normal.models
        first = models.sections.index(normal.section) * _DOMAINS
        own = np.full((int(normal.positions.max()) + 1, len(POOLINGS)), np.nan)
        is_here = models.own_positions < len(own)
        own[models.own_positions[is_here]] = models.own_scores[is_here]
        scores = {}
        for number, pooling in enumerate(POOLINGS):
            source, target = (
                representation("scores_conformer")[:, first + domain, number]
                for domain in (SOURCE, TARGET)
            )
            term = by_domain(source, target, smallest(source, target), training_is_source=True)
            known = own[normal.positions, number]
            scores[f"gaussian_{pooling}"] = with_training_scores(term, known)
        scores[ERROR] = representation("error_conformer")
        return SectionScorer(scores, representation("embedding_conformer"))

    def named_scores(self, columns: Sequence[str]) -> tuple[str, ...]:
        return (self.main_score, *(name for name in columns if name != self.main_score))

    @property
    def threshold_rule(self) -> ThresholdRule:
        return domain_thresholds(self.config)


def _front_end(
    settings: ConformerAutoencoder, clip_length: int, sample_rate_hz: int
) -> keras.Model:
    waveform = keras.Input((clip_length,), name="waveform")
    return keras.Model(waveform, log_mel(waveform, settings, sample_rate_hz))


def _standardization(
    front_end: keras.Model, mean: Floats, variance: Floats
) -> keras.layers.Normalization:
    standardize = keras.layers.Normalization(axis=-1, mean=mean, variance=variance)
    standardize.build((None, *front_end.output_shape[1:]))  # Before any graph calls it.
    return standardize


def _trained_network(
    settings: ConformerAutoencoder,
    frames: FrameStore,
    standardize: keras.layers.Normalization,
    clips: ClipSet,
    names: Sequence[str],
    context: RunContext,
) -> TrainedNetwork:
    """The network of `training_model`, trained on frames of the clips."""
    sections = _indices(names, clips.table)
    rounds = settings.steps // settings.steps_per_save
    shape = (frames.num_frames, frames.num_bands)

    def clean_and_wanted(
        inputs: dict[str, keras.KerasTensor], clean: keras.KerasTensor
    ) -> tuple[dict[str, keras.KerasTensor], keras.KerasTensor]:
        clean = standardize(clean)
        wanted = _features(settings, clean, inputs["section"], len(names))
        return {**inputs, "frames": clean}, wanted

    fitted = context.fit(
        build=lambda: training_model(settings, shape, len(names)),
        batches=lambda first_round: sequence_batches(
            frames.windows(frames.num_frames, 1),
            sections,
            Schedule(
                settings.batch_size,
                context.seed,
                first_round * settings.steps_per_save,
                settings.steps,
            ),
        ).map(as_written(clean_and_wanted)),
        epochs=rounds,
        steps_per_epoch=settings.steps_per_save,
        log=TrainingLog(watch=learning_rate),
    )
    return fitted.networks[rounds]


def training_model(
    settings: ConformerAutoencoder, shape: tuple[int, int], num_sections: int
) -> keras.Model:
    """The network behind layers that hide a part of its input, ready for training.

    From `frames`, standardized, of a shape `(frames, bands)`, and `section` to the features
    rebuilt. The section ID is not hidden.
    """
    inputs = {
        "frames": keras.Input(shape, name="frames"),
        "section": keras.Input((), name="section", dtype="int32"),
    }
    outputs = conformer_autoencoder(
        inputs["frames"],
        inputs["section"],
        num_sections=num_sections,
        section_id=settings.section_id,
        num_blocks=settings.num_blocks,
        width=settings.width,
        latent_dim=settings.latent_dim,
        block=functools.partial(
            conformer_block,
            kernel_size=settings.kernel_size,
            num_heads=settings.num_heads,
            dropout=settings.dropout,
        ),
    )
    network = keras.Model(inputs, outputs, name="autoencoder")
    hidden = SpecAugment(**_masks(settings.masks), fill="zero")(inputs["frames"])
    hidden = ResumableDropout(settings.masks.input_dropout)(hidden)
    model = keras.Model(inputs, network({**inputs, "frames": hidden}))
    schedule = Noam(settings.width, settings.warmup_steps, settings.rate_factor)
    model.compile(FusedAdam(schedule, epsilon=settings.adam_epsilon), "mean_absolute_error")
    return model


def _features(
    settings: ConformerAutoencoder,
    clean: keras.KerasTensor,
    section: keras.KerasTensor,
    num_sections: int,
) -> keras.KerasTensor:
    """What the network reconstructs, `(batch, frames, features)`."""
    if settings.section_id == "embedding":
        return clean
    return with_section_id(clean, section, num_sections)


def _masks(masks: Masks) -> dict[str, Any]:
    """Arguments of `SpecAugment` and of `MaskedCopies`."""
    return {
        "num_time_masks": masks.num_time_masks,
        "time_width": (masks.min_time_width, masks.time_width),
        "num_band_masks": masks.num_band_masks,
        "band_width": (masks.min_band_width, masks.band_width),
    }


def _error_model(
    settings: ConformerAutoencoder,
    front_end: keras.Model,
    standardize: keras.layers.Normalization,
    trained: keras.Model,
    num_sections: int,
    seed: int,
) -> keras.Model:
    """From `waveform` and `section` to the errors of the network on masked copies.

    Absolute errors against the clean features, pooled over the copies: `(batch, frames,
    features)`.
    """
    section = keras.Input((), name="section", dtype="int32")
    clean = standardize(front_end.output)
    copies = MaskedCopies(
        settings.num_copies,
        **_masks(settings.masks),
        dropout=settings.masks.input_dropout,
        seed=seed,
    )(clean)
    rebuilt = trained.get_layer("autoencoder")(
        {
            "frames": ops.reshape(copies, (-1, *clean.shape[1:])),
            "section": ops.repeat(section, settings.num_copies),
        }
    )
    wanted = _features(settings, clean, section, num_sections)
    rebuilt = ops.reshape(rebuilt, (-1, settings.num_copies, *wanted.shape[1:]))
    errors = _POOL[settings.copy_pooling](ops.abs(rebuilt - wanted[:, None]), axis=1)
    return keras.Model({"waveform": front_end.input, "section": section}, errors)


def _score_model(errors: keras.Model, gaussians: list[Gaussian]) -> keras.Model:
    layer = GaussianScores(len(gaussians))
    outputs = {
        "scores": layer(errors.output),
        "error": ops.mean(errors.output, axis=(1, 2)),
        "embedding": ops.mean(errors.output, axis=1),
    }
    layer.set_gaussians(gaussians)
    return keras.Model(errors.input, outputs)


def _indices(names: Sequence[str], table: pd.DataFrame) -> NDArray[np.int32]:
    """Numbers of the clips' sections, `(clips,)`; a DataError if a clip is of none of them."""
    indices = pd.Index(names).get_indexer(pd.Index(table["section"])).astype("int32")
    if (indices < 0).any():
        clip = table.iloc[int(np.argmin(indices))]
        raise DataError(
            f"{clip['path']}: section {clip['section']} of {clip['machine_type']} has no training "
            "clips. Leave its clips out, or add normal ones."
        )
    return indices
