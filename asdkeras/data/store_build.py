"""Decoding a clip table into shards, as far as it is not decoded yet."""

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from asdkeras.data import shards
from asdkeras.data.audio import AudioConfig, Samples, check_rates, read_header, read_samples
from asdkeras.errors import DataError

_FORMAT = 1  # Raise it when stored samples change their meaning.
_BYTES_PER_SAMPLE = 4  # At most.


class BuiltStore(NamedTuple):
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


def build_store(
    paths: Sequence[str],
    machine_types: Sequence[str],
    config: AudioConfig,
    cache: Path,
    *,
    on_progress: Callable[[int, int], None],
    num_threads: int,
) -> BuiltStore:
    """Decode what is missing of a store.

    Args:
        paths: file of each clip.
        machine_types: machine type of each clip.
        config: which channel at which rate.
        cache: folder of all stores.
        on_progress: called with (clips done, clips in all) while decoding.
        num_threads: that decode.

    Raises:
        DataError: if files cannot be used, after all others have been decoded; if sample
            rates are mixed, before any is.
    """
    folder = store_folder(paths, config, cache)
    bounds = shards.read_plan(folder, len(paths))
    known = _fresh_entries(folder, bounds, paths)
    with ThreadPoolExecutor(num_threads) as executor:
        missing = [clip for clip in range(len(paths)) if clip not in known]
        found = executor.map(_rate_and_length, (paths[clip] for clip in missing))
        headers = {clip: header for clip, header in zip(missing, found, strict=True) if header}
        rates = {clip: entry.rate_hz for clip, entry in known.items()}
        rates |= {clip: rate_hz for clip, (rate_hz, _) in headers.items()}
        notes = check_rates([machine_types[clip] for clip in rates], [*rates.values()], config)
        if not bounds:
            # Chosen once: later changes of files do not move the bounds of the shards.
            num_bytes = [0] * len(paths)
            for clip, (rate_hz, length) in headers.items():
                num_samples = int(length / rate_hz * config.sample_rate_hz)
                num_bytes[clip] = num_samples * _BYTES_PER_SAMPLE
            bounds = shards.split_into_shards(num_bytes)
            shards.write_plan(folder, bounds)
        done = len(known)
        faults: list[str] = []
        for shard, (start, stop) in enumerate(itertools.pairwise(bounds)):
            if start in known:
                continue
            decoded: list[tuple[shards.Entry, Samples]] = []
            for result in executor.map(lambda path: _decoded(path, config), paths[start:stop]):
                if isinstance(result, DataError):
                    faults.append(str(result))
                else:
                    decoded.append(result)
                done += 1
                on_progress(done, len(paths))
            if len(decoded) == stop - start:
                entries = shards.write_shard(folder, shard, range(start, stop), decoded)
                known.update(zip(range(start, stop), entries, strict=True))
    if faults:
        raise DataError(
            f"{len(faults)} of {len(paths)} clips cannot be used:"
            + "".join(f"\n  {fault}" for fault in faults)
        )
    return BuiltStore(folder, bounds, [known[clip] for clip in range(len(paths))], notes)


def _fresh_entries(
    folder: Path, bounds: Sequence[int], paths: Sequence[str]
) -> dict[int, shards.Entry]:
    """Entries of all clips whose whole shard is there and whose files are unchanged."""
    known: dict[int, shards.Entry] = {}
    for shard, (start, stop) in enumerate(itertools.pairwise(bounds)):
        entries = shards.read_index(folder, shard, range(start, stop))
        if entries and all(map(_is_fresh, paths[start:stop], entries)):
            known.update(zip(range(start, stop), entries, strict=True))
    return known


def _is_fresh(path: str, entry: shards.Entry) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (entry.size, entry.mtime_ns)


def _rate_and_length(path: str) -> tuple[int, int] | None:
    """Of a file that has a header; the others are named when they are decoded."""
    try:
        header = read_header(Path(path))
    except DataError:
        return None
    return header.sample_rate_hz, header.length


def _decoded(path: str, config: AudioConfig) -> tuple[shards.Entry, Samples] | DataError:
    try:
        rate_hz = read_header(Path(path)).sample_rate_hz
        status = os.stat(path)  # Before reading: a change in between shows at the next call.
        samples = read_samples(Path(path), config)
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
