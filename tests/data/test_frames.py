"""Frames on disk: every window is what a slice of the frames is, whoever reads it."""

import errno
import os
import resource
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from asdkeras.data.frames import FrameStore, write_frames
from asdkeras.data.moments import band_moments
from asdkeras.errors import DataError

NUM_CLIPS, NUM_FRAMES, NUM_BANDS = 5, 11, 3


@pytest.fixture
def frames():
    shape = (NUM_CLIPS, NUM_FRAMES, NUM_BANDS)
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "frames"


def batches(frames, size=2):
    return (frames[start : start + size] for start in range(0, len(frames), size))


def deferred(path, frames, calls):
    """A store whose frames are computed when it is opened; a call more each time."""

    def compute():
        calls.append(path.exists())
        yield from batches(frames)
        calls.append(path.exists())

    return FrameStore(path, *frames.shape, compute)


def sliced(frames, num_frames, hop):
    """All windows, `(windows, num_frames, bands)`, clip after clip."""
    rows = []
    for clip in frames:
        first = 0
        while first + num_frames <= len(clip):
            rows.append(clip[first : first + num_frames])
            first += hop
    return np.stack(rows)


@pytest.mark.parametrize(
    ("num_frames", "hop", "per_clip"),
    [(1, 1, 11), (5, 1, 7), (4, 3, 3), (4, 7, 2), (4, 8, 1), (11, 1, 1), (2, 5, 2)],
)
def test_windows_are_slices_of_the_frames_in_any_order(path, frames, num_frames, hop, per_clip):
    windows = write_frames(path, batches(frames), NUM_CLIPS).windows(num_frames, hop)

    expected = sliced(frames, num_frames, hop)
    assert (windows.per_clip, len(windows)) == (per_clip, len(expected))
    order = np.random.default_rng(1).permutation(len(windows))
    values = windows.read(order)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, expected[order])
    np.testing.assert_array_equal(windows.read(order[:3]), expected[order[:3]])


def test_a_store_knows_what_it_was_given(path, frames):
    store = write_frames(path, batches(frames), NUM_CLIPS)

    assert (store.num_clips, store.num_frames, store.num_bands) == frames.shape
    assert path.stat().st_size == 4 * frames.size


def test_the_same_window_can_be_asked_for_twice_and_none_at_all(path, frames):
    windows = write_frames(path, batches(frames), NUM_CLIPS).windows(4, 1)

    twice = windows.read([7, 7])
    twice[0] = 0.0  # A new array each time, so nobody else's.

    np.testing.assert_array_equal(windows.read([7])[0], twice[1])
    assert windows.read(np.empty(0, int)).shape == (0, 4, NUM_BANDS)


@pytest.mark.parametrize(
    "as_given",
    [np.asfortranarray, lambda each: each.astype("float64"), lambda each: each[:, ::-1][:, ::-1]],
    ids=["columns", "double", "reversed"],
)
def test_batches_may_lie_in_memory_as_they_like(path, frames, as_given):
    store = write_frames(path, map(as_given, batches(frames)), NUM_CLIPS)

    np.testing.assert_array_equal(store.windows(NUM_FRAMES, 1).read(range(NUM_CLIPS)), frames)


def test_a_window_as_a_vector_is_frame_after_frame(path, frames):
    store = write_frames(path, batches(frames), NUM_CLIPS)
    windows, vectors = store.windows(5, 2), store.windows(5, 2, as_vectors=True)

    assert (windows.shape, vectors.shape) == ((5, 3), (15,))
    np.testing.assert_array_equal(
        vectors.read([7, 0]), [each.ravel() for each in windows.read([7, 0])]
    )


def test_several_threads_read_at_once(path, frames):
    windows = write_frames(path, batches(frames), NUM_CLIPS).windows(5, 1)
    expected = sliced(frames, 5, 1)
    wrong = []

    def read(seed):
        order = np.random.default_rng(seed).permutation(len(windows))
        for _ in range(200):
            if not np.array_equal(windows.read(order), expected[order]):
                wrong.append(seed)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_writing_and_reading_hold_one_batch_however_many_there_are(path):
    batch = np.zeros((4, 100, 250), "float32")  # 400 kB, of 100 such.
    tracemalloc.start()

    with write_frames(path, (batch + number for number in range(100)), 400) as store:
        windows = store.windows(5, 1)
        for start in range(0, len(windows), 1000):
            windows.read(np.arange(start, min(start + 100, len(windows))))

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * batch.nbytes


def test_a_system_that_takes_less_at_once_is_given_the_rest(path, frames, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, values: write(descriptor, values[:100]))

    store = write_frames(path, batches(frames), NUM_CLIPS)

    np.testing.assert_array_equal(store.windows(NUM_FRAMES, 1).read(range(NUM_CLIPS)), frames)


