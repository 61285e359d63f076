"""baseline2023: residuals, two scores of one network, and thresholds of batches or clips."""

import contextlib
import dataclasses
import functools
import tempfile
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from asdkeras.config import build_config, read_recipe
from asdkeras.errors import DataError
from asdkeras.experiment.training import represent
from asdkeras.systems import baseline2023 as system
from tests.systems.recorded_clips import clip_table, noisy_clips, task, training_of
from tests.systems.test_baseline_autoencoder import naive_log_mel, naive_vectors

RECIPE = Path(__file__).parents[2] / "recipes" / "baseline2023" / "dcase2023.yaml"
BANDS, NUM_TRAINING = 128, 6
CLIPS = [
    *[("00", "source", "train", False)] * 4,
    *[("00", "target", "train", False)] * 2,
    *[("00", "source", "test", True), ("00", "target", "test", False)],
]


def config_of(variant="mahalanobis", form="mean_residual", covariance="released", **changes):
    config = build_config(system.Config, read_recipe(RECIPE)["config"], "here")
    ae = dataclasses.replace(config.ae, epochs=1, batch_size=40)
    mahalanobis = system.Mahalanobis(covariance, form)
    return dataclasses.replace(config, variant=variant, ae=ae, mahalanobis=mahalanobis, **changes)


def noise():
    """Long enough for covariances of 128 bands."""
    return noisy_clips(clip_table(CLIPS, "mini2023"), samples=16_000)


@functools.cache
def run(config, num_clips=None):
    """Scores, thresholds, representations, network and log of a whole run."""
    clips = noise()
    if num_clips is not None:
        clips = dataclasses.replace(clips, table=clips.table.iloc[:num_clips])
    built = system.build(config)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with contextlib.closing(task(folder, clips.table)) as context:
            trained = built.train(training_of(clips), context)
        network = keras.saving.load_model(folder / "weights.keras")
        log = pd.read_csv(folder / "train.csv")
    representations = represent(trained, clips, 4)
    scores = built.score(representations, clips.table, 0)
    thresholds = built.decide(scores.columns, clips.table, representations.constants)
    return scores, thresholds, representations, network, log


def residual_rows(network):
    """Residuals of all frames of all vectors of each clip, `(rows, bands)`."""
    rows = []
    for waveform in noise().store.waveforms:
        vectors = naive_vectors(naive_log_mel(waveform, "constant", "maximum"))
        rows.append((vectors - network.predict_on_batch(vectors)).reshape(-1, BANDS))
    return rows


@pytest.mark.parametrize(
    ("form", "covariance"), [("mean_residual", "released"), ("framewise", "textbook")]
)
def test_both_scores_follow_from_the_residuals_and_the_covariances(form, covariance):
    config = config_of(form=form, covariance=covariance)
    scores, _, representations, network, _ = run(config)

    inverses = [
        np.linalg.inv(representations.constants[f"covariance_{domain}"])
        for domain in ("source", "target")
    ]
    assert scores.anomaly_score == "mahalanobis"
    assert scores.named_scores == ("mse", "mahalanobis")
    for number, rows in enumerate(residual_rows(network)):
        row = scores.columns.loc[number]
        assert row["mse"] == pytest.approx(np.mean(rows**2), rel=1e-4)
        used = rows if form == "framewise" else rows.mean(axis=0, keepdims=True)
        distances = [np.mean([d @ inverse @ d for d in used]) for inverse in inverses]
        assert row["mahalanobis"] == pytest.approx(min(distances), rel=1e-3)  # Float32 residuals.


def test_the_textbook_covariances_are_those_of_the_training_vectors():
    """Of all vectors that were not held out, each domain by itself, whatever the batches."""
    config = config_of(covariance="textbook")
    ae = dataclasses.replace(config.ae, validation_fraction=0.0)
    _, _, representations, network, _ = run(dataclasses.replace(config, ae=ae))

    rows = residual_rows(network)
    for domain, own in (("source", rows[:4]), ("target", rows[4:NUM_TRAINING])):
        expected = np.cov(np.concatenate(own), rowvar=False)
        ours = representations.constants[f"covariance_{domain}"]
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-3 * expected.max())


