"""The clip store: decoded audio on disk, of which only what is asked for comes into memory.

A dataset is decoded once. Afterwards training reads the clips of a batch where they lie, and
resident memory stays the same however many clips there are. They are not mapped: a random clip
out of a map costs a page fault every few thousand samples, and touched pages stay resident.
"""

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from asdkeras.data import shards
from asdkeras.data.audio import (
    INT16_SCALE,
    AudioConfig,
    AudioHeader,
    Samples,
    check_rates,
    read_header,
    read_samples,
)
from asdkeras.data.store_moments import clip_moments, joined
from asdkeras.dsp.clip_length import Keep, fit_clip_length
from asdkeras.errors import DataError, Faults
from asdkeras.files import identity

PadMode = Literal["constant", "reflect"]

_FORMAT = 1  # Raise it when stored samples change their meaning.
_BYTES_PER_SAMPLE = 4  # At most.


class ClipStore:
    """Decoded clips of a clip table, row i of the table being clip i.

    Attributes:
        lengths: `(clips,)`, samples.
        num_channels: `(clips,)`, of the files.
        digests: of the samples of each clip, alike for the same audio.
        fingerprint: hex digest of all samples in order and of the sample rate, the same wherever
            the files lie and whenever they were written.
        notes: lines for the user, such as which machine types were resampled.
        kept: folder for what is computed from clips once, see `kept_files`.
        num_bytes: of all samples.
    """

    def __init__(
        self,
        folder: Path,
        bounds: Sequence[int],
        entries: Sequence[shards.Entry],
        sample_rate_hz: int,
        notes: tuple[str, ...],
    ) -> None:
        self.lengths = np.array([entry.length for entry in entries], np.int64)
        self.num_channels = [entry.num_channels for entry in entries]
        self.digests = [entry.digest for entry in entries]
        self.sample_rate_hz = sample_rate_hz
        content = hashlib.sha256(str(sample_rate_hz).encode())
        for digest in self.digests:
            content.update(digest.encode())
        self.fingerprint = content.hexdigest()
        self.notes = notes
        self.kept = folder / "kept"
        self._folder = folder
        self._shards = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
        self._offsets = np.array([entry.offset for entry in entries], np.int64)
        self._is_int16 = np.array([entry.dtype == "int16" for entry in entries])
        self.num_bytes = int((self.lengths * np.where(self._is_int16, 2, 4)).sum())

    def __len__(self) -> int:
        return len(self.lengths)

    def read(
        self,
        indices: npt.ArrayLike,
        clip_length: int,
        keep: Keep,
        draws: npt.NDArray[np.float64] | None = None,
    ) -> npt.NDArray[np.float32]:
        """Read some clips at one length, `(batch, clip_length)` in [-1, 1].

        Args:
            indices: `(batch,)`, rows of the clip table.
            clip_length: samples; see `fit_clip_length`, also for `keep`.
            draws: in [0, 1), `(batch,)`, which random window of each clip; only for `random`.

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
        """Read a part of some clips, `(batch, num_samples)` in [-1, 1].

        The same samples as `read` gives, but of a clip that need not be repeated to reach
        `clip_length` only those of the part are read.

        Args:
            indices: `(batch,)`, rows of the clip table.
            first_samples: `(batch,)`, where the part of each clip starts, counted from the start
                of the clip as `read` cuts it. A part may reach beyond both ends.
            clip_length: samples; see `fit_clip_length`, also for `keep`, here `start` or `end`.
            pad_mode: what lies beyond the ends: `constant` zeros, or `reflect` the clip mirrored
                without repeating its last sample, as often as it takes.

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
        """Mean and standard deviation (ddof 0, above 0) of all samples of some clips, in [-1, 1].

        Each clip is read once, block by block; later calls, also of other processes, take its
        moments from a file beside the samples. A clip named twice counts twice.

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
        return np.float32(INT16_SCALE if self._is_int16[position] else 1.0)

    def _samples(self, position: np.int64, start: int = 0, stop: int | None = None) -> Samples:
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


def store_folder(paths: Sequence[str], config: AudioConfig, folder: Path) -> Path:
    """Where in the cache folder the store of some files is; `mixed_rates` changes no sample."""
    settings = [_FORMAT, config.sample_rate_hz, config.channel]
    content = json.dumps([settings, [os.path.abspath(path) for path in paths]])
    return folder / hashlib.sha256(content.encode()).hexdigest()[:16]


def open_store(
    table: pd.DataFrame,
    config: AudioConfig,
    folder: Path,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    num_threads: int | None = None,
) -> ClipStore:
    """Open the store of a clip table; decode what is not there yet or has changed.

    An interrupted build goes on where it stood. A store that is complete opens at the cost of one
    look at each file's `identity`.

    Args:
        folder: cache folder for the stores of all tables.
        on_progress: called with (clips done, clips in all) while decoding.
        num_threads: if None, as many as there are cores, 8 at most.

    Raises:
        DataError: if files cannot be used, naming all of them and why; the clips beside them stay
            decoded. Also if sample rates are mixed.
    """
    if len(table) == 0:
        raise ValueError("a clip store needs a clip table with at least one row.")
    paths = [str(path) for path in table["path"]]
    folder = store_folder(paths, config, folder)
    bounds = shards.read_plan(folder, len(paths))
    known = _fresh_entries(folder, bounds, paths)
    with ThreadPoolExecutor(num_threads or min(8, os.cpu_count() or 1)) as executor:
        missing = [clip for clip in range(len(paths)) if clip not in known]
        headers = _headers(executor, paths, missing)
        rates = {clip: entry.rate_hz for clip, entry in known.items()}
        rates |= {clip: header.sample_rate_hz for clip, header in headers.items()}
        machine_types = table["machine_type"].iloc[[*rates]].tolist()
        notes = check_rates(machine_types, [*rates.values()], config)
        bounds = bounds or _plan(folder, len(paths), headers, config.sample_rate_hz)
        faults = Faults()
        done = itertools.count(len(known) + 1)
        for shard, clips in _shards_of(bounds):
            if clips.start in known:
                continue
            decoded = []
            results = executor.map(lambda clip: _decoded(paths[clip], config), clips)
            for clip, result in zip(clips, results, strict=True):
                if isinstance(result, DataError):
                    path = paths[clip]
                    faults.add(path, str(result).removeprefix(f"{path}: "), "")
                else:
                    decoded.append(result)
                on_progress(next(done), len(paths))
            if len(decoded) == len(clips):
                entries = shards.write_shard(folder, shard, clips, decoded)
                known.update(zip(clips, entries, strict=True))
    if len(faults):
        raise DataError(f"{len(faults)} of {len(paths)} clips cannot be used:{faults}")
    entries = [known[clip] for clip in range(len(paths))]
    return ClipStore(folder, bounds, entries, config.sample_rate_hz, notes)


def _shards_of(bounds: Sequence[int]) -> Iterator[tuple[int, range]]:
    """Numbers of all shards, and the clips each holds."""
    return enumerate(itertools.starmap(range, itertools.pairwise(bounds)))


def _plan(
    folder: Path, num_clips: int, headers: Mapping[int, AudioHeader], sample_rate_hz: int
) -> list[int]:
    """The bounds of new shards, chosen once: later changes of files do not move them."""
    num_bytes = [0] * num_clips
    for clip, header in headers.items():
        num_samples = int(header.length / header.sample_rate_hz * sample_rate_hz)
        num_bytes[clip] = num_samples * _BYTES_PER_SAMPLE
    bounds = shards.split_into_shards(num_bytes)
    shards.write_plan(folder, bounds)
    return bounds


def _fresh_entries(
    folder: Path, bounds: Sequence[int], paths: Sequence[str]
) -> dict[int, shards.Entry]:
    """Entries of all clips whose whole shard is there and whose files are unchanged."""
    known: dict[int, shards.Entry] = {}
    for shard, clips in _shards_of(bounds):
        entries = shards.read_index(folder, shard, clips)
        if entries and all(map(_is_fresh, paths[clips.start : clips.stop], entries)):
            known.update(zip(clips, entries, strict=True))
    return known


def _is_fresh(path: str, entry: shards.Entry) -> bool:
    try:
        return identity(path) == entry.identity
    except OSError:
        return False


def _headers(
    executor: Executor, paths: Sequence[str], clips: Sequence[int]
) -> dict[int, AudioHeader]:
    """Headers of files that have one; the others are named when they are decoded."""

    def header(clip: int) -> AudioHeader | None:
        try:
            return read_header(Path(paths[clip]))
        except DataError:
            return None

    pairs = zip(clips, executor.map(header, clips), strict=True)
    return {clip: header for clip, header in pairs if header}


def _decoded(path: str, config: AudioConfig) -> tuple[shards.Entry, Samples] | DataError:
    try:
        before = identity(path)  # A change while it is read shows at the next call.
        header = read_header(Path(path))
        samples = read_samples(Path(path), config)
    except OSError as error:
        return DataError(f"{path}: cannot be opened: {error.strerror}. Check the path.")
    except DataError as error:
        return error
    entry = shards.Entry(
        identity=before,
        rate_hz=header.sample_rate_hz,
        dtype=samples.dtype.name,
        offset=0,
        length=len(samples),
        digest=shards.digest_of(samples),
        num_channels=header.num_channels,
    )
    return entry, samples


def _mirrored(first: int, num_samples: int, clip_length: int) -> npt.NDArray[np.int64]:
    """Which samples of a clip a part has that goes on mirrored beyond its ends."""
    # Over and back again without its ends twice: the mirrored clip repeats itself.
    period = max(2 * (clip_length - 1), 1)
    order = np.arange(first, first + num_samples, dtype=np.int64) % period
    return np.minimum(order, period - order)
