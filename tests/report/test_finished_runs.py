"""Which folders are runs, which of them are finished, and what is read of them."""

import csv
import json
import math
import statistics
from pathlib import Path

import pandas as pd
import pytest

from asdkeras.errors import RecipeError
from asdkeras.report.compared_runs import compare_runs
from asdkeras.report.finished_runs import find_runs, read_unlabelled_run
from tests.report.mapped_runs import clip_rows, finished_mapped_run
from tests.report.run_folders import FAN_AND_VALVE, finished_run, scored_run

MACHINES_2023 = ("bandsaw", "grinder", "shaker", "ToyDrone", "ToyNscale", "ToyTank", "Vacuum")
SECTIONS_2023 = tuple((machine_type, "00") for machine_type in MACHINES_2023)
IDS_2020 = tuple(("fan", section) for section in ("00", "02", "04", "06"))


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def only(runs):
    (run,) = runs
    return run


def value(run, part, machine_type, domain, metric, column="value"):
    means = run.means.set_index(["part", "machine_type", "domain", "metric"])
    return float(means.loc[(part, machine_type, domain, metric), column])


def printed(run):
    """Places with a published figure, and the figures."""
    rows = run.means[run.means["published"].notna()]
    keys = zip(rows["machine_type"], rows["domain"], rows["metric"], strict=True)
    return dict(zip(keys, rows["published"], strict=True))


def test_a_run_is_called_by_its_recipe_and_its_folder(tmp_path):
    folder = finished_run(tmp_path, "alpha", "small")

    run = only(find_runs([folder])[0])

    assert (run.folder, run.system, run.variant) == (folder, "alpha", "small")
    assert (run.dataset, run.rules.name) == ("mini2021", "dcase2021")


def test_an_ensemble_of_the_users_own_is_called_by_its_folder(tmp_path):
    folder = finished_run(tmp_path, "alpha", "small").rename(tmp_path / "mine")
    (folder / "recipe.yaml").write_text("system: alpha\nseeds: [0]\nensemble: {}\n")

    run = only(find_runs([folder])[0])

    assert (run.variant, run.dataset) == ("mine", "mini2021")


def test_an_ensemble_of_several_systems_has_no_published_figures_of_its_own(tmp_path):
    folder = finished_run(tmp_path, "alpha+wilkinghoff2021", "small")
    (folder / "compare.csv").write_text("of another paper\n")

    run = only(find_runs([folder])[0])

    assert run.system == "alpha+wilkinghoff2021"
    assert run.means["published"].isna().all()


def test_a_run_in_the_current_folder_has_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(finished_run(tmp_path, "alpha", "small"))

    assert only(find_runs([Path()])[0]).variant == "small"


def test_means_are_those_of_the_results_to_the_last_digit(tmp_path):
    folder = finished_run(tmp_path, "alpha", "small", seeds=(0, 1))

    means = only(find_runs([folder])[0]).means

    official = rows_of(folder / "official.csv")
    of_place = means.set_index(["part", "machine_type", "domain", "metric"])
    assert len(official) > 40
    for row in official:
        ours = of_place.loc[(row["part"], row["machine_type"], row["domain"], row["metric"])]
        assert ours["value"] == float(row["value"])
        assert ours["standard_deviation"] == float(row["standard_deviation"])
        assert (ours["n_seeds"], ours["n_sections"]) == (2, int(row["n_sections"]))


@pytest.mark.parametrize(
    ("dataset", "places"),
    [
        (
            "mini2021",
            {("source", "auc"), ("source", "pauc"), ("target", "auc"), ("target", "pauc")},
        ),
        ("mini2022", {("source", "auc"), ("target", "auc"), ("all", "pauc")}),
    ],
)
def test_the_score_of_a_machine_type_is_the_harmonic_mean_of_its_aucs_and_paucs(
    tmp_path, dataset, places
):
    sections = (("fan", "00"), ("fan", "01"), ("valve", "00"))
    folder = finished_run(
        tmp_path, "alpha", "small", dataset=dataset, sections=sections, seeds=(0, 1, 2)
    )

    run = only(find_runs([folder])[0])

    trials = {}
    for row in rows_of(folder / "metrics.csv"):
        for domain, metric in places:
            if (row["machine_type"], row["domain"]) == ("fan", domain):
                trials.setdefault(row["seed"], []).append(1.0 / float(row[metric]))
    assert {len(inverses) for inverses in trials.values()} == {2 * len(places)}
    scores = [len(inverses) / sum(inverses) for inverses in trials.values()]
    place = ("dev", "fan", "all", "official_score")
    assert value(run, *place) == pytest.approx(statistics.mean(scores), rel=1e-12)
    spread = value(run, *place, column="standard_deviation")
    assert spread == pytest.approx(statistics.stdev(scores), rel=1e-12)
    assert value(run, *place, column="n_seeds") == 3
    assert value(run, *place, column="n_sections") == 2


