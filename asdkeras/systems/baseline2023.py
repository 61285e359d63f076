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
      frames, so covariances are five times too large, which changes no ranking
      (`mahalanobis.covariance: textbook` is the other form).

Differs from the released code:
    - Thresholds: the reference fits the gamma distribution to the scores of training batches
      of 256 shuffled vectors, for `mse` to their losses in the last epoch, while the weights
      still move (`threshold_data: batches`). These are no scores of clips. `clips` fits it to
      the scores of the training clips, as the baselines before did. The recipes of the
      challenges have `batches`, the others `clips`.
    - Batch normalization is Keras': PyTorch's running variance is the unbiased one, which
      differs by less than 0.4 % at 256 vectors. Random numbers are others.
    - Which vectors are held out derives from the seed of the trial.
    - Windows are read from disk as they are needed, so memory does not grow with the clips.
    - Clips of different lengths are heard up to the longest training clip.
"""

import dataclasses
import functools
from typing import Literal

import keras
import numpy as np
import pandas as pd
from keras import ops

from asdkeras.data.labels import Labels
from asdkeras.data.pipeline import window_batches
from asdkeras.errors import DataError
from asdkeras.layers.mahalanobis_distance import MahalanobisDistance
from asdkeras.scorers.selective_mahalanobis import SelectiveMahalanobis
from asdkeras.scorers.thresholds import gamma_threshold
from asdkeras.systems.baselines import autoencoder
from asdkeras.systems.baselines.autoencoder import Autoencoder
from asdkeras.systems.baselines.front_end import KEEP, FrontEnd
from asdkeras.systems.baselines.thresholds import (
    require_percentile,
    same_for_all,
    training_threshold,
    with_reason,
)
from asdkeras.systems.baselines.window_training import held_out
from asdkeras.systems.system import ScoreTable, System, Trained

_SCORES = ("mse", "mahalanobis")
_CLIPS_AT_ONCE = 16


@dataclasses.dataclass(frozen=True)
class Mahalanobis:
    """Which of two forms.

    Attributes:
        covariance: see `SelectiveMahalanobis`.
        form: see `SelectiveMahalanobis`.
    """

    covariance: Literal["released", "textbook"]
    form: Literal["mean_residual", "framewise"]


@dataclasses.dataclass(frozen=True)
class Config:
    """Nothing has a default: the recipe states the reference's values."""

    variant: Literal["mse", "mahalanobis"]
    front_end: FrontEnd
    ae: Autoencoder
    mahalanobis: Mahalanobis
    threshold_data: Literal["batches", "clips"]
    threshold_percentile: float

    def __post_init__(self):
        require_percentile(self.threshold_percentile)


def build(config: Config) -> System:
    """The autoencoder, answering with one of its two scores."""
    return System(
        scope="section",
        batch_size=_CLIPS_AT_ONCE,
        train=functools.partial(train, config),
        score=functools.partial(score, config),
        decide=functools.partial(decide, config),
        published_rows={name: f"ae2023_{name}" for name in _SCORES},
        graph=functools.partial(graph, config),
    )


def train(config, clips, context):
    """Train the network, then estimate the covariances of its residuals batch by batch."""
    trained = autoencoder.train(config.ae, config.front_end, clips, context, record_batches=True)
    scorer = _scorer(config)
    for residuals, is_target in _training_residuals(config, trained, clips, context):
        scorer.partial_fit(residuals, is_target)
    constants = _covariances(config, scorer, clips, context)
    if config.threshold_data == "batches":
        constants |= _batch_scores(config, scorer if constants else None, trained, clips, context)
    model = _moments(config, trained)
    return Trained({"residual_moments": model}, constants, trained.clip_length, KEEP)


def _covariances(config, scorer, clips, context):
    """Of the domains that there are; none if there is no distance and none is asked for.

    Raises:
        DataError: if the distance is the answer and a covariance has no inverse.
    """
    try:
        _distance(config, scorer, np.zeros((1, config.front_end.num_mel_bins)))
    except ValueError as error:
        place = "_".join(clips.table[["machine_type", "section"]].iloc[0])
        if config.variant == "mahalanobis":
            raise DataError(f"{place}: {error} The variant `mse` needs no covariance.") from error
        context.warn(f"{place}: no Mahalanobis distance: {error}")
        return {}
    covariances = {
        "covariance_source": scorer.covariance_source_,
        "covariance_target": scorer.covariance_target_,
    }
    return {name: each for name, each in covariances.items() if each is not None}


def _scorer(config):
    return SelectiveMahalanobis(config.mahalanobis.covariance, config.mahalanobis.form)


