"""Thresholds between normal and anomalous, from scores of normal clips.

A clip is called anomalous if its score is above the threshold, not if it equals it.
"""

import dataclasses
import functools
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Scope = Literal["machine_type", "section", "section_and_domain"]
SCOPES: dict[Scope, tuple[str, ...]] = {
    "machine_type": ("machine_type",),
    "section": ("machine_type", "section"),
    "section_and_domain": ("machine_type", "section", "domain"),
}
_Floats = NDArray[np.float64]
_FEWEST_DISTINCT = 4  # Of scores, for the three parameters of a gamma distribution.
_LARGEST_DISTANCE = 0.3  # Between distribution functions, of scores and as fitted.
_BY_CHANCE = 1.2  # Over the square root of their number: so far one in ten comes by chance.


def percentile_threshold(anomaly_scores: ArrayLike, percentile: float = 90.0) -> float:
    """The score that `percentile` percent of the normal training clips stay below.

    Interpolated linearly between clips, so with three clips the 90th percentile lies
    between the two largest.

    Args:
        anomaly_scores: `(clips,)`, at least one, finite.
        percentile: in [0, 100].

    Raises:
        ValueError: if there is no score, one is not finite, or `percentile` is out of range.
    """
    scores = checked_scores(anomaly_scores)
    if not 0.0 <= percentile <= 100.0:
        raise ValueError(f"`percentile` must lie in [0, 100]. Received: percentile={percentile}")
    return float(np.percentile(scores, percentile))


class GammaThreshold(NamedTuple):
    """A threshold, and the distribution it is taken from.

    Attributes:
        shape: of the fitted distribution, as `loc` and `scale`; None if `value` is a percentile.
        reason: why there is no distribution; empty if there is one.
        misfit: how the distribution contradicts the scores it was fitted to; empty if it does not.
    """

    value: float
    shape: float | None
    loc: float | None
    scale: float | None
    reason: str
    misfit: str = ""


def gamma_quantile(shape: float, loc: float, scale: float, percentile: float = 90.0) -> float:
    """The score that `percentile` percent of a gamma distribution stay below."""
    return float(stats.gamma.ppf(percentile / 100.0, shape, loc, scale))


def gamma_threshold(
    anomaly_scores: ArrayLike, percentile: float = 90.0, *, restart: bool = False
) -> GammaThreshold:
    """The percentile of a gamma distribution fitted to scores of normal training clips.

    All three parameters are free and found by maximum likelihood, as in the official
    baselines (`scipy.stats.gamma.fit` without further arguments).

    Where no distribution can be fitted, the threshold is the percentile of the scores
    themselves, and `reason` says so. That is so for fewer than 4 different scores: two or
    three clips, such as the target clips of a section in 2021, leave nothing to fit three
    parameters to, and what SciPy answers (2.14 for the scores 1 and 2) is what its search
    ran into. A score that all clips share has no spread, and SciPy finds nothing. It is
    also so if the fit fails or gives a threshold that is not finite. A percentile exists
    for any number of clips and is never above the largest score; of equal scores it is
    that score, which none of them is above.

    SciPy's search also ends far off without failing: for 52 scores up to 0.052 at a threshold
    of 0.86. So the distribution is checked against the scores: the share of them above the
    threshold must be near what was asked, and the distribution function nowhere farther than 0.3
    from theirs (of fewer than 16 scores, 1.2 over the square root of their number). The baselines
    keep what SciPy finds, so by default it stays, and `misfit` says that it is off.

    Args:
        anomaly_scores: `(clips,)`, at least one, finite.
        percentile: strictly between 0 and 100.
        restart: whether to search again, from the distribution with the mean, the variance and,
            as far as it can, the skewness of the scores, to keep the likelier outcome, and to take
            the percentile if that is off too.

    Raises:
        ValueError: if there is no score, one is not finite, or `percentile` is out of range.
    """
    scores = checked_scores(anomaly_scores)
    if not 0.0 < percentile < 100.0:
        raise ValueError(
            f"`percentile` must lie between 0 and 100. Received: percentile={percentile}"
        )
    num_distinct = len(np.unique(scores))
    if num_distinct < _FEWEST_DISTINCT:
        reason = f"{num_distinct} different scores of {len(scores)} clips"
        return _percentile_instead(scores, percentile, reason)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # On the way to a failed fit.
            parameters = _fitted(scores, restart)
    except stats.FitError as error:
        return _percentile_instead(scores, percentile, f"the fit failed: {error}")
    value = gamma_quantile(*parameters, percentile)
    if not np.isfinite([value, *parameters]).all():
        return _percentile_instead(scores, percentile, f"the fit gave {parameters}")
    misfit = _misfit(scores, parameters, value, percentile)
    if misfit and restart:
        return _percentile_instead(scores, percentile, misfit)
    return GammaThreshold(value, *parameters, reason="", misfit=misfit)


