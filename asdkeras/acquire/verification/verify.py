"""Whether all of a dataset is there, and nothing else, and every file can be used."""

import dataclasses
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from asdkeras.acquire.verification.clip_counts import CountRow, count_clips
from asdkeras.acquire.verification.findings import Finding, finding
from asdkeras.acquire.verification.mini_check import check_mini
from asdkeras.acquire.verification.recordings import compare_recordings, read_recordings
from asdkeras.data import folders, naming
from asdkeras.data.clip_table import find_clips
from asdkeras.data.layouts import Clip
from asdkeras.data.manifest import ClipCount, Dataset, Manifest, Part, archive_part
from asdkeras.data.truth import Truth, join

_ARCHIVES: dict[Part, str] = {
    "dev": "development clips",
    "additional_training": "training clips of the evaluation set",
    "eval_test": "evaluation test clips",
}
# Hidden files, those of operating systems, and tables of attributes.
_COMPANION = re.compile(r"\..*|Thumbs\.db|desktop\.ini|__MACOSX|attributes_.*\.csv")


@dataclasses.dataclass(frozen=True)
class Verification:
    """What was found.

    Attributes:
        dataset: name of the dataset.
        num_clips: clips that are here.
        counts: per machine type, section, split and domain; what is absent as a whole is left
            out.
        findings: all that is wrong, by machine type and path.
        notes: lines for the user about what is no fault.
    """

    dataset: str
    num_clips: int
    counts: tuple[CountRow, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def is_ok(self) -> bool:
        """Whether nothing is wrong."""
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
        data: folder, CSV file, or card of an adopted dataset, as for `find_clips`.
        manifest: says how many clips the official datasets have, and of what form.
        truth: of the evaluation set of this dataset; without it, evaluation test clips are
            counted without regard to labels.
        decode: whether to decode all audio, and to compare the clips with each other;
            otherwise headers alone are read.
        jobs: threads; one per processor if None.
        on_progress: called with the files read and all files.

    Returns:
        everything that is wrong; nothing stops at the first fault.

    Raises:
        DataError: if there are no clips at all, or of several datasets, or the card of a
            mini corpus is damaged.
    """
    layout = find_clips(data)
    clips, problems, notes = layout.clips, layout.problems, layout.notes
    if truth is not None:
        joined = join(clips, truth)
        clips, problems, notes = joined.clips, problems + joined.problems, notes + joined.notes
    dataset = manifest.datasets.get(layout.dataset)
    expected: Sequence[ClipCount] | None = None
    found: list[Finding] = []
    if dataset is not None:
        unlabeled = [each for each in clips if each.split == "test" and each.is_anomalous is None]
        if truth is None and unlabeled:
            notes += ("No ground truth here: test clips without a label are counted all together.",)
        expected, absent = _expected_counts(dataset, layout.clips)
        notes += absent
        found += _missing_by_truth(layout.clips, truth) if truth is not None else ()
    elif re.fullmatch(r"mini20\d\d", layout.dataset):
        expected, found = check_mini(layout, data, decode)
    for problem in problems:
        place = problem.text.split(": ")[0]
        found.append(Finding("contradiction", place, problem.text, problem.machine_type))
    found += _unknown_files(layout.machine_folders)
    counts = count_clips(clips, expected)
    for row in counts:
        if row.is_as_expected is False:
            found.append(finding(row.machine_type, "count", row.place, str(row.fault)))
    recordings = read_recordings(layout.clips, decode=decode, jobs=jobs, on_progress=on_progress)
    odd, lengths = compare_recordings(recordings, dataset)
    return Verification(
        dataset=layout.dataset,
        num_clips=len(layout.clips),
        counts=tuple(counts),
        # What concerns many clips of a machine type comes before its files.
        findings=tuple(
            sorted(found + odd, key=lambda f: (f.machine_type, os.sep in f.place, f.place, f))
        ),
        notes=notes + lengths,
    )


def _unknown_files(machine_folders: Sequence[str]) -> Iterator[Finding]:
    """Files below machine folders that are neither clips nor known companions of them."""
    for top in machine_folders:
        for folder, subfolders, names in os.walk(top):
            if folder != top and folder in machine_folders:
                subfolders.clear()
                continue
            subfolders[:] = [name for name in subfolders if not _COMPANION.fullmatch(name)]
            parent, base = os.path.split(folder)
            holds_clips = parent == top and base in folders.FOLDERS
            for name in names:
                is_clip = holds_clips and naming.is_audio_name(name)
                if not is_clip and not _COMPANION.fullmatch(name):
                    text = "neither a clip nor a table of attributes"
                    machine_type, path = os.path.basename(top), os.path.join(folder, name)
                    yield finding(machine_type, "unknown file", path, text)


def _expected_counts(
    dataset: Dataset, clips: Sequence[Clip]
) -> tuple[list[ClipCount], tuple[str, ...]]:
    """Counts of the archives of which there is anything, and notes about the others."""
    parts = {(count.machine_type, count.section): count.part for count in dataset.clip_counts}
    here = {
        (archive_part(parts[place], clip.split), clip.machine_type)
        for clip in clips
        if (place := (clip.machine_type, clip.section)) in parts
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
            yield finding(machine_type, "missing clip", place, f"{row.name} missing")
