"""Runs on the same test clips, resampled together: how sure the differences between them are."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asdkeras.errors import RecipeError
from asdkeras.evaluation import with_parts
from asdkeras.metrics.bootstrap import percentile_interval, resampled_official_scores
from asdkeras.report.finished_runs import FinishedRun
from asdkeras.report.scored_runs import read_scored_run, recipe_of

_KEY = ["machine_type", "section", "domain", "path"]


class Difference(NamedTuple):
    """An official score minus another, in [-1, 1], and its 95 % interval."""

    value: float
    lower: float
    upper: float


def resampled_runs(
    runs: Sequence[FinishedRun], part: str, *, seed: int = 0, num_resamples: int = 1000
) -> NDArray[np.float64]:
    """Official scores, means over trials, in resamples of the test clips, `(runs, resamples)`.

    Clips are drawn anew within section, domain and label, the same for all runs.

    Args:
        part: `dev` or `eval`, all of whose labelled test clips count.

    Raises:
        RecipeError: if the runs are not of the same clips.
    """
    resampled, first = [], None
    for run in runs:
        table, trials = _labelled_clips(run, part)
        first = table if first is None else first
        if not table.equals(first):
            raise RecipeError(
                f"{run.folder}: its test clips are not those of {runs[0].folder}, so differences "
                "say nothing. Name runs on the same clips."
            )
        resampled.append(
            resampled_official_scores(
                trials,
                table["is_anomalous"].to_numpy(bool),
                table["domain"].to_numpy(str),
                (table["machine_type"] + "/" + table["section"]).to_numpy(str),
                run.rules,
                seed=seed,
                num_resamples=num_resamples,
            )
        )
    return np.stack(resampled)


def difference(
    run: FinishedRun,
    other: FinishedRun,
    part: str,
    resampled: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> Difference:
    """How far a run is above another, and where that lies in 95 % of their resamples."""
    interval = percentile_interval(resampled[0] - resampled[1])
    return Difference(official_score(run, part) - official_score(other, part), *interval)


def official_score(run: FinishedRun, part: str) -> float:
    """The official score of a part, the mean over trials."""
    means = run.means[(run.means["part"] == part) & (run.means["machine_type"] == "all")]
    return float(means.loc[means["metric"] == "official_score", "value"].iloc[0])


def _labelled_clips(run: FinishedRun, part: str) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """The labelled test clips of a part in order of their names, and the scores of all trials."""
    scores = read_scored_run(run.folder, recipe_of(run.folder)["seeds"])
    trials = scores.of(scores.main_score).values()
    tables = [
        with_parts(trial.table, run.rules)[[*_KEY, "split", "is_anomalous", "part"]].assign(
            score=trial.anomaly_scores
        )
        for trial in trials
    ]
    clips = [
        table[
            (table["split"] == "test") & table["is_anomalous"].notna() & (table["part"] == part)
        ].sort_values(_KEY, ignore_index=True)
        for table in tables
    ]
    key = clips[0][[*_KEY, "is_anomalous"]]
    return key, np.stack([table["score"].to_numpy("float64") for table in clips])
