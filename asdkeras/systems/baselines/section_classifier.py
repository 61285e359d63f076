"""The MobileNetV2 of the official baselines, which tells the sections of a machine type apart."""

import dataclasses
from typing import Literal

import keras
import numpy as np
import pandas as pd
from keras import ops

from asdkeras.config import require
from asdkeras.data.labels import section_labels
from asdkeras.data.pipeline import Holdout
from asdkeras.errors import DataError
from asdkeras.layers.frame_windows import FrameWindows
from asdkeras.layers.section_posterior_score import SectionPosteriorScore
from asdkeras.networks.baseline_mobilenet_v2 import baseline_mobilenet_v2
from asdkeras.scorers.section_posterior import section_posterior_score
from asdkeras.systems.baselines.front_end import KEEP
from asdkeras.systems.baselines.window_training import train_on_windows
from asdkeras.systems.system import ScoreTable, Trained

FORMS = ("log_odds", "released_2021")


@dataclasses.dataclass(frozen=True)
class SectionClassifier:
    """Network, training and score.

    Attributes:
        width: of the network (Keras: alpha).
        num_frames: frames of a window.
        training_hop: frames from window to window in training, and of the training clips
            that a threshold is fitted to.
        test_hop: the same of test clips.
        validation_fraction: of the windows, the last in the order of the clips, so those of
            the last section. They are measured and select nothing.
        score: `log_odds` is log((1 - p) / p) of the clip's own section; `released_2021` has
            the bracket where the code of 2021 has it, log((1 - p) - log p).
        threshold_score: which of both a threshold is fitted to; `scored` is the one that is
            compared with it.
    """

    width: float
    num_frames: int
    training_hop: int
    test_hop: int
    epochs: int
    batch_size: int
    learning_rate: float
    validation_fraction: float
    score: Literal["log_odds", "released_2021"]
    threshold_score: Literal["scored", "log_odds", "released_2021"]

    def __post_init__(self):
        for name in ("num_frames", "training_hop", "test_hop", "epochs", "batch_size"):
            require(getattr(self, name) >= 1, name, "must be at least 1", getattr(self, name))
        for name in ("width", "learning_rate"):
            require(getattr(self, name) > 0, name, "must be above 0", getattr(self, name))
        require(
            0.0 <= self.validation_fraction < 1.0,
            "validation_fraction",
            "must lie in [0, 1)",
            self.validation_fraction,
        )


def train(config, front_end, clips, context):
    """Train on windows of all clips; the model gives the posteriors of every window of a clip.

    Args:
        config: `SectionClassifier`.
        front_end: `FrontEnd`.
        clips: `ClipSet`, of one machine type.
        context: `RunContext`.

    Returns:
        `Trained`, with posteriors `(clips, windows, sections)`: `train` of the training and
        `test` of the test clips, whose windows are closer.

    Raises:
        DataError: if there is one section only.
        RecipeError: if clips have fewer frames than a window.
    """
    _require_sections(clips.table)
    labels = section_labels(clips.table)
    shape = (config.num_frames, front_end.num_mel_bins)
    trained = train_on_windows(
        config,
        front_end,
        clips,
        context,
        lambda: compiled(config, shape, len(labels.classes)),
        key="mobilenetv2",
        hop=config.training_hop,
        holdout=Holdout(config.validation_fraction, "last"),
        labels=labels,
        as_vectors=False,
    )
    models = {
        split: _posteriors(trained.network, trained.front_end, config.num_frames, hop)
        for split, hop in (("train", config.training_hop), ("test", config.test_hop))
    }
    rows = {split: (context.table["split"] == split).to_numpy(bool) for split in models}
    return Trained(models, {}, trained.clip_length, KEEP, rows)


def _require_sections(table):
    names = sorted(set(table["section"]))
    if len(names) < 2:
        raise DataError(
            f"{table['machine_type'].iloc[0]} has one section, {names[0]}, and MobileNetV2 learns "
            "by telling the sections of a machine type apart. Name several in a CSV file, or "
            "take --variant ae."
        )


def compiled(config, shape, num_sections):
    """The network, ready for training.

    Args:
        config: `SectionClassifier`.
        shape: frames and bands of a window.
        num_sections: int, at least 2.

    Returns:
        model from windows `(batch, frames, bands)` to posteriors `(batch, num_sections)`.
    """
    windows = keras.Input(shape, name="windows")
    model = keras.Model(windows, baseline_mobilenet_v2(windows, num_sections, config.width))
    model.compile(keras.optimizers.Adam(config.learning_rate), "categorical_crossentropy")
    return model


def _posteriors(classifier, front_end, num_frames, hop):
    windows = FrameWindows(num_frames, hop)(front_end.output)
    posteriors = classifier(ops.reshape(windows, (-1, *windows.shape[2:])))
    num_sections = posteriors.shape[-1]
    return keras.Model(
        front_end.input, ops.reshape(posteriors, (-1, windows.shape[1], num_sections))
    )


def score(config, representations, table, seed):
    """Score all clips by the posterior of their own section, in both forms."""
    own = section_labels(table).indices
    columns = pd.DataFrame(np.nan, index=table.index, columns=list(FORMS))
    for split, posteriors in representations.clips.items():
        rows = np.flatnonzero(table["split"] == split)
        of_section = np.take_along_axis(posteriors[rows], own[rows, None, None], axis=2)[..., 0]
        for form in FORMS:
            columns.iloc[rows, FORMS.index(form)] = section_posterior_score(of_section, form)
    return ScoreTable(columns, config.score, config.score, FORMS)


def graph(tensors, fit, column):
    """What the windows of a clip say of its section; their mean posteriors as embedding."""
    posteriors = tensors["test"]
    own = section_labels(fit.table).indices[fit.is_inside][0]
    return SectionPosteriorScore(int(own), column)(posteriors), ops.mean(posteriors, axis=1)
