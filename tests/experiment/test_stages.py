"""What the stages of a run have cost, also those that were cut short."""

import pytest

from asdkeras.experiment.stages import largest_peak_mib, recorded


def rows(folder):
    return [line.split(",") for line in (folder / "stages.csv").read_text().splitlines()]


def test_every_stage_leaves_a_row_the_failed_one_too(tmp_path):
    with recorded(tmp_path, "train a"):
        pass
    with pytest.raises(KeyError), recorded(tmp_path, "train b"):
        raise KeyError

    head, *stages = rows(tmp_path)
    assert head == ["stage", "seconds", "peak_memory_mib"]
    assert [row[0] for row in stages] == ["train a", "train b"]
    assert all(float(row[1]) >= 0.0 and float(row[2]) > 1.0 for row in stages)


def test_the_largest_peak_is_that_of_all_stages(tmp_path):
    text = "stage,seconds,peak_memory_mib\ntrain a,1.0,70\ntrain b,2.0,900\nscore,0.1,80\n"
    (tmp_path / "stages.csv").write_text(text)
    assert largest_peak_mib(tmp_path) == 900.0


def test_a_run_without_stages_has_no_peak(tmp_path):
    assert largest_peak_mib(tmp_path) is None
