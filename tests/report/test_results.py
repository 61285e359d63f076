"""What the end of a run writes and prints, from score files alone."""

import json

import numpy as np
import pandas as pd

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
                            "is_decided_anomalous": int(sign * number > 1),
                        }
                    )
        scores = folder / "scores" / f"seed{seed}"
        scores.mkdir(parents=True)
        pd.DataFrame(rows).to_csv(scores / "scores.csv", index=False)
        done = {
            "anomaly_score": "combined",
            "published_row": "two_heads_20",
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
