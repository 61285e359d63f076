"""The line that a run leaves for a table of many: what came out, how it was made, and no more."""

import csv
import json

import numpy as np
import pandas as pd
import pytest
import yaml

from asdkeras.cli import main
from asdkeras.experiment.recipe import find_recipe, load_recipe
from asdkeras.published import papers
from tests.report.run_folders import scored_run

SYSTEM, ROW = "baseline2023", "ae2023_mse"
ONE = (("bandsaw", "00"),)
TWO = (*ONE, ("grinder", "00"))
DEV = (("ToyCar", "00"),)


def row_of(run, *options):
    """The line that `asdkeras compare` writes, as column -> text."""
    main(["compare", str(run), *options])
    with (run / "row.csv").open(encoding="utf-8", newline="") as file:
        headings, *lines = csv.reader(file)
    (line,) = lines
    return dict(zip(headings, line, strict=True))


def made_run(root, sections=ONE, *, system=SYSTEM, dataset="dcase2023", row=ROW, **options):
    folder = root / system / "mse" / dataset
    return scored_run(folder, system, dataset=dataset, sections=sections, row=row, **options)


def printed(machine_type, domain, metric, system=SYSTEM, dataset="dcase2023", row=ROW, **more):
    """The figure of a published table, in percent; `more` are other columns."""
    table = papers.load(system)
    place = {"dataset": dataset, "system_row": row, "machine_type": machine_type}
    place |= {"section": "all", "domain": domain, "metric": metric, **more}
    for name, value in place.items():
        table = table[table[name] == value]
    return float(table["percent"].iloc[0])


def pairwise_auc(clips, domain):
    """Normal clips of a domain against the anomalous ones of both: the rules of 2023."""
    is_anomalous = clips["is_anomalous"].astype(bool)
    normal = clips.loc[~is_anomalous & (clips["domain"] == domain), "score_combined"].to_numpy()
    anomalous = clips.loc[is_anomalous, "score_combined"].to_numpy()
    return float(np.mean(anomalous[:, None] > normal[None, :]))


def test_figures_are_means_of_trials_in_percent_with_their_spread(tmp_path):
    run = made_run(tmp_path, seeds=(0, 3))
    by_trial = []
    for seed in (0, 3):
        path = run / "scores" / f"seed{seed}" / "scores.csv"
        clips = pd.read_csv(path)
        clips["is_decided_anomalous"] = (clips["score_combined"] > 0.3).astype(int)
        clips.to_csv(path, index=False)
        normal = clips[~clips["is_anomalous"].astype(bool)]
        alarms = normal.groupby("domain")["is_decided_anomalous"].mean()
        by_trial.append([pairwise_auc(clips, "source"), pairwise_auc(clips, "target"), *alarms])
    source, target, alarms_source, alarms_target = 100.0 * np.array(by_trial).T

    row = row_of(run)

    assert (row["seeds"], row["trials"]) == ("0 3", "2")
    assert row["eval_auc_source"] == f"{source.mean():.2f}"
    assert row["eval_auc_source_sd"] == f"{source.std(ddof=1):.2f}"
    assert row["eval_auc_target"] == f"{target.mean():.2f}"
    assert row["eval_auc"] == f"{np.mean(2.0 / (1.0 / source + 1.0 / target)):.2f}"
    assert row["eval_false_alarms_source"] == f"{alarms_source.mean():.2f}"
    assert row["eval_false_alarms_target"] == f"{alarms_target.mean():.2f}"
    assert row["eval_false_alarms"] == f"{(alarms_source + alarms_target).mean() / 2.0:.2f}"
    assert alarms_source.mean() != alarms_target.mean()
    assert (row["eval_machine_types"], row["eval_sections"]) == ("bandsaw", "1")
    assert row["eval_test_clips"] == "16"
    assert {value for name, value in row.items() if name.startswith("dev_")} == {"", "0"}


def test_one_machine_type_stands_beside_its_own_published_figures(tmp_path):
    row = row_of(made_run(tmp_path))

    for name, domain, metric in (
        ("auc_source", "source", "auc"),
        ("auc_target", "target", "auc"),
        ("pauc", "all", "pauc"),
    ):
        published = printed("bandsaw", domain, metric)
        difference = float(row[f"eval_{name}"]) - published
        assert row[f"eval_{name}_published"] == f"{published:.2f}"
        assert float(row[f"eval_{name}_difference"]) == pytest.approx(difference, abs=0.01)
    assert row["eval_official_score_published"] == ""
    assert "not comparable" in row["compared"]


