"""Mixup against the released layers, and on every kind of array."""

import numpy as np
import pytest
import tensorflow as tf

from asdkeras.batches.mixup import applied_weights, mix, mix_labels
from tests.golden import load_golden

GOLDEN = "wilkinghoff_losses/mixup"


@pytest.mark.parametrize("convert", [np.asarray, tf.constant], ids=["numpy", "tensorflow"])
@pytest.mark.parametrize("probability", ["1", "0.5"])
@pytest.mark.parametrize(
    ("repository", "how"), [("sub-cluster-AdaCos", "linear"), ("icassp2023", "max")]
)
def test_mixup_is_that_of_the_released_layer(repository, how, probability, convert):
    arrays = load_golden(GOLDEN)
    golden = {
        key: convert(arrays[f"{repository}__mixup_layer__p{probability}__{key}"].astype("float32"))
        for key in ["X", "Y", "draws", "out_X", "out_Y"]
    }
    draws = golden["draws"]

    weights = applied_weights(draws[0][:, None], draws[1][:, None], float(probability))

    np.testing.assert_allclose(mix(golden["X"], weights), golden["out_X"], atol=1e-6)
    np.testing.assert_allclose(mix_labels(golden["Y"], weights, how), golden["out_Y"], atol=1e-6)


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(0.0, [1, 1, 1, 1]), (0.1, [0.2, 1, 1, 1]), (0.5, [0.2, 0.2, 1, 1]), (1.0, [0.2] * 4)],
)
def test_a_clip_is_mixed_if_its_draw_is_below_the_probability(probability, expected):
    draws = np.array([0.0, 0.4999, 0.5, 0.9999])
    np.testing.assert_array_equal(applied_weights(np.full(4, 0.2), draws, probability), expected)


def test_weight_next_to_the_probability_is_decided_as_by_comparison():
    probability = np.float32(0.3)
    draws = np.array([np.nextafter(probability, np.float32(0.0)), probability], "float32")
    weights = applied_weights(np.full(2, 0.2, "float32"), draws, float(probability))
    np.testing.assert_array_equal(weights, np.array([0.2, 1.0], "float32"))


def test_linear_labels_sum_to_one_and_labels_by_maximum_to_less():
    labels = np.eye(3)[[0, 1, 0, 0]]
    weights = np.array([[0.2], [0.6], [0.5], [0.7]])

    linear = mix_labels(labels, weights, "linear")
    largest = mix_labels(labels, weights, "max")

    np.testing.assert_allclose(linear.sum(axis=1), 1.0)
    np.testing.assert_allclose(largest, np.maximum(weights * labels, (1 - weights) * labels[::-1]))
    assert largest[0].sum() == pytest.approx(0.8)


@pytest.mark.parametrize("how", ["linear", "max"])
def test_classes_that_take_no_part_stay_exactly_zero(how):
    weights = np.random.default_rng(0).random((4, 1)).astype("float32")
    labels = np.eye(5, dtype="float32")[[0, 1, 2, 0]]

    mixed = mix_labels(labels, weights, how)

    np.testing.assert_array_equal(np.count_nonzero(mixed, axis=1), [1, 2, 2, 1])


def test_unknown_form_of_labels_is_refused():
    with pytest.raises(ValueError, match=r"how.*Received: how='mean'"):
        mix_labels(np.eye(2), np.ones((2, 1)), "mean")


@pytest.mark.parametrize(
    ("labels", "weights", "received"),
    [
        (np.arange(3), np.ones((3, 1)), r"labels of shape \(3,\).*to_categorical"),
        (np.eye(3), np.ones(3), r"weights of shape \(3,\)"),
        (np.eye(3), np.ones((3, 3)), r"weights of shape \(3, 3\)"),
    ],
)
@pytest.mark.parametrize("how", ["linear", "max"])
def test_labels_and_weights_that_would_broadcast_are_refused(labels, weights, received, how):
    with pytest.raises(ValueError, match=rf"mixup needs .*Received: .*{received}"):
        mix_labels(labels, weights, how)


@pytest.mark.parametrize("probability", [-0.1, 1.1])
def test_probability_outside_its_range_is_refused(probability):
    with pytest.raises(ValueError, match=r"\[0, 1\].*Received: probability="):
        applied_weights(np.ones(2), np.ones(2), probability)


def test_partner_is_the_clip_as_far_from_the_other_end():
    values = np.array([[0.0, 1.0], [10.0, 11.0], [20.0, 21.0]])
    weights = np.array([[1.0], [0.3], [0.25]])

    mixed = mix(values, weights)

    np.testing.assert_allclose(mixed, [[0.0, 1.0], [10.0, 11.0], [5.0, 6.0]])
