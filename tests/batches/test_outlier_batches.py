"""Halves of a batch, target clips and their mixtures, crops as the network hears them."""

import dataclasses

import keras
import numpy as np
import pytest
from scipy import stats

from asdkeras.batches.chunk_batches import Crop
from asdkeras.batches.outlier_batches import OutlierClips, TargetSlots, outlier_batches
from asdkeras.batches.steps import Schedule, own_errors
from asdkeras.batches.waveform_noise import Augmentation
from asdkeras.errors import DataError
from asdkeras.layers.log_mel_spectrogram import LogMelMagnitudes

CROP = Crop(window_length=20, hop_length=10, num_frames=4, pad_mode="reflect")  # 50 samples.
NUM_PLACES = 18  # Of 21 frames, 4 at a time.
POSITIVES, NEGATIVES = np.arange(10), np.arange(10, 33)
OWN_TARGETS, OTHER_TARGETS = np.arange(33, 36), np.arange(36, 40)
TARGETS = np.arange(33, 40)


@dataclasses.dataclass
class Numbered:
    """Sample j of clip i is 1000 i + j, also beyond its ends."""

    calls: list = dataclasses.field(default_factory=list)

    def __len__(self):
        return 40

    def read_chunks(self, positions, first_samples, num_samples, clip_length, keep, pad_mode):
        assert (num_samples, clip_length, keep, pad_mode) == (50, 200, "end", "reflect")
        self.calls.append(positions)
        firsts = 1000.0 * positions + first_samples
        return (firsts[:, None] + np.arange(num_samples)).astype("float32")


class OneSample(Numbered):
    """A crop of clip i is 1 at its sample i, otherwise 0: a mixture tells its weights."""

    def read_chunks(self, positions, *arguments):
        super().read_chunks(positions, *arguments)
        return np.eye(50, dtype="float32")[positions]


def outlier_clips(clips=None, mean=None, deviation=None):
    mean = np.zeros(40) if mean is None else mean
    deviation = np.ones(40) if deviation is None else deviation
    return OutlierClips(Numbered() if clips is None else clips, 200, "end", mean, deviation, CROP)


def batches(clips=None, *, seed=7, first_step=0, steps=20, batch_size=8, **more):
    """Of the source model; waveforms and labels."""
    schedule = Schedule(batch_size, seed, first_step, steps)
    dataset = outlier_batches(clips or outlier_clips(), POSITIVES, NEGATIVES, schedule, **more)
    return _unpacked(dataset)


def slots(num_slots=6, mixup_probability=0.5, alpha=1.0):
    return TargetSlots(OWN_TARGETS, OTHER_TARGETS, num_slots, mixup_probability, alpha)


def adapted(clips=None, *, seed=7, first_step=0, steps=20, alpha=1.0, probability=0.5, **more):
    """Of 4 positives, 4 negatives and, of the target domain, 3 of each."""
    dataset = outlier_batches(
        clips or outlier_clips(OneSample()),
        POSITIVES,
        NEGATIVES,
        Schedule(14, seed, first_step, steps),
        target_slots=slots(6, probability, alpha),
        **more,
    )
    return _unpacked(dataset)


def _unpacked(dataset):
    unpacked = []
    for inputs, label in dataset.as_numpy_iterator():
        assert set(inputs) == {"waveform", "label"}
        assert inputs["waveform"].dtype == label.dtype == np.float32
        assert inputs["waveform"].shape == (len(label), 50)
        assert label.shape == (len(label), 1)
        np.testing.assert_array_equal(inputs["label"], label)
        unpacked.append((inputs["waveform"], label))
    return unpacked


def clips_and_firsts(waveforms):
    """Which clip each crop of numbered samples is of, and its first sample."""
    clips = np.round(waveforms[:, 10] / 1000).astype(int)
    return clips, waveforms[:, 0].astype(int) - 1000 * clips


def test_the_first_half_is_positive_and_the_second_negative():
    met = batches()
    assert len(met) == 20
    for waveforms, labels in met:
        clips, _ = clips_and_firsts(waveforms)
        assert labels[:, 0].tolist() == [1.0] * 4 + [0.0] * 4
        assert set(clips[:4]) <= set(POSITIVES)
        assert set(clips[4:]) <= set(NEGATIVES)


