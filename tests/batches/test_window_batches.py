"""Batches of windows: all of them shuffled as one, some held out, the same after a resume."""

import dataclasses
import os

import keras
import numpy as np
import pytest

from asdkeras.batches import steps
from asdkeras.batches.steps import Schedule, own_errors
from asdkeras.batches.window_batches import (
    Holdout,
    held_out_batches,
    num_training_windows,
    sequence_batches,
    window_batches,
)
from asdkeras.data.frames import write_frames
from asdkeras.data.labels import Labels
from asdkeras.errors import DataError

ALL = Holdout(0.0, "last")
LAST = Holdout(0.3, "last")
DRAWN = Holdout(0.3, "random", seed=5)


@dataclasses.dataclass(frozen=True)
class Numbers:
    """Window k has the number 1000 k + 10 frame + band everywhere, so a value tells its place."""

    count: int = 23
    per_clip: int = 4
    shape: tuple = (2, 3)

    def __len__(self):
        return self.count

    def read(self, indices):
        within = (10 * np.arange(2)[:, None] + np.arange(3)).reshape(self.shape)
        places = indices.reshape(-1, *[1] * len(self.shape))
        return (1000.0 * places + within).astype("float32")


LABELS = Labels(tuple("abc"), np.array([2, 0, 1, 1, 2, 0]))


def batches(
    windows=None, holdout=ALL, labels=None, first_epoch=0, epochs=1, seed=7, size=4, **more
):
    schedule = Schedule(size, seed, first_epoch, epochs)
    dataset = window_batches(windows or Numbers(), holdout, labels, schedule, **more)
    return list(dataset.as_numpy_iterator())


def held_out(holdout, labels=None, windows=None):
    dataset = held_out_batches(windows or Numbers(), holdout, labels, 4)
    return list(dataset.as_numpy_iterator())


def numbers(batches):
    """Which windows they are, in order."""
    return np.concatenate([x.reshape(len(x), -1)[:, 0] for x, _ in batches]).astype(int) // 1000


class Indices(Numbers):
    """Many windows of one value, their number; exact below 2 ** 24."""

    def read(self, indices):
        return indices[:, None, None].astype("float32")


def order(count, seed=7, first_epoch=0, holdout=ALL):
    """The windows of one epoch, in the order in which they are met."""
    windows = Indices(count, 1, (1, 1))
    met = batches(windows, holdout, None, first_epoch, first_epoch + 1, seed, size=20_000)
    return np.concatenate([x[:, 0, 0] for x, _ in met]).astype(int)


def excess(counts):
    """By how many of its standard deviations a chi-square is above its mean."""
    expected, freedom = counts.mean(), counts.size - 1
    return (((counts - expected) ** 2 / expected).sum() - freedom) / np.sqrt(2 * freedom)


def test_an_epoch_has_every_training_window_once_and_keeps_the_smaller_last_batch():
    epochs = batches(epochs=2)

    assert [len(x) for x, _ in epochs] == 2 * [4, 4, 4, 4, 4, 3]
    for epoch in (epochs[:6], epochs[6:]):
        assert sorted(numbers(epoch)) == list(range(23))


@pytest.mark.parametrize("count", [1, 2, 65537])
def test_any_number_of_windows_is_shuffled_to_a_permutation(count):
    assert sorted(order(count)) == list(range(count))


def test_epochs_and_seeds_have_orders_of_their_own():
    first = order(500)

    assert np.array_equal(first, order(500))
    for other in (order(500, first_epoch=1), order(500, seed=8), np.arange(500)):
        # Two independent orders agree at one place on average.
        assert (first == other).sum() < 10


