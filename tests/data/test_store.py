"""The clip store: what is read is what the files hold, and nothing is decoded twice."""

import errno
import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import example, given
from hypothesis import strategies as st

from asdkeras import files
from asdkeras.data import shards
from asdkeras.data import store as store_module
from asdkeras.data.audio import AudioConfig, read_audio
from asdkeras.data.clip_table import read_clip_table
from asdkeras.data.store import open_store
from asdkeras.errors import DataError
from tests.real_data import real_data

CONFIG = AudioConfig(sample_rate_hz=16000, channel=0, mixed_rates="refuse")
NUM_CLIPS = 10


@pytest.fixture
def small_shards(monkeypatch):
    """Three clips per shard."""
    monkeypatch.setattr(shards, "_MAX_CLIPS", 3)


@pytest.fixture
def decoded(monkeypatch):
    """Names of the files decoded, in any order."""
    names = []
    read_samples = store_module.read_samples

    def noting(path, config):
        names.append(path.name)
        return read_samples(path, config)

    monkeypatch.setattr(store_module, "read_samples", noting)
    return names


def write_clips(folder, num_clips=NUM_CLIPS):
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    for number in range(num_clips):
        # Odd lengths, 16-bit integers and floats in turn: offsets must still be aligned.
        samples = random.uniform(-0.5, 0.5, 101 + number)
        subtype = "PCM_16" if number % 3 else "FLOAT"
        soundfile.write(folder / f"{number}.wav", samples, 16000, subtype=subtype)
    return table_of(sorted(folder.glob("*.wav")))


def table_of(paths, machine_type="fan"):
    return pd.DataFrame(
        {"path": [str(path) for path in paths], "machine_type": machine_type}, dtype="string"
    )


def touch(path):
    """Another time, as if the file had been written again."""
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1_000_000_000))


def test_a_clip_reads_as_from_its_file(tmp_path, small_shards):
    table = write_clips(tmp_path / "audio")

    store = open_store(table, CONFIG, tmp_path / "store")
    expected = [read_audio(Path(path), CONFIG) for path in table["path"]]

    assert store.lengths.tolist() == [len(waveform) for waveform in expected]
    for position, waveform in enumerate(expected):
        read = store.read([position], len(waveform), "end")
        assert read.dtype == np.float32
        assert np.array_equal(read[0], waveform)


def test_batches_come_in_the_order_asked_for(tmp_path, small_shards):
    table = write_clips(tmp_path / "audio")
    store = open_store(table, CONFIG, tmp_path / "store")
    waveforms = [read_audio(Path(path), CONFIG) for path in table["path"]]

    batch = store.read(np.array([7, 0, 7, 3]), 50, "end")
    starts = store.read([9, 1], 50, "start")
    repeated = store.read([2], 150, "end")

    assert np.array_equal(batch, np.stack([waveforms[i][-50:] for i in (7, 0, 7, 3)]))
    assert np.array_equal(starts, np.stack([waveforms[i][:50] for i in (9, 1)]))
    assert np.array_equal(repeated[0], np.concatenate([waveforms[2], waveforms[2][:47]]))


def test_each_clip_has_the_window_its_draw_chooses(tmp_path, small_shards):
    table = write_clips(tmp_path / "audio")
    store = open_store(table, CONFIG, tmp_path / "store")
    waveforms = [read_audio(Path(path), CONFIG) for path in table["path"]]

    batch = store.read([7, 0, 7], 50, "random", np.array([0.5, 0.0, 0.99]))
    repeated = store.read([2], 150, "random", np.array([0.99]))

    # 59 windows of 50 samples in 108, 52 in 101, 57 of 150 in twice 103.
    expected = [waveforms[7][29:79], waveforms[0][:50], waveforms[7][58:108]]
    assert np.array_equal(batch, np.stack(expected))
    assert np.array_equal(repeated[0], np.tile(waveforms[2], 2)[56:])


