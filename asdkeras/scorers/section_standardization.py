"""Scores of different origin made comparable by the training clips of each section."""

from typing import NamedTuple

import numpy as np
import pandas as pd


class SectionMoments(NamedTuple):
    """What the training clips of each clip's machine type and section say of a score.

    Attributes:
        mean: float Series, `(clips,)`; NaN where no training clip has a score.
        spread: likewise, the standard deviation of a population (ddof 0), or 1 where all
            training clips have one score.
        constant: the places where they have, such as `fan 00`.
    """

    mean: pd.Series
    spread: pd.Series
    constant: tuple[str, ...]


def section_moments(scores: pd.Series, table: pd.DataFrame) -> SectionMoments:
    """Mean and spread of the training clips of each section, for every clip.

    Args:
        scores: float Series, `(clips,)`; NaN where there is none.
        table: clip table, with the index of `scores`.
    """
    mean, spread = (pd.Series(np.nan, index=scores.index) for _ in range(2))
    constant = []
    for (machine_type, section), clips in table.groupby(["machine_type", "section"]):
        is_training = (clips["split"] == "train").to_numpy(dtype=bool)
        training = scores[clips.index[is_training]].dropna()
        if training.empty:
            continue
        mean[clips.index] = training.mean()
        if training.min() == training.max():  # Rounding may leave a spread of 1e-17.
            spread[clips.index] = 1.0
            constant.append(f"{machine_type} {section}")
        else:
            spread[clips.index] = training.std(ddof=0)
    return SectionMoments(mean, spread, tuple(constant))