def test_both_halves_go_through_all_their_clips_again_and_again():
    clips = np.array([clips_and_firsts(waveforms)[0] for waveforms, _ in batches(steps=27)])
    positives, negatives = clips[:, :4].ravel(), clips[:, 4:].ravel()
    for start in range(0, 100, 10):
        assert sorted(positives[start : start + 10]) == POSITIVES.tolist()
    for start in range(0, 92, 23):
        assert sorted(negatives[start : start + 23]) == NEGATIVES.tolist()


def test_every_kind_of_clips_has_an_order_of_its_own():
    *sources, own, others = [np.arange(start, start + 9) for start in (0, 9, 18, 27)]
    dataset = outlier_batches(
        outlier_clips(OneSample()),
        *sources,
        Schedule(14, 0, 0, 3),
        target_slots=TargetSlots(own, others, 6, 0.5, 1.0),
    )
    waveforms = np.stack([waveforms for waveforms, _ in _unpacked(dataset)])
    orders = [
        waveforms[:, rows, first : first + 9].argmax(axis=2).ravel()[:9]
        for first, rows in ((0, np.s_[:4]), (9, np.s_[4:8]), (18, np.s_[8:11]), (27, np.s_[11:]))
    ]
    assert [sorted(order) for order in orders] == [list(range(9))] * 4
    assert len({tuple(order) for order in orders}) == 4


def test_a_crop_is_one_piece_of_one_clip_that_begins_half_a_window_before_a_frame():
    for waveforms, _ in batches():
        _, firsts = clips_and_firsts(waveforms)
        np.testing.assert_array_equal(
            waveforms - waveforms[:, :1], np.tile(np.arange(50), (len(waveforms), 1))
        )
        assert np.all(firsts % 10 == 0)
        assert firsts.min() >= -10
        assert firsts.max() <= 160


