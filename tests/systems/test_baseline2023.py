"""baseline2023: residuals, two scores of one network, and thresholds of batches or clips."""

import dataclasses
import functools
import tempfile
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from asdkeras.batches.window_batches import Holdout
from asdkeras.config import build_config, read_recipe
from asdkeras.data.clip_set import ClipSet
from asdkeras.data.frames import write_frames
from asdkeras.errors import DataError
from asdkeras.systems import baseline2023
from asdkeras.systems.baselines import dense_autoencoder
from asdkeras.systems.baselines.dense_autoencoder import RECORDED, TrainedOnVectors
from asdkeras.systems.model_files import TrainedNetwork, save_models
from asdkeras.systems.window_training import WindowModels
from tests.systems.recorded_clips import (
    RATE_HZ,
    clip_table,
    noisy_clips,
    represented,
    scores_of,
    task,
    training_of,
)
from tests.systems.test_baseline_autoencoder import naive_log_mel, naive_vectors

RECIPE = Path(__file__).parents[2] / "recipes" / "baseline2023" / "dcase2023.yaml"
BANDS, NUM_TRAINING = 128, 6
CLIPS = [
    *[("00", "source", "train", False)] * 4,
    *[("00", "target", "train", False)] * 2,
    *[("00", "source", "test", True), ("00", "target", "test", False)],
]


def config_of(variant="mahalanobis", form="mean_residual", covariance="released", **changes):
    config = build_config(baseline2023.Config, read_recipe(RECIPE)["config"], "here")
    ae = dataclasses.replace(config.ae, epochs=1, batch_size=40)
    mahalanobis = baseline2023.Mahalanobis(covariance, form)
    return dataclasses.replace(config, variant=variant, ae=ae, mahalanobis=mahalanobis, **changes)


def noise():
    """Long enough for covariances of 128 bands."""
    return noisy_clips(clip_table(CLIPS, "mini2023"), samples=16_000)


@functools.cache
def run(config, num_clips=None):
    """Scores, what training left, and the log of a whole run."""
    clips = noise()
    if num_clips is not None:
        clips = dataclasses.replace(clips, table=clips.table.iloc[:num_clips])
    system = baseline2023.create(config)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with task(folder, clips.table) as context:
            save_models(system.train(training_of(clips), context), folder)
        models = system.load(folder)
        arrays = represented(system, models, clips)
        log = pd.read_csv(folder / "train.csv")
    return scores_of(system, arrays, clips.table, models), models, log


def gamma_quantile(values):
    return stats.gamma.ppf(0.9, *stats.gamma.fit(values))


def residual_rows(models):
    """Residuals of all frames of all vectors of each clip, `(rows, bands)`."""
    rows = []
    for waveform in noise().store.waveforms:
        vectors = naive_vectors(naive_log_mel(waveform, "constant", "maximum"))
        reconstructed = models.network.model.predict_on_batch(vectors)
        rows.append((vectors - reconstructed).reshape(-1, BANDS))
    return rows


def smaller_length(rows, models):
    """Mean over rows of the squared Mahalanobis length in the closer domain."""
    inverses = [np.linalg.inv(each) for each in models.covariances.values()]
    return min(np.mean([row @ inverse @ row for row in rows]) for inverse in inverses)


@pytest.mark.parametrize(
    ("form", "covariance"), [("mean_residual", "released"), ("framewise", "textbook")]
)
def test_both_scores_follow_from_the_residuals_and_the_covariances(form, covariance):
    scores, models, _ = run(config_of(form=form, covariance=covariance))

    assert [*scores.columns] == ["mse", "mahalanobis"]
    assert [*models.covariances] == ["covariance_source", "covariance_target"]
    for number, rows in enumerate(residual_rows(models)):
        row = scores.columns.loc[number]
        assert row["mse"] == pytest.approx(np.mean(rows**2), rel=1e-4)
        used = rows if form == "framewise" else rows.mean(axis=0, keepdims=True)
        expected = pytest.approx(smaller_length(used, models), rel=1e-3)  # Float32 residuals.
        assert row["mahalanobis"] == expected


def test_the_textbook_covariances_are_those_of_the_training_vectors():
    """Of all vectors that were not held out, each domain by itself, whatever the batches."""
    config = config_of(covariance="textbook")
    ae = dataclasses.replace(config.ae, validation_fraction=0.0)
    _, models, _ = run(dataclasses.replace(config, ae=ae))

    rows = residual_rows(models)
    for domain, own in (("source", rows[:4]), ("target", rows[4:NUM_TRAINING])):
        expected = np.cov(np.concatenate(own), rowvar=False)
        ours = models.covariances[f"covariance_{domain}"]
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-3 * expected.max())


