"""What a run decided: how many clips of each kind it flagged, section by section."""

from collections.abc import Mapping, Sequence, Sized

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asdkeras.metrics.decision_metrics import decision_metrics
from asdkeras.metrics.official import RuleSet
from asdkeras.report.markup import Markup, table
from asdkeras.score_files import TrialScores

_COUNTS = ("TP", "FP", "FN", "TN")
_METRICS = ("precision", "recall", "F1")

HOW_TO_READ = (
    "TP: anomalous and flagged; FP: normal, but flagged; FN: anomalous, but not flagged; TN: "
    "normal and not flagged. Precision is TP / (TP + FP), recall TP / (TP + FN), F1 their "
    "harmonic mean, in percent."
)


def decision_table(
    trials: Mapping[int, TrialScores], rules: RuleSet, caption: str
) -> Markup | None:
    """Counts and metrics of the decisions on labelled test clips.

    Args:
        trials: of a run, by seed; the same clips in each.
        rules: of the dataset; one row of the table for each of their rows.
        caption: what the table is of.

    Returns:
        None if no test clip is labelled. Of several trials the means.
    """
    clips, decisions, thresholds = _of_test_clips(trials, is_labelled=True)
    rows = []
    for names, members in clips.groupby(["machine_type", "section"]):
        for domain in rules.rows:
            row = members if domain == "all" else members[members["domain"] == domain]
            if len(row):
                places = row.index.to_numpy()
                figures = _figures(row, decisions[:, places])
                rows.append([*map(str, names), domain, _limits(thresholds[:, places]), *figures])
    return _table([*_COUNTS, *_METRICS], rows, caption, len(trials))


def flag_table(trials: Mapping[int, TrialScores], caption: str) -> Markup | None:
    """How many of the test clips without labels were flagged, section by section.

    Args:
        trials: of a run, by seed; the same clips in each.
        caption: what the table is of.

    Returns:
        None if all test clips are labelled. Of several trials the means.
    """
    clips, decisions, thresholds = _of_test_clips(trials, is_labelled=False)
    clips = clips.assign(domain=clips["domain"].fillna("not known"))
    rows = []
    for names, members in clips.groupby(["machine_type", "section", "domain"]):
        places = members.index.to_numpy()
        flagged = float(decisions[:, places].sum(axis=1).mean())
        share = 100.0 * flagged / len(places)
        counts = [str(len(places)), f"{flagged:.{_digits(trials)}f}"]
        rows.append([*map(str, names), _limits(thresholds[:, places]), *counts, f"{share:.2f}"])
    return _table(["clips", "flagged", "percent"], rows, caption, len(trials))


def _table(
    figures: Sequence[str], rows: Sequence[Sequence[str]], caption: str, num_trials: int
) -> Markup | None:
    if not rows:
        return None
    headings = ["machine type", "section", "domain", "threshold", *figures]
    of_trials = f", means over {num_trials} trials" if num_trials > 1 else ""
    return table(headings, rows, num_names=3, caption=f"{caption}{of_trials}")


def _digits(trials: Sized) -> int:
    """Of counts: a mean of several is no whole number."""
    return 1 if len(trials) > 1 else 0


def _of_test_clips(
    trials: Mapping[int, TrialScores], is_labelled: bool
) -> tuple[pd.DataFrame, NDArray[np.bool_], NDArray[np.float64]]:
    """Test clips with or without a label; their decisions and thresholds, `(trials, clips)`."""
    first = next(iter(trials.values())).table
    is_used = (first["split"] == "test") & (first["is_anomalous"].notna() == is_labelled)
    rows = np.flatnonzero(is_used.to_numpy(dtype=bool))
    return (
        first.iloc[rows].reset_index(drop=True),
        np.array([trial.decisions.to_numpy()[rows] == 1 for trial in trials.values()]),
        np.array([trial.thresholds.to_numpy(np.float64)[rows] for trial in trials.values()]),
    )


def _figures(row: pd.DataFrame, decisions: NDArray[np.bool_]) -> list[str]:
    truth = row["is_anomalous"].to_numpy(dtype=bool)
    counts = np.array(
        [[(f & truth).sum(), (f & ~truth).sum(), (~f & truth).sum(), (~f & ~truth).sum()]
         for f in decisions]
    )  # fmt: skip
    metrics = np.mean([decision_metrics(flags, truth) for flags in decisions], axis=0)
    return [
        *(f"{count:.{_digits(decisions)}f}" for count in counts.mean(axis=0)),
        *(f"{100.0 * value:.2f}" for value in metrics),
    ]


def _limits(thresholds: NDArray[np.float64]) -> str:
    """The threshold; where it is not the same for all clips and trials, from where to where."""
    known = thresholds[~np.isnan(thresholds)]
    if not len(known):
        return ""
    low, high = f"{known.min():.4g}", f"{known.max():.4g}"
    return low if low == high else f"{low} to {high}"
