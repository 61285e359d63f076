"""Training clips that the models of a section do not learn from."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asdkeras.data.labels import source_and_target
from asdkeras.scorers.section_standardization import LEAST_CLIPS

_MANY = 3 * LEAST_CLIPS  # Source clips of a section that can spare `LEAST_CLIPS`.


def held_out(fraction: float, table: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether a training clip is held out, `(clips,)`: some of the source clips of each section.

    All models of a section hold out the same clips, in every trial: what an ensemble puts on one
    scale is what none of its members has learned from. Those of a smaller fraction are among those
    of a larger one. The target domain has too few clips to hold any out.

    Args:
        fraction: of the source clips of a section, rounded: at least 10 clips where it has 30 or
            more, else at least one; none where it has one clip.
        table: clip table of the training clips, in its usual order, of one machine type.
    """
    is_source, _ = source_and_target(table)
    chosen = np.full(len(table), False)
    for section in sorted(set(table["section"])):
        positions = np.flatnonzero(is_source & (table["section"] == section).to_numpy(bool))
        least = LEAST_CLIPS if len(positions) >= _MANY else 1
        count = min(max(least, round(fraction * len(positions))), len(positions) - 1)
        if count > 0:
            random = np.random.default_rng([*section.encode()])
            chosen[random.permutation(positions)[:count]] = True
    return chosen


def held_out_rows(positions: NDArray[np.int64], table: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether a clip is held out, `(clips,)`, from positions among the training clips.

    Args:
        table: clip table of all that a model was made for, test clips included.
    """
    chosen = np.full(len(table), False)
    chosen[np.flatnonzero((table["split"] == "train").to_numpy(bool))[positions]] = True
    return chosen
