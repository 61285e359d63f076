"""The manifest of the public datasets, read as a whole or refused as a whole.

All that is known beforehand stands in `data_manifest.yaml`. If anything in it is misspelled,
contradictory or of the wrong kind, no download starts from what is left.
"""

import string
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from asdkeras.config import parse_yaml
from asdkeras.data import schema
from asdkeras.data.manifest import (
    Archive,
    ClipCount,
    Dataset,
    Manifest,
    Part,
    Record,
    TruthFile,
    TruthSource,
)
from asdkeras.errors import DataError, RecipeError

FILE_NAME = "data_manifest.yaml"
SCHEMA_VERSION = 1


def read_manifest(path: Path | None = None) -> Manifest:
    """Read a manifest and check everything in it.

    Args:
        path: the file; None takes the one that comes with the package.

    Raises:
        DataError: if the file cannot be read or anything in it is wrong; names the file
            and, for each fault, the key.

    >>> read_manifest().datasets["dcase2021"].archives[0].url
    'https://zenodo.org/records/4562016/files/dev_data_fan.zip'
    """
    path = _own_path() if path is None else Path(path)
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: the manifest cannot be read: {error}") from error
    except RecipeError as error:
        raise DataError(str(error)) from error
    reader = _Reader()
    datasets = reader.datasets(content)
    # A row that is not read at all contradicts others; to say so as well would mislead.
    faults = reader.faults or reader.contradictions
    if len(faults) == 1:
        raise DataError(f"{path}: {faults[0]}")
    if faults:
        lines = "".join(f"\n  {fault}" for fault in faults)
        raise DataError(f"{path}: {len(faults)} faults:{lines}")
    return Manifest(path, datasets)


def _own_path() -> Path:
    # In a checkout the manifest stands beside the package, in an installed one within.
    package = Path(__file__).parents[1]
    inside = package / "manifest" / FILE_NAME
    return inside if inside.is_file() else package.parent / FILE_NAME


def _choice(literal: Any) -> schema.Field:
    return schema.one_of(*typing.get_args(literal))


def _hex(length: int) -> schema.Field:
    return schema.matching(
        rf"[0-9a-f]{{{length}}}",
        f"{length} lower-case hex digits (in quotes if YAML sees a number)",
    )


_NAME = schema.matching(r"\w+", "a plain name of letters, digits and `_`")
_ZIP = schema.matching(r"\w[\w.-]*\.zip", "the name of a zip file, without folders")
_TRUTH = "truth"

_TOP = {
    "schema_version": schema.Field(
        f"{SCHEMA_VERSION}, the one this version of asdkeras reads",
        lambda value: type(value) is int and value == SCHEMA_VERSION,
    ),
    "urls": schema.MAPPING,
    "licenses": schema.MAPPING,
    "datasets": schema.MAPPING,
}
_PLACEHOLDERS = {
    "page": ("record",),
    "api": ("record",),
    "file": ("record", "file"),
    "truth": ("repository", "commit", "path"),
}
_DATASET = {
    "title": schema.TEXT,
    "sample_rate_hz": schema.POSITIVE_INTEGER,
    "num_channels": schema.POSITIVE_INTEGER,
    "hours": schema.or_null(schema.POSITIVE_NUMBER),
    "longest_clip_s": schema.or_null(schema.POSITIVE_NUMBER),
    "records": schema.LIST,
    "archives": schema.LIST,
    "clip_counts": schema.MAPPING,
    "truth": schema.LIST,
}
_RECORD = {
    "number": schema.POSITIVE_INTEGER,
    "part": schema.one_of(*typing.get_args(Part), _TRUTH),
    "license": schema.TEXT,
}
_ARCHIVE = {
    "part": _choice(Part),
    "record": schema.POSITIVE_INTEGER,
    "machine_type": _NAME,
    "file": _ZIP,
    "md5": schema.or_null(_hex(32)),
    "replaces": schema.optional(_ZIP),
}
_COUNT_KEYS = (
    schema.one_of("dev", "eval"),
    _NAME,
    schema.matching(r"\d\d", "a section, two digits in quotes"),
    schema.one_of("train", "test", "supplemental"),
)
_DOMAIN = schema.one_of("source", "target")
_ONE_COUNT = schema.or_null(schema.COUNT)
_TWO_COUNTS = schema.or_null(
    schema.Field(
        "two counts, [normal, anomalous]",
        lambda value: (
            isinstance(value, list) and len(value) == 2 and all(map(schema.COUNT.is_valid, value))
        ),
    )
)
_SOURCE = {
    "repository": schema.matching(r"[\w.-]+/[\w.-]+", "owner and name of a repository"),
    "commit": _hex(40),
    "license": schema.TEXT,
    "role": _choice(TruthSource.__annotations__["role"]),
    "files": schema.LIST,
}
_FILE = {
    "kind": _choice(TruthFile.__annotations__["kind"]),
    "machine_type": schema.optional(_NAME),
    "path": schema.matching(
        r"\w[\w.-]*(?:/\w[\w.-]*)*", "a path inside the repository, without `..`"
    ),
    "sha256": _hex(64),
}


