"""Venkatesh 2022 from the command line: faults are found by what was learned, and explained.

Other rows of the paper train nothing.
"""

import numpy as np
import pandas as pd
import pytest

from asdkeras.cli import main
from asdkeras.corpus.mini import generate
from asdkeras.detector.detector import Detector
from tests.recipes.equally_loud_faults import require_learning, write_dataset
from tests.trained_runs import eager_steps

pytestmark = pytest.mark.slow

SHORT = ("epochs=12", "batch_size=8", "front_end.window_length=256", "learning_rate=0.001")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data") / "dcase2022")


@pytest.fixture(scope="module")
def evaluated(data, tmp_path_factory):
    """Evaluates a variant and gives the folder of its run."""
    runs = tmp_path_factory.mktemp("runs")

    def evaluate(variant, *more):
        changes = [word for change in SHORT for word in ("--set", f"config.{change}")]
        where = ["--data", str(data), "--runs", str(runs), "--recipe", "dcase2022"]
        command = ["eval", "--system", "venkatesh2022", "--variant", variant, *where, *changes]
        assert main([*command, *more]) == 0
        return runs / "venkatesh2022" / "_".join([variant, *more]).replace("--", "") / "dcase2022"

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASDKERAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield evaluate


def test_faults_are_found_and_all_rows_come_from_one_network(evaluated, data, capsys):
    run = evaluated("disent_cat")
    assert (pd.read_csv(run / "metrics.csv")["auc"] > 0.9).all()
    require_learning(data, run, evaluated("disent_cat", "--untrained"), "concatenated")
    networks = sorted(run.parents[1].rglob("*.keras"))

    for variant, score in (("disent_wt", "weighted"), ("disent_sec", "section")):
        other = evaluated(variant)
        table = pd.read_csv(other / "scores" / "seed0" / "scores.csv")
        submitted = pd.concat(
            [
                pd.read_csv(path, header=None, names=["name", "score"])
                for path in (other / "scores" / "seed0").glob("anomaly_score_*.csv")
            ]
        )
        both = submitted.merge(table, on="name")
        assert len(both) == 96
        np.testing.assert_array_equal(both["score"], both[f"score_{score}"])

    assert sorted(run.parents[1].rglob("*.keras")) == networks
    capsys.readouterr()
    assert main(["explain", str(run), "--top", "1"]) == 0
    printed = capsys.readouterr().out
    assert "decided anomalous, labelled anomalous" in printed
    assert "fired: " in printed
    assert "attribute_vel (+" in printed


def test_msl_trains_a_network_per_machine_type_alone_and_says_that_it_is_rebuilt(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("ASDKERAS_CACHE", str(tmp_path / "cache"))
    corpus = generate(tmp_path / "b", year=2022, size="tiny", seed=0, machines=["fan", "valve"])
    options = ["--set", "config.epochs=1", "--set", "config.front_end.window_length=256"]
    where = ["--data", str(corpus), "--runs", str(tmp_path / "runs")]
    command = ["eval", "--system", "venkatesh2022", "--variant", "msl", *where, *options]

    with eager_steps():
        assert main(command) == 0

    assert "reconstruction: gearbox rests on" in capsys.readouterr().out
    of_system = tmp_path / "runs" / "venkatesh2022"
    trained = {path.relative_to(of_system).parts[::2] for path in of_system.rglob("TRAINED")}
    assert trained == {("sec_arcface", "fan", "TRAINED"), ("disent_split", "valve", "TRAINED")}
    detector = Detector.of_run(of_system / "msl" / "mini2022")
    assert {name.partition("_")[0] for name in detector.machines} == {"fan", "valve"}
    assert any(note.startswith("reconstruction: ") for note in detector.story["notes"])
