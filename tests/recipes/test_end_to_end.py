"""The main job, from a folder of recordings to score files, metrics and a table."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from asdkeras.cli import main
from asdkeras.corpus.mini import generate
from tests.recipes.equally_loud_faults import require_learning, write_dataset
from tests.trained_runs import eager_steps

pytestmark = pytest.mark.slow

# The recipe, cut to what a test can wait for; the network and all stages are as they are.
SHORT = (
    *("--set", "config.epochs=2", "--set", "config.keep_epochs=[1,2]"),
    *("--set", "config.clip_length=16000", "--set", "config.batch_size=16"),
    *("--set", "config.ensemble_subclusters=[1,2]"),
)
VARIANT = "two_heads_s2"


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASDKERAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def corpus(trained_runs):
    return trained_runs.corpus(2021)


@pytest.fixture(scope="module")
def runs(corpus, tmp_path_factory):
    """The folder of the runs of a finished evaluation."""
    folder = tmp_path_factory.mktemp("runs")
    assert main(command(corpus, folder)) == 0
    return folder


@pytest.fixture(scope="module")
def ensembles(corpus, runs):
    """The same folder with the runs of an ensemble of four networks, one of them there before."""
    with eager_steps():
        assert main(command(corpus, runs, "--variant", "all_40")) == 0
    return runs


def command(data, runs, *more):
    where = ["--data", str(data), "--runs", str(runs)]
    return ["eval", "--system", "wilkinghoff2021", *where, *SHORT, "--variant", VARIANT, *more]


def run_folder(runs, variant=VARIANT, dataset="mini2021"):
    return runs / "wilkinghoff2021" / variant / dataset


def score_files(runs, seed=0, variant=VARIANT):
    folder = next(Path(runs).rglob(f"{variant}/*/scores/seed{seed}"))
    return {path.name: path.read_bytes() for path in folder.glob("*.csv")}


def written(runs):
    return {path: path.stat().st_mtime_ns for path in runs.rglob("*.keras")}


def test_a_corpus_becomes_scores_decisions_metrics_and_a_comparison(runs):
    run = run_folder(runs)

    table = pd.read_csv(run / "scores" / "seed0" / "scores.csv")
    files = score_files(runs)
    names = {"anomaly": 0, "decision": 0}
    for name in files.keys() - {"scores.csv"}:
        names[name.split("_")[0]] += files[name].count(b"\n")
    num_test = (table["split"] == "test").sum()
    assert names == {"anomaly": num_test, "decision": num_test}
    assert np.isfinite(table["score_combined"]).all()
    assert set(table["is_decided_anomalous"]) <= {0, 1}
    metrics = pd.read_csv(run / "metrics.csv")
    assert set(metrics["machine_type"]) == set(table["machine_type"])
    assert metrics["auc"].between(0, 1).all()
    assert (run / "compare.csv").exists()
    assert len(pd.read_csv(run / "all" / "seed0" / "train.csv")) == 2


def test_the_terms_of_the_score_add_up(runs):
    table = pd.read_csv(run_folder(runs) / "scores" / "seed0" / "scores.csv")

    is_target = table["domain"] == "target"
    eq3 = table["score_section"] + table["score_target"]
    eq2 = table["score_section"] + table["score_attributes"]  # Eq. (4) in it for a valve.
    np.testing.assert_allclose(table["score_combined"], eq3.where(is_target, eq2))
    for name in ("section", "attributes", "target", "combined"):
        by_epoch = table[f"score_{name}_epoch1"] + table[f"score_{name}_epoch2"]
        np.testing.assert_allclose(table[f"score_{name}"], by_epoch)
    assert set(table.loc[table["score_tmax"].notna(), "machine_type"]) == {"valve"}


def test_a_finished_run_is_not_repeated_and_answers_the_same(runs, corpus, capsys):
    before = written(runs)

    outputs = []
    for _ in range(2):
        assert main(command(corpus, runs)) == 0
        outputs.append(capsys.readouterr().out)

    assert outputs[0] == outputs[1]
    assert "official score" in outputs[0]
    assert "(not comparable)" in outputs[0]
    assert written(runs) == before


def test_another_recipe_does_not_overwrite_a_run(runs, corpus, capsys):
    before = written(runs)

    code = main(command(corpus, runs, "--set", "config.learning_rate=0.002"))

    assert code == 2
    assert "`config.learning_rate` was 0.001, now 0.002" in capsys.readouterr().err
    assert written(runs) == before


def test_one_head_has_its_own_run(ensembles):
    columns = pd.read_csv(run_folder(ensembles, "one_head_s1") / "all" / "seed0" / "train.csv")
    assert "sections_scale" in columns
    assert "attributes_scale" not in columns


def scores_of(runs, variant):
    return pd.read_csv(run_folder(runs, variant) / "scores" / "seed0" / "scores.csv")


def test_an_ensemble_is_the_sum_of_its_members_name_by_name(ensembles):
    members = [
        scores_of(ensembles, variant)
        for variant in ("two_heads_s1", "two_heads_s2", "one_head_s1", "one_head_s2")
    ]

    table = scores_of(ensembles, "all_40")

    for name in ("section", "attributes", "target", "combined", "combined_epoch1"):
        total = sum(member[f"score_{name}"] for member in members)
        np.testing.assert_allclose(table[f"score_{name}"], total, rtol=1e-12)
    means = pd.read_csv(run_folder(ensembles, "all_40") / "named_scores.csv")
    assert {"section", "attributes", "target", "combined"} <= set(means["score"])
    compared = pd.read_csv(run_folder(ensembles, "all_40") / "compare.csv")
    assert set(compared["score"]) == {"combined", "section", "attributes", "target"}


def test_other_ensembles_of_the_same_networks_train_nothing(ensembles, corpus, capsys):
    before = written(ensembles)

    for variant in ("two_heads_20", "one_head_20", "selected_20"):
        assert main(command(corpus, ensembles, "--variant", variant)) == 0

    assert written(ensembles) == before
    selected, one_head = scores_of(ensembles, "selected_20"), scores_of(ensembles, "one_head_20")
    # Both machines of the corpus are among those of the family with one head, Sec. 2.5.
    np.testing.assert_array_equal(selected["score_combined"], one_head["score_combined"])
    assert "sum of 2: one_head_s1 on fan gearbox valve, one_head_s2" in capsys.readouterr().out


def test_members_and_snapshots_can_be_dropped_without_training(ensembles, tmp_path, capsys):
    before = written(ensembles)
    first, second = (str(run_folder(ensembles, f"two_heads_s{number}")) for number in (1, 2))

    as_they_are = ["--combine", "sum", "--normalize", "none", "--out", str(tmp_path / "mine")]

    assert main(["ensemble", first, f"{second}:epoch2", *as_they_are]) == 0

    assert written(ensembles) == before
    table = pd.read_csv(tmp_path / "mine" / "scores" / "seed0" / "scores.csv")
    parts = scores_of(ensembles, "two_heads_s1"), scores_of(ensembles, "two_heads_s2")
    np.testing.assert_allclose(
        table["score_combined"],
        parts[0]["score_combined"] + parts[1]["score_combined_epoch2"],
        rtol=1e-12,
    )
    printed = capsys.readouterr().out
    assert "official score" in printed
    assert main(["ensemble", first, f"{second}:epoch2", *as_they_are]) == 0
    assert capsys.readouterr().out == printed
    assert main(["ensemble", first, *as_they_are]) == 2
    assert "holds another run" in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "mine")]) == 2  # The corpus is ours.
    assert "can be compared" in capsys.readouterr().err


def test_a_second_seed_joins_the_first_and_all_trials_can_be_pooled(ensembles, corpus, tmp_path):
    before = written(ensembles)

    with eager_steps():
        assert main(command(corpus, ensembles, "--set", "seeds=[0,1]")) == 0

    run, out = run_folder(ensembles), tmp_path / "pooled"
    summary = pd.read_csv(run / "official.csv")
    assert (summary["n_seeds"] == 2).all()
    assert summary["standard_deviation"].notna().any()
    assert score_files(ensembles, seed=0) != score_files(ensembles, seed=1)
    assert before.items() <= written(ensembles).items()

    options = ["--normalize", "none", "--pool-trials", "--out", str(out)]

    assert main(["ensemble", str(run), *options]) == 0

    trials = [
        pd.read_csv(run / "scores" / f"seed{seed}" / "scores.csv")["score_combined"]
        for seed in (0, 1)
    ]
    table = pd.read_csv(out / "scores" / "seed0" / "scores.csv")
    np.testing.assert_allclose(table["score_combined"], sum(trials) / 2, rtol=1e-12)
    assert (pd.read_csv(out / "official.csv")["n_seeds"] == 1).all()


def test_the_ensemble_of_figure_3_is_the_mean_of_all_trials(corpus, tmp_path, capsys):
    short = ["config.epochs=1", "config.clip_length=16000", "config.batch_size=32", "seeds=[0,1]"]
    changes = [word for change in short for word in ("--set", change)]
    where = ["--system", "wilkinghoff2024", "--data", str(corpus), "--runs", str(tmp_path)]
    words = ["eval", *where, *changes, "--variant", "adaproj_ensemble"]

    outputs = []
    for _ in range(2):
        with eager_steps():
            assert main(words) == 0
        outputs.append(capsys.readouterr().out)

    assert outputs[0] == outputs[1]
    assert "mean of 2: adaproj seed 0, adaproj seed 1" in outputs[0]
    run = tmp_path / "wilkinghoff2024"
    trials = [
        pd.read_csv(run / "adaproj" / "mini2021" / "scores" / f"seed{seed}" / "scores.csv")
        for seed in (0, 1)
    ]
    folder = run / "adaproj_ensemble" / "mini2021"
    table = pd.read_csv(folder / "scores" / "seed0" / "scores.csv")
    mean = sum(trial["score_combined"] for trial in trials) / 2
    np.testing.assert_allclose(table["score_combined"], mean, rtol=1e-12)
    assert (pd.read_csv(folder / "official.csv")["n_seeds"] == 1).all()
    assert not (folder / "scores" / "seed1").exists()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["two_heads_s1", "nothing"], "nothing/mini2021: not the folder of a run"),
        (["two_heads_s1", "all_40:epoch9"], "has no score `epoch9`"),
    ],
)
def test_what_cannot_be_combined_is_refused_in_one_line(ensembles, tmp_path, capsys, words, text):
    names = [name.split(":") for name in words]
    words = [":".join([str(run_folder(ensembles, name)), *rest]) for name, *rest in names]

    assert main(["ensemble", *words, "--out", str(tmp_path / "out")]) == 2

    error = capsys.readouterr().err
    assert text in error
    assert error.count("\n") == 1
    assert not list(tmp_path.rglob("scores.csv"))
    assert not (tmp_path / "out" / "recipe.yaml").exists()


def test_machines_that_no_member_scores_are_refused_before_training(tmp_path, capsys):
    corpus = generate(tmp_path / "b", year=2022, size="tiny", seed=0, machines=["bearing", "fan"])

    assert main(command(corpus, tmp_path, "--variant", "selected_20")) == 2

    assert "selected_20 has no member for bearing. Choose another" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.keras"))


def test_training_that_leaves_the_finite_numbers_stops_with_exit_code_4(corpus, tmp_path, capsys):
    more = ("--set", "config.learning_rate=1.0e+30", "--set", "config.scale_update=reference")

    with eager_steps():
        assert main(command(corpus, tmp_path, *more)) == 4

    error = capsys.readouterr().err
    assert "training diverged in epoch 1, step " in error
    assert "sections_loss" in error
    assert "sections_scale=" in error


def test_recordings_of_ones_own_without_domains_or_labels_are_scored_and_decided(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for machine in ("press", "saw"):
        for split, count in [("train", 3), ("test", 4)]:
            folder = tmp_path / "factory" / machine / split
            folder.mkdir(parents=True)
            for number in range(count):
                noise = 0.1 * rng.normal(size=16000)
                soundfile.write(folder / f"clip_{number}.wav", noise, 16000)

    with eager_steps():
        assert main(command(tmp_path / "factory", tmp_path, "--variant", "two_heads_s16")) == 0

    printed = capsys.readouterr().out
    assert "no labels: metrics skipped" in printed
    assert "press_00: 3 source clips for 16 components; fitted 3" in printed
    assert len(score_files(tmp_path, variant="two_heads_s16")) == 1 + 4


def test_it_finds_faults_by_what_it_has_learned_to_tell_apart(tmp_path):
    data = write_dataset(tmp_path / "dcase2022")
    short = ["epochs=40", "keep_epochs=[40]", "batch_size=16", "clip_length=16000"]
    changes = [word for change in short for word in ("--set", f"config.{change}")]
    where = ["--data", str(data), "--recipe", "dcase2021", "--variant", VARIANT]
    words = ["eval", "--system", "wilkinghoff2021", *where, *changes, "--runs", str(tmp_path)]

    assert main(words) == 0
    assert main([*words, "--untrained"]) == 0

    run = run_folder(tmp_path, VARIANT, "dcase2022")
    untrained = run_folder(tmp_path, f"{VARIANT}_untrained", "dcase2022")
    assert (pd.read_csv(run / "metrics.csv")["auc"] > 0.9).all()
    require_learning(data, run, untrained, "combined")
