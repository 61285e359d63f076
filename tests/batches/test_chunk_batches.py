"""Chunks: the frames of the whole clip, each as often as the others, drawn anew every epoch."""

import dataclasses

import keras
import numpy as np
import pytest
from scipy import stats

from asdkeras.batches.chunk_batches import Crop, chunk_batches
from asdkeras.batches.steps import Schedule, own_errors
from asdkeras.data.labels import Labels
from asdkeras.errors import DataError
from asdkeras.layers.magnitude_spectrogram import MagnitudeSpectrogram

NUM_CHUNKS = 282  # Of 313 frames, 32 at a time, as in clips of 10 s with hops of 512 samples.
CHUNK_LENGTH = 31 + 6
CROP = Crop(window_length=6, hop_length=1, num_frames=32, pad_mode="reflect")


@dataclasses.dataclass(frozen=True)
class Clips:
    """Sample j of clip i is 1000 i + j, also beyond its ends."""

    count: int = 11

    def __len__(self):
        return self.count

    def read_chunks(self, positions, first_samples, num_samples, clip_length, keep, pad_mode):
        assert (num_samples, clip_length, keep, pad_mode) == (CHUNK_LENGTH, 312, "end", "reflect")
        firsts = 1000.0 * positions + first_samples
        return (firsts[:, None] + np.arange(num_samples)).astype("float32")


def batches(clips=None, labels=None, first_epoch=0, epochs=3, seed=7, batch_size=4):
    schedule = Schedule(batch_size, seed, first_epoch, epochs)
    dataset = chunk_batches(clips or Clips(), 312, "end", labels or {}, CROP, schedule)
    return list(dataset.as_numpy_iterator())


def drawn(count, epochs, seed=7):
    """First frame of each clip's chunk, `(epochs, count)`, and the order of the clips."""
    chunks = np.concatenate([x for x, _, _ in batches(Clips(count), {}, 0, epochs, seed, 32)])
    firsts = (chunks[:, 0] + 3).round().astype(int).reshape(epochs, count)
    orders, starts = firsts // 1000, firsts % 1000
    return np.take_along_axis(starts, np.argsort(orders), axis=1), orders


def test_an_epoch_has_every_clip_once_and_keeps_the_smaller_last_batch():
    chunks = [x for x, _, _ in batches()]

    assert [len(x) for x in chunks] == [4, 4, 3] * 3
    _, orders = drawn(11, 3)
    for order in orders:
        assert sorted(order) == list(range(11))
    assert len({tuple(order) for order in orders}) == 3


def test_a_chunk_is_one_piece_of_one_clip():
    for x, _, _ in batches():
        assert x.dtype == np.float32
        np.testing.assert_array_equal(x - x[:, :1], np.tile(np.arange(CHUNK_LENGTH), (len(x), 1)))


def test_all_chunks_are_equally_probable():
    starts, _ = drawn(500, 40)

    counts = np.bincount(starts.ravel(), minlength=NUM_CHUNKS)

    assert len(counts) == NUM_CHUNKS
    assert counts.min() > 0
    assert 0.01 < stats.chisquare(counts).pvalue < 0.99


def test_every_epoch_draws_anew():
    starts, _ = drawn(500, 4)
    for one in range(4):
        for other in range(one):
            # Two independent draws agree in two of 500 clips on average.
            assert (starts[one] == starts[other]).sum() < 10


