"""One machine whose clips have attributes, from recordings to a decision on one of them."""

import json

import numpy as np
import pytest

from asdkeras import cli
from asdkeras.corpus.mini import generate
from asdkeras.score_files import read_metadata, read_trial
from tests.recipes.tiny_runs import tiny_runs
from tests.trained_runs import eager_steps, statistics_of_the_last_batch

JOURNEYS = [
    ("wilkinghoff2021", "two_heads_s2"),
    *(
        pytest.param(system, variant, marks=pytest.mark.slow)
        for system, variants in {
            "wilkinghoff2021": ("two_heads_20",),
            "wilkinghoff2024": (
                *("ic_compactness", "ic_compactness_cce", "adacos", "subcluster_adacos"),
                *("adaproj", "arcface"),
            ),
            "venkatesh2022": ("mtl", "disent_cat", "disent_wt", "disent_att", "disent_split"),
            "nejjar2022": ("dgmix",),
        }.items()
        for variant in variants
    ),
]


def tiny_options(system, variant):
    """The first tiny run of a system, of another variant."""
    options = next(run.options for run in tiny_runs() if run.system == system)
    if "--variant" in options:
        at = options.index("--variant")
        options = [*options[:at], *options[at + 2 :]]
    return [*options, "--variant", variant]


@pytest.mark.parametrize(("system", "variant"), JOURNEYS)
def test_a_single_machine_with_attributes_is_trained_scored_and_detected(
    system, variant, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("ASDKERAS_CACHE", str(tmp_path / "cache"))
    corpus = generate(tmp_path / "mini2023", year=2023, size="tiny", seed=0, machines=["ToyCar"])
    clip = sorted((corpus / "dev_data" / "ToyCar" / "test").glob("*.wav"))[0]
    detector = str(tmp_path / "car.asd")
    options = ["--system", system, *tiny_options(system, variant), "--recipe", "mini"]

    with eager_steps(), statistics_of_the_last_batch():
        where = ["--data", str(corpus), "--runs", str(tmp_path / "runs")]
        assert cli.main(["eval", *options, *where]) == 0
        run = tmp_path / "runs" / system / variant / "mini2023"
        assert cli.main(["fit", "--run", str(run), "--out", detector]) == 0
        capsys.readouterr()
        code = cli.main(["detect", detector, str(clip), "--json"])

    detected = json.loads(capsys.readouterr().out)
    trial = read_trial(run / "scores" / "seed0")
    scores = trial.columns[read_metadata(run / "scores" / "seed0").main_score]
    assert np.isfinite(scores).all()
    row = trial.table["path"] == clip.name
    np.testing.assert_allclose(detected["anomaly_score"], scores[row].item(), rtol=1e-3, atol=1e-6)
    assert code == 0
    assert (run / "official.csv").is_file()
