"""SubClusterAdaCos: the authors' numbers, the definition in plain NumPy, the invariances."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from asdkeras.losses.sub_cluster_adacos import SubClusterAdaCos, adapted_scale
from tests.contracts import check_layer

NUM_CLASSES, DIM = 5, 8


@pytest.fixture(autouse=True)
def _same_centers_in_every_run():
    keras.utils.set_random_seed(0)


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(6, DIM)).astype("float32")
    labels = np.eye(NUM_CLASSES, dtype="float32")[rng.integers(NUM_CLASSES, size=6)]
    return embeddings, labels


def built(centers, num_classes=NUM_CLASSES, **arguments):
    """A layer with given centers, `(dim, num_classes * num_subclusters)`."""
    layer = SubClusterAdaCos(num_classes, centers.shape[1] // num_classes, **arguments)
    layer.build((None, len(centers)))
    layer.centers.assign(centers)
    return layer


def probabilities_by_definition(embedding, centers, scale, num_subclusters):
    """P(class) of one embedding, written as the paper says it, in float64."""
    embedding = embedding / np.linalg.norm(embedding)
    weights = [np.exp(scale * embedding @ (c / np.linalg.norm(c))) for c in centers.T]
    by_class = np.reshape(weights, (-1, num_subclusters)).sum(axis=1)
    return by_class / by_class.sum()


@pytest.mark.parametrize("num_subclusters", [1, 4])
def test_softmax_of_logits_is_the_definition(batch, num_subclusters):
    embeddings, labels = batch
    layer = SubClusterAdaCos(NUM_CLASSES, num_subclusters)

    probabilities = ops.softmax(layer(embeddings, labels))

    centers, scale = np.float64(layer.centers.numpy()), float(layer.scale)
    expected = [
        probabilities_by_definition(e, centers, scale, num_subclusters)
        for e in embeddings.astype("float64")
    ]
    np.testing.assert_allclose(probabilities, expected, rtol=1e-5)


def scale_by_definition(cosines, labels, scale):
    """The adapted scale in float64; `cosines` is (batch, classes, subclusters)."""
    log_mean_of_sums = np.log(np.exp(scale * cosines).sum(axis=(1, 2)).mean())
    angles = np.arccos(cosines).sum(axis=-1)
    label_angles = (labels != 0).sum(axis=1) * (labels * angles).sum(axis=1)
    median = np.sort(label_angles)[round((len(label_angles) - 1) / 2)]
    return log_mean_of_sums / np.cos(min(median, np.pi / 4))


def training_case(spread, num_subclusters, num_clips):
    """Embeddings, labels and centers; `spread` None gives random directions."""
    rng = np.random.default_rng(0)
    classes = rng.integers(NUM_CLASSES, size=num_clips)
    labels = np.eye(NUM_CLASSES)[classes]
    labels[:3] = 0.9 * labels[:3] + 0.1 * np.roll(labels[:3], 1, axis=1)
    if spread is None:
        centers = rng.normal(size=(16, NUM_CLASSES * num_subclusters))
        return rng.normal(size=(num_clips, 16)), labels, centers
    base = rng.normal(size=(16, NUM_CLASSES))
    base /= np.linalg.norm(base, axis=0)
    centers = np.repeat(base, num_subclusters, axis=1)
    centers += spread * rng.normal(size=centers.shape) * (num_subclusters > 1)
    return base.T[classes] + 0.12 * rng.normal(size=(num_clips, 16)), labels, centers


# near: the median angle decides. crowded: their sum is capped, their mean is not.
# far: random directions, as at the start of training. Even and odd batches of every
# parity of the tie, and a last batch of one.
@pytest.mark.parametrize("scale_update", ["guarded", "reference"])
@pytest.mark.parametrize(
    ("spread", "num_subclusters", "num_clips"),
    [(0.0, 1, 8), (0.0, 1, 6), (0.0, 1, 7), (0.05, 2, 8), (None, 16, 8), (None, 4, 1)],
    ids=["near", "near lower middle", "near odd", "crowded", "far", "one clip"],
)
def test_training_moves_the_scale_as_defined(spread, num_subclusters, num_clips, scale_update):
    embeddings, labels, centers = training_case(spread, num_subclusters, num_clips)
    layer = built(centers, scale_update=scale_update)
    directions = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    cosines = directions @ (centers / np.linalg.norm(centers, axis=0))
    cosines = cosines.reshape(num_clips, NUM_CLASSES, num_subclusters)
    scale = np.sqrt(2) * np.log(NUM_CLASSES * num_subclusters - 1)
    np.testing.assert_allclose(layer.scale, scale, rtol=1e-6)

    for _ in range(3):
        logits = layer(embeddings.astype("float32"), labels.astype("float32"), training=True)
        scale = scale_by_definition(cosines, labels, scale)
        np.testing.assert_allclose(layer.scale, scale, rtol=1e-5)
        expected = np.log(np.exp(scale * cosines).sum(axis=-1))
        np.testing.assert_allclose(logits, expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("num_classes", "num_subclusters", "start"),
    [(42, 1, 5.2518), (42, 16, 9.2048), (199, 2, 8.4626), (199, 16, 11.4065)],
)
def test_scale_starts_at_the_value_of_the_fact_sheet(num_classes, num_subclusters, start):
    layer = SubClusterAdaCos(num_classes, num_subclusters)
    layer.build((None, DIM))
    assert float(layer.scale) == pytest.approx(start, abs=1e-4)


@pytest.mark.parametrize(
    ("scale_update", "start"), [("guarded", 0.5), ("fixed", 0.5), ("reference", 0.0)]
)
def test_scale_of_two_centers_starts_at_the_floor_unless_as_in_the_reference(scale_update, start):
    layer = SubClusterAdaCos(2, 1, scale_update=scale_update)
    layer.build((None, DIM))
    assert float(layer.scale) == start


def aligned_batch(num_clips=64, scale=60.0, **arguments):
    """A batch on its own centers, where the reference scale grows without bound."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(DIM, NUM_CLASSES)).astype("float32")
    classes = rng.integers(NUM_CLASSES, size=num_clips)
    labels = np.eye(NUM_CLASSES, dtype="float32")[classes]
    labels = 0.5 * labels + 0.5 * np.roll(labels, 1, axis=1)
    layer = built(centers, **arguments)
    layer.scale.assign(scale)
    return layer, centers.T[classes], labels


