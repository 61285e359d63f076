"""A run on clips without labels is read for what it has: scores and decisions."""

import pandas as pd

from asdkeras.report.unlabelled_runs import read_unlabelled_run
from tests.report.mapped_runs import clip_rows, finished_mapped_run
from tests.report.run_folders import finished_run


def test_a_run_without_labels_has_no_means(tmp_path):
    folder = finished_run(tmp_path, "alpha", "small", num_clips=0)

    run = read_unlabelled_run(folder)

    assert (run.system, run.variant, run.dataset) == ("alpha", "small", "mini2021")
    assert len(run.means) == 0
    assert run.measured == {}


def test_an_ensemble_is_called_by_its_folder(tmp_path):
    folder = finished_run(tmp_path, "alpha", "small", num_clips=0)
    recipe = (folder / "recipe.yaml").read_text(encoding="utf-8")
    (folder / "recipe.yaml").write_text(recipe + "ensemble: {}\n", encoding="utf-8")

    assert read_unlabelled_run(folder).variant == "mini2021"


def test_other_folders_are_none(tmp_path):
    labelled = finished_mapped_run(tmp_path / "a" / "mini2021", clip_rows("fan", num_clips=2))
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "recipe.yaml").write_text("a: 1\n", encoding="utf-8")
    pd.DataFrame().to_csv(foreign / "metrics.csv")

    found = [read_unlabelled_run(folder) for folder in (labelled, foreign, tmp_path)]

    assert found == [None, None, None]