@pytest.mark.parametrize("values_at_once", [1, 4, 21, 39, 165, 2**20])
def test_moments_are_those_of_all_frames_however_they_are_read(
    path, frames, values_at_once, monkeypatch
):
    monkeypatch.setattr("asdkeras.data.frames._VALUES_AT_ONCE", values_at_once)

    moments = write_frames(path, batches(frames), NUM_CLIPS).moments()

    expected = band_moments([frames])
    for name, values in moments.items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-12)


def test_moments_hold_one_block_however_many_there_are(path, monkeypatch):
    monkeypatch.setattr("asdkeras.data.frames._VALUES_AT_ONCE", 10_000)
    with write_frames(path, [np.ones((400, 100, 250))], 400) as store:  # 1000 blocks of 40 kB.
        tracemalloc.start()
        store.moments()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert peak < 10 * 40_000


def test_moments_of_a_file_that_is_closed_or_cut_off_are_refused(path, frames):
    with write_frames(path, batches(frames), NUM_CLIPS) as store:
        os.truncate(path, 4 * frames.size - 1)
        with pytest.raises(DataError, match="cut off since it was written"):
            store.moments()

    with pytest.raises(ValueError, match="while their file is open"):
        store.moments()


def test_a_file_that_was_cut_off_is_told_in_one_line(path, frames):
    windows = write_frames(path, batches(frames), NUM_CLIPS).windows(4, 1)
    os.truncate(path, 4 * frames[:4].size)

    np.testing.assert_array_equal(windows.read([31])[0], frames[3, 7:])
    message = r"frames: cut off since it was written\. Received: 0 of 48 bytes.*same command again"
    with pytest.raises(DataError, match=message) as caught:
        windows.read([32])
    assert "\n" not in str(caught.value)


def test_a_window_cut_in_two_is_cut_off(path, frames):
    windows = write_frames(path, batches(frames), NUM_CLIPS).windows(4, 1)
    os.truncate(path, 4 * frames.size - 1)

    with pytest.raises(DataError, match="Received: 47 of 48 bytes"):
        windows.read([len(windows) - 1])


def test_a_full_disk_says_where_it_is_full_and_leaves_nothing(path, frames):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (frames.nbytes - 1, hard))

    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write_frames(path, batches(frames), NUM_CLIPS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert caught.value.errno == errno.EFBIG
    assert caught.value.filename == str(path)
    assert not path.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, DataError("gone")])
def test_batches_that_break_off_leave_no_file(path, frames, error):
    def broken():
        yield frames
        raise error

    with pytest.raises(type(error) if isinstance(error, DataError) else error):
        write_frames(path, broken(), 2 * NUM_CLIPS)

    assert not path.exists()


@pytest.mark.parametrize("num_clips", [NUM_CLIPS - 1, NUM_CLIPS + 1])
def test_batches_of_another_number_of_clips_are_refused(path, frames, num_clips):
    with pytest.raises(ValueError, match=f"must hold {num_clips} clips.*Received: 5 clips"):
        write_frames(path, batches(frames), num_clips)

    assert not path.exists()


def test_no_clips_are_refused(path):
    with pytest.raises(ValueError, match=r"at least one.*Received: 0 clips"):
        write_frames(path, [], 0)


@pytest.mark.parametrize(
    ("other", "shape"), [(np.zeros((2, 11, 4)), "2, 11, 4"), (np.zeros((11, 3)), "11, 3")]
)
def test_batches_of_another_shape_are_refused(path, frames, other, shape):
    message = rf"the same for all\. Received: \({shape}\), at first \(11, 3\)"
    with pytest.raises(ValueError, match=message):
        write_frames(path, [frames, other], 7)


def test_windows_longer_than_a_clip_say_how_long_it_is(path, frames):
    store = write_frames(path, batches(frames), NUM_CLIPS)

    message = "which has 11 frames.*Received: num_frames=12.*shorter windows"
    with pytest.raises(ValueError, match=message):
        store.windows(12, 1)


@pytest.mark.parametrize(("num_frames", "hop"), [(0, 1), (1, 0), (3, -1)])
def test_windows_without_frames_or_hop_are_refused(path, frames, num_frames, hop):
    store = write_frames(path, batches(frames), NUM_CLIPS)

    message = f"at least 1 frame.*Received: num_frames={num_frames}, hop={hop}"
    with pytest.raises(ValueError, match=message):
        store.windows(num_frames, hop)


@pytest.mark.parametrize("index", [-1, 35])
def test_windows_that_do_not_exist_are_refused(path, frames, index):
    windows = write_frames(path, batches(frames), NUM_CLIPS).windows(5, 1)

    with pytest.raises(ValueError, match=r"windows 0 to 34\. Received: indices from"):
        windows.read([3, index])


def test_a_closed_store_says_so_and_leaves_its_file(path, frames):
    with write_frames(path, batches(frames), NUM_CLIPS) as store:
        windows = store.windows(5, 1)
        assert not store.is_closed

    with pytest.raises(ValueError, match=r"while their file is open.*frames, closed"):
        windows.read([0])
    assert path.exists()


