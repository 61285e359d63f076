"""Counts of decisions are what was decided, and their metrics those of the results."""

import re

import numpy as np
import pandas as pd
import pytest

from asdkeras.evaluation import evaluate
from asdkeras.metrics.official import rules_for
from asdkeras.report.page_tables import decision_table, flag_table
from asdkeras.score_files import TrialScores
from tests.clip_table import clip_table
from tests.report.mapped_runs import clip_rows


def trial_of(flags, dataset="mini2021", threshold=5.0, rows=None):
    """Flags are for the test clips; training clips are all flagged, which must not matter."""
    table = clip_table(rows or clip_rows("fan", num_clips=4), dataset=dataset)
    is_test = (table["split"] == "test").to_numpy()
    decisions = np.ones(len(table), int)
    decisions[is_test] = flags
    limits = pd.Series(np.full(len(table), threshold))
    return TrialScores(table, pd.DataFrame({"a": limits}), limits, pd.Series(decisions))


def cells(table):
    rows = re.findall("<tr>(.*?)</tr>", table)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


def labels():
    table = clip_table(clip_rows("fan", num_clips=4))
    return table.loc[table["split"] == "test", "is_anomalous"].to_numpy(dtype=bool)


def test_each_clip_is_counted_by_label_and_decision():
    truth = labels()
    flags = truth.astype(int)
    flags[np.flatnonzero(~truth)[0]] = 1  # The first normal clip lies in the source domain.
    flags[np.flatnonzero(truth)[-1]] = 0  # The last anomalous one in the target domain.

    made = decision_table({0: trial_of(flags)}, rules_for("mini2021"), "of the test")

    assert cells(made) == [
        [
            *("machine type", "section", "domain", "threshold", "TP", "FP", "FN", "TN"),
            *("precision", "recall", "F1"),
        ],
        ["fan", "00", "source", "5", "2", "1", "0", "1", "66.67", "100.00", "80.00"],
        ["fan", "00", "target", "5", "1", "0", "1", "2", "100.00", "50.00", "66.67"],
    ]
    assert "<caption>of the test</caption>" in made


@pytest.mark.parametrize("dataset", ["mini2021", "mini2022", "pumps"])
def test_metrics_are_those_of_the_results(dataset):
    rules = rules_for(dataset)
    trials = {seed: trial_of(np.arange(8) % (seed + 2) == 0, dataset) for seed in (0, 1)}

    made = decision_table(trials, rules, "")

    metrics = pd.concat(
        evaluate(trial.table, trial.columns["a"], trial.decisions, rules, seed).metrics
        for seed, trial in trials.items()
    )
    means = metrics.groupby("domain")[["precision", "recall", "f1"]].mean()
    for row in cells(made)[1:]:
        assert row[8:] == [f"{100 * value:.2f}" for value in means.loc[row[2]]]


def test_counts_of_several_trials_are_means():
    trials = {0: trial_of(np.ones(8)), 1: trial_of(np.zeros(8), threshold=7.0)}

    made = decision_table(trials, rules_for("mini2021"), "decisions")

    assert cells(made)[1][3:8] == ["5 to 7", "1.0", "1.0", "1.0", "1.0"]
    assert "decisions, means over 2 trials" in made


def test_without_labels_there_is_no_table():
    trial = trial_of(np.ones(8))
    table = trial.table.assign(is_anomalous=pd.array([pd.NA] * len(trial.table), dtype="boolean"))

    assert decision_table({0: trial._replace(table=table)}, rules_for("mini2021"), "") is None


def test_a_threshold_that_is_not_known_is_left_out():
    made = decision_table({0: trial_of(np.ones(8), threshold=np.nan)}, rules_for("mini2021"), "")

    assert cells(made)[1][3] == ""


def without_labels(trial):
    is_test = trial.table["split"] == "test"
    is_anomalous = trial.table["is_anomalous"].mask(is_test)
    return trial._replace(table=trial.table.assign(is_anomalous=is_anomalous))


def test_clips_without_labels_are_counted_if_flagged():
    flags = [1, 0, 0, 0, 1, 1, 1, 0]  # Source, then target.

    made = flag_table({0: without_labels(trial_of(flags))}, "flags")

    assert cells(made) == [
        ["machine type", "section", "domain", "threshold", "clips", "flagged", "percent"],
        ["fan", "00", "source", "5", "4", "1", "25.00"],
        ["fan", "00", "target", "5", "4", "3", "75.00"],
    ]


def test_flags_of_several_trials_are_means():
    trials = {0: trial_of(np.ones(8)), 1: trial_of([1, 0, 0, 0, 0, 0, 0, 0], threshold=7.0)}

    made = flag_table({seed: without_labels(trial) for seed, trial in trials.items()}, "flags")

    assert cells(made)[1][3:] == ["5 to 7", "4", "2.5", "62.50"]
    assert "flags, means over 2 trials" in made


def test_with_labels_flags_need_no_table_of_their_own():
    assert flag_table({0: trial_of(np.ones(8))}, "") is None
