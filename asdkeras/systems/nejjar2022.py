"""DG-Mix: self-supervised pre-training by mixed windows, then classification of sections.

Paper: Nejjar, Meunier-Pion, Frusque, Fink, "DG-Mix: Domain Generalization for Anomalous Sound
    Detection Based on Self-Supervised Learning", DCASE Workshop 2022.
Code: none of the authors is public. The loss and its optimizer are those of
    github.com/facebookresearch/vicreg, commit 4e12602, called the reference here.

A network per machine type takes windows of two seconds of a log-mel spectrogram. First it learns
without labels: the embedding of two mixed windows shall be the mixture of their embeddings,
while every dimension of the embedding varies and no two of them correlate. Then it is tuned to
predict the mixed sections of mixed windows. A clip is the mean of the embeddings of its windows,
and its score the Euclidean distance to the nearest training clip of its machine type.

Variants: `dgmix`; `vicreg`, whose pre-training compares two views of a window, each warped in time
with frames and bands hidden (SpecAugment); `no_pretraining`, which starts the second phase from
random weights. The fourth row of the tables, the official MobileNetV2, is `baseline2022`.

Differs from the paper:
    - `pretraining.form` and `.expander: released`, for the weights 25, 25, 1 fit its terms: with
      `printed` equation 1 is 1280 times as large, and embeddings above zero work against the
      term of variances. Equation 1 of the second phase has the same form.
    - 32 windows of a clip follow from its frames; the printed formula gives 7.
    - A pair may be a window and itself, or two of one clip, where the paper has "two different
      samples": every window is once the first and once the second of a pair, by two independent
      shuffles, and of 192,000 windows about one meets itself in an epoch.

As in the paper, though the reference has it otherwise:
    - The learning rate of pre-training ends at 0.002, not at a thousandth of its peak.

Where the paper is silent, beside the readings of `Config`:
    - An epoch is all windows of all clips: 187 updates of pre-training, 18,700 in 100 epochs.
    - Frames are those of the official baseline of 2022, in dB.
    - Each pair has its own weight.
    - Each of the two or three inputs passes by itself, so batch normalization sees one
      at a time.
    - Batch normalization and ReLU6 follow the 4x2 convolution, nothing the last 1x1.
    - Sizes of the views: a time warp of up to 8 frames, two masks of up to 16 frames, two of
      up to 24 bands.
    - The second phase has 20 epochs, and equation 1 in it the weight 1.
    - Figure 2 shows "the embeddings", by neither layer nor length: here `report --array
      pretrained_embedding` maps the encoder's, a mean over the windows of each clip, and measures
      how far they separate sections, domains and attributes. The paper has no such number.
    - Thresholds: the 90th percentile of a gamma distribution of greatest likelihood, fitted to
      the distances of all training clips of the machine type to their nearest other one.
    - A machine type of one section has no second phase; the embeddings of the first are scored.
"""

import dataclasses
from typing import Annotated, Literal

import keras

from asdkeras.config import Checked, Count, Percentile, at_least, multiple_of, require
from asdkeras.data.clip_set import ClipSet
from asdkeras.readings import Reading
from asdkeras.scorers.nearest_neighbor import (
    NearestNeighborScorer,
    Neighbors,
    require_neighbors,
)
from asdkeras.scorers.section_scorer import SectionScorer
from asdkeras.scorers.terms import Term, representation, scored
from asdkeras.scorers.thresholds import ThresholdRule
from asdkeras.systems.log_mel_front_end import LogMelFrontEnd
from asdkeras.systems.nejjar.encoder import clip_embedding
from asdkeras.systems.nejjar.phases import FineTuning, Pretraining, Views
from asdkeras.systems.nejjar.two_phases import EMBEDDING, PRETRAINED, Encoders, check, train
from asdkeras.systems.system import AnySystem, NormalClips, RunContext, System
from asdkeras.systems.window_training import front_end_of

_NEAREST = "nearest_neighbor"
_HALVED = multiple_of(32, "must be a multiple of 32: the network halves windows five times")


