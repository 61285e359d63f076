"""The update AdaCos was published with: the definition, several centers, mixed labels."""

import numpy as np
import pytest

from asdkeras.losses.sub_cluster_adacos import SubClusterAdaCos, adapted_scale_2019
from tests.contracts import check_layer

NUM_CLASSES, DIM = 5, 8


def built(centers, **arguments):
    layer = SubClusterAdaCos(
        NUM_CLASSES, centers.shape[1] // NUM_CLASSES, scale_update="adacos2019", **arguments
    )
    layer.build((None, DIM))
    layer.centers.assign(centers)
    return layer


def scale_by_definition(cosines, labels, scale):
    """The published update in float64; `cosines` is (batch, classes, subclusters)."""
    total, angles = 0.0, []
    for clip_cosines, clip_labels in zip(cosines, labels, strict=True):
        angle = 0.0
        for own_cosines, label in zip(clip_cosines, clip_labels, strict=True):
            if label == 0:
                total += np.exp(scale * own_cosines).sum()
            angle += label * np.arccos(own_cosines).min()
        angles.append(angle)
    median = sorted(angles)[round((len(angles) - 1) / 2)]
    return np.log(total / len(cosines)) / np.cos(min(median, np.pi / 4))


# near: the median angle decides. far: the cap does.
@pytest.mark.parametrize("num_subclusters", [1, 3])
@pytest.mark.parametrize("is_mixed", [False, True])
@pytest.mark.parametrize("spread", [0.2, 9.0], ids=["near", "far"])
def test_training_moves_the_scale_as_defined(spread, is_mixed, num_subclusters):
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(DIM, NUM_CLASSES * num_subclusters))
    classes = rng.integers(NUM_CLASSES, size=6)
    labels = np.eye(NUM_CLASSES)[classes]
    if is_mixed:
        labels[:3] = 0.9 * labels[:3] + 0.1 * np.roll(labels[:3], 1, axis=1)
    embeddings = centers.T[classes * num_subclusters] + spread * rng.normal(size=(6, DIM))
    layer = built(centers)
    directions = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    cosines = directions @ (centers / np.linalg.norm(centers, axis=0))
    cosines = cosines.reshape(6, NUM_CLASSES, num_subclusters)
    scale = np.sqrt(2) * np.log(NUM_CLASSES - 1)
    np.testing.assert_allclose(layer.scale, scale, rtol=1e-6)

    for _ in range(3):
        logits = layer(np.float32(embeddings), np.float32(labels), training=True)
        scale = max(scale_by_definition(cosines, labels, scale), 0.5)
        np.testing.assert_allclose(layer.scale, scale, rtol=1e-5)
        expected = np.log(np.exp(scale * cosines).sum(axis=-1))
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-6)


def test_own_class_near_its_center_does_not_raise_the_scale():
    labels = np.eye(NUM_CLASSES, dtype="float32")
    near, far = (np.where(labels > 0, own, 0.1)[..., None].astype("float32") for own in (0.99, 0.8))
    assert float(adapted_scale_2019(near, labels, 30.0)) < float(
        adapted_scale_2019(far, labels, 30.0)
    )


def test_batch_without_rivals_leaves_the_scale_and_is_counted():
    rng = np.random.default_rng(0)
    layer = built(rng.normal(size=(DIM, NUM_CLASSES)))
    before = float(layer.scale)
    labels = np.full((4, NUM_CLASSES), 0.2, "float32")

    logits = layer(rng.normal(size=(4, DIM)), labels, training=True)

    assert float(layer.scale) == before
    assert float(layer.scale_clamped) == 1.0
    assert np.all(np.isfinite(logits))


def test_batch_without_rivals_has_a_scale_that_the_guard_sees():
    scale = adapted_scale_2019(np.full((2, 2, 1), 0.5, "float32"), np.full((2, 2), 0.5), 1.0)
    assert float(scale) == -np.inf


def test_guard_stops_at_the_floor_and_the_ceiling():
    rng = np.random.default_rng(0)
    centers = np.abs(rng.normal(size=(DIM, NUM_CLASSES)))
    labels = np.eye(NUM_CLASSES, dtype="float32")
    low, high = built(centers), built(centers, scale_ceiling=1.0)

    low(-centers.T, labels, training=True)
    high(centers.T, labels, training=True)

    assert (float(low.scale), float(high.scale)) == (0.5, 1.0)
    assert (float(low.scale_clamped), float(high.scale_clamped)) == (1.0, 1.0)


def test_two_classes_start_at_the_floor():
    layer = SubClusterAdaCos(2, 1, scale_update="adacos2019")
    layer.build((None, DIM))
    assert float(layer.scale) == 0.5


def test_layer_contract():
    rng = np.random.default_rng(0)
    labels = np.eye(NUM_CLASSES, dtype="float32")[[0, 3, 2]]
    layer = SubClusterAdaCos(NUM_CLASSES, 2, scale_update="adacos2019")
    check_layer(layer, rng.normal(size=(3, DIM)).astype("float32"), labels, output_shape=(3, 5))
