"""The clip store: decoded audio on disk, of which only what is asked for comes into memory.

A dataset is decoded once. Afterwards training reads the clips of a batch where they lie, and
resident memory stays the same however many clips there are. They are read and not mapped:
a random clip out of a map costs a page fault every few thousand samples, and what has been
touched stays resident.
"""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from asdkeras.data import shards
from asdkeras.data.audio import INT16_SCALE, AudioConfig, Samples
from asdkeras.data.store_build import BuiltStore, StoreBuild
from asdkeras.dsp.clip_length import Keep, fit_clip_length
from asdkeras.errors import DataError


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

    def __len__(self) -> int:
        return len(self.lengths)

    def read(
        self,
        indices: npt.ArrayLike,
        clip_length: int,
        keep: Keep,
        draws: npt.NDArray[np.float64] | None = None,
    ) -> npt.NDArray[np.float32]:
        """Waveforms of some clips, all of one length.

        Args:
            indices: int `(batch,)`, rows of the clip table.
            clip_length: int > 0, samples; see `fit_clip_length`.
            keep: which part of a clip of another length stays.
            draws: in [0, 1), `(batch,)`, which random window of each clip; needed for
                `random` alone.

        Returns:
            `(batch, clip_length)` in [-1, 1].

        Raises:
            DataError: if the store has been cut off since it was opened.
            ValueError: if there are no draws for random windows.
        """
        positions = np.asarray(indices, np.int64)
        if draws is None:
            if keep == "random":
                raise ValueError(
                    "a random window needs a draw for each clip. Received: keep='random', "
                    "draws=None. Read through a `ClipSet`, which makes them from its seed."
                )
            draws = np.zeros(len(positions))
        waveforms = np.empty((len(positions), clip_length), np.float32)
        for waveform, position, draw in zip(waveforms, positions, draws, strict=True):
            samples = fit_clip_length(self._samples(position), clip_length, keep, draw)
            scale = np.float32(INT16_SCALE if self._is_int16[position] else 1.0)
            np.multiply(samples, scale, out=waveform)
        return waveforms

    def _samples(self, position: np.int64) -> Samples:
        """The stored samples of one clip."""
        dtype = np.int16 if self._is_int16[position] else np.float32
        samples = np.empty(self.lengths[position], dtype)
        path = shards.samples_path(self._folder, int(self._shards[position]))
        # Opened anew: there may be more shards than a process may have open files.
        with open(path, "rb") as file:
            file.seek(int(self._offsets[position]))
            num_bytes = file.readinto(samples.data)
        if num_bytes < samples.nbytes:
            raise DataError(
                f"{path}: cut off since the store was opened. Received: {num_bytes} of "
                f"{samples.nbytes} bytes of clip {position}. Run the same command again: it "
                "decodes what is missing."
            )
        return samples


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