def test_guard_stops_at_the_ceiling_and_counts():
    layer, embeddings, labels = aligned_batch()

    for _ in range(3):
        layer(embeddings, labels, training=True)

    assert float(layer.scale) == 64.0
    assert float(layer.scale_clamped) == 3.0


def test_guard_stops_at_the_floor_and_counts():
    layer, _, labels = aligned_batch(scale_floor=3.0, scale=3.0)
    opposite = np.tile(-layer.unit_centers().sum(axis=(0, 1)), (64, 1))

    layer(opposite, labels, training=True)

    assert float(layer.scale) == 3.0
    assert float(layer.scale_clamped) == 1.0


def test_guard_leaves_an_update_within_its_bounds_alone(batch):
    guarded = SubClusterAdaCos(NUM_CLASSES, 4)
    reference = SubClusterAdaCos(NUM_CLASSES, 4, scale_update="reference")
    guarded(*batch)
    reference(*batch)
    reference.set_weights(guarded.get_weights())

    for _ in range(5):
        guarded(*batch, training=True)
        reference(*batch, training=True)

        assert float(guarded.scale) == float(reference.scale)
    assert float(guarded.scale_clamped) == 0.0


def test_reference_scale_leaves_the_finite_numbers_where_the_guard_does_not():
    reference, embeddings, labels = aligned_batch(scale_update="reference")
    guarded, _, _ = aligned_batch()

    for _ in range(400):
        reference(embeddings, labels, training=True)
    for _ in range(5):
        logits = guarded(embeddings, labels, training=True)

    assert not np.isfinite(float(reference.scale))
    assert np.all(np.isfinite(logits))


def test_guard_skips_an_update_that_is_not_finite(batch):
    embeddings, labels = batch
    layer = SubClusterAdaCos(NUM_CLASSES, 4)
    layer(embeddings, labels)
    before = float(layer.scale)

    layer(np.full_like(embeddings, np.nan), labels, training=True)

    assert float(layer.scale) == before
    assert float(layer.scale_clamped) == 1.0


def test_fixed_scale_stays(batch):
    layer = SubClusterAdaCos(NUM_CLASSES, 4, scale_update="fixed")
    layer(*batch, training=True)
    assert float(layer.scale) == pytest.approx(math.sqrt(2) * math.log(NUM_CLASSES * 4 - 1))
    assert float(layer.scale_clamped) == 0.0


def test_length_of_an_embedding_is_irrelevant(batch):
    embeddings, labels = batch
    layer = SubClusterAdaCos(NUM_CLASSES, 4)
    np.testing.assert_allclose(
        layer(embeddings, labels), layer(100.0 * embeddings, labels), rtol=1e-5
    )


def test_length_of_a_center_is_irrelevant(batch):
    layer = SubClusterAdaCos(NUM_CLASSES, 4)
    before = layer(*batch)
    layer.centers.assign(layer.centers * np.linspace(0.5, 2.0, NUM_CLASSES * 4))
    np.testing.assert_allclose(layer(*batch), before, rtol=1e-5)


def test_order_of_the_batch_is_irrelevant_to_the_scale(batch):
    embeddings, labels = batch
    scales = []
    for order in [np.arange(6), np.arange(6)[::-1]]:
        keras.utils.set_random_seed(0)
        layer = SubClusterAdaCos(NUM_CLASSES, 4)
        layer(embeddings[order], labels[order], training=True)
        scales.append(float(layer.scale))
    assert scales[0] == pytest.approx(scales[1], rel=1e-6)


