"""The systems of 2020 to 2022: a model per machine type, trained on its sections together."""

import functools

import pandas as pd
from keras import ops

from asdkeras.systems.baselines import autoencoder, section_classifier
from asdkeras.systems.baselines.front_end import KEEP
from asdkeras.systems.baselines.thresholds import same_for_all, training_threshold, with_reason
from asdkeras.systems.system import ScoreTable, System, Trained

_AE_CLIPS, _CLASSIFIER_CLIPS = 16, 2  # At once: the classifier hears 250 windows of each.
_SQUARED_ERROR = "squared_error"


def autoencoder_system(config, row):
    """The autoencoder.

    Args:
        config: has `front_end`, `ae` and `threshold_percentile`.
        row: of the published tables.

    Returns:
        `System`.
    """
    return System(
        scope="machine_type_and_part",
        batch_size=_AE_CLIPS,
        train=functools.partial(_train_autoencoder, config),
        score=functools.partial(_score_errors, config),
        decide=functools.partial(_decide, config, _SQUARED_ERROR),
        published_rows={_SQUARED_ERROR: row},
        graph=_mean_error,
    )


def classifier_system(config, row):
    """The classifier of sections.

    Args:
        config: has `front_end`, `mobilenetv2` and `threshold_percentile`.
        row: of the published tables, for both forms of the score.

    Returns:
        `System`.
    """
    settings = config.mobilenetv2
    return System(
        scope="machine_type_and_part",
        batch_size=_CLASSIFIER_CLIPS,
        train=functools.partial(section_classifier.train, settings, config.front_end),
        score=functools.partial(_score_posteriors, config),
        decide=functools.partial(_decide, config, _fitted_to(settings)),
        published_rows=dict.fromkeys(section_classifier.FORMS, row),
        graph=section_classifier.graph,
    )


def _train_autoencoder(config, clips, context):
    trained = autoencoder.train(config.ae, config.front_end, clips, context)
    model = autoencoder.squared_errors(trained.network, trained.front_end, config.ae.num_frames)
    return Trained({_SQUARED_ERROR: model}, {}, trained.clip_length, KEEP)


def _score_errors(config, representations, table, seed):
    errors = representations.clips[_SQUARED_ERROR].mean(axis=1, dtype="float64")
    columns = pd.DataFrame({_SQUARED_ERROR: errors}, index=table.index)
    scores = ScoreTable(columns, _SQUARED_ERROR, _SQUARED_ERROR, (_SQUARED_ERROR,))
    return with_reason(scores, _threshold(config, _SQUARED_ERROR, columns, table), table)


def _mean_error(tensors, fit, column):
    """The mean error of all vectors of a clip; their errors as embedding."""
    errors = tensors[_SQUARED_ERROR]
    return ops.mean(errors, axis=1), errors


def _score_posteriors(config, representations, table, seed):
    scores = section_classifier.score(config.mobilenetv2, representations, table, seed)
    fitted_to = _fitted_to(config.mobilenetv2)
    return with_reason(scores, _threshold(config, fitted_to, scores.columns, table), table)


def _fitted_to(settings):
    is_same = settings.threshold_score == "scored"
    return settings.score if is_same else settings.threshold_score


def _decide(config, column, columns, table, constants):
    return same_for_all(_threshold(config, column, columns, table), table)


def _threshold(config, column, columns, table):
    return training_threshold(columns[column], table, config.threshold_percentile)
