"""Training batches: every clip once an epoch, mixed with its labels, the same after a resume."""

import dataclasses
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from asdkeras.batches import steps, waveform_batches
from asdkeras.batches.mixup import Mixup
from asdkeras.batches.steps import Schedule
from asdkeras.batches.waveform_batches import inference_batches, training_batches
from asdkeras.data.labels import Labels

NUM_CLIPS, CLIP_LENGTH, NUM_CLASSES = 11, 6, 5
UNMIXED = Mixup("waveform", 0.0, "linear")
MIXED = Mixup("waveform", 1.0, "linear")


@dataclasses.dataclass(frozen=True)
class Clips:
    """Clip i is 1000 i, 1000 i + 1, ..., so a sample tells where it is from."""

    count: int = NUM_CLIPS

    def __len__(self):
        return self.count

    def read(self, positions, clip_length, keep):
        assert keep == "end"
        return (1000.0 * positions[:, None] + np.arange(clip_length)).astype("float32")


LABELS = {
    "sections": Labels(tuple("abcde"), np.arange(NUM_CLIPS) % NUM_CLASSES),
    "attributes": Labels(tuple("abc"), np.arange(NUM_CLIPS) % 3),
}

# Two readers that wait for each other: alone, the first one gives up.
MEETING = """
import threading
import keras
import numpy as np
import tensorflow as tf
from asdkeras.batches import steps
from asdkeras.batches.mixup import Mixup
from asdkeras.batches.waveform_batches import training_batches
from asdkeras.data.labels import Labels

class Clips:
    barrier = threading.Barrier(2, timeout=60)
    def __len__(self):
        return 4
    def read(self, positions, clip_length, keep):
        self.barrier.wait()
        return np.zeros((len(positions), clip_length), "float32")

steps._READERS = 2
tf.config.experimental.enable_op_determinism()
labels = {"classes": Labels(("a", "b"), np.arange(4) % 2)}
for on in ("features", "waveform"):
    mixup = Mixup(on, 1.0, "linear")
    batches = training_batches(Clips(), 6, "end", labels, mixup, steps.Schedule(1, 0, 0, 2))
    assert len(list(batches)) == 8
"""


def batches(mixup=MIXED, first_epoch=0, epochs=3, seed=7, batch_size=4):
    schedule = Schedule(batch_size, seed, first_epoch, epochs)
    dataset = training_batches(Clips(), CLIP_LENGTH, "end", LABELS, mixup, schedule)
    return list(dataset.as_numpy_iterator())


def orders(count, seed, epochs=1):
    """Clip numbers in the order in which they are heard, one row per epoch."""
    labels = {"classes": Labels(tuple("ab"), np.arange(count) % 2)}
    schedule = Schedule(64, seed, 0, epochs)
    dataset = training_batches(Clips(count), 1, "end", labels, UNMIXED, schedule)
    heard = [inputs["waveform"][:, 0] / 1000.0 for inputs, _ in dataset.as_numpy_iterator()]
    return np.concatenate(heard).round().astype(int).reshape(epochs, count)


def clips_of(batch):
    return (batch[0]["waveform"][:, 0] / 1000.0).round().astype(int).tolist()


def test_an_epoch_has_every_clip_once_and_keeps_the_smaller_last_batch():
    epochs = np.split(np.array([len(b[0]["waveform"]) for b in batches(UNMIXED)]), 3)

    assert [sizes.tolist() for sizes in epochs] == [[4, 4, 3]] * 3
    clips = [clip for batch in batches(UNMIXED) for clip in clips_of(batch)]
    for epoch in np.split(np.array(clips), 3):
        assert sorted(epoch) == list(range(NUM_CLIPS))


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = [
        tuple(
            clip
            for batch in batches(UNMIXED, seed=seed)[start : start + 3]
            for clip in clips_of(batch)
        )
        for seed, start in [(7, 0), (7, 3), (8, 0)]
    ]

    assert len(set(orders)) == 3


def test_the_order_is_a_shuffle_over_all_clips_and_not_within_a_window():
    count = 3000

    for order in orders(count, seed=7, epochs=2):
        places = np.argsort(order)
        assert sorted(order) == list(range(count))
        # A third of all clips lies between two clips on average, be they neighbors or not.
        assert np.abs(np.diff(places)).mean() / count == pytest.approx(1 / 3, abs=0.03)
        assert np.abs(np.diff(order)).mean() / count == pytest.approx(1 / 3, abs=0.03)
        # Each tenth of the epoch hears every tenth of the clips alike, here 30 of each.
        counts = np.histogram2d(places, np.arange(count), bins=10)[0]
        assert ((counts > 10) & (counts < 55)).all()


def test_the_order_follows_from_seed_and_epoch_alone():
    first, second = orders(500, seed=7, epochs=2)

    assert np.array_equal(orders(500, seed=7, epochs=2), [first, second])
    for other in (second, *orders(500, seed=8)):
        # Two independent orders agree at one place on average.
        assert (first == other).sum() < 10


