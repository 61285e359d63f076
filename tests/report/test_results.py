"""What the end of a run writes and prints, from score files alone."""

import json

import numpy as np
import pandas as pd
import pytest

from asdkeras.errors import RecipeError
from asdkeras.report.compared_runs import compare_runs
from asdkeras.report.results import conclude


def run_with_scores(folder, seeds=(0,), dataset="mini2021", is_labeled=True, notes=()):
    """A run folder whose fan is scored perfectly and whose valve is scored backwards."""
    for seed in seeds:
        rows = []
        for machine_type, sign in [("fan", 1.0), ("valve", -1.0)]:
            for domain in ("source", "target"):
                for number in range(4):
                    is_anomalous = number >= 2
                    rows.append(
                        {
                            "dataset": dataset,
                            "machine_type": machine_type,
                            "section": "00",
                            "domain": domain,
                            "split": "test",
                            "is_anomalous": is_anomalous if is_labeled else "",
                            "attributes": "",
                            "name": f"{machine_type}_{domain}_{number}.wav",
                            "score_combined": sign * number,
                            "threshold": 1.0,
                            "is_decided_anomalous": int(sign * number > 1),
                        }
                    )
        scores = folder / "scores" / f"seed{seed}"
        scores.mkdir(parents=True)
        pd.DataFrame(rows).to_csv(scores / "scores.csv", index=False)
        done = {
            "anomaly_score": "combined",
            "named_scores": ["combined"],
            "published_rows": {"combined": "two_heads_20"},
            "notes": list(notes),
        }
        (scores / "DONE").write_text(json.dumps(done))
    return folder


def test_metrics_means_and_comparison_are_written_and_printed(tmp_path, capsys):
    run = run_with_scores(tmp_path / "two_heads_s4" / "mini2021", notes=["mind this"])

    conclude(run, "wilkinghoff2021", [0])

    metrics = pd.read_csv(run / "metrics.csv", dtype={"section": str})
    by_machine = metrics.groupby("machine_type")["auc"].unique()
    assert by_machine["fan"].tolist() == [1.0]
    assert by_machine["valve"].tolist() == [0.0]
    assert set(pd.read_csv(run / "official.csv")["metric"]) >= {"auc", "pauc", "official_score"}
    assert set(pd.read_csv(run / "compare.csv")["verdict"]) <= {"not comparable", "not measured"}
    printed = capsys.readouterr().out
    assert "wilkinghoff2021, two_heads_s4, mini2021" in printed
    assert "row two_heads_20 of the paper's tables" in printed
    assert "note: mind this" in printed
    assert "note: every AUC lies below 50" in printed
    assert "valve (1 of 2 machine types)" in printed
    assert f"files: {run}" in printed.replace("\n", "")


def test_without_labels_decisions_are_counted_and_metrics_skipped(tmp_path, capsys):
    run = run_with_scores(tmp_path / "variant" / "factory", dataset="factory", is_labeled=False)

    conclude(run, "wilkinghoff2021", [0])

    printed = capsys.readouterr().out
    assert "no labels: metrics skipped" in printed
    assert not (run / "official.csv").exists()


def test_recordings_of_ones_own_have_no_published_column(tmp_path, capsys):
    run = run_with_scores(tmp_path / "variant" / "factory", dataset="factory")

    conclude(run, "wilkinghoff2021", [0])

    assert "published" not in capsys.readouterr().out
    assert (run / "metrics.csv").exists()


def test_several_seeds_are_averaged(tmp_path):
    run = run_with_scores(tmp_path / "variant" / "mini2021", seeds=(0, 3))

    conclude(run, "wilkinghoff2021", [0, 3])

    summary = pd.read_csv(run / "official.csv")
    assert (summary["n_seeds"] == 2).all()
    assert summary["standard_deviation"].dropna().eq(0.0).all()
    assert set(pd.read_csv(run / "metrics.csv")["seed"]) == {0, 3}


