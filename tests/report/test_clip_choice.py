"""The clips worth hearing: by margin, of each machine type, and those on the wrong side."""

import numpy as np
import pandas as pd
import pytest

from asdkeras.report.clip_section import (
    clip_keys,
    judged_clips,
    most_anomalous,
    most_wrongly_judged,
)
from asdkeras.report.embedding_map import embedding_maps
from asdkeras.report.finished_runs import find_runs
from tests.report.explained_runs import explained_trial, write_explained_run
from tests.report.mapped_runs import clip_rows, finished_mapped_run
from tests.report.run_folders import finished_run


def judged(rows):
    """Clips of `judged_clips` from (machine type, margin, label, decision)."""
    columns = ["machine_type", "margin", "is_anomalous", "is_decided_anomalous"]
    clips = pd.DataFrame(rows, columns=columns).astype({"is_anomalous": "boolean"})
    names = [f"{number}.wav" for number in range(len(clips))]
    return clips.assign(split="test", name=names)


def names(clips):
    return list(clips["name"])


def run_of(folder, sections, **more):
    """A run of which only what is scored matters."""
    finished_run(folder, "venkatesh2022", "row")
    (place,) = folder.glob("*/*/*")
    write_explained_run(place, {0: explained_trial(sections)}, **more)
    (run,), _ = find_runs([place])
    return run


def test_a_margin_is_counted_in_standard_deviations_of_the_training_clips(tmp_path):
    run = run_of(tmp_path, {("fan", "00"): {"answer": [4.0, 9.0]}})

    clips = judged_clips(run, 0)

    # Training clips 1, 2, 3, 4, 5 have a variance of 2; the threshold is 4.
    test = clips[clips["split"] == "test"]
    np.testing.assert_allclose(test["margin"], [0.0, 5.0 / 2.0**0.5])
    assert list(test["is_decided_anomalous"]) == [False, True]
    assert list(test["name"]) == ["test_0.wav", "test_1.wav"]


def test_what_thresholds_are_compared_with_is_the_score(tmp_path):
    run = run_of(tmp_path, {("fan", "00"): {"answer": [4.0, 9.0]}})
    trial, _ = explained_trial({("fan", "00"): {"answer": [4.0, 9.0]}})
    columns = trial.columns.assign(answer=-trial.columns["combined"])
    main = {"anomaly_score": "answer", "named_scores": ["answer"]}
    changed = trial._replace(columns=columns)
    groups = pd.DataFrame(index=trial.table.index)
    write_explained_run(run.folder, {0: (changed, groups)}, **main)

    assert list(judged_clips(run, 0)["score"])[-2:] == [4.0, 9.0]


def test_without_training_scores_test_clips_give_the_scale(tmp_path):
    finished_run(tmp_path, "wilkinghoff2024", "adaproj")
    (run,), _ = find_runs([tmp_path])

    clips = judged_clips(run, 0)

    fan = clips[clips["machine_type"] == "fan"]
    np.testing.assert_allclose(fan["margin"] * fan["score"].std(ddof=0), fan["score"] - 1.0)


def test_the_trial_asked_for_is_judged(tmp_path):
    finished_run(tmp_path, "wilkinghoff2024", "adaproj", seeds=(3, 4))
    (run,), _ = find_runs([tmp_path])

    third, fourth = (list(judged_clips(run, seed)["score"]) for seed in (3, 4))

    assert third != fourth
    assert third == [np.random.default_rng(3).normal(), *third[1:]]


def test_the_most_anomalous_of_each_machine_type_come_first():
    rows = [("valve", 9.0, True, True), ("fan", 1.0, True, True), ("fan", 7.0, False, True)]
    clips = judged([*rows, ("fan", 3.0, True, True), ("valve", -1.0, False, False)])

    assert names(most_anomalous(clips, 2)) == ["2.wav", "3.wav", "0.wav", "4.wav"]


def test_training_clips_and_clips_without_a_margin_are_not_chosen():
    clips = judged([("fan", 9.0, False, True), ("fan", np.nan, True, True), ("fan", 1, True, True)])
    clips.loc[0, "split"] = "train"

    assert names(most_anomalous(clips, 3)) == ["2.wav"]
    assert names(most_wrongly_judged(clips, 3)) == []


def test_missed_anomalies_come_before_false_alarms_and_the_worst_first():
    clips = judged(
        [
            ("fan", 5.0, False, True),
            ("fan", -1.0, True, False),
            ("fan", 8.0, False, True),
            ("fan", -3.0, True, False),
            ("fan", 9.0, True, True),
            ("fan", -9.0, False, False),
        ]
    )

    assert names(most_wrongly_judged(clips, 3)) == ["3.wav", "1.wav", "2.wav", "0.wav"]
    assert names(most_wrongly_judged(clips, 1)) == ["3.wav", "2.wav"]


def test_clips_without_a_label_are_never_wrong():
    clips = judged([("fan", 5.0, pd.NA, True), ("fan", -5.0, pd.NA, False)])

    assert names(most_wrongly_judged(clips, 3)) == []


@pytest.mark.parametrize(
    "column", ["dataset", "machine_type", "section", "domain", "split", "name"]
)
def test_clips_that_differ_have_keys_that_differ(column):
    rows = pd.DataFrame([dict.fromkeys(["dataset", "machine_type", "section"], "a")] * 3)
    rows = rows.assign(domain="a", split="a", name="a")
    rows[column] = ["a", "b", pd.NA]

    assert len(set(clip_keys(rows))) == 3
    assert {len(key) for key in clip_keys(rows)} == {7}


def test_a_clip_has_one_key_on_maps_and_among_scores(tmp_path):
    folder = finished_mapped_run(tmp_path / "adacos" / "mini2021", clip_rows("fan", num_clips=2))
    (run,), _ = find_runs([tmp_path])

    (each,) = embedding_maps(folder, seed=0, method="pca")

    assert set(clip_keys(each.clips)) == set(judged_clips(run, 0)["key"])
