"""Which archives are here, and which only in part."""

import pytest

from asdkeras.acquire.inventory import take_stock
from asdkeras.data.layouts import Clip
from asdkeras.data.manifest import read_manifest


def clips(dataset, *, without=None):
    """As many clips as are known to be in each archive, one where that is not known."""
    for place, count in enumerate(dataset.clip_counts):
        number = (count.normal or 0) + (count.anomalous or 0) + (count.normal is None)
        for _ in range(number - (place == without)):
            kind = (count.machine_type, count.section, count.domain, count.split)
            yield Clip("x.wav", *kind, None, None)


@pytest.mark.parametrize("year", range(2020, 2027))
def test_all_archives_of_a_whole_year_are_here(year):
    dataset = read_manifest().dataset(year)

    stocks = take_stock(dataset, clips(dataset))

    assert [stock.archive for stock in stocks] == list(dataset.archives)
    assert all(stock.is_whole for stock in stocks)
    assert sum(stock.num_clips for stock in stocks) == len(list(clips(dataset)))
    assert all(s.num_expected in (None, s.num_clips) for s in stocks)


def test_an_archive_that_lacks_one_clip_is_not_whole():
    dataset = read_manifest().dataset(2021)
    for place, count in list(enumerate(dataset.clip_counts))[::9]:
        stocks = take_stock(dataset, clips(dataset, without=place))

        (broken,) = [stock.archive for stock in stocks if not stock.is_whole]
        assert broken.machine_type == count.machine_type
        part = "eval_test" if count.split == "test" else "additional_training"
        assert broken.part == ("dev" if count.part == "dev" else part)


def test_no_number_of_training_clips_makes_up_for_test_clips():
    dataset = read_manifest().dataset(2021)
    training = [clip for clip in clips(dataset) if clip.split == "train"] * 100

    stocks = take_stock(dataset, training)

    assert {s.archive.part for s in stocks if s.is_whole} == {"additional_training"}
