"""The controls: spectra of clips in float64, and the nearest clip of the section."""

import dataclasses
from pathlib import Path

import librosa
import numpy as np
import pytest

from asdkeras.config import build_config, read_recipe
from asdkeras.data.clip_set import ClipSet
from asdkeras.errors import DataError, RecipeError
from asdkeras.systems import controls2026
from tests.systems.recorded_clips import (
    RATE_HZ,
    Store,
    clip_table,
    represented,
    scores_of,
    task,
    training_of,
)

RECIPES = Path(__file__).parents[2] / "recipes" / "controls2026"
WINDOW, HOP, LENGTH = 64, 24, 1000
SPECTRA = ("mean_spectrum", "spectrum_deviation")
STATISTICS = "log_mel_statistics"
BANDS = 6
TABLE = clip_table(
    [
        (section, "target" if number == 0 else "source", split, split == "test" and number == 1)
        for section in ("00", "01")
        for split in ("train", "test")
        for number in range(4)
    ]
)


def config_of(variant, **front_end):
    config = build_config(
        controls2026.Config, read_recipe(RECIPES / "dcase2020.yaml")["config"], "here"
    )
    changes = {"window_length": WINDOW, "hop_length": HOP, "num_mel_bins": BANDS, **front_end}
    return dataclasses.replace(
        config, variant=variant, front_end=dataclasses.replace(config.front_end, **changes)
    )


def colored_clips(count=16):
    """Noises whose bands and whose loudness over time differ from clip to clip."""
    rng = np.random.default_rng(0)
    clips = []
    for _ in range(count):
        noise = np.convolve(rng.normal(size=LENGTH + 7), rng.normal(size=8), mode="valid")
        swell = 1.0 + rng.uniform(0, 1) * np.sin(np.linspace(0.0, rng.uniform(5, 40), LENGTH))
        clips.append((0.1 * noise * swell).astype("float32"))
    return clips


@pytest.fixture
def clips():
    return ClipSet(TABLE, Store(colored_clips()), seed=0)


def trained(config, clips, folder):
    system = controls2026.create(config)
    with task(folder, clips.table) as context:
        system.check(training_of(clips), training_of(clips))
        models = system.train(training_of(clips), context)
    return system, models


def spectrum(waveform, variant, pad_mode="constant"):
    """Mean or standard deviation of the magnitudes of all frames, one frame after the other.

    Both of the decibels of mel bands for `log_mel_statistics`.
    """
    padded = np.pad(waveform.astype("float64"), WINDOW // 2, mode=pad_mode)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    frames = [
        np.abs(np.fft.rfft(window * padded[at : at + WINDOW]))
        for at in range(0, len(padded) - WINDOW + 1, HOP)
    ]
    if variant == STATISTICS:
        filters = librosa.filters.mel(sr=RATE_HZ, n_fft=WINDOW, n_mels=BANDS, dtype="float64")
        frames = [10.0 * np.log10(filters @ frame**2 + 1e-12) for frame in frames]
    mean = sum(frames) / len(frames)
    deviation = np.sqrt(sum((frame - mean) ** 2 for frame in frames) / len(frames))
    return {
        "mean_spectrum": mean,
        "spectrum_deviation": deviation,
        STATISTICS: np.concatenate([mean, deviation]),
    }[variant]


def cosine_distance(one, other):
    return 1.0 - one @ other / np.sqrt((one @ one) * (other @ other))


@pytest.mark.parametrize("pad_mode", ["constant", "reflect"])
@pytest.mark.parametrize("variant", [*SPECTRA, STATISTICS])
def test_a_clip_is_the_mean_or_the_deviation_of_its_magnitudes_over_time(
    clips, tmp_path, variant, pad_mode
):
    system, models = trained(config_of(variant, pad_mode=pad_mode), clips, tmp_path)

    found = represented(system, models, clips)

    expected = [spectrum(each, variant, pad_mode) for each in clips.store.waveforms]
    assert list(found) == ["spectrum"]
    np.testing.assert_allclose(found["spectrum"], expected, rtol=1e-4, atol=1e-6)


