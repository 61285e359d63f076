"""Published files of ground truth: lists of names, tables of labels and of domains.

Every line is checked; a table with one wrong line is not used, and all its wrong lines
are named. Fields are raw file names, as distributed, or labeled ones.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from asdkeras.data import naming
from asdkeras.data.manifest import TruthFile
from asdkeras.errors import DataError

_VALUES = {"0": False, "0.0": False, "1": True, "1.0": True}
_CORRESPONDENCE = ["source_file_name", "target_file_name"]


class Listed(NamedTuple):
    """One line of a list.

    Attributes:
        name: raw file name.
        labeled_name: file name with label, domain and attributes.
        place: file and line, for messages.
        name_with_attributes: file name with attributes that the labeled name withholds.
    """

    name: str
    labeled_name: str
    place: str
    name_with_attributes: str | None


class Value(NamedTuple):
    """One line of a table of labels or domains: whether it says 1."""

    is_one: bool
    place: str


class Tables(NamedTuple):
    """What the files of one evaluation set say, per machine type.

    Attributes:
        listed: lines of the lists of names.
        labels: by raw name, whether the clip is anomalous.
        domains: by raw name, whether the clip is of the target domain.
    """

    listed: dict[str, list[Listed]]
    labels: dict[str, dict[str, Value]]
    domains: dict[str, dict[str, Value]]


def read_tables(folder: Path, files: Iterable[TruthFile], machine_types: Collection[str]) -> Tables:
    """Read the files of an evaluation set, which must be about the same clips.

    Args:
        folder: holds the files by their `name`.
        files: of the kinds `names`, `labels` and `domains`.
        machine_types: all there may be.

    Raises:
        DataError: if a line is not as published, or a clip is in two tables, or in one
            kind of file and not in the other.
    """
    tables = Tables({}, {}, {})
    for file in files:
        path = folder / file.name
        if file.kind == "names":
            for name, lines in read_list(path, file.machine_type or machine_types).items():
                tables.listed.setdefault(name, []).extend(lines)
            continue
        by_machine_type = tables.labels if file.kind == "labels" else tables.domains
        table = by_machine_type.setdefault(str(file.machine_type), {})
        values = read_values(path)
        if twice := sorted(table.keys() & values.keys()):
            places = (f"{values[name].place} and {table[name].place}: {name}" for name in twice)
            raise DataError(_report(folder, "clips are in two tables", places))
        table |= values
    for kind, by_machine_type in (("labels", tables.labels), ("domains", tables.domains)):
        if by_machine_type and tables.listed:
            _check_cover(folder, kind, tables.listed, by_machine_type)
    return tables


def read_list(path: Path, machine_types: str | Collection[str]) -> dict[str, list[Listed]]:
    """Read a list `raw,labeled[,label or name with attributes]`, in order, per machine type.

    Args:
        path: CSV file without a header, any line ends. Labeled names may lack `.wav`.
        machine_types: the one of all lines; or all there may be, each of which begins
            with a line of one field.

    Raises:
        DataError: on lines that say something else, contradict themselves, or repeat.
    """
    current = machine_types if isinstance(machine_types, str) else None
    listed: dict[str, list[Listed]] = {} if current is None else {current: []}
    seen: set[tuple[str, naming.ClipKey | None]] = set()

    def read(place: str, fields: list[str]) -> str | None:
        nonlocal current
        if len(fields) == 1 and not isinstance(machine_types, str):
            if fields[0] not in machine_types:
                return f"not a machine type of this year. Received: {fields[0]}"
            if fields[0] in listed:
                return f"the machine type {fields[0]} is there twice"
            current = fields[0]
            listed[current] = []
            return None
        if len(fields) not in (2, 3):
            return f"must have two or three fields. Received: {','.join(fields)}"
        if current is None:
            return "comes before the name of a machine type"
        row = _listed(place, fields)
        if isinstance(row, str):
            return row
        for name in row[:2]:
            if (current, naming.clip_key(name)) in seen:
                return f"{name} of {current} is there twice"
            seen.add((current, naming.clip_key(name)))
        listed[current].append(row)
        return None

    _read(path, read)
    return listed


def read_values(path: Path) -> dict[str, Value]:
    """Read a table `raw,value`, with values like `1`, `0` or `1.0`.

    Raises:
        DataError: on lines that say something else, or repeat a name.
    """
    values: dict[str, Value] = {}

    def read(place: str, fields: list[str]) -> str | None:
        if len(fields) != 2 or fields[1] not in _VALUES:
            return f"must be a file name and 0 or 1. Received: {','.join(fields)}"
        name = naming.parse_name(fields[0])
        if name is None or name.is_anomalous is not None:
            return f"not a file name of an evaluation clip. Received: {fields[0]}"
        if fields[0] in values:
            return f"{fields[0]} is there twice"
        values[fields[0]] = Value(_VALUES[fields[1]], place)
        return None

    _read(path, read)
    return values


def is_correspondence(path: Path) -> bool:
    """Whether a file of released attributes has the header of a correspondence."""
    first = next(iter(_lines(path)), (0, []))
    return first[1] == _CORRESPONDENCE


def read_correspondence(path: Path) -> dict[str, str]:
    """Read released attributes: `attributes_00_{train,test}_correspondence.csv`.

    Args:
        path: CSV file with the header `source_file_name,target_file_name`. The source
            name carries the attributes, the target name is the distributed one; their
            indices may differ.

    Returns:
        attributes of each distributed file name.

    Raises:
        DataError: on another header, or lines that carry no attributes, whose names
            contradict each other, or that repeat a name.
    """
    attributes: dict[str, str] = {}
    if not is_correspondence(path):
        raise DataError(f"{path}: the first line must be `{','.join(_CORRESPONDENCE)}`.")

    def read(place: str, fields: list[str]) -> str | None:
        if fields == _CORRESPONDENCE and not attributes:
            return None
        if len(fields) != 2:
            return f"must have two fields. Received: {','.join(fields)}"
        source, target = map(naming.parse_name, fields)
        if source is None or source.attributes is None:
            return f"not a file name with attributes. Received: {fields[0]}"
        if target is None:
            return f"not a file name of a clip. Received: {fields[1]}"
        if fields[1] in attributes:
            return f"{fields[1]} is there twice"
        if _contradict(source, target):
            return f"{fields[0]} and {fields[1]} contradict each other"
        attributes[fields[1]] = source.attributes
        return None

    _read(path, read)
    return attributes


def _listed(place: str, fields: list[str]) -> Listed | str:
    """The line as a row, or what is wrong with it."""
    name, labeled_name = fields[0], _with_suffix(fields[1])
    raw, labeled = naming.parse_name(name), naming.parse_name(labeled_name)
    if raw is None or raw.is_anomalous is not None:
        return f"not a file name of an evaluation clip. Received: {name}"
    if labeled is None or labeled.is_anomalous is None:
        return f"not a labeled file name. Received: {fields[1]}"
    if _contradict(raw, labeled):
        return f"{name} and {fields[1]} contradict each other"
    third = fields[2] if len(fields) == 3 else None
    if third is None or third in _VALUES:
        if third is not None and _VALUES[third] != labeled.is_anomalous:
            return f"{fields[1]} and the label {third} contradict each other"
        return Listed(name, labeled_name, place, None)
    full = naming.parse_name(third)
    if full is None or full.attributes is None or _contradict(labeled, full):
        return f"the third field must be a label or the name with attributes. Received: {third}"
    return Listed(name, labeled_name, place, third)


def _with_suffix(name: str) -> str:
    return name if naming.is_audio_name(name) else f"{name}.wav"


def _contradict(one: naming.ClipName, other: naming.ClipName) -> bool:
    """Whether two names of one clip say different things, apart from index and attributes."""
    return any(
        None not in values and values[0] != values[1]
        for values in (
            (one.section, other.section),
            (one.domain, other.domain),
            (one.split, other.split),
            (one.is_anomalous, other.is_anomalous),
        )
    )


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: not a readable table: {error}. Delete it and fetch it again."
        ) from error
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, [field.strip() for field in line.split(",")]


def _read(path: Path, read: Callable[[str, list[str]], str | None]) -> None:
    """Give each line to `read`, which says what is wrong with it, and list all faults."""
    faults = []
    is_empty = True
    for number, fields in _lines(path):
        is_empty = False
        if fault := read(f"{path}: line {number}", fields):
            faults.append(f"line {number}: {fault}")
    if is_empty:
        raise DataError(f"{path}: is empty. Delete it and fetch it again.")
    if faults:
        raise DataError(
            f"{path}: {len(faults)} lines are not as published. Delete it and fetch it again."
            + "".join(f"\n  {fault}" for fault in faults)
        )


def _check_cover(
    folder: Path,
    kind: str,
    listed: Mapping[str, Sequence[Listed]],
    tables: Mapping[str, Mapping[str, Value]],
) -> None:
    """Refuse a list and tables that are not about the same clips."""
    faults = []
    for machine_type in sorted(listed.keys() | tables.keys()):
        lines = {line.name: line.place for line in listed.get(machine_type, ())}
        values = tables.get(machine_type, {})
        for name in sorted(lines.keys() - values.keys()):
            faults.append(f"{lines[name]}: {name} of {machine_type} is in no table of {kind}")
        for name in sorted(values.keys() - lines.keys()):
            faults.append(f"{values[name].place}: {name} of {machine_type} is in no list of names")
    if faults:
        raise DataError(_report(folder, "clips are not in all files", faults))


def _report(folder: Path, what: str, faults: Iterable[str]) -> str:
    lines = [f"\n  {fault}" for fault in faults]
    return (
        f"{folder}: {len(lines)} {what} of the ground truth. Delete these and fetch them again:"
        + "".join(lines)
    )
