"""Check that a dataset is complete, holds nothing else, and that every file can be used."""

import concurrent.futures
import dataclasses
import functools
import json
import os
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from asdkeras.corpus import mini_plan
from asdkeras.corpus.mini import FORMAT_VERSION, digest_of_files
from asdkeras.data import naming, roles, shards, years
from asdkeras.data.audio import AudioConfig, AudioHeader, read_header, read_samples
from asdkeras.data.clip_table import find_clips
from asdkeras.data.layouts import Clip, Layout
from asdkeras.data.manifest import ClipCount, Dataset, Manifest, Part, archive_part
from asdkeras.data.truth import Truth, join
from asdkeras.errors import DataError
from asdkeras.metrics.official import is_generated

_Headers = Sequence[tuple[Clip, AudioHeader]]

_ARCHIVES: dict[Part, str] = {
    "dev": "development clips",
    "additional_training": "training clips of the evaluation set",
    "eval_test": "evaluation test clips",
}
# Hidden files, those of operating systems, and tables of attributes.
_COMPANION = re.compile(r"\..*|Thumbs\.db|desktop\.ini|__MACOSX|attributes_.*\.csv")


class Finding(NamedTuple):
    """One fault."""

    kind: str  # A word or two, such as `unusable file`.
    place: str  # The file, or the group of clips in words.
    text: str  # Place and fault; one line.
    machine_type: str = ""  # Empty if it concerns all.


class CountRow(NamedTuple):
    """Clips of one machine type, section, split and domain: those here, and those that should be.

    The domain is None where the year has none, and where some clips do not say theirs: then the row
    counts all domains together. Supplemental clips of all kinds are expected as normal ones.
    """

    machine_type: str
    section: str
    split: str
    domain: str | None
    found_normal: int
    found_anomalous: int
    found_unlabeled: int
    expected_normal: int | None  # None where nobody knows.
    expected_anomalous: int | None

    @property
    def place(self) -> str:
        domain = f" {self.domain}" if self.domain else ""
        return f"{self.machine_type} section {self.section} {self.split}{domain}"

    @property
    def num_found(self) -> int:
        """All clips that are here."""
        return self.found_normal + self.found_anomalous + self.found_unlabeled

    @property
    def num_expected(self) -> int | None:
        """All clips that should be here; None where nobody knows."""
        if self.split == "supplemental":
            return self.expected_normal
        return _sum([self.expected_normal, self.expected_anomalous])

    @property
    def fault(self) -> str | None:
        """What is not as expected, in numbers; None if nothing is known to be."""
        if self.num_expected is None:
            return None if self.num_found else "no clips, expected some"
        counts = [
            (self.found_normal, "normal", self.expected_normal or 0),
            (self.found_anomalous, "anomalous", self.expected_anomalous or 0),
        ]
        if self.split == "supplemental" or self.found_unlabeled:
            # Of clips without labels, at least no label may have too many.
            counts = [count for count in counts if count[0] > count[2]]
            if self.num_found != self.num_expected:
                counts = [(self.num_found, "clips", self.num_expected)]
        texts = (f"{num} {what}, expected {want}" for num, what, want in counts if num != want)
        return "; ".join(texts) or None

    @property
    def is_as_expected(self) -> bool | None:
        """None where nobody knows."""
        return None if self.num_expected is None and self.num_found else self.fault is None


@dataclasses.dataclass(frozen=True)
class Verification:
    """What was found in a dataset."""

    dataset: str
    num_clips: int
    counts: tuple[CountRow, ...]  # Without what is absent as a whole.
    findings: tuple[Finding, ...]  # By machine type and path.
    notes: tuple[str, ...]  # Lines for the user about what is no fault.

    @property
    def is_ok(self) -> bool:
        return not self.findings