def test_thresholds_of_batches_come_from_losses_and_from_distances_of_batches():
    scores, models, log = run(config_of(threshold_data="batches"))

    batches = models.batch_scores
    num_vectors = NUM_TRAINING * 28
    num_training = int(0.9 * num_vectors)
    num_batches = -(-num_training // 40) + -(-(num_vectors - num_training) // 40)
    assert batches["mse"].shape == batches["mahalanobis"].shape == (num_batches,)
    assert set(log.columns) == {"epoch", "loss", "val_loss", "seconds"}
    sizes = [40] * (num_training // 40) + [num_training % 40]
    mean = np.average(batches["mse"][: len(sizes)], weights=sizes)
    assert log["loss"].item() == pytest.approx(mean, rel=1e-5)
    assert batches["mse"][-1] == pytest.approx(log["val_loss"].item(), rel=1e-4)
    np.testing.assert_allclose(scores.thresholds, gamma_quantile(batches["mahalanobis"]), rtol=1e-9)


def test_thresholds_of_the_other_variant_come_from_the_losses():
    scores, models, _ = run(config_of("mse"))
    np.testing.assert_allclose(
        scores.thresholds, gamma_quantile(models.batch_scores["mse"]), rtol=1e-9
    )


def test_distances_of_batches_are_those_of_their_mean_residual():
    """One batch with everything in it is one big clip."""
    config = config_of()
    ae = dataclasses.replace(config.ae, validation_fraction=0.0, batch_size=10_000)
    _, models, _ = run(dataclasses.replace(config, ae=ae))

    mean = np.concatenate(residual_rows(models)[:NUM_TRAINING]).mean(axis=0)
    expected = pytest.approx(smaller_length([mean], models), rel=1e-3)
    assert models.batch_scores["mahalanobis"].item() == expected


def made_up(folder):
    """Frames of clips, each with an offset of its own, and a network that answers zeros.

    Of frames `clip offset + noise` the residual is all there is. Offsets and noise have the mean 0.
    """
    clips, frames, bands, offset = 100, 34, 32, 0.5
    random = np.random.default_rng(0)
    offsets = random.normal(size=(clips, 1, bands))
    noise = random.normal(size=(clips, frames, bands))
    values = offset * (offsets - offsets.mean(axis=0)) + noise - noise.mean(axis=(0, 1))
    store = write_frames(folder / "made_up.float32", [values], clips)
    vectors = keras.Input((5 * bands,))
    network = keras.Model(vectors, keras.ops.zeros_like(vectors))
    models = WindowModels(RATE_HZ, RATE_HZ, "start", TrainedNetwork(folder / "none.keras", network))
    losses = {RECORDED: np.mean(values**2, axis=(1, 2))}
    windows = store.windows(5, 1, as_vectors=True)
    return values, TrainedOnVectors(models, windows, Holdout(0.0, "random"), losses)


def test_thresholds_of_batches_lie_as_far_below_normal_clips_as_theory_says(tmp_path, monkeypatch):
    """The mean of n vectors of many clips varies n times less than one of them does.

    A clip keeps its own offset, of variance b, in its mean; its noise, of variance 1 in a frame,
    averages out over 34 frames, in a batch of 60 vectors of 5 frames both do.
    """
    values, trained = made_up(tmp_path)
    monkeypatch.setattr(dense_autoencoder, "train", lambda *_, **__: trained)
    table = clip_table([("00", "source", "train", False)] * len(values), "mini2023")
    config = config_of()
    front_end = dataclasses.replace(config.front_end, num_mel_bins=values.shape[-1])
    ae = dataclasses.replace(config.ae, batch_size=60)
    system = baseline2023.create(dataclasses.replace(config, front_end=front_end, ae=ae))

    models = system.train(ClipSet(table, None), task(tmp_path, table))

    inverse = np.linalg.inv(models.covariances["covariance_source"])
    means = values.mean(axis=1)
    of_clips = ((means @ inverse) * means).sum(axis=1)
    of_batches = models.batch_scores["mahalanobis"]
    b = 0.5**2
    expected = (b + 1 / 34) / ((b + 1 / 5) / 60)
    assert of_clips.mean() / of_batches.mean() == pytest.approx(expected, rel=0.1)
    columns = pd.DataFrame({"mahalanobis": of_clips})
    released = system.thresholds(columns, table, models=models).values
    of_clips_alone = system.thresholds(columns, table).values
    assert (of_clips > released).all()
    assert (of_clips > of_clips_alone).mean() == pytest.approx(0.1, abs=0.05)


@pytest.mark.parametrize("variant", ["mse", "mahalanobis"])
def test_thresholds_of_clips_come_from_the_scores_of_the_training_clips(variant):
    scores, models, _ = run(config_of("mse", threshold_data="clips"))
    system = baseline2023.create(config_of(variant, threshold_data="clips"))
    thresholds = system.thresholds(scores.columns, noise().table, models=models).values
    training = scores.columns.loc[: NUM_TRAINING - 1, variant]
    np.testing.assert_allclose(thresholds, gamma_quantile(training), rtol=1e-9)
    assert models.batch_scores == {}


def test_an_ensemble_which_has_no_batches_decides_by_clips():
    config = config_of("mse", threshold_data="batches")
    columns = run(config)[0].columns
    thresholds = baseline2023.create(config).thresholds(columns, noise().table).values
    training = columns.loc[: NUM_TRAINING - 1, "mse"]
    np.testing.assert_allclose(thresholds, gamma_quantile(training), rtol=1e-9)


def test_without_target_clips_the_source_alone_counts():
    scores, models, _ = run(config_of(), num_clips=4)
    assert [*models.covariances] == ["covariance_source"]
    for number, rows in enumerate(residual_rows(models)[:4]):
        expected = pytest.approx(smaller_length([rows.mean(axis=0)], models), rel=1e-3)
        assert scores.columns.at[number, "mahalanobis"] == expected


def test_passes_over_the_residuals_show_progress_and_are_not_repeated_once_they_ended(
    tmp_path, capsys, monkeypatch
):
    clips = noise()
    system = baseline2023.create(config_of())
    context = task(tmp_path, clips.table)

    with monkeypatch.context() as patch:
        patch.setattr(system, "_batch_scores", interrupted)
        with pytest.raises(KeyboardInterrupt):
            system.train(training_of(clips), context)
    assert capsys.readouterr().err.count("test residuals: 4/4") == 1

    resumed = system.train(training_of(clips), task(tmp_path, clips.table))
    assert capsys.readouterr().err.count("test residuals: 4/4") == 1
    assert set(resumed.covariances) == {"covariance_source", "covariance_target"}
    assert set(resumed.batch_scores) == {"mse", "mahalanobis"}

    system.train(training_of(clips), task(tmp_path, clips.table))
    assert "residuals" not in capsys.readouterr().err


def interrupted(*arguments):
    raise KeyboardInterrupt


def silent_clips():
    """Too short for covariances of 128 bands."""
    return noisy_clips(clip_table([("00", "source", "train", False)] * 2, "mini2023"), 3072)


def test_covariances_without_an_inverse_are_one_line_where_they_are_the_main_score(tmp_path):
    clips = silent_clips()
    with pytest.raises(DataError, match=r"fan_00: the covariance .* `mse` needs no covariance"):
        baseline2023.create(config_of()).train(clips, task(tmp_path, clips.table))


@pytest.mark.parametrize(
    ("covariance", "num_clips", "batch_size", "is_enough"),
    [
        *(("textbook", 3, 3, True), ("textbook", 2, 40, False)),
        *(("released", 3, 40, True), ("released", 3, 3, False)),  # Nine batches with a mean each.
    ],
)
def test_too_few_rows_for_a_covariance_are_refused_before_training(
    covariance, num_clips, batch_size, is_enough
):
    """Each clip has nine vectors of five frames: three clips 135 rows, of 128 bands."""
    config = config_of(covariance=covariance)
    table = clip_table([("00", "source", "train", False)] * num_clips, "mini2023")
    clips = noisy_clips(table, 12 * config.front_end.hop_length)
    ae = dataclasses.replace(config.ae, validation_fraction=0.0, batch_size=batch_size)
    system = baseline2023.create(dataclasses.replace(config, ae=ae))

    if is_enough:
        system.check(clips, clips)
        return
    with pytest.raises(DataError, match=rf"of the source .* {45 * num_clips} rows of {num_clips} "):
        system.check(clips, clips)


def test_covariances_without_an_inverse_do_not_stop_the_other_score(tmp_path):
    clips, system = silent_clips(), baseline2023.create(config_of("mse"))
    context = task(tmp_path, clips.table)

    models = system.train(clips, context)

    assert models.covariances == {}
    assert set(models.batch_scores) == {"mse"}
    assert len(context.warnings) == 1
    assert context.warnings[0].startswith("fan_00: no Mahalanobis distance: the covariance")
    columns = scores_of(system, represented(system, models, clips), clips.table, models).columns
    assert system.named_scores(list(columns)) == ("mse",)
    assert columns["mse"].notna().all()


def test_a_network_for_each_section_with_both_published_rows():
    system = baseline2023.create(config_of())
    assert system.scope == "section"
    assert system.main_score == system.decision_score == "mahalanobis"
    assert system.published_rows == {"mse": "ae2023_mse", "mahalanobis": "ae2023_mahalanobis"}


def test_its_optimizer_is_that_of_pytorch():
    config = config_of()
    assert config.ae.adam_epsilon == 1e-8
    assert config.ae.validation == "random"
