"""The attentive neural process as a system: what it trains on and how it scores."""

import dataclasses
from types import SimpleNamespace

import keras
import librosa
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from asdkeras.config import build_config
from asdkeras.data.clip_set import ClipSet
from asdkeras.errors import RecipeError
from asdkeras.experiment.training import make_repeatable
from asdkeras.systems.log_mel_front_end import log_mel_model
from asdkeras.systems.model_files import TrainedNetwork
from asdkeras.systems.venkatesh import anp
from tests.systems.recorded_clips import (
    RATE_HZ,
    Store,
    clip_table,
    noisy_clips,
    represented,
    scores_of,
    task,
    training_of,
)

CLIP_LENGTH = 4096
CONFIG = anp.AttentiveNeuralProcess(
    num_mel_bins=8,
    window_length=512,
    hop_length=256,
    num_frames=4,
    test_hop=3,
    width=8,
    num_heads=2,
    context_fractions=(0.25, 0.75),
    epochs=1,
    batch_size=2,
    learning_rate=0.003,
    score="boot",
    boot_context=0.375,
    windows_at_once=2,
)
NUM_POINTS = 32
COUNTS = "window_length hop_length test_hop width num_heads epochs batch_size windows_at_once"
MEAN, VARIANCE = np.linspace(-50, -30, 8), np.linspace(16, 100, 8)


@pytest.fixture(scope="module")
def clips():
    """Five training and two test clips of one section, of which nothing else is known."""
    table = clip_table([("00", pd.NA, "train", False)] * 5 + [("00", pd.NA, "test", pd.NA)] * 2)
    return noisy_clips(table, samples=CLIP_LENGTH)


@pytest.fixture(scope="module")
def network():
    """Untrained, but with weights that make every part matter."""
    keras.utils.set_random_seed(4)
    model = anp.compiled(CONFIG, MEAN, VARIANCE)
    for weight in model.trainable_weights:
        weight.assign(weight + 0.2 * keras.random.normal(weight.shape))
    return model


def naive_frames(waveform):
    power = librosa.feature.melspectrogram(
        y=waveform, sr=RATE_HZ, n_fft=512, hop_length=256, n_mels=8, pad_mode="constant"
    ).astype("float64")
    return 10 * np.log10(np.maximum(power, np.finfo("float64").eps)).T


def naive_windows(waveform, hop):
    """Standardized windows of 4 frames."""
    frames = (naive_frames(waveform) - MEAN) / np.sqrt(VARIANCE)
    return [frames[t : t + 4] for t in range(0, len(frames) - 3, hop)]


def naive_points(window):
    """(time, frequency, value) of each point, and its (frame, band)."""
    where = [(frame, band) for frame in range(4) for band in range(8)]
    points = [(2 * t / 3 - 1, 2 * f / 7 - 1, window[t, f]) for t, f in where]
    return np.array(points, "float32"), where


def gaussians_of(network, known, latent, others):
    inputs = [known[None], latent[None], others[None, :, :2]]
    return np.array(network.get_layer("prediction")(inputs), "float64")[0]


def latent_of(network, points):
    return np.array(network.get_layer("latent_path")(points[None]))[0]


def unlikely(network, known, others):
    """Minus the log-likelihood of each of the others, at the mean of the prior."""
    gaussians = gaussians_of(network, known, latent_of(network, known)[:, 0], others)
    return -stats.norm.logpdf(others[:, 2].astype("float64"), gaussians[:, 0], gaussians[:, 1])


def system_of(**changes):
    front_end = SimpleNamespace(clip_length=CLIP_LENGTH)
    settings = dataclasses.replace(CONFIG, **changes)
    rest = {"threshold_percentile": 90.0, "machine_percentiles": {}}
    return anp.AnpBoot(SimpleNamespace(front_end=front_end, anp=settings, **rest))


def process_of(network):
    return anp.Process(CLIP_LENGTH, RATE_HZ, "start", TrainedNetwork(None, network), seed=5)


def scorer_of(network, **changes):
    return system_of(**changes).represent(process_of(network))[anp.SCORE]


def waveforms_of(clips, count=2):
    return np.array(clips.store.waveforms[:count])


def moments_of(clips, folder):
    log_mel = log_mel_model(anp._front_end(CONFIG, CLIP_LENGTH), RATE_HZ, CLIP_LENGTH)
    with task(folder, clips.table) as context:
        frames = context.store_frames(log_mel, clips, CLIP_LENGTH, "start", 3)
        return frames.moments()