def test_a_machine_called_na_is_a_machine(tmp_path):
    run = run_with_scores(tmp_path / "variant" / "factory", dataset="factory")
    path = run / "scores" / "seed0" / "scores.csv"
    path.write_text(path.read_text().replace("fan", "NA"))

    conclude(run, "wilkinghoff2021", [0])

    machines = pd.read_csv(run / "metrics.csv", keep_default_na=False)["machine_type"]
    assert set(machines) == {"NA", "valve"}
    assert np.isfinite(pd.read_csv(run / "metrics.csv")["auc"]).all()


def test_a_system_without_published_tables_is_measured_all_the_same(tmp_path):
    run = run_with_scores(tmp_path / "variant" / "mini2021")

    conclude(run, "another2030", [0])

    assert not (run / "compare.csv").exists()
    assert (run / "metrics.csv").exists()


def with_more_scores(run):
    """The run with a second named score, turned round, of the fan's source clips alone."""
    path = run / "scores" / "seed0" / "scores.csv"
    table = pd.read_csv(path, dtype={"section": str})
    has = (table["machine_type"] == "fan") & (table["domain"] == "source")
    table.assign(score_section=-table["score_combined"].where(has)).to_csv(path, index=False)
    done = path.with_name("DONE")
    metadata = json.loads(done.read_text()) | {"named_scores": ["section", "combined"]}
    done.write_text(json.dumps(metadata))
    return run


def test_every_named_score_is_measured_on_the_clips_that_have_it(tmp_path, capsys):
    run = with_more_scores(run_with_scores(tmp_path / "all_40" / "mini2021"))

    conclude(run, "wilkinghoff2021", [0])

    by_name = pd.read_csv(run / "named_scores.csv").set_index(["score", "machine_type", "domain"])
    section = by_name.loc["section"]
    fan = section.loc[("fan", "source")].query("metric == 'auc'")["value"].item()
    assert fan == pytest.approx(0.0, abs=1e-12)
    assert set(section.index.get_level_values("machine_type")) == {"fan", "all"}
    official = pd.read_csv(run / "official.csv")
    combined = by_name.loc["combined"].reset_index()
    both = official.merge(combined, on=["machine_type", "domain", "metric"])
    assert len(both) == len(combined)
    assert (both["value_x"] == both["value_y"]).all()
    printed = capsys.readouterr().out
    assert "named scores, harmonic means, percent" in printed
    assert printed.index("named scores") < printed.index("files:")


def test_a_single_named_score_is_not_printed_twice(tmp_path, capsys):
    conclude(run_with_scores(tmp_path / "all_40" / "mini2021"), "wilkinghoff2021", [0])

    assert "named scores" not in capsys.readouterr().out


def test_pooled_trials_are_one_result(tmp_path):
    run = run_with_scores(tmp_path / "adaproj_ensemble" / "mini2022", dataset="mini2022")
    done = run / "scores" / "seed0" / "DONE"
    done.write_text(json.dumps(json.loads(done.read_text()) | {"pooled_seeds": [0, 1, 2]}))

    conclude(run, "another2030", [0, 1, 2])

    assert (pd.read_csv(run / "official.csv")["n_seeds"] == 1).all()


def test_an_ensemble_of_the_users_own_is_called_by_its_folder(tmp_path, capsys):
    run = run_with_scores(tmp_path / "runs" / "mine")
    (run / "recipe.yaml").write_text("system: wilkinghoff2021\nseeds: [0]\nensemble: {}\n")

    conclude(run, "wilkinghoff2021", [0])

    assert "wilkinghoff2021, mine, mini2021" in capsys.readouterr().out


ORACLE = ("weights were chosen by labels", "so was the checkpoint")
TABLES = ("metrics.csv", "official.csv", "named_scores.csv", "compare.csv")


def with_oracle(run, *lines, seed=0):
    """The run, whose trial says that labels of test clips had a say."""
    done = run / "scores" / f"seed{seed}" / "DONE"
    done.write_text(json.dumps(json.loads(done.read_text()) | {"oracle": list(lines)}))
    return run


