"""How far the official score would move with other test clips: a stratified bootstrap.

Neither interval in `intervals.py` is one of the official score, a harmonic mean over sections
and domains. This one draws the clips anew within each section, domain and label, so that the
numbers of clips stay those of the challenge. It says nothing about another training run; that
is the spread over seeds.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asdkeras.metrics.auc import auc, checked_clips, partial_auc, standardized
from asdkeras.metrics.official import MAX_FPR, RuleSet, compared_clips
from asdkeras.metrics.sections import step_areas


class ScoreInterval(NamedTuple):
    """An official score and how sure it is.

    Attributes:
        lower: and `upper`: quantiles of the resamples.
        standard_error: standard deviation of the resamples.
    """

    score: float
    lower: float
    upper: float
    standard_error: float


def bootstrap_official_score(
    anomaly_scores: ArrayLike,
    is_anomalous: ArrayLike,
    domains: ArrayLike,
    sections: ArrayLike,
    rules: RuleSet,
    *,
    seed: int,
    num_resamples: int = 1000,
    confidence: float = 0.95,
) -> ScoreInterval:
    """Percentile interval of the official score.

    A single clip of its section, domain and label is in every resample, and adds nothing to the
    spread.

    Args:
        anomaly_scores: float, `(clips,)`, finite. Higher means more anomalous.
        is_anomalous: bool or 0/1, `(clips,)`.
        domains: text, `(clips,)`, `source` or `target`.
        sections: `(clips,)`, what tells the sections of all machine types apart, such as `fan/00`.
        rules: of a year or a paper with an official score.
        num_resamples: at least 2.
        confidence: in (0, 1).

    Raises:
        ValueError: if the arrays do not fit, hold something else, or a section lacks clips
            the score needs; or if the rules have no official score.

    References:
        Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, Section 13.3.
    """
    scores, anomalous = checked_clips(anomaly_scores, is_anomalous)
    in_domains, in_sections = np.asarray(domains), np.asarray(sections)
    if not scores.shape == in_domains.shape == in_sections.shape:
        raise ValueError(
            f"`domains` and `sections` must have one value per clip, {len(scores)}. "
            f"Received: shapes {in_domains.shape} and {in_sections.shape}"
        )
    _refuse_unfit(rules, num_resamples, confidence)
    terms, resampled = [], []
    rng = np.random.default_rng(seed)
    for section in np.unique(in_sections):
        clips = np.flatnonzero(in_sections == section)
        clips = clips[np.argsort(-scores[clips], kind="stable")]
        of_section = scores[clips], anomalous[clips], in_domains[clips]
        strata = np.stack([of_section[2] == "target", of_section[1]])
        counts = resample_counts(strata, num_resamples, rng)
        for term, of_resamples in _terms(*of_section, counts, rules, str(section)):
            terms.append(term)
            resampled.append(of_resamples)
    averages = np.array([rules.average(values) for values in np.stack(resampled, axis=1)])
    tail = (1.0 - confidence) / 2.0
    lower, upper = np.quantile(averages, (tail, 1.0 - tail))
    return ScoreInterval(
        rules.average(terms), float(lower), float(upper), float(averages.std(ddof=1))
    )


def resample_counts(
    strata: NDArray[np.bool_], num_resamples: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """How often each clip was drawn, `(resamples, clips)`; `strata` is `(keys, clips)`."""
    counts = np.empty((num_resamples, strata.shape[1]), dtype=np.int64)
    rows = np.arange(num_resamples)[:, np.newaxis]
    for stratum in np.unique(strata, axis=1).T:
        clips = np.flatnonzero((strata == stratum[:, np.newaxis]).all(axis=0))
        size = len(clips)
        drawn = rng.integers(size, size=(num_resamples, size))
        flat = np.bincount((rows * size + drawn).ravel(), minlength=num_resamples * size)
        counts[:, clips] = flat.reshape(num_resamples, size)
    return counts


def resampled_metric(
    scores: NDArray[np.float64],
    anomalous: NDArray[np.bool_],
    counts: NDArray[np.int64],
    metric: str,
) -> NDArray[np.float64]:
    """AUC or pAUC of every resample, `(resamples,)`, of clips ranked from above."""
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    true_positives = np.cumsum(counts * anomalous, axis=1)[:, last]
    false_positives = np.cumsum(counts * ~anomalous, axis=1)[:, last]
    rise = np.diff(true_positives, axis=1, prepend=0)
    width = np.diff(false_positives, axis=1, prepend=0)
    num_normal, num_anomalous = false_positives[:, -1:], true_positives[:, -1:]
    rate = 1.0 if metric == "auc" else MAX_FPR
    room = rate * num_normal - (false_positives - width)
    areas: NDArray[np.float64] = step_areas(width, true_positives - rise, rise, room).sum(axis=1)
    areas = areas / (num_normal * num_anomalous)[:, 0]
    return areas if metric == "auc" else standardized(areas, MAX_FPR)


def _refuse_unfit(rules: RuleSet, num_resamples: int, confidence: float) -> None:
    if not rules.has_joint_mean("all", "all"):
        raise ValueError(f"the rules {rules.name} have no official score to put an interval on.")
    if num_resamples < 2 or not 0.0 < confidence < 1.0:
        raise ValueError(
            "an interval needs at least 2 resamples and a confidence in (0, 1). "
            f"Received: num_resamples={num_resamples}, confidence={confidence}"
        )


def _terms(
    scores: NDArray[np.float64],
    anomalous: NDArray[np.bool_],
    domains: NDArray[np.str_],
    counts: NDArray[np.int64],
    rules: RuleSet,
    section: str,
) -> Iterator[tuple[float, NDArray[np.float64]]]:
    """Every metric of one section that the official score averages, and those of resamples."""
    for metric in ("auc", "pauc"):
        for domain in rules.domains_of(metric):
            mask = compared_clips(rules, domain, anomalous, domains)
            labels = anomalous[mask]
            num_anomalous = int(labels.sum())
            if num_anomalous in (0, len(labels)):
                raise ValueError(
                    f"section {section}, domain {domain}: the official score needs normal and "
                    f"anomalous clips. Received: {len(labels) - num_anomalous} normal and "
                    f"{num_anomalous} anomalous"
                )
            ranked = scores[mask], labels
            term = auc(*ranked) if metric == "auc" else partial_auc(*ranked, MAX_FPR)
            yield term, resampled_metric(*ranked, counts[:, mask], metric)
