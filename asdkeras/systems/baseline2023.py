"""The official autoencoder of DCASE 2023 Task 2, with two scores; also that of 2024 and 2025.

Paper: Harada et al., "First-Shot Anomaly Detection for Machine Condition Monitoring: A Domain
    Generalization Baseline", EUSIPCO 2023.
Code: github.com/nttcslab/dcase2023_task2_baseline_ae, commit 3542486 (v2.0.2), in PyTorch,
    called the reference here.

One network per machine type and section, trained on vectors of five neighboring log-mel frames.
`mse`: the mean squared error of a clip. `mahalanobis`: the Mahalanobis distance of what the
network cannot reconstruct, by the covariance of the source or of the target clips, whichever
is nearer. Both variants train the same network and have both scores as columns; the variant
says which is the answer and what decides.

Where paper and reference differ, the reference is the default, since every published figure
comes from it:
    - The paper averages the distances of all frames; the reference computes the distance of
      the average residual (`mahalanobis.form: framewise` is the paper's).
    - The reference centers residuals per batch and divides by the number of vectors, not of
      frames, so covariances are five times too large, which alone changes no ranking; but few
      vectors of a batch are of the target domain, whose covariance their own mean shrinks
      (`mahalanobis.covariance: textbook` is the other form).

Decisions (`threshold_data: batches`, in the recipes of the challenges) are those of the reference:
it fits the gamma distribution to the scores of training batches of 256 shuffled vectors, for `mse`
to their losses in the last epoch. A mean over vectors of many clips varies far less than one over
a clip, which keeps what is its own: by `mahalanobis` nearly every clip is above the threshold, by
`mse` most are. `clips`, in the other recipes, fits the scores of the training clips, as the
baselines before did. benchmarks/batch_thresholds.py measures both.

Differs from the released code:
    - Batch normalization is Keras': PyTorch's running variance is the unbiased one, which
      differs by less than 0.4 % at 256 vectors. Random numbers are others.
    - Which vectors are held out derives from the seed of the trial.
    - Windows are read from disk as they are needed, so memory does not grow with the clips.
    - Of clips of different lengths as much is used as the longest training clip has.
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import Annotated, Literal

import keras
import numpy as np
import pandas as pd
from keras import ops
from numpy.typing import NDArray

from asdkeras.batches.steps import Schedule
from asdkeras.batches.window_batches import held_out_batches, num_training_windows, window_batches
from asdkeras.config import Checked, Percentile
from asdkeras.data.clip_set import ClipSet
from asdkeras.data.labels import Labels, source_and_target
from asdkeras.errors import DataError
from asdkeras.readings import Reading
from asdkeras.scorers.section_scorer import SectionScorer
from asdkeras.scorers.selective_mahalanobis import SelectiveMahalanobis
from asdkeras.scorers.terms import Floats, computed, representation, scored
from asdkeras.scorers.thresholds import ThresholdRule, Thresholds
from asdkeras.systems.baselines import dense_autoencoder
from asdkeras.systems.baselines.dense_autoencoder import DenseAutoencoder
from asdkeras.systems.log_mel_front_end import LogMelFrontEnd
from asdkeras.systems.system import AnySystem, NormalClips, RunContext, System
from asdkeras.systems.window_training import WindowModels, front_end_of

_SCORES = ("mse", "mahalanobis")
_COVARIANCES = ("covariance_source", "covariance_target")


@dataclasses.dataclass(frozen=True)
class Mahalanobis:
    """Forms of the distance, see `SelectiveMahalanobis`."""

    covariance: Annotated[
        Literal["released", "textbook"],
        Reading(
            "the covariance of residuals",
            "`released` centers them per batch, which shrinks that of a domain with few vectors in "
            "each, and divides by the number of vectors, a fifth of that of frames; `textbook` "
            "does neither",
        ),
    ]
    form: Annotated[
        Literal["mean_residual", "framewise"],
        Reading(
            "the mean distance of all frames",
            "`mean_residual` is the released code, from which every published figure comes; "
            "`framewise` is the paper",
        ),
    ]


@dataclasses.dataclass(frozen=True)
class Config(Checked):
    """Nothing has a default: the recipe states the reference's values."""

    variant: Literal["mse", "mahalanobis"]
    front_end: LogMelFrontEnd
    ae: DenseAutoencoder
    mahalanobis: Mahalanobis
    threshold_data: Annotated[
        Literal["batches", "clips"],
        Reading(
            "a gamma distribution of training scores",
            "`batches` is the released code: scores of training batches of shuffled vectors, which "
            "vary less than those of clips; `clips` are the scores of training clips, as in the "
            "baselines before",
        ),
    ]
    threshold_percentile: Percentile