def test_arithmetic_rules_have_no_score_of_a_machine_type(tmp_path):
    folder = finished_run(tmp_path, "alpha", "small", dataset="factory")

    run = only(find_runs([folder])[0])

    decisions = {"precision", "recall", "f1", "f1_all_anomalous"}
    assert set(run.means["metric"]) == {"auc", "pauc"} | decisions


def test_what_was_measured_is_told_by_part(tmp_path):
    sections = (("fan", "00"), ("fan", "03"))
    folder = finished_run(tmp_path, "alpha", "small", sections=sections, num_clips=6)

    run = only(find_runs([folder])[0])

    assert run.measured == {
        part: frozenset(("fan", section, domain, 3, 3) for domain in ("source", "target"))
        for part, section in (("dev", "00"), ("eval", "03"))
    }


def test_a_machine_called_na_is_a_machine(tmp_path):
    sections = (("NA", "00"), ("valve", "00"))
    folder = finished_run(tmp_path, "alpha", "small", sections=sections)

    run = only(find_runs([folder])[0])

    assert {place[0] for place in run.measured["dev"]} == {"NA", "valve"}
    assert not math.isnan(value(run, "dev", "NA", "all", "official_score"))


def test_runs_below_a_folder_are_found_once_and_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    absolute = [finished_run(tmp_path / "runs", "alpha", name) for name in ("b", "a")]

    runs, others = find_runs([absolute[0], Path("runs")])

    assert [run.folder for run in runs] == [absolute[0], Path("runs/alpha/a/mini2021")]
    assert others == {}


def test_nothing_is_looked_for_inside_a_run(tmp_path):
    folder = finished_run(tmp_path, "alpha", "small")
    scored_run(folder / "all" / "x", "beta", dataset="mini2021", sections=FAN_AND_VALVE)

    runs, others = find_runs([tmp_path])

    assert (only(runs).system, others) == ("alpha", {})


def test_unfinished_runs_of_a_searched_folder_are_told_with_the_reason(tmp_path):
    finished_run(tmp_path, "alpha", "small")
    begun = scored_run(tmp_path / "begun", "alpha", dataset="mini2021", sections=FAN_AND_VALVE)
    blind = finished_run(tmp_path, "alpha", "blind", num_clips=0)
    other = tmp_path / "other"
    other.mkdir()
    (other / "recipe.yaml").write_text("flour: 500 g\n")

    runs, others = find_runs([tmp_path])

    assert only(runs).variant == "small"
    assert others == {
        begun: "has no results yet; `asdkeras eval` finishes it",
        blind: "its clips have no labels, so there are no metrics",
        other: "its recipe.yaml is not that of a run",
    }


def test_an_unfinished_run_that_was_named_is_refused(tmp_path):
    finished_run(tmp_path, "alpha", "small")
    begun = scored_run(tmp_path / "begun", "alpha", dataset="mini2021", sections=FAN_AND_VALVE)

    with pytest.raises(RecipeError, match=r"begun: has no results yet; `asdkeras eval` finishes"):
        find_runs([tmp_path / "alpha", begun])


def test_nothing_but_unfinished_runs_is_refused(tmp_path):
    scored_run(tmp_path / "begun", "alpha", dataset="mini2021", sections=FAN_AND_VALVE)

    with pytest.raises(RecipeError, match=r"no run has results. .*begun: has no results yet"):
        find_runs([tmp_path])


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"runz: no such folder\. Name runs.*`asdkeras eval`"):
        find_runs([tmp_path / "runz"])


def test_a_folder_without_runs_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"no run lies here or below\. `asdkeras eval`"):
        find_runs([tmp_path])


def of_2023(tmp_path, system="baseline2023", row="ae2023_mse", dataset="dcase2023"):
    return finished_run(
        tmp_path, system, "mse", dataset=dataset, sections=SECTIONS_2023, row=row, num_clips=4
    )


def test_published_means_stand_beside_those_they_may_be_compared_with(tmp_path):
    run = only(find_runs([of_2023(tmp_path)])[0])

    figures = printed(run)

    assert figures["all", "all", "official_score"] == pytest.approx(0.5925, abs=5e-5)
    assert figures["all", "source", "auc"] == pytest.approx(0.7423, abs=5e-5)
    assert figures["shaker", "target", "auc"] == pytest.approx(0.5604, abs=5e-5)


