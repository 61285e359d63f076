"""Batches of random windows and of the points that may be known of them."""

import dataclasses

import numpy as np
import pytest

from asdkeras.batches.context_batches import context_batches, num_known
from asdkeras.batches.steps import Schedule


@dataclasses.dataclass(frozen=True)
class Numbers:
    """Window k has the number 1000 k + 10 frame + band everywhere, so a value tells its place."""

    count: int = 55
    per_clip: int = 5
    shape: tuple = (4, 8)

    def __len__(self):
        return self.count

    def read(self, indices):
        within = 10 * np.arange(4)[:, None] + np.arange(8)
        return (1000.0 * indices[:, None, None] + within).astype("float32")


def batches(windows=None, fractions=(0.25, 0.5), first_epoch=0, epochs=1, seed=7, size=4):
    schedule = Schedule(size, seed, first_epoch, epochs)
    dataset = context_batches(windows or Numbers(), fractions, 6, schedule)
    return list(dataset.as_numpy_iterator())


def numbers(batches):
    """Which windows they are, in order."""
    return np.concatenate([each["window"][:, 0, 0] for each in batches]).astype(int) // 1000


def test_an_epoch_has_one_window_of_every_clip_and_keeps_the_smaller_last_batch():
    epochs = batches(epochs=2)

    assert [len(each["window"]) for each in epochs] == 2 * [4, 4, 3]
    for epoch in (epochs[:3], epochs[3:]):
        assert sorted(numbers(epoch) // 5) == list(range(11))


def test_windows_are_read_as_they_are():
    for each in batches():
        expected = Numbers().read(numbers([each]))
        assert each["window"].dtype == np.float32
        np.testing.assert_array_equal(each["window"], expected)


def test_a_window_starts_anywhere_in_its_clip():
    starts = numbers(batches(Numbers(5000), size=500)) % 5

    # 200 of 1000 clips, with a standard deviation of 13.
    assert np.all(np.abs(np.bincount(starts, minlength=5) - 200) < 60)


def test_a_context_has_a_share_of_the_points_the_same_for_the_whole_batch():
    sizes = [each["context"].shape[1] for each in batches(epochs=100)]

    assert set(sizes) == {8, 16}
    # 150 of 300 batches, with a standard deviation of 9.
    assert abs(sizes.count(8) - 150) < 40


def test_no_point_is_known_twice_and_every_point_as_often_as_chance_has_it():
    known = [each["context"] for each in batches(Numbers(5000), (0.25,), size=100)]

    for window in np.concatenate(known):
        assert len(set(window)) == 8
    counts = np.bincount(np.concatenate(known).ravel(), minlength=32)
    assert len(counts) == 32
    # 250 of 1000 windows, with a standard deviation of 14.
    assert np.all(np.abs(counts - 250) < 65)


def test_windows_of_a_batch_have_contexts_of_their_own():
    known = batches(Numbers(500), (0.5,), size=100)[0]["context"]
    assert len({tuple(sorted(each)) for each in known}) == 100


def test_noise_is_standard_normal():
    noise = np.concatenate([each["noise"] for each in batches(Numbers(5000), size=100)])

    assert noise.shape == (1000, 6)
    assert abs(noise.mean()) < 0.06
    assert noise.std() == pytest.approx(1.0, abs=0.05)


def test_draws_differ_between_steps_epochs_and_seeds():
    firsts = [
        *batches(fractions=(0.5,))[:2],
        batches(fractions=(0.5,), first_epoch=1, epochs=2)[0],
        batches(fractions=(0.5,), seed=8)[0],
    ]
    for name in ("window", "context", "noise"):
        for number, each in enumerate(firsts):
            for other in firsts[:number]:
                assert not np.array_equal(each[name], other[name])


def test_a_resumed_training_meets_the_batches_it_would_have_met():
    whole, resumed = batches(epochs=3), batches(first_epoch=1, epochs=3)

    assert len(resumed) == 6
    for expected, each in zip(whole[3:], resumed, strict=True):
        for name, values in expected.items():
            np.testing.assert_array_equal(each[name], values)


@pytest.mark.parametrize(
    ("fraction", "expected"), [(0.5, 16), (0.25, 8), (0.375, 12), (0.001, 1), (0.999, 31)]
)
def test_some_points_are_known_and_some_are_not(fraction, expected):
    assert num_known(fraction, 32) == expected
    assert batches(fractions=(fraction,))[0]["context"].shape == (4, expected)
