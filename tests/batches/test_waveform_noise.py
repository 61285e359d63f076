"""Noise and volume against their definition in NumPy, and how often they come."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from asdkeras.batches.steps import folded_seed
from asdkeras.batches.waveform_noise import Augmentation, augment, with_gain, with_noise

NONE = Augmentation(0.0, (5.0, 20.0), 0.0, (-10.0, 10.0))


@pytest.fixture
def waveforms():
    scales = np.array([[0.001], [0.3], [4.0], [0.0]])
    return (scales * np.random.default_rng(0).normal(size=(4, 500))).astype("float32")


def augmented(waveforms, seed=0, **more):
    augmentation = dataclasses.replace(NONE, **more)
    folded = folded_seed(seed, 0, 0)
    return np.asarray(augment(tf.constant(waveforms), augmentation, folded))


def test_the_peak_of_the_noise_lies_below_that_of_the_waveform_by_the_ratio(waveforms):
    noise = np.random.default_rng(1).normal(size=(4, 500))
    noise[1, 7] = -9.0  # The largest value need not be a positive one.
    snr_db = np.array([[5.0], [20.0], [0.0], [10.0]])

    noisy = np.asarray(with_noise(waveforms, noise.astype("float32"), snr_db.astype("float32")))

    for row in range(4):
        peak, noise_peak = max(abs(waveforms[row])), max(abs(noise[row]))
        wanted_peak = peak / 10 ** (snr_db[row, 0] / 20)
        expected = waveforms[row] + noise[row] * wanted_peak / noise_peak
        np.testing.assert_allclose(noisy[row], expected, rtol=1e-4, atol=1e-6 * peak)
    assert max(abs(noisy[1] - waveforms[1])) == pytest.approx(max(abs(waveforms[1])) / 10, rel=1e-4)


def test_silence_stays_silent(waveforms):
    noisy = augmented(waveforms, noise_probability=1.0, volume_probability=1.0)
    np.testing.assert_array_equal(noisy[3], np.zeros(500))
    assert np.all(np.isfinite(noisy))


def test_a_gain_is_the_same_for_the_whole_waveform(waveforms):
    louder = with_gain(waveforms, np.array([[20.0], [-6.0], [0.0], [3.0]], "float32"))
    factors = np.array([[10.0], [10**-0.3], [1.0], [10**0.15]])
    np.testing.assert_allclose(louder, factors * waveforms, rtol=1e-5)


def test_nothing_changes_without_probability(waveforms):
    np.testing.assert_array_equal(augmented(waveforms), waveforms)


def many(count=4000):
    return np.random.default_rng(0).normal(size=(count, 16)).astype("float32")


def test_noise_comes_as_often_and_as_strong_as_told():
    clean = many()
    noisy = augmented(clean, noise_probability=0.25)

    added = np.abs(noisy - clean).max(axis=1)
    is_noisy = added > 0
    # 1000 of 4000 waveforms, with a standard deviation of 27.
    assert abs(is_noisy.sum() - 1000) < 130
    snr_db = 20 * np.log10(np.abs(clean).max(axis=1)[is_noisy] / added[is_noisy])
    assert 5.0 - 1e-3 < snr_db.min() < 5.2
    assert 19.8 < snr_db.max() < 20.0 + 1e-3
    assert abs(snr_db.mean() - 12.5) < 0.6  # Standard deviation 4.3 / sqrt(1000).


def test_volume_comes_as_often_and_as_strong_as_told():
    clean = many()
    turned = augmented(clean, volume_probability=0.25)

    gains_db = 20 * np.log10(turned / clean)
    np.testing.assert_allclose(gains_db, np.repeat(gains_db[:, :1], 16, axis=1), atol=1e-4)
    gains_db = gains_db[:, 0][np.any(turned != clean, axis=1)]
    assert abs(len(gains_db) - 1000) < 130
    assert -10.0 - 1e-3 < gains_db.min() < -9.8
    assert 9.8 < gains_db.max() < 10.0 + 1e-3
    assert abs(gains_db.mean()) < 0.8  # Standard deviation 5.8 / sqrt(1000).


def test_noise_is_normal_and_new_for_every_waveform_and_seed():
    clean = np.random.default_rng(0).normal(size=(200, 500)).astype("float32")
    first, other = (augmented(clean, seed, noise_probability=1.0) - clean for seed in (0, 1))

    ratios = first / first.std(axis=1, keepdims=True)
    assert abs(np.mean(np.abs(ratios) < 1.0) - 0.6827) < 0.01
    assert abs(ratios.mean()) < 0.02
    assert np.abs(np.corrcoef(first) - np.eye(200)).max() < 0.3
    assert max(abs(np.corrcoef(a, b)[0, 1]) for a, b in zip(first, other, strict=True)) < 0.3


def test_noise_and_volume_are_drawn_apart():
    clean = many()
    noisy = augmented(clean, noise_probability=0.5)
    turned = augmented(clean, volume_probability=0.5)
    is_noisy, is_turned = (np.any(each != clean, axis=1) for each in (noisy, turned))
    # A quarter of 4000 has both, with a standard deviation of 27.
    assert abs(np.sum(is_noisy & is_turned) - 1000) < 130
    both = augmented(clean, noise_probability=0.5, volume_probability=0.5)
    unchanged = np.all(both == clean, axis=1)
    np.testing.assert_array_equal(unchanged, ~is_noisy & ~is_turned)


def test_level_and_strength_are_drawn_apart():
    clean = many()
    snr = np.abs(augmented(clean, noise_probability=1.0) - clean).max(axis=1)
    snr_db = 20 * np.log10(np.abs(clean).max(axis=1) / snr)
    gains_db = 20 * np.log10((augmented(clean, volume_probability=1.0) / clean)[:, 0])
    assert abs(np.corrcoef(snr_db, gains_db)[0, 1]) < 0.08
    is_turned = np.any(augmented(clean, volume_probability=0.5) != clean, axis=1)
    assert abs(np.corrcoef(is_turned, gains_db)[0, 1]) < 0.08
    is_noisy = np.any(augmented(clean, noise_probability=0.5) != clean, axis=1)
    assert abs(np.corrcoef(is_noisy, snr_db)[0, 1]) < 0.08


def test_draws_follow_from_the_seed():
    clean = many(20)
    options = {"noise_probability": 0.5, "volume_probability": 0.5}
    first, again, other = (augmented(clean, seed, **options) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"noise_probability": 1.1}, r"`noise_probability` must lie in \[0, 1\].*=1.1"),
        ({"volume_probability": -0.1}, r"`volume_probability` must lie in.*=-0.1"),
        ({"snr_db": (20.0, 5.0)}, r"`snr_db` .*lowest.*first.*Received: snr_db=\(20.0, 5.0\)"),
        ({"gain_db": (1.0, -1.0)}, r"`gain_db` .*Received: gain_db=\(1.0, -1.0\)"),
        ({"gain_db": (1.0, float("nan"))}, r"`gain_db` .*Received"),
    ],
)
def test_wrong_augmentation_is_refused_with_the_reason(more, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(NONE, **more)
