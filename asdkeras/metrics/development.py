"""The official score of the labelled development clips alone, for choices made by labels.

Papers choose checkpoints and weights by it. What is so chosen has seen labels of test clips:
it is an oracle, and has to be marked as one.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from asdkeras.errors import DataError
from asdkeras.metrics.auc import auc, partial_auc
from asdkeras.metrics.official import MAX_FPR, RuleSet, compared_clips


def development_score(
    table: pd.DataFrame, anomaly_scores: ArrayLike, rules: RuleSet
) -> float | None:
    """The mean of the rules over every AUC and pAUC that counts, of the development set.

    Of one machine type it is what its official score is; of several, all their values enter
    one mean. Sections, or domains of them, without clips of both kinds do not count.

    Args:
        table: clip table; only labelled test clips of the development set are read.
        anomaly_scores: float, `(clips,)` in the order of the table, higher is more anomalous;
            finite for the clips that are read.
        rules: of the year, which say what belongs to the development set.

    Returns:
        float in [0, 1], higher is better; None if nothing can be measured.

    Raises:
        DataError: if a clip has no domain where the rules need one.
        ValueError: if the scores do not fit the table or are not finite.
    """
    clips = _labelled_clips(table, anomaly_scores, rules)
    values = [
        value
        for _, section in clips.groupby(["machine_type", "section"])
        for value in _section_values(section, rules)
    ]
    return rules.average(values) if values else None


def _labelled_clips(table: pd.DataFrame, anomaly_scores: ArrayLike, rules: RuleSet) -> pd.DataFrame:
    scores = np.asarray(anomaly_scores, dtype="float64")
    if scores.shape != (len(table),):
        raise ValueError(
            f"`anomaly_scores` must have one value per clip of the table, {len(table)}. "
            f"Received: shape {scores.shape}"
        )
    places = zip(table["machine_type"], table["section"], strict=True)
    is_of_part = [rules.part_of(str(machine), str(section)) == "dev" for machine, section in places]
    is_test = (table["split"] == "test").to_numpy(dtype=bool)
    is_labelled = table["is_anomalous"].notna().to_numpy(dtype=bool)
    clips = table.assign(score=scores)[np.array(is_of_part, dtype=bool) & is_test & is_labelled]
    num_bad = int((~np.isfinite(clips["score"])).sum())
    if num_bad:
        raise ValueError(
            "`anomaly_scores` must be finite for labelled test clips of the development set. "
            f"Received: {num_bad} of {len(clips)} not finite"
        )
    require_domains(clips, rules)
    return clips


def require_domains(table: pd.DataFrame, rules: RuleSet) -> None:
    """Raise a DataError if rules need domains and a labelled test clip of a table has none."""
    clips = table[(table["split"] == "test") & table["is_anomalous"].notna()]
    lost = clips["path"][clips["domain"].isna()]
    if len(lost) and "source" in rules.rows:
        raise DataError(
            f"{lost.iloc[0]}: the rules {rules.name} need the domain of every labelled test "
            f"clip. {len(lost)} of {len(clips)} have none."
        )


def _section_values(clips: pd.DataFrame, rules: RuleSet) -> list[float]:
    """AUCs and pAUCs of one section that enter the mean."""
    scores = clips["score"].to_numpy(dtype="float64")
    is_anomalous: NDArray[np.bool_] = clips["is_anomalous"].to_numpy(dtype=bool)
    domains = clips["domain"].fillna("").to_numpy(dtype=str)
    values = []
    for domain in rules.rows:
        mask = compared_clips(rules, domain, is_anomalous, domains)
        if len(set(is_anomalous[mask].tolist())) < 2:
            continue
        if domain in rules.averaged_rows("auc", "all"):
            values.append(auc(scores[mask], is_anomalous[mask]))
        if domain in rules.averaged_rows("pauc", "all"):
            values.append(partial_auc(scores[mask], is_anomalous[mask], MAX_FPR))
    return values