def test_thresholds_of_batches_come_from_losses_and_from_distances_of_batches():
    config = config_of(threshold_data="batches")
    scores, thresholds, representations, _, log = run(config)

    constants = representations.constants
    num_vectors = NUM_TRAINING * 28
    num_training = int(0.9 * num_vectors)
    num_batches = -(-num_training // 40) + -(-(num_vectors - num_training) // 40)
    assert constants["mse_batches"].shape == (num_batches,)
    assert constants["mahalanobis_batches"].shape == (num_batches,)
    assert set(log.columns) == {"epoch", "loss", "val_loss", "seconds"}
    sizes = [40] * (num_training // 40) + [num_training % 40]
    mean = np.average(constants["mse_batches"][: len(sizes)], weights=sizes)
    assert log["loss"].item() == pytest.approx(mean, rel=1e-5)
    assert constants["mse_batches"][-1] == pytest.approx(log["val_loss"].item(), rel=1e-4)
    expected = stats.gamma.ppf(0.9, *stats.gamma.fit(constants["mahalanobis_batches"]))
    np.testing.assert_allclose(thresholds, np.full(len(scores.columns), expected), rtol=1e-9)


def test_thresholds_of_the_other_variant_come_from_the_losses():
    scores, thresholds, representations, _, _ = run(config_of("mse"))
    batches = representations.constants["mse_batches"]
    expected = stats.gamma.ppf(0.9, *stats.gamma.fit(batches))
    np.testing.assert_allclose(thresholds, np.full(len(scores.columns), expected), rtol=1e-9)


def test_distances_of_batches_are_those_of_their_mean_residual():
    """One batch with everything in it is one big clip."""
    config = config_of()
    ae = dataclasses.replace(config.ae, validation_fraction=0.0, batch_size=10_000)
    _, _, representations, network, _ = run(dataclasses.replace(config, ae=ae))

    mean = np.concatenate(residual_rows(network)[:NUM_TRAINING]).mean(axis=0)
    distances = [
        mean @ np.linalg.inv(representations.constants[f"covariance_{domain}"]) @ mean
        for domain in ("source", "target")
    ]
    expected = pytest.approx(min(distances), rel=1e-3)
    assert representations.constants["mahalanobis_batches"].item() == expected


@pytest.mark.parametrize("variant", ["mse", "mahalanobis"])
def test_thresholds_of_clips_come_from_the_scores_of_the_training_clips(variant):
    config = config_of(variant, threshold_data="clips")
    scores, thresholds, representations, _, _ = run(config)
    training = scores.columns.loc[: NUM_TRAINING - 1, variant]
    expected = stats.gamma.ppf(0.9, *stats.gamma.fit(training))
    np.testing.assert_allclose(thresholds, np.full(len(CLIPS), expected), rtol=1e-9)
    assert not any(name.endswith("_batches") for name in representations.constants)


def test_an_ensemble_which_has_no_batches_decides_by_clips():
    config = config_of("mse", threshold_data="batches")
    scores, _, _, _, _ = run(config)
    thresholds = system.build(config).decide(scores.columns, noise().table, {})
    training = scores.columns.loc[: NUM_TRAINING - 1, "mse"]
    expected = stats.gamma.ppf(0.9, *stats.gamma.fit(training))
    np.testing.assert_allclose(thresholds, np.full(len(CLIPS), expected), rtol=1e-9)


def test_without_target_clips_the_source_alone_counts():
    scores, _, representations, network, _ = run(config_of(), num_clips=4)
    assert "covariance_target" not in representations.constants
    inverse = np.linalg.inv(representations.constants["covariance_source"])
    for number, rows in enumerate(residual_rows(network)[:4]):
        mean = rows.mean(axis=0)
        expected = pytest.approx(mean @ inverse @ mean, rel=1e-3)
        assert scores.columns.at[number, "mahalanobis"] == expected


def silent_clips():
    """Too short for covariances of 128 bands."""
    return noisy_clips(clip_table([("00", "source", "train", False)] * 2, "mini2023"), 3072)


def test_covariances_without_an_inverse_are_one_line_where_they_are_the_answer(tmp_path):
    clips = silent_clips()
    with pytest.raises(DataError, match=r"fan_00: the covariance .* `mse` needs no covariance"):
        system.build(config_of()).train(clips, task(tmp_path, clips.table))


def test_covariances_without_an_inverse_do_not_stop_the_other_score(tmp_path):
    clips, built = silent_clips(), system.build(config_of("mse"))
    context = task(tmp_path, clips.table)
    trained = built.train(clips, context)
    assert set(trained.constants) == {"mse_batches"}
    assert len(context.warnings) == 1
    assert context.warnings[0].startswith("fan_00: no Mahalanobis distance: the covariance")
    scores = built.score(represent(trained, clips, 2), clips.table, 0)
    assert scores.named_scores == ("mse",)
    assert scores.columns["mse"].notna().all()


def test_a_network_for_each_section_with_both_published_rows():
    built = system.build(config_of())
    assert built.scope == "section"
    assert built.published_rows == {"mse": "ae2023_mse", "mahalanobis": "ae2023_mahalanobis"}


def test_its_optimizer_is_that_of_pytorch():
    config = config_of()
    assert config.ae.adam_epsilon == 1e-8
    assert config.ae.validation == "random"
