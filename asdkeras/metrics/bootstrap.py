"""How far the official score would move with other test clips: a stratified bootstrap.

Neither interval in `intervals.py` is one of the official score, a harmonic mean over sections
and domains. This one draws the clips anew within each section, domain and label, so that the
numbers of clips stay those of the challenge. It says nothing about another training run; that
is the spread over seeds.
"""

from collections.abc import Iterator, Sequence
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
    scores, anomalous, in_domains, in_sections = _checked(
        anomaly_scores, is_anomalous, domains, sections
    )
    _refuse_unfit(rules, num_resamples, confidence)
    order = np.argsort(-scores, kind="stable")  # So that the order of the clips is no matter.
    clips = anomalous[order], in_domains[order], in_sections[order]
    score, resampled = _mean_scores([scores[order]], *clips, rules, seed, num_resamples)
    lower, upper = percentile_interval(resampled, confidence)
    return ScoreInterval(score, lower, upper, float(resampled.std(ddof=1)))


def resampled_official_scores(
    trials: ArrayLike,
    is_anomalous: ArrayLike,
    domains: ArrayLike,
    sections: ArrayLike,
    rules: RuleSet,
    *,
    seed: int,
    num_resamples: int = 1000,
) -> NDArray[np.float64]:
    """The mean official score of several trials in every resample of the clips, `(resamples,)`.

    Scores have no say in which clips are drawn. So the resamples of two systems on the same clips,
    in one order and with one seed, are paired: quantiles of their differences are the interval of
    the difference.

    Args:
        trials: float, `(trials, clips)`, the anomaly scores of each trial.

    The other arguments, and what is raised, are those of `bootstrap_official_score`.
    """
    checked = [_checked(scores, is_anomalous, domains, sections) for scores in np.asarray(trials)]
    if not checked:
        raise ValueError("`trials` must hold scores of at least one trial. Received: none")
    _refuse_unfit(rules, num_resamples)
    clips = checked[0][1:]
    return _mean_scores([each[0] for each in checked], *clips, rules, seed, num_resamples)[1]


def percentile_interval(
    resampled: NDArray[np.float64], confidence: float = 0.95
) -> tuple[float, float]:
    """The quantiles of resamples between which the middle share of them lies."""
    tail = (1.0 - confidence) / 2.0
    lower, upper = np.quantile(resampled, (tail, 1.0 - tail))
    return float(lower), float(upper)


def _mean_scores(
    trials: Sequence[NDArray[np.float64]],
    anomalous: NDArray[np.bool_],
    domains: NDArray[np.str_],
    sections: NDArray[np.generic],
    rules: RuleSet,
    seed: int,
    num_resamples: int,
) -> tuple[float, NDArray[np.float64]]:
    """The mean official score of trials, and those of the resamples that they share."""
    terms: list[list[float]] = [[] for _ in trials]
    resampled: list[list[NDArray[np.float64]]] = [[] for _ in trials]
    rng = np.random.default_rng(seed)
    for section in np.unique(sections):
        clips = np.flatnonzero(sections == section)
        strata = np.stack([domains[clips] == "target", anomalous[clips]])
        counts = resample_counts(strata, num_resamples, rng)
        for scores, own, of_resamples in zip(trials, terms, resampled, strict=True):
            order = np.argsort(-scores[clips], kind="stable")
            ranked = clips[order]
            of_section = scores[ranked], anomalous[ranked], domains[ranked], counts[:, order]
            for term, values in _terms(*of_section, rules, str(section)):
                own.append(term)
                of_resamples.append(values)
    averages = [
        [rules.average(values) for values in np.stack(of_trial, axis=1)] for of_trial in resampled
    ]
    return float(np.mean([rules.average(own) for own in terms])), np.mean(averages, axis=0)


def _checked(
    anomaly_scores: ArrayLike, is_anomalous: ArrayLike, domains: ArrayLike, sections: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.str_], NDArray[np.generic]]:
    scores, anomalous = checked_clips(anomaly_scores, is_anomalous)
    in_domains, in_sections = np.asarray(domains), np.asarray(sections)
    if not scores.shape == in_domains.shape == in_sections.shape:
        raise ValueError(
            f"`domains` and `sections` must have one value per clip, {len(scores)}. "
            f"Received: shapes {in_domains.shape} and {in_sections.shape}"
        )
    return scores, anomalous, in_domains, in_sections


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


def _refuse_unfit(rules: RuleSet, num_resamples: int, confidence: float = 0.95) -> None:
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