def test_what_labels_decided_marks_every_table_that_is_printed(tmp_path, capsys):
    run = with_oracle(with_more_scores(run_with_scores(tmp_path / "variant" / "mini2021")), *ORACLE)

    conclude(run, "wilkinghoff2021", [0])

    printed = capsys.readouterr().out
    assert "wilkinghoff2021, variant, mini2021, oracle, development set, percent" in printed
    assert "named scores, oracle, harmonic means, percent" in printed
    assert [line for line in printed.splitlines() if line.startswith("oracle: ")] == [
        f"oracle: {line}" for line in ORACLE
    ]


def test_what_scores_read_of_test_clips_marks_every_table_and_file(tmp_path, capsys):
    run = with_more_scores(run_with_scores(tmp_path / "variant" / "mini2021"))
    done = run / "scores" / "seed0" / "DONE"
    done.write_text(json.dumps(json.loads(done.read_text()) | {"transductive": ["ranks"]}))

    conclude(run, "wilkinghoff2021", [0])

    printed = capsys.readouterr().out
    assert "wilkinghoff2021, variant, mini2021, transductive, development set" in printed
    assert "named scores, transductive, harmonic means, percent" in printed
    assert "\ntransductive: ranks\n" in printed
    for name in TABLES:
        table = pd.read_csv(run / name)
        assert set(table["transductive"]) == {"ranks"}
        assert "oracle" not in table
    assert "transductive: ranks\n" in (run / "compare.md").read_text()


def test_what_labels_decided_stands_in_every_file(tmp_path):
    run = with_oracle(run_with_scores(tmp_path / "variant" / "mini2021"), *ORACLE)

    conclude(run, "wilkinghoff2021", [0])

    for name in TABLES:
        table = pd.read_csv(run / name)
        assert table.columns[-1] == "oracle"
        assert set(table["oracle"]) == {"; ".join(ORACLE)}
    text = (run / "compare.md").read_text()
    assert text.startswith(
        "# wilkinghoff2021, variant, mini2021, oracle, against the paper\n\n"
        f"oracle: {ORACLE[0]}\n\noracle: {ORACLE[1]}\n\n| score |"
    )


def test_files_of_a_run_without_labels_are_not_touched_by_the_mark(tmp_path, capsys):
    plain = run_with_scores(tmp_path / "plain" / "mini2021")
    marked = with_oracle(run_with_scores(tmp_path / "marked" / "mini2021"), "weights")
    for run in (plain, marked):
        conclude(run, "wilkinghoff2021", [0])

    for name in TABLES:
        table = pd.read_csv(marked / name, dtype=str, keep_default_na=False)
        text = table.drop(columns="oracle").to_csv(index=False, lineterminator="\n")
        assert (plain / name).read_text() == text
    printed = capsys.readouterr().out
    assert "oracle" not in printed[: printed.index("marked, mini2021")]
    assert "oracle" not in (plain / "compare.md").read_text()


def test_any_trial_that_labels_had_a_say_in_marks_the_run(tmp_path, capsys):
    run = with_oracle(run_with_scores(tmp_path / "a" / "mini2021", seeds=(0, 1)), "weights", seed=1)

    conclude(run, "wilkinghoff2021", [0, 1])

    assert "a, mini2021, oracle, development set" in capsys.readouterr().out


def test_a_comparison_is_marked_too(tmp_path, capsys):
    run = with_oracle(run_with_scores(tmp_path / "variant" / "mini2021"), *ORACLE)
    (run / "recipe.yaml").write_text("system: wilkinghoff2021\nseeds: [0]\nconfig: {}\n")

    with pytest.raises(RecipeError, match="can be compared"):
        compare_runs([run], None, None, None)

    printed = capsys.readouterr().out
    assert "mini2021, oracle, against wilkinghoff2021" in printed
    assert f"oracle: {ORACLE[1]}" in printed
    assert pd.read_csv(run / "compare.csv")["oracle"].notna().all()
    assert f"oracle: {ORACLE[0]}" in (run / "compare.md").read_text()


def test_without_labels_in_the_data_the_mark_is_told_all_the_same(tmp_path, capsys):
    run = run_with_scores(tmp_path / "variant" / "factory", dataset="factory", is_labeled=False)

    conclude(with_oracle(run, "weights"), "wilkinghoff2021", [0])

    assert "oracle: weights" in capsys.readouterr().out
