"""Ground truth of the evaluation sets, joined to clips by file name.

Evaluation clips are distributed under raw names (`section_03_0000.wav`). Their labels were
published later: as lists that give each raw name a labeled one, and as tables of labels and
domains, with which the challenge was scored. Where both exist the tables decide. For two
machine types of 2022 the list contradicts them in half of its labels and domains; these machine
types are called disputed here, and their labeled names only say which clip is meant. Such names
come in two forms: by the list, or by ASDKit's version of it, which corrects the label and puts the
raw index back. A name may stand for different clips in the two forms, so all names of a machine
type are looked at together.

For some machine types of 2024 and 2025 the challenge withheld the attributes (`noAttribute` in
the names), and the organizers released them afterwards. Systems that use them are not
first-shot, so they are read only on request.

The manifest pins published files by a digest, so their lines are trusted.
"""

import dataclasses
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from asdkeras.data import naming, years
from asdkeras.data.layouts import Clip, Layout, Problem
from asdkeras.data.manifest import Dataset, TruthFile
from asdkeras.errors import DataError

_VALUES = {"0": False, "0.0": False, "1": True, "1.0": True}
_CORRESPONDENCE = ["source_file_name", "target_file_name"]
_AGAIN = "Delete it and fetch it again."
_DOMAINS = {False: "source", True: "target"}
_CONDITIONS = {False: "normal", True: "anomaly"}


class TruthRow(NamedTuple):
    """Ground truth of one evaluation clip.

    Of a disputed machine type the labeled name, as published, may contradict the row.
    """

    name: str  # Raw, as distributed.
    labeled_name: str
    section: str
    domain: str | None  # None in 2020.
    is_anomalous: bool
    attributes: str | None  # None also where withheld (`released_attributes`) or disputed.


class Truth:
    """Ground truth of one evaluation set.

    `machine_types` are those whose truth is known, sorted; the labeled names of `disputed` ones
    contradict the tables.
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
        """Rows of clips by all their file names, None where a name does not say which is meant.

        Names are raw or labeled, with or without `_test`, WAV or FLAC. Those of a disputed machine
        type are read as the form most of them fit.
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
    """Read the ground truth of an evaluation set from files that lie in `folder` by their names.

    It is that of the primary sources or, if these are not complete, of the alternate ones; None if
    neither are complete.

    Raises:
        DataError: if a file is not as published.
    """
    for role in ("primary", "alternate"):
        files = dataset.truth_files(role)
        if files and all((folder / file.name).is_file() for file in files):
            return _read_truth(dataset, folder, files)
    return None


def join(layout: Layout, truth: Truth) -> Layout:
    """Fill in what is known about the test clips of the evaluation set, by file name.

    Their domain, label and attributes are those of the truth, whatever their names or folders say.
    Clips of unknown names, and those that are the same clip as another, become problems. All other
    clips stay as they are, and the order stays.
    """
    clips = layout.clips
    known = {(name, row.section) for name in truth.machine_types for row in truth.rows(name)}
    evaluation: dict[str, list[int]] = {}
    for index, clip in enumerate(clips):
        if clip.split == "test" and (clip.machine_type, clip.section) in known:
            evaluation.setdefault(clip.machine_type, []).append(index)
    joined: list[Clip | None] = list(clips)
    problems = list(layout.problems)
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
    notes = layout.notes + _notes(found, truth)
    return dataclasses.replace(layout, clips=kept, problems=problems, notes=notes)


def _read_tables(
    folder: Path, files: Iterable[TruthFile]
) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, bool]], dict[str, dict[str, bool]]]:
    """Read labeled names, labels and target domains, by machine type and raw file name.

    A list has lines `raw,labeled[,label or name with attributes]`, where labeled names may
    lack `.wav`. If it is about several machine types, a line of one field begins each. A
    table has lines `raw,value`, with values like `1`, `0` or `1.0`.
    """
    listed: dict[str, dict[str, str]] = {}
    labels: dict[str, dict[str, bool]] = {}
    domains: dict[str, dict[str, bool]] = {}
    for file in files:
        machine_type = str(file.machine_type)
        for fields in _lines(folder / file.name, file.sha256):
            if file.kind != "names":
                values = labels if file.kind == "labels" else domains
                values.setdefault(machine_type, {})[fields[0]] = _VALUES[fields[1]]
            elif len(fields) == 1:
                machine_type = fields[0]
            else:
                labeled = fields[1] if naming.is_audio_name(fields[1]) else f"{fields[1]}.wav"
                listed.setdefault(machine_type, {})[fields[0]] = labeled
    return listed, labels, domains


