"""The files of a clip store: decoded clips one after the other, and an index of them.

A shard is a file of samples and, written after it, an index in JSON. Without its index a
shard does not exist, so whatever stops a build, what is there is whole.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from asdkeras import files
from asdkeras.data.audio import Samples

SHARD_BYTES = 64 * 2**20
_MAX_CLIPS = 4096
_PLAN = "plan.json"
ALIGNMENT = 4  # Bytes; float32 samples must not begin at odd places.


@dataclasses.dataclass(frozen=True)
class Entry:
    """One clip of a shard."""

    identity: tuple[int, ...]  # Of the file when it was read; it is read again if this changes.
    rate_hz: int
    dtype: str  # Of the samples, `int16` or `float32`.
    offset: int  # Bytes, where the samples begin in the shard.
    length: int  # Samples.
    digest: str  # Of the samples.
    num_channels: int  # Of the file.


def split_into_shards(num_bytes: Sequence[int]) -> list[int]:
    """Bounds of the shards for decoded sizes of clips: k has clips `[bounds[k], bounds[k + 1])`."""
    bounds, filled = [0], 0
    for number, size in enumerate(num_bytes):
        is_full = filled + size > SHARD_BYTES or number - bounds[-1] >= _MAX_CLIPS
        if is_full and number > bounds[-1]:
            bounds.append(number)
            filled = 0
        filled += size
    return [*bounds, len(num_bytes)]


def read_plan(folder: Path, num_clips: int) -> list[int]:
    """Bounds of the shards of an earlier attempt; empty if there was none."""
    try:
        bounds = json.loads((folder / _PLAN).read_text(encoding="utf-8"))["bounds"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return list(bounds) if bounds[-1:] == [num_clips] else []


def write_plan(folder: Path, bounds: Sequence[int]) -> None:
    """Keep the bounds of the shards: later changes of files move none of them."""
    files.write_text(folder / _PLAN, json.dumps({"bounds": bounds}))


def _index(folder: Path, shard: int) -> Path:
    return folder / f"{shard:05d}.json"


def samples_path(folder: Path, shard: int) -> Path:
    return folder / f"{shard:05d}.samples"


def read_index(folder: Path, shard: int, clips: range) -> list[Entry] | None:
    """Entries of a shard; None if it is not there, changed since, or holds other clips."""
    try:
        content = json.loads(_index(folder, shard).read_text(encoding="utf-8"))
        # An index of older versions has a number first, which is no tuple.
        entries = [Entry(tuple(first), *others) for first, *others in content["entries"]]
        holds_these = content["clips"] == [clips.start, clips.stop] and len(entries) == len(clips)
        samples = samples_path(folder, shard).stat()
        # Whoever changed the samples afterwards cannot set the time of that change back.
        is_untouched = samples.st_ctime_ns <= _index(folder, shard).stat().st_ctime_ns
        is_whole = is_untouched and samples.st_size == content["num_bytes"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return entries if is_whole and holds_these else None


def write_shard(
    folder: Path, shard: int, clips: range, decoded: Iterable[tuple[Entry, Samples]]
) -> list[Entry]:
    """Write a shard of some clips and, last, its index; fills in and returns the entries."""
    _index(folder, shard).unlink(missing_ok=True)
    entries = []
    with files.replacing(samples_path(folder, shard)) as path, open(path, "wb") as file:
        for entry, samples in decoded:
            file.write(bytes(-file.tell() % ALIGNMENT))
            entries.append(dataclasses.replace(entry, offset=file.tell()))
            file.write(samples.data)  # Not tofile: its errors do not say that the disk is full.
        num_bytes = file.tell()
    write_index(folder, shard, clips, num_bytes, entries)
    return entries


def write_index(
    folder: Path, shard: int, clips: range, num_bytes: int, entries: Sequence[Entry]
) -> None:
    """Write the index of a shard whose samples are there, which makes it exist."""
    rows = [dataclasses.astuple(entry) for entry in entries]
    content = {"clips": [clips.start, clips.stop], "num_bytes": num_bytes, "entries": rows}
    files.write_text(_index(folder, shard), json.dumps(content))


def digest_of(samples: Samples) -> str:
    """Hex digest of samples and their dtype."""
    content = hashlib.blake2b(samples.dtype.name.encode(), digest_size=16)
    content.update(samples.data)
    return content.hexdigest()
