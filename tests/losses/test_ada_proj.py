"""AdaProj: the definition in plain NumPy, and what must never matter."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from asdkeras.losses.ada_proj import AdaProj, adapted_scale
from asdkeras.losses.mixed_cross_entropy import MixedCrossEntropy
from tests.contracts import check_layer

NUM_CLASSES, DIM, SUBSPACE = 5, 16, 3


@pytest.fixture(autouse=True)
def _same_centers_in_every_run():
    keras.utils.set_random_seed(0)


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(7, DIM)).astype("float32")
    labels = np.eye(NUM_CLASSES, dtype="float32")[rng.integers(NUM_CLASSES, size=7)]
    return embeddings, labels


def built(centers, num_classes=NUM_CLASSES, **arguments):
    """A layer with given centers, `(dim, num_classes * subspace_dimension)`."""
    layer = AdaProj(num_classes, centers.shape[1] // num_classes, **arguments)
    layer.build((None, len(centers)))
    layer.centers.assign(centers)
    return layer


def cosines_by_definition(embeddings, centers, num_classes=NUM_CLASSES):
    """Cosine of each embedding to its projection, one at a time, in float64."""
    size = centers.shape[1] // num_classes
    cosines = np.zeros((len(embeddings), num_classes))
    for clip, label in np.ndindex(cosines.shape):
        x = np.float64(embeddings[clip]) / np.linalg.norm(embeddings[clip])
        projection = np.zeros(len(x))
        for center in np.float64(centers).T[label * size : (label + 1) * size]:
            unit = center / np.linalg.norm(center)
            projection += (x @ unit) * unit
        cosines[clip, label] = x @ projection / np.linalg.norm(projection)
    return cosines


def scale_by_definition(cosines, labels, scale):
    """The adapted scale in float64; `cosines` is (batch, classes)."""
    sums, angles = [], []
    for clip_cosines, clip_labels in zip(cosines, labels, strict=True):
        pairs = list(zip(clip_cosines, clip_labels, strict=True))
        sums.append(sum(1.0 if label == 1 else np.exp(scale * c) for c, label in pairs))
        angles.append(sum(label * np.arccos(c) for c, label in pairs))
    median = sorted(angles)[round((len(angles) - 1) / 2)]
    return np.log(np.mean(sums)) / np.cos(min(median, np.pi / 4))


@pytest.mark.parametrize("subspace", [1, 3, 15])
def test_logits_are_the_scaled_cosines_of_the_definition(batch, subspace):
    layer = AdaProj(NUM_CLASSES, subspace)

    logits = layer(*batch)

    cosines = cosines_by_definition(batch[0], layer.centers.numpy())
    np.testing.assert_allclose(logits, float(layer.scale) * cosines, rtol=1e-5)


def training_case(spread, num_clips, is_mixed):
    """Embeddings beside their subspaces; a large `spread` makes the directions random."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(DIM, NUM_CLASSES * SUBSPACE))
    classes = rng.integers(NUM_CLASSES, size=num_clips)
    own = centers.reshape(DIM, NUM_CLASSES, SUBSPACE)[:, classes]
    inside = np.einsum("dnj,nj->nd", own, rng.normal(size=(num_clips, SUBSPACE)))
    embeddings = inside + spread * rng.normal(size=(num_clips, DIM))
    labels = np.eye(NUM_CLASSES)[classes]
    if is_mixed:
        labels[1:4] = 0.9 * labels[1:4] + 0.1 * np.roll(labels[1:4], 1, axis=1)
    return embeddings, labels, centers


# near: the median angle decides. far: the cap does. Even and odd batches of every parity
# of the tie, and a last batch of one.
@pytest.mark.parametrize("scale_update", ["guarded", "reference"])
@pytest.mark.parametrize(
    ("spread", "num_clips", "is_mixed"),
    [(0.4, 8, False), (0.4, 6, False), (0.4, 7, True), (0.4, 1, False), (9.0, 8, True)],
    ids=["near", "near lower middle", "near mixed", "one clip", "far"],
)
def test_training_moves_the_scale_as_defined(spread, num_clips, is_mixed, scale_update):
    embeddings, labels, centers = training_case(spread, num_clips, is_mixed)
    layer = built(centers, scale_update=scale_update)
    cosines = cosines_by_definition(embeddings, centers)
    scale = np.sqrt(2) * np.log(NUM_CLASSES * SUBSPACE - 1)

    for _ in range(3):
        logits = layer(embeddings.astype("float32"), labels.astype("float32"), training=True)
        scale = scale_by_definition(cosines, labels, scale)
        np.testing.assert_allclose(layer.scale, scale, rtol=1e-5)
        np.testing.assert_allclose(logits, scale * cosines, rtol=1e-5)


