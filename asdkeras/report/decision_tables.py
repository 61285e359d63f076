"""What a run decided: how many clips of each kind it flagged, section by section."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asdkeras.metrics.decisions import decision_metrics
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
    if clips.empty:
        return None
    rows = []
    for (machine_type, section), members in clips.groupby(["machine_type", "section"]):
        for domain in rules.rows:
            row = members if domain == "all" else members[members["domain"] == domain]
            if len(row):
                places = row.index.to_numpy()
                names = [str(machine_type), str(section), domain]
                figures = _figures(row, decisions[:, places])
                rows.append([*names, _limits(thresholds[:, places]), *figures])
    trials_told = f", means over {len(trials)} trials" if len(trials) > 1 else ""
    return table(
        ["machine type", "section", "domain", "threshold", *_COUNTS, *_METRICS],
        rows,
        num_names=3,
        caption=f"{caption}{trials_told}",
    )


def flag_table(trials: Mapping[int, TrialScores], caption: str) -> Markup | None:
    """How many of the test clips without labels were flagged, section by section.

    Args:
        trials: of a run, by seed; the same clips in each.
        caption: what the table is of.

    Returns:
        None if all test clips are labelled. Of several trials the means.
    """
    clips, decisions, thresholds = _of_test_clips(trials, is_labelled=False)
    if clips.empty:
        return None
    clips = clips.assign(domain=clips["domain"].fillna("not known"))
    digits = 1 if len(trials) > 1 else 0
    rows = []
    for names, members in clips.groupby(["machine_type", "section", "domain"]):
        places = members.index.to_numpy()
        flagged = float(decisions[:, places].sum(axis=1).mean())
        share = 100.0 * flagged / len(places)
        figures = [str(len(places)), f"{flagged:.{digits}f}", f"{share:.2f}"]
        rows.append([*map(str, names), _limits(thresholds[:, places]), *figures])
    trials_told = f", means over {len(trials)} trials" if len(trials) > 1 else ""
    return table(
        ["machine type", "section", "domain", "threshold", "clips", "flagged", "percent"],
        rows,
        num_names=3,
        caption=f"{caption}{trials_told}",
    )


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
    digits = 1 if len(decisions) > 1 else 0
    return [
        *(f"{count:.{digits}f}" for count in counts.mean(axis=0)),
        *(f"{100.0 * value:.2f}" for value in metrics),
    ]


def _limits(thresholds: NDArray[np.float64]) -> str:
    """The threshold; where it is not the same for all clips and trials, from where to where."""
    known = thresholds[~np.isnan(thresholds)]
    if not len(known):
        return ""
    low, high = f"{known.min():.4g}", f"{known.max():.4g}"
    return low if low == high else f"{low} to {high}"
