"""DoubleCentroids: the three readings in loops, what moves the centroids, and no gradient there."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from asdkeras.losses.double_centroids import DoubleCentroids, squared_distances
from tests.contracts import check_layer
from tests.golden import load_golden

READINGS = ["two_centroid_deep_sad", "ratio", "normal_centroid"]
ROWS, DIM = 7, 4
HARD = np.float32([[1], [0], [1], [1], [0], [0], [1]])
MIXED = np.float32([[1], [0], [0.7], [1], [0.2], [0], [0.5]])


def drawn(seed, rows=ROWS, dim=DIM):
    return np.random.default_rng(seed).normal(0.3, 1.0, size=(rows, dim)).astype("float32")


class Definition:
    """The layer in float64, one embedding at a time; a centroid is None before it is set."""

    def __init__(self, momentum=0.9):
        self.momentum = momentum
        self.centroids = [None, None]

    def move(self, embeddings, labels):
        for place in (0, 1):
            total, weights = np.zeros(embeddings.shape[1]), 0.0
            for z, (y,) in zip(np.float64(embeddings), np.float64(labels), strict=True):
                weight = y if place == 0 else 1.0 - y
                total, weights = total + weight * z, weights + weight
            if weights == 0.0:
                continue
            old, mean = self.centroids[place], total / weights
            self.centroids[place] = (
                mean if old is None else self.momentum * old + (1.0 - self.momentum) * mean
            )

    def distance(self, z, place):
        return sum((a - b) ** 2 for a, b in zip(z, self.centroids[place], strict=True))

    def loss(self, embeddings, labels, reading, epsilon=1e-6):
        total = 0.0
        for z, (y,) in zip(np.float64(embeddings), np.float64(labels), strict=True):
            for place, weight in ((0, y), (1, 1.0 - y)):
                total += weight * self.loss_as(z, place, reading, epsilon)
        return total / len(embeddings)

    def loss_as(self, z, place, reading, epsilon):
        """Of an embedding taken for a positive (0) or a negative (1)."""
        has_own, has_other = (self.centroids[each] is not None for each in (place, 1 - place))
        if reading == "normal_centroid":
            if self.centroids[0] is None:
                return 0.0
            return (self.distance(z, 0) + epsilon) ** (1 if place == 0 else -1)
        if reading == "ratio":
            if not has_own or not has_other:
                return 0.0
            return self.distance(z, place) / (self.distance(z, 1 - place) + epsilon)
        loss = self.distance(z, place) + epsilon if has_own else 0.0
        return loss + (1.0 / (self.distance(z, 1 - place) + epsilon) if has_other else 0.0)


def loss_of(layer, embeddings, labels, training=True):
    layer(embeddings, labels, training=training)
    (loss,) = layer.losses
    return float(loss)


@pytest.mark.parametrize("labels", [HARD, MIXED], ids=["hard", "mixed"])
@pytest.mark.parametrize("reading", READINGS)
def test_the_losses_of_a_training_are_the_definition(reading, labels):
    layer, definition = DoubleCentroids(reading, momentum=0.6), Definition(momentum=0.6)
    for seed in range(3):
        embeddings = drawn(seed)
        definition.move(embeddings, labels)
        expected = definition.loss(embeddings, labels, reading)
        assert loss_of(layer, embeddings, labels) == pytest.approx(expected, rel=1e-5)
        np.testing.assert_allclose(layer.centroids, definition.centroids, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("reading", "candidate"),
    [
        ("two_centroid_deep_sad", "candidate_A_sum_own_plus_inverse_other"),
        ("ratio", "candidate_B_ratio_own_over_other"),
        ("normal_centroid", "candidate_C_deepsad_on_normal_centroid_only"),
    ],
)
def test_the_first_batch_has_the_recorded_loss(reading, candidate):
    golden = load_golden("ddcsad/ddcsad_candidates")
    layer = DoubleCentroids(reading)

    loss = loss_of(layer, golden["z"], golden["label_normal1"][:, None])

    assert loss == pytest.approx(float(golden[candidate]), rel=1e-6)
    centroids = [golden["batch_centroid_pos"], golden["batch_centroid_neg"]]
    np.testing.assert_allclose(layer.centroids, centroids, rtol=1e-6, atol=1e-7)


def test_around_the_positive_centroid_it_is_the_released_deep_sad():
    golden = load_golden("ddcsad/ddcsad_candidates")
    is_labeled = golden["deep_sad_semi"] != 0
    z, semi = golden["z"][is_labeled], golden["deep_sad_semi"][is_labeled]
    layer = DoubleCentroids("normal_centroid")
    layer(np.float32([golden["deep_sad_c"]]), np.float32([[1]]), training=True)

    loss = loss_of(layer, z, (semi[:, None] + 1) / 2, training=False)

    assert loss == pytest.approx(golden["deep_sad_losses"][is_labeled].mean(), rel=1e-6)


def test_no_reading_only_draws_an_embedding_to_its_own_class():
    golden = load_golden("ddcsad/ddcsad_candidates")
    for reading in READINGS:
        loss = loss_of(DoubleCentroids(reading), golden["z"], golden["label_normal1"][:, None])
        assert abs(loss - float(golden["candidate_D_within_only"])) > 0.1


def test_outputs_are_the_distances_to_the_positive_and_the_negative_centroid():
    layer, definition = DoubleCentroids(), Definition()
    embeddings = drawn(0)
    definition.move(embeddings, HARD)

    distances = layer(embeddings, HARD, training=True)

    expected = [[definition.distance(np.float64(z), place) for place in (0, 1)] for z in embeddings]
    np.testing.assert_allclose(distances, expected, rtol=1e-5)
    np.testing.assert_array_equal(layer(embeddings), distances)
    assert layer.losses == []


@pytest.mark.parametrize("reading", READINGS)
def test_in_validation_there_is_a_loss_and_nothing_moves(reading):
    layer, definition = DoubleCentroids(reading), Definition()
    layer(drawn(0), HARD, training=True)
    definition.move(drawn(0), HARD)
    before = [np.array(weight) for weight in layer.get_weights()]

    loss = loss_of(layer, drawn(1), MIXED, training=False)

    assert loss == pytest.approx(definition.loss(drawn(1), MIXED, reading), rel=1e-5)
    layer(drawn(2))
    for weight, old in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


@pytest.mark.parametrize("labels", [HARD, MIXED], ids=["hard", "mixed"])
@pytest.mark.parametrize("reading", READINGS)
def test_the_gradient_is_that_with_centroids_held(reading, labels):
    layer, definition = DoubleCentroids(reading, weight=2.0), Definition()
    layer(drawn(0), labels, training=True)
    embeddings = tf.constant(drawn(1))
    for seed in (0, 1):
        definition.move(drawn(seed), labels)

    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        layer(embeddings, labels, training=True)
        (loss,) = layer.losses
    gradient = tape.gradient(loss, embeddings)

    expected, step = np.zeros((ROWS, DIM)), 1e-5
    for place in np.ndindex(ROWS, DIM):
        shift = np.zeros((ROWS, DIM))
        shift[place] = step
        values = [definition.loss(drawn(1) + s, labels, reading) for s in (shift, -shift)]
        expected[place] = 2.0 * (values[0] - values[1]) / (2.0 * step)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5)
    assert layer.trainable_weights == []


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_a_class_that_no_batch_has_had_counts_nothing(reading, label):
    layer, definition = DoubleCentroids(reading), Definition()
    labels = np.full((ROWS, 1), label, "float32")
    definition.move(drawn(0), labels)

    loss = loss_of(layer, drawn(0), labels)

    assert loss == pytest.approx(definition.loss(drawn(0), labels, reading), rel=1e-5)
    met = [label == 1.0, label == 0.0]
    np.testing.assert_array_equal(layer.is_met, np.float32(met))
    np.testing.assert_array_equal(np.any(layer.centroids != 0.0, axis=1), met)
    # Validation may bring the other class before training does.
    expected = definition.loss(drawn(1), HARD, reading)
    assert loss_of(layer, drawn(1), HARD, training=False) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("reading", READINGS)
def test_before_any_batch_the_loss_is_zero_and_has_no_gradient(reading):
    embeddings = tf.zeros((ROWS, DIM))
    layer = DoubleCentroids(reading)

    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        layer(embeddings, HARD, training=False)
        (loss,) = layer.losses

    assert float(loss) == 0.0
    np.testing.assert_array_equal(tape.gradient(loss, embeddings), np.zeros((ROWS, DIM)))


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_a_batch_without_a_class_leaves_its_centroid_and_moves_the_other(label):
    layer = DoubleCentroids(momentum=0.75)
    layer(drawn(0), HARD, training=True)
    before = np.array(layer.centroids)

    layer(drawn(1), np.full((ROWS, 1), label, "float32"), training=True)

    moved, left = (0, 1) if label == 1.0 else (1, 0)
    np.testing.assert_array_equal(layer.centroids[left], before[left])
    expected = 0.75 * before[moved] + 0.25 * drawn(1).mean(axis=0)
    np.testing.assert_allclose(layer.centroids[moved], expected, rtol=1e-5, atol=1e-6)


def test_a_class_met_late_has_its_first_mean_for_centroid():
    layer = DoubleCentroids()
    layer(drawn(0), np.ones((ROWS, 1), "float32"), training=True)
    layer(drawn(1), HARD, training=True)
    expected = drawn(1)[HARD[:, 0] == 0.0].mean(axis=0)
    np.testing.assert_allclose(layer.centroids[1], expected, rtol=1e-5, atol=1e-6)


def test_the_rounding_of_mixed_labels_is_no_class():
    layer = DoubleCentroids()
    layer(drawn(0), HARD, training=True)
    before = np.array(layer.centroids)

    layer(drawn(1), np.nextafter(np.ones((ROWS, 1), "float32"), 0), training=True)

    np.testing.assert_array_equal(layer.centroids[1], before[1])


@pytest.mark.parametrize("reading", READINGS)
def test_embeddings_on_a_centroid_leave_all_finite(reading):
    layer = DoubleCentroids(reading)
    embeddings = tf.ones((4, DIM))

    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        layer(embeddings, np.float32([[1], [0], [1], [0]]), training=True)
        (loss,) = layer.losses

    assert np.isfinite(loss)
    np.testing.assert_array_equal(tape.gradient(loss, embeddings), np.zeros((4, DIM)))


def test_the_weight_multiplies_the_loss_and_nothing_else():
    single, threefold = DoubleCentroids(), DoubleCentroids(weight=3.0)
    expected = 3.0 * loss_of(single, drawn(0), HARD)
    assert loss_of(threefold, drawn(0), HARD) == pytest.approx(expected, rel=1e-6)
    assert float(threefold.within_metric.result()) == float(single.within_metric.result())


def test_a_frozen_layer_keeps_its_centroids_and_has_a_loss_all_the_same():
    layer = DoubleCentroids()
    loss_of(layer, drawn(0), HARD)
    before = np.array(layer.centroids)
    layer.trainable = False

    frozen = loss_of(layer, drawn(1), HARD)

    np.testing.assert_array_equal(layer.centroids, before)
    assert frozen > 0.0


def test_the_epsilon_is_added_to_every_distance():
    embeddings, labels = np.float32([[0, 0], [1, 0]]), np.float32([[1], [0]])
    layers = [DoubleCentroids(reading, epsilon=0.5) for reading in READINGS]
    losses = [loss_of(layer, embeddings, labels) for layer in layers]
    assert losses == pytest.approx([0.5 + 1 / 1.5, 0.0, (0.5 + 1 / 1.5) / 2], rel=1e-6)


def test_the_order_of_the_batch_does_not_matter():
    order = np.random.default_rng(3).permutation(ROWS)
    loss = loss_of(DoubleCentroids(), drawn(0), MIXED)
    assert loss_of(DoubleCentroids(), drawn(0)[order], MIXED[order]) == pytest.approx(
        loss, rel=1e-6
    )


def classifier(reading="two_centroid_deep_sad", run_eagerly=True):
    keras.utils.set_random_seed(0)
    features, labels = keras.Input((3,)), keras.Input((1,))
    layer = DoubleCentroids(reading, name="centroids")
    distances = layer(keras.layers.Dense(DIM, name="embedding")(features), labels)
    model = keras.Model([features, labels], distances)
    model.compile("sgd", run_eagerly=run_eagerly)
    return model, layer


@pytest.mark.parametrize("run_eagerly", [True, False])
def test_a_model_trains_on_it_alone_and_logs_the_mean_distances(run_eagerly):
    model, layer = classifier(run_eagerly=run_eagerly)
    features = drawn(0, dim=3)
    before = np.array(model.get_layer("embedding").kernel)
    embeddings = np.array(model.get_layer("embedding")(features))

    logs = model.train_on_batch([features, MIXED], return_dict=True)

    definition = Definition()
    definition.move(embeddings, MIXED)
    expected = definition.loss(embeddings, MIXED, "two_centroid_deep_sad")
    within, between = 0.0, 0.0
    for z, (y,) in zip(np.float64(embeddings), np.float64(MIXED), strict=True):
        positive, negative = definition.distance(z, 0), definition.distance(z, 1)
        within += (y * positive + (1 - y) * negative) / ROWS
        between += (y * negative + (1 - y) * positive) / ROWS
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)
    assert logs["within"] == pytest.approx(within, rel=1e-5)
    assert logs["between"] == pytest.approx(between, rel=1e-5)
    assert np.any(before != np.array(model.get_layer("embedding").kernel))
    np.testing.assert_allclose(layer.centroids, definition.centroids, rtol=1e-5, atol=1e-6)


def test_mean_distances_leave_out_a_class_that_has_not_been_met():
    layer = DoubleCentroids()
    layer(drawn(0), np.ones((ROWS, 1), "float32"), training=True)
    assert float(layer.between_metric.result()) == 0.0
    assert float(layer.within_metric.result()) > 0.0


def test_a_loaded_model_goes_on_with_its_centroids(tmp_path):
    model, layer = classifier("ratio")
    model.train_on_batch([drawn(0, dim=3), HARD])
    model.save(tmp_path / "model.keras")

    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)

    copy = loaded.get_layer("centroids")
    assert copy.get_config() == layer.get_config()
    for each in (model, loaded):
        before = np.array(each.get_layer("centroids").centroids)
        each.train_on_batch([drawn(1, dim=3), MIXED])
        assert np.any(before != np.array(each.get_layer("centroids").centroids))
    for each, wanted in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(each, wanted)


def test_distances_of_far_embeddings_keep_their_digits():
    embeddings = np.float32([[1000.0, 0.0]])
    centroids = np.float32([[1000.01, 0.0], [1000.0, 0.25]])
    expected = [[float(centroids[0, 0] - embeddings[0, 0]) ** 2, 0.0625]]
    np.testing.assert_allclose(squared_distances(embeddings, centroids), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reading": "deep_sad"}, r"must be one of.*Received: reading='deep_sad'"),
        ({"weight": -1.0}, r"must not be negative. Received: weight=-1.0"),
        ({"momentum": 1.0}, r"never move. Received: momentum=1.0"),
        ({"momentum": -0.1}, r"in \[0, 1\).*Received: momentum=-0.1"),
        ({"epsilon": 0.0}, r"may lie on a centroid. Received: epsilon=0.0"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        DoubleCentroids(**arguments)


@pytest.mark.parametrize("shape", [(ROWS,), (ROWS, 2)])
def test_labels_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"shape \(batch, 1\).*Received: labels of shape"):
        DoubleCentroids()(drawn(0), np.ones(shape, "float32"))


@pytest.mark.parametrize("reading", READINGS)
def test_layer_contract(reading):
    layer = DoubleCentroids(reading, weight=0.5, momentum=0.8, epsilon=1e-3)
    check_layer(layer, drawn(0), MIXED, output_shape=(ROWS, 2))
