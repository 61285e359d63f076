"""What an official dataset should hold by the manifest and by its ground truth."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from asdkeras.data.layouts import Clip
from asdkeras.data.manifest import ClipCount, Dataset, Part, archive_part
from asdkeras.data.truth import Truth
from asdkeras.data.verification.clip_counts import Counted
from asdkeras.data.verification.findings import Located, locate
from asdkeras.data.verification.recordings import Expected

_ARCHIVES: dict[Part, str] = {
    "dev": "development clips",
    "additional_training": "training clips of the evaluation set",
    "eval_test": "evaluation test clips",
}


def expected_headers(dataset: Dataset) -> Expected:
    """What the header of every clip should say."""
    return Expected(dataset.sample_rate_hz, dataset.num_channels, dataset.longest_clip_s)


def parts_of(dataset: Dataset | None) -> Mapping[tuple[str, str], Literal["dev", "eval"]]:
    """The set, `dev` or `eval`, of each machine type and section; empty for other datasets."""
    counts = dataset.clip_counts if dataset else ()
    return {(count.machine_type, count.section): count.part for count in counts}


def expected_counts(
    dataset: Dataset, clips: Sequence[Clip]
) -> tuple[list[ClipCount], tuple[str, ...]]:
    """Counts of the archives of which there is anything, and notes about the others."""
    parts = parts_of(dataset)
    here = {
        (archive_part(parts[place], clip.split), clip.machine_type)
        for clip in clips
        if (place := (clip.machine_type, clip.section)) in parts
    }
    expected = []
    absent: dict[Part, set[str]] = {}
    for count in dataset.clip_counts:
        archive = archive_part(count.part, count.split)
        if (archive, count.machine_type) in here:
            expected.append(count)
        else:
            absent.setdefault(archive, set()).add(count.machine_type)
    notes = [
        f"Not here, not checked: {_ARCHIVES[archive]} of {', '.join(sorted(absent[archive]))}."
        for archive in _ARCHIVES
        if archive in absent
    ]
    return expected, tuple(notes)


def missing_by_truth(clips: Sequence[Clip], truth: Truth | None) -> Iterator[Located]:
    """Evaluation test clips that the truth names, of archives that are not absent."""
    if truth is None:
        return
    names: dict[str, list[str]] = {}
    for clip in clips:
        if clip.split == "test":
            names.setdefault(clip.machine_type, []).append(os.path.basename(clip.path))
    for machine_type in names:
        rows = truth.rows(machine_type)
        found = {row for row in truth.find_all(machine_type, names[machine_type]) if row}
        for row in sorted(set(rows) - found) if found else ():
            place = f"{machine_type} section {row.section} test"
            yield locate(machine_type, "missing clip", place, f"{row.name} missing")


def not_by_truth(counted: Counted, truth: Truth | None) -> Counted:
    """Counts but of those clips whose names the truth knows."""
    named = {
        (name, row.section)
        for name in {row.machine_type for row, _ in counted}
        for row in (truth.rows(name) if truth else ())
    }
    return [
        (row, own)
        for row, own in counted
        if row.split != "test" or (row.machine_type, row.section) not in named
    ]
