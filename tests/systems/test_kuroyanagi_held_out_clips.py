"""Which training clips the models of Kuroyanagi 2021 do not learn from."""

import numpy as np
import pytest

from asdkeras.systems.kuroyanagi.held_out_clips import held_out, held_out_rows
from tests.systems.recorded_clips import clip_table


def held_out_counts(fraction, clips):
    table = clip_table(clips)
    chosen = held_out(fraction, table)
    return table[chosen].groupby("section").size().to_dict(), chosen


def source_clips(section, count):
    return [(section, "source", "train", False)] * count


def test_a_part_of_the_source_clips_of_each_section_is_held_out():
    clips = source_clips("00", 140) + source_clips("01", 26)

    counts, _ = held_out_counts(0.1, clips)

    assert counts == {"00": 14, "01": 3}


def test_target_clips_are_never_held_out():
    clips = [("00", d, "train", False) for d in ("source", "target", "target", "source") * 5]

    _, chosen = held_out_counts(0.9, clips)

    assert set(np.flatnonzero(chosen) % 4) == {0, 3}
    assert chosen.sum() == 9


@pytest.mark.parametrize(
    ("fraction", "num_clips", "expected"),
    [
        *((0.1, 3, 1), (0.9, 2, 1), (0.9, 3, 2), (0.5, 1, 0), (0.01, 29, 1), (0.01, 30, 10)),
        *((0.1, 99, 10), (0.1, 1000, 100), (0.99, 30, 29)),
    ],
)
def test_ten_of_thirty_are_held_out_at_least_and_one_of_two(fraction, num_clips, expected):
    _, chosen = held_out_counts(fraction, source_clips("00", num_clips))

    assert chosen.sum() == expected


def test_held_out_clips_lie_anywhere_among_those_of_their_section():
    chosen = [held_out_counts(0.5, source_clips(name, 40))[1] for name in ("00", "01", "02")]

    for one in chosen:
        assert 2 <= one[:20].sum() <= 18
    assert len({tuple(one) for one in chosen}) == 3


def test_models_of_a_machine_type_and_of_a_section_hold_out_the_same_clips():
    """So that scores of both are comparable by them."""
    _, together = held_out_counts(0.3, source_clips("00", 40) + source_clips("01", 40))
    _, alone = held_out_counts(0.3, source_clips("01", 40))

    np.testing.assert_array_equal(together[40:], alone)
    assert (together[:40] != alone).any()


def test_a_smaller_fraction_holds_out_some_of_the_same_clips():
    (_, few), (_, many) = (held_out_counts(each, source_clips("00", 90)) for each in (0.2, 0.4))

    assert many.sum() == 2 * few.sum()
    assert many[few].all()


def test_positions_count_training_clips_alone():
    splits = ["test", "train", "train", "test", "train"]
    table = clip_table([("00", "source", split, False) for split in splits])[::-1]

    found = held_out_rows(np.array([0, 2]), table)

    assert found.tolist() == [True, False, False, True, False]
