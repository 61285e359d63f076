"""A run of the user's own, made of runs of one system or of several."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from asdkeras.cli import main
from asdkeras.config import read_recipe
from asdkeras.errors import RecipeError
from asdkeras.experiment import combine_runs as module
from asdkeras.experiment.combine_runs import combine_runs
from asdkeras.score_files import read_group_scores, read_metadata, read_trial, write_trial
from asdkeras.scorers import section_standardization
from asdkeras.scorers.combination import METHODS
from asdkeras.scorers.thresholds import Thresholds
from tests.report.explained_runs import explained_trial, write_explained_run

SECTIONS = {("fan", "00"): {"answer": [4.5, 3.0], "section": [9.0, 1.0]}}


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Makes runs of one system by the names of their main scores; its thresholds are all 0."""

    def runs(*main_scores, **more):
        system = SimpleNamespace(thresholds=threshold_of_0)
        monkeypatch.setattr(module, "load_recipe", lambda *_: None)
        monkeypatch.setattr(module, "system_config", lambda *_: None)
        monkeypatch.setattr(module.systems, "create", lambda *_: system)
        folders = []
        for number, name in enumerate(main_scores):
            trial, groups = explained_trial(SECTIONS)
            trial.columns.columns = [name]
            names = {"anomaly_score": name, "decision_score": name, "named_scores": [name]}
            folder = tmp_path / str(number)
            write_explained_run(folder, {0: (trial, groups)}, **names, **more)
            folders.append(str(folder))
        return folders

    return runs


def threshold_of_0(columns, table, score):
    return Thresholds(pd.Series(0.0, table.index))


def combined(runs, tmp_path):
    out = tmp_path / "out"
    assert combine_runs(runs, out, "sum", normalize="none") == ("venkatesh2022", [0])
    return out / "scores" / "seed0"


def test_main_scores_of_one_name_keep_the_threshold_of_the_system(runs, tmp_path):
    out = combined(runs("combined", "combined"), tmp_path)

    assert read_metadata(out).main_score == "combined"
    assert (read_trial(out).thresholds == 0.0).all()


def test_main_scores_of_different_names_have_a_threshold_of_their_own(runs, tmp_path):
    out = combined(runs("mse", "mahalanobis"), tmp_path)

    trial = read_trial(out)
    assert read_metadata(out).main_score == "anomaly_score"
    np.testing.assert_allclose(trial.columns["anomaly_score"][5:], [9.0, 6.0])
    np.testing.assert_allclose(trial.thresholds, 2 * 4.6)
    assert trial.decisions[5:].tolist() == [0, 0]


def test_what_labels_decided_of_the_runs_marks_what_is_made_of_them(runs, tmp_path):
    out = combined(runs("combined", "combined", oracle=["the checkpoint"]), tmp_path)

    assert read_metadata(out).oracle == ("the checkpoint",)


def test_a_run_alone_passes_on_its_group_scores(runs, tmp_path):
    out = combined(runs("combined"), tmp_path)

    assert read_group_scores(out)["section"].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, 9.0, 1.0]


def test_scores_on_another_scale_have_a_threshold_of_their_own(runs, tmp_path):
    """The main scores are 1, 2, 3, 4, 5 in training: their mean 3, their deviation 2 ** 0.5."""
    combine_runs(runs("combined", "combined"), tmp_path / "out")

    trial = read_trial(tmp_path / "out" / "scores" / "seed0")
    np.testing.assert_allclose(trial.columns["combined"][5:], [1.5 / 2**0.5, 0.0], atol=1e-12)
    np.testing.assert_allclose(trial.thresholds, 1.6 / 2**0.5)


def test_test_clips_can_be_the_scale(runs, tmp_path):
    """They have the scores 4.5 and 3: their mean 3.75, their deviation 0.75."""
    combine_runs(runs("combined", "combined"), tmp_path / "out", normalize="test")

    out = tmp_path / "out" / "scores" / "seed0"
    np.testing.assert_allclose(read_trial(out).columns["combined"][5:], [1.0, -1.0])
    assert "normalized by the test clips" in read_metadata(out).transductive[0]


def test_clips_that_a_run_has_not_learned_from_can_be_the_scale(runs, tmp_path, monkeypatch):
    """Of the training scores 1, 2, 3, 4, 5 the last two: their mean 4.5, their deviation 0.5."""
    monkeypatch.setattr(section_standardization, "LEAST_CLIPS", 2)
    chosen = runs("combined", "combined")
    for run in chosen:
        folder = Path(run, "scores", "seed0")
        trial = read_trial(folder)
        write_trial(folder, trial._replace(held_out=trial.columns["combined"].isin([4, 5])))

    combine_runs(chosen, tmp_path / "out", normalize="held_out")

    trial = read_trial(tmp_path / "out" / "scores" / "seed0")
    np.testing.assert_allclose(trial.columns["combined"][5:], [0.0, -3.0])
    assert trial.held_out.tolist() == [False] * 3 + [True] * 2 + [False] * 2