def _training_residuals(config, trained, clips, context):
    """Of one more pass over the training batches: residuals, and whether of target clips."""
    is_target = (clips.table["domain"] == "target").fillna(False).to_numpy(bool)
    batches = window_batches(
        trained.windows,
        trained.holdout,
        Labels(("source", "target"), is_target.astype("int64")),
        batch_size=config.ae.batch_size,
        seed=context.seed,
        first_epoch=config.ae.epochs,
        epochs=config.ae.epochs + 1,
        as_vectors=True,
    )
    for vectors, one_hot in batches:
        yield _residuals(config, trained, vectors), np.asarray(one_hot)[:, 1] == 1


def _residuals(config, trained, vectors):
    """Of one batch, float64 `(vectors, frames, bands)`."""
    differences = np.asarray(vectors) - trained.network.predict_on_batch(vectors)
    shape = (-1, config.ae.num_frames, config.front_end.num_mel_bins)
    return differences.astype("float64").reshape(shape)


def _batch_scores(config, scorer, trained, clips, context):
    """What the reference fits its thresholds to: one value per batch, held out ones included."""
    losses, distances = [*trained.batch_values[autoencoder.RECORDED]], []
    if scorer is not None:
        for residuals, _ in _training_residuals(config, trained, clips, context):
            distances.append(_distance(config, scorer, residuals))
    batches = held_out(config.ae, trained.windows, trained.holdout, None, as_vectors=True)
    for vectors, _ in batches or ():
        residuals = _residuals(config, trained, vectors)
        losses.append(np.mean(np.square(residuals)))
        if scorer is not None:
            distances.append(_distance(config, scorer, residuals))
    values = {"mse_batches": losses, "mahalanobis_batches": distances}
    return {name: np.array(each) for name, each in values.items() if each}


def _distance(config, scorer, residuals):
    """Mahalanobis distance of the residuals of one batch or clip."""
    rows = residuals.reshape(-1, residuals.shape[-1])
    is_framewise = config.mahalanobis.form == "framewise"
    moments = rows.T @ rows / len(rows) if is_framewise else rows.mean(axis=0)
    return scorer.anomaly_score(moments[None])[0]


def _moments(config, trained):
    """Model from waveform to what both scores of a clip are made of.

    For the form `mean_residual` the mean residual and the mean squared residual of every
    band, `(batch, 2, bands)`; for `framewise` the mean outer product of the residual of a
    frame with itself, `(batch, bands, bands)`.
    """
    front_end, bands = trained.front_end, config.front_end.num_mel_bins
    residuals = autoencoder.residuals(trained.network, front_end.output, config.ae.num_frames)
    rows = ops.reshape(residuals, (-1, residuals.shape[1] * residuals.shape[2], bands))
    if config.mahalanobis.form == "framewise":
        moments = ops.matmul(ops.transpose(rows, (0, 2, 1)), rows) / rows.shape[1]
    else:
        moments = ops.stack([ops.mean(rows, axis=1), ops.mean(ops.square(rows), axis=1)], axis=1)
    return keras.Model(front_end.input, moments)


def score(config, representations, table, seed):
    """Both scores of every clip, from the residuals of the network."""
    moments = representations.clips["residual_moments"].astype("float64")
    constants = representations.constants
    is_framewise = config.mahalanobis.form == "framewise"
    if is_framewise:
        columns = {"mse": np.trace(moments, axis1=1, axis2=2) / moments.shape[-1]}
    else:
        columns = {"mse": moments[:, 1].mean(axis=1)}
    if "covariance_source" in constants:
        scorer = _scorer(config)
        scorer.covariance_source_ = constants["covariance_source"]
        scorer.covariance_target_ = constants.get("covariance_target")
        columns["mahalanobis"] = scorer.anomaly_score(moments if is_framewise else moments[:, 0])
    columns = pd.DataFrame(columns, index=table.index)
    scores = ScoreTable(columns, config.variant, config.variant, tuple(columns))
    return with_reason(scores, _threshold(config, columns, table, constants), table)


def graph(config, tensors, fit, column):
    """Either score; what it is made of, averaged over its second axis, as embedding."""
    moments = tensors["residual_moments"]
    constants = fit.representations.constants
    is_framewise = config.mahalanobis.form == "framewise"
    bands = moments.shape[-1]
    if column == "mahalanobis":
        names = ("covariance_source", "covariance_target")
        covariances = [constants[name] for name in names if name in constants]
        distance = MahalanobisDistance(len(covariances), config.mahalanobis.form)
        distance.set_covariances(covariances)
        score = distance(moments if is_framewise else moments[:, 0])
    elif is_framewise:
        score = ops.trace(moments, axis1=1, axis2=2) / bands
    else:
        score = ops.mean(moments[:, 1], axis=1)
    return score, ops.mean(moments, axis=1)


def decide(config, columns, table, constants):
    """One threshold per section, of the score that is the answer; of clips in an ensemble."""
    return same_for_all(_threshold(config, columns, table, constants), table)


def _threshold(config, columns, table, constants):
    batches = constants.get(f"{config.variant}_batches")
    if batches is not None:
        return gamma_threshold(batches, config.threshold_percentile)
    return training_threshold(columns[config.variant], table, config.threshold_percentile)
