"""Score files give back what was written, to the last digit."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from asdkeras.errors import RecipeError
from asdkeras.score_files import (
    NO_MARKS,
    Marks,
    TrialMetadata,
    TrialScores,
    read_group_scores,
    read_marks,
    read_metadata,
    read_names,
    read_trial,
    trial_folders,
    write_group_scores,
    write_trial,
)


def trial():
    table = pd.DataFrame(
        {
            "path": pd.array(["a/one.wav", "b/two.wav"], dtype="string"),
            "dataset": pd.array(["mini2021"] * 2, dtype="string"),
            "machine_type": pd.array(["NA", "fan"], dtype="string"),
            "section": pd.array(["00", "00"], dtype="string"),
            "domain": pd.array(["source", pd.NA], dtype="string"),
            "split": pd.array(["train", "test"], dtype="string"),
            "is_anomalous": pd.array([False, pd.NA], dtype="boolean"),
            "attributes": pd.array([pd.NA, "m-n_W"], dtype="string"),
        }
    )
    columns = pd.DataFrame({"combined": [0.1 + 0.2, 1e-300 / 3], "section_epoch1": [np.nan, 2 / 3]})
    return TrialScores(table, columns, pd.Series([1 / 3, 0.1]), pd.Series([0, 1]))


def test_what_is_read_is_what_was_written(tmp_path):
    written = trial()

    write_trial(tmp_path, written)
    read = read_trial(tmp_path)

    table = written.table.assign(path=pd.array(["one.wav", "two.wav"], dtype="string"))
    pd.testing.assert_frame_equal(read.table[table.columns], table)
    pd.testing.assert_frame_equal(read.columns, written.columns, check_exact=True)
    np.testing.assert_array_equal(read.thresholds, written.thresholds)
    np.testing.assert_array_equal(read.decisions, written.decisions)
    assert read_names(tmp_path) == ["combined", "section_epoch1"]


@pytest.mark.parametrize("name", ["a\rb.wav", "a\nb.wav", "\r\n", 'a,"b', "a\u2028b", " a ", "NA"])
def test_every_name_comes_back_as_it_was(tmp_path, name):
    written = trial()
    written = written._replace(table=written.table.assign(path=[name, "two.wav"]))

    write_trial(tmp_path, written)
    read = read_trial(tmp_path)

    assert read.table["path"].tolist() == [name, "two.wav"]
    pd.testing.assert_frame_equal(read.columns, written.columns, check_exact=True)


def test_clips_that_were_not_learned_from_are_a_column_of_their_own(tmp_path):
    written = trial()._replace(held_out=pd.Series([True, False]))

    write_trial(tmp_path, written)
    read = read_trial(tmp_path)

    assert read.held_out.tolist() == [True, False]
    assert "is_held_out" not in read.table
    assert read.table.shape == written.table.shape


@pytest.mark.parametrize("held_out", [None, pd.Series([False, False])])
def test_where_nothing_is_held_out_there_is_no_such_column(held_out, tmp_path):
    write_trial(tmp_path, trial()._replace(held_out=held_out))

    assert "held_out" not in (tmp_path / "scores.csv").read_text()
    assert read_trial(tmp_path).held_out is None


@pytest.mark.parametrize("read", [read_trial, read_names, read_metadata])
def test_what_is_not_there_is_an_unfinished_run(read, tmp_path):
    with pytest.raises(RecipeError, match=r"is missing\. Finish the run with `asdkeras eval`"):
        read(tmp_path)


def test_group_scores_that_are_read_are_those_that_were_written(tmp_path):
    groups = pd.DataFrame({"section": [0.1 + 0.2, 1e-300 / 3], "attribute_f-n": [np.nan, 2 / 3]})

    write_group_scores(tmp_path, trial().table, groups)

    pd.testing.assert_frame_equal(read_group_scores(tmp_path), groups, check_exact=True)
    lines = (tmp_path / "group_scores.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].endswith(",is_anomalous,attributes,name,group_section,group_attribute_f-n")
    assert lines[1].startswith("mini2021,NA,00,source,train,False,,one.wav,0.3000")


def test_a_trial_without_group_scores_has_none_left_of_an_earlier_one(tmp_path):
    write_group_scores(tmp_path, trial().table, pd.DataFrame({"section": [1.0, 2.0]}))

    write_group_scores(tmp_path, trial().table, None)

    assert read_group_scores(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


PLAIN = TrialMetadata("combined", "combined", ("combined",), {})
FULL = TrialMetadata(
    "combined", "section", ("combined", "section"), {"combined": "row"}, ("a note",), ("weights",)
)


def done(run, seed, metadata=PLAIN, **more):
    folder = run / "scores" / f"seed{seed}"
    folder.mkdir(parents=True)
    (folder / "DONE").write_text(json.dumps(metadata.as_json() | more))
    return folder


@pytest.mark.parametrize(
    "metadata",
    [PLAIN, FULL, dataclasses.replace(FULL, pooled_seeds=(3, 1), transductive=("ranks",))],
)
def test_metadata_that_are_read_are_those_that_were_written(tmp_path, metadata):
    assert read_metadata(done(tmp_path, 0, metadata, digest="of the run")) == metadata


def test_metadata_of_old_runs_may_lack_the_decision_score_and_choices_by_labels(tmp_path):
    content = {"anomaly_score": "combined", "named_scores": ["combined"]}
    content |= {"published_rows": {}, "notes": []}
    (tmp_path / "DONE").write_text(json.dumps(content))

    assert read_metadata(tmp_path) == PLAIN


def test_each_trial_counts_unless_they_are_pooled(tmp_path):
    folders = {seed: done(tmp_path / "each", seed) for seed in (3, 1)}
    pooled = done(tmp_path / "pooled", 3, pooled_seeds=[3, 1])

    assert trial_folders(tmp_path / "each", [3, 1]) == folders
    assert trial_folders(tmp_path / "pooled", [3, 1]) == {3: pooled}


def test_what_test_clips_had_a_say_in_is_told_once(tmp_path):
    chosen = [(), ("weights", "checkpoint"), ("checkpoint",)]
    folders = [
        done(tmp_path, seed, dataclasses.replace(PLAIN, oracle=oracle, transductive=oracle[1:]))
        for seed, oracle in enumerate(chosen)
    ]

    marks = read_marks(folders)

    assert marks == Marks(("weights", "checkpoint"), ("checkpoint",))
    assert marks.lines == ("oracle: weights", "oracle: checkpoint", "transductive: checkpoint")
    assert marks.behind == ", oracle, transductive"
    assert read_marks(folders[2:]).behind == ", oracle"
    assert read_marks(folders[:1]) == NO_MARKS == ((), ())
