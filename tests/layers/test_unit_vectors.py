"""UnitVectors: length 1, or nothing to scale, as scikit-learn has it."""

import keras
import numpy as np
import pytest
from sklearn.preprocessing import normalize

from asdkeras.dsp.precision import single_precision
from asdkeras.layers.unit_vectors import UnitVectors
from tests.contracts import check_layer


def drawn_vectors():
    return np.random.default_rng(0).normal(size=(5, 4)) * np.geomspace(1e-6, 1e6, 5)[:, None]


def test_vectors_are_divided_by_their_length():
    vectors = drawn_vectors()
    expected = [vector / np.sqrt(sum(value * value for value in vector)) for vector in vectors]
    np.testing.assert_allclose(UnitVectors()(vectors), expected, rtol=1e-12)


def test_every_vector_of_a_tensor_is_scaled():
    vectors = drawn_vectors()
    found = UnitVectors()(np.stack([vectors, -vectors], axis=1))
    unit = np.asarray(UnitVectors()(vectors))
    np.testing.assert_array_equal(found, np.stack([unit, -unit], axis=1))


@pytest.mark.parametrize("length", [0.0, 1e-15, 2.2e-15, 2.3e-15, 1e-12])
def test_vectors_without_direction_stay_as_in_scikit_learn(length):
    vectors = np.array([[0.6, 0.8], [1.0, 0.0]]) * length
    np.testing.assert_allclose(UnitVectors()(vectors), normalize(vectors), rtol=1e-12)
    with single_precision():
        np.testing.assert_allclose(UnitVectors()(vectors), normalize(vectors), rtol=1e-6)


def test_vectors_are_in_the_working_precision_from_either():
    vectors = drawn_vectors().astype("float32")
    layer = UnitVectors()
    found = layer(vectors)
    assert keras.backend.standardize_dtype(found.dtype) == "float64"
    np.testing.assert_allclose(found, normalize(vectors.astype(np.float64)), rtol=1e-12)
    with single_precision():
        single = layer(vectors)
        assert layer(keras.Input((4,))).dtype == "float32"
    assert keras.backend.standardize_dtype(single.dtype) == "float32"
    np.testing.assert_allclose(single, found, rtol=1e-6)


def test_layer_contract():
    vectors = drawn_vectors()[:4].astype("float32")  # The last one is beyond half precision.
    check_layer(UnitVectors(), vectors, output_shape=(4, 4))
