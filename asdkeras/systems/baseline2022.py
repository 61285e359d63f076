"""The official baselines of DCASE 2022 Task 2: autoencoder and MobileNetV2.

Paper: Dohi et al., "Description and Discussion on DCASE 2022 Challenge Task 2: Unsupervised
    Anomalous Sound Detection for Machine Condition Monitoring Applying Domain
    Generalization Techniques", DCASE Workshop 2022.
Code: github.com/Kota-Dohi/dcase2022_task2_baseline_ae, commit 8ab52e1, and
    dcase2022_task2_baseline_mobile_net_v2, commit aaf3932, called the reference here.

Networks, training, scores and thresholds are those of 2021 (`baseline2021`); frames at the ends
of a clip see zeros in place of its mirror image, which is what the newer librosa does.

Differs from the released code:
    - Since April 2022 the reference scores test clips with the correct form of MobileNetV2's
      score, but fits its threshold to the slipped one of 2021, so its decisions compare
      two scales. Here thresholds are fitted to what is scored;
      `mobilenetv2.threshold_score: released_2021` is the reference's.
    - The reference takes the domain from the whole path, so a folder named "source" breaks
      it; here file names alone say it.
    - Precision, recall and F1 per domain count the domain's own anomalies; the reference's
      MobileNetV2 counts those of both domains.
    - What `baseline2021` says of memory, of clips of different lengths, of the two sets of
      training clips and of thresholds without a gamma distribution.
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
        return DenseAutoencoderSystem(config, "ae2022")
    return SectionClassifierSystem(config, "mobilenetv2_2022")


def fallbacks(variant: str) -> tuple[str, ...]:
    """The autoencoder, where a machine type has one section and nothing to be told apart."""
    return ("ae",)
