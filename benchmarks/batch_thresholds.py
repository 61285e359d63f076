"""What decisions of `baseline2023` rest on: thresholds of training batches beside those of clips.

    python -m benchmarks.batch_thresholds RUN ...

A RUN is scored and has `threshold_data: batches`. A CSV line for each score and source of a
threshold: the training batches, as released; the training clips; held-out clips, if there are any;
and means over several training clips, which show what mixing clips alone does. Number, mean and
deviation of these values; the threshold, by `gamma`, the 90th percentile of a distribution fitted
to them, as released, `percentile`, that of the values themselves, or `held_out`; and the clips
above it, in percent. `worth` is how many vectors, drawn from all clips, have a mean that varies as
much as that of one clip. The first trial of a run counts.
"""

import argparse
import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from asdkeras.errors import RecipeError
from asdkeras.experiment.held_out import held_out_scores, held_out_thresholds
from asdkeras.experiment.open_run import open_finished
from asdkeras.experiment.run import load_units, system_of
from asdkeras.experiment.units import Unit
from asdkeras.score_files import TrialScores, read_trial
from asdkeras.scorers.selective_mahalanobis import SelectiveMahalanobis
from asdkeras.scorers.terms import Floats
from asdkeras.scorers.thresholds import gamma_threshold, percentile_threshold

COLUMNS = ("run", "unit", "score", "of", "number", "mean", "deviation", "worth", "rule")
COLUMNS += ("threshold", "training", "normal_source", "normal_target")
COLUMNS += ("anomalous_source", "anomalous_target")
MIXED, DRAWS = (4, 16, 64, 256), 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    table = csv.writer(sys.stdout)
    table.writerow(COLUMNS)
    for folder in parser.parse_args().runs:
        run = open_finished(folder)
        system, seed = system_of(run), run.recipe.seeds[0]
        trial = read_trial(run.folder.scores(seed))
        for unit in load_units(run, system, seed):
            if not getattr(unit.models, "batch_scores", {}) or system.is_framewise:
                raise RecipeError(f"{folder}: has no batches, or distances of frames.")
            for row in rows_of(unit, system.config, trial, run.recipe.thresholds.false_alarm_rate):
                table.writerow((folder, *row))


def rows_of(unit: Unit, config: Any, trial: TrialScores, rate: float) -> Iterator[tuple[Any, ...]]:
    table = unit.table
    place = "_".join(table[["machine_type", "section"]].iloc[0])
    trained = unit.arrays["residual_moments"][(table["split"] == "train").to_numpy()]
    distance = scorer_of(config, unit.models.covariances)
    for score, batches in unit.models.batch_scores.items():
        scores = trial.columns.loc[table.index, score]
        clips = scores[table["split"] == "train"].to_numpy()
        values = {"batches": batches, "training clips": clips}
        values |= {f"{each} clips mixed": mixed(trained, each, score, distance) for each in MIXED}
        level = of_moments(trained.mean(axis=0)[None], score, distance).item()
        vary = [each.var() if score == "mse" else each.mean() - level for each in (batches, clips)]
        worth = {"training clips": round(config.ae.batch_size * vary[0] / vary[1], 1)}
        for of, each in values.items():
            start = (place, score, of, len(each), *rounded(each.mean(), each.std()))
            thresholds = {"percentile": percentile_threshold(each)}
            if of in ("batches", "training clips"):
                thresholds = {"gamma": gamma_threshold(each).value, **thresholds}
            for rule, threshold in thresholds.items():
                shares = shares_above(table, scores, threshold)
                yield (*start, worth.get(of, ""), rule, *rounded(threshold), *shares)
        if trial.held_out is not None:
            held = held_out_scores(scores, table, trial.held_out)
            threshold = held_out_thresholds(scores, table, trial.held_out, rate).values.iloc[0]
            start = (place, score, "held-out clips", len(held), *rounded(held.mean(), held.std()))
            shares = shares_above(table, scores, threshold)
            yield (*start, "", "held_out", *rounded(threshold), *shares)


def scorer_of(config: Any, covariances: dict[str, Floats]) -> SelectiveMahalanobis:
    scorer = SelectiveMahalanobis(config.mahalanobis.covariance)
    scorer.covariance_source_ = covariances["covariance_source"]
    scorer.covariance_target_ = covariances.get("covariance_target")
    return scorer


def mixed(moments: Floats, count: int, score: str, distance: SelectiveMahalanobis) -> Floats:
    """Scores of clips put together, `(DRAWS,)`."""
    generator = np.random.default_rng(0)
    draws = (generator.choice(len(moments), min(count, len(moments)), False) for _ in range(DRAWS))
    return of_moments(np.array([moments[draw].mean(axis=0) for draw in draws]), score, distance)


def of_moments(moments: Floats, score: str, distance: SelectiveMahalanobis) -> Floats:
    """Scores by the mean residual and the mean squared residual, `(clips, 2, bands)`."""
    if score == "mse":
        return moments[:, 1].mean(axis=1)
    return distance.anomaly_score(moments[:, 0])


def shares_above(table: Any, scores: Any, threshold: float) -> Iterator[str]:
    is_above, is_test = scores > threshold, table["split"] == "test"
    yield percent(is_above[table["split"] == "train"])
    for is_anomalous in (False, True):
        for domain in ("source", "target"):
            of_domain = is_test & (table["domain"] == domain).fillna(False)
            yield percent(is_above[of_domain & (table["is_anomalous"] == is_anomalous)])


def rounded(*values: float) -> list[str]:
    return [f"{value:.4g}" for value in values]


def percent(flags: Any) -> str:
    return f"{100.0 * flags.mean():.1f}" if len(flags) else ""


if __name__ == "__main__":
    main()
