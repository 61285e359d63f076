"""Ground truth of the evaluation sets, joined to clips by file name.

Evaluation clips are distributed under raw names (`section_03_0000.wav`). What they are
was published later: as lists that give each raw name a labeled one, and as tables of
labels and domains, with which the challenge was scored. Where both are there the tables
decide. For two machine types of 2022 the list contradicts them in half of its labels and
domains; these machine types are called disputed here, and nothing is taken from their
labeled names but which clip is meant. Trees of such names come in two forms: named by the
list, or by ASDKit's version of it, which mends the label and puts the raw index back. A
name may stand for one clip in one form and for another clip in the other, so that a tree
is looked at as a whole.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from asdkeras.data import naming, truth_tables, years
from asdkeras.data.layouts import Clip, Problem
from asdkeras.data.manifest import Dataset, TruthFile

_DOMAINS = {False: "source", True: "target"}
_CONDITIONS = {False: "normal", True: "anomaly"}


class TruthRow(NamedTuple):
    """What is known of one evaluation clip.

    Attributes:
        name: raw file name, as distributed.
        labeled_name: file name in the published list. For a disputed machine type it may
            say another label and domain than this row.
        section: two digits.
        domain: source or target; None in 2020.
        is_anomalous: whether the clip is anomalous.
        attributes: attribute text; None where there is none, where the challenge withheld
            it (`released.py` has it), and for a disputed machine type.
    """

    name: str
    labeled_name: str
    section: str
    domain: str | None
    is_anomalous: bool
    attributes: str | None


class Joined(NamedTuple):
    """Clips with the truth filled in, files that fit none of it, and lines for the user.

    Attributes:
        clips: without evaluation clips that have a problem.
        problems: unknown names, and files that are the same clip as another.
        notes: one line each.
    """

    clips: list[Clip]
    problems: list[Problem]
    notes: tuple[str, ...]


class Truth:
    """Ground truth of one evaluation set.

    Args:
        dataset: name of the dataset.
        rows: of each machine type.

    Attributes:
        machine_types: machine types whose truth is known, sorted.
        disputed: machine types whose labeled names contradict the tables.
    """

    def __init__(self, dataset: str, rows: Mapping[str, Iterable[TruthRow]]) -> None:
        self.dataset = dataset
        self._rows = {name: tuple(sorted(rows[name])) for name in sorted(rows)}
        self.machine_types = tuple(self._rows)
        self.disputed = tuple(
            name for name, own in self._rows.items() if any(map(_is_contradicted, own))
        )

    def rows(self, machine_type: str) -> tuple[TruthRow, ...]:
        """Rows of a machine type, sorted by raw name; none if it is not known."""
        return self._rows.get(machine_type, ())

    def find_all(self, machine_type: str, file_names: Sequence[str]) -> list[TruthRow | None]:
        """Rows of clips that lie in one tree.

        Args:
            machine_type: folder name.
            file_names: raw or labeled names, with or without `_test`, WAV or FLAC. Those of a
                disputed machine type are read as the form most of them fit.

        Returns:
            a row for each name, None where there is none, or where the names do not say which
            clip of a disputed machine type is meant.
        """
        rows = self.rows(machine_type)
        keys = [naming.clip_key(file_name) for file_name in file_names]
        raw = {naming.clip_key(row.name): row for row in rows}
        labeled = {naming.clip_key(row.labeled_name): row for row in rows}
        if machine_type in self.disputed:
            mended = {naming.clip_key(_mended_name(row)): row for row in rows}
            num_listed = sum(key in labeled for key in keys)
            num_mended = sum(key in mended for key in keys)
            if num_mended > num_listed:
                labeled = mended
            elif num_mended == num_listed:  # Only names that mean one clip in both forms.
                both = mended | labeled
                labeled = {key: row for key, row in both.items() if mended.get(key, row) == row}
        return [(raw.get(key) or labeled.get(key)) if key else None for key in keys]


def read_truth(dataset: Dataset, folder: Path) -> Truth | None:
    """Read the ground truth of an evaluation set.

    Args:
        dataset: says which files there are.
        folder: holds them, by their `name`.

    Returns:
        the truth by the primary sources or, if these are not complete, by the alternate
        one; None if neither is complete.

    Raises:
        DataError: if a file is not as published.
    """
    for role in ("primary", "alternate"):
        sources = [source for source in dataset.truth if source.role == role]
        files = [file for source in sources for file in source.files]
        if files and all((folder / file.name).is_file() for file in files):
            return _read_truth(dataset, folder, files)
    return None


def join(clips: Sequence[Clip], truth: Truth) -> Joined:
    """Fill in what is known about the test clips of the evaluation set, by file name.

    Args:
        clips: of one dataset; training, development and supplemental clips stay as they
            are.
        truth: of the same dataset.

    Returns:
        the clips in the same order. Domain, label and attributes of evaluation clips are
        those of the truth, whatever their names or folders say.
    """
    known = {(name, row.section) for name in truth.machine_types for row in truth.rows(name)}
    evaluation: dict[str, list[int]] = {}
    for index, clip in enumerate(clips):
        if clip.split == "test" and (clip.machine_type, clip.section) in known:
            evaluation.setdefault(clip.machine_type, []).append(index)
    joined: list[Clip | None] = list(clips)
    problems: list[Problem] = []
    found: list[tuple[Clip, TruthRow]] = []
    for machine_type, indices in evaluation.items():
        unknown = f"the ground truth of {truth.dataset} knows no clip of this name"
        if machine_type in truth.disputed:
            unknown += ", or two published lists give it to different clips"
        file_names = [os.path.basename(clips[index].path) for index in indices]
        first: dict[str, str] = {}
        for index, row in zip(indices, truth.find_all(machine_type, file_names), strict=True):
            clip, joined[index] = clips[index], None
            if row is None:
                problems.append(Problem(machine_type, f"{clip.path}: {unknown}"))
            elif row.name in first:
                text = f"{clip.path}: the same clip as {first[row.name]}, which is {row.name}"
                problems.append(Problem(machine_type, text))
            else:
                first[row.name] = clip.path
                found.append((clip, row))
                joined[index] = clip._replace(
                    domain=row.domain, is_anomalous=row.is_anomalous, attributes=row.attributes
                )
    kept = [clip for clip in joined if clip is not None]
    return Joined(kept, problems, _notes(found, truth))


def _read_truth(dataset: Dataset, folder: Path, files: Sequence[TruthFile]) -> Truth:
    listed, labels, domains = truth_tables.read_tables(folder, files)
    rows = {
        name: _rows(
            listed.get(name) or _labeled_names(labels[name]), labels.get(name), domains.get(name)
        )
        for name in listed.keys() | labels.keys()
    }
    for name in years.WITHHELD.get(dataset.year, set()) & rows.keys():
        # The lists of names were published after the challenge, and tell what it withheld.
        rows[name] = [row._replace(attributes=None) for row in rows[name]]
    return Truth(dataset.name, rows)


def _rows(
    labeled_names: Mapping[str, str],
    labels: Mapping[str, bool] | None,
    domains: Mapping[str, bool] | None,
) -> list[TruthRow]:
    """Rows of one machine type; tables win over the list of names."""
    rows = []
    for name, labeled_name in labeled_names.items():
        labeled = _parsed(labeled_name)
        domain = _DOMAINS[domains[name]] if domains else labeled.domain
        is_anomalous = labels[name] if labels else bool(labeled.is_anomalous)
        fields = (labeled.section, domain, is_anomalous, labeled.attributes)
        rows.append(TruthRow(name, labeled_name, *fields))
    if any(map(_is_contradicted, rows)):
        return [row._replace(attributes=None) for row in rows]
    return rows


def _labeled_names(labels: Mapping[str, bool]) -> dict[str, str]:
    """Labeled names of clips of 2021, whose raw names lack nothing but the label."""
    names = {}
    for name, is_anomalous in labels.items():
        raw = _parsed(name)
        condition = _CONDITIONS[is_anomalous]
        names[name] = f"section_{raw.section}_{raw.domain}_test_{condition}_{raw.counter}.wav"
    return names


def _mended_name(row: TruthRow) -> str:
    """The labeled name with the label of the row and the raw index."""
    raw, listed = _parsed(row.name), _parsed(row.labeled_name)
    condition = _CONDITIONS[row.is_anomalous]
    stem = f"section_{row.section}_{listed.domain}_test_{condition}_{raw.counter}"
    return f"{stem}_{listed.attributes}.wav" if listed.attributes else f"{stem}.wav"


def _parsed(name: str) -> naming.ClipName:
    parsed = naming.parse_name(name)
    if parsed is None:
        raise ValueError(f"not a file name of a clip. Received: {name!r}")
    return parsed


def _is_contradicted(row: TruthRow) -> bool:
    labeled = _parsed(row.labeled_name)
    return (labeled.is_anomalous, labeled.domain) != (row.is_anomalous, row.domain)


def _notes(found: Sequence[tuple[Clip, TruthRow]], truth: Truth) -> tuple[str, ...]:
    """A line about clips under labeled names of disputed machine types, if there are any."""
    names = [
        (clip, row, _parsed(os.path.basename(clip.path)))
        for clip, row in found
        if clip.machine_type in truth.disputed
    ]
    named = [(clip, row, name) for clip, row, name in names if name.is_anomalous is not None]
    if not named:
        return ()
    num_labels = sum(name.is_anomalous != row.is_anomalous for _, row, name in named)
    num_domains = sum(name.domain != row.domain for _, row, name in named)
    machine_types = ", ".join(sorted({clip.machine_type for clip, _, _ in named}))
    return (
        f"{len(named)} test clips of {machine_types} were renamed by a published list that "
        "contradicts the tables the challenge scored with. Labels and domains come from the "
        f"tables now: {num_labels} labels and {num_domains} domains in the names are wrong. "
        "Attributes in these names are ignored.",
    )
