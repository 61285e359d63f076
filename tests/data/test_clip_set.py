"""ClipSet: random windows follow from seed and file name alone."""

import numpy as np
import pandas as pd
import pytest

from asdkeras.data.clip_set import ClipSet


class Store:
    """Keeps what it is asked for."""

    def __init__(self):
        self.asked = []

    def read(self, indices, clip_length, keep, draws=None):
        self.asked.append((indices.tolist(), clip_length, keep, draws))


def clips(names, seed=0, folder="data", first=0):
    index = range(first, first + len(names))
    paths = [f"{folder}/{name}" for name in names]
    return ClipSet(pd.DataFrame({"path": paths}, index=index, dtype="string"), Store(), seed)


def draws_of(clip_set, positions):
    clip_set.read(np.array(positions), 5, "random")
    return clip_set.store.asked[-1][3].tolist()


NAMES = [f"normal_{number}.wav" for number in range(2000)]


def test_the_store_is_asked_for_the_rows_of_the_table():
    clip_set = clips(NAMES[:9], first=100)
    clip_set.read(np.array([4, 0]), 5, "random")
    assert clip_set.store.asked[0][:3] == ([104, 100], 5, "random")


@pytest.mark.parametrize("keep", ["start", "end"])
def test_nothing_is_drawn_where_no_window_is(keep):
    clip_set = clips(NAMES)
    clip_set.read(np.array([4, 0]), 5, keep)
    assert clip_set.store.asked == [([4, 0], 5, keep, None)]
    assert "_draws" not in vars(clip_set)


def test_a_clip_has_the_same_window_whenever_it_is_read():
    clip_set = clips(NAMES[:9])
    in_order = draws_of(clip_set, range(9))

    assert draws_of(clip_set, [7, 0, 7]) == [in_order[7], in_order[0], in_order[7]]
    assert draws_of(clips(NAMES[:9]), range(9)) == in_order
    assert draws_of(clips(NAMES[:9][::-1]), range(9)) == in_order[::-1]
    assert draws_of(clips(NAMES[4:9], first=4), range(5)) == in_order[4:]


def test_folders_do_not_matter():
    here, there = (clips(NAMES[:9], folder=folder) for folder in ("data", "/other/fan/train"))
    assert draws_of(here, range(9)) == draws_of(there, range(9))


def test_the_numbers_of_a_seed_and_a_name_stay_what_they_are():
    # First 53 bits of `printf 3/normal_0.wav | sha256sum`, as a fraction.
    assert draws_of(clips(["normal_0.wav"], seed=3), [0]) == [0.8839139155200835]


def test_another_seed_is_another_window():
    first, second = (draws_of(clips(NAMES, seed=seed), range(2000)) for seed in (0, 1))
    assert not set(first) & set(second)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.1


def test_windows_are_spread_evenly():
    draws = np.array(draws_of(clips(NAMES), range(2000)))
    assert draws.min() >= 0.0
    assert draws.max() < 1.0
    counts, _ = np.histogram(draws, bins=10, range=(0.0, 1.0))
    # 200 expected, standard deviation 13.4: five of them.
    assert counts.min() > 133
    assert counts.max() < 267


def test_draws_are_made_once():
    clip_set = clips(NAMES[:9])
    draws_of(clip_set, [0])
    assert vars(clip_set)["_draws"] is clip_set._draws