def test_the_draws_follow_from_the_seed():
    first, again, other = (drawn(500, 1, seed)[0] for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert (first == other).sum() < 10


def test_every_step_of_an_epoch_has_draws_of_its_own():
    steps = [
        tuple((x[:, 0] + 3) % 1000) for x, _, _ in batches(Clips(320), epochs=1, batch_size=32)
    ]
    assert len(set(steps)) == 10


def test_a_resumed_training_meets_the_batches_it_would_have_met():
    labels = {"section": Labels(("a", "b"), np.arange(11) % 2)}
    whole, rest = batches(labels=labels), batches(labels=labels, first_epoch=1)

    assert len(rest) == 6
    for (x, y, weights), (x_again, y_again, weights_again) in zip(whole[3:], rest, strict=True):
        np.testing.assert_array_equal(x, x_again)
        np.testing.assert_array_equal(y["section"], y_again["section"])
        np.testing.assert_array_equal(weights["section"], weights_again["section"])


def test_labels_belong_to_their_clips_and_weights_leave_out_what_is_unknown():
    labels = {
        "section": Labels(("a", "b", "c"), np.arange(11) % 3),
        "vel": Labels(("1", "2"), np.array([0, 1, -1, 1, -1, -1, -1, 0, 0, 1, -1])),
    }

    for x, y, weights in batches(labels=labels):
        clips = ((x[:, 0] + 3) // 1000).astype(int)
        assert list(y) == list(weights) == ["section", "vel"]
        np.testing.assert_array_equal(y["section"], np.eye(3)[clips % 3])
        np.testing.assert_array_equal(weights["section"], np.ones(len(x)))
        for one_hot, weight, clip in zip(y["vel"], weights["vel"], clips, strict=True):
            value = labels["vel"].indices[clip]
            assert one_hot.tolist() == [float(value == 0), float(value == 1)]
            assert weight == (0.0 if value == -1 else 1.0)
        assert weights["vel"].dtype == np.float32


@pytest.mark.parametrize("pad_mode", ["constant", "reflect"])
@pytest.mark.parametrize("keep", ["start", "end"])
@pytest.mark.parametrize("window_length", [64, 33])
def test_a_chunk_has_the_frames_of_the_whole_padded_clip(recorded, keep, pad_mode, window_length):
    layer = MagnitudeSpectrogram(window_length, 16)
    before = window_length // 2
    padding = ((0, 0), (before, window_length - before))
    padded = np.pad(recorded.read(np.arange(3), 165, keep), padding, mode=pad_mode)
    frames = np.array(layer(padded))[:, :11]  # 1 + 165 // 16 of them are centered on hops.

    dataset = chunk_batches(
        recorded,
        165,
        keep,
        {"clip": Labels(("0", "1", "2"), np.arange(3))},
        Crop(window_length, 16, 4, pad_mode),
        Schedule(2, 0, 0, 30),
    )

    elements = list(dataset.as_numpy_iterator())
    chunks = np.array(layer(np.concatenate([x for x, _, _ in elements])))
    clips = np.concatenate([y["clip"].argmax(axis=1) for _, y, _ in elements])
    found = set()
    for chunk, clip in zip(chunks, clips.tolist(), strict=True):
        differences = [np.abs(frames[clip, at : at + 4] - chunk).max() for at in range(8)]
        assert min(differences) < 1e-5
        found.add((clip, int(np.argmin(differences))))
    assert found == {(clip, start) for clip in range(3) for start in range(8)}


def test_keras_trains_on_the_batches():
    # At full size: 160,000 samples, of which a chunk takes 17,920.
    class Silence(Clips):
        def read_chunks(self, positions, first_samples, num_samples, *more):
            return np.full((len(positions), num_samples), 0.5, "float32")

    waveforms = keras.Input((17_920,))
    hidden = keras.layers.Dense(2, activation="relu")(waveforms)
    heads = {name: keras.layers.Dense(2, name=name)(hidden) for name in ("section", "vel")}
    model = keras.Model(waveforms, heads)
    model.compile(loss=keras.losses.CategoricalCrossentropy(from_logits=True), run_eagerly=True)
    labels = {
        "section": Labels(("a", "b"), np.zeros(11, int)),
        "vel": Labels(("1", "2"), np.full(11, -1)),
    }
    dataset = chunk_batches(
        Silence(),
        160_000,
        "end",
        labels,
        Crop(2048, 512, 32, "constant"),
        Schedule(8, 0, 0, 2),
    )
    before = {name: model.get_layer(name).get_weights()[1] for name in heads}

    model.fit(dataset, steps_per_epoch=2, shuffle=False, verbose=0)

    assert np.any(model.get_layer("section").get_weights()[1] != before["section"])
    np.testing.assert_array_equal(model.get_layer("vel").get_weights()[1], before["vel"])


@pytest.mark.parametrize(("clip_length", "count"), [(30, 31), (0, 1)])
def test_a_clip_has_at_least_the_frames_of_a_chunk(clip_length, count):
    match = rf"a crop needs 32 frames\. Received: clip_length={clip_length}, which has {count} "
    with pytest.raises(ValueError, match=match):
        chunk_batches(Clips(), clip_length, "end", {}, CROP, Schedule(4, 0, 0, 1))


def test_a_clip_of_as_many_frames_has_one_chunk():
    class Short(Clips):
        def read_chunks(self, positions, first_samples, num_samples, *more):
            assert (first_samples == -3).all()
            return np.zeros((len(positions), num_samples), "float32")

    assert len(list(chunk_batches(Short(), 31, "end", {}, CROP, Schedule(4, 0, 0, 2)))) == 6


def test_clips_that_cannot_be_read_say_so_themselves():
    class Gone(Clips):
        def read_chunks(self, *arguments):
            raise DataError("a.samples: is gone.")

    with pytest.raises(DataError, match=r"^a\.samples: is gone\.$"), own_errors():
        batches(Gone())


def test_the_store_is_asked_for_the_rows_of_the_table(recorded):
    part = recorded.read_chunks(np.array([2, 0]), [5, 10], 20, 80, "start", "constant")
    whole = recorded.store.read([3, 2], 80, "start")
    np.testing.assert_array_equal(part, [whole[0, 5:25], whole[1, 10:30]])
