"""Whether all of a dataset is there, and nothing else, and every file can be used."""

import dataclasses
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from asdkeras.data import years
from asdkeras.data.clips import find_clips
from asdkeras.data.layouts import Clip, Layout, Problem
from asdkeras.data.manifest import ClipCount, Dataset, Manifest
from asdkeras.data.truth import Truth, join
from asdkeras.data.verification import mini_check, official_check
from asdkeras.data.verification.clip_counts import Counted, CountRow, count_clips
from asdkeras.data.verification.clip_numbers import compare_numbers
from asdkeras.data.verification.findings import Finding, Located, in_order, locate
from asdkeras.data.verification.recordings import (
    Checked,
    Recording,
    compare_recordings,
    read_recordings,
)
from asdkeras.data.verification.unknown_files import unknown_files
from asdkeras.errors import DataError

_PROBLEM = re.compile(r"(?P<path>.+?\.(?:wav|flac)): (?P<text>.*)", re.IGNORECASE | re.DOTALL)
_MINI = re.compile(r"mini20\d\d")


@dataclasses.dataclass(frozen=True)
class Verification:
    """What was found.

    Attributes:
        dataset: name of the dataset.
        num_clips: clips that are here.
        counts: per machine type, section, split and domain; what is absent as a whole is left
            out.
        findings: all that is off, by machine type and path.
        notes: lines for the user about what is no fault.
    """

    dataset: str
    num_clips: int
    counts: tuple[CountRow, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def is_ok(self) -> bool:
        """Whether nothing is off."""
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
    """Check a dataset: its clips against what is published, and every file.

    Args:
        data: folder, CSV file, or card of an adopted dataset, as for `read_clips`.
        manifest: says how many clips the official datasets have, and of what form.
        truth: of the evaluation set of this dataset; without it, evaluation test clips are
            counted without regard to labels.
        decode: whether to decode all audio, and to compare the clips with each other;
            otherwise headers alone are read.
        jobs: threads; one per processor if None.
        on_progress: called with the files read and all files.

    Returns:
        everything that is off; nothing stops at the first fault.

    Raises:
        DataError: if there are no clips at all, or of several datasets.
        ValueError: if the truth is of another dataset.
    """
    layout = find_clips(data)
    if truth is not None and truth.dataset != layout.dataset:
        raise ValueError(
            f"the truth must be of {layout.dataset}, the dataset of {data}. "
            f"Received: truth of {truth.dataset}"
        )
    official = manifest.datasets.get(layout.dataset)
    is_mini = _MINI.fullmatch(layout.dataset) is not None
    corpora, found = _corpora(layout, data) if is_mini else ([], [])
    clips, problems, notes = _joined(layout, official, truth)
    found += _odd_files(layout, problems)

    expected: Sequence[ClipCount] | None = None
    if official is not None:
        expected, absent = official_check.expected_counts(official, layout.clips)
        notes += absent
    elif corpora:
        expected = [count for corpus in corpora for count in corpus.counts]
    counted = count_clips(clips, expected)
    found += _wrong_counts(counted)
    if official is not None:
        found += official_check.missing_by_truth(layout.clips, truth)
        found += compare_numbers(official_check.not_by_truth(counted, truth))

    recordings = read_recordings(
        [clip.path for clip in layout.clips],
        decode=decode,
        digest_files=decode and is_mini,
        jobs=jobs,
        on_progress=on_progress,
    )
    found += _unlike_the_cards(corpora, layout.clips, recordings)
    headers = mini_check.EXPECTED if is_mini else None
    if official is not None:
        headers = official_check.expected_headers(official)
    off, usual = compare_recordings(_checked(layout.clips, recordings, official), headers)
    return Verification(
        dataset=layout.dataset,
        num_clips=len(layout.clips),
        counts=tuple(row for row, _ in counted),
        findings=in_order(found + off),
        notes=notes + usual,
    )


def _corpora(layout: Layout, data: Path) -> tuple[list[mini_check.Corpus], list[Located]]:
    """Mini corpora that are checked, and cards that cannot be read."""
    corpora: list[mini_check.Corpus] = []
    found: list[Located] = []
    for folder in mini_check.find_corpora(layout.machine_folders):
        try:
            corpora.append(mini_check.read_corpus(folder, data))
        except DataError as error:
            card = os.fspath(folder / years.CARD)
            found.append(locate("", "damaged card", card, str(error).removeprefix(f"{card}: ")))
    return corpora, found


def _joined(
    layout: Layout, official: Dataset | None, truth: Truth | None
) -> tuple[Sequence[Clip], Sequence[Problem], tuple[str, ...]]:
    """Clips, problems and notes, with the truth if there is one."""
    if truth is not None:
        joined = join(layout.clips, truth)
        return joined.clips, layout.problems + joined.problems, layout.notes + joined.notes
    notes = layout.notes
    is_unlabeled = any(clip.split == "test" and clip.is_anomalous is None for clip in layout.clips)
    if official is not None and is_unlabeled:
        notes += ("No ground truth here: test clips without a label are counted all together.",)
    return layout.clips, layout.problems, notes


def _odd_files(layout: Layout, problems: Sequence[Problem]) -> Iterator[Located]:
    for problem in problems:
        match = _PROBLEM.fullmatch(problem.text)
        place = match["path"] if match else problem.machine_type
        yield problem.machine_type, Finding("contradiction", place, problem.text)
    for machine_type, path in unknown_files(layout.machine_folders):
        text = "neither a clip nor a table of attributes"
        yield locate(machine_type, "unknown file", path, text)


def _wrong_counts(counted: Counted) -> list[Located]:
    return [
        locate(row.machine_type, "count", row.place, row.fault)
        for row, _ in counted
        if row.is_as_expected is False and row.fault
    ]


def _unlike_the_cards(
    corpora: Sequence[mini_check.Corpus],
    clips: Sequence[Clip],
    recordings: Sequence[Recording],
) -> list[Located]:
    """What the cards of mini corpora know better than counts do."""
    paths = [os.path.abspath(clip.path) for clip in clips]
    digests = {
        path: recording.file_digest
        for path, recording in zip(paths, recordings, strict=True)
        if recording.file_digest
    }
    found = []
    for corpus in corpora:
        found += mini_check.compare_files(corpus, set(paths))
        found += mini_check.compare_digest(corpus, digests)
    return found


def _checked(
    clips: Sequence[Clip], recordings: Sequence[Recording], dataset: Dataset | None
) -> list[Checked]:
    """Files with the group that shares one length: a machine type in one set of a year."""
    parts = official_check.parts_of(dataset)
    return [
        Checked(
            path=clip.path,
            machine_type=clip.machine_type,
            group=(parts.get((clip.machine_type, clip.section)), clip.split == "supplemental"),
            recording=recording,
        )
        for clip, recording in zip(clips, recordings, strict=True)
    ]