def test_means_over_other_machine_types_do_not_stand_beside_published_means(tmp_path):
    row = row_of(made_run(tmp_path, TWO))

    assert row["eval_machine_types"] == "bandsaw grinder"
    assert row["eval_auc_source"]
    assert {row[name] for name in row if name.endswith(("_published", "_difference"))} == {""}


def test_means_over_all_machine_types_do(tmp_path):
    table = papers.load(SYSTEM)
    of_year = table[(table["dataset"] == "dcase2023") & (table["machine_type"] != "all")]
    sections = [(name, "00") for name in dict.fromkeys(of_year["machine_type"])]

    row = row_of(made_run(tmp_path, sections))

    for name, domain, metric in (
        ("auc_source", "source", "auc"),
        ("official_score", "all", "official_score"),
    ):
        published = printed("all", domain, metric, average="harmonic")
        assert row[f"eval_{name}_published"] == f"{published:.2f}"


def test_parts_of_a_dataset_stand_side_by_side(tmp_path):
    both = row_of(made_run(tmp_path / "both", (*ONE, *DEV)))
    alone = row_of(made_run(tmp_path / "alone", DEV))

    assert (both["dev_machine_types"], both["eval_machine_types"]) == ("ToyCar", "bandsaw")
    assert both["eval_auc_source_published"]
    assert both["dev_auc_source"] != both["eval_auc_source"]
    assert (alone["dev_machine_types"], alone["eval_machine_types"]) == ("ToyCar", "")


def test_a_paper_that_reads_clips_in_its_own_way_has_a_column_of_its_own(tmp_path):
    names = ("ToyCar", "ToyTrain", "bearing", "fan", "gearbox", "slider", "valve")
    sections = [(name, "00") for name in names]
    more = {"system": "wilkinghoff2024", "row": "adaproj"}

    row = row_of(made_run(tmp_path, sections, **more))

    published = printed("all", "all", "auc", **more, part="dev")
    assert "all auc " in row["dev_by_paper"]
    assert f" published {published:.2f}" in row["dev_by_paper"]
    assert {row[name] for name in row if name.endswith("_published")} == {""}


@pytest.mark.parametrize("row", ["", "of_a_paper_to_come"])
def test_the_line_is_written_where_nothing_is_published(tmp_path, capsys, row):
    run = made_run(tmp_path, DEV, system="controls2026", row=row)

    assert main(["compare", str(run)]) == 2

    shown = capsys.readouterr()
    assert "no figures of controls2026 are published" in shown.err
    assert shown.out == f"{run / 'row.csv'}\n"
    assert row_of(run)["dev_auc_source"]
    assert main(["compare", str(run), "--against", "baselin2023", "--row", ROW]) == 2
    assert "Did you mean `baseline2023`?" in capsys.readouterr().err


def test_the_line_does_not_depend_on_what_is_compared(tmp_path):
    run = made_run(tmp_path)
    before = row_of(run)

    assert row_of(run, "--row", "ae2023_mahalanobis", "--tolerance", "100") == before
    assert row_of(run, "--against", "baseline2022", "--row", "ae") == before


@pytest.mark.parametrize("dataset", ["dcase2020", "dcase2021", "my_machines"])
def test_every_line_has_the_same_columns(tmp_path, dataset):
    names = list(row_of(made_run(tmp_path / "2023")))

    assert list(row_of(made_run(tmp_path / "other", DEV, dataset=dataset, row=""))) == names


def as_run(run, changes=(), *, source=None, dataset="dcase2023"):
    """Give a run folder the recipe that `asdkeras eval` leaves."""
    source = find_recipe(SYSTEM, dataset, None) if source is None else source
    content = load_recipe(source, SYSTEM, "mse", changes).as_mapping()
    first = f"# As run. Read from {source}, with the changes of the command line.\n"
    (run / "recipe.yaml").write_text(first + yaml.safe_dump(content), encoding="utf-8")
    return run


def test_a_run_by_the_recipe_has_no_changes(tmp_path):
    row = row_of(as_run(made_run(tmp_path), ["config.variant=mahalanobis"]))

    assert (row["recipe"], row["changes"]) == ("dcase2023", "")
    assert (row["threshold_rule"], row["false_alarms_asked"]) == ("paper", "10.00")


