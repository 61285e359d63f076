"""Many recordings checked at once: what their headers say, and whether they decode."""

import concurrent.futures
import functools
import os
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from asdkeras.acquire.verification.findings import Finding, finding
from asdkeras.data import shards
from asdkeras.data.audio import AudioConfig, AudioHeader, read_header, read_samples
from asdkeras.data.layouts import Clip
from asdkeras.data.manifest import Dataset
from asdkeras.errors import DataError

_Headers = Sequence[tuple[Clip, AudioHeader]]


class Recording(NamedTuple):
    """What the file of a clip holds.

    Attributes:
        clip: the clip.
        header: None if it has none.
        fault: why it cannot be used; None if it can.
        digest: of its samples; None if they were not decoded.
    """

    clip: Clip
    header: AudioHeader | None = None
    fault: str | None = None
    digest: str | None = None


def read_recordings(
    clips: Sequence[Clip],
    *,
    decode: bool,
    jobs: int | None,
    on_progress: Callable[[int, int], None] | None,
) -> list[Recording]:
    """Read each file once; faults are kept, not raised.

    Args:
        clips: of WAV and FLAC files.
        decode: whether to decode the samples, or read headers only.
        jobs: threads; one per processor if None.
        on_progress: called with the files read and all files.
    """
    recordings = []
    with concurrent.futures.ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        # An interruption drops the iterator of `map`, which cancels what has not begun.
        for recording in pool.map(functools.partial(_read, decode=decode), clips):
            recordings.append(recording)
            if on_progress is not None:
                on_progress(len(recordings), len(clips))
    return recordings


def _read(clip: Clip, decode: bool) -> Recording:
    recording = Recording(clip)
    try:
        header = read_header(Path(clip.path))
        recording = recording._replace(header=header)
        if decode:
            config = AudioConfig(header.sample_rate_hz, "mean", "refuse")
            samples = read_samples(Path(clip.path), config)
            recording = recording._replace(digest=shards.digest_of(samples))
    except DataError as error:
        return recording._replace(fault=str(error).removeprefix(f"{clip.path}: "))
    return recording


def compare_recordings(
    recordings: Sequence[Recording], expected: Dataset | None
) -> tuple[list[Finding], tuple[str, ...]]:
    """Find the files that cannot be used, or are not like the others of their machine type.

    Args:
        recordings: all files.
        expected: what headers should say; if None, what most of a machine type say.

    Returns:
        findings, and notes about machine types whose clips have no usual length.
    """
    found = []
    first: dict[str, str] = {}
    for clip, _, fault, digest in sorted(recordings, key=lambda each: each.clip.path):
        if fault:
            found.append(finding(clip.machine_type, "unusable file", clip.path, fault))
        elif digest and (earlier := first.setdefault(digest, clip.path)) != clip.path:
            text = f"holds the same audio as {earlier}"
            found.append(finding(clip.machine_type, "same audio", clip.path, text))
    headers = [(each.clip, each.header) for each in recordings if each.header]
    found += _odd_formats(headers, expected)
    lengths = list(_odd_lengths(headers, expected))
    notes = [] if expected else [each for each in lengths if each.place == each.machine_type]
    found += [each for each in lengths if each not in notes]
    return found, tuple(f"{each.text}." for each in notes)


def _odd_formats(headers: _Headers, expected: Dataset | None) -> Iterator[Finding]:
    groups: defaultdict[str, list[tuple[Clip, AudioHeader]]] = defaultdict(list)
    for clip, header in headers:
        groups[clip.machine_type].append((clip, header))
    whose = "others" if expected is None else "expected"
    for machine_type, own in groups.items():
        rate = min(statistics.multimode(header.sample_rate_hz for _, header in own))
        channels = min(statistics.multimode(header.num_channels for _, header in own))
        if expected is not None:
            rate, channels = expected.sample_rate_hz, expected.num_channels
        for clip, header in own:
            if header.sample_rate_hz != rate:
                text = f"{header.sample_rate_hz} Hz, {whose} {rate} Hz"
                yield finding(machine_type, "sample rate", clip.path, text)
            if header.num_channels != channels:
                text = f"channels: {header.num_channels}, {whose} {channels}"
                yield finding(machine_type, "channels", clip.path, text)


def _odd_lengths(headers: _Headers, expected: Dataset | None) -> Iterator[Finding]:
    """Lengths are compared in s: a file of another rate is one fault, not two.

    The clips of a machine type in one set of a year, `dev` or `eval`, have one length.
    """
    counts = expected.clip_counts if expected else ()
    parts = {(count.machine_type, count.section): count.part for count in counts}
    longest = (expected and expected.longest_clip_s) or float("inf")
    groups: defaultdict[object, list[tuple[Clip, float]]] = defaultdict(list)
    for clip, header in headers:
        part = parts.get((clip.machine_type, clip.section))
        group = clip.machine_type, part, clip.split == "supplemental"
        groups[group].append((clip, header.length / header.sample_rate_hz))
    for own in groups.values():
        lengths = [length for _, length in own]
        usual = min(statistics.multimode(lengths))
        is_usual = 2 * lengths.count(usual) > len(lengths)
        if not is_usual:
            text = f"clips last {min(lengths):.2f} to {max(lengths):.2f} s, no length is usual"
            machine_type = own[0][0].machine_type
            yield finding(machine_type, "length", machine_type, text)
        for clip, length in own:
            faults = []
            if is_usual and length != usual:
                faults.append(f"others {_seconds_text(usual, length)}")
            if length > longest:
                faults.append(f"longest of the year {longest:g} s")
            if faults:
                text = f"length {_seconds_text(length, usual)}, {', '.join(faults)}"
                yield finding(clip.machine_type, "length", clip.path, text)


def _seconds_text(seconds: float, other: float) -> str:
    """To the hundredth, or finer where that would show no difference to the other."""
    is_close = seconds != other and f"{seconds:.2f}" == f"{other:.2f}"
    return f"{seconds:.6f} s" if is_close else f"{seconds:.2f} s"
