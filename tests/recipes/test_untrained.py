"""The networks of every system can be scored as they start: the first `Tiny:` line of each."""

import numpy as np
import pytest

from asdkeras import cli
from asdkeras.controls import SPECTRA
from asdkeras.score_files import read_metadata, read_trial
from tests.recipes.tiny_runs import tiny_runs
from tests.trained_runs import eager_steps

FIRST = {tiny.system: tiny for tiny in reversed(tiny_runs()) if tiny.system != SPECTRA}


@pytest.mark.slow
@pytest.mark.parametrize("tiny", FIRST.values(), ids=str)
def test_every_system_scores_its_networks_as_they_start(tiny, trained_runs, tmp_path, monkeypatch):
    monkeypatch.setenv("ASDKERAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("asdkeras.experiment.run._num_jobs", lambda run, system: None)
    data = ["--data", str(trained_runs.corpus(2022)), "--machines", "fan"]
    where = ["--runs", str(tmp_path / "runs")]

    with eager_steps():
        assert (
            cli.main(["eval", "--system", tiny.system, *tiny.options, "--untrained", *data, *where])
            == 0
        )

    assert not list(tmp_path.rglob("train.csv"))
    folders = [path.parent for path in tmp_path.rglob("scores.csv")]
    assert folders
    for folder in folders:
        assert folder.parents[2].name.endswith("_untrained")
        metadata = read_metadata(folder)
        assert np.isfinite(read_trial(folder).columns[metadata.main_score]).all()
        assert not metadata.published_rows
