"""Training batches: every clip once an epoch, mixed with its labels, the same after a resume."""

import dataclasses

import numpy as np
import pytest

from asdkeras.data.labels import Labels
from asdkeras.data.pipeline import Mixup, inference_batches, training_batches

NUM_CLIPS, CLIP_LENGTH, NUM_CLASSES = 11, 6, 5
UNMIXED = Mixup("waveform", 0.0, "linear")
MIXED = Mixup("waveform", 1.0, "linear")


@dataclasses.dataclass(frozen=True)
class Clips:
    """Clip i is 1000 i, 1000 i + 1, ..., so a sample tells where it is from."""

    def __len__(self):
        return NUM_CLIPS

    def read(self, positions, clip_length, keep):
        assert keep == "end"
        return (1000.0 * positions[:, None] + np.arange(clip_length)).astype("float32")


LABELS = {
    "sections": Labels(tuple("abcde"), np.arange(NUM_CLIPS) % NUM_CLASSES),
    "attributes": Labels(tuple("abc"), np.arange(NUM_CLIPS) % 3),
}


def batches(mixup=MIXED, first_epoch=0, epochs=3, seed=7, batch_size=4):
    dataset = training_batches(
        Clips(),
        CLIP_LENGTH,
        "end",
        LABELS,
        batch_size=batch_size,
        mixup=mixup,
        seed=seed,
        first_epoch=first_epoch,
        epochs=epochs,
    )
    return list(dataset.as_numpy_iterator())


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