def test_what_follows_a_window_is_told_by_chance_alone():
    # So many, because a poor shuffle shows its pattern in large numbers only.
    count = 200_000

    windows = order(count)

    for lag in (1, 2, 512):
        steps = (windows[lag:] - windows[:-lag]) % count
        assert excess(np.bincount(steps * 200 // count, minlength=200)) < 6
        assert excess(np.bincount(windows[lag:] % 8 * 8 + windows[:-lag] % 8)) < 6
    # Beginning and end of the epoch hear the beginning and the end of the clips alike, and
    # the next epoch does not know the last.
    places = np.arange(count) * 20 // count
    parts = windows * 20 // count
    next_parts = order(count, first_epoch=1) * 20 // count
    assert excess(np.bincount(places * 20 + parts)) < 6
    assert excess(np.bincount(parts * 20 + next_parts)) < 6


@pytest.mark.parametrize("holdout", [LAST, DRAWN])
def test_a_resumed_training_meets_the_batches_it_would_have_met(holdout):
    whole, rest = (
        batches(epochs=3, holdout=holdout),
        batches(first_epoch=1, epochs=3, holdout=holdout),
    )

    assert len(rest) == 8
    for (x, y), (x_again, y_again) in zip(whole[4:], rest, strict=True):
        np.testing.assert_array_equal(x, x_again)
        np.testing.assert_array_equal(y, y_again)


def test_the_batches_do_not_depend_on_how_many_are_read_at_once(monkeypatch):
    expected = batches(epochs=3)

    monkeypatch.setattr(steps, "_READERS", 7)

    for (x, _), (again, _) in zip(expected, batches(epochs=3), strict=True):
        np.testing.assert_array_equal(x, again)


@pytest.mark.parametrize("shape", [(2, 3), (6,)], ids=["windows", "vectors"])
@pytest.mark.parametrize("labels", [None, LABELS], ids=["reconstruct", "classify"])
def test_windows_are_read_as_they_are_and_have_the_class_of_their_clip(shape, labels):
    windows = Numbers(shape=shape)

    for x, y in [*batches(windows, LAST, labels), *held_out(LAST, labels, windows)]:
        indices = numbers([(x, y)])
        np.testing.assert_array_equal(x, windows.read(indices))
        if labels is None:
            np.testing.assert_array_equal(y, x)
        else:
            np.testing.assert_array_equal(y, np.eye(3)[LABELS.indices[indices // 4]])


@pytest.mark.parametrize("shape", [(2, 3), (6,)])
def test_models_know_the_shapes_beforehand(shape):
    windows = Numbers(shape=shape)
    for dataset in (
        window_batches(windows, LAST, LABELS, Schedule(4, 0, 0, 1)),
        held_out_batches(windows, LAST, LABELS, 4),
    ):
        x, y = dataset.element_spec
        assert tuple(x.shape) == (None, *shape)
        assert tuple(y.shape) == (None, 3)


def test_the_last_windows_are_held_out_in_the_order_of_the_clips():
    assert num_training_windows(Numbers(), LAST) == 16
    assert sorted(numbers(batches(holdout=LAST))) == list(range(16))
    assert numbers(held_out(LAST)).tolist() == list(range(16, 23))
    assert [len(x) for x, _ in held_out(LAST)] == [4, 3]


@pytest.mark.parametrize(("count", "fraction"), [(7, 0.3), (37, 0.1)])
def test_keras_trains_with_the_same_windows(count, fraction):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile(keras.optimizers.SGD(0.0), "mae")
    values, zeros = np.arange(count, dtype="float32")[:, None], np.zeros((count, 1), "float32")
    # The losses are the means of the values trained with and held out.
    history = model.fit(values, zeros, validation_split=fraction, verbose=0).history
    holdout = Holdout(fraction, "last")

    trained = numbers(batches(Numbers(count), holdout))

    assert trained.mean() == pytest.approx(history["loss"][0])
    rest = numbers(held_out(holdout, windows=Numbers(count)))
    assert rest.mean() == pytest.approx(history["val_loss"][0])


def test_drawn_windows_are_as_many_and_from_everywhere():
    count = 20_000
    windows = Indices(count, shape=(1, 1))
    holdout = Holdout(0.1, "random", seed=3)
    assert num_training_windows(windows, holdout) == 18_000

    rest = np.setdiff1d(np.arange(count), order(count, holdout=holdout))

    assert len(rest) == 2000
    assert excess(np.bincount(rest * 20 // count)) < 5
    assert excess(np.bincount(rest % 8)) < 5


def test_drawn_windows_are_the_same_in_every_epoch_and_training_has_the_others():
    rest = numbers(held_out(DRAWN))

    assert len(rest) == 7
    for seed, epoch in [(7, 0), (7, 1), (5, 0)]:
        met = numbers(batches(holdout=DRAWN, seed=seed, first_epoch=epoch, epochs=epoch + 1))
        assert sorted([*met, *rest]) == list(range(23))
    assert numbers(held_out(DRAWN)).tolist() == rest.tolist()
    other = numbers(held_out(dataclasses.replace(DRAWN, seed=6)))
    assert set(other) != set(rest)


def test_the_last_smaller_batch_may_be_left_out():
    kept, whole = (batches(Numbers(24), epochs=2, size=5, drop_remainder=d) for d in (False, True))

    assert [len(x) for x, _ in whole] == 8 * [5]
    for (x, _), (again, _) in zip(kept[:4] + kept[5:9], whole, strict=True):
        np.testing.assert_array_equal(x, again)


def test_an_epoch_without_a_whole_batch_is_refused():
    with pytest.raises(ValueError, match=r"batch_size=25, more than the 24 windows.*smaller batch"):
        batches(Numbers(24), size=25, drop_remainder=True)


def test_held_out_batches_end_and_can_be_read_again():
    dataset = held_out_batches(Numbers(), LAST, None, 4)

    first, second = (numbers(dataset.as_numpy_iterator()) for _ in range(2))

    assert first.tolist() == second.tolist() == list(range(16, 23))
    assert int(dataset.cardinality()) == 2


def test_the_windows_of_a_file_become_batches(tmp_path):
    frames = np.random.default_rng(0).normal(size=(3, 6, 2)).astype("float32")

    with write_frames(tmp_path / "frames", [frames], 3) as store:
        met = batches(store.windows(4, 2, as_vectors=True))

    assert sorted(np.concatenate([x for x, _ in met])[:, 0]) == sorted(frames[:, [0, 2], 0].ravel())


def test_a_file_cut_off_while_training_says_so_itself(tmp_path):
    with write_frames(tmp_path / "frames", [np.zeros((3, 6, 2))], 3) as store:
        os.truncate(store.path, 8)

        with pytest.raises(DataError, match="cut off since it was written"), own_errors():
            batches(store.windows(4, 2))


@pytest.mark.parametrize("fraction", [-0.1, 1.0, float("nan")])
def test_a_fraction_that_leaves_nothing_is_refused(fraction):
    with pytest.raises(ValueError, match=r"lie in \[0, 1\).*Received: fraction="):
        Holdout(fraction, "last")


def test_a_third_way_of_holding_out_is_refused():
    with pytest.raises(ValueError, match=r"'last' or 'random'\. Received: which='first'"):
        Holdout(0.1, "first")


def test_training_without_windows_is_refused():
    windows = Numbers(count=1)

    with pytest.raises(ValueError, match=r"at least one window.*fraction=0\.1 held out of 1"):
        batches(windows, Holdout(0.1, "last"))


def test_where_nothing_is_held_out_there_are_no_batches():
    assert held_out_batches(Numbers(), ALL, None, 4) is None


# Whole clips.

SECTIONS = np.array([3, 1, 4, 1, 5, 0, 2, 5, 5, 0, 2])


def sequences(seed=7, first_step=0, steps=12):
    schedule = Schedule(4, seed, first_step, steps)
    return list(sequence_batches(Numbers(11), SECTIONS, schedule).as_numpy_iterator())


def clips_of(frames):
    return frames[:, 0, 0].astype(int) // 1000


def test_every_sequence_comes_whole_with_its_section_and_is_its_own_target():
    for inputs, targets in sequences():
        assert set(inputs) == {"frames", "section"}
        clips = clips_of(inputs["frames"])
        assert inputs["frames"].dtype == np.float32
        assert inputs["section"].dtype == np.int32
        np.testing.assert_array_equal(inputs["frames"], Numbers().read(clips))
        np.testing.assert_array_equal(inputs["section"], SECTIONS[clips])
        np.testing.assert_array_equal(targets, inputs["frames"])


def test_a_pass_has_every_clip_once_and_all_batches_are_of_one_size():
    met = sequences(steps=11)
    assert {len(targets) for _, targets in met} == {4}
    order = np.concatenate([clips_of(targets) for _, targets in met])
    for each in order.reshape(4, 11):
        assert sorted(each) == list(range(11))


def test_a_resumed_training_meets_the_sequences_it_would_have_met():
    whole, rest = sequences(), sequences(first_step=5)
    assert len(rest) == 7
    for (inputs, _), (again, _) in zip(whole[5:], rest, strict=True):
        np.testing.assert_array_equal(inputs["frames"], again["frames"])
        np.testing.assert_array_equal(inputs["section"], again["section"])


def test_another_seed_is_another_order_of_sequences():
    first, other = (clips_of(sequences(seed)[0][1]) for seed in (7, 8))
    assert not np.array_equal(first, other)


def test_every_clip_needs_a_section_and_a_whole_window():
    with pytest.raises(ValueError, match=r"one section.*Received: 10 sections, 11 windows"):
        sequence_batches(Numbers(11), SECTIONS[:10], Schedule(4, 0, 0, 1))


def test_keras_trains_on_the_frames_of_a_store(tmp_path):
    noise = np.random.default_rng(0).normal(size=(6, 5, 4)).astype("float32")
    frames, section = keras.Input((5, 4), name="frames"), keras.Input((), name="section")
    shift = keras.layers.Embedding(2, 4)(section)
    outputs = keras.layers.Dense(4)(frames) + shift[:, None]
    model = keras.Model({"frames": frames, "section": section}, outputs)
    model.compile("sgd", loss="mae", run_eagerly=True)
    before = model.get_weights()

    with write_frames(tmp_path / "frames", [noise], 6) as store:
        dataset = sequence_batches(store.windows(5, 1), [0, 1] * 3, Schedule(4, 0, 0, 3))
        model.fit(dataset, shuffle=False, verbose=0)

    assert all(np.any(new != old) for new, old in zip(model.get_weights(), before, strict=True))