def test_deferred_frames_are_computed_once_when_they_are_opened(path, frames):
    calls = []
    store = deferred(path, frames, calls)
    windows = store.windows(5, 1)
    assert (len(windows), store.is_closed, calls) == (35, True, [])
    with pytest.raises(ValueError, match="while their file is open"):
        windows.read([0])

    store.open()
    store.open()

    assert calls == [False, False]  # The file is not there before it is whole.
    np.testing.assert_array_equal(windows.read(range(35)), sliced(frames, 5, 1))


def test_moments_open_deferred_frames(path, frames):
    moments = deferred(path, frames, []).moments()

    np.testing.assert_allclose(moments["mean"], band_moments([frames])["mean"], rtol=1e-12)


def untouched(store, frames):
    pass


def cut_off(store, frames):
    os.truncate(store.path, frames.nbytes - 1)


def written_to(store, frames):
    store.path.write_bytes(np.float32(frames + (np.arange(NUM_CLIPS) == 4)[:, None, None]))


def without_index(store, frames):
    store.path.with_suffix(".json").unlink()


def damaged_index(store, frames):
    store.path.with_suffix(".json").write_text("[1]")


def of_another_key(store, frames):
    index = store.path.with_suffix(".json")
    index.write_text(index.read_text().replace('"key": ""', '"key": "another"'))


@pytest.mark.parametrize(
    ("spoil", "is_whole"),
    [
        (untouched, True),
        (cut_off, False),
        (written_to, False),
        (without_index, False),
        (damaged_index, False),
        (of_another_key, False),
    ],
)
def test_a_whole_file_is_taken_as_it_is_and_another_one_is_replaced(path, frames, spoil, is_whole):
    first = deferred(path, frames, [])
    expected = first.moments()
    spoil(first, frames)
    calls = []

    store = deferred(path, frames, calls)
    store.open()

    # Of the whole one the first batch is computed, to see that it is the same.
    assert calls == ([True] if is_whole else [path.name in os.listdir(path.parent), True][:2])
    np.testing.assert_array_equal(store.windows(NUM_FRAMES, 1).read(range(NUM_CLIPS)), frames)
    np.testing.assert_array_equal(store.moments()["mean"], expected["mean"])


def test_frames_of_another_front_end_under_the_same_key_are_replaced_with_their_moments(
    path, frames
):
    deferred(path, frames, []).moments()

    moments = deferred(path, frames + 1.0, []).moments()

    np.testing.assert_allclose(moments["mean"], band_moments([frames])["mean"] + 1.0, rtol=1e-6)


def test_moments_are_kept_with_deferred_frames(path, frames, monkeypatch):
    expected = deferred(path, frames, []).moments()
    monkeypatch.setattr("asdkeras.data.frames.band_moments", None)

    moments = deferred(path, frames, []).moments()

    for name, values in expected.items():
        np.testing.assert_array_equal(moments[name], values)


def test_those_who_come_at_the_same_time_wait_for_the_first(path, frames):
    calls, barrier = [], threading.Barrier(4)

    def compute():
        for number, batch in enumerate(batches(frames)):
            calls.append(number)
            yield batch

    def read(_):
        barrier.wait()
        store = FrameStore(path, *frames.shape, compute)
        store.moments()
        return store.windows(NUM_FRAMES, 1).read(range(NUM_CLIPS))

    with ThreadPoolExecutor(4) as executor:
        for found in executor.map(read, range(4)):
            np.testing.assert_array_equal(found, frames)

    assert sorted(calls) == [0, 0, 0, 0, 1, 2]  # The first batch alone shows what is there.


def test_what_a_killed_process_left_half_is_cleared(path, frames):
    half = path.with_name(".part-abc-frames")
    half.write_bytes(b"half")

    deferred(path, frames, []).open()

    assert not half.exists()


def kept(folder, number, frames, room):
    return FrameStore(
        folder / f"{number}.float32", *frames.shape, lambda: batches(frames), str(number), room
    )


def test_frames_longest_unused_go_where_there_is_no_room_and_open_ones_are_read_on(
    tmp_path, frames
):
    room = 2 * frames.nbytes
    first = kept(tmp_path, 0, frames, room)
    first.moments()
    kept(tmp_path, 1, frames, room).open()
    for number in (0, 1):
        os.utime(tmp_path / f"{number}.json", (number, number))
    kept(tmp_path, 0, frames, room).open()

    kept(tmp_path, 2, frames, room).open()

    assert {path.name for path in tmp_path.glob("*.float32")} == {"0.float32", "2.float32"}
    assert {path.name for path in tmp_path.glob("1.*")} == set()
    kept(tmp_path, 3, frames, frames.nbytes - 1).open()  # More than there is room for.
    assert {path.stem for path in tmp_path.glob("*.*")} == {"3", ".lock"}
    np.testing.assert_array_equal(first.windows(NUM_FRAMES, 1).read(range(NUM_CLIPS)), frames)
