"""Published files of ground truth: lists of names, tables of labels, domains and attributes.

The manifest pins their content by a digest, so a file that is as published has only lines as
they are described here.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from asdkeras.data import naming
from asdkeras.data.manifest import TruthFile
from asdkeras.errors import DataError

_VALUES = {"0": False, "0.0": False, "1": True, "1.0": True}
_CORRESPONDENCE = ["source_file_name", "target_file_name"]


class Tables(NamedTuple):
    """What the files of one evaluation set say, per machine type.

    Attributes:
        listed: by raw file name, the file name with label, domain and attributes.
        labels: by raw file name, whether the clip is anomalous.
        domains: by raw file name, whether the clip is of the target domain.
    """

    listed: dict[str, dict[str, str]]
    labels: dict[str, dict[str, bool]]
    domains: dict[str, dict[str, bool]]


def read_tables(folder: Path, files: Iterable[TruthFile]) -> Tables:
    """Read the files of an evaluation set.

    A list has lines `raw,labeled[,label or name with attributes]`, where labeled names may
    lack `.wav`. If it is about several machine types, a line of one field begins each. A
    table has lines `raw,value`, with values like `1`, `0` or `1.0`.

    Args:
        folder: holds the files by their `name`.
        files: of the kinds `names`, `labels` and `domains`.

    Raises:
        DataError: if a file is missing or not as published.
    """
    tables = Tables({}, {}, {})
    for file in files:
        machine_type = str(file.machine_type)
        for fields in _rows(folder / file.name, file.sha256):
            if file.kind != "names":
                values = tables.labels if file.kind == "labels" else tables.domains
                values.setdefault(machine_type, {})[fields[0]] = _VALUES[fields[1]]
            elif len(fields) == 1:
                machine_type = fields[0]
            else:
                labeled = fields[1] if naming.is_audio_name(fields[1]) else f"{fields[1]}.wav"
                tables.listed.setdefault(machine_type, {})[fields[0]] = labeled
    return tables


def read_attributes(folder: Path, file: TruthFile) -> dict[str, str]:
    """Read released attributes from either kind of published file.

    Args:
        folder: holds the file by its `name`.
        file: a correspondence, or a list whose third field is the name with attributes.

    Returns:
        attributes of each distributed file name.

    Raises:
        DataError: if the file is missing or not as published.
    """
    rows = _rows(folder / file.name, file.sha256)
    if rows[0] == _CORRESPONDENCE:
        return read_correspondence(folder / file.name)
    names = {fields[0]: naming.parse_name(fields[2]) for fields in rows}
    return {raw: name.attributes for raw, name in names.items() if name and name.attributes}


def read_correspondence(path: Path) -> dict[str, str]:
    """Read released attributes: `attributes_00_{train,test}_correspondence.csv`.

    Args:
        path: CSV file with the header `source_file_name,target_file_name`. The source
            name carries the attributes, the target name is the distributed one; their
            indices may differ.

    Returns:
        attributes of each distributed file name.

    Raises:
        DataError: on another header, or a line that is not of this form.
    """
    rows = _rows(path)
    if rows[:1] != [_CORRESPONDENCE]:
        raise DataError(f"{path}: the first line must be `{','.join(_CORRESPONDENCE)}`.")
    attributes: dict[str, str] = {}
    for fields in rows[1:]:
        source, target = map(naming.parse_name, fields) if len(fields) == 2 else (None, None)
        if source is None or source.attributes is None or target is None:
            raise DataError(
                f"{path}: each line must be a file name with attributes and the distributed file "
                f"name. Received: {','.join(fields)}. Delete it and fetch it again."
            )
        attributes[fields[1]] = source.attributes
    return attributes


def _rows(path: Path, sha256: str | None = None) -> list[list[str]]:
    try:
        content = path.read_bytes()
        lines = content.decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: not a readable table: {error}. Delete it and fetch it again."
        ) from error
    if sha256 and hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(f"{path}: not as published. Delete it and fetch it again.")
    return [[field.strip() for field in line.split(",")] for line in lines if line.strip()]
