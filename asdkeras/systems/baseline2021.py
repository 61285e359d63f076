"""The official baselines of DCASE 2021 Task 2: autoencoder and MobileNetV2.

Paper: Kawaguchi et al., "Description and Discussion on DCASE 2021 Challenge Task 2: Unsupervised
    Anomalous Sound Detection for Machine Condition Monitoring under Domain Shifted
    Conditions", DCASE Workshop 2021.
Code: github.com/y-kawagu/dcase2021_task2_baseline_ae, commit 7d7f5cc, and
    dcase2021_task2_baseline_mobile_net_v2, commit e2bb4f7, called the reference here.

`ae`: one network per machine type, trained on vectors of five neighboring log-mel frames of
its sections and domains together; the score is the mean squared error of a clip's vectors.
`mobilenetv2`: one network per machine type that tells its sections apart by windows of 64
frames; the score is the mean over windows of log((1 - p) / p), p the posterior of the clip's
own section. Both decide by the 90th percentile of a gamma distribution fitted to the scores
of a machine type's training clips.

Differs from the released code:
    - The reference has a bracket of MobileNetV2's score in the wrong place: it averages
      log((1 - p) - log p). All published figures of 2021 come from that. The correct form is
      the default; `mobilenetv2.score: released_2021` is the reference's. Both are columns of
      the scores, measured in `named_scores.csv`.
    - Development and additional training clips get a network each, as with its switches
      `-d` and `-e`, in one run.
    - Windows are read from disk as they are needed and shuffled as a whole, so memory does
      not grow with the clips.
    - Clips of different lengths are heard up to the longest training clip; the reference
      refuses them.
    - A threshold that no gamma distribution can be fitted for is the percentile itself, and
      a note says so.
"""

import dataclasses
from typing import Literal

from asdkeras.config import Checked, Percentile
from asdkeras.systems.baselines.dense_autoencoder import DenseAutoencoder, DenseAutoencoderSystem
from asdkeras.systems.baselines.section_classifier import SectionClassifier, SectionClassifierSystem
from asdkeras.systems.log_mel_front_end import LogMelFrontEnd
from asdkeras.systems.system import AnySystem


@dataclasses.dataclass(frozen=True)
class Config(Checked):
    """Nothing has a default: the recipe states the reference's values."""

    variant: Literal["ae", "mobilenetv2"]
    front_end: LogMelFrontEnd
    ae: DenseAutoencoder
    mobilenetv2: SectionClassifier
    threshold_percentile: Percentile


def create(config: Config) -> AnySystem:
    """The autoencoder or the classifier."""
    if config.variant == "ae":
        return DenseAutoencoderSystem(config, "ae2021")
    return SectionClassifierSystem(config, "mobilenetv2_2021")


def fallbacks(variant: str) -> tuple[str, ...]:
    """The autoencoder, where a machine type has one section and nothing to be told apart."""
    return ("ae",)