def read_correspondence(path: Path) -> dict[str, str]:
    """Released attributes by distributed name: `attributes_00_{train,test}_correspondence.csv`.

    The header is `source_file_name,target_file_name`. The source name carries the attributes, the
    target name is the distributed one; their indices may differ.

    Raises:
        DataError: on another header, or a line that is not of this form.
    """
    header, *lines = _lines(path) or [[]]
    if header != _CORRESPONDENCE:
        raise DataError(f"{path}: the first line must be `{','.join(_CORRESPONDENCE)}`.")
    attributes: dict[str, str] = {}
    for fields in lines:
        source, target = map(naming.parse_name, fields) if len(fields) == 2 else (None, None)
        if source is None or source.attributes is None or target is None:
            raise DataError(
                f"{path}: each line must be a file name with attributes and the distributed file "
                f"name. Received: {','.join(fields)}. {_AGAIN}"
            )
        attributes[fields[1]] = source.attributes
    return attributes


def released_attributes(dataset: Dataset, folder: Path) -> dict[str, dict[str, str]]:
    """Read attributes that a challenge withheld and its organizers released afterwards.

    Returns:
        per machine type, the attributes of each distributed file name and, as far as the
        ground truth is there, of each labeled name of an evaluation clip.

    Raises:
        DataError: if a file is missing or not as published.
    """
    released: dict[str, dict[str, str]] = {}
    for file in dataset.truth_files("released_attributes"):
        attributes = released.setdefault(str(file.machine_type), {})
        rows = _lines(folder / file.name, file.sha256)
        if rows[0] == _CORRESPONDENCE:
            attributes |= read_correspondence(folder / file.name)
            continue
        for raw, _, labeled_name in rows:  # The third field is the name with attributes.
            name = naming.parse_name(labeled_name)
            if name and name.attributes:
                attributes[raw] = name.attributes
    truth = read_truth(dataset, folder)
    if truth is None:
        return released
    for machine_type in years.WITHHELD.get(dataset.year, set()) & set(truth.machine_types):
        attributes = released.setdefault(machine_type, {})
        for row in truth.rows(machine_type):
            text = attributes.get(row.name) or _parsed(row.labeled_name).attributes
            if text is not None:
                attributes[row.name] = attributes[row.labeled_name] = text
    return released


def with_released_attributes(
    clips: Iterable[Clip], released: Mapping[str, Mapping[str, str]]
) -> list[Clip]:
    """Fill in released attributes, by machine type and file name, where a clip has none."""
    by_key = {
        machine_type: {naming.clip_key(name): text for name, text in attributes.items()}
        for machine_type, attributes in released.items()
    }
    return [
        clip._replace(attributes=names.get(naming.clip_key(os.path.basename(clip.path))))
        if clip.attributes is None and (names := by_key.get(clip.machine_type)) is not None
        else clip
        for clip in clips
    ]


def _lines(path: Path, sha256: str | None = None) -> list[list[str]]:
    try:
        content = path.read_bytes()
        lines = content.decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable table: {error}. {_AGAIN}") from error
    if sha256 and hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(f"{path}: not as published. {_AGAIN}")
    return [[field.strip() for field in line.split(",")] for line in lines if line.strip()]


def _read_truth(dataset: Dataset, folder: Path, files: Sequence[TruthFile]) -> Truth:
    listed, labels, domains = _read_tables(folder, files)
    rows = {}
    for name in listed.keys() | labels.keys():
        names = listed.get(name) or _labeled_names(labels[name])
        rows[name] = _truth_rows(names, labels.get(name), domains.get(name))
        # The lists of names were published after the challenge, and tell what it withheld.
        if name in years.WITHHELD.get(dataset.year, ()) or any(map(_is_contradicted, rows[name])):
            rows[name] = [row._replace(attributes=None) for row in rows[name]]
    return Truth(dataset.name, rows)


def _truth_rows(
    labeled_names: Mapping[str, str],
    labels: Mapping[str, bool] | None,
    domains: Mapping[str, bool] | None,
) -> list[TruthRow]:
    rows = []
    for name, labeled_name in labeled_names.items():
        labeled = _parsed(labeled_name)
        domain = _DOMAINS[domains[name]] if domains else labeled.domain
        is_anomalous = labels[name] if labels else bool(labeled.is_anomalous)
        fields = (labeled.section, domain, is_anomalous, labeled.attributes)
        rows.append(TruthRow(name, labeled_name, *fields))
    return rows


def _labeled_names(labels: Mapping[str, bool]) -> dict[str, str]:
    """Labeled names of clips of 2021, whose raw names lack nothing but the label."""
    return {name: _with_label(_parsed(name), labels[name], _parsed(name)) for name in labels}


def _mended_name(row: TruthRow) -> str:
    """The labeled name with the label of the row and the raw index."""
    return _with_label(_parsed(row.labeled_name), row.is_anomalous, _parsed(row.name))


def _with_label(name: naming.ClipName, is_anomalous: bool, counted: naming.ClipName) -> str:
    words = ["section", name.section, name.domain, "test", _CONDITIONS[is_anomalous]]
    return "_".join(filter(None, [*words, counted.counter, name.attributes])) + ".wav"


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
