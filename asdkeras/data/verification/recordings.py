"""Many recordings checked at once: what their headers say, and whether they decode."""

import concurrent.futures
import functools
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from asdkeras.data import shards
from asdkeras.data.audio import AudioConfig, AudioHeader, read_header, read_samples
from asdkeras.data.verification.findings import Located, locate
from asdkeras.errors import DataError

_Key = TypeVar("_Key", bound=Hashable)
_Number = TypeVar("_Number", int, float)


class Recording(NamedTuple):
    """What a file holds.

    Attributes:
        header: None if it has none.
        fault: why it cannot be used; None if it can.
        audio_digest: of its samples; None if they were not decoded.
        file_digest: SHA-256 of its bytes; None if they were not read.
    """

    header: AudioHeader | None
    fault: str | None = None
    audio_digest: str | None = None
    file_digest: bytes | None = None


class Expected(NamedTuple):
    """What all headers of a dataset should say.

    Attributes:
        sample_rate_hz, num_channels: of every clip.
        longest_clip_s: no clip is longer; None if nobody knows.
    """

    sample_rate_hz: int
    num_channels: int
    longest_clip_s: float | None


class Checked(NamedTuple):
    """A file that was read.

    Attributes:
        path: of the file.
        machine_type: what is heard.
        group: files of one machine type and group are of one length.
        recording: what it holds.
    """

    path: str
    machine_type: str
    group: Hashable
    recording: Recording


def read_recordings(
    paths: Sequence[str],
    *,
    decode: bool,
    digest_files: bool,
    jobs: int | None,
    on_progress: Callable[[int, int], None] | None,
) -> list[Recording]:
    """Read each file once; faults are kept, not raised.

    Args:
        paths: of WAV and FLAC files.
        decode: whether to decode the samples, or read headers only.
        digest_files: whether to read all bytes for `file_digest`.
        jobs: threads; one per processor if None.
        on_progress: called with the files read and all files.
    """
    read = functools.partial(_read, decode=decode, digest_files=digest_files)
    recordings = []
    with concurrent.futures.ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        # An interruption drops the iterator of `map`, which cancels what has not begun.
        for recording in pool.map(read, paths):
            recordings.append(recording)
            if on_progress is not None:
                on_progress(len(recordings), len(paths))
    return recordings


def _read(path: str, decode: bool, digest_files: bool) -> Recording:
    recording = Recording(None)
    try:
        header = read_header(Path(path))
        recording = recording._replace(header=header)
        if decode:
            config = AudioConfig(header.sample_rate_hz, "mean", "refuse")
            samples = read_samples(Path(path), config)
            recording = recording._replace(audio_digest=shards.digest_of(samples))
        if digest_files:
            with open(path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").digest()
            recording = recording._replace(file_digest=digest)
    except DataError as error:
        return recording._replace(fault=str(error).removeprefix(f"{path}: "))
    except OSError as error:
        return recording._replace(fault=f"cannot be read: {error.strerror}. Check the disk.")
    return recording


def compare_recordings(
    checked: Sequence[Checked], expected: Expected | None
) -> tuple[list[Located], tuple[str, ...]]:
    """Find the files that cannot be used, or are not like the others of their machine type.

    Args:
        checked: all files.
        expected: what headers should say; if None, what most of a machine type say.

    Returns:
        findings, and notes about machine types whose clips have no usual length.
    """
    found = [
        locate(each.machine_type, "unusable file", each.path, each.recording.fault)
        for each in checked
        if each.recording.fault is not None
    ]
    found += _odd_formats(checked, expected)
    lengths, notes = _odd_lengths(checked, expected)
    return found + lengths + list(_same_audio(checked)), notes


def _odd_formats(checked: Sequence[Checked], expected: Expected | None) -> Iterator[Located]:
    with_header = [(each, header) for each in checked if (header := each.recording.header)]
    rates = _counts((each.machine_type, header.sample_rate_hz) for each, header in with_header)
    channels = _counts((each.machine_type, header.num_channels) for each, header in with_header)
    whose = "others" if expected is None else "expected"
    for each, header in with_header:
        rate = expected.sample_rate_hz if expected else _usual(rates[each.machine_type])
        if header.sample_rate_hz != rate:
            text = f"{header.sample_rate_hz} Hz, {whose} {rate} Hz"
            yield locate(each.machine_type, "sample rate", each.path, text)
        number = expected.num_channels if expected else _usual(channels[each.machine_type])
        if header.num_channels != number:
            text = f"channels: {header.num_channels}, {whose} {number}"
            yield locate(each.machine_type, "channels", each.path, text)


def _odd_lengths(
    checked: Sequence[Checked], expected: Expected | None
) -> tuple[list[Located], tuple[str, ...]]:
    """Lengths are compared in s: a file of another rate is one fault, not two."""
    seconds = [
        (each, header.length / header.sample_rate_hz)
        for each in checked
        if (header := each.recording.header)
    ]
    lengths = _counts(((each.machine_type, each.group), length) for each, length in seconds)
    found: list[Located] = []
    notes = []
    for (machine_type, _), counts in lengths.items():
        if len(counts) > 1 and not _has_majority(counts):
            text = f"clips last {min(counts):.2f} to {max(counts):.2f} s, no length is usual"
            if expected is None:
                notes.append(f"{machine_type}: {text}.")
            else:
                found.append(locate(machine_type, "length", machine_type, text))
    for each, length in seconds:
        counts = lengths[each.machine_type, each.group]
        texts = []
        if _has_majority(counts) and length != (usual := _usual(counts)):
            texts.append(f"others {_seconds_text(usual, length)}")
        if expected and expected.longest_clip_s and length > expected.longest_clip_s:
            texts.append(f"longest of the year {expected.longest_clip_s:g} s")
        if texts:
            text = f"length {_seconds_text(length, _usual(counts))}, {', '.join(texts)}"
            found.append(locate(each.machine_type, "length", each.path, text))
    return found, tuple(notes)


def _same_audio(checked: Sequence[Checked]) -> Iterator[Located]:
    first: dict[str, str] = {}
    for each in sorted(checked, key=lambda each: each.path):
        if each.recording.audio_digest is None:
            continue
        earlier = first.setdefault(each.recording.audio_digest, each.path)
        if earlier != each.path:
            text = f"holds the same audio as {earlier}"
            yield locate(each.machine_type, "same audio", each.path, text)


def _counts(pairs: Iterable[tuple[_Key, _Number]]) -> dict[_Key, Counter[_Number]]:
    counts: dict[_Key, Counter[_Number]] = {}
    for key, number in pairs:
        counts.setdefault(key, Counter())[number] += 1
    return counts


def _usual(counts: Counter[_Number]) -> _Number:
    """The most frequent number, of several the smallest."""
    return min(counts, key=lambda number: (-counts[number], number))


def _has_majority(counts: Counter[float]) -> bool:
    return 2 * max(counts.values()) > counts.total()


def _seconds_text(seconds: float, other: float) -> str:
    """To the hundredth, or finer where that would show no difference to the other."""
    is_close = seconds != other and f"{seconds:.2f}" == f"{other:.2f}"
    return f"{seconds:.6f} s" if is_close else f"{seconds:.2f} s"