def test_own_class_counts_as_zero_only_where_the_label_is_exactly_one():
    cosines = np.full((4, NUM_CLASSES), 0.5)
    exact = np.eye(NUM_CLASSES)[:4]
    almost = 0.999 * exact
    scales = [adapted_scale(*np.float32([cosines, labels]), 20.0) for labels in (exact, almost)]

    assert float(scales[0]) == pytest.approx(scale_by_definition(cosines, exact, 20.0), rel=1e-5)
    assert float(scales[1]) == pytest.approx(scale_by_definition(cosines, almost, 20.0), rel=1e-5)
    # ln(5 e^10) and ln(4 e^10 + 1), each over the cosine of the cap.
    assert float(scales[1] / scales[0]) == pytest.approx(
        (10 + np.log(5)) / (10 + np.log(4)), rel=1e-4
    )


# A loss at the scale of the batch, as if the scale were a constant: what the released
# code differentiates.
def test_gradients_are_the_slopes_of_the_definition_at_a_constant_scale():
    embeddings, labels, centers = training_case(0.4, 4, is_mixed=True)
    layer = built(centers, trainable_centers=True)
    inputs = tf.constant(embeddings, "float32")
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        logits = layer(inputs, np.float32(labels), training=True)
        loss = keras.ops.sum(MixedCrossEntropy(reduction=None)(labels, logits))
    gradients = tape.gradient(loss, [inputs, layer.centers.value])
    scale = scale_by_definition(
        cosines_by_definition(embeddings, centers), labels, np.sqrt(2) * np.log(14)
    )

    def loss_at(embeddings, centers):
        logits = scale * cosines_by_definition(embeddings, centers)
        return -(labels * (logits - np.log(np.exp(logits).sum(1, keepdims=True)))).sum()

    step = 1e-5
    for array, gradient in zip((embeddings, centers), gradients, strict=True):
        for index in [(0, 0), (1, 2), (3, 5), (2, 14), (3, 1)]:
            start = array[index]
            array[index] = start + step
            above = loss_at(embeddings, centers)
            array[index] = start - step
            slope = (above - loss_at(embeddings, centers)) / (2 * step)
            array[index] = start
            assert float(gradient.numpy()[index]) == pytest.approx(slope, rel=1e-4, abs=1e-5)


def test_one_center_per_class_gives_the_absolute_cosine(batch):
    layer = AdaProj(NUM_CLASSES, 1)

    logits = layer(*batch)

    units = batch[0] / np.linalg.norm(batch[0], axis=1, keepdims=True)
    cosines = units @ layer.unit_centers()[:, 0].T
    assert cosines.min() < -0.1
    np.testing.assert_allclose(logits, float(layer.scale) * np.abs(cosines), rtol=1e-5)


def test_projection_is_not_orthogonal_as_in_the_released_code():
    rng = np.random.default_rng(0)
    layer = built(rng.normal(size=(512, 2 * 32)), num_classes=2)
    inside = rng.normal(size=(200, 32)) @ layer.unit_centers()[0]

    cosines = layer(inside, np.zeros((200, 2)))[:, 0] / float(layer.scale)

    # 0.975 is the fact sheet's mean; an orthogonal projection gives 1 throughout.
    assert float(np.mean(cosines)) == pytest.approx(0.975, abs=0.003)


def test_random_directions_score_as_the_dimensions_say():
    rng = np.random.default_rng(0)
    layer = AdaProj(100, 32)

    cosines = layer(rng.normal(size=(50, 512)), np.zeros((50, 100))) / float(layer.scale)

    # The mean of a random sample of 5000, about sqrt(J / D).
    assert float(np.mean(cosines)) == pytest.approx(np.sqrt(32 / 512), abs=0.01)


@pytest.mark.parametrize("factor", [100.0, -1.0])
def test_length_and_sign_of_an_embedding_are_irrelevant(batch, factor):
    embeddings, labels = batch
    layer = AdaProj(NUM_CLASSES, SUBSPACE)
    np.testing.assert_allclose(
        layer(embeddings, labels), layer(factor * embeddings, labels), rtol=1e-5
    )


def test_length_of_a_center_is_irrelevant(batch):
    layer = AdaProj(NUM_CLASSES, SUBSPACE)
    before = layer(*batch)
    layer.centers.assign(layer.centers * np.linspace(0.5, 2.0, NUM_CLASSES * SUBSPACE))
    np.testing.assert_allclose(layer(*batch), before, rtol=1e-5)


def test_new_centers_count_at_once_in_a_compiled_model(batch):
    inputs = [keras.Input((DIM,)), keras.Input((NUM_CLASSES,))]
    layer = AdaProj(NUM_CLASSES, SUBSPACE)
    model = keras.Model(inputs, layer(*inputs))
    model.predict_on_batch(list(batch))
    centers = np.random.default_rng(1).normal(size=layer.centers.shape)

    layer.centers.assign(centers)

    expected = float(layer.scale) * cosines_by_definition(batch[0], centers)
    np.testing.assert_allclose(model.predict_on_batch(list(batch)), expected, rtol=1e-5)


