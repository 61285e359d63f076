"""The official autoencoder of DCASE 2020 Task 2.

Paper: Koizumi et al., "Description and Discussion on DCASE2020 Challenge Task 2: Unsupervised
    Anomalous Sound Detection for Machine Condition Monitoring", DCASE Workshop 2020.
Code: github.com/y-kawagu/dcase2020_task2_baseline, commit 01f0f33, called the reference here.

One network per machine type, trained on all its machines together, on vectors of five
neighboring log-mel frames. The score of a clip is the mean squared error of its vectors.

Differs from the released code:
    - Development and additional training clips get a network each, as with its switches
      `-d` and `-e`, in one run.
    - Vectors are read from disk as they are needed and shuffled as a whole, so memory does
      not grow with the clips.
    - Clips of different lengths are heard up to the longest training clip; the reference
      refuses them.

Where paper and reference are silent:
    - The baseline of 2020 decides nothing. Decisions here are those of 2021: the 90th
      percentile of a gamma distribution fitted to the scores of the training clips.
    - Stereo and other rates are mixed down and resampled as the recipe says.
"""

import dataclasses
from typing import Literal

from asdkeras.config import Checked, Percentile
from asdkeras.systems.baselines.dense_autoencoder import DenseAutoencoder, DenseAutoencoderSystem
from asdkeras.systems.log_mel_front_end import LogMelFrontEnd
from asdkeras.systems.system import AnySystem


@dataclasses.dataclass(frozen=True)
class Config(Checked):
    """Nothing has a default: the recipe states the reference's values."""

    variant: Literal["ae"]
    front_end: LogMelFrontEnd
    ae: DenseAutoencoder
    threshold_percentile: Percentile


def create(config: Config) -> AnySystem:
    """The autoencoder."""
    return DenseAutoencoderSystem(config, "ae2020")