def test_all_crops_are_equally_probable_in_both_halves():
    met = batches(steps=40, batch_size=100)
    firsts = np.array([clips_and_firsts(waveforms)[1] for waveforms, _ in met])
    for half in (firsts[:, :50], firsts[:, 50:]):
        counts = np.bincount((half.ravel() + 10) // 10, minlength=NUM_PLACES)
        assert len(counts) == NUM_PLACES
        assert 0.01 < stats.chisquare(counts).pvalue < 0.99


def test_steps_and_seeds_have_places_of_their_own():
    met = [*batches(steps=10, batch_size=64), *batches(seed=8, steps=2, batch_size=64)]
    places = [clips_and_firsts(waveforms)[1] for waveforms, _ in met]
    for number, one in enumerate(places):
        for other in places[:number]:
            # Two independent draws agree in 3.6 of 64 crops on average.
            assert (one == other).sum() < 16


NOISY = Augmentation(0.5, (5.0, 20.0), 0.5, (-10.0, 10.0))


@pytest.mark.parametrize("make", [batches, adapted])
def test_a_resumed_training_meets_the_batches_it_would_have_met(make):
    whole = make(augmentation=NOISY)
    for first_step in (13, 20):
        rest = make(augmentation=NOISY, first_step=first_step)
        assert len(rest) == 20 - first_step
        for (waveforms, labels), (again, labels_again) in zip(
            whole[first_step:], rest, strict=True
        ):
            np.testing.assert_array_equal(waveforms, again)
            np.testing.assert_array_equal(labels, labels_again)


def test_every_draw_follows_from_the_seed():
    first, again, other = (adapted(augmentation=NOISY, seed=seed, steps=2) for seed in (7, 7, 8))
    for (waveforms, _), (same, _), (another, _) in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(waveforms, same)
        assert not np.array_equal(waveforms, another)


@pytest.mark.parametrize("make", [batches, adapted])
def test_each_piece_of_a_batch_is_read_in_one_call(make):
    clips = OneSample()
    met = make(outlier_clips(clips), steps=5)
    others = 0 if make is batches else 6
    assert [len(positions) for positions in clips.calls] == [len(met[0][1]) + others] * 5


def test_clips_are_normalized_by_their_own_mean_and_deviation():
    random = np.random.default_rng(0)
    mean, deviation = random.normal(size=40), random.uniform(0.5, 2.0, 40)
    plain, normalized = batches(), batches(outlier_clips(mean=mean, deviation=deviation))
    for (waveforms, _), (heard, _) in zip(plain, normalized, strict=True):
        clips, _ = clips_and_firsts(waveforms)
        expected = (waveforms - mean[clips, None]) / deviation[clips, None]
        np.testing.assert_allclose(heard, expected, rtol=1e-5)


def weights_of(met):
    """Weights of all clips in the target slots, `(slots, 40)`, and their labels `(slots,)`."""
    waveforms = np.concatenate([waveforms[8:] for waveforms, _ in met])
    np.testing.assert_array_equal(waveforms[:, 40:], 0.0)
    return waveforms[:, :40], np.concatenate([labels[8:, 0] for _, labels in met])


def test_source_clips_come_first_half_of_them_positive():
    for waveforms, labels in adapted():
        assert labels[:8, 0].tolist() == [1.0] * 4 + [0.0] * 4
        clips = waveforms[:8].argmax(axis=1)
        np.testing.assert_array_equal(waveforms[:8], np.eye(50)[clips])
        assert set(clips[:4]) <= set(POSITIVES)
        assert set(clips[4:]) <= set(NEGATIVES)


def test_every_target_slot_is_a_target_or_lies_between_one_and_one_source_clip():
    weights, labels = weights_of(adapted(steps=50))
    for row, label in zip(weights, labels, strict=True):
        [target] = TARGETS[np.flatnonzero(row[TARGETS])]
        sources = np.flatnonzero(row[:33])
        weight = row[target]
        assert len(sources) == (0 if weight == 1.0 else 1)
        np.testing.assert_allclose(row.sum(), 1.0, rtol=1e-6)
        label_of_target = float(target in OWN_TARGETS)
        label_of_source = float(len(sources) and sources[0] in POSITIVES)
        expected = weight * label_of_target + (1 - weight) * label_of_source
        np.testing.assert_allclose(label, expected, rtol=1e-6, atol=1e-7)


def test_half_of_the_target_slots_are_of_the_section_and_half_of_all_others():
    """They go through all target clips of either again and again."""
    weights, _ = weights_of(adapted(steps=20))
    targets = TARGETS[[np.flatnonzero(row[TARGETS])[0] for row in weights]].reshape(20, 6)
    for own in targets[:, :3]:
        assert sorted(own) == OWN_TARGETS.tolist()
    for others in targets[:, 3:].reshape(15, 4):
        assert sorted(others) == OTHER_TARGETS.tolist()


@pytest.mark.parametrize(("alpha", "probability"), [(1.0, 0.5), (0.2, 1.0)])
def test_normal_and_outlier_data_are_one_to_one_in_the_mean(alpha, probability):
    """Sec. 3.1: the ratio of normal data and outlier data is 1:1, here by the sum of labels."""
    met = adapted(steps=800, alpha=alpha, probability=probability)
    sums = np.array([labels.sum() for _, labels in met])

    # The sum of 6 labels has a standard deviation of less than sqrt(6) / 2, so 4 errors.
    assert abs(sums.mean() - 14 / 2) < 4 * np.sqrt(6) / 2 / np.sqrt(800)
    assert sums.std() > 0.1


@pytest.mark.parametrize(("probability", "share"), [(0.0, 0.0), (1.0, 1.0), (0.2, 0.2)])
def test_the_recipe_says_how_many_target_slots_are_mixed(probability, share):
    weights, _ = weights_of(adapted(steps=200, probability=probability))
    is_mixed = weights[:, TARGETS].max(axis=1) < 1.0
    # Of 1200, with a standard deviation of 0.012 in the last case.
    assert is_mixed.mean() == pytest.approx(share, abs=0.04 if 0 < share < 1 else 0.0)


def test_half_of_the_target_slots_are_mixed_and_half_of_these_with_positives():
    weights, _ = weights_of(adapted(steps=400))
    is_mixed = weights[:, TARGETS].max(axis=1) < 1.0
    is_positive = weights[:, POSITIVES].max(axis=1) > 0.0
    # 1200 of 2400 and half of these, with standard deviations of 24 and 17.
    assert abs(is_mixed.sum() - 1200) < 100
    assert abs(is_positive[is_mixed].sum() / is_mixed.sum() - 0.5) < 0.07
    # Each slot for itself: 400 of each, with a standard deviation of 10.
    assert np.all(np.abs(is_mixed.reshape(400, 6).sum(axis=0) - 200) < 45)
    pairs = np.corrcoef(is_mixed.reshape(400, 6).T) - np.eye(6)
    assert np.abs(pairs).max() < 0.25


def test_every_source_clip_of_a_class_is_as_likely_to_be_mixed_in():
    weights, _ = weights_of(adapted(steps=600))
    for candidates in (POSITIVES, NEGATIVES):
        counts = (weights[:, candidates] > 0.0).sum(axis=0)
        assert 0.01 < stats.chisquare(counts).pvalue < 0.99


@pytest.mark.parametrize("alpha", [0.5, 2.0])
def test_weights_of_what_is_mixed_are_beta_distributed(alpha):
    weights, _ = weights_of(adapted(steps=200, alpha=alpha))
    mixed = weights[:, TARGETS].max(axis=1)
    mixed = mixed[mixed < 1.0]
    assert 0.01 < stats.kstest(mixed, stats.beta(alpha, alpha).cdf).pvalue < 0.999


def test_waveforms_are_normalized_before_they_are_mixed():
    mean, deviation = np.zeros(40), np.where(np.isin(np.arange(40), TARGETS), 4.0, 0.5)
    plain, _ = weights_of(adapted())
    heard = np.concatenate(
        [
            waveforms[8:, :40]
            for waveforms, _ in adapted(outlier_clips(OneSample(), mean, deviation))
        ]
    )
    np.testing.assert_allclose(heard, plain / deviation, rtol=1e-6)


def test_crops_of_target_slots_are_drawn_like_all_others():
    # All mean 0: a mixture of two numbered clips is a piece that rises by 1 per sample.
    met = adapted(outlier_clips(Numbered()), steps=400)
    waveforms = np.concatenate([waveforms[8:] for waveforms, labels in met])
    labels = np.concatenate([labels[8:, 0] for _, labels in met])
    np.testing.assert_allclose(np.diff(waveforms, axis=1), 1.0, atol=0.02)
    _, firsts = clips_and_firsts(waveforms[(labels == 1.0) | (labels == 0.0)])
    pure = firsts[np.isin(firsts, np.arange(-10, 170, 10))]
    counts = np.bincount((pure + 10) // 10, minlength=NUM_PLACES)
    assert counts.min() > 0
    assert len(counts) == NUM_PLACES


def test_what_is_heard_is_augmented_after_it_was_mixed():
    plain = adapted()
    louder = adapted(augmentation=Augmentation(0.0, (5.0, 20.0), 1.0, (6.0, 6.0)))
    noisy = adapted(augmentation=Augmentation(1.0, (20.0, 20.0), 0.0, (-10.0, 10.0)))
    for (clean, labels), (loud, labels_loud), (noise, labels_noise) in zip(
        plain, louder, noisy, strict=True
    ):
        np.testing.assert_allclose(loud, clean * 10**0.3, rtol=1e-5)
        np.testing.assert_allclose(
            np.abs(noise - clean).max(axis=1), np.abs(clean).max(axis=1) / 10, rtol=1e-4
        )
        np.testing.assert_array_equal(labels, labels_loud)
        np.testing.assert_array_equal(labels, labels_noise)


def test_augmentation_changes_neither_clips_nor_places():
    louder = batches(augmentation=Augmentation(0.0, (5.0, 20.0), 1.0, (20.0, 20.0)))
    for (clean, _), (loud, _) in zip(batches(), louder, strict=True):
        np.testing.assert_allclose(loud, 10 * clean, rtol=1e-5)


@pytest.mark.parametrize("pad_mode", ["constant", "reflect"])
@pytest.mark.parametrize("keep", ["start", "end"])
def test_a_crop_has_the_frames_of_the_whole_normalized_clip(recorded, keep, pad_mode):
    mean, deviation = np.array([0.4, -0.3, 0.2]), np.array([0.5, 0.1, 2.0])
    front_end = {"window_length": 64, "hop_length": 16, "num_mel_bins": 8, "floor": 1e-5}
    front_end["window"] = "periodic"
    heard = (recorded.read(np.arange(3), 165, keep) - mean[:, None]) / deviation[:, None]
    frames = np.array(
        LogMelMagnitudes(16000, **front_end, pad_mode=pad_mode)(heard.astype("float32"))
    )
    assert frames.shape == (3, 11, 8)

    dataset = outlier_batches(
        OutlierClips(recorded, 165, keep, mean, deviation, Crop(64, 16, 4, pad_mode)),
        [0, 1],
        [2],
        Schedule(4, 0, 0, 30),
    )

    waveforms = np.concatenate([x["waveform"] for x, _ in dataset.as_numpy_iterator()])
    crops = np.array(LogMelMagnitudes(16000, **front_end, pad_mode=None)(waveforms))
    found = set()
    for crop in crops:
        differences = np.array(
            [[np.abs(clip[at : at + 4] - crop).max() for at in range(8)] for clip in frames]
        )
        assert differences.min() < 1e-4
        found.add(np.unravel_index(differences.argmin(), differences.shape))
    assert found == {(clip, at) for clip in range(3) for at in range(8)}


def test_keras_trains_on_the_batches():
    waveform = keras.Input((50,), name="waveform")
    label = keras.Input((1,), name="label")
    probability = keras.layers.Dense(1, activation="sigmoid")(waveform)
    model = keras.Model({"waveform": waveform, "label": label}, probability + 0.0 * label)
    model.compile("sgd", loss="binary_crossentropy", run_eagerly=True)
    before = model.get_weights()[0]

    dataset = outlier_batches(
        outlier_clips(OneSample()),
        POSITIVES,
        NEGATIVES,
        Schedule(14, 0, 0, 3),
        target_slots=slots(),
    )
    model.fit(dataset, shuffle=False, verbose=0)

    assert np.all(np.isfinite(model.get_weights()[0]))
    assert np.any(model.get_weights()[0] != before)


def test_clips_that_cannot_be_read_say_so_themselves():
    class Gone(Numbered):
        def read_chunks(self, *arguments):
            raise DataError("a.samples: is gone.")

    with pytest.raises(DataError, match=r"^a\.samples: is gone\.$"), own_errors():
        batches(outlier_clips(Gone()))


@pytest.mark.parametrize("batch_size", [7, 0])
def test_half_of_a_batch_must_be_possible(batch_size):
    message = (
        rf"not of the target slots.*even number above 0.*Received: {batch_size}\. Change `batch"
    )
    with pytest.raises(ValueError, match=message):
        batches(batch_size=batch_size)


@pytest.mark.parametrize(
    ("batch_size", "num_target", "message"),
    [
        (14, 14, r"not of the target slots.*above 0.*Received: 0\. Change `batch_size`"),
        (14, 5, r"not of the target slots.*above 0.*Received: 9\. Change `batch_size`"),
        (13, 5, r"the target slots of a batch .*above 0.*Received: 5\. Change `num_slots`"),
        (14, 0, r"the target slots of a batch .*above 0.*Received: 0\. Change `num_slots`"),
    ],
)
def test_half_of_the_target_slots_and_of_the_others_must_be_possible(
    batch_size, num_target, message
):
    with pytest.raises(ValueError, match=message):
        outlier_batches(
            outlier_clips(),
            POSITIVES,
            NEGATIVES,
            Schedule(batch_size, 0, 0, 1),
            target_slots=slots(num_target),
        )


@pytest.mark.parametrize("alpha", [0.01, float("inf")])
def test_alpha_must_be_one_that_can_be_drawn_from(alpha):
    with pytest.raises(ValueError, match=f"`alpha` must be finite.*Received: alpha={alpha}"):
        adapted(alpha=alpha)


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_a_probability_must_be_one(probability):
    with pytest.raises(ValueError, match=rf"`mixup_probability`.*Received: .*={probability}"):
        slots(mixup_probability=probability)


def test_a_clip_has_at_least_the_frames_of_a_crop():
    assert CROP.num_places(30) == 1
    with pytest.raises(ValueError, match=r"needs 4 frames\. Received: clip_length=29, .* 3 with"):
        CROP.num_places(29)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"deviation": np.append(np.ones(39), 0.0)}, r"above 0, for silence.*Received: 0\.0"),
        ({"deviation": np.append(np.ones(39), np.nan)}, "above 0, for silence.*Received: nan"),
        ({"deviation": np.ones(3)}, r"deviation.*one number per clip.*\(3,\) for 40 clips"),
        ({"mean": np.zeros(())}, r"mean.*one number per clip.*\(\) for 40 clips"),
    ],
)
def test_what_cannot_be_normalized_is_refused(more, message):
    with pytest.raises(ValueError, match=message):
        outlier_clips(**more)