def test_arithmetic_means_are_compared_in_the_year_of_arithmetic_rules(tmp_path):
    folder = finished_run(
        tmp_path, "baseline2020", "ae", dataset="dcase2020", sections=IDS_2020, row="ae2020"
    )

    figures = printed(only(find_runs([folder])[0]))

    assert figures == {
        ("fan", "all", "auc"): pytest.approx(0.651585),
        ("fan", "all", "pauc"): pytest.approx(0.52591),
    }


def test_nothing_published_stands_beside_figures_of_the_mini_corpus(tmp_path):
    folder = of_2023(tmp_path, dataset="mini2023")

    assert (folder / "compare.csv").exists()
    assert printed(only(find_runs([folder])[0])) == {}


def test_figures_of_a_paper_with_other_rules_do_not_stand_beside_ours(tmp_path):
    """AdaProj reads the domains of 2023 as in 2021; our means are by the rules of 2023."""
    folder = of_2023(tmp_path, "wilkinghoff2024", "adaproj")

    assert set(pd.read_csv(folder / "compare.csv")["verdict"]) & {"within", "outside"}
    assert printed(only(find_runs([folder])[0])) == {}


def test_the_last_comparison_with_another_row_is_not_the_runs_own(tmp_path, capsys):
    folder = of_2023(tmp_path)
    own = printed(only(find_runs([folder])[0]))

    compare_runs([folder], None, "ae2023_mahalanobis", 100.0)

    verdicts = pd.read_csv(folder / "compare.csv")
    other = verdicts[verdicts["metric"] == "official_score"]["published"].iloc[0]
    assert other == pytest.approx(61.05, abs=0.005)
    assert own != {}
    assert printed(only(find_runs([folder])[0])) == {}


def test_a_system_without_published_tables_has_none_beside(tmp_path):
    folder = of_2023(tmp_path)
    (folder / "recipe.yaml").write_text("system: another2030\nseeds: [0]\n")

    assert printed(only(find_runs([folder])[0])) == {}


def test_networks_in_half_precision_are_named(tmp_path):
    folder = of_2023(tmp_path)
    before = only(find_runs([folder])[0]).title
    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe.read_text() + "precision: mixed_bfloat16\n")

    assert only(find_runs([folder])[0]).title == f"{before} (mixed_bfloat16)"


def test_a_run_of_several_trials_is_marked_if_labels_had_a_say_in_one(tmp_path):
    folder = finished_run(tmp_path, "alpha", "small", seeds=(0, 1))
    assert only(find_runs([folder])[0]).title == "small"
    done = folder / "scores" / "seed1" / "DONE"
    done.write_text(json.dumps(json.loads(done.read_text()) | {"oracle": ["the checkpoint"]}))

    run = only(find_runs([folder])[0])

    assert (run.marks.oracle, run.title, run.variant) == (
        ("the checkpoint",),
        "small (oracle)",
        "small",
    )


def test_a_trial_that_is_not_scored_yet_does_not_hide_the_results_of_others(tmp_path):
    folder = finished_run(tmp_path, "alpha", "small")
    (folder / "scores" / "seed1").mkdir()

    assert only(find_runs([folder])[0]).marks == ((), ())


def test_a_run_without_labels_has_no_means(tmp_path):
    folder = finished_run(tmp_path, "alpha", "small", num_clips=0)

    run = read_unlabelled_run(folder)

    assert (run.system, run.variant, run.dataset) == ("alpha", "small", "mini2021")
    assert len(run.means) == 0
    assert run.measured == {}


def test_an_ensemble_without_labels_is_called_by_its_folder(tmp_path):
    folder = finished_run(tmp_path, "alpha", "small", num_clips=0)
    recipe = (folder / "recipe.yaml").read_text(encoding="utf-8")
    (folder / "recipe.yaml").write_text(recipe + "ensemble: {}\n", encoding="utf-8")

    assert read_unlabelled_run(folder).variant == "mini2021"


def test_only_a_run_without_labels_is_unlabelled(tmp_path):
    labelled = finished_mapped_run(tmp_path / "a" / "mini2021", clip_rows("fan", num_clips=2))
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "recipe.yaml").write_text("a: 1\n", encoding="utf-8")
    pd.DataFrame().to_csv(foreign / "metrics.csv")

    found = [read_unlabelled_run(folder) for folder in (labelled, foreign, tmp_path)]

    assert found == [None, None, None]
