"""A run of the user's own, made of runs of one system."""

import numpy as np
import pandas as pd
import pytest

from asdkeras.experiment import combine_runs as module
from asdkeras.experiment.combine_runs import combine_runs
from asdkeras.score_files import read_group_scores, read_story, read_trial
from tests.report.explained_runs import explained_trial, write_explained_run

SECTIONS = {("fan", "00"): {"answer": [4.5, 3.0], "section": [9.0, 1.0]}}


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Makes runs of one system by the names of their answers; their thresholds are all 0."""

    def runs(*answers, **story):
        monkeypatch.setattr(module, "_decide", lambda recipe, system: threshold_of_0)
        folders = []
        for number, answer in enumerate(answers):
            trial, groups = explained_trial(SECTIONS)
            trial.columns.columns = [answer]
            names = {"anomaly_score": answer, "decision_score": answer, "named_scores": [answer]}
            folder = tmp_path / str(number)
            write_explained_run(folder, {0: (trial, groups)}, **names, **story)
            folders.append(str(folder))
        return folders

    return runs


def threshold_of_0(columns, table, constants):
    return pd.Series(0.0, table.index)


def combined(runs, tmp_path):
    out = tmp_path / "out"
    assert combine_runs(runs, out, "sum", pools_trials=False) == ("venkatesh2022", [0])
    return out / "scores" / "seed0"


def test_answers_of_one_name_keep_the_threshold_of_the_system(runs, tmp_path):
    out = combined(runs("combined", "combined"), tmp_path)

    assert read_story(out)["anomaly_score"] == "combined"
    assert (read_trial(out).thresholds == 0.0).all()


def test_answers_of_different_names_have_a_threshold_of_their_own(runs, tmp_path):
    out = combined(runs("mse", "mahalanobis"), tmp_path)

    trial = read_trial(out)
    assert read_story(out)["anomaly_score"] == "anomaly_score"
    np.testing.assert_allclose(trial.columns["anomaly_score"][5:], [9.0, 6.0])
    np.testing.assert_allclose(trial.thresholds, 2 * 4.6)
    assert trial.decisions[5:].tolist() == [0, 0]


def test_what_labels_decided_of_the_runs_marks_what_is_made_of_them(runs, tmp_path):
    out = combined(runs("combined", "combined", oracle=["the checkpoint"]), tmp_path)

    assert read_story(out)["oracle"] == ["the checkpoint"]


def test_a_run_alone_passes_on_what_its_scores_are_due_to(runs, tmp_path):
    out = combined(runs("combined"), tmp_path)

    assert read_group_scores(out)["section"].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, 9.0, 1.0]
