"""Score files give back what was written, to the last digit."""

import numpy as np
import pandas as pd
import pytest

from asdkeras.errors import RecipeError
from asdkeras.score_files import TrialScores, read_names, read_story, read_trial, write_trial


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


@pytest.mark.parametrize("read", [read_trial, read_names, read_story])
def test_what_is_not_there_is_an_unfinished_run(read, tmp_path):
    with pytest.raises(RecipeError, match=r"is missing\. Finish the run with `asdkeras eval`"):
        read(tmp_path)