@dataclasses.dataclass(frozen=True)
class Config(Checked):
    """Nothing has a default: the recipe states the paper's values.

    Attributes:
        num_frames: of a window.
        window_hop: frames from one window of a clip to the next.
        mixup_alpha: weights of mixed windows are drawn from Beta(alpha, alpha).
        neighbors: training clips that a clip is compared with.
    """

    variant: Literal["dgmix", "vicreg", "no_pretraining"]
    front_end: LogMelFrontEnd
    num_frames: Annotated[int, _HALVED]
    window_hop: Count
    standardize: Annotated[
        bool,
        Reading(
            "silent",
            "`false` leaves frames in dB, `true` gives each mel band mean 0 and variance 1 in "
            "training frames",
        ),
    ]
    mixup_alpha: Annotated[float, at_least(0.05)]
    pretraining: Pretraining
    views: Views
    fine_tuning: FineTuning
    neighbors: Annotated[
        Neighbors,
        Reading(
            '"the distance from the training embeddings" (Sec. 3.5)',
            "`machine_type` compares a clip with all training clips of its machine type, `section` "
            "with those of its section alone",
        ),
    ]
    threshold_percentile: Percentile

    def check(self) -> None:
        bands = self.front_end.num_mel_bins
        require(_HALVED.holds(bands), "front_end.num_mel_bins", _HALVED.rule, bands)
        for name, width, size in (
            ("views.time_width", self.views.time_width, self.num_frames),
            ("views.band_width", self.views.band_width, bands),
        ):
            require(width <= size, name, f"must not be above {size}, the size of a window", width)
        warp, most = self.views.time_warp, (self.num_frames - 2) // 2
        rule = f"must not be above {most}, which leaves windows a frame that can move"
        require(warp <= most, "views.time_warp", rule, warp)


def create(config: Config) -> AnySystem:
    """A network for each machine type."""
    return Nejjar2022(config)


def fallbacks(variant: str) -> tuple[str, ...]:
    """DG-Mix, where a machine type has one section, which pre-training alone can do without."""
    return ("dgmix",)


class Nejjar2022(System[Config, Encoders]):
    """A network for each machine type, scored by the nearest of its training clips.

    Beside the main score, the same by the embeddings before the second phase.
    """

    models_class = Encoders
    batch_size = 8  # Each clip has 32 windows.
    main_score = _NEAREST

    @property
    def published_rows(self) -> dict[str, str]:
        return {_NEAREST: self.config.variant}

    def check(self, clips: ClipSet, everything: ClipSet) -> None:
        require_neighbors(clips.table, self.config.neighbors)
        check(self.config, clips)

    def train(self, clips: ClipSet, context: RunContext) -> Encoders:
        return train(self.config, clips, context)

    def represent(self, models: Encoders) -> dict[str, keras.Model]:
        log_mel = front_end_of(self.config.front_end, models)
        return {
            name: clip_embedding(self.config, each.model.get_layer("encoder"), log_mel)
            for name, each in models.encoders.items()
        }

    def section_scorer(self, normal: NormalClips[Encoders]) -> SectionScorer:
        neighbors = self.config.neighbors
        scores = {_NEAREST: _distance(normal, EMBEDDING, neighbors)}
        if PRETRAINED in normal.models.encoders:
            scores[f"pretrained_{_NEAREST}"] = _distance(normal, PRETRAINED, neighbors)
        return SectionScorer(scores, representation(EMBEDDING))

    @property
    def threshold_rule(self) -> ThresholdRule:
        return ThresholdRule("model", "gamma_restarted", self.config.threshold_percentile)


def _distance(normal: NormalClips[Encoders], name: str, neighbors: Neighbors) -> Term:
    embedding = representation(name)
    if neighbors == "machine_type":
        known, own = normal.values_of_unit(embedding), normal.positions
    else:
        known, own = normal.values(embedding), None
    scorer = NearestNeighborScorer("euclidean").fit(known, own)
    return scored(scorer, embedding, leave_self_out=True)