def _misfit(
    scores: _Floats, parameters: tuple[float, float, float], value: float, percentile: float
) -> str:
    """How a fitted distribution contradicts its scores; empty if it does not."""
    above, asked = int(np.count_nonzero(scores > value)), 1.0 - percentile / 100.0
    allowed = max(asked / 2.0, 3.0 * math.sqrt(asked * (1.0 - asked) / len(scores)))
    distance = stats.kstest(scores, stats.gamma(*parameters).cdf).statistic
    farthest = max(_LARGEST_DISTANCE, _BY_CHANCE / math.sqrt(len(scores)))
    if abs(above / len(scores) - asked) <= allowed and distance <= farthest:
        return ""
    return (
        f"a fitted gamma distribution does not describe them: {above} of {len(scores)} lie above "
        f"its {percentile:g}th percentile, {value:.4g}; they are {scores.min():.4g} to "
        f"{scores.max():.4g}"
    )


def _fitted(scores: _Floats, restart: bool) -> tuple[float, float, float]:
    """Shape, location and scale of greatest likelihood, as far as a search finds them."""
    found = [stats.gamma.fit(scores)]
    if restart:
        shape, loc, scale = _by_moments(scores)
        found.append(stats.gamma.fit(scores, shape, loc=loc, scale=scale))
    likeliest = min(found, key=lambda parameters: stats.gamma.nnlf(parameters, scores))
    shape, loc, scale = (float(value) for value in likeliest)
    return shape, loc, scale


def _by_moments(scores: _Floats) -> tuple[float, float, float]:
    """Shape, location and scale by mean, variance and skewness.

    The skewness is kept above 0, and so small that every score lies above the location.
    """
    mean, deviation = scores.mean(), scores.std()
    most = 2.0 * deviation / (mean - scores.min())
    skewness = np.clip(stats.skew(scores), 0.1 * most, 0.99 * most)
    shape, scale = 4.0 / skewness**2, deviation * skewness / 2.0
    return shape, mean - shape * scale, scale


def scope_thresholds(
    training: pd.DataFrame,
    clips: pd.DataFrame,
    scope: Scope,
    threshold: Callable[[_Floats], float],
) -> pd.Series:
    """A threshold for every clip, from the training clips of its scope.

    A clip whose domain is unknown, or has no training clips, takes the threshold of all
    training clips of its section.

    Args:
        training: normal clips with the columns `machine_type`, `section`, `domain` (may be
            missing) and `anomaly_score`.
        clips: any clips with the first three columns, whose index the result has.
        threshold: from scores `(clips,)` to a threshold.

    Raises:
        ValueError: if there is no such scope, or a clip's machine type or section has no
            training clips.
    """
    if scope not in SCOPES:
        raise ValueError(f"`scope` must be one of {sorted(SCOPES)}. Received: scope={scope!r}")
    thresholds = pd.Series(np.nan, index=clips.index)
    # From the widest scope on, so that a narrow one that has training clips wins.
    widths: list[Scope] = (
        ["section", "section_and_domain"] if scope == "section_and_domain" else [scope]
    )
    for width in widths:
        keys = list(SCOPES[width])
        of_scope = {
            key: threshold(group["anomaly_score"].to_numpy())
            for key, group in training.groupby(keys)
        }
        for key, group in clips.groupby(keys):
            if key in of_scope:
                thresholds[group.index] = of_scope[key]
    lost = clips[thresholds.isna()]
    if len(lost):
        keys = list(SCOPES[widths[0]])
        places = sorted({"/".join(map(str, row)) for row in lost[keys].itertuples(index=False)})
        raise ValueError(
            f"a threshold needs normal training clips. Received: none of {', '.join(places)}"
        )
    return thresholds


