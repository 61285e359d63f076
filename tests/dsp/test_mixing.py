"""Mixing a batch with itself in reversed order."""

import numpy as np

from asdkeras.dsp.mixing import mix


def test_partner_is_the_clip_as_far_from_the_other_end():
    values = np.array([[0.0, 1.0], [10.0, 11.0], [20.0, 21.0]])
    weights = np.array([[1.0], [0.3], [0.25]])

    mixed = mix(values, weights)

    np.testing.assert_allclose(mixed, [[0.0, 1.0], [10.0, 11.0], [5.0, 6.0]])