def test_a_run_that_was_scaled_down_says_so(tmp_path):
    changes = ["config.ae.epochs=2", "seeds=[0, 3]", "thresholds.rule=held_out"]
    changes += ["thresholds.false_alarm_rate=0.05", "precision=mixed_bfloat16"]
    run = as_run(made_run(tmp_path, seeds=(0, 3)), changes)

    row = row_of(run)

    stated = {"config.ae.epochs=2", "seeds=[0, 3]", "thresholds.false_alarm_rate=0.05"}
    stated |= {"thresholds.rule=held_out", "precision=mixed_bfloat16"}
    assert set(row["changes"].split("; ")) == stated
    assert (row["threshold_rule"], row["false_alarms_asked"]) == ("held_out", "5.00")


def test_a_recipe_of_ones_own_is_measured_by_the_one_that_came(tmp_path):
    own = tmp_path / "own.yaml"
    text = find_recipe(SYSTEM, "dcase2023", None).read_text(encoding="utf-8")
    own.write_text(text.replace("epochs: 100", "epochs: 1"), encoding="utf-8")

    row = row_of(as_run(made_run(tmp_path), source=own))

    assert (row["recipe"], row["changes"]) == ("own", "config.ae.epochs=1")


def test_an_ensemble_states_all_of_its_recipe(tmp_path):
    run = made_run(tmp_path)
    made = {"runs": ["a", "b"], "combine": "mean"}
    content = {"system": f"{SYSTEM}+other", "seeds": [0], "ensemble": made}
    (run / "recipe.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")

    row = row_of(run)

    assert row["recipe"] == "own"
    stated = {"ensemble.runs=[a, b]", "ensemble.combine=mean", "seeds=[0]"}
    assert set(row["changes"].split("; ")) == stated


def test_what_no_result_may_be_shown_without_stands_in_the_line(tmp_path):
    run = made_run(tmp_path, untrained=True)
    done = run / "scores" / "seed0" / "DONE"
    notes = ["reconstruction: of the loss", "two\nlines"]
    more = {"notes": notes, "oracle": ["the epoch", "weights"], "transductive": ["ranks"]}
    done.write_text(json.dumps({**json.loads(done.read_text()), **more}))

    row = row_of(run)

    assert (row["reconstruction"], row["notes"]) == ("of the loss", "two lines")
    assert (row["oracle"], row["transductive"]) == ("the epoch; weights", "ranks")
    assert row["untrained"] == "1"
    assert len((run / "row.csv").read_text().splitlines()) == 2


def test_time_memory_and_environment_stand_in_the_line_and_no_path_does(tmp_path):
    run = made_run(tmp_path)
    (run / "stages.csv").write_text(
        "stage,seconds,peak_memory_mib\ntrain,90.0,700\nscore,30.5,884\n"
    )
    environment = {"asdkeras": "1.2", "commit": None, "keras": "3.1", "data": "/my/secret/place"}
    (run / "environment.json").write_text(json.dumps(environment))

    row = row_of(run)

    assert (row["minutes"], row["peak_memory_mib"]) == ("2.01", "884")
    assert (row["asdkeras"], row["commit"], row["keras"]) == ("1.2", "", "3.1")
    assert "secret" not in (run / "row.csv").read_text()


def test_training_clips_are_no_test_clips(tmp_path):
    run = made_run(tmp_path)
    path = run / "scores" / "seed0" / "scores.csv"
    clips = pd.read_csv(path)
    learned = clips[~clips["is_anomalous"].astype(bool)].assign(
        split="train", machine_type="grinder", is_decided_anomalous=1
    )
    before = row_of(run)
    pd.concat([clips, learned]).to_csv(path, index=False)

    row = row_of(run)

    assert (row["eval_machine_types"], row["eval_test_clips"]) == ("bandsaw", "16")
    assert row["eval_false_alarms"] == before["eval_false_alarms"] == "0.00"


def test_what_is_not_known_is_empty(tmp_path):
    row = row_of(made_run(tmp_path))

    unknown = ("minutes", "peak_memory_mib", "tensorflow", "data_fingerprint", "eval_auc_source_sd")
    assert {row[name] for name in unknown} == {""}
    assert not [name for name, value in row.items() if value in ("nan", "None", "NaN")]


def test_clips_without_labels_have_a_line_too(tmp_path):
    row = row_of(made_run(tmp_path, num_clips=0))

    assert (row["eval_machine_types"], row["eval_test_clips"]) == ("bandsaw", "4")
    assert {row["eval_auc_source"], row["eval_false_alarms"], row["eval_f1"]} == {""}


def test_a_damaged_file_is_named(tmp_path, capsys):
    run = made_run(tmp_path)
    (run / "stages.csv").write_text("stage,seconds,peak_memory_mib\ntrain,long,700\n")

    assert main(["compare", str(run)]) == 3

    assert str(run / "stages.csv") in capsys.readouterr().err