def test_a_random_window_needs_a_draw(tmp_path):
    store = open_store(write_clips(tmp_path / "audio"), CONFIG, tmp_path / "store")
    with pytest.raises(ValueError, match=r"a draw for each clip.*Received: .*draws=None.*ClipSet"):
        store.read([0], 50, "random")


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A store of clips of 101 to 110 samples, integers and floats."""
    folder = tmp_path_factory.mktemp("opened")
    return open_store(write_clips(folder / "audio"), CONFIG, folder / "store")


@given(
    parts=st.lists(
        st.tuples(st.integers(0, NUM_CLIPS - 1), st.integers(-300, 500)), min_size=1, max_size=4
    ),
    num_samples=st.integers(1, 150),
    clip_length=st.integers(1, 250),
    keep=st.sampled_from(["start", "end"]),
    pad_mode=st.sampled_from(["constant", "reflect"]),
)
@example([(1, -7), (0, 95)], 20, 104, "end", "reflect")
@example([(1, -7), (0, 95)], 20, 104, "start", "constant")
@example([(2, 0), (2, 103)], 103, 103, "end", "constant")
def test_a_part_is_the_slice_of_the_whole_padded_clip(
    opened, parts, num_samples, clip_length, keep, pad_mode
):
    indices, firsts = zip(*parts, strict=True)

    read = opened.read_part(indices, firsts, num_samples, clip_length, keep, pad_mode)

    padded = np.pad(opened.read(indices, clip_length, keep), ((0, 0), (650, 650)), mode=pad_mode)
    assert read.dtype == np.float32
    expected = [
        each[650 + at : 650 + at + num_samples] for each, at in zip(padded, firsts, strict=True)
    ]
    np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize(
    ("index", "keep", "first", "pad_mode", "num_bytes"),
    [
        (7, "end", 10, "constant", 40),
        (7, "start", -5, "constant", 30),
        (7, "end", 40, "constant", 20),
        (7, "end", 60, "constant", 0),
        (9, "start", 0, "constant", 80),
        (7, "start", -5, "reflect", 30),
        (7, "end", 40, "reflect", 22),
    ],
)
def test_only_the_samples_of_a_part_are_read(
    opened, monkeypatch, index, keep, first, pad_mode, num_bytes
):
    found = []

    class Noting(io.FileIO):
        def readinto(self, buffer):
            found.append(super().readinto(buffer))
            return found[-1]

    monkeypatch.setattr("asdkeras.data.store.open", Noting, raising=False)

    opened.read_part([index], [first], 20, 50, keep, pad_mode)

    assert sum(found) == num_bytes


def test_a_part_in_front_of_the_cut_can_still_be_read(tmp_path, small_shards):
    store = open_store(write_clips(tmp_path / "audio"), CONFIG, tmp_path / "store")
    shard = next(tmp_path.glob("store/*/00001.samples"))
    os.truncate(shard, shard.stat().st_size - 2)

    store.read_part([5], [0], 105, 106, "end")
    with pytest.raises(DataError, match=r"00001\.samples: cut off.*of clip 5\. Run"):
        store.read_part([5], [1], 105, 106, "end")


def test_16_bit_audio_takes_2_bytes_per_sample(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.sin(np.arange(5000)), 16000, subtype="PCM_16")

    open_store(table_of([tmp_path / "a.wav"]), CONFIG, tmp_path / "store")

    assert [path.stat().st_size for path in tmp_path.glob("store/*/*.samples")] == [10000]


def test_a_complete_store_opens_without_decoding(tmp_path, small_shards, decoded):
    table = write_clips(tmp_path / "audio")
    first = open_store(table, CONFIG, tmp_path / "store")
    assert len(decoded) == NUM_CLIPS
    decoded.clear()

    second = open_store(
        table, CONFIG, tmp_path / "store", on_progress=lambda done, total: pytest.fail("decodes")
    )

    assert decoded == []
    assert second.fingerprint == first.fingerprint
    assert second.notes == first.notes
    assert np.array_equal(
        second.read(range(NUM_CLIPS), 99, "end"), first.read(range(10), 99, "end")
    )


def test_a_changed_file_is_decoded_again_with_its_shard_only(tmp_path, small_shards, decoded):
    table = write_clips(tmp_path / "audio")
    before = open_store(table, CONFIG, tmp_path / "store")
    soundfile.write(tmp_path / "audio" / "4.wav", np.linspace(-0.5, 0.5, 777), 16000)
    decoded.clear()

    after = open_store(table, CONFIG, tmp_path / "store")

    assert sorted(decoded) == ["3.wav", "4.wav", "5.wav"]
    assert after.lengths[4] == 777
    assert after.fingerprint != before.fingerprint
    np.testing.assert_allclose(
        after.read([4], 777, "end")[0], np.linspace(-0.5, 0.5, 777), atol=1e-4
    )


@pytest.mark.parametrize(("seconds_later", "length"), [(1, 101), (0, 102)])
def test_another_time_or_another_size_means_another_file(tmp_path, decoded, seconds_later, length):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.linspace(-0.5, 0.5, 101), 16000)
    written_ns = path.stat().st_mtime_ns
    open_store(table_of([path]), CONFIG, tmp_path / "store")
    soundfile.write(path, np.linspace(0.5, -0.5, length), 16000)
    os.utime(path, ns=(0, written_ns + seconds_later * 1_000_000_000))
    decoded.clear()

    store = open_store(table_of([path]), CONFIG, tmp_path / "store")

    assert decoded == ["a.wav"]
    assert store.read([0], length, "end")[0, 0] > 0


@pytest.mark.parametrize("how", ["in place", "renamed", "link"])
def test_a_file_replaced_with_size_and_time_kept_is_another_file(tmp_path, decoded, how):
    path, other = tmp_path / "a.wav", tmp_path / "b.wav"
    for name, first in ((path, -0.5), (other, 0.5)):
        soundfile.write(name, np.linspace(first, -first, 101), 16000)
    before = path.stat()
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    fingerprint = open_store(table_of([path]), CONFIG, tmp_path / "store").fingerprint
    decoded.clear()

    if how == "in place":
        path.write_bytes(other.read_bytes())
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif how == "renamed":
        other.rename(path)
    else:
        path.unlink()
        path.symlink_to(other)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    store = open_store(table_of([path]), CONFIG, tmp_path / "store")

    assert decoded == ["a.wav"]
    assert store.read([0], 101, "end")[0, 0] == 0.5
    assert store.fingerprint != fingerprint


def test_other_permissions_and_links_only_cost_another_reading(tmp_path, decoded):
    table = write_clips(tmp_path / "audio", 3)
    before = open_store(table, CONFIG, tmp_path / "store").fingerprint
    (tmp_path / "audio" / "1.wav").chmod(0o600)
    os.link(tmp_path / "audio" / "2.wav", tmp_path / "link.wav")

    assert open_store(table, CONFIG, tmp_path / "store").fingerprint == before
    assert len(decoded) == 6
    assert open_store(table, CONFIG, tmp_path / "store").fingerprint == before
    assert len(decoded) == 6


def test_samples_changed_behind_the_store_are_decoded_again(tmp_path):
    table = write_clips(tmp_path / "audio")
    open_store(table, CONFIG, tmp_path / "store")
    (samples,) = tmp_path.glob("store/*/*.samples")
    before = samples.stat()
    samples.write_bytes(bytes(before.st_size))
    os.utime(samples, ns=(before.st_atime_ns, before.st_mtime_ns))

    store = open_store(table, CONFIG, tmp_path / "store")

    assert np.array_equal(store.read([4], 105, "end")[0], read_audio(table["path"][4], CONFIG))


def test_an_old_index_never_meets_new_samples(tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.linspace(-0.5, 0.5, 101), 16000)
    content, written_ns = path.read_bytes(), path.stat().st_mtime_ns
    before = open_store(table_of([path]), CONFIG, tmp_path / "store").fingerprint
    soundfile.write(path, np.linspace(0.5, -0.5, 101), 16000)
    touch(path)

    def interrupt(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_text", interrupt)
        with pytest.raises(KeyboardInterrupt):
            open_store(table_of([path]), CONFIG, tmp_path / "store")
    path.write_bytes(content)
    os.utime(path, ns=(0, written_ns))
    store = open_store(table_of([path]), CONFIG, tmp_path / "store")

    assert store.fingerprint == before
    assert store.read([0], 101, "end")[0, 0] == -0.5


@pytest.mark.parametrize(
    "damage", ["index", "samples", "index text", "older index", "plan", "short plan"]
)
def test_a_damaged_store_mends_itself(tmp_path, small_shards, damage):
    table = write_clips(tmp_path / "audio")
    before = open_store(table, CONFIG, tmp_path / "store").fingerprint
    folder = next((tmp_path / "store").iterdir())
    if damage == "index":
        (folder / "00001.json").unlink()
    elif damage == "samples":
        (folder / "00001.samples").write_bytes(b"short")
    elif damage == "index text":
        (folder / "00001.json").write_text('{"num_bytes": 3')
    elif damage == "older index":
        content = json.loads((folder / "00001.json").read_text())
        of_older = [[1234, 5678, *fields[1:-1]] for fields in content["entries"]]
        (folder / "00001.json").write_text(json.dumps(content | {"entries": of_older}))
    elif damage == "plan":
        (folder / "plan.json").write_text("{}")
    else:
        (folder / "plan.json").write_text('{"bounds": [0, 3, 6]}')

    store = open_store(table, CONFIG, tmp_path / "store")

    assert store.fingerprint == before
    assert np.array_equal(store.read([4], 105, "end")[0], read_audio(table["path"][4], CONFIG))


def test_a_shard_of_other_clips_is_not_taken(tmp_path, small_shards, decoded):
    table = write_clips(tmp_path / "audio")
    before = open_store(table, CONFIG, tmp_path / "store").fingerprint
    folder = next((tmp_path / "store").iterdir())
    index = json.loads((folder / "00001.json").read_text())
    (folder / "00001.json").write_text(json.dumps(index | {"clips": [4, 7]}))
    decoded.clear()

    assert open_store(table, CONFIG, tmp_path / "store").fingerprint == before
    assert sorted(decoded) == ["3.wav", "4.wav", "5.wav"]


def test_an_interrupted_build_goes_on_where_it_stood(tmp_path, small_shards, decoded):
    table = write_clips(tmp_path / "audio")

    def interrupt(done, total):
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_store(table, CONFIG, tmp_path / "store", on_progress=interrupt, num_threads=1)
    decoded.clear()
    steps = []
    store = open_store(
        table,
        CONFIG,
        tmp_path / "store",
        on_progress=lambda done, total: steps.append((done, total)),
    )

    assert sorted(decoded) == ["6.wav", "7.wav", "8.wav", "9.wav"]
    assert steps == [(7, 10), (8, 10), (9, 10), (10, 10)]
    assert len(store) == NUM_CLIPS
    assert not list(tmp_path.glob("store/*/.part-*"))


def test_every_bad_file_is_named_and_the_others_are_kept(tmp_path, small_shards, decoded):
    table = write_clips(tmp_path / "audio")
    audio = tmp_path / "audio"
    good = {name: (audio / name).read_bytes() for name in ("0.wav", "1.wav", "7.wav", "8.wav")}
    (audio / "0.wav").write_bytes(good["0.wav"][:-100])
    (audio / "1.wav").write_text("no audio")
    soundfile.write(audio / "7.wav", np.zeros(99), 16000)
    (audio / "8.wav").unlink()

    with pytest.raises(
        DataError,
        match=r"4 of 10 clips cannot be used:\n.*0\.wav: cut off.*\n.*1\.wav: no WAV.*\n"
        r".*7\.wav: silent.*\n.*8\.wav: cannot be opened",
    ):
        open_store(table, CONFIG, tmp_path / "store")
    for name, content in good.items():
        (audio / name).write_bytes(content)
    decoded.clear()
    store = open_store(table, CONFIG, tmp_path / "store")

    assert {"3.wav", "4.wav", "5.wav", "9.wav"}.isdisjoint(decoded)
    for position in range(NUM_CLIPS):
        waveform = read_audio(table["path"][position], CONFIG)
        assert np.array_equal(store.read([position], len(waveform), "end")[0], waveform)


def test_mixed_rates_are_refused_before_anything_is_decoded(tmp_path, decoded):
    table = write_clips(tmp_path / "audio")
    soundfile.write(tmp_path / "audio" / "3.wav", np.linspace(-0.5, 0.5, 3000), 48000)

    with pytest.raises(DataError, match="9 clips at 16000 Hz, 1 clips at 48000 Hz"):
        open_store(table, CONFIG, tmp_path / "store")
    assert decoded == []
    resampling = AudioConfig(16000, 0, "resample")
    for _ in range(2):  # The note must not vanish once all is decoded.
        store = open_store(table, resampling, tmp_path / "store")
        assert store.lengths[3] == 1000
        assert "resampled to 16000 Hz" in store.notes[0]
    with pytest.raises(DataError, match="1 clips at 48000 Hz"):
        open_store(table, CONFIG, tmp_path / "store")


def test_fingerprint_follows_samples_order_and_rate_and_nothing_else(tmp_path):
    table = write_clips(tmp_path / "audio")
    moved = write_clips(tmp_path / "elsewhere")
    for path in moved["path"]:
        touch(Path(path))

    def fingerprint(table, config=CONFIG):
        return open_store(table, config, tmp_path / "store").fingerprint

    assert fingerprint(moved) == fingerprint(table)
    assert fingerprint(table.iloc[::-1].reset_index(drop=True)) != fingerprint(table)
    assert fingerprint(table.iloc[:9]) != fingerprint(table)
    assert fingerprint(table, AudioConfig(8000, 0, "refuse")) != fingerprint(table)


def test_fingerprint_of_the_same_samples_at_another_rate_differs(tmp_path):
    fingerprints = set()
    for rate_hz in (8000, 16000):
        path = tmp_path / f"{rate_hz}.wav"
        soundfile.write(path, np.linspace(-0.5, 0.5, 99), rate_hz)
        config = AudioConfig(rate_hz, 0, "refuse")
        fingerprints.add(open_store(table_of([path]), config, tmp_path / "store").fingerprint)
    assert len(fingerprints) == 2


def test_stores_of_different_settings_do_not_meet(tmp_path):
    stereo = np.random.default_rng(0).uniform(-0.5, 0.5, (500, 2))
    soundfile.write(tmp_path / "a.wav", stereo, 16000, subtype="FLOAT")
    table = table_of([tmp_path / "a.wav"])

    for channel in (0, 1):
        store = open_store(table, AudioConfig(16000, channel, "refuse"), tmp_path / "store")
        np.testing.assert_allclose(store.read([0], 500, "end")[0], stereo[:, channel], atol=1e-6)
    assert len(list((tmp_path / "store").iterdir())) == 2


def test_number_of_threads_changes_nothing(tmp_path):
    table = write_clips(tmp_path / "audio", 40)
    content = []
    for threads in (1, 4):
        open_store(table, CONFIG, tmp_path / f"store{threads}", num_threads=threads)
        names = sorted((tmp_path / f"store{threads}").glob("*/*"))
        content.append([(path.name, path.read_bytes()) for path in names])

    assert content[0] == content[1]


@pytest.mark.parametrize("where", ["samples", "json"])
def test_a_full_disk_leaves_no_broken_shard(tmp_path, small_shards, monkeypatch, where):
    table = write_clips(tmp_path / "audio")
    replace = os.replace

    def full(source, target):
        if Path(target).name == f"00002.{where}":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(OSError, match=r"No space left.*0000"):
        open_store(table, CONFIG, tmp_path / "store")
    monkeypatch.undo()

    folder = next((tmp_path / "store").iterdir())
    assert not list(folder.glob(".part-*"))
    assert {path.name for path in folder.glob("*.json")} == {
        "plan.json",
        "00000.json",
        "00001.json",
    }
    assert len(open_store(table, CONFIG, tmp_path / "store")) == NUM_CLIPS


def test_open_files_do_not_pile_up(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "_MAX_CLIPS", 1)
    store = open_store(write_clips(tmp_path / "audio"), CONFIG, tmp_path / "store")
    before = len(os.listdir("/dev/fd"))

    store.read(range(NUM_CLIPS), 10, "end")

    assert len(os.listdir("/dev/fd")) == before


def test_threads_may_read_at_once(tmp_path, small_shards):
    table = write_clips(tmp_path / "audio")
    store = open_store(table, CONFIG, tmp_path / "store")
    orders = [np.random.default_rng(seed).permutation(NUM_CLIPS) for seed in range(50)]

    with ThreadPoolExecutor(4) as executor:
        batches = list(executor.map(lambda order: store.read(order, 99, "end"), orders))

    in_order = store.read(range(NUM_CLIPS), 99, "end")
    for order, batch in zip(orders, batches, strict=True):
        assert np.array_equal(batch, in_order[order])


def test_what_is_read_may_be_overwritten(tmp_path):
    store = open_store(write_clips(tmp_path / "audio"), CONFIG, tmp_path / "store")
    first = store.read([3], 99, "end")
    expected = first.copy()

    first[:] = 7.0

    assert np.array_equal(store.read([3], 99, "end"), expected)


def test_a_shard_cut_off_while_it_is_in_use_is_an_error(tmp_path, small_shards):
    table = write_clips(tmp_path / "audio")
    store = open_store(table, CONFIG, tmp_path / "store")
    shard = next(tmp_path.glob("store/*/00001.samples"))
    os.truncate(shard, shard.stat().st_size - 2)

    store.read([3, 4], 99, "end")
    with pytest.raises(DataError, match=r"00001\.samples: cut off.*Received: .* of clip 5\. Run"):
        store.read([5], 99, "end")
    again = open_store(table, CONFIG, tmp_path / "store")
    assert np.array_equal(again.read([5], 106, "end")[0], read_audio(table["path"][5], CONFIG))


def test_an_empty_table_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one row"):
        open_store(table_of([]), CONFIG, tmp_path / "store")


@pytest.mark.parametrize(
    ("num_bytes", "bounds"),
    [
        ([1, 1, 1, 1], [0, 3, 4]),
        ([60, 5, 1, 3, 61], [0, 1, 4, 5]),
        ([100, 100], [0, 1, 2]),
        ([1, 100, 1], [0, 1, 2, 3]),
        ([64], [0, 1]),
    ],
)
def test_shards_are_bounded_and_hold_at_least_one_clip(
    small_shards, monkeypatch, num_bytes, bounds
):
    monkeypatch.setattr(shards, "SHARD_BYTES", 64)
    assert shards.split_into_shards(num_bytes) == bounds


def test_samples_begin_where_their_type_may_begin(tmp_path):
    open_store(write_clips(tmp_path / "audio"), CONFIG, tmp_path / "store")
    content = json.loads(next(tmp_path.glob("store/*/00000.json")).read_text())
    offsets = [entry[3] for entry in content["entries"]]
    assert len(set(offsets)) == NUM_CLIPS
    assert all(offset % 4 == 0 for offset in offsets)


def test_real_slider_is_stored_without_loss(tmp_path):
    table = read_clip_table(real_data("4_audio/dcase2020_mini"), ("slider_00",))

    store = open_store(table, CONFIG, tmp_path)

    assert set(store.lengths) == {160000}
    for position in (0, 40, 78):
        expected, _ = soundfile.read(table["path"][position], dtype="float32")
        assert np.array_equal(store.read([position], 160000, "end")[0], expected)
    samples = sum(path.stat().st_size for path in tmp_path.glob("*/*.samples"))
    assert samples == 79 * 160000 * 2