@pytest.mark.parametrize("how", ["median", "maximum", "rank"])
def test_methods_without_named_scores_ask_no_system_for_thresholds(runs, tmp_path, how):
    combine_runs(runs("combined", "combined"), tmp_path / "out", how, normalize="none")

    assert (read_trial(tmp_path / "out" / "scores" / "seed0").thresholds > 0.0).all()


def test_the_recipe_tells_how_the_run_was_made(runs, tmp_path):
    chosen, out = runs("combined", "combined"), tmp_path / "out"

    combine_runs(chosen, out, "rank", normalize="test", weights=[1, 0.5], best_from_labels=[2])

    assert read_recipe(out / "recipe.yaml") == {
        "system": "venkatesh2022",
        "seeds": [0],
        "ensemble": {
            "runs": chosen,
            "combine": "rank",
            "normalize": "test",
            "weights": [1, 0.5],
            "best_from_labels": [2],
            "pools_trials": False,
        },
    }


@pytest.mark.parametrize(
    "other",
    [
        {"normalize": "test"},
        {"weights": [1.0, 2.0]},
        {"best_from_labels": [1]},
        {"pools_trials": True},
        {"how": "median"},
    ],
)
def test_a_folder_of_another_ensemble_is_left_as_it_is(runs, tmp_path, other):
    chosen, out = runs("combined", "combined"), tmp_path / "out"
    combine_runs(chosen, out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}

    with pytest.raises(RecipeError, match="holds another run"):
        combine_runs(chosen, out, **other)

    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    combine_runs(chosen, out)


def change_recipe(run, old, new):
    path = Path(run, "recipe.yaml")
    path.write_text(path.read_text().replace(old, new))


def set_system(run, system):
    change_recipe(run, "venkatesh2022", system)


def add_trial(run):
    """A second trial, like the first."""
    shutil.copytree(f"{run}/scores/seed0", f"{run}/scores/seed1")
    change_recipe(run, "[0]", "[0, 1]")


def test_runs_of_several_systems_make_one_that_bears_their_names(runs, tmp_path):
    chosen = runs("combined", "combined", "mse", published_rows={"combined": "msl"})
    set_system(chosen[0], "wilkinghoff2021")
    set_system(chosen[2], "baseline2021")

    system, seeds = combine_runs(chosen, tmp_path / "out", "sum", normalize="none")

    assert (system, seeds) == ("wilkinghoff2021+venkatesh2022+baseline2021", [0])
    metadata = read_metadata(tmp_path / "out" / "scores" / "seed0")
    assert metadata.published_rows == {}
    assert metadata.main_score == "anomaly_score"
    np.testing.assert_allclose(read_trial(tmp_path / "out/scores/seed0").thresholds, 3 * 4.6)


def test_one_name_of_the_main_score_makes_neither_threshold_nor_row_for_several_systems(
    runs, tmp_path
):
    chosen = runs("combined", "combined", published_rows={"combined": "msl"})
    set_system(chosen[0], "wilkinghoff2021")

    combine_runs(chosen, tmp_path / "out", "sum", normalize="none")

    np.testing.assert_allclose(read_trial(tmp_path / "out/scores/seed0").thresholds, 2 * 4.6)
    assert read_metadata(tmp_path / "out/scores/seed0").published_rows == {}


def test_ensembles_are_members_like_any_run(runs, tmp_path):
    chosen = runs("combined", "combined", "combined")
    set_system(chosen[0], "wilkinghoff2021")
    inner, out = str(tmp_path / "inner"), tmp_path / "out"
    combine_runs(chosen[:2], tmp_path / "inner", "sum", normalize="none")

    system, _ = combine_runs([inner, chosen[2]], out, "sum", normalize="none")

    assert system == "wilkinghoff2021+venkatesh2022"
    np.testing.assert_allclose(
        read_trial(out / "scores" / "seed0").columns["combined"][5:], [3 * 4.5, 3 * 3.0]
    )


def test_an_ensemble_of_one_system_among_the_runs_leaves_no_threshold_of_the_system(runs, tmp_path):
    chosen = runs("combined", "combined")
    combine_runs(chosen, tmp_path / "inner", "sum", normalize="none")

    combine_runs([str(tmp_path / "inner")], tmp_path / "out", "sum", normalize="none")

    np.testing.assert_allclose(read_trial(tmp_path / "out/scores/seed0").thresholds, 2 * 4.6)


def test_every_run_has_its_weight_in_all_its_trials(runs, tmp_path):
    chosen = runs("combined", "combined")
    for run in chosen:
        add_trial(run)
    for path in (f"{chosen[1]}/scores/seed0", f"{chosen[0]}/scores/seed1"):
        content = pd.read_csv(f"{path}/scores.csv", dtype={"section": str})
        content.assign(score_combined=10 + content["score_combined"]).to_csv(
            f"{path}/scores.csv", index=False
        )

    combine_runs(
        chosen,
        tmp_path / "out",
        "sum",
        normalize="none",
        weights=[0.5, 2.0],
        pools_trials=True,
    )

    scores = read_trial(tmp_path / "out" / "scores" / "seed0").columns["combined"]
    np.testing.assert_allclose(scores[5:], [5 * 4.5 + 25.0, 5 * 3.0 + 25.0])