def test_bands_are_standardized_over_all_frames_of_the_training_clips(clips, tmp_path):
    moments = moments_of(clips, tmp_path)

    expected = np.concatenate([naive_frames(waveform) for waveform in clips.store.waveforms])
    np.testing.assert_allclose(moments["mean"], expected.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(moments["variance"], expected.var(axis=0), rtol=1e-4)


def test_a_band_without_sound_keeps_its_scale(clips, tmp_path):
    silent = ClipSet(clips.table, Store([np.zeros(CLIP_LENGTH, "float32")] * 7))

    moments = moments_of(silent, tmp_path)

    np.testing.assert_array_equal(moments["variance"], np.ones(8))
    np.testing.assert_allclose(moments["mean"], 10 * np.log10(np.finfo("float64").eps), rtol=1e-6)


def test_training_predicts_all_points_from_the_context_and_the_posterior(network):
    generator = np.random.default_rng(0)
    windows = generator.normal(-40, 8, size=(3, 4, 8)).astype("float32")
    known = np.array([generator.permutation(NUM_POINTS)[:12] for _ in range(3)], "int32")
    noise = generator.normal(size=(3, 8)).astype("float32")

    losses = network({"window": windows, "context": known, "noise": noise})

    for window, chosen, draw, loss in zip(windows, known, noise, losses, strict=True):
        points, _ = naive_points((window - MEAN) / np.sqrt(VARIANCE))
        posterior, prior = (
            latent_of(network, each).astype("float64") for each in (points, points[chosen])
        )
        latent = (posterior[:, 0] + posterior[:, 1] * draw).astype("float32")
        gaussians = gaussians_of(network, points[chosen], latent, points)
        likelihood = stats.norm.logpdf(points[:, 2], gaussians[:, 0], gaussians[:, 1]).mean()
        ratio = posterior[:, 1] / prior[:, 1]
        shift = (posterior[:, 0] - prior[:, 0]) / prior[:, 1]
        divergence = np.sum(0.5 * (ratio**2 + shift**2 - 1) - np.log(ratio))
        assert divergence > 0
        assert float(loss) == pytest.approx(-likelihood + divergence / NUM_POINTS, rel=1e-4)


def test_a_context_of_all_points_tells_as_much_as_the_posterior():
    model = anp.compiled(CONFIG, MEAN, VARIANCE)
    generator = np.random.default_rng(0)
    batch = {
        "window": generator.normal(-40, 8, size=(2, 4, 8)).astype("float32"),
        "context": np.array([generator.permutation(NUM_POINTS) for _ in range(2)], "int32"),
        "noise": generator.normal(size=(2, 8)).astype("float32"),
    }

    logs = model.test_on_batch(batch, return_dict=True)

    assert logs["divergence"] == pytest.approx(0.0, abs=1e-7)
    assert logs["loss"] == pytest.approx(logs["negative_log_likelihood"])


def test_boot_scores_the_points_that_are_not_among_the_best_predicted(network, clips):
    scorer = scorer_of(network)
    drawn = [np.random.default_rng([5, k]).permutation(NUM_POINTS)[:12] for k in range(5)]

    scores = scorer(waveforms_of(clips))

    assert scores.shape == (2, 5)
    for waveform, of_clip in zip(waveforms_of(clips), scores, strict=True):
        windows = naive_windows(waveform, hop=3)
        for window, first, window_score in zip(windows, drawn, of_clip, strict=True):
            points, _ = naive_points(window)
            first_pass = unlikely(network, points[first], points)
            best = sorted(range(NUM_POINTS), key=lambda point: first_pass[point])[:12]
            others = [point for point in range(NUM_POINTS) if point not in best]
            expected = np.mean(unlikely(network, points[best], points[others]))
            # Levels of the front end are within 1e-4 dB, far ones within 0.01.
            assert float(window_score) == pytest.approx(expected, rel=1e-3)


def test_max_scores_the_worst_of_the_halves_from_their_other_halves(network, clips):
    halves = [
        lambda frame, band: band < 4,
        lambda frame, band: band >= 4,
        lambda frame, band: frame < 2,
        lambda frame, band: frame >= 2,
        lambda frame, band: band % 2 == 0,
        lambda frame, band: band % 2 == 1,
    ]
    waveforms = waveforms_of(clips, 1)

    scores = scorer_of(network, score="max", test_hop=6)(waveforms)

    assert scores.shape == (1, 3)
    for window, window_score in zip(naive_windows(waveforms[0], hop=6), scores[0], strict=True):
        points, where = naive_points(window)
        means = []
        for is_known in halves:
            known = np.array([is_known(*place) for place in where])
            means.append(np.mean(unlikely(network, points[known], points[~known])))
        assert float(window_score) == pytest.approx(max(means), rel=1e-3)  # As above.


def test_a_scorer_is_loaded_in_safe_mode(network, clips, tmp_path):
    scorer = scorer_of(network)
    scorer.save(tmp_path / "scorer.keras")
    loaded = keras.saving.load_model(tmp_path / "scorer.keras", safe_mode=True)
    np.testing.assert_allclose(
        loaded(waveforms_of(clips)), scorer(waveforms_of(clips)), rtol=1e-5, atol=1e-5
    )


def test_the_score_of_a_clip_is_the_mean_of_its_windows():
    table = clip_table([("00", "source", "train", False), ("00", "source", "test", True)])
    windows = np.array([[1.0, 2.0, 6.0], [-1.0, 0.0, 4.0]], "float32")
    system = system_of()

    scores = scores_of(system, {anp.SCORE: windows}, table, process_of(None))

    assert scores.columns.to_dict("list") == {"negative_log_likelihood": [3.0, 1.0]}
    assert scores.thresholds.tolist() == [3.0, 3.0]
    assert system.main_score == system.decision_score == "negative_log_likelihood"
    assert scores.notes == (
        "fan: the threshold is a percentile of the scores, 1 different scores of 1 clips",
    )


def tonal(generator, added=0.0):
    """Noise with a tone of 1 kHz, and another of 3 kHz."""
    seconds = np.arange(CLIP_LENGTH) / RATE_HZ
    noise = 0.05 * generator.normal(size=CLIP_LENGTH)
    tones = 0.2 * np.sin(2 * np.pi * 1000 * seconds) + added * np.sin(2 * np.pi * 3000 * seconds)
    return (noise + tones).astype("float32")


@pytest.mark.slow
@pytest.mark.parametrize("score", ["boot", "max"])
def test_an_added_tone_raises_the_score(tmp_path, score):
    generator = np.random.default_rng(0)
    table = clip_table(
        [("00", "source", "train", False)] * 16
        + [("00", "source", "test", False)] * 4
        + [("00", "source", "test", True)] * 4
    )
    added = [0.0] * 20 + [0.3] * 4
    clips = ClipSet(table, Store([tonal(generator, each) for each in added]))
    system = system_of(epochs=6, batch_size=4, learning_rate=0.01, width=16, score=score)
    make_repeatable(0)

    process = system.train(training_of(clips), task(tmp_path, table))
    arrays = represented(system, process, clips)
    scores = scores_of(system, arrays, table, process).columns[anp.SCORE]

    losses = pd.read_csv(tmp_path / "train.csv")["loss"]
    assert losses.iloc[-1] < losses.iloc[0] - 0.2
    assert np.all(np.isfinite(scores))
    assert scores[20:].min() > scores[:20].max()


def test_clips_shorter_than_a_window_are_refused_in_one_line(clips):
    message = r"`anp\.num_frames`: the network hears 18 frames .* has 17 .*config\.anp\.num_fr"
    with pytest.raises(RecipeError, match=message):
        system_of(num_frames=18).check(training_of(clips), training_of(clips))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *(({name: 0}, f"`{name}` must be at least 1. Received: 0") for name in COUNTS.split()),
        ({"num_mel_bins": 1}, "`num_mel_bins` must be at least 2. Received: 1"),
        ({"num_frames": 1}, "`num_frames` must be at least 2"),
        ({"window_length": 513}, "`window_length` must be even"),
        ({"width": 9}, "`width` must be a multiple of `num_heads`, 2. Received: 9"),
        ({"learning_rate": 0.0}, "`learning_rate` must be above 0"),
        ({"context_fractions": []}, "`context_fractions` must name shares between 0 and 1"),
        ({"context_fractions": [0.5, 1.0]}, r"between 0 and 1. Received: \[0.5, 1.0\]"),
        ({"context_fractions": [0.0, 0.5]}, r"between 0 and 1. Received: \[0.0, 0.5\]"),
        ({"boot_context": 0.0}, "`boot_context` must lie between 0 and 1"),
        ({"boot_context": 1.0}, "`boot_context` must lie between 0 and 1"),
        ({"score": "mean"}, "`score` must be one of 'boot', 'max'"),
    ],
)
def test_a_recipe_with_impossible_values_is_refused(changes, message):
    values = dataclasses.asdict(CONFIG) | {"context_fractions": [0.25]} | changes
    with pytest.raises(RecipeError, match=message):
        build_config(anp.AttentiveNeuralProcess, values, "config: anp")
