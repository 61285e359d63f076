"""Mean and variance of bands against exact fractions, and of bands that never change."""

from fractions import Fraction

import numpy as np
import pytest

from asdkeras.data.moments import band_moments


def naive_moments(rows):
    """Mean and variance of each band, in exact fractions of numbers."""
    means, variances = [], []
    for band in rows.T:
        values = [Fraction(float(value)) for value in band]
        mean = sum(values) / len(values)
        means.append(float(mean))
        variances.append(float(sum((value - mean) ** 2 for value in values) / len(values)))
    return {"mean": means, "variance": variances}


def drawn(offset=0.0, count=60):
    rows = np.random.default_rng(0).normal(size=(count, 3)) * [1.0, 10.0, 0.1]
    return (rows + offset + np.arange(count)[:, None] / 10).astype("float32")


@pytest.mark.parametrize("cuts", [[], [1], [20, 40], list(range(1, 60))])
def test_moments_are_those_of_all_rows_whatever_the_blocks(cuts):
    moments = band_moments(iter(np.split(drawn(), cuts)))

    assert {name: values.dtype for name, values in moments.items()} == {
        "mean": np.float64,
        "variance": np.float64,
    }
    for name, expected in naive_moments(drawn()).items():
        np.testing.assert_allclose(moments[name], expected, rtol=1e-12)


def test_blocks_may_have_any_axes_before_the_bands():
    blocks = [drawn().reshape(4, 15, 3)[:3], drawn().reshape(4, 15, 3)[3:]]

    for name, expected in naive_moments(drawn()).items():
        np.testing.assert_allclose(band_moments(blocks)[name], expected, rtol=1e-12)


def test_a_small_variance_far_from_zero_keeps_its_digits():
    # The mean of the squares less the square of the mean would leave none of them.
    rows = (1e6 + 0.25 * np.round(drawn())).astype("float32")

    moments = band_moments(np.split(rows, 7 * np.arange(1, 8)))

    for name, expected in naive_moments(rows).items():
        np.testing.assert_allclose(moments[name], expected, rtol=1e-9)


@pytest.mark.parametrize("num_blocks", [1, 7])
def test_a_band_that_never_changes_keeps_its_scale(num_blocks):
    rows = np.full((2100, 3), [0.1, -100.0, 0.0], "float32")
    rows[::2, 2] = 0.001  # Of variance 2.5e-7: rounding, and no sound.

    moments = band_moments(np.split(rows, num_blocks))

    assert moments["mean"][:2].tolist() == rows[0, :2].astype("float64").tolist()
    assert moments["variance"].tolist() == [1.0, 1.0, 1.0]


def test_a_faint_band_is_standardized():
    rows = np.zeros((10, 1), "float32")
    rows[::2] = 0.01

    assert band_moments([rows])["variance"] == pytest.approx([2.5e-5], rel=1e-6)