def ensemble(*words):
    return main(["ensemble", *map(str, words)])


def test_the_command_prints_the_result_of_what_it_made(runs, tmp_path, capsys):
    chosen, out = runs("mse", "combined"), tmp_path / "out"
    set_system(chosen[0], "baseline2021")

    assert ensemble(*chosen, "--out", out, "--combine", "rank") == 0

    printed = capsys.readouterr().out
    assert "baseline2021+venkatesh2022, out, mini2022" in printed
    assert "note: rank of 2: " in printed
    recipe = read_recipe(out / "recipe.yaml")["ensemble"]
    assert (recipe["combine"], recipe["normalize"]) == ("rank", "train")


@pytest.mark.parametrize("how", METHODS)
def test_the_command_knows_every_method(runs, tmp_path, how):
    assert ensemble(*runs("combined", "combined"), "--out", tmp_path / "out", "--combine", how) == 0

    assert read_metadata(tmp_path / "out/scores/seed0").notes[0].startswith(f"{how} of 2")


def test_means_of_normalized_scores_are_the_default(runs, tmp_path):
    assert ensemble(*runs("combined"), "--out", tmp_path / "out") == 0

    recipe = read_recipe(tmp_path / "out" / "recipe.yaml")["ensemble"]
    assert (recipe["combine"], recipe["normalize"], recipe["weights"]) == ("mean", "train", None)
    assert recipe["best_from_labels"] == []


def test_what_labels_chose_is_marked_above_and_named_below(runs, tmp_path, capsys):
    chosen, out = runs("combined", "combined"), tmp_path / "out"

    assert ensemble(*chosen, "--out", out, "--oracle-best", 1, 2) == 0

    printed = capsys.readouterr().out
    assert "mini2022, oracle" in printed
    assert "oracle: the labels of development test clips chose which members count" in printed
    assert f"note: chosen by labels: fan {chosen[0]} seed 0" in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--weights", 1], "--weights: 1 for 2 runs. Give one for each run."),
        (["--weights", 0, 0], "from 0 on, one of them above 0. Received: 0 0"),
        (["--weights", 1, "-1"], "from 0 on, one of them above 0. Received: 1 -1"),
        (["--weights", 1, "nan"], "from 0 on, one of them above 0. Received: 1 nan"),
        (["--weights", 1, 1, "--combine", "median"], "median cannot count one run more"),
        (["--weights", 1, 1, "--combine", "maximum"], "maximum cannot count one run more"),
        (["--oracle-best", 1, 3], "--oracle-best: 3 are more than there are. Received: 2 runs."),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(runs, tmp_path, capsys, words, message):
    assert ensemble(*runs("combined", "combined"), "--out", tmp_path / "out", *words) == 2

    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_labels_that_are_not_there_choose_nothing(runs, tmp_path, capsys):
    chosen = runs("combined", "combined")
    for run in chosen:
        path = f"{run}/scores/seed0/scores.csv"
        content = pd.read_csv(path, dtype={"section": str})
        is_known = content["is_anomalous"].astype(object).where(content["split"] == "train")
        content.assign(is_anomalous=is_known).to_csv(path, index=False)

    assert ensemble(*chosen, "--out", tmp_path / "out", "--oracle-best", 1) == 2

    assert "and these runs have none" in capsys.readouterr().err


def test_pooled_trials_count_as_members_of_which_labels_choose(runs, tmp_path, capsys):
    chosen = runs("combined")
    add_trial(chosen[0])
    words = [*chosen, "--out", tmp_path / "out", "--pool-trials", "--oracle-best"]

    assert ensemble(*words, 3) == 2
    assert "3 are more than there are. Received: 2 trials." in capsys.readouterr().err
    assert ensemble(*words, 2) == 0


def test_a_run_that_is_not_finished_says_so(runs, tmp_path, capsys):
    chosen = runs("combined", "combined")
    (tmp_path / "1" / "scores" / "seed0" / "DONE").unlink()

    assert ensemble(*chosen, "--out", tmp_path / "out") == 2

    assert "Finish the run with `asdkeras eval`" in capsys.readouterr().err


def test_a_folder_without_a_run_says_so(tmp_path, capsys):
    assert ensemble(tmp_path, "--out", tmp_path / "out") == 2
    assert "not the folder of a run" in capsys.readouterr().err
    (tmp_path / "recipe.yaml").write_text("config: {}\n")
    assert ensemble(tmp_path, "--out", tmp_path / "out") == 2
    assert "is not that of a run" in capsys.readouterr().err


def test_rows_of_the_paper_stay_where_all_runs_of_one_system_share_them(runs, tmp_path):
    chosen = runs("combined", "combined", published_rows={"combined": "msl"})

    combine_runs(chosen, tmp_path / "out")

    assert read_metadata(tmp_path / "out/scores/seed0").published_rows == {"combined": "msl"}
    path = tmp_path / "1" / "scores" / "seed0" / "DONE"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"published_rows": {}}))
    combine_runs(chosen, tmp_path / "other")
    assert read_metadata(tmp_path / "other/scores/seed0").published_rows == {}
