"""Anomaly score of the section classifiers: how improbable the clip's own section is."""

from typing import Any, Literal

import numpy as np

from asdkeras.layers.section_posterior_score import SectionPosteriorScore
from asdkeras.scorers.terms import Floats

Form = Literal["log_odds", "released_2021"]
_FORMS = ("log_odds", "released_2021")
_FLOOR = np.finfo(np.float64).eps


class SectionPosterior:
    """`section_posterior_score` of one section, from the posteriors of all sections.

    Args:
        section: its place on the last axis.
        form: see `section_posterior_score`.
    """

    def __init__(self, section: int, form: Form = "log_odds") -> None:
        self.section, self.form = section, form

    def anomaly_score(self, posteriors: Any) -> Floats:
        """Scores `(clips,)` of posteriors `(clips, windows, sections)`; high is anomalous."""
        return section_posterior_score(posteriors[..., self.section], self.form)

    def layer(self) -> SectionPosteriorScore:
        """`anomaly_score` as a Keras layer."""
        return SectionPosteriorScore(self.section, self.form)


def section_posterior_score(probabilities: Any, form: Form = "log_odds") -> Floats:
    """Mean over windows of the log odds against the clip's own section, float64 `(clips,)`.

    With p the probability of the section and e = 2.220446e-16, a window scores
    `log(max(1 - p, e)) - log(max(p, e))`, from -36.04 at p = 1 over 0 at p = 0.5 to 36.04 at
    p = 0. Higher is more anomalous.

    The released code of 2021 has a bracket in another place and computes
    `log(max(1 - p, e) - log(max(p, e)))`, from -36.04 at p = 1 to 3.61 at p = 0. Both fall
    with p, but their means over windows put clips in another order. All results published
    for 2021 come from that form, and so do the thresholds of 2022, although not the scores.

    Args:
        probabilities: `(clips, windows)`, in [0, 1]. Of the clip's own section.
        form: `log_odds`, as the papers and the code of 2022 have it, or `released_2021`.

    Raises:
        ValueError: if the probabilities have another rank, no window or are not
            probabilities, or `form` is unknown.

    References:
        github.com/Kota-Dohi/dcase2022_task2_baseline_mobile_net_v2, commit aaf3932;
        `released_2021`: github.com/y-kawagu/dcase2021_task2_baseline_mobile_net_v2,
        commit e2bb4f7.
    """
    if form not in _FORMS:
        raise ValueError(f"`form` must be one of {_FORMS}. Received: form={form!r}")
    own = _checked(probabilities)
    others = np.maximum(1.0 - own, _FLOOR)
    log_own = np.log(np.maximum(own, _FLOOR))
    scores = np.log(others) - log_own if form == "log_odds" else np.log(others - log_own)
    return scores.mean(axis=1)


def _checked(probabilities: Any) -> Floats:
    own = np.asarray(probabilities, dtype=np.float64)
    if own.ndim != 2 or own.shape[1] == 0:
        raise ValueError(
            "`probabilities` must have the shape (clips, windows) with at least one window. "
            f"Received: probabilities of shape {own.shape}. Take the clip's own section out of "
            "the last axis first."
        )
    # Neither bound holds for NaN.
    is_wrong = ~((own >= 0.0) & (own <= 1.0))
    if np.any(is_wrong):
        raise ValueError(
            "`probabilities` must lie in [0, 1] and not be NaN. Received: probabilities with "
            f"{own[is_wrong][0]} ({np.count_nonzero(is_wrong)} of {own.size} outside). Use the "
            "output of the softmax, not logits."
        )
    return own
