"""Arithmetic of the generated corpus: accurate enough to be sound, exact enough to be the same."""

import numpy as np
import pytest

from asdkeras.corpus.machines import exact

RNG = np.random.default_rng(0)


def test_sine_and_cosine_are_those_of_turns():
    cycles = RNG.uniform(-1e4, 1e4, size=10_000)

    # The series stops after eleven powers, so 6e-8 is the best it can do.
    np.testing.assert_allclose(exact.sine(cycles), np.sin(2 * np.pi * cycles), atol=1e-7)
    np.testing.assert_allclose(exact.cosine(cycles), np.cos(2 * np.pi * cycles), atol=1e-7)


def test_sine_leaves_its_argument_alone():
    cycles = np.array([0.3, 0.7])
    exact.sine(cycles)
    np.testing.assert_array_equal(cycles, [0.3, 0.7])


def test_exponential_is_that_of_numpy():
    x = RNG.uniform(-60, 20, size=10_000)
    np.testing.assert_allclose(exact.exponential(x), np.exp(x), rtol=1e-9)


def test_twenty_decibels_are_a_factor_of_ten():
    assert exact.from_decibels(20.0) == pytest.approx(10.0, rel=1e-9)
    assert exact.from_decibels(-20.0) == pytest.approx(0.1, rel=1e-9)


@pytest.mark.parametrize(("length", "num_taps"), [(1, 1), (7, 12), (1000, 1), (5000, 801)])
def test_convolution_is_the_sum_of_products(length, num_taps):
    signal, taps = RNG.normal(size=length), RNG.normal(size=num_taps)

    expected = np.convolve(signal, taps)[:length]

    # Both operands are rounded to 14 bits of their peak.
    tolerance = 2.0**-13 * np.abs(signal).max() * np.abs(taps).sum()
    np.testing.assert_allclose(exact.convolve(signal, taps), expected, atol=tolerance)


def test_convolution_of_small_whole_numbers_is_exact():
    signal = RNG.integers(-100, 101, size=30_000).astype(float)
    taps = RNG.integers(-100, 101, size=700).astype(float)
    np.testing.assert_array_equal(
        exact.convolve(signal, taps), np.convolve(signal, taps)[: len(signal)]
    )


def test_level_is_the_root_mean_square():
    signal = 0.013 * RNG.normal(size=4000)
    assert exact.level(signal) == pytest.approx(np.sqrt(np.mean(signal**2)), rel=1e-4)
    assert exact.level(exact.at_level(signal, 0.5)) == pytest.approx(0.5, rel=1e-5)


def test_silence_stays_silent():
    np.testing.assert_array_equal(exact.at_level(np.zeros(10)), np.zeros(10))


def test_draws_depend_on_every_word_of_the_identity():
    values = {exact.Draws(*words).uniform() for words in [(0, "a"), (1, "a"), (0, "b"), ("0a",)]}
    assert len(values) == 4
    assert exact.Draws(0, "a").uniform() == exact.Draws(0, "a").uniform()


def test_draws_have_the_announced_range_and_moments():
    draws = exact.Draws("moments")

    uniform, noise = draws.uniforms(100_000, -2.0, 4.0), draws.noise(100_000)
    whole = [draws.integer(3, 5) for _ in range(300)]

    assert -2.0 <= uniform.min() < -1.99
    assert 3.99 < uniform.max() < 4.0
    assert np.mean(noise) == pytest.approx(0.0, abs=0.02)
    assert np.std(noise) == pytest.approx(1.0, abs=0.02)
    assert np.abs(np.corrcoef(noise[1:], noise[:-1])[0, 1]) < 0.02
    assert set(whole) == {3, 4, 5}
    assert sorted(draws.permutation(9)) == list(range(9)) != draws.permutation(9)


def test_stream_of_draws_is_frozen():
    draws = exact.Draws(0, "clip", "x")
    # A changed stream would silently make another corpus.
    assert [draws.uniform(), draws.uniform(5, 7)] == [0.9328283288049872, 5.527353776756167]
