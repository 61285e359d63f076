"""Building blocks of machine sounds: pitches, colors, times and levels are as asked for."""

import itertools

import numpy as np
import pytest

from asdkeras.corpus.machines import acoustics
from asdkeras.corpus.machines.exact import Draws, level

LENGTH = 32_000
FREQUENCIES_HZ = np.fft.rfftfreq(LENGTH, 1 / acoustics.SAMPLE_RATE_HZ)


def test_harmonics_lie_at_multiples_with_their_gains():
    cycles = acoustics.cycles_of(200.0, LENGTH)

    spectrum = np.abs(np.fft.rfft(acoustics.harmonics(cycles, [1.0, 0.0, 0.5], Draws("h"))))

    amplitudes = spectrum[[400, 800, 1200]] / (LENGTH / 2)
    np.testing.assert_allclose(amplitudes, [1.0, 0.0, 0.5], atol=1e-4)


def test_constant_and_moving_rates_agree():
    moving = acoustics.cycles_of(np.full(LENGTH, 37.5), LENGTH, 0.25)
    np.testing.assert_allclose(moving, acoustics.cycles_of(37.5, LENGTH, 0.25), atol=1e-9)


def test_crossings_are_the_times_of_whole_turns():
    cycles = 0.3 + 5.0 * np.arange(LENGTH) / acoustics.SAMPLE_RATE_HZ

    times = acoustics.crossings(cycles, 0.5)

    np.testing.assert_allclose(times, (np.arange(10) + 0.2) / 5.0, atol=1e-9)


def test_impacts_keep_strength_and_time_between_samples():
    train = acoustics.impacts(np.array([0.0101, -1.0, 99.0]), np.array([2.0, 5.0, 5.0]), LENGTH)

    assert train.sum() == pytest.approx(2.0)
    assert train @ np.arange(LENGTH) / 2.0 == pytest.approx(0.0101 * acoustics.SAMPLE_RATE_HZ)


def test_ring_has_its_frequency_and_decay():
    taps = acoustics.ring(1000.0, 0.01)

    spectrum = np.abs(np.fft.rfft(taps, LENGTH))
    envelope = [np.abs(taps[start : start + 160]).max() for start in (0, 160, 320)]

    assert FREQUENCIES_HZ[spectrum.argmax()] == pytest.approx(1000.0, abs=5.0)
    np.testing.assert_allclose(np.divide(envelope[1:], envelope[:-1]), np.exp(-1.0), rtol=0.02)


@pytest.mark.parametrize(("center_hz", "width_hz"), [(1000.0, 400.0), (4000.0, 1000.0)])
def test_bump_passes_its_center_at_unit_gain(center_hz, width_hz):
    gain = np.abs(np.fft.rfft(acoustics.bump(center_hz, width_hz, 511), LENGTH))

    assert FREQUENCIES_HZ[gain.argmax()] == pytest.approx(center_hz, abs=5.0)
    assert gain.max() == pytest.approx(1.0, abs=0.02)
    assert gain[center_hz + 3 * width_hz < FREQUENCIES_HZ].max() < 0.01


def test_colored_noise_has_the_color_asked_for():
    noise = acoustics.colored(Draws("c"), LENGTH, [-40, -40, -40, -40, 0, -40, -40, -40])

    power = np.abs(np.fft.rfft(noise)) ** 2
    inside = power[(FREQUENCIES_HZ > 500) & (FREQUENCIES_HZ < 1500)].sum()

    assert inside / power.sum() > 0.95


def test_wander_is_slow_and_stays_within_one():
    movement = acoustics.wander(Draws("w"), LENGTH, 0.5)

    assert np.abs(movement).max() <= 1.0
    assert np.abs(np.diff(movement)).max() < 2 * np.pi * 0.8 / acoustics.SAMPLE_RATE_HZ * 1.01


def test_lines_join_the_points():
    points = np.array([0.0, 1.0, -1.0])
    line = acoustics.interpolated(points, 320)
    np.testing.assert_allclose(line, np.interp(np.arange(320), [0, 160, 320], points), atol=1e-12)