def test_scale_rests_at_inference(batch):
    layer = SubClusterAdaCos(NUM_CLASSES, 4)
    layer(*batch)
    before = float(layer.scale)
    layer(*batch)
    assert float(layer.scale) == before


def test_a_frozen_head_keeps_its_scale_until_it_is_trained_again(batch):
    layer = SubClusterAdaCos(NUM_CLASSES, 4)
    layer(*batch)
    before = float(layer.scale)
    layer.trainable = False

    layer(*batch, training=True)
    assert float(layer.scale) == before

    layer.trainable = True
    layer(*batch, training=True)
    assert float(layer.scale) != before


def test_scale_moves_once_per_step_of_a_compiled_model(batch):
    embeddings, labels = batch
    by_hand = SubClusterAdaCos(NUM_CLASSES, 4)
    by_hand(embeddings, labels)
    inputs = [keras.Input((DIM,)), keras.Input((NUM_CLASSES,))]
    layer = SubClusterAdaCos(NUM_CLASSES, 4)
    model = keras.Model(inputs, layer(*inputs))
    model.compile(keras.optimizers.SGD(0.0), loss="mse")
    layer.centers.assign(by_hand.centers)

    for _ in range(2):
        model.train_on_batch([embeddings, labels], labels)
        by_hand(embeddings, labels, training=True)

    assert float(layer.scale) == pytest.approx(float(by_hand.scale), rel=1e-6)


@pytest.mark.parametrize("trainable", [True, False])
def test_centers_train_only_if_asked(batch, trainable):
    layer = SubClusterAdaCos(NUM_CLASSES, 4, trainable_centers=trainable)
    layer(*batch)
    names = [weight.name for weight in layer.trainable_weights]
    assert names == (["centers"] if trainable else [])


def test_centers_train_by_default(batch):
    layer = SubClusterAdaCos(NUM_CLASSES, 4)
    layer(*batch)
    assert len(layer.trainable_weights) == 1


def test_scale_is_finite_when_cosines_round_to_above_one():
    labels = np.eye(NUM_CLASSES, dtype="float32")
    cosines = (1.0 + 2e-7) * labels[..., None]
    assert np.isfinite(adapted_scale(cosines, labels, 5.0))


def test_angles_are_summed_over_the_subclusters_of_the_labelled_class():
    labels = np.eye(NUM_CLASSES)[[0, 2, 4, 4, 1]]
    cosines = np.where(labels[..., None] > 0, np.cos([0.1, 0.2, 0.3]), -0.5)
    scale = adapted_scale(cosines.astype("float32"), labels.astype("float32"), 5.0)
    np.testing.assert_allclose(scale, scale_by_definition(cosines, labels, 5.0), rtol=1e-5)


def test_unit_centers_are_sorted_by_class():
    centers = np.random.default_rng(0).normal(size=(DIM, NUM_CLASSES * 3)).astype("float32")
    layer = built(centers)

    unit_centers = layer.unit_centers()

    assert unit_centers.shape == (NUM_CLASSES, 3, DIM)
    expected = centers[:, 2 * 3 + 1] / np.linalg.norm(centers[:, 2 * 3 + 1])
    np.testing.assert_allclose(unit_centers[2, 1], expected, rtol=1e-6)


def test_logits_stay_float32_under_a_half_precision_policy(batch):
    layer = SubClusterAdaCos(NUM_CLASSES, 4, dtype="mixed_float16")
    embeddings, labels = batch

    logits = layer((1e-3 * embeddings).astype("float16"), labels, training=True)

    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    assert {str(weight.dtype) for weight in layer.weights} == {"float32"}
    single = built(layer.centers.numpy())
    np.testing.assert_allclose(
        logits,
        single((1e-3 * embeddings).astype("float16").astype("float32"), labels, training=True),
        rtol=1e-6,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 1}, r"at least 2.*Received: num_classes=1"),
        ({"num_subclusters": 0}, r"at least 1.*Received: num_subclusters=0"),
        ({"scale_update": "guard"}, r"guarded.*Received: scale_update='guard'"),
        ({"scale_floor": 0.0}, r"scale_floor.*Received: scale_floor=0.0"),
        ({"scale_ceiling": 0.1}, r"scale_ceiling.*scale_ceiling=0.1"),
    ],
)
def test_wrong_argument_is_refused_with_the_reason(arguments, message):
    with pytest.raises(ValueError, match=message):
        SubClusterAdaCos(**{"num_classes": 5, "num_subclusters": 4, **arguments})


@pytest.mark.parametrize("scale_update", ["guarded", "reference", "fixed"])
def test_layer_contract(batch, scale_update):
    layer = SubClusterAdaCos(NUM_CLASSES, 4, scale_update=scale_update)
    check_layer(layer, *batch, output_shape=(6, NUM_CLASSES))