def test_the_batches_do_not_depend_on_how_many_are_read_at_once(monkeypatch):
    expected = batches()

    monkeypatch.setattr(steps, "_READERS", 7)

    for (inputs, _), (again, _) in zip(expected, batches(), strict=True):
        for name in inputs:
            np.testing.assert_array_equal(inputs[name], again[name])


@pytest.mark.slow
def test_several_batches_are_read_at_once_even_if_operations_repeat_themselves(tmp_path):
    script = tmp_path / "meet.py"
    script.write_text(MEETING)
    command = [sys.executable, script]

    # TensorFlow cannot leave this state again, so it is entered in another process.
    answer = subprocess.run(command, capture_output=True, text=True, timeout=100)

    assert answer.returncode == 0, answer.stderr


def test_a_batch_that_takes_longer_is_not_overtaken(monkeypatch):
    second_is_read = threading.Event()

    class Slow(Clips):
        def read(self, positions, clip_length, keep):
            if positions[0] == 0:
                assert second_is_read.wait(timeout=60)
                time.sleep(0.1)  # For the second to get ahead, if it may.
            elif positions[0] == 4:
                second_is_read.set()
            return super().read(positions, clip_length, keep)

    monkeypatch.setattr(steps, "_READERS", 2)

    waveforms = list(inference_batches(Slow(), CLIP_LENGTH, "end", 4).as_numpy_iterator())

    assert [each[0, 0] for each in waveforms] == [0.0, 4000.0, 8000.0]


def test_waveforms_longer_than_what_is_mixed_at_once_are_mixed_alike(monkeypatch):
    expected = batches()

    monkeypatch.setattr(waveform_batches, "_MIXED_LENGTH", 4)

    for (inputs, _), (again, _) in zip(expected, batches(), strict=True):
        np.testing.assert_array_equal(inputs["waveform"], again["waveform"])


def test_a_resumed_training_meets_the_batches_it_would_have_met():
    whole, rest = batches(), batches(first_epoch=1)

    assert len(rest) == 6
    for (inputs, targets), (inputs_again, targets_again) in zip(whole[3:], rest, strict=True):
        for name in inputs:
            np.testing.assert_array_equal(inputs[name], inputs_again[name])
        for name in targets:
            np.testing.assert_array_equal(targets[name], targets_again[name])


@pytest.mark.parametrize("on", ["waveform", "features"])
def test_clips_and_both_labels_are_mixed_with_the_reversed_batch_by_one_weight(on):
    plain = batches(UNMIXED)
    mixed = batches(dataclasses.replace(MIXED, on="features"))
    result = batches(dataclasses.replace(MIXED, on=on))

    for (clean, clean_labels), (weighted, _), (inputs, targets) in zip(
        plain, mixed, result, strict=True
    ):
        weight = weighted["weight"].astype("float64")
        assert ((weight > 0) & (weight < 1)).all()
        for name in LABELS:
            expected = weight * clean_labels[name] + (1 - weight) * clean_labels[name][::-1]
            np.testing.assert_allclose(targets[name], expected, atol=1e-6)
            np.testing.assert_array_equal(targets[name], inputs[f"{name}_label"])
        if on == "waveform":
            wave = clean["waveform"].astype("float64")
            np.testing.assert_allclose(
                inputs["waveform"], weight * wave + (1 - weight) * wave[::-1], rtol=1e-5
            )
            assert (inputs["weight"] == 1).all()
        else:
            np.testing.assert_array_equal(inputs["waveform"], clean["waveform"])


def test_labels_belong_to_their_clips():
    for batch in batches(UNMIXED):
        clips = np.array(clips_of(batch))
        np.testing.assert_array_equal(batch[1]["sections"], np.eye(5)[clips % 5])
        np.testing.assert_array_equal(batch[1]["attributes"], np.eye(3)[clips % 3])


def test_a_probability_mixes_that_share_of_the_clips():
    half = batches(Mixup("features", 0.5, "linear"), epochs=60)

    is_mixed = np.concatenate([inputs["weight"] for inputs, _ in half]) < 1
    assert is_mixed.mean() == pytest.approx(0.5, abs=0.06)


def test_weights_are_uniform_and_differ_from_step_to_step():
    weights = np.concatenate(
        [
            inputs["weight"][:, 0]
            for inputs, _ in batches(dataclasses.replace(MIXED, on="features"), epochs=60)
        ]
    )

    assert len(np.unique(weights)) == len(weights)
    assert weights.mean() == pytest.approx(0.5, abs=0.05)
    assert weights.var() == pytest.approx(1 / 12, abs=0.01)


def test_inference_has_all_clips_in_order():
    waveforms = list(inference_batches(Clips(), CLIP_LENGTH, "end", 4).as_numpy_iterator())

    assert [len(each) for each in waveforms] == [4, 4, 3]
    expected = Clips().read(np.arange(NUM_CLIPS), CLIP_LENGTH, "end")
    np.testing.assert_array_equal(np.concatenate(waveforms), expected)
