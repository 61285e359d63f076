"""The autoencoders of 2020 to 2022: what they train on, how they score and decide."""

import dataclasses
from pathlib import Path

import keras
import librosa
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from asdkeras.config import build_config, read_recipe
from asdkeras.errors import RecipeError
from asdkeras.systems import baseline2020, baseline2021, baseline2022
from asdkeras.systems.baselines import dense_autoencoder
from asdkeras.systems.log_mel_front_end import heard_length, log_mel_model
from asdkeras.systems.model_files import save_models
from tests.systems.recorded_clips import (
    RATE_HZ,
    clip_table,
    noisy_clips,
    represented,
    scores_of,
    task,
    training_of,
)

RECIPES = Path(__file__).parents[2] / "recipes"
SYSTEMS = {"baseline2020": baseline2020, "baseline2021": baseline2021, "baseline2022": baseline2022}


def config_of(name, **changes):
    """The recipe of the challenge, for one quick epoch."""
    recipe = RECIPES / name / f"{name.replace('baseline', 'dcase')}.yaml"
    config = build_config(SYSTEMS[name].Config, read_recipe(recipe)["config"], "here")
    ae = dataclasses.replace(config.ae, epochs=1, batch_size=16, **changes)
    return dataclasses.replace(config, ae=ae)


@pytest.fixture
def clips():
    """Four training and three test clips of two sections."""
    return noisy_clips(
        clip_table(
            [
                *[("00", "source", "train", False)] * 2,
                *[("01", "target", "train", False)] * 2,
                *[("00", "source", "test", True), ("01", "target", "test", False)],
                ("01", "source", "test", None),
            ]
        )
    )


def naive_log_mel(waveform, pad_mode, floor_by):
    power = librosa.feature.melspectrogram(
        y=waveform, sr=RATE_HZ, n_fft=1024, hop_length=512, n_mels=128, pad_mode=pad_mode
    ).astype("float64")
    floor = np.finfo("float64").eps
    return 10 * np.log10(power + floor if floor_by == "addition" else np.maximum(power, floor)).T


def naive_vectors(frames):
    return np.array([frames[t : t + 5].ravel() for t in range(len(frames) - 4)])


@pytest.mark.parametrize(
    ("name", "pad_mode", "floor_by"),
    [
        ("baseline2020", "reflect", "addition"),
        ("baseline2021", "reflect", "maximum"),
        ("baseline2022", "constant", "maximum"),
    ],
)
def test_the_front_end_is_that_of_its_year(name, pad_mode, floor_by, clips):
    waveforms = np.array(clips.store.waveforms)
    waveforms[0] *= 1.5e-8  # About as loud as the floor.
    frames = log_mel_model(config_of(name).front_end, RATE_HZ, 4096).predict_on_batch(waveforms)
    expected = [naive_log_mel(waveform, pad_mode, floor_by) for waveform in waveforms]
    # What the layer states down to 80 dB below the loudest bin.
    np.testing.assert_allclose(frames, expected, rtol=0, atol=0.01)


def test_a_score_is_the_mean_squared_error_of_all_vectors(clips, tmp_path):
    system = baseline2021.create(config_of("baseline2021"))

    save_models(system.train(training_of(clips), task(tmp_path, clips.table)), tmp_path)
    models = system.load(tmp_path)
    columns = scores_of(system, represented(system, models, clips), clips.table, models).columns

    network = keras.saving.load_model(tmp_path / "weights.keras")
    assert columns.columns.tolist() == ["squared_error"]
    for waveform, score in zip(clips.store.waveforms, columns["squared_error"], strict=True):
        vectors = naive_vectors(naive_log_mel(waveform, "reflect", "maximum"))
        errors = np.mean((network.predict_on_batch(vectors) - vectors) ** 2, axis=1)
        assert score == pytest.approx(np.mean(errors), rel=1e-5)


def test_the_last_tenth_of_the_vectors_is_held_out_and_measured(clips, tmp_path):
    config = config_of("baseline2021")
    context = task(tmp_path, clips.table)

    trained = dense_autoencoder.train(config.ae, config.front_end, training_of(clips), context)

    log = pd.read_csv(tmp_path / "train.csv")
    waveforms = clips.store.waveforms[:4]
    vectors = np.concatenate([naive_vectors(naive_log_mel(w, "reflect", "max")) for w in waveforms])
    held_out = vectors[int(0.9 * len(vectors)) :]
    assert len(held_out) == 2
    network = trained.models.network.model
    error = np.mean((network.predict_on_batch(held_out) - held_out) ** 2)
    assert log["val_loss"].item() == pytest.approx(error, rel=1e-4)
    assert set(log.columns) == {"epoch", "loss", "val_loss", "seconds"}


def test_without_a_held_out_part_nothing_is_measured(clips, tmp_path):
    config = config_of("baseline2021", validation_fraction=0.0)
    context = task(tmp_path, clips.table)
    dense_autoencoder.train(config.ae, config.front_end, training_of(clips), context)
    assert "val_loss" not in pd.read_csv(tmp_path / "train.csv")


