"""Scores of different origin made comparable by the clips of each section."""

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Scope = Literal["section", "section_and_domain"]
Split = Literal["held_out", "train", "test"]


LEAST_CLIPS = 10
"""As few tell the spread of scores at all: its own standard error is then a quarter of it."""


class DomainMoments(NamedTuple):
    """Mean and spread of a score, for each clip those to compare it with.

    Attributes:
        mean: float64 `(clips,)`; NaN where no clip counts.
        spread: likewise, the standard deviation of a population (ddof 0), or 1 where all that
            count have one score.
        constant: the domains where they have, an empty name for all domains pooled.
    """

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    constant: tuple[str, ...]


class SectionMoments(NamedTuple):
    """Mean and spread of a score, for each clip those of its machine type and section.

    Attributes:
        mean: `(clips,)`; NaN where no clip to go by has a score.
        spread: likewise, the standard deviation of a population (ddof 0), or 1 where all of them
            have one score.
        constant: the places where they have, such as `fan 00`.
        learned: sections that go by their training clips, since too few are held out.
    """

    mean: pd.Series
    spread: pd.Series
    constant: tuple[str, ...]
    learned: tuple[str, ...] = ()


def domain_moments(
    values: ArrayLike, domains: ArrayLike, counts: ArrayLike, least: int = LEAST_CLIPS
) -> DomainMoments:
    """Mean and spread of the clips of the same domain that count, for every clip of a section.

    A domain goes by itself where at least `least` of its clips count; its clips, and those whose
    domain is unknown, otherwise go by all clips that count, whatever their domain.

    Args:
        values: scores, float `(clips,)`. NaN does not count.
        domains: `(clips,)`, an empty name where it is not known.
        counts: bool, `(clips,)`: which clips to go by, such as those held out.

    Examples:
        >>> moments = domain_moments([1, 3, 8, 9], ["a", "a", "b", ""], [1, 1, 1, 0], least=2)
        >>> moments.mean.tolist()
        [2.0, 2.0, 4.0, 4.0]
    """
    scores, names = np.asarray(values, np.float64), np.asarray(domains, np.str_)
    counted = np.asarray(counts, bool) & ~np.isnan(scores)
    found, sizes = np.unique(names[counted], return_counts=True)
    alone = [str(name) for name in found[sizes >= least] if name]
    mean, spread = (np.full(len(scores), np.nan) for _ in range(2))
    constant = []
    for name in ["", *alone]:
        rows = names == name if name else ~np.isin(names, alone)
        chosen = scores[counted & rows if name else counted]
        if not rows.any() or not chosen.size:
            continue
        mean[rows], spread[rows] = chosen.mean(), chosen.std()
        if chosen.min() == chosen.max():  # Rounding may leave a spread of 1e-17.
            spread[rows] = 1.0
            constant.append(name)
    return DomainMoments(mean, spread, tuple(constant))


def section_moments(
    scores: pd.Series,
    table: pd.DataFrame,
    scope: Scope = "section",
    split: Split = "train",
    held_out: pd.Series | None = None,
) -> SectionMoments:
    """Mean and spread of the clips of each section to go by, for every clip.

    Args:
        scores: `(clips,)`; NaN where there is none.
        table: clip table, with the index of `scores`.
        scope: `section_and_domain` goes by the clips of the same domain where there are
            `LEAST_CLIPS` of them, see `domain_moments`.
        split: whose clips to go by. A section without test clips goes by its training clips,
            and so does one with fewer than `LEAST_CLIPS` clips held out.
        held_out: bool `(clips,)`, of `TrialScores`; None for none.
    """
    mean, spread = (pd.Series(np.nan, index=scores.index) for _ in range(2))
    constant, learned = [], []
    is_held_out = pd.Series(False, table.index) if held_out is None else held_out
    for (machine_type, section), clips in table.groupby(["machine_type", "section"]):
        place = f"{machine_type} {section}"
        values = scores[clips.index]
        is_training = (clips["split"] == "train").astype(bool)
        counts = {
            "train": is_training,
            "test": (clips["split"] == "test").astype(bool),
            "held_out": is_held_out[clips.index],
        }[split]
        least = LEAST_CLIPS if split == "held_out" else 1
        if (counts & values.notna()).sum() < least and (is_training & values.notna()).any():
            counts = is_training
            learned += [place] if split == "held_out" else []
        is_by_domain = scope == "section_and_domain"
        domains = clips["domain"].fillna("") if is_by_domain else [""] * len(clips)
        moments = domain_moments(values, domains, counts)
        mean[clips.index], spread[clips.index] = moments.mean, moments.spread
        constant += [f"{place} {domain}".rstrip() for domain in moments.constant]
    return SectionMoments(mean, spread, tuple(constant), tuple(learned))
