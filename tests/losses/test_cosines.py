"""Cosines and unit vectors, and the zero vector."""

import numpy as np
import tensorflow as tf

from asdkeras.losses.cosines import cosines_to_centers, unit_vectors


def test_cosines_are_sorted_by_class_and_then_by_subcluster():
    rng = np.random.default_rng(0)
    embeddings, centers = rng.normal(size=(4, 8)), rng.normal(size=(8, 6))

    cosines = cosines_to_centers(tf.constant(embeddings), tf.constant(centers), num_classes=3)

    assert cosines.shape == (4, 3, 2)
    for clip, label, subcluster in np.ndindex(4, 3, 2):
        center = centers[:, 2 * label + subcluster]
        expected = embeddings[clip] @ center
        expected /= np.linalg.norm(embeddings[clip]) * np.linalg.norm(center)
        np.testing.assert_allclose(cosines[clip, label, subcluster], expected, rtol=1e-12)


def test_zero_vector_stays_zero_with_a_finite_gradient():
    zeros = tf.zeros((2, 3))

    with tf.GradientTape() as tape:
        tape.watch(zeros)
        total = tf.reduce_sum(unit_vectors(zeros, axis=-1))
    gradient = tape.gradient(total, zeros)

    assert float(total) == 0.0
    assert np.all(np.isfinite(gradient))
