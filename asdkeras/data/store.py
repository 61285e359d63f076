"""The clip store: decoded audio on disk, of which only what is asked for comes into memory.

A dataset is decoded once. Afterwards training reads the clips of a batch where they lie, and
resident memory stays the same however many clips there are. They are read and not mapped:
a random clip out of a map costs a page fault every few thousand samples, and what has been
touched stays resident.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from asdkeras.data import shards
from asdkeras.data.audio import INT16_SCALE, AudioConfig, Samples
from asdkeras.data.store_build import BuiltStore, build_store
from asdkeras.data.store_moments import clip_moments, joined
from asdkeras.dsp.clip_length import Keep, fit_clip_length
from asdkeras.errors import DataError

PadMode = Literal["constant", "reflect"]


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
        content = hashlib.sha256(str(sample_rate_hz).encode())
        for entry in built.entries:
            content.update(entry.digest.encode())
        self.fingerprint = content.hexdigest()
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
            np.multiply(samples, self._scale(position), out=waveform)
        return waveforms

    def read_part(
        self,
        indices: npt.ArrayLike,
        first_samples: npt.ArrayLike,
        num_samples: int,
        clip_length: int,
        keep: Keep,
        pad_mode: PadMode = "constant",
    ) -> npt.NDArray[np.float32]:
        """A part of some clips, which may reach beyond their ends.

        The same samples as `read` gives, but of a clip that need not be repeated to reach
        `clip_length` only those of the part are read.

        Args:
            indices: int `(batch,)`, rows of the clip table.
            first_samples: int `(batch,)`, where the part of each clip starts, counted from
                the start of the clip as `read` cuts it; may be negative.
            num_samples: int > 0, samples of the part.
            clip_length: int > 0, samples; see `fit_clip_length`.
            keep: `start` or `end`, which part of a longer clip stays.
            pad_mode: what lies beyond the ends: `constant` zeros, or `reflect` the clip
                mirrored without repeating its last sample, as often as it takes.

        Returns:
            `(batch, num_samples)` in [-1, 1].

        Raises:
            DataError: if the store has been cut off since it was opened.
        """
        positions = np.asarray(indices, np.int64)
        firsts = np.asarray(first_samples, np.int64)
        waveforms = np.zeros((len(positions), num_samples), np.float32)
        for waveform, position, first in zip(waveforms, positions, firsts.tolist(), strict=True):
            start, stop = max(first, 0), min(first + num_samples, clip_length)
            scale = self._scale(position)
            if pad_mode == "reflect" and stop - start < num_samples:
                order = _mirrored(first, num_samples, clip_length)
                start, stop = int(order.min()), int(order.max()) + 1
                samples = self._fitted_part(position, start, stop, clip_length, keep)
                np.multiply(samples[order - start], scale, out=waveform)
            elif start < stop:
                samples = self._fitted_part(position, start, stop, clip_length, keep)
                np.multiply(samples, scale, out=waveform[start - first : stop - first])
        return waveforms

    def moments(self, indices: npt.ArrayLike) -> tuple[float, float]:
        """Mean and standard deviation of all samples of some clips together.

        Each clip is read once, block by block; later calls, also of other processes, take
        what is known of it from a file beside the samples.

        Args:
            indices: int `(clips,)`, rows of the clip table, at least one; a clip named twice
                counts twice.

        Returns:
            mean, and deviation of a population (ddof 0), of the whole clips in [-1, 1]. The
            deviation is above 0, for a store has no clips that are constant.

        Raises:
            DataError: if the store has been cut off since it was opened.
            ValueError: if no clips are named.
        """
        positions = np.asarray(indices, np.int64)
        if positions.size == 0:
            raise ValueError("moments are of at least one clip. Received: indices of none.")
        path = self._folder / f"moments-{self.fingerprint[:16]}.npz"
        of_clips = clip_moments(positions, self.lengths, self._samples, path)
        lengths = self.lengths[positions]
        mean, squares = joined(lengths, of_clips[:, 0], of_clips[:, 1])
        return float(mean), float(np.sqrt(squares / lengths.sum()))

    def _fitted_part(
        self, position: np.int64, start: int, stop: int, clip_length: int, keep: Keep
    ) -> Samples:
        """The stored samples `[start, stop)` of one clip of the wanted length."""
        surplus = int(self.lengths[position]) - clip_length
        if surplus < 0:
            return fit_clip_length(self._samples(position), clip_length, keep)[start:stop]
        offset = surplus if keep == "end" else 0
        return self._samples(position, offset + start, offset + stop)

    def _scale(self, position: np.int64) -> np.float32:
        """What makes the stored samples of one clip a waveform."""
        return np.float32(INT16_SCALE if self._is_int16[position] else 1.0)

    def _samples(self, position: np.int64, start: int = 0, stop: int | None = None) -> Samples:
        """The stored samples `[start, stop)` of one clip, by default all."""
        dtype = np.int16 if self._is_int16[position] else np.float32
        stop = int(self.lengths[position]) if stop is None else stop
        samples = np.empty(stop - start, dtype)
        path = shards.samples_path(self._folder, int(self._shards[position]))
        # Opened anew: there may be more shards than a process may have open files.
        with open(path, "rb") as file:
            file.seek(int(self._offsets[position]) + start * samples.itemsize)
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
    built = build_store(
        [str(path) for path in table["path"]],
        table["machine_type"].tolist(),
        config,
        folder,
        on_progress=on_progress or (lambda done, total: None),
        num_threads=num_threads or min(8, os.cpu_count() or 1),
    )
    return ClipStore(built, config.sample_rate_hz)


def _mirrored(first: int, num_samples: int, clip_length: int) -> npt.NDArray[np.int64]:
    """Which samples of a clip a part has that goes on mirrored beyond its ends."""
    # Over and back again without its ends twice: the mirrored clip repeats itself.
    period = max(2 * (clip_length - 1), 1)
    order = np.arange(first, first + num_samples, dtype=np.int64) % period
    return np.minimum(order, period - order)
