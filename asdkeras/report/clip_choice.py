"""Which clips are worth hearing: the most anomalous ones, and those judged most wrongly.

Scores of different sections have scales of their own. What ranks clips is their margin, how far
a score lies above its threshold in standard deviations of the training clips of its section.
"""

import base64
import hashlib

import numpy as np
import pandas as pd

from asdkeras.report.finished_runs import FinishedRun
from asdkeras.report.scored_runs import read_scored_run, recipe_of
from asdkeras.score_files import clip_columns
from asdkeras.scorers.section_standardization import section_moments


def clip_keys(clips: pd.DataFrame) -> list[str]:
    """Short names of clips, the same wherever a page shows them.

    Args:
        clips: with the columns `dataset`, `machine_type`, `section`, `domain`, `split`, `name`.

    Returns:
        of each clip seven letters, digits, `-` and `_`: 42 bits of a digest, so that two of ten
        thousand clips share one in one of 80,000 pages.
    """
    columns = (clips[name].astype("string").fillna("") for name in _KEY_COLUMNS)
    texts = ("\n".join(place) for place in zip(*columns, strict=True))
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    return [base64.urlsafe_b64encode(digest)[:7].decode() for digest in digests]


_KEY_COLUMNS = ("dataset", "machine_type", "section", "domain", "split", "name")


def judged_clips(run: FinishedRun, seed: int) -> pd.DataFrame:
    """Every clip of one trial and what was decided of it.

    Args:
        run: a finished run.
        seed: of the trial; where trials are pooled, any.

    Returns:
        the clip table, the name of the file in place of its path, and

        - `key`: of `clip_keys`;
        - `score`: that which is compared with the threshold;
        - `threshold`, `is_decided_anomalous` (bool);
        - `margin`: how far the score lies above the threshold, in standard deviations of the
          training clips of the section, or of its test clips if no training clip has a
          score. NaN where the score or the threshold is.

    Raises:
        RecipeError: if the run has not been scored.
    """
    scores = read_scored_run(run.folder, recipe_of(run.folder)["seeds"])
    trial = scores.trials.get(seed, next(iter(scores.trials.values())))
    decided_by = trial.columns[scores.decision_score]
    spread = section_moments(decided_by, trial.table).spread
    if spread.isna().any():
        spread = spread.fillna(section_moments(decided_by, trial.table, split="test").spread)
    clips = clip_columns(trial.table)
    return clips.assign(
        key=clip_keys(clips),
        score=decided_by,
        threshold=trial.thresholds,
        is_decided_anomalous=trial.decisions == 1,
        margin=(decided_by - trial.thresholds) / spread,
    )


def most_anomalous(clips: pd.DataFrame, num_clips: int) -> pd.DataFrame:
    """The test clips of each machine type with the largest margins, largest first.

    Args:
        clips: of `judged_clips`.
        num_clips: how many of a machine type at most.
    """
    return _first(_judged(clips), "margin", num_clips)


def most_wrongly_judged(clips: pd.DataFrame, num_clips: int) -> pd.DataFrame:
    """The test clips of each machine type farthest on the wrong side of their threshold.

    Args:
        clips: of `judged_clips`.
        num_clips: how many of a machine type at most, of anomalous clips called normal and of
            normal clips called anomalous each.

    Returns:
        rows of `clips` that are labelled and were decided otherwise: by machine type, the
        missed anomalies first, then the false alarms, the worst first.
    """
    judged = _judged(clips)
    labels = judged["is_anomalous"]
    is_wrong = labels.notna() & (labels.fillna(False) != judged["is_decided_anomalous"])
    wrong = judged[is_wrong.to_numpy(bool)]
    is_missed = wrong["is_anomalous"].to_numpy(bool)
    wrong = wrong.assign(distance=wrong["margin"].abs())
    chosen = [_first(part, "distance", num_clips) for part in (wrong[is_missed], wrong[~is_missed])]
    return _by_machine_type(pd.concat(chosen)).drop(columns="distance")


def _judged(clips: pd.DataFrame) -> pd.DataFrame:
    """Test clips that were compared with a threshold."""
    is_judged = (clips["split"] == "test") & np.isfinite(clips["margin"])
    judged: pd.DataFrame = clips[is_judged.to_numpy(bool)]
    return judged


def _first(clips: pd.DataFrame, column: str, num_clips: int) -> pd.DataFrame:
    """Those of each machine type with the largest values; of equal ones the first."""
    ranked = clips.sort_values(column, ascending=False, kind="stable")
    return _by_machine_type(ranked.groupby("machine_type").head(num_clips))


def _by_machine_type(clips: pd.DataFrame) -> pd.DataFrame:
    return clips.sort_values("machine_type", kind="stable")