class Thresholds(NamedTuple):
    """Thresholds of clips, `(clips,)`, and lines for the reader of the results."""

    values: pd.Series
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class ThresholdRule:
    """How thresholds follow from the scores of training clips.

    Attributes:
        scope: whose training clips count for a clip: those of its `machine_type`, `section` or
            `section_and_domain`, see `scope_thresholds`; `model`: all that one model covers.
        method: `percentile` of the scores, or of a gamma distribution of them (`gamma`,
            `gamma_restarted`), see `gamma_threshold`.
        percentile: between 0 and 100.
        machine_percentiles: machine type -> percentile, where it has another one.
    """

    scope: Literal["model", "machine_type", "section", "section_and_domain"]
    method: Literal["percentile", "gamma", "gamma_restarted"]
    percentile: float
    machine_percentiles: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def thresholds(self, scores: pd.Series, table: pd.DataFrame) -> Thresholds:
        """Thresholds of all clips of a table, from the scores of its training clips."""
        is_training = table["split"] == "train"
        if self.scope == "model":
            return self.same_for_all(scores[is_training].to_numpy(), table)
        parts: list[pd.Series] = []
        notes: list[str] = []
        for machine_type, clips in table.assign(anomaly_score=scores).groupby("machine_type"):
            percentile = self.machine_percentiles.get(str(machine_type), self.percentile)
            found: list[GammaThreshold] = []
            threshold = functools.partial(self._value, percentile, found)
            training = clips[is_training[clips.index]]
            parts.append(scope_thresholds(training, clips, self.scope, threshold))
            notes += _notes(str(machine_type), found)
        return Thresholds(pd.concat(parts).loc[table.index], tuple(notes))

    def same_for_all(self, normal_scores: _Floats, table: pd.DataFrame) -> Thresholds:
        """The threshold of normal scores, `(scores,)`, for all clips of a table."""
        found = self._threshold(normal_scores, self.percentile)
        names = ", ".join(sorted(set(table["machine_type"])))
        values = pd.Series(found.value, index=table.index)
        return Thresholds(values, tuple(_notes(names, [found])))

    def _value(self, percentile: float, found: list[GammaThreshold], scores: _Floats) -> float:
        found.append(self._threshold(scores, percentile))
        return found[-1].value

    def _threshold(self, scores: _Floats, percentile: float) -> GammaThreshold:
        if self.method == "percentile":
            return _percentile_instead(scores, percentile, "")
        return gamma_threshold(scores, percentile, restart=self.method == "gamma_restarted")


def _notes(names: str, found: Sequence[GammaThreshold]) -> Iterator[str]:
    """Of thresholds of machine types: what the reader of the results should know, the first."""
    for what, reasons in (
        ("is a percentile of the scores", [each.reason for each in found if each.reason]),
        ("is kept as SciPy found it", [each.misfit for each in found if each.misfit]),
    ):
        if reasons:
            more = f" (and {len(reasons) - 1} like it)" if len(reasons) > 1 else ""
            yield f"{names}: the threshold {what}, {reasons[0]}{more}"


def _percentile_instead(scores: _Floats, percentile: float, reason: str) -> GammaThreshold:
    value = percentile_threshold(scores, percentile)
    return GammaThreshold(value, None, None, None, reason)


def checked_scores(anomaly_scores: ArrayLike) -> _Floats:
    """Scores `(clips,)` as float64.

    Raises:
        ValueError: if there is none, or one is not finite.
    """
    scores = np.asarray(anomaly_scores, dtype=np.float64)
    if scores.ndim != 1 or scores.size == 0:
        raise ValueError(
            "A threshold needs one score per training clip and at least one clip. "
            f"Received: scores of shape {scores.shape}"
        )
    if not np.isfinite(scores).all():
        raise ValueError(
            "A threshold needs finite scores. Received: "
            f"{np.count_nonzero(~np.isfinite(scores))} of {scores.size} not finite"
        )
    return scores