def test_microphone_one_is_flat_and_another_is_not():
    flat, other = (np.abs(np.fft.rfft(acoustics.microphone(name))) for name in "12")
    np.testing.assert_allclose(flat, 1.0, atol=1e-9)
    assert np.ptp(20 * np.log10(other)) > 2.0


def test_a_resonance_rings_after_every_sample():
    signal = np.zeros(2000)
    signal[[0, 700]] = 1.0, -0.5
    taps = acoustics.ring(1000.0, 0.004)

    rung = acoustics.ringing(signal, 1000.0, 0.004)

    expected = np.convolve(signal, taps)[:2000]
    np.testing.assert_allclose(rung, expected, atol=2.0**-13 * np.abs(taps).max())


SECOND_HZ = np.fft.rfftfreq(acoustics.SAMPLE_RATE_HZ, 1 / acoustics.SAMPLE_RATE_HZ)


def octave_levels_db(number, hall, spread=1.0):
    """Levels in dB of a second of a factory in octaves from 62.5 Hz to 4 kHz, `(7,)`."""
    clip = acoustics.factory(Draws("clip", number), hall, acoustics.SAMPLE_RATE_HZ, spread)
    power = np.abs(np.fft.rfft(clip)) ** 2
    octave = np.round(np.log2(np.maximum(SECOND_HZ, 1.0) / 62.5))
    return np.array([10 * np.log10(power[octave == each].sum()) for each in range(7)])


@pytest.mark.parametrize("spread", [1.0, 2.3])
def test_a_factory_has_the_length_and_unit_level_asked_for(spread):
    clip = acoustics.factory(Draws("clip"), "A", 12_345, spread)
    assert clip.shape == (12_345,)
    assert level(clip) == pytest.approx(1.0, rel=1e-4)


def test_low_octaves_of_a_factory_are_louder_than_high_ones():
    for hall in "ABC":
        mean = np.mean([octave_levels_db(number, hall) for number in range(6)], axis=0)
        assert mean[:5].min() > mean[5:].max() + 5.0


def test_two_clips_of_a_hall_have_each_another_background():
    levels = [octave_levels_db(number, "A") for number in range(6)]
    for first, second in itertools.combinations(levels, 2):
        assert np.abs(first - second).max() > 1.5


@pytest.fixture
def air_of(monkeypatch):
    """Levels in dB that the air of a clip is colored with, `(8,)`."""
    colors = []

    def colored(draws, length, octaves_db):
        colors.append(np.array(octaves_db))
        return draws.noise(length)

    monkeypatch.setattr(acoustics, "colored", colored)

    def air(number, hall, spread):
        acoustics.factory(Draws("clip", number), hall, 1600, spread)
        return colors[-1]

    return air


def test_air_without_spread_is_that_of_the_hall(air_of):
    assert np.array_equal(air_of(0, "A", 0.0), air_of(1, "A", 0.0))
    for hall in "ABC":
        slopes = np.diff(air_of(0, hall, 0.0))
        assert np.all((slopes > -7.0 - 8.0) & (slopes < -5.0 + 8.0))
        assert -8.3 < slopes.mean() < -3.7
    assert np.abs(air_of(0, "A", 0.0) - air_of(0, "B", 0.0)).max() > 1.0


def test_air_of_a_clip_deviates_from_that_of_its_hall_by_the_spread(air_of):
    largest = np.array([8.0, 8.0, 7.0, 5.0, 3.0, 2.0, 1.5, 1.5])
    found = []
    for number in range(20):
        deviation = air_of(number, "A", 1.0) - air_of(number, "A", 0.0)
        wider = air_of(number, "A", 2.3) - air_of(number, "A", 0.0)
        np.testing.assert_allclose(wider, 2.3 * deviation, atol=1e-9)
        found.append(deviation / largest)
    assert np.abs(found).max() <= 1.0
    assert np.all(np.max(found, axis=0) > 0.5)
    assert np.all(np.min(found, axis=0) < -0.5)
