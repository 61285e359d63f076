"""Batches of pairs of windows: who meets whom, with what weight, and the same after a resume."""

import dataclasses
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from scipy import stats

from asdkeras.batches import steps
from asdkeras.batches.pair_batches import pair_batches
from asdkeras.batches.steps import Schedule, own_errors
from asdkeras.data.frames import write_frames
from asdkeras.data.labels import Labels
from asdkeras.errors import DataError

ROOT = Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class Numbers:
    """Window k has the number 1000 k + 10 frame + band everywhere, so a value tells its place."""

    count: int = 24
    per_clip: int = 4
    shape: tuple = (2, 3)

    def __len__(self):
        return self.count

    def read(self, indices):
        within = 10 * np.arange(self.shape[0])[:, None] + np.arange(self.shape[1])
        return (1000.0 * indices[:, None, None] + within).astype("float32")


def many(count, per_clip=4):
    """Windows of one frame and band."""
    return Numbers(count, per_clip, (1, 1))


LABELS = Labels(tuple("abc"), np.array([2, 0, 1, 1, 2, 0]))
GROUPS = np.array([7, -3, 7, 0, -3, -3])


def dataset(windows=None, labels=None, first_epoch=0, epochs=1, seed=7, size=5, **more):
    return pair_batches(
        windows or Numbers(),
        labels,
        more.get("groups"),
        more.get("alpha", 0.5),
        Schedule(size, seed, first_epoch, epochs),
        more.get("drop_remainder", False),
    )


def batches(*given, **more):
    return list(dataset(*given, **more).as_numpy_iterator())


def joined(batches, name):
    return np.concatenate([inputs[name] for inputs, *_ in batches])


def numbers(batches, name):
    """Which windows they are, in order."""
    return (joined(batches, name)[:, 0, 0] / 1000.0).astype(int)


def pairs(count, seed=7, epoch=0, groups=None, per_clip=4):
    """First and second windows of one epoch, in the order in which they are met."""
    met = batches(
        many(count, per_clip),
        first_epoch=epoch,
        epochs=epoch + 1,
        seed=seed,
        size=20_000,
        groups=groups,
    )
    return numbers(met, "first"), numbers(met, "second")


def excess(counts):
    """By how many of its standard deviations a chi-square is above its mean."""
    expected = (
        counts.sum() * np.outer(counts.mean(1), counts.mean(0)) / counts.mean() / counts.sum()
    )
    freedom = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    return (((counts - expected) ** 2 / expected).sum() - freedom) / np.sqrt(2 * freedom)


def together(first, second, num_parts, count):
    """How often a window of one part of all windows comes with one of another, as a table."""
    parts = first * num_parts // count * num_parts + second * num_parts // count
    return np.bincount(parts, minlength=num_parts**2).reshape(num_parts, num_parts)


def assert_same(batches, others):
    assert len(batches) == len(others)
    for batch, other in zip(batches, others, strict=True):
        for own, its in zip(batch, other, strict=True):
            assert own.keys() == its.keys()
            for name in own:
                np.testing.assert_array_equal(own[name], its[name])


def test_in_each_epoch_every_window_is_once_a_first_and_once_a_second():
    epochs = batches(epochs=2)

    assert [len(inputs["first"]) for (inputs,) in epochs] == 2 * [5, 5, 5, 5, 4]
    for epoch in (epochs[:5], epochs[5:]):
        for name in ("first", "second"):
            assert sorted(numbers(epoch, name)) == list(range(24))


def test_windows_are_read_as_they_are():
    met = batches()

    for name in ("first", "second"):
        np.testing.assert_array_equal(joined(met, name), Numbers().read(numbers(met, name)))


def test_who_is_first_does_not_tell_who_is_second():
    # So many, because a poor shuffle shows its pattern in large numbers only.
    count = 100_000

    first, second = pairs(count)

    # A window meets itself once an epoch on average.
    assert (first == second).sum() < 8
    assert excess(together(first, second, 20, count)) < 6
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(count)
    for windows in (first, second):  # Nor does the place in the epoch.
        assert excess(together(np.arange(count), windows, 20, count)) < 6


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = pairs(500)

    np.testing.assert_array_equal(orders, pairs(500))
    for others in (pairs(500, epoch=1), pairs(500, seed=8), 2 * [np.arange(500)]):
        for order, other in zip(orders, others, strict=True):
            # Two independent orders agree at one place on average.
            assert (order == other).sum() < 10