class _Reader(schema.Checker):
    """Makes datasets from a parsed manifest."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: dict[str, str] = {}
        self.licenses: dict[str, str] = {}
        self.numbers: set[int] = set()
        self.contradictions: list[str] = []

    def contradict(self, at: str, what: str) -> None:
        """Note that a row, though well formed, does not fit the others."""
        self.contradictions.append(f"{at}: {what}")

    def datasets(self, content: Any) -> dict[str, Dataset]:
        top = self.row(content, _TOP, "the manifest")
        if top is None:
            return {}
        self.urls = self.patterns(top["urls"])
        self.licenses = dict(self.texts(top["licenses"]))
        if self.faults:  # Nothing below can be made without them.
            return {}
        name = schema.matching(r"dcase20\d\d", "a dataset, such as dcase2021")
        datasets = {}
        for at, (key,), value in self.leaves(top["datasets"], (name,), "datasets"):
            if (row := self.row(value, _DATASET, at)) is not None:
                datasets[key] = self.dataset(key, row, at)
        return datasets

    def patterns(self, value: Any) -> dict[str, str]:
        row = self.row(value, dict.fromkeys(_PLACEHOLDERS, schema.TEXT), "urls") or {}
        for name, pattern in row.items():
            if fault := _pattern_fault(pattern, _PLACEHOLDERS[name]):
                self.note(f"urls.{name}", f"{fault} Received: {pattern!r}")
        return row

    def texts(self, value: Any) -> Iterator[tuple[str, str]]:
        for at, (name,), text in self.leaves(value, (_NAME,), "licenses"):
            if not schema.TEXT.is_valid(text):
                self.note(at, schema.TEXT.refusal(text))
            yield name, text

    def license_text(self, name: str, at: str) -> str:
        known = schema.one_of(*self.licenses)
        if not known.is_valid(name):
            self.contradict(at, f"`license` {known.refusal(name)}")
        return str(self.licenses.get(name))

    def dataset(self, name: str, row: dict[str, Any], at: str) -> Dataset:
        records = tuple(self.records(row.pop("records"), f"{at}.records"))
        archives = tuple(self.archives(name, row.pop("archives"), records, f"{at}.archives"))
        counts = self.clip_counts(row.pop("clip_counts"), archives, f"{at}.clip_counts")
        truth = self.sources(row.pop("truth"), archives, f"{at}.truth")
        return Dataset(
            name=name,
            year=int(name.removeprefix("dcase")),
            records=records,
            archives=archives,
            clip_counts=tuple(counts),
            truth=tuple(truth),
            **row,
        )

    def records(self, values: list[Any], at: str) -> Iterator[Record]:
        for place, row in self.rows(values, _RECORD, at):
            if row["number"] in self.numbers:
                self.contradict(place, f"record {row['number']} is listed twice.")
            self.numbers.add(row["number"])
            yield Record(
                number=row["number"],
                part=row["part"],
                license=self.license_text(row["license"], place),
                page=self.urls["page"].format(record=row["number"]),
                api=self.urls["api"].format(record=row["number"]),
            )

    def archives(
        self, dataset: str, values: list[Any], records: Iterable[Record], at: str
    ) -> Iterator[Archive]:
        parts = {record.number: record.part for record in records}
        empty = {record.number for record in records if record.part != _TRUTH}
        rows = list(self.rows(values, _ARCHIVE, at))
        listed = {row["file"] for _, row in rows}
        files: set[str] = set()
        kinds: set[tuple[str, str]] = set()
        for place, row in rows:
            empty.discard(row["record"])
            if row["record"] not in parts:
                self.contradict(place, f"record {row['record']} is not among the records.")
            elif row["part"] != parts[row["record"]]:
                self.contradict(
                    place,
                    f"part is {row['part']}, but record {row['record']} holds "
                    f"{parts[row['record']]}.",
                )
            if row["file"] in files:
                self.contradict(place, f"{row['file']} is listed twice.")
            kind = (row["part"], row["machine_type"])
            if kind in kinds:
                self.contradict(
                    place, f"there is another archive of {kind[1]} in the part {kind[0]}."
                )
            if row["replaces"] in listed:
                self.contradict(place, f"replaces {row['replaces']}, which is listed as good.")
            files.add(row["file"])
            kinds.add(kind)
            yield Archive(dataset=dataset, url=self.urls["file"].format(**row), **row)
        for number in sorted(empty):
            self.contradict(at, f"none is of record {number}, which is listed.")

    def clip_counts(self, value: Any, archives: Iterable[Archive], at: str) -> Iterator[ClipCount]:
        known = {(archive.part, archive.machine_type) for archive in archives}
        for place, keys, counts in self.leaves(value, _COUNT_KEYS, at):
            part, machine_type, section, split = keys
            holder = _holder(part, split)
            if (holder, machine_type) not in known:
                self.contradict(place, f"no archive of {machine_type} is of the part {holder}.")
            by_domain = isinstance(counts, dict)
            for where, domain, count in self.leaves(counts, (_DOMAIN,) if by_domain else (), place):
                normal, anomalous = self.count(split, count, where)
                yield ClipCount(
                    part=part,  # type: ignore[arg-type]
                    machine_type=machine_type,
                    section=section,
                    split=split,
                    domain=domain[0] if domain else None,
                    normal=normal,
                    anomalous=anomalous,
                )

    def count(self, split: str, value: Any, at: str) -> tuple[int | None, int | None]:
        """Numbers of normal and of anomalous clips."""
        field = _TWO_COUNTS if split == "test" else _ONE_COUNT
        if not field.is_valid(value):
            self.note(at, field.refusal(value))
        elif split != "test":
            return value, 0 if split == "train" else None
        elif value is not None:
            return value[0], value[1]
        return None, None

    def sources(
        self, values: list[Any], archives: Iterable[Archive], at: str
    ) -> Iterator[TruthSource]:
        known = {archive.machine_type for archive in archives}
        names: set[str] = set()
        for place, source in self.rows(values, _SOURCE, at):
            files = []
            for where, row in self.rows(source["files"], _FILE, f"{place}.files"):
                file = self.truth_file(source, row)
                if file.machine_type not in known and file.machine_type is not None:
                    self.contradict(where, f"no archive is of {file.machine_type}.")
                if file.machine_type is None and file.kind != "names":
                    self.contradict(
                        where, f"missing `machine_type`, which a file of {file.kind} needs."
                    )
                if file.name in names:
                    self.contradict(where, f"{row['path']} is listed twice.")
                names.add(file.name)
                files.append(file)
            if not source["files"]:
                self.contradict(place, "has no files.")
            source["license"] = self.license_text(source["license"], place)
            source["files"] = tuple(files)
            yield TruthSource(**source)

    def truth_file(self, source: dict[str, Any], row: dict[str, Any]) -> TruthFile:
        url = self.urls["truth"].format(
            repository=source["repository"], commit=source["commit"], path=row["path"]
        )
        # The same file may serve in two roles; each role keeps its own copy.
        name = f"{source['role']}/{row['path']}"
        return TruthFile(row["kind"], row["machine_type"], name, url, row["sha256"])


def _holder(part: str, split: str) -> Part:
    """The part whose archives hold a split."""
    if part == "dev":
        return "dev"
    return "eval_test" if split == "test" else "additional_training"


def _pattern_fault(pattern: str, placeholders: tuple[str, ...]) -> str | None:
    """What is wrong with a URL that has placeholders in braces, if anything is."""
    wanted = ", ".join(f"{{{name}}}" for name in placeholders)
    try:
        found = [tuple(field[1:]) for field in string.Formatter().parse(pattern)]
    except ValueError as error:
        return f"is no pattern: {error}."
    used = {field for field in found if field[0] is not None}
    if used != {(name, "", None) for name in placeholders}:
        return f"must hold the placeholders {wanted} and no others."
    if not pattern.startswith(("https://", "http://")):
        return "must begin with https:// or http://."
    return None
