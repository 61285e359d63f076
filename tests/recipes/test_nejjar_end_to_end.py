"""Nejjar 2022 from the command line: both phases learn, a fault is found, the report shows it."""

import keras
import numpy as np
import pandas as pd
import pytest

from asdkeras.cli import main
from asdkeras.experiment.recipe import find_recipe, load_recipe, system_config
from asdkeras.systems.nejjar.encoder import encoder_of
from tests.recipes.equally_loud_faults import require_learning, write_dataset

pytestmark = pytest.mark.slow

SHORT = (
    *("front_end.num_mel_bins=32", "front_end.hop_length=256", "num_frames=32", "window_hop=8"),
    *("views.band_width=8", "views.time_width=8"),
    *("pretraining.epochs=14", "pretraining.warmup_epochs=1", "pretraining.batch_size=64"),
    *("pretraining.expander_dim=256", "pretraining.learning_rate=0.25"),
    *("fine_tuning.epochs=12", "fine_tuning.batch_size=32", "fine_tuning.learning_rate=0.001"),
    "neighbors=section",  # A fault sounds as the other section, so it has neighbors there.
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data") / "dcase2022")


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """With the network of the paper, which the one public attempt pre-trained at rate 0."""
    runs = tmp_path_factory.mktemp("runs")
    changes = [word for change in SHORT for word in ("--set", f"config.{change}")]
    where = ["--data", str(data), "--runs", str(runs), "--recipe", "dcase2022"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASDKERAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        for more in ([], ["--untrained"]):
            assert main(["eval", "--system", "nejjar2022", *where, *changes, *more]) == 0
    return runs / "nejjar2022"


@pytest.fixture(scope="module")
def run(runs):
    return runs / "dgmix" / "dcase2022"


def test_faults_are_found_by_what_was_learned(data, runs, run):
    assert (pd.read_csv(run / "metrics.csv")["auc"] > 0.9).all()
    require_learning(data, run, runs / "dgmix_untrained" / "dcase2022", "nearest_neighbor")


def test_both_phases_learn(run):
    first = pd.read_csv(run / "fan" / "seed0" / "pretraining" / "train.csv")
    second = pd.read_csv(run / "fan" / "seed0" / "train.csv")

    assert first["epoch"].tolist() == list(range(1, 15))
    assert first["loss"].iloc[-1] < first["loss"].iloc[0]
    assert first["invariance"].iloc[-1] < 0.9 * first["invariance"].iloc[0]
    assert first["learning_rate"].iloc[[0, -1]].to_numpy() == pytest.approx([0.25, 0.002])
    assert second["loss"].iloc[-1] < 0.5 * second["loss"].iloc[0]


def test_pretraining_changes_the_network_and_its_embeddings_do_not_collapse(run):
    model = keras.saving.load_model(run / "fan" / "seed0" / "pretraining" / "weights.keras")
    source = find_recipe("nejjar2022", "dcase2022", None)
    recipe = load_recipe(source, "nejjar2022", None, [f"config.{each}" for each in SHORT])
    keras.utils.set_random_seed(0)
    before = encoder_of(system_config(recipe, source)).get_weights()
    after = model.get_layer("encoder").get_weights()
    for old, new in zip(before, after, strict=True):
        if old.ndim > 1:
            assert np.abs(new - old).max() > 0.01 * np.abs(old).max()
    with np.load(run / "fan" / "seed0" / "representations.npz") as arrays:
        embeddings = arrays["clips/pretrained_embedding"]
    assert (embeddings.std(axis=0) > 1e-3).mean() > 0.9
    spectrum = np.linalg.svd(embeddings - embeddings.mean(axis=0), compute_uv=False)
    assert (spectrum > 0.01 * spectrum[0]).sum() >= 10


def test_the_report_draws_both_phases_and_both_embeddings(run, tmp_path):
    for array in ("embedding", "pretrained_embedding"):
        page = tmp_path / f"{array}.html"

        assert main(["report", str(run), "--array", array, "--out", str(page)]) == 0

        text = page.read_text(encoding="utf-8")
        assert "pretraining" in text
        assert "covariance" in text
        assert array in text