@dataclasses.dataclass(frozen=True)
class CovarianceModels(WindowModels):
    """What training leaves.

    Attributes:
        covariances: `covariance_source` and, if there are target clips, `covariance_target`,
            `(bands, bands)`; none where a distance is not asked for and cannot be computed.
        batch_scores: score -> one value per training batch that thresholds are fitted to;
            none if they are fitted to the scores of clips.
    """

    covariances: dict[str, Floats]
    batch_scores: dict[str, Floats]


def create(config: Config) -> AnySystem:
    """The autoencoder with one of its two scores as the main one."""
    return Baseline2023(config)


class Baseline2023(System[Config, CovarianceModels]):
    """One network per machine type and section, with the scores `mse` and `mahalanobis`."""

    models_class = CovarianceModels
    scope = "section"

    @property
    def main_score(self) -> str:
        return self.config.variant

    @property
    def published_rows(self) -> dict[str, str]:
        return {name: f"ae2023_{name}" for name in _SCORES}

    @property
    def is_framewise(self) -> bool:
        return self.config.mahalanobis.form == "framewise"

    def check(self, clips: ClipSet, everything: ClipSet) -> None:
        """Also that each domain leaves more residual rows than bands, for its covariance."""
        config = self.config
        count = dense_autoencoder.check(config.ae, config.front_end, clips)
        if config.variant != "mahalanobis":
            return
        frames, bands = config.ae.num_frames, config.front_end.num_mel_bins
        num_source, num_target = (int(each.sum()) for each in source_and_target(clips.table))
        for domain, number in (("source", num_source), ("target", num_target)):
            vectors = count * number // len(clips)
            # Each batch centers the rows of a domain by their own mean, the textbook all of them.
            batches = 1 if config.mahalanobis.covariance == "textbook" else vectors
            batches = min(batches, math.ceil(count / config.ae.batch_size))
            if vectors * frames - batches < bands and (number or domain == "source"):
                raise DataError(
                    f"{'_'.join(clips.table[['machine_type', 'section']].iloc[0])}: the covariance "
                    f"of the {domain} domain needs more residual rows than {bands} bands. "
                    f"Received: {vectors * frames} rows of {number} training clips. Add or "
                    "lengthen clips of this domain, or take --variant mse: it needs no covariance."
                )

    def train(self, clips: ClipSet, context: RunContext) -> CovarianceModels:
        """Train the network, then estimate the covariances of its residuals batch by batch."""
        config = self.config
        trained = dense_autoencoder.train(
            config.ae, config.front_end, clips, context, record_batches=True
        )
        covariances = self._checked(
            context.once(
                "covariances", lambda: self._estimated_covariances(trained, clips, context)
            ),
            clips,
            context,
        )
        batch_scores = {}
        if config.threshold_data == "batches":
            batch_scores = context.once(
                "batch_scores", lambda: self._batch_scores(covariances, trained, clips, context)
            )
        return CovarianceModels(
            **vars(trained.models), covariances=covariances, batch_scores=batch_scores
        )

    def _estimated_covariances(
        self, trained: dense_autoencoder.TrainedOnVectors, clips: ClipSet, context: RunContext
    ) -> dict[str, Floats]:
        scorer = self._scorer({})
        for residuals, is_target in self._training_residuals(trained, clips, context):
            scorer.partial_fit(residuals, is_target)
        found = {name: getattr(scorer, f"{name}_") for name in _COVARIANCES}
        return {name: each for name, each in found.items() if each is not None}

    def _checked(
        self, covariances: dict[str, Floats], clips: ClipSet, context: RunContext
    ) -> dict[str, Floats]:
        """The covariances, or none if there is no distance and it is not the main score."""
        try:
            no_residuals = np.zeros((1, self.config.front_end.num_mel_bins))
            self._distance(self._scorer(covariances), no_residuals)
        except ValueError as error:
            section = "_".join(clips.table[["machine_type", "section"]].iloc[0])
            if self.config.variant == "mahalanobis":
                raise DataError(
                    f"{section}: {error} The variant `mse` needs no covariance."
                ) from error
            context.warn(f"{section}: no Mahalanobis distance: {error}")
            return {}
        return covariances

    def _scorer(self, covariances: dict[str, Floats]) -> SelectiveMahalanobis:
        mahalanobis = self.config.mahalanobis
        scorer = SelectiveMahalanobis(mahalanobis.covariance, mahalanobis.form)
        if covariances:
            for name in _COVARIANCES:
                setattr(scorer, f"{name}_", covariances.get(name))
        return scorer

    def _training_residuals(
        self, trained: dense_autoencoder.TrainedOnVectors, clips: ClipSet, context: RunContext
    ) -> Iterator[tuple[Floats, NDArray[np.bool_]]]:
        """Residuals of one more pass over the training batches, and whether of target clips."""
        config = self.config.ae
        trained.windows.store.open()
        is_target = (clips.table["domain"] == "target").fillna(False).to_numpy(bool)
        batches = window_batches(
            trained.windows,
            trained.holdout,
            Labels(("source", "target"), is_target.astype("int64")),
            Schedule(config.batch_size, context.seed, config.epochs, config.epochs + 1),
        )
        count = math.ceil(
            num_training_windows(trained.windows, trained.holdout) / config.batch_size
        )
        with context.stage("residuals") as update:
            for number, (vectors, one_hot) in enumerate(batches, start=1):
                yield self._residuals(trained, vectors), np.asarray(one_hot)[:, 1] == 1
                update(number, count)

    def _residuals(self, trained: dense_autoencoder.TrainedOnVectors, vectors: Floats) -> Floats:
        """Residuals of one batch, float64 `(vectors, frames, bands)`."""
        differences = np.asarray(vectors) - trained.models.network.model.predict_on_batch(vectors)
        shape = (-1, self.config.ae.num_frames, self.config.front_end.num_mel_bins)
        return differences.astype("float64").reshape(shape)

    def _batch_scores(
        self,
        covariances: dict[str, Floats],
        trained: dense_autoencoder.TrainedOnVectors,
        clips: ClipSet,
        context: RunContext,
    ) -> dict[str, Floats]:
        """One value per batch, held out ones included, as in the reference."""
        losses, distances = [*trained.batch_values[dense_autoencoder.RECORDED]], []
        scorer = self._scorer(covariances)
        trained.windows.store.open()
        if covariances:
            for residuals, _ in self._training_residuals(trained, clips, context):
                distances.append(self._distance(scorer, residuals))
        size = self.config.ae.batch_size
        batches = held_out_batches(trained.windows, trained.holdout, None, size)
        for vectors, _ in batches or ():
            residuals = self._residuals(trained, vectors)
            losses.append(np.mean(np.square(residuals)))
            if covariances:
                distances.append(self._distance(scorer, residuals))
        values = {"mse": losses, "mahalanobis": distances}
        return {name: np.array(each) for name, each in values.items() if each}

    def _distance(self, scorer: SelectiveMahalanobis, residuals: Floats) -> float:
        """Mahalanobis distance of the residuals of one batch or clip."""
        rows = residuals.reshape(-1, residuals.shape[-1])
        moments = rows.T @ rows / len(rows) if self.is_framewise else rows.mean(axis=0)
        return scorer.anomaly_score(moments[None])[0]

    def represent(self, models: CovarianceModels) -> dict[str, keras.Model]:
        """The representation that both scores of a clip are computed from.

        For the form `mean_residual` the mean residual and the mean squared residual of every
        band, `(batch, 2, bands)`; for `framewise` the mean outer product of the residual of a
        frame with itself, `(batch, bands, bands)`.
        """
        config = self.config
        front_end = front_end_of(config.front_end, models)
        residuals = dense_autoencoder.residuals(
            models.network.model, front_end.output, config.ae.num_frames
        )
        bands = config.front_end.num_mel_bins
        rows = ops.reshape(residuals, (-1, residuals.shape[1] * residuals.shape[2], bands))
        if self.is_framewise:
            moments = ops.matmul(ops.transpose(rows, (0, 2, 1)), rows) / rows.shape[1]
        else:
            moments = [ops.mean(rows, axis=1), ops.mean(ops.square(rows), axis=1)]
            moments = ops.stack(moments, axis=1)
        return {"residual_moments": keras.Model(front_end.input, moments)}

    def section_scorer(self, normal: NormalClips[CovarianceModels]) -> SectionScorer:
        moments = representation("residual_moments")
        covariances = normal.models.covariances
        if self.is_framewise:
            bands = self.config.front_end.num_mel_bins
            mse = computed(lambda xp, values: xp.trace(values, axis1=1, axis2=2) / bands, moments)
        else:
            mse = computed(lambda xp, values: xp.mean(values[:, 1], axis=1), moments)
        scores = {"mse": mse}
        if covariances:
            scored_part = moments if self.is_framewise else moments[:, 0]
            scores["mahalanobis"] = scored(self._scorer(covariances), scored_part)
        embedding = computed(lambda xp, values: xp.mean(values, axis=1), moments)
        return SectionScorer(scores, embedding)

    @property
    def threshold_rule(self) -> ThresholdRule:
        return ThresholdRule("model", "gamma", self.config.threshold_percentile)

    def thresholds(
        self,
        columns: pd.DataFrame,
        table: pd.DataFrame,
        score: str | None = None,
        models: CovarianceModels | None = None,
    ) -> Thresholds:
        if models is not None and self.config.variant in models.batch_scores:
            return self.threshold_rule.same_for_all(models.batch_scores[self.config.variant], table)
        return super().thresholds(columns, table, score)
