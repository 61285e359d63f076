"""Moments of stored clips against NumPy, and that no clip is read twice for them."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import soundfile

from asdkeras.data import store_moments
from asdkeras.data.audio import AudioConfig, read_audio
from asdkeras.data.store import open_store
from asdkeras.data.store_moments import clip_moments, joined
from asdkeras.errors import DataError

NUM_CLIPS = 8


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(store_moments, "_SAMPLES_AT_ONCE", 700)


@pytest.fixture
def reads(monkeypatch):
    """How many bytes each reading of stored samples took."""
    counts = []

    class Noting(io.FileIO):
        def readinto(self, buffer):
            counts.append(super().readinto(buffer))
            return counts[-1]

    monkeypatch.setattr("asdkeras.data.store.open", Noting, raising=False)
    return counts


def opened(folder, subtypes=("PCM_16",), offset=0.1):
    """A store of clips of 1000 to 1007 samples around an offset, and the path of each."""
    audio = folder / "audio"
    audio.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    for number in range(NUM_CLIPS):
        samples = offset + random.uniform(-0.3, 0.1 * number, 1000 + number)
        subtype = subtypes[number % len(subtypes)]
        soundfile.write(audio / f"{number}.wav", samples, 16000, subtype=subtype)
    return store_of(sorted(audio.glob("*.wav")), folder)


def store_of(paths, folder):
    table = pd.DataFrame(
        {"path": [str(path) for path in paths], "machine_type": "fan"}, dtype="string"
    )
    return open_store(table, AudioConfig(16000, 0, "refuse"), folder / "store"), paths


def samples_of(paths, indices):
    config = AudioConfig(16000, 0, "refuse")
    return np.concatenate([read_audio(paths[index], config) for index in indices]).astype("float64")


@pytest.mark.parametrize("subtypes", [("PCM_16",), ("FLOAT",), ("PCM_16", "FLOAT")])
@pytest.mark.parametrize("indices", [range(8), [5], [6, 0, 3]])
def test_moments_are_those_of_all_samples_together(tmp_path, subtypes, indices):
    store, paths = opened(tmp_path, subtypes)

    mean, deviation = store.moments(indices)

    samples = samples_of(paths, indices)
    assert mean == pytest.approx(samples.mean(), rel=1e-12)
    assert deviation == pytest.approx(samples.std(), rel=1e-12)


def test_a_clip_named_twice_counts_twice(tmp_path):
    store, paths = opened(tmp_path)
    samples = samples_of(paths, [3, 3, 7])
    expected = (pytest.approx(samples.mean(), rel=1e-12), pytest.approx(samples.std(), rel=1e-12))
    assert store.moments([3, 3, 7]) == expected


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_a_deviation_small_beside_the_mean_keeps_its_digits(tmp_path, subtype):
    random = np.random.default_rng(0)
    paths = [tmp_path / f"{name}.wav" for name in "ab"]
    for path in paths:
        samples = (31000 + random.integers(-1, 2, 5000)) / 32768
        soundfile.write(path, samples, 16000, subtype=subtype)
    store, _ = store_of(paths, tmp_path)

    _, deviation = store.moments([0, 1])

    steps = np.round(samples_of(paths, [0, 1]) * 32768) - 31000
    assert deviation == pytest.approx(steps.std() / 32768, rel=1e-12)


@pytest.mark.parametrize("sample", [np.int16(3276), np.float32(0.1)])
def test_constant_samples_have_no_deviation_at_all(tmp_path, sample):
    lengths = np.array([1500, 1501, 3])

    def read_samples(clip, start, stop):
        return np.full(stop - start, sample)

    of_clips = clip_moments(np.arange(3), lengths, read_samples, tmp_path / "moments.npz")

    mean, squares = joined(lengths, *of_clips.T)
    assert mean == (sample if sample.dtype == np.float32 else 3276 / 32768)
    assert squares == 0.0


def test_moments_are_of_at_least_one_clip(tmp_path):
    store, _ = opened(tmp_path)
    with pytest.raises(ValueError, match=r"at least one clip\. Received"):
        store.moments([])


def test_loud_16_bit_samples_do_not_overflow(tmp_path, monkeypatch):
    monkeypatch.undo()  # Blocks of the usual size.
    samples = np.where(np.arange(2**20 + 5) % 3, 32767, -32768).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="PCM_16")
    store, _ = store_of([tmp_path / "a.wav"], tmp_path)

    mean, deviation = store.moments([0])

    assert mean == pytest.approx(samples.astype("float64").mean() / 32768, rel=1e-14)
    assert deviation == pytest.approx(samples.astype("float64").std() / 32768, rel=1e-12)


def test_every_clip_is_read_once_in_blocks(tmp_path, reads):
    store, _ = opened(tmp_path, ("PCM_16", "FLOAT"))
    first = store.moments([1, 2])
    assert sorted(reads) == [2 * 302, 4 * 301, 2 * 700, 4 * 700]

    reads.clear()
    assert store.moments([1, 2]) == first
    assert reads == []
    store.moments([2, 3, 1])
    assert sorted(reads) == [4 * 303, 4 * 700]


def test_another_opening_of_the_store_knows_what_was_read(tmp_path, reads):
    store, paths = opened(tmp_path)
    expected = store.moments(range(4))
    reads.clear()

    again, _ = store_of(paths, tmp_path)

    assert again.moments(range(4)) == expected
    assert reads == []


def test_changed_clips_are_read_anew(tmp_path):
    store, paths = opened(tmp_path)
    before = store.moments(range(8))
    soundfile.write(paths[3], np.linspace(-0.5, 0.5, 2000), 16000)

    changed, _ = store_of(paths, tmp_path)

    mean, deviation = changed.moments(range(8))
    assert (mean, deviation) != before
    samples = samples_of(paths, range(8))
    assert mean == pytest.approx(samples.mean(), rel=1e-12)
    assert deviation == pytest.approx(samples.std(), rel=1e-12)


def damaged_text(path):
    path.write_text("no moments")


def damaged_empty(path):
    path.write_bytes(b"")


def damaged_half(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def damaged_value(path):
    content = bytearray(path.read_bytes())
    content[content.index(b"\n") + 20] ^= 1
    path.write_bytes(content)


def foreign_shape(path):
    np.savez(path, moments=np.zeros((NUM_CLIPS + 1, 2)))


def foreign_type(path):
    np.savez(path, moments=np.zeros((NUM_CLIPS, 2), "int64"))


def foreign_name(path):
    np.savez(path, something=np.zeros((NUM_CLIPS, 2)))


@pytest.mark.parametrize(
    "spoil",
    [
        damaged_text,
        damaged_empty,
        damaged_half,
        damaged_value,
        foreign_shape,
        foreign_type,
        foreign_name,
    ],
)
def test_a_damaged_or_foreign_file_is_replaced(tmp_path, reads, spoil):
    store, _ = opened(tmp_path)
    expected = store.moments(range(8))
    [path] = tmp_path.glob("store/*/moments-*.npz")
    assert store.fingerprint.startswith(path.stem.removeprefix("moments-"))
    spoil(path)

    assert store.moments(range(8)) == expected
    reads.clear()
    assert store.moments(range(8)) == expected
    assert reads == []


def test_those_who_come_at_the_same_time_wait_and_add_to_each_other(tmp_path, reads):
    store, paths = opened(tmp_path)
    others = [store_of(paths, tmp_path)[0] for _ in range(4)]
    barrier = threading.Barrier(4)

    def moments(each):
        number, other = each
        barrier.wait()
        return other.moments([0, 1, 2, 3, 4 + number])

    with ThreadPoolExecutor(4) as executor:
        list(executor.map(moments, enumerate(others)))

    assert len(reads) == 2 * 8  # Two blocks of each clip.
    reads.clear()
    store.moments(range(8))
    assert reads == []


def test_a_store_cut_off_says_so(tmp_path):
    store, _ = opened(tmp_path)
    [shard] = tmp_path.glob("store/*/*.samples")
    shard.write_bytes(shard.read_bytes()[:-2])
    with pytest.raises(DataError, match=r"cut off.*of clip 7\."):
        store.moments([7])


def test_sets_are_joined_as_if_they_were_one():
    random = np.random.default_rng(0)
    sets = [random.normal(mean, 0.3, size) for mean, size in ((1.0, 5), (-2.0, 40), (0.5, 1))]
    moments = joined(
        [len(each) for each in sets],
        [each.mean() for each in sets],
        [np.sum((each - each.mean()) ** 2) for each in sets],
    )
    values = np.concatenate(sets)
    expected = [values.mean(), np.sum((values - values.mean()) ** 2)]
    np.testing.assert_allclose(moments, expected, rtol=1e-12)