def test_partners_are_of_one_group_and_every_window_is_still_met_twice():
    met = batches(epochs=3, groups=GROUPS)

    first, second = numbers(met, "first"), numbers(met, "second")
    np.testing.assert_array_equal(GROUPS[first // 4], GROUPS[second // 4])
    for windows in (first, second):
        assert np.bincount(windows).tolist() == [3] * 24


def test_without_groups_partners_are_from_anywhere():
    met = batches(epochs=3)

    same = GROUPS[numbers(met, "first") // 4] == GROUPS[numbers(met, "second") // 4]
    assert 0 < same.sum() < len(same)


def test_partners_within_a_group_are_told_by_chance_alone():
    count = 80_000
    groups = np.arange(count // 4) * 2 // (count // 4)

    first, second = pairs(count, groups=groups)

    assert (first == second).sum() < 12  # Two on average, one in each group.
    for group in (0, 1):
        chosen = groups[first // 4] == group
        assert chosen.sum() == count // 2
        within = (order[chosen] - group * count // 2 for order in (first, second))
        assert excess(together(*within, 20, count // 2)) < 6
    for windows in (first, second):
        assert excess(together(np.arange(count), windows, 20, count)) < 6


@pytest.mark.parametrize("alpha", [0.05, 0.5, 3.0])
def test_weights_are_drawn_from_the_beta_distribution(alpha):
    weights = joined(batches(many(20_000), size=500, alpha=alpha), "weight")

    assert weights.dtype == np.float32
    assert weights.shape == (20_000, 1)
    assert weights.min() >= 0.0
    assert weights.max() <= 1.0
    # Four standard errors each; of a variance it is 0.8 % at alpha 3, less below.
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(weights.mean() - 0.5) < 4 * np.sqrt(variance / 20_000)
    assert weights.var() == pytest.approx(variance, rel=0.032)
    beta = stats.beta(alpha, alpha)
    for below in (0.001, 0.2, 0.5, 0.8, 0.999):
        assert abs((weights < below).mean() - beta.cdf(below)) < 4 * np.sqrt(0.25 / 20_000)
    # In doubles, and without the weights that float32 rounds to 1 by the thousand at 0.05.
    middle = weights[(weights > 0.001) & (weights < 0.999)].astype("float64")
    low, high = beta.cdf([0.001, 0.999])
    assert stats.kstest(middle, lambda w: (beta.cdf(w) - low) / (high - low)).pvalue > 0.01


def test_no_weights_pile_up_at_a_half_at_the_smallest_alpha():
    # In float32 both gamma draws of about 30 of these pairs would be the smallest there is.
    weights = joined(batches(many(200_000), size=20_000, alpha=0.05), "weight")

    assert (weights == 0.5).sum() == 0


def test_each_pair_has_a_weight_of_its_own_in_every_step_and_epoch():
    weights = joined(batches(epochs=2), "weight")

    assert len(np.unique(weights)) == 48


def test_weights_do_not_depend_on_the_windows():
    count = 20_000
    met = batches(many(count), size=500)
    weights = joined(met, "weight")[:, 0]

    # The correlation of independent numbers is 1 / sqrt(n) on average.
    for name in ("first", "second"):
        assert abs(np.corrcoef(numbers(met, name), weights)[0, 1]) < 4 / np.sqrt(count)
    assert abs(np.corrcoef(weights[1:], weights[:-1])[0, 1]) < 4 / np.sqrt(count)


@pytest.mark.parametrize("groups", [None, GROUPS], ids=["anywhere", "within groups"])
def test_windows_and_classes_are_mixed_by_the_same_weight(groups):
    for inputs, targets in batches(labels=LABELS, groups=groups):
        names = [numbers([(inputs,)], name) for name in ("first", "second")]
        for row, (first, second) in enumerate(zip(*names, strict=True)):
            weight = float(inputs["weight"][row, 0])
            window = np.zeros((2, 3))
            for index, share in ((first, weight), (second, 1.0 - weight)):
                window += share * Numbers().read(np.array([index]))[0]
            classes = np.zeros(3)
            classes[LABELS.indices[first // 4]] += weight
            classes[LABELS.indices[second // 4]] += 1.0 - weight
            np.testing.assert_allclose(inputs["mixed"][row], window, rtol=1e-5)
            np.testing.assert_allclose(targets["section"][row], classes, rtol=1e-5, atol=1e-6)


def test_a_clip_without_a_class_adds_nothing_to_the_classes():
    labels = Labels(LABELS.classes, np.full(6, -1))

    for _, targets in batches(labels=labels):
        assert not targets["section"].any()


@pytest.mark.parametrize("groups", [None, GROUPS], ids=["anywhere", "within groups"])
def test_a_resumed_training_meets_the_batches_it_would_have_met(groups):
    whole = batches(labels=LABELS, epochs=3, groups=groups)

    assert_same(whole[5:], batches(labels=LABELS, first_epoch=1, epochs=3, groups=groups))


def test_the_batches_do_not_depend_on_how_many_are_read_at_once(monkeypatch):
    expected = batches(labels=LABELS, epochs=3)

    monkeypatch.setattr(steps, "_READERS", 7)

    assert_same(expected, batches(labels=LABELS, epochs=3))


def test_labels_do_not_change_the_pairs():
    for (inputs, _), (unlabeled,) in zip(batches(labels=LABELS), batches(), strict=True):
        assert_same([(inputs,)], [(unlabeled,)])


def digest(batches):
    """One number for all values of all batches."""
    values = [array.tobytes() for batch in batches for part in batch for array in part.values()]
    return hashlib.sha256(b"".join(values)).hexdigest()


REPEATABLE = """
import keras
import tensorflow as tf
from tests.batches.test_pair_batches import GROUPS, LABELS, batches, digest

keras.utils.set_random_seed(3)
tf.config.experimental.enable_op_determinism()
print(digest(batches(labels=LABELS, epochs=2, groups=GROUPS)))
"""


@pytest.mark.slow
def test_the_batches_are_the_same_in_a_new_process_with_repeatable_operations():
    told = subprocess.run(
        [sys.executable, "-c", REPEATABLE], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert told.returncode == 0, told.stderr
    assert told.stdout.split() == [digest(batches(labels=LABELS, epochs=2, groups=GROUPS))]


def test_the_last_batch_may_be_left_out():
    kept = batches(labels=LABELS, epochs=2)

    whole = batches(labels=LABELS, epochs=2, drop_remainder=True)

    assert_same(kept[:4] + kept[5:9], whole)


def test_nothing_is_left_out_where_the_last_batch_is_whole():
    assert_same(batches(size=6), batches(size=6, drop_remainder=True))
    assert len(batches(size=24, drop_remainder=True)) == 1


def test_models_know_the_shapes_beforehand():
    inputs, targets = dataset(labels=LABELS).element_spec

    shapes = {name: tuple(each.shape) for name, each in {**inputs, **targets}.items()}
    windows = (None, 2, 3)
    assert shapes == {
        "first": windows,
        "second": windows,
        "mixed": windows,
        "weight": (None, 1),
        "section": (None, 3),
    }


class MeanAsLoss(keras.layers.Layer):
    """Adds the mean of its input as a loss."""

    def call(self, inputs):
        self.add_loss(keras.ops.mean(inputs))
        return inputs


def model_inputs():
    shapes = {"first": (2, 3), "second": (2, 3), "mixed": (2, 3), "weight": (1,)}
    return {name: keras.Input(shape, name=name) for name, shape in shapes.items()}


def fitted_loss(inputs, outputs, losses, batches):
    """The loss of one epoch without learning."""
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.0), losses)
    history = model.fit(batches, steps_per_epoch=4, shuffle=False, verbose=0).history
    return history["loss"]


def test_without_labels_fit_takes_the_batches_for_inputs_alone():
    inputs = model_inputs()
    sums = keras.layers.Dense(1, kernel_initializer="ones")(inputs["mixed"])

    loss = fitted_loss(inputs, MeanAsLoss()(sums), None, dataset(size=6))

    expected = joined(batches(size=6), "mixed").sum(axis=2).mean()
    assert loss == pytest.approx([expected], rel=1e-5)


def test_with_labels_fit_takes_the_classes_for_targets():
    inputs = model_inputs()
    zeros = keras.layers.Dense(3, kernel_initializer="zeros")(inputs["weight"])

    loss = fitted_loss(
        inputs, {"section": zeros}, {"section": "mse"}, dataset(labels=LABELS, size=6)
    )

    classes = np.concatenate([targets["section"] for _, targets in batches(labels=LABELS, size=6)])
    assert loss == pytest.approx([np.mean(classes**2)], rel=1e-5)


def test_the_windows_of_a_file_become_pairs(tmp_path):
    frames = np.random.default_rng(0).normal(size=(3, 6, 2)).astype("float32")

    with write_frames(tmp_path / "frames", [frames], 3) as store:
        met = batches(store.windows(4, 2), size=4, groups=np.array([1, 2, 1]))

    expected = sorted(frames[:, [0, 2], 0].ravel())
    for name in ("first", "second"):
        assert sorted(joined(met, name)[:, 0, 0]) == expected


def test_a_file_cut_off_while_training_says_so_itself(tmp_path):
    with write_frames(tmp_path / "frames", [np.zeros((3, 6, 2))], 3) as store:
        os.truncate(store.path, 8)

        with pytest.raises(DataError, match="cut off since it was written"), own_errors():
            batches(store.windows(4, 2))


@pytest.mark.parametrize("alpha", [0.0, -1.0, 0.04, float("nan"), float("inf")])
def test_an_alpha_without_a_distribution_is_refused(alpha):
    with pytest.raises(
        ValueError, match=r"`alpha` must be finite and at least 0\.05.*Received: al"
    ):
        batches(alpha=alpha)


@pytest.mark.parametrize("groups", [GROUPS[:5], np.repeat(GROUPS, 4)])
def test_groups_of_anything_but_clips_are_refused(groups):
    message = rf"one number per clip.*Received: {len(groups)} numbers for 24 windows, 4 of each"
    with pytest.raises(ValueError, match=message):
        batches(groups=groups)


def test_an_epoch_without_a_whole_batch_is_refused():
    message = r"at least one whole batch.*batch_size=25, more than the 24 windows.*smaller batches"
    with pytest.raises(ValueError, match=message):
        batches(size=25, drop_remainder=True)
