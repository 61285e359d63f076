"""The clip store: decoded audio on disk, read through memory maps.

A dataset is decoded once. Afterwards training reads samples where they lie, and resident
memory stays the same however many clips there are.
"""

import hashlib
import mmap
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from asdkeras.data import shards
from asdkeras.data.audio import INT16_SCALE, AudioConfig, Samples
from asdkeras.data.store_build import BuiltStore, StoreBuild
from asdkeras.dsp.clip_length import fit_clip_length

# What has been read stays resident until its maps are dropped, so they are dropped now and
# then; the operating system keeps the pages as long as it has room.
_MAPPED_BYTES = 64 * 2**20
_MAX_MAPS = 64  # Each holds a file handle.


class ClipStore:
    """Decoded clips of a clip table, row i of the table being clip i.

    Attributes:
        lengths: int64 `(clips,)`, samples.
        sample_rate_hz: int.
        fingerprint: hex digest of all samples in order and of the sample rate, the same
            wherever the files lie and whenever they were written.
        notes: lines for the user, such as which machine types were resampled.
    """

    def __init__(self, built: BuiltStore, sample_rate_hz: int) -> None:
        self.lengths = np.array([entry.length for entry in built.entries], np.int64)
        self.sample_rate_hz = sample_rate_hz
        self.fingerprint = _fingerprint(built, sample_rate_hz)
        self.notes = built.notes
        self._folder = built.folder
        self._shards = np.repeat(np.arange(len(built.bounds) - 1), np.diff(built.bounds))
        self._offsets = np.array([entry.offset for entry in built.entries], np.int64)
        self._is_int16 = np.array([entry.dtype == "int16" for entry in built.entries])
        self._maps: dict[int, mmap.mmap] = {}
        self._mapped_bytes = 0
        self._is_closed = False
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.lengths)

    def read(
        self, indices: npt.ArrayLike, clip_length: int, keep: Literal["start", "end"]
    ) -> npt.NDArray[np.float32]:
        """Waveforms of some clips, all of one length.

        Args:
            indices: int `(batch,)`, rows of the clip table.
            clip_length: int > 0, samples; see `fit_clip_length`.
            keep: which end of a longer clip stays.

        Returns:
            `(batch, clip_length)` in [-1, 1], a copy.
        """
        positions = np.asarray(indices, np.int64)
        waveforms = np.empty((len(positions), clip_length), np.float32)
        for waveform, position in zip(waveforms, positions, strict=True):
            samples = fit_clip_length(self._samples(position), clip_length, keep)
            scale = np.float32(INT16_SCALE if self._is_int16[position] else 1.0)
            np.multiply(samples, scale, out=waveform)
        return waveforms

    def close(self) -> None:
        """Let go of the files; reading is an error from here on."""
        with self._lock:
            self._is_closed = True
            self._maps.clear()

    def __enter__(self) -> "ClipStore":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _samples(self, position: np.int64) -> Samples:
        """The stored samples of one clip, not copied."""
        shard, length = int(self._shards[position]), int(self.lengths[position])
        dtype = np.int16 if self._is_int16[position] else np.float32
        with self._lock:
            if self._is_closed:
                raise ValueError("the clip store is closed. Open it again with `open_store`.")
            if self._mapped_bytes > _MAPPED_BYTES or len(self._maps) >= _MAX_MAPS:
                # Maps in use by another thread live on until it is done with them.
                self._maps.clear()
                self._mapped_bytes = 0
            if shard not in self._maps:
                with open(shards.samples_path(self._folder, shard), "rb") as file:
                    self._maps[shard] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._mapped_bytes += length * np.dtype(dtype).itemsize
            return np.frombuffer(
                self._maps[shard], dtype, count=length, offset=int(self._offsets[position])
            )


def open_store(
    table: pd.DataFrame,
    config: AudioConfig,
    folder: Path,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    num_threads: int | None = None,
) -> ClipStore:
    """Open the store of a clip table; decode what is not there yet or has changed.

    An interrupted build goes on where it stood. A store that is complete opens at the cost
    of one look at each file's size and time.

    Args:
        table: clip table, not empty.
        config: which channel at which rate.
        folder: cache folder for the stores of all tables.
        on_progress: called with (clips done, clips in all) while decoding.
        num_threads: that decode; as many as there are cores, 8 at most, if None.

    Raises:
        DataError: if files cannot be used, naming all of them and why; the clips beside
            them stay decoded. Also if sample rates are mixed.
    """
    if len(table) == 0:
        raise ValueError("a clip store needs a clip table with at least one row.")
    paths = [str(path) for path in table["path"]]
    threads = num_threads or min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads) as executor:
        build = StoreBuild(paths, table["machine_type"].tolist(), config, folder, executor)
        built = build.run(on_progress or (lambda done, total: None))
    return ClipStore(built, config.sample_rate_hz)


def _fingerprint(built: BuiltStore, sample_rate_hz: int) -> str:
    content = hashlib.sha256(str(sample_rate_hz).encode())
    for entry in built.entries:
        content.update(entry.digest.encode())
    return content.hexdigest()
