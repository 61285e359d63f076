"""DG-Mix: self-supervised pre-training by mixed windows, then classification of sections.

Paper: Nejjar, Meunier-Pion, Frusque, Fink, "DG-Mix: Domain Generalization for Anomalous Sound
    Detection Based on Self-Supervised Learning", DCASE Workshop 2022.
Code: none of the authors is public. The loss and its optimizer are those of
    github.com/facebookresearch/vicreg, commit 4e12602, called the reference here.

A network per machine type hears windows of two seconds of a log-mel spectrogram. First it learns
without labels: the embedding of two mixed windows shall be the mixture of their embeddings,
while every dimension of the embedding varies and no two of them tell the same. Then it is tuned to
tell the mixed sections of mixed windows. A clip is the mean of the embeddings of its windows, and
its score the Euclidean distance to the nearest training clip of its section.

Variants: `dgmix`; `vicreg`, whose pre-training compares two views of a window that hide parts of
it (SpecAugment); `no_pretraining`, which starts the second phase from random weights. The fourth
row of the tables, the official MobileNetV2, is `baseline2022`.

Differs from the paper:
    - `pretraining.form: released`: the first term is the mean over the dimensions, where
      equation 1 sums over them; the second is half the sum of both batches, with 1e-4
      added to variances. The weights 25, 25, 1 come from the reference and fit its terms: the
      printed first term is 1280 times as large. `printed` is the equations; equation 1 of
      the second phase follows.
    - `pretraining.expander: released`: the last of the three layers is linear without bias, as in
      the reference. The paper normalizes and rectifies it (`printed`), which holds
      embeddings above zero, against the term of variances.
    - 32 windows of a clip follow from its frames; the printed formula gives 7.

As in the paper, though the reference has it otherwise:
    - The learning rate of pre-training ends at 0.002, not at a thousandth of its peak.

Where the paper is silent:
    - Frames are those of the official baseline of 2022, in dB; `standardize` scales them.
    - Both windows of a pair are drawn from all windows of the machine type, and each pair
      has its own weight. `fine_tuning.pairing: within_section` mixes within sections.
    - Each of the two or three inputs passes by itself, so batch normalization sees one
      at a time.
    - Batch normalization and ReLU6 follow the 4x2 convolution, nothing the last 1x1.
    - Masks of the views: two of up to 16 frames, two of up to 24 bands, filled with the mean.
    - The second phase has 20 epochs, and equation 1 in it the weight 1.
    - Thresholds: the 90th percentile of a gamma distribution of greatest likelihood, fitted to
      the distances of all training clips of the machine type to their nearest other one.
    - A machine type of one section has no second phase; the embeddings of the first are scored.
"""

import dataclasses
import functools
from typing import Literal

import numpy as np
import pandas as pd

from asdkeras.config import require
from asdkeras.data.splits import has_lone_section
from asdkeras.layers.exemplar_distance import ExemplarDistance
from asdkeras.scorers.section_neighbors import nearest_in_section, require_neighbors
from asdkeras.scorers.thresholds import gamma_threshold
from asdkeras.systems.baselines.front_end import FrontEnd
from asdkeras.systems.baselines.thresholds import require_percentile
from asdkeras.systems.nejjar.settings import FineTuning, Pretraining, Views
from asdkeras.systems.nejjar.training import EMBEDDING, PRETRAINED, train
from asdkeras.systems.system import ScoreTable, System

_CLIPS_AT_ONCE = 8  # Each has 32 windows.
_SCORES = {EMBEDDING: "nearest_neighbor", PRETRAINED: "pretrained_nearest_neighbor"}
_ANSWER = _SCORES[EMBEDDING]


@dataclasses.dataclass(frozen=True)
class Config:
    """Nothing has a default: the recipe states the paper's values.

    Attributes:
        num_frames: of a window.
        window_hop: frames from one window of a clip to the next.
        standardize: whether each mel band has mean 0 and variance 1 in training frames.
        mixup_alpha: weights of mixed windows are drawn from Beta(alpha, alpha).
    """

    variant: Literal["dgmix", "vicreg", "no_pretraining"]
    front_end: FrontEnd
    num_frames: int
    window_hop: int
    standardize: bool
    mixup_alpha: float
    pretraining: Pretraining
    views: Views
    fine_tuning: FineTuning
    threshold_percentile: float

    def __post_init__(self):
        require(self.window_hop >= 1, "window_hop", "must be at least 1", self.window_hop)
        bands = self.front_end.num_mel_bins
        for name, size in (("num_frames", self.num_frames), ("front_end.num_mel_bins", bands)):
            require(
                size >= 32 and size % 32 == 0,
                name,
                "must be a multiple of 32: the network halves windows five times",
                size,
            )
        for name, width, size in (
            ("views.time_width", self.views.time_width, self.num_frames),
            ("views.band_width", self.views.band_width, bands),
        ):
            require(width <= size, name, f"must not be above {size}, the size of a window", width)
        require(self.mixup_alpha >= 0.05, "mixup_alpha", "must be at least 0.05", self.mixup_alpha)
        require_percentile(self.threshold_percentile)


def build(config: Config) -> System:
    """A network for each machine type."""
    return System(
        scope="machine_type",
        batch_size=_CLIPS_AT_ONCE,
        train=functools.partial(_train, config),
        score=score,
        decide=functools.partial(decide, config),
        published_rows={_ANSWER: config.variant},
        graph=graph,
    )


def fallback(config, table):
    """DG-Mix, where a machine type has one section, which pre-training alone can do without."""
    is_lost = config.variant == "no_pretraining" and has_lone_section(table)
    return "dgmix" if is_lost else config.variant


def _train(config, clips, context):
    require_neighbors(clips.table)
    return train(config, clips, context)


def score(representations, table, seed):
    """Distance of every clip to the nearest training clip of its section.

    Beside the answer, the same by the embeddings before the second phase.
    """
    columns = pd.DataFrame(
        {
            name: nearest_in_section(
                representations.clips[embedding],
                table["section"].to_numpy(),
                (table["split"] == "train").to_numpy(bool),
                "euclidean",
            )
            for embedding, name in _SCORES.items()
            if embedding in representations.clips
        },
        index=table.index,
    )
    return ScoreTable(
        columns, anomaly_score=_ANSWER, decision_score=_ANSWER, named_scores=tuple(columns)
    )


def graph(tensors, fit, column):
    """Distance to the nearest training clip of the section."""
    embedding = next(name for name, of_score in _SCORES.items() if of_score == column)
    normal = fit.representations.clips[embedding][fit.is_normal].astype(np.float64)
    layer = ExemplarDistance(len(normal), "euclidean")
    layer.set_exemplars(normal)
    return layer(tensors[embedding]), tensors[embedding]


def decide(config, columns, table, constants):
    """One threshold: a percentile of a gamma distribution of the training clips' scores."""
    training = columns.loc[table["split"] == "train", _ANSWER].to_numpy()
    threshold = gamma_threshold(training, config.threshold_percentile, restart=True)
    return pd.Series(threshold.value, index=table.index)
