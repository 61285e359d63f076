"""Endless orders: shuffled passes without a gap, found again at any step; parts and errors."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from asdkeras.batches.steps import Schedule, endless_positions, in_parts, own_errors
from asdkeras.batches.waveform_batches import inference_batches
from asdkeras.errors import DataError


def steps_of(candidates, batch_size=4, seed=7, stream=0, first_step=0, steps=30):
    schedule = Schedule(batch_size, seed, first_step, steps)
    dataset = endless_positions(candidates, schedule, stream)
    return [(int(step), positions) for step, positions in dataset.as_numpy_iterator()]


def order_of(*arguments, **more):
    return np.concatenate([positions for _, positions in steps_of(*arguments, **more)])


@pytest.mark.parametrize(
    ("count", "batch_size", "num_steps"), [(11, 4, 30), (8, 4, 6), (3, 16, 9), (1, 5, 3), (7, 7, 3)]
)
def test_every_pass_has_every_candidate_once_and_no_gap(count, batch_size, num_steps):
    candidates = 100 + 3 * np.arange(count)

    order = order_of(candidates, batch_size, steps=num_steps)

    assert order.dtype == np.int64
    assert len(order) == num_steps * batch_size
    for each in _cut(order, count):
        assert len(set(each)) == len(each)
        assert set(each) <= set(candidates)


def _cut(order, count):
    return [order[start : start + count].tolist() for start in range(0, len(order), count)]


def test_every_batch_is_whole_and_every_step_is_numbered():
    met = steps_of(range(11), first_step=3, steps=20)
    assert [step for step, _ in met] == list(range(3, 20))
    assert {positions.shape for _, positions in met} == {(4,)}


@pytest.mark.parametrize(("count", "batch_size"), [(11, 4), (8, 4), (3, 16), (50, 4)])
def test_a_resumed_order_goes_on_where_it_would_have_been(count, batch_size):
    whole = steps_of(range(count), batch_size)
    for first_step in (1, 2, 5, 11, 29):
        rest = steps_of(range(count), batch_size, first_step=first_step)
        assert len(rest) == 30 - first_step
        for (step, positions), (step_again, again) in zip(whole[first_step:], rest, strict=True):
            assert step == step_again
            np.testing.assert_array_equal(positions, again)


def test_a_finished_order_has_no_steps_left():
    assert steps_of(range(11), first_step=30) == []


def test_passes_streams_and_seeds_have_orders_of_their_own():
    passes = _cut(order_of(range(40), 40, steps=3), 40)
    other_stream = order_of(range(40), 40, stream=1, steps=1).tolist()
    other_seed = order_of(range(40), 40, seed=8, steps=1).tolist()
    assert len({tuple(each) for each in [*passes, other_stream, other_seed]}) == 5


def test_every_place_of_a_pass_is_as_likely_for_every_candidate():
    order = order_of(range(4), steps=1000).reshape(1000, 4)
    for place in order.T:
        # 250 of 1000 passes, with a standard deviation of 14.
        assert np.all(np.abs(np.bincount(place, minlength=4) - 250) < 65)


@pytest.mark.parametrize(
    ("candidates", "batch_size", "received"),
    [([], 4, r"shape \(0,\), batch_size=4"), ([1, 2], 0, r"shape \(2,\), batch_size=0")],
)
def test_an_order_of_nothing_is_refused(candidates, batch_size, received):
    with pytest.raises(ValueError, match=f"at least one candidate.*Received: .*{received}"):
        endless_positions(candidates, Schedule(batch_size, 0, 0, 1))


def numbered(size):
    """Two batches of the numbers below 12, alone or with their negatives."""
    return tf.data.Dataset.range(12).batch(6, drop_remainder=True)


def test_parts_are_the_batches_in_order():
    inputs = numbered(6).map(lambda each: ({"values": each, "doubled": 2 * each[:, None]}, -each))

    parts = list(in_parts(inputs, 3).as_numpy_iterator())

    assert [each["values"].tolist() for each, _ in parts] == np.arange(12).reshape(6, 2).tolist()
    for each, negative in parts:
        np.testing.assert_array_equal(each["doubled"], 2 * each["values"][:, None])
        np.testing.assert_array_equal(negative, -each["values"])


def test_parts_of_batches_without_targets_are_inputs_alone():
    parts = list(in_parts(numbered(6).map(lambda each: (each,)), 2).as_numpy_iterator())

    assert [(len(part), len(part[0])) for part in parts] == 4 * [(1, 3)]


class Gone:
    """Clips whose file is gone."""

    def __len__(self):
        return 4

    def read(self, positions, clip_length, keep):
        raise DataError("a.samples: is gone.\nDo this.")


def test_clips_that_cannot_be_read_say_so_themselves():
    with pytest.raises(DataError, match=r"^a\.samples: is gone\.\nDo this\.$"), own_errors():
        list(inference_batches(Gone(), 8, "start", 2))

    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    batches = inference_batches(Gone(), 8, "start", 2).map(lambda each: (each, each[:, :1]))
    with pytest.raises(DataError, match=r"^a\.samples: is gone"), own_errors():
        model.fit(batches, shuffle=False, verbose=0)


def test_other_errors_of_the_pipeline_stay_what_they_are():
    broken = tf.data.Dataset.range(1).map(
        lambda x: tf.numpy_function(lambda _: 1 / 0, [x], tf.int64)
    )

    with pytest.raises(tf.errors.UnknownError, match="ZeroDivisionError"), own_errors():
        list(broken)
