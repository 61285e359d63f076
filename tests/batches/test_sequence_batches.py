"""Whole sequences with their sections, in batches of one size."""

import dataclasses
import types

import keras
import numpy as np
import pytest

from asdkeras.batches.sequence_batches import sequence_batches
from asdkeras.data.frames import write_frames


@dataclasses.dataclass(frozen=True)
class Sequences:
    """Sequence k has the number 1000 k + 10 frame + band everywhere."""

    count: int = 11
    num_frames: int = 5
    store: types.SimpleNamespace = dataclasses.field(
        default_factory=lambda: types.SimpleNamespace(num_bands=4)
    )

    def __len__(self):
        return self.count

    def read(self, indices):
        within = 10 * np.arange(self.num_frames)[:, None] + np.arange(self.store.num_bands)
        return (1000.0 * indices[:, None, None] + within).astype("float32")


SECTIONS = np.array([3, 1, 4, 1, 5, 0, 2, 5, 5, 0, 2])


def batches(seed=7, first_step=0, steps=12, batch_size=4):
    dataset = sequence_batches(
        Sequences(), SECTIONS, batch_size=batch_size, seed=seed, first_step=first_step, steps=steps
    )
    return list(dataset.as_numpy_iterator())


def clips_of(frames):
    return frames[:, 0, 0].astype(int) // 1000


def test_every_sequence_comes_whole_with_its_section_and_is_its_own_target():
    for inputs, targets in batches():
        assert set(inputs) == {"frames", "section"}
        clips = clips_of(inputs["frames"])
        assert inputs["frames"].dtype == np.float32
        assert inputs["section"].dtype == np.int32
        np.testing.assert_array_equal(inputs["frames"], Sequences().read(clips))
        np.testing.assert_array_equal(inputs["section"], SECTIONS[clips])
        np.testing.assert_array_equal(targets, inputs["frames"])


def test_a_pass_has_every_clip_once_and_all_batches_are_of_one_size():
    met = batches(steps=11)
    assert {len(targets) for _, targets in met} == {4}
    order = np.concatenate([clips_of(targets) for _, targets in met])
    for each in order.reshape(4, 11):
        assert sorted(each) == list(range(11))


def test_a_resumed_training_meets_the_batches_it_would_have_met():
    whole, rest = batches(), batches(first_step=5)
    assert len(rest) == 7
    for (inputs, _), (again, _) in zip(whole[5:], rest, strict=True):
        np.testing.assert_array_equal(inputs["frames"], again["frames"])
        np.testing.assert_array_equal(inputs["section"], again["section"])


def test_another_seed_is_another_order():
    first, other = (clips_of(batches(seed)[0][1]) for seed in (7, 8))
    assert not np.array_equal(first, other)


def test_every_clip_needs_a_section_and_a_whole_window():
    with pytest.raises(ValueError, match=r"one section.*Received: 10 sections, 11 windows"):
        sequence_batches(Sequences(), SECTIONS[:10], batch_size=4, seed=0, first_step=0, steps=1)


def test_keras_trains_on_the_frames_of_a_store(tmp_path):
    noise = np.random.default_rng(0).normal(size=(6, 5, 4)).astype("float32")
    frames, section = keras.Input((5, 4), name="frames"), keras.Input((), name="section")
    shift = keras.layers.Embedding(2, 4)(section)
    outputs = keras.layers.Dense(4)(frames) + shift[:, None]
    model = keras.Model({"frames": frames, "section": section}, outputs)
    model.compile("sgd", loss="mae", run_eagerly=True)
    before = model.get_weights()

    with write_frames(tmp_path / "frames", [noise], 6) as store:
        dataset = sequence_batches(
            store.windows(5, 1), [0, 1] * 3, batch_size=4, seed=0, first_step=0, steps=3
        )
        model.fit(dataset, shuffle=False, verbose=0)

    assert all(np.any(new != old) for new, old in zip(model.get_weights(), before, strict=True))
