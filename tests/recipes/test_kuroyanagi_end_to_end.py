"""Kuroyanagi 2021 from the command line: a fault is found, and what is done is not repeated."""

import numpy as np
import pandas as pd
import pytest

from asdkeras.cli import main
from asdkeras.experiment import run as experiment
from tests.recipes.equally_loud_faults import require_learning, write_dataset

pytestmark = pytest.mark.slow

SHORT = {
    "ae": (
        *("num_mel_bins=32", "num_blocks=1", "width=16", "kernel_size=7", "latent_dim=8"),
        *("masks.num_time_masks=3", "masks.band_width=4", "masks.num_band_masks=2"),
        *("num_copies=3", "steps=120", "steps_per_save=40", "batch_size=16"),
        *("warmup_steps=20", "rate_factor=0.2", "held_out_fraction=0.4"),
    ),
    "bc": (
        *("num_mel_bins=64", "num_frames=32", "num_windows=2", "width=16"),
        *("batch_size=8", "steps=240", "steps_per_save=120"),
        *("adaptation.steps=6", "adaptation.steps_per_save=3", "adaptation.num_target=2"),
    ),
}


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASDKERAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Variant -> clips whose faults its kind of learning can find, of the same names.

    Two sections, the first of which has no training clips of the target domain.
    """
    folders = {}
    for variant, kind in (("ae", "opposed"), ("bc", "masked")):
        folders[variant] = write_dataset(tmp_path_factory.mktemp(kind) / "dcase2022", kind)
        for path in folders[variant].rglob("section_00_target_train_*"):
            path.unlink()
    return folders


def command(data, runs, variant, *more):
    changes = [word for each in SHORT[variant] for word in ("--set", f"config.{variant}.{each}")]
    where = ["--data", str(data[variant]), "--runs", str(runs), "--recipe", "dcase2021"]
    return ["eval", "--system", "kuroyanagi2021", "--variant", variant, *where, *changes, *more]


def run_of(runs, variant):
    return runs / "kuroyanagi2021" / variant / "dcase2022"


def stopped_after_the_first_task(words, runs):
    """Train one section, and stop as if interrupted; its folder."""

    def first_alone(tasks, work, **options):
        side_by_side(tasks[:1], work, **options)
        raise KeyboardInterrupt

    side_by_side = experiment.run_side_by_side
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "run_side_by_side", first_alone)
        assert main(words) == 130
    return run_of(runs, "bc") / "fan_00" / "seed0"


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """The folder of the finished run of an autoencoder, and of a stopped one of classifiers."""
    runs = tmp_path_factory.mktemp("runs")
    assert main(command(data, runs, "ae")) == 0
    for variant in ("ae", "bc"):
        assert main(command(data, runs, variant, "--untrained")) == 0
    stopped_after_the_first_task(command(data, runs, "bc", "--jobs", "1"), runs)
    return runs


@pytest.fixture(scope="module")
def resumed(runs, data):
    """The folder of the run of classifiers, gone on with, and its files before that."""
    before = files_of(run_of(runs, "bc"))
    assert main(command(data, runs, "bc", "--jobs", "2")) == 0
    return run_of(runs, "bc"), before


def files_of(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def scores_of(run):
    return pd.read_csv(run / "scores" / "seed0" / "scores.csv")


def test_the_autoencoder_learns_and_finds_a_fault(runs, data):
    run = run_of(runs, "ae")

    assert (pd.read_csv(run / "metrics.csv")["auc"] > 0.8).all()
    # Gaussians of frames learn too, whatever network is in front of them; the error does not.
    require_learning(data["ae"], run, run_of(runs, "ae_untrained"), "absolute_error")
    log = pd.read_csv(run / "fan" / "seed0" / "train.csv")
    assert log["epoch"].tolist() == [1, 2, 3]
    assert log["loss"].iloc[-1] < 0.8 * log["loss"].iloc[0]
    rates = [0.2 * 16**-0.5 * step**-0.5 for step in (41, 81, 121)]  # Of the next step.
    np.testing.assert_allclose(log["learning_rate"], rates, rtol=1e-5)


def test_a_stopped_run_goes_on_and_does_not_repeat_a_task(resumed):
    run, before = resumed
    first = run / "fan_00" / "seed0"

    assert first / "DONE" in before
    assert run / "scores" not in {path.parents[1] for path in before}
    assert files_of(first).items() <= before.items()
    assert (run / "fan_01" / "seed0" / "DONE").exists()


def test_every_section_gets_a_classifier_and_one_tuned_to_its_target_domain_if_it_has_clips(
    resumed,
):
    run, _ = resumed

    assert not (run / "fan_00" / "seed0" / "source").exists()
    logs = [
        pd.read_csv(run / folder / "train.csv")
        for folder in ("fan_00/seed0", "fan_01/seed0/source", "fan_01/seed0")
    ]
    for log in logs:
        assert log["epoch"].tolist() == [1, 2]
        assert log["learning_rate"].iloc[-1] == pytest.approx(1e-3 / 250_000, rel=1e-3)
        assert log["loss"].iloc[-1] < log["loss"].iloc[0]
    table = scores_of(run)
    assert np.isfinite(table[["score_combined", "score_posterior", "score_distance"]]).all(
        axis=None
    )


def test_classifiers_find_faults_by_what_they_learned(resumed, runs, data):
    run, _ = resumed

    assert pd.read_csv(run / "metrics.csv")["auc"].mean() > 0.8
    require_learning(data["bc"], run, run_of(runs, "bc_untrained"), "combined")


def test_a_classifier_is_the_same_however_many_are_trained_side_by_side(resumed, data, tmp_path):
    run, _ = resumed

    folder = stopped_after_the_first_task(command(data, tmp_path, "bc", "--jobs", "2"), tmp_path)

    with (
        np.load(folder / "representations.npz") as ours,
        np.load(run / "fan_00" / "seed0" / "representations.npz") as theirs,
    ):
        assert set(ours) == set(theirs)
        for name in ours:
            np.testing.assert_array_equal(ours[name], theirs[name])


@pytest.mark.parametrize(("variant", "text"), [("ae", "gaussian_mean"), ("bc", "between")])
def test_the_report_shows_both(runs, resumed, tmp_path, variant, text):
    page = tmp_path / "page.html"

    assert main(["report", str(run_of(runs, variant)), "--out", str(page)]) == 0

    assert text in page.read_text(encoding="utf-8")


def test_both_together_are_ranked_without_training(runs, resumed, tmp_path, capsys):
    members = [run_of(runs, variant) for variant in ("ae", "bc")]
    before = files_of(runs)
    words = ["ensemble", *map(str, members), "--combine", "rank", "--out", str(tmp_path / "both")]

    assert main(words) == 0

    assert files_of(runs) == before
    assert "official score" in capsys.readouterr().out
    table = scores_of(tmp_path / "both")
    columns = [
        scores_of(member)[f"score_{name}"]
        for member, name in zip(members, ("gaussian_mean", "combined"), strict=True)
    ]
    for _, rows in table[table["split"] == "test"].groupby("section"):
        ranks = [column[rows.index].rank() for column in columns]
        expected = (ranks[0] + ranks[1]) / 2
        np.testing.assert_allclose(rows["score_anomaly_score"], expected, rtol=1e-12)
