"""Decoding a clip table into shards, as far as it is not decoded yet."""

import dataclasses
import hashlib
import itertools
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path

from asdkeras.data import shards
from asdkeras.data.audio import (
    AudioConfig,
    AudioHeader,
    Samples,
    check_rates,
    read_header,
    read_samples,
)
from asdkeras.errors import DataError

_FORMAT = 1  # Raise it when stored samples change their meaning.
_BYTES_PER_SAMPLE = 4  # At most.

Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class BuiltStore:
    """A complete store on disk.

    Attributes:
        folder: where the shards are.
        bounds: shard k holds the clips `[bounds[k], bounds[k + 1])`.
        entries: one per clip.
        notes: lines for the user.
    """

    folder: Path
    bounds: list[int]
    entries: list[shards.Entry]
    notes: tuple[str, ...]


def store_folder(paths: Sequence[str], config: AudioConfig, folder: Path) -> Path:
    """Where in the cache folder the store of some files is.

    What is done about mixed rates does not matter: it changes no sample.
    """
    settings = [_FORMAT, config.sample_rate_hz, config.channel]
    content = json.dumps([settings, [os.path.abspath(path) for path in paths]])
    return folder / hashlib.sha256(content.encode()).hexdigest()[:16]


class StoreBuild:
    """One attempt to complete a store.

    Args:
        paths: file of each clip.
        machine_types: machine type of each clip.
        config: which channel at which rate.
        folder: cache folder of all stores.
        executor: decodes.
    """

    def __init__(
        self,
        paths: list[str],
        machine_types: list[str],
        config: AudioConfig,
        folder: Path,
        executor: Executor,
    ) -> None:
        self._paths = paths
        self._machine_types = machine_types
        self._config = config
        self._folder = store_folder(paths, config, folder)
        self._executor = executor
        self._faults: dict[int, str] = {}

    def run(self, on_progress: Progress) -> BuiltStore:
        """Decode what is missing.

        Raises:
            DataError: if files cannot be used, after all others have been decoded; if
                sample rates are mixed, before any is.
        """
        bounds = shards.read_plan(self._folder, len(self._paths))
        known = self._fresh_entries(bounds)
        headers = self._headers([clip for clip in range(len(self._paths)) if clip not in known])
        notes = self._check_rates(known, headers)
        if not bounds:
            bounds = self._plan(headers)
        done = len(known)

        def count(clips: int) -> None:
            nonlocal done
            done += clips
            on_progress(done, len(self._paths))

        for shard, (start, stop) in enumerate(itertools.pairwise(bounds)):
            if start not in known:
                known |= self._decode(shard, range(start, stop), count)
        if self._faults:
            raise DataError(self._report())
        entries = [known[clip] for clip in range(len(self._paths))]
        return BuiltStore(self._folder, bounds, entries, notes)

    def _plan(self, headers: dict[int, AudioHeader]) -> list[int]:
        """Choose the bounds of the shards, once: later changes of files move none of them."""
        num_bytes = [0] * len(self._paths)
        for clip, header in headers.items():
            seconds = header.length / header.sample_rate_hz
            num_bytes[clip] = int(seconds * self._config.sample_rate_hz) * _BYTES_PER_SAMPLE
        bounds = shards.split_into_shards(num_bytes)
        shards.write_plan(self._folder, bounds)
        return bounds

    def _fresh_entries(self, bounds: list[int]) -> dict[int, shards.Entry]:
        """Entries of all clips whose whole shard is there and whose files are unchanged."""
        known: dict[int, shards.Entry] = {}
        for shard, (start, stop) in enumerate(itertools.pairwise(bounds)):
            entries = shards.read_index(self._folder, shard, range(start, stop))
            if entries and all(map(_is_fresh, self._paths[start:stop], entries)):
                known.update(zip(range(start, stop), entries, strict=True))
        return known

    def _headers(self, clips: list[int]) -> dict[int, AudioHeader]:
        """Headers of the files that have one; the others are faults."""
        headers = {}
        for clip, header in zip(clips, self._executor.map(self._header, clips), strict=True):
            if isinstance(header, DataError):
                self._faults[clip] = str(header)
            else:
                headers[clip] = header
        return headers

    def _header(self, clip: int) -> AudioHeader | DataError:
        try:
            return read_header(Path(self._paths[clip]))
        except DataError as error:
            return error

    def _check_rates(
        self, known: dict[int, shards.Entry], headers: dict[int, AudioHeader]
    ) -> tuple[str, ...]:
        rates = {clip: entry.rate_hz for clip, entry in known.items()}
        rates |= {clip: header.sample_rate_hz for clip, header in headers.items()}
        machine_types = [self._machine_types[clip] for clip in rates]
        return check_rates(machine_types, list(rates.values()), self._config)

    def _decode(
        self, shard: int, clips: range, count: Callable[[int], None]
    ) -> dict[int, shards.Entry]:
        """Decode and write one shard; writes nothing if one of its files is at fault."""
        good = [clip for clip in clips if clip not in self._faults]
        if len(good) < len(clips):
            count(len(clips) - len(good))
        decoded = []
        for clip, result in zip(good, self._executor.map(self._samples, good), strict=True):
            if isinstance(result, DataError):
                self._faults[clip] = str(result)
            else:
                decoded.append(result)
            count(1)
        if len(decoded) < len(clips):
            return {}
        entries = shards.write_shard(self._folder, shard, clips, decoded)
        return dict(zip(clips, entries, strict=True))

    def _samples(self, clip: int) -> tuple[shards.Entry, Samples] | DataError:
        path = Path(self._paths[clip])
        try:
            status = path.stat()  # Before reading: a change in between shows at the next call.
            rate_hz = read_header(path).sample_rate_hz
            samples = read_samples(path, self._config)
        except OSError as error:
            return DataError(f"{path}: cannot be opened: {error.strerror}. Check the path.")
        except DataError as error:
            return error
        entry = shards.Entry(
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            rate_hz=rate_hz,
            dtype=samples.dtype.name,
            offset=0,
            length=len(samples),
            digest=shards.digest_of(samples),
        )
        return entry, samples

    def _report(self) -> str:
        lines = [f"\n  {text}" for _, text in sorted(self._faults.items())]
        return f"{len(lines)} of {len(self._paths)} clips cannot be used:" + "".join(lines)


def _is_fresh(path: str, entry: shards.Entry) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (entry.size, entry.mtime_ns)