def verify(
    data: Path,
    *,
    manifest: Manifest,
    truth: Truth | None = None,
    decode: bool = False,
    jobs: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Find all faults of a dataset: check its clips against what is published, and every file.

    Args:
        data: folder, CSV file, or card of an adopted dataset, as for `find_clips`.
        truth: of the evaluation set of this dataset; without it, evaluation test clips are
            counted without regard to labels.
        decode: whether to decode all audio, and to compare the clips with each other;
            otherwise only headers are read.
        jobs: threads; one per processor if None.
        on_progress: called with the files read and all files.

    Raises:
        DataError: if there are no clips at all, or of several datasets, or the card of a
            generated corpus is damaged, or of another version.
    """
    layout = find_clips(data)
    joined = join(layout, truth) if truth is not None else layout
    notes = joined.notes
    dataset = manifest.datasets.get(layout.dataset)
    expected: Sequence[ClipCount] | None = None
    found: list[Finding] = []
    if dataset is not None:
        expected, absent = _expected_counts(dataset, layout.clips)
        if truth is not None:
            found += _missing_by_truth(layout.clips, truth)
        elif any(each.split == "test" and each.is_anomalous is None for each in joined.clips):
            notes += ("No ground truth here: test clips without a label are counted all together.",)
        notes += absent
    elif is_generated(layout.dataset):
        expected, found = _check_generated(layout, data, decode)
    for problem in joined.problems:
        place = problem.text.split(": ")[0]
        found.append(Finding("contradiction", place, problem.text, problem.machine_type))
    found += _unknown_files(layout)
    counts = _count_clips(joined.clips, expected)
    for row in counts:
        if row.is_as_expected is False:
            found.append(_finding(row.machine_type, "count", row.place, str(row.fault)))
    odd, lengths = _compare(_read_all(layout.clips, decode, jobs, on_progress), dataset)
    # What concerns many clips of a machine type comes before its files.
    findings = sorted(found + odd, key=lambda f: (f.machine_type, os.sep in f.place, f.place, f))
    num_clips = len(layout.clips)
    return Verification(layout.dataset, num_clips, tuple(counts), tuple(findings), notes + lengths)


def _finding(machine_type: str, kind: str, place: str, fault: str) -> Finding:
    return Finding(kind, place, f"{place}: {fault}", machine_type)


def _unknown_files(layout: Layout) -> Iterator[Finding]:
    """Files below machine folders that are neither clips nor known companions of them."""
    clips = {os.path.abspath(clip.path) for clip in layout.clips}
    for top in layout.machine_folders:
        for folder, subfolders, names in os.walk(top):
            if folder != top and folder in layout.machine_folders:
                subfolders.clear()
                continue
            subfolders[:] = [name for name in subfolders if not _COMPANION.fullmatch(name)]
            place, said = roles.place_of(folder, (top,))
            holds_clips = place == top and said.split in ("train", "test", "supplemental")
            for name in names:
                path = os.path.join(folder, name)
                is_clip = path in clips or (holds_clips and naming.is_audio_name(name))
                if not is_clip and not _COMPANION.fullmatch(name):
                    text = "neither a clip nor a table of attributes"
                    machine_type = os.path.basename(top)
                    yield _finding(machine_type, "unknown file", path, text)


def _expected_counts(
    dataset: Dataset, clips: Sequence[Clip]
) -> tuple[list[ClipCount], tuple[str, ...]]:
    """Counts of the archives of which there is anything, and notes about the others."""
    here = {
        (archive_part(part, clip.split), clip.machine_type)
        for clip in clips
        if (part := dataset.parts.get((clip.machine_type, clip.section)))
    }
    archives = {
        count: (archive_part(count.part, count.split), count.machine_type)
        for count in dataset.clip_counts
    }
    absent = set(archives.values()) - here
    notes = [
        f"Not here, not checked: {text} of {', '.join(sorted(names))}."
        for part, text in _ARCHIVES.items()
        if (names := {name for archive, name in absent if archive == part})
    ]
    return [count for count in archives if archives[count] in here], tuple(notes)


def _missing_by_truth(clips: Sequence[Clip], truth: Truth) -> Iterator[Finding]:
    """Evaluation test clips that the truth names, of archives that are not absent."""
    names: defaultdict[str, list[str]] = defaultdict(list)
    for clip in clips:
        if clip.split == "test":
            names[clip.machine_type].append(os.path.basename(clip.path))
    for machine_type in truth.machine_types:
        found = {row for row in truth.find_all(machine_type, names[machine_type]) if row}
        for row in sorted(set(truth.rows(machine_type)) - found) if found else ():
            place = f"{machine_type} section {row.section} test"
            yield _finding(machine_type, "missing clip", place, f"{row.name} missing")


def _count_clips(clips: Iterable[Clip], expected: Collection[ClipCount] | None) -> list[CountRow]:
    """Clips by machine type, section, split and domain; `expected` is None for an own dataset."""
    found: defaultdict[tuple[str, str, str], Counter[tuple[str | None, bool | None]]]
    found = defaultdict(Counter)
    for clip in clips:
        found[clip.machine_type, clip.section, clip.split][clip.domain, clip.is_anomalous] += 1
    wanted: defaultdict[tuple[str, str, str], dict[str | None, ClipCount]] = defaultdict(dict)
    for count in expected or ():
        wanted[count.machine_type, count.section, count.split][count.domain] = count
    # Of a section that is known, a split that is not listed may or may not exist.
    known_sections = {key[:2] for key in wanted}
    rows = []
    for key in sorted(found.keys() | wanted.keys()):
        is_open = expected is None or (key not in wanted and key[:2] in known_sections)
        domains = {domain for domain, _ in found[key]} | set(wanted[key])
        # All together if a clip or a count does not state its domain.
        for domain in [None] if None in domains else sorted(filter(None, domains)):
            counts = [each for name, each in wanted[key].items() if domain in (None, name)]
            labels = Counter[bool | None]()
            for (name, label), number in found[key].items():
                labels[label] += number if domain in (None, name) else 0
            normal = None if is_open else _sum([each.normal for each in counts])
            anomalous = None if is_open else _sum([each.anomalous for each in counts])
            numbers = (labels[False], labels[True], labels[None])
            rows.append(CountRow(*key, domain, *numbers, normal, anomalous))
    return rows


def _sum(numbers: Sequence[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


def _check_generated(
    layout: Layout, data: Path, decode: bool
) -> tuple[list[ClipCount], list[Finding]]:
    """Compare generated corpora of one name with their cards; clips beside `data` do not count."""
    top = Path(os.path.abspath(data))
    counts: dict[tuple[str, str, str, str | None], list[int]] = {}
    found = []
    above = [(path, *path.parents[:3]) for path in map(Path, layout.machine_folders)]
    for folder in sorted(
        {each for paths in above for each in paths if (each / years.CARD).exists()}
    ):
        card = folder / years.CARD
        try:
            content = json.loads(card.read_text(encoding="utf-8"))
            year, digest = content["year"], content["sha256"]
            if (version := content["asdkeras_mini_corpus"]) != FORMAT_VERSION:
                raise DataError(
                    f"{card}: the corpus is of format {version}, but this version of asdkeras "
                    f"generates and checks format {FORMAT_VERSION}. {years.REDO}"
                )
            plan = mini_plan.plan(year, content["size"], content["seed"], content["machines"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{card}: not the card of a generated corpus: {error!r}. {years.REDO}"
            ) from error
        is_part = top != folder and top.is_relative_to(folder)
        clips = [each for each in plan if not is_part or (folder / each.path).is_relative_to(top)]
        for clip in clips:
            parsed = naming.parse_name(os.path.basename(clip.path))  # None if supplemental.
            domain = parsed.domain if parsed else None
            key = clip.scene.machine_type, clip.scene.section, clip.split, domain
            counts.setdefault(key, [0, 0])[clip.scene.fault >= 0] += 1
        names = {each.path for each in clips} | set(mini_plan.attribute_files(year, clips))
        missing = [name for name in sorted(names) if not (folder / name).is_file()]
        for name in missing:
            kind = "missing clip" if naming.is_audio_name(name) else "missing file"
            fault = "missing, the card of the corpus has it"
            found.append(_finding(Path(name).parts[1], kind, os.fspath(folder / name), fault))
        for each in layout.clips:
            path = Path(os.path.abspath(each.path))
            if path.is_relative_to(folder) and path.relative_to(folder).as_posix() not in names:
                fault = "the card of the corpus has it not"
                found.append(_finding(each.machine_type, "extra clip", os.fspath(path), fault))
        if decode and not is_part and not missing and digest_of_files(folder, names) != digest:
            fault = "some files were changed since they were generated. Delete the corpus, "
            found.append(
                _finding("", "changed files", os.fspath(card), f"{fault}generate it again")
            )
    return [ClipCount("dev", *key, *numbers) for key, numbers in counts.items()], found


class _Recording(NamedTuple):
    """A clip, its header, why it cannot be used, and the digest of its decoded samples."""

    clip: Clip
    header: AudioHeader | None = None
    fault: str | None = None
    digest: str | None = None


def _read_all(
    clips: Sequence[Clip],
    decode: bool,
    jobs: int | None,
    on_progress: Callable[[int, int], None] | None,
) -> list[_Recording]:
    recordings = []
    with concurrent.futures.ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        # An interruption drops the iterator of `map`, which cancels what has not begun.
        for recording in pool.map(functools.partial(_read, decode=decode), clips):
            recordings.append(recording)
            if on_progress is not None:
                on_progress(len(recordings), len(clips))
    return recordings


def _read(clip: Clip, decode: bool) -> _Recording:
    header = fault = digest = None
    try:
        header = read_header(Path(clip.path))
        if decode:
            config = AudioConfig(header.sample_rate_hz, "mean", "refuse")
            digest = shards.digest_of(read_samples(Path(clip.path), config))
    except DataError as error:
        fault = str(error).removeprefix(f"{clip.path}: ")
    return _Recording(clip, header, fault, digest)


def _compare(
    recordings: Sequence[_Recording], expected: Dataset | None
) -> tuple[list[Finding], tuple[str, ...]]:
    """Find files that cannot be used, or are unlike those of their machine type or the manifest.

    Also notes about machine types of one's own whose clips have no usual length.
    """
    found = []
    first: dict[str, str] = {}
    for clip, _, fault, digest in sorted(recordings, key=lambda each: each.clip.path):
        if fault:
            found.append(_finding(clip.machine_type, "unusable file", clip.path, fault))
        elif digest and (earlier := first.setdefault(digest, clip.path)) != clip.path:
            text = f"holds the same audio as {earlier}"
            found.append(_finding(clip.machine_type, "same audio", clip.path, text))
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
                yield _finding(machine_type, "sample rate", clip.path, text)
            if header.num_channels != channels:
                text = f"channels: {header.num_channels}, {whose} {channels}"
                yield _finding(machine_type, "channels", clip.path, text)


def _odd_lengths(headers: _Headers, expected: Dataset | None) -> Iterator[Finding]:
    """Compare lengths in s, so that a file of another rate is one fault, not two.

    The clips of a machine type in one set of a year, `dev` or `eval`, have one length.
    """
    parts = expected.parts if expected else {}
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
            yield _finding(machine_type, "length", machine_type, text)
        for clip, length in own:
            faults = []
            if is_usual and length != usual:
                faults.append(f"others {_seconds_text(usual, length)}")
            if length > longest:
                faults.append(f"longest of the year {longest:g} s")
            if faults:
                text = f"length {_seconds_text(length, usual)}, {', '.join(faults)}"
                yield _finding(clip.machine_type, "length", clip.path, text)


def _seconds_text(seconds: float, other: float) -> str:
    """To the hundredth, or finer where that would show no difference to the other."""
    is_close = seconds != other and f"{seconds:.2f}" == f"{other:.2f}"
    return f"{seconds:.6f} s" if is_close else f"{seconds:.2f} s"
