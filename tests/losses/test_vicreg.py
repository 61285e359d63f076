"""VICReg and Consistency: the definition in loops, gradients to all, and what is logged."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from asdkeras.losses.vicreg import (
    Consistency,
    VICReg,
    covariance_term,
    squared_distance,
    variance_term,
)
from tests.contracts import check_layer

ROWS, DIM = 6, 4


def drawn(seed, rows=ROWS):
    """Some dimensions spread by less than 1 and some by more, both sides of the hinge."""
    scales = [0.2, 0.7, 1.5, 2.0]
    return np.random.default_rng(seed).normal(0.5, scales, size=(rows, DIM)).astype("float32")


FIRST, SECOND, MIXED, MIXTURE = (drawn(seed) for seed in range(4))


def distance_by_definition(first, second, form):
    total = 0.0
    for a, b in zip(np.float64(first), np.float64(second), strict=True):
        squares = [(a[j] - b[j]) ** 2 for j in range(len(a))]
        total += sum(squares) / (len(squares) if form == "mean" else 1)
    return total / len(first)


def variance_by_definition(embeddings, epsilon):
    hinges = []
    for values in np.float64(embeddings).T:
        mean = sum(values) / len(values)
        variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
        hinges.append(max(0.0, 1.0 - np.sqrt(variance + epsilon)))
    return sum(hinges) / len(hinges)


def covariance_by_definition(embeddings):
    columns, total = np.float64(embeddings).T, 0.0
    for i, a in enumerate(columns):
        for j, b in enumerate(columns):
            if i != j:
                total += (sum((a - a.mean()) * (b - b.mean())) / (len(a) - 1)) ** 2
    return total / len(columns)


def terms_by_definition(first, second, compared=None, form="released"):
    pair = (first, second) if compared is None else compared
    is_printed = form == "printed"
    epsilon = 0.0 if is_printed else 1e-4
    variance = variance_by_definition(first, epsilon) + variance_by_definition(second, epsilon)
    return {
        "invariance": distance_by_definition(*pair, "sum" if is_printed else "mean"),
        "variance": variance if is_printed else variance / 2,
        "covariance": covariance_by_definition(first) + covariance_by_definition(second),
    }


def weighted(terms, weights):
    return sum(weight * terms[name] for name, weight in zip(terms, weights, strict=True))


@pytest.mark.parametrize("form", ["mean", "sum"])
def test_the_distance_is_the_definition(form):
    expected = distance_by_definition(FIRST, SECOND, form)
    assert float(squared_distance(FIRST, SECOND, form)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("epsilon", [0.0, 1e-4, 0.3])
def test_the_variance_term_is_the_definition(epsilon):
    expected = variance_by_definition(FIRST, epsilon)
    assert 0.0 < expected < 1.0
    assert float(variance_term(FIRST, epsilon)) == pytest.approx(expected, rel=1e-6)


def test_the_variance_term_has_the_released_epsilon_by_default():
    assert float(variance_term(FIRST)) == float(variance_term(FIRST, 1e-4))


def test_the_covariance_term_is_the_definition():
    expected = covariance_by_definition(FIRST)
    assert float(covariance_term(FIRST)) == pytest.approx(expected, rel=1e-6)


def test_dimensions_of_large_variance_and_no_covariance_have_a_term_of_zero():
    corners = 1000.0 * np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], "float32")
    assert float(covariance_term(corners)) == 0.0


def test_a_shift_of_all_embeddings_changes_neither_variance_nor_covariance():
    moved = FIRST + np.float32([8.0, -4.0, 2.0, 16.0])
    assert float(variance_term(moved)) == pytest.approx(float(variance_term(FIRST)), rel=1e-5)
    assert float(covariance_term(moved)) == pytest.approx(float(covariance_term(FIRST)), rel=1e-5)


# Only compiled code, which Keras trains with on a GPU, has the infinite slope of the root.
@pytest.mark.parametrize("is_compiled", [True, False])
@pytest.mark.parametrize("epsilon", [0.0, 1e-4])
def test_a_collapsed_batch_has_the_largest_variance_term_and_a_finite_gradient(
    epsilon, is_compiled
):
    @tf.function(jit_compile=is_compiled)
    def term_and_gradient(embeddings):
        with tf.GradientTape() as tape:
            tape.watch(embeddings)
            loss = variance_term(embeddings, epsilon)
        return loss, tape.gradient(loss, embeddings)

    loss, gradient = term_and_gradient(tf.ones((ROWS, DIM)))

    assert float(loss) == pytest.approx(1.0 - np.sqrt(epsilon))
    np.testing.assert_array_equal(gradient, np.zeros((ROWS, DIM)))


def test_one_constant_dimension_does_not_spoil_the_gradient_of_the_others():
    embeddings = FIRST.copy()
    embeddings[:, 0] = 3.0
    tensor = tf.constant(embeddings)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        loss = variance_term(tensor, epsilon=0.0)
    gradient = tape.gradient(loss, tensor).numpy()

    centered = np.float64(embeddings[:, 1]) - embeddings[:, 1].mean(dtype="float64")
    slope = -centered / np.sqrt(np.sum(centered**2) / (ROWS - 1)) / (ROWS - 1) / DIM
    np.testing.assert_allclose(gradient[:, 1], slope, rtol=1e-5)
    np.testing.assert_array_equal(gradient[:, [0, 2, 3]], 0.0)


@pytest.mark.parametrize("form", ["released", "printed"])
@pytest.mark.parametrize("compared", [None, (MIXED, MIXTURE)])
def test_the_loss_is_the_weighted_sum_of_the_terms(form, compared):
    weights = (3.0, 5.0, 0.25)
    layer = VICReg(weights, form)

    loss = layer(FIRST, SECOND, compared=compared)

    expected = weighted(terms_by_definition(FIRST, SECOND, compared, form), weights)
    assert float(loss) == pytest.approx(expected, rel=1e-6)
    assert [float(each) for each in layer.losses] == [float(loss)]


def test_the_weights_are_those_of_the_paper_and_the_form_is_released_by_default():
    expected = weighted(terms_by_definition(FIRST, SECOND), (25.0, 25.0, 1.0))
    assert float(VICReg()(FIRST, SECOND)) == pytest.approx(expected, rel=1e-6)


def gradients(loss_of, *inputs):
    tensors = [tf.constant(each) for each in inputs]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        loss = loss_of(*tensors)
    return tape.gradient(loss, tensors)


@pytest.mark.parametrize(
    ("form", "factor"), [("released", 1 / (ROWS * DIM)), ("printed", 1 / ROWS)]
)
def test_the_compared_pair_is_drawn_together_from_both_sides(form, factor):
    layer = VICReg((25.0, 0.0, 0.0), form)

    first, second, mixed, mixture = gradients(
        lambda a, b, c, d: layer(a, b, compared=(c, d)), FIRST, SECOND, MIXED, MIXTURE
    )

    expected = 25.0 * 2.0 * factor * (np.float64(MIXED) - MIXTURE)
    np.testing.assert_allclose(mixed, expected, rtol=1e-5)
    np.testing.assert_allclose(mixture, -expected, rtol=1e-5)
    np.testing.assert_array_equal(first, np.zeros((ROWS, DIM)))
    np.testing.assert_array_equal(second, np.zeros((ROWS, DIM)))


def test_the_gradient_of_the_consistency_is_its_slope_on_both_sides():
    mixed, mixture = gradients(Consistency(weight=3.0), MIXED, MIXTURE)
    expected = 3.0 * 2.0 * (np.float64(MIXED) - MIXTURE) / (ROWS * DIM)
    np.testing.assert_allclose(mixed, expected, rtol=1e-5)
    np.testing.assert_allclose(mixture, -expected, rtol=1e-5)


@pytest.mark.parametrize(("form", "reduction"), [("released", "mean"), ("printed", "sum")])
def test_the_consistency_is_the_distance_times_its_weight(form, reduction):
    layer = Consistency(weight=3.0, form=form)
    loss = layer(MIXED, MIXTURE)
    distance = distance_by_definition(MIXED, MIXTURE, reduction)
    assert float(loss) == pytest.approx(3.0 * distance, rel=1e-6)
    assert [float(each) for each in layer.losses] == [float(loss)]
    assert float(layer.consistency_metric.result()) == pytest.approx(distance, rel=1e-6)


def test_the_consistency_is_released_with_weight_1_by_default():
    expected = distance_by_definition(MIXED, MIXTURE, "mean")
    assert float(Consistency()(MIXED, MIXTURE)) == pytest.approx(expected, rel=1e-6)


ARRAYS = [drawn(seed, rows=10) for seed in range(4)]
WEIGHTS = (3.0, 5.0, 0.25)


def model_of_loss():
    """A network that gives back what it gets, so that all four batches are known."""
    inputs = [keras.Input((DIM,)) for _ in range(4)]
    network = keras.layers.Dense(DIM, "linear", False, "identity")
    first, second, mixed, mixture = (network(each) for each in inputs)
    model = keras.Model(inputs, VICReg(WEIGHTS)(first, second, compared=(mixed, mixture)))
    model.compile(keras.optimizers.SGD(0.0))
    return model


def test_fit_logs_the_terms_without_weights_as_means_over_the_clips():
    logs = model_of_loss().fit(ARRAYS, batch_size=4, shuffle=False, verbose=0).history

    expected = {"invariance": 0.0, "variance": 0.0, "covariance": 0.0}
    for batch in (slice(0, 4), slice(4, 8), slice(8, 10)):
        first, second, *compared = (each[batch] for each in ARRAYS)
        for name, value in terms_by_definition(first, second, compared).items():
            expected[name] += value * len(first) / 10
    expected["loss"] = weighted(dict(expected), WEIGHTS)
    assert {name: value for name, (value,) in logs.items()} == pytest.approx(expected, rel=1e-5)


def test_a_loaded_model_has_the_same_loss_of_the_same_pairs(tmp_path):
    model = model_of_loss()
    model.save(tmp_path / "model.keras")

    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)

    expected = model.test_on_batch(ARRAYS, return_dict=True)
    assert loaded.test_on_batch(ARRAYS, return_dict=True) == pytest.approx(expected, rel=1e-6)


def test_half_precision_inputs_are_worked_on_in_float32():
    halves = [(300.0 * each).astype("float16") for each in (FIRST, SECOND)]  # Squares are infinite.

    loss = VICReg(dtype="mixed_float16")(*halves)
    consistency = Consistency(dtype="mixed_float16")(*halves)

    assert {loss.dtype, consistency.dtype} == {tf.float32}
    terms = terms_by_definition(*halves)
    assert float(loss) == pytest.approx(weighted(terms, (25.0, 25.0, 1.0)), rel=1e-5)
    assert float(consistency) == pytest.approx(terms["invariance"], rel=1e-5)


@pytest.mark.parametrize("form", ["released", "printed"])
def test_the_layers_keep_the_contract(form):
    check_layer(VICReg((1.0, 2.0, 3.0), form), FIRST, SECOND, output_shape=())
    check_layer(Consistency(2.0, form), FIRST, SECOND, output_shape=())


@pytest.mark.parametrize("term", [variance_term, covariance_term, lambda x: VICReg()(x, x)])
def test_a_single_row_is_refused(term):
    with pytest.raises(ValueError, match=r"at least two rows.*shape=\(1, 4\)"):
        term(FIRST[:1])


@pytest.mark.parametrize("second", [SECOND[:, :1], SECOND[:1], SECOND[0]])
def test_shapes_that_differ_are_refused(second):
    with pytest.raises(
        ValueError, match=r"needs first of shape.*Received: first of shape \(6, 4\)"
    ):
        squared_distance(FIRST, second, "mean")


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match=r"\('mean', 'sum'\). Received: form='released'"):
        squared_distance(FIRST, SECOND, "released")
    for layer in (VICReg, Consistency):
        with pytest.raises(ValueError, match=r"\('released', 'printed'\). Received: form='sum'"):
            layer(form="sum")


@pytest.mark.parametrize("weights", [(25.0, 25.0), (25.0, -25.0, 1.0), (1.0, 1.0, float("nan"))])
def test_weights_out_of_range_are_refused(weights):
    with pytest.raises(ValueError, match=r"three numbers.*Received: weights=\("):
        VICReg(weights)


def test_a_negative_weight_of_the_consistency_is_refused():
    with pytest.raises(ValueError, match=r"must not be negative. Received: weight=-1.0"):
        Consistency(-1.0)