def test_the_floor_is_added_to_the_power_of_quiet_bands(tmp_path):
    quiet = ClipSet(TABLE, Store([1e-4 * each for each in colored_clips()]), seed=0)
    system, models = trained(config_of(STATISTICS), quiet, tmp_path)

    found = represented(system, models, quiet)["spectrum"]

    expected = [spectrum(each, STATISTICS) for each in quiet.store.waveforms]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("variant", SPECTRA)
def test_a_score_is_the_cosine_distance_to_the_nearest_training_clip_of_the_section(
    clips, tmp_path, variant
):
    """Of a training clip, to the nearest other one."""
    system, models = trained(config_of(variant), clips, tmp_path)

    found = scores_of(system, represented(system, models, clips), clips.table, models)

    vectors = [spectrum(each, variant) for each in clips.store.waveforms]
    places = list(zip(TABLE["section"], TABLE["split"], strict=True))
    expected = [
        min(
            cosine_distance(vectors[number], vectors[other])
            for other, place in enumerate(places)
            if place == (section, "train") and other != number
        )
        for number, (section, _) in enumerate(places)
    ]
    assert found.columns.columns.tolist() == ["nearest_neighbor"]
    np.testing.assert_allclose(found.columns["nearest_neighbor"], expected, rtol=1e-3, atol=1e-7)


def test_statistics_are_standardized_and_compared_by_euclidean_distance(clips, tmp_path):
    """By mean and deviation of the training clips of the section; what never changes counts 0."""
    system, models = trained(config_of(STATISTICS), clips, tmp_path)
    arrays = represented(system, models, clips)
    arrays["spectrum"] = np.c_[arrays["spectrum"], np.full(len(TABLE), 3.0)]

    found = scores_of(system, arrays, clips.table, models)

    vectors = np.array([spectrum(each, STATISTICS) for each in clips.store.waveforms])
    expected = []
    for number, section in enumerate(TABLE["section"]):
        rows = np.flatnonzero((TABLE["section"] == section) & (TABLE["split"] == "train"))
        deviation = vectors[rows].std(axis=0)
        others = [vectors[row] for row in rows if row != number]
        expected.append(min(np.linalg.norm((vectors[number] - o) / deviation) for o in others))
    np.testing.assert_allclose(found.columns["nearest_neighbor"], expected, rtol=1e-4)


def test_thresholds_are_percentiles_of_the_training_scores_per_section_and_domain(clips, tmp_path):
    system, models = trained(config_of("mean_spectrum"), clips, tmp_path)

    found = scores_of(system, represented(system, models, clips), clips.table, models)

    scores = found.columns["nearest_neighbor"]
    own = (TABLE["section"] == "01") & (TABLE["domain"] == "source")
    expected = np.percentile(scores[own & (TABLE["split"] == "train")], 90.0)
    np.testing.assert_allclose(found.thresholds[own], expected)


def test_nothing_is_trained_and_no_paper_is_compared_with(clips, tmp_path):
    system, models = trained(config_of("mean_spectrum"), clips, tmp_path)

    assert (models.clip_length, models.sample_rate_hz, models.keep) == (LENGTH, RATE_HZ, "start")
    assert not list(tmp_path.rglob("*.keras"))
    assert not system.published_rows


def test_clips_shorter_than_a_window_are_refused_with_the_way_out(clips, tmp_path):
    with pytest.raises(
        RecipeError, match=r"1002, than are used of a clip, 1000.*window_length=500"
    ):
        trained(config_of("mean_spectrum", window_length=1002), clips, tmp_path)


def test_a_section_with_one_training_clip_is_refused(tmp_path):
    table = clip_table([("00", "source", "train", False), ("00", "source", "test", True)])
    clips = ClipSet(table, Store(colored_clips(2)), seed=0)

    with pytest.raises(DataError, match="section 00 has one training clip"):
        trained(config_of("mean_spectrum"), clips, tmp_path)


def test_an_odd_window_is_refused():
    with pytest.raises(ValueError, match=r"`window_length` must be even\. Received: 63"):
        config_of("mean_spectrum", window_length=63)


@pytest.mark.parametrize("year", range(2020, 2026))
def test_every_year_has_the_same_recipe(year):
    base = read_recipe(RECIPES / "dcase2020.yaml")

    assert read_recipe(RECIPES / f"dcase{year}.yaml") == {**base, "dataset": f"dcase{year}"}