def test_zero_embedding_has_no_logits_and_a_finite_gradient():
    layer = AdaProj(NUM_CLASSES, SUBSPACE)
    zeros = tf.zeros((2, DIM))

    with tf.GradientTape() as tape:
        tape.watch(zeros)
        logits = layer(zeros, np.eye(NUM_CLASSES)[:2], training=True)
    gradient = tape.gradient(logits, zeros)

    np.testing.assert_array_equal(logits, 0.0)
    assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize(
    ("num_classes", "subspace", "start"),
    [(167, 16, 11.158), (167, 32, 12.139), (186, 16, 11.311), (186, 32, 12.291)],
)
def test_scale_starts_at_the_value_of_the_fact_sheet(num_classes, subspace, start):
    layer = AdaProj(num_classes, subspace)
    layer.build((None, 512))
    assert float(layer.scale) == pytest.approx(start, abs=1e-3)


def test_order_of_the_batch_is_irrelevant_to_the_scale(batch):
    embeddings, labels = batch
    centers = np.random.default_rng(1).normal(size=(DIM, NUM_CLASSES * SUBSPACE))
    first, second = built(centers), built(centers)

    first(embeddings, labels, training=True)
    second(embeddings[::-1], labels[::-1], training=True)

    assert float(first.scale) == pytest.approx(float(second.scale), rel=1e-6)


def test_scale_rests_at_inference(batch):
    layer = AdaProj(NUM_CLASSES, SUBSPACE)
    layer(*batch)
    before = float(layer.scale)
    layer(*batch)
    assert float(layer.scale) == before


def test_a_frozen_head_keeps_its_scale_until_it_is_trained_again(batch):
    layer = AdaProj(NUM_CLASSES, SUBSPACE)
    layer(*batch)
    before = float(layer.scale)
    layer.trainable = False

    layer(*batch, training=True)
    assert float(layer.scale) == before

    layer.trainable = True
    layer(*batch, training=True)
    assert float(layer.scale) != before


def test_fixed_scale_stays(batch):
    layer = AdaProj(NUM_CLASSES, SUBSPACE, scale_update="fixed")
    layer(*batch, training=True)
    assert float(layer.scale) == pytest.approx(np.sqrt(2) * np.log(14))


def test_guard_stops_at_the_ceiling_and_counts(batch):
    layer = AdaProj(NUM_CLASSES, SUBSPACE, scale_ceiling=1.0)

    layer(*batch, training=True)

    assert (float(layer.scale), float(layer.scale_clamped)) == (1.0, 1.0)


# Without cosines the update is sqrt(2) ln(5), which is 2.3.
@pytest.mark.parametrize(
    ("scale_update", "scale", "num_clamped"),
    [("guarded", 3.0, 1.0), ("reference", np.sqrt(2) * np.log(5), 0.0)],
)
def test_guard_stops_at_the_floor_and_counts(batch, scale_update, scale, num_clamped):
    layer = AdaProj(NUM_CLASSES, SUBSPACE, scale_update=scale_update, scale_floor=3.0)

    layer(np.zeros_like(batch[0]), batch[1], training=True)

    assert float(layer.scale) == pytest.approx(scale)
    assert float(layer.scale_clamped) == num_clamped


@pytest.mark.parametrize("trainable", [True, False])
def test_centers_train_only_if_asked(batch, trainable):
    layer = AdaProj(NUM_CLASSES, SUBSPACE, trainable_centers=trainable)
    layer(*batch)
    names = [weight.name for weight in layer.trainable_weights]
    assert names == (["centers"] if trainable else [])


def test_centers_are_fixed_by_default(batch):
    layer = AdaProj(NUM_CLASSES, SUBSPACE)
    layer(*batch)
    assert layer.trainable_weights == []


def test_logits_stay_float32_under_a_half_precision_policy(batch):
    layer = AdaProj(NUM_CLASSES, SUBSPACE, dtype="mixed_float16")
    half = (1e-3 * batch[0]).astype("float16")

    logits = layer(half, batch[1], training=True)

    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    assert {str(weight.dtype) for weight in layer.weights} == {"float32"}
    single = built(layer.centers.numpy())
    expected = single(half.astype("float32"), batch[1], training=True)
    np.testing.assert_allclose(logits, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 1}, r"AdaProj.*at least 2.*Received: num_classes=1"),
        ({"subspace_dimension": 0}, r"at least 1.*Received: subspace_dimension=0"),
        ({"scale_update": "adacos2019"}, r"guarded.*Received: scale_update='adacos2019'"),
        ({"scale_floor": 0.0}, r"scale_floor.*Received: scale_floor=0.0"),
    ],
)
def test_wrong_argument_is_refused_with_the_reason(arguments, message):
    with pytest.raises(ValueError, match=message):
        AdaProj(**{"num_classes": 5, "subspace_dimension": 4, **arguments})


def test_subspace_that_fills_the_space_is_refused():
    message = r"below the embeddings' dimension.*subspace_dimension=16, .* dimension 16"
    with pytest.raises(ValueError, match=message):
        AdaProj(NUM_CLASSES, 16).build((None, 16))


@pytest.mark.parametrize("scale_update", ["guarded", "reference", "fixed"])
@pytest.mark.parametrize("trainable", [True, False])
def test_layer_contract(batch, scale_update, trainable):
    layer = AdaProj(NUM_CLASSES, SUBSPACE, trainable, scale_update)
    check_layer(layer, *batch, output_shape=(7, NUM_CLASSES))