def test_training_lowers_the_error_of_its_vectors(clips, tmp_path):
    config = config_of("baseline2022")
    config = dataclasses.replace(
        config, ae=dataclasses.replace(config.ae, epochs=8, learning_rate=0.01)
    )
    context = task(tmp_path, clips.table)
    dense_autoencoder.train(config.ae, config.front_end, training_of(clips), context)
    losses = pd.read_csv(tmp_path / "train.csv")["loss"]
    assert losses.iloc[-1] < 0.9 * losses.iloc[0]


def test_the_network_is_that_of_the_fact_sheet(tmp_path):
    model = dense_autoencoder.compiled(config_of("baseline2021").ae, 640)
    assert model.count_params() == 269_992
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == 267_928
    assert model.optimizer.epsilon == 1e-7
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-3)


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_threshold_is_a_quantile_of_the_training_clips_of_the_machine_type(name):
    system = SYSTEMS[name].create(config_of(name))
    table = clip_table([("00", "source", "train", False)] * 30 + [("01", "target", "test", None)])
    errors = np.random.default_rng(0).gamma(3.0, size=31)
    columns = pd.DataFrame({"squared_error": errors})

    thresholds = system.thresholds(columns, table).values

    expected = stats.gamma.ppf(0.9, *stats.gamma.fit(errors[:30]))
    np.testing.assert_allclose(thresholds, np.full(31, expected), rtol=1e-9)
    assert system.scope == "machine_type_and_part"


def test_too_few_clips_for_a_distribution_are_noted():
    system = baseline2021.create(config_of("baseline2021"))
    table = clip_table([("00", "source", "train", False)] * 3)
    errors = np.array([[1.0, 3.0], [2.0, 2.5], [4.0, 4.0]])
    scores = scores_of(system, {"squared_error": errors}, table, None)
    assert scores.columns["squared_error"].tolist() == [2.0, 2.25, 4.0]
    assert scores.notes == (
        "fan: the threshold is a percentile of the scores, 3 different scores of 3 clips",
    )


def test_the_clip_length_is_that_of_the_longest_training_clip(tmp_path):
    table = clip_table(
        [("00", "source", "train", False)] * 2 + [("00", "source", "test", None)] * 2
    )
    clips = noisy_clips(table, samples=[4096, 3200, 8000, 4096])
    context = task(tmp_path, table)
    front_end = config_of("baseline2021").front_end

    assert heard_length(front_end, training_of(clips), context) == 4096
    assert context.warnings == [
        "clips shorter than 0.256 s are repeated: 1",
        "of longer clips the first 0.256 s are heard alone: 1; "
        "--set config.front_end.clip_length=8000 hears them whole",
    ]
    fixed = dataclasses.replace(front_end, clip_length=3200)
    assert heard_length(fixed, training_of(clips), context) == 3200


def test_clips_of_one_length_are_used_whole_without_a_warning(clips, tmp_path):
    context = task(tmp_path, clips.table)
    front_end = config_of("baseline2021").front_end
    assert heard_length(front_end, training_of(clips), context) == 4096
    assert not context.warnings


def test_clips_shorter_than_a_vector_are_refused_in_one_line():
    table = clip_table([("00", "source", "train", False)] * 2)
    clips = noisy_clips(table, samples=1600)
    config = config_of("baseline2022")
    with pytest.raises(RecipeError, match=r"`ae\.num_frames`: .* 5 frames .* has 4 \(1600 samples"):
        dense_autoencoder.check(config.ae, config.front_end, clips)


def test_a_fraction_that_holds_all_vectors_out_is_refused():
    clips = noisy_clips(clip_table([("00", "source", "train", False)]), samples=2048)
    config = config_of("baseline2022")
    ae = dataclasses.replace(config.ae, validation_fraction=0.5)

    with pytest.raises(RecipeError, match=r"`ae\.validation_fraction`: 0\.5 leaves none of 1"):
        dense_autoencoder.check(ae, config.front_end, clips)


def test_the_front_end_is_a_model_anyone_can_save(tmp_path, clips):
    model = log_mel_model(config_of("baseline2020").front_end, RATE_HZ, 4096)
    model.save(tmp_path / "front_end.keras")
    loaded = keras.saving.load_model(tmp_path / "front_end.keras", safe_mode=True)
    waveforms = np.array(clips.store.waveforms)
    np.testing.assert_allclose(
        loaded.predict_on_batch(waveforms), model.predict_on_batch(waveforms), atol=1e-5
    )


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("ae", {"epochs": 0}, "`epochs` must be at least 1"),
        ("ae", {"learning_rate": 0.0}, "`learning_rate` must be above 0"),
        ("ae", {"validation_fraction": 1.0}, r"`validation_fraction` must lie in \[0, 1\)"),
        ("front_end", {"clip_length": -1}, "`clip_length` must not be negative"),
        ("front_end", {"num_mel_bins": 0}, "`num_mel_bins` must be at least 1"),
        ("front_end", {"floor": 0.0}, "`floor` must be above 0"),
    ],
)
def test_values_that_make_no_sense_are_refused(section, change, message):
    part = getattr(config_of("baseline2021"), section)
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(part, **change)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_percentile_beyond_the_distribution_is_refused(name):
    with pytest.raises(ValueError, match="`threshold_percentile` must lie between 0 and 100"):
        dataclasses.replace(config_of(name), threshold_percentile=100.0)
