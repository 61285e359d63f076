"""What is known of the public datasets beforehand: archives, checksums, counts, truth.

It is in `data_manifest.yaml`, which is read whole or refused whole: if anything in it is
misspelled or of the wrong kind, no download starts.
"""

import dataclasses
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from asdkeras.config import (
    Checked,
    Constraint,
    Count,
    at_least,
    build_config,
    did_you_mean,
    form,
    parse_yaml,
)
from asdkeras.errors import DataError, RecipeError

Part = Literal["dev", "additional_training", "eval_test"]
Set = Literal["dev", "eval"]

_FILE_NAME = "data_manifest.yaml"
_VERSION = Constraint("must be 1, the one this version of asdkeras reads", lambda value: value == 1)
_NAME = form(r"\w+", "a plain name of letters, digits and `_`")
_ZIP = form(r"\w[\w.-]*\.zip", "the name of a zip file, without folders")
_PATH = form(r"\w[\w.-]*(?:/\w[\w.-]*)*", "a path inside the repository, without `..`")
_COUNT_KEYS = ("part", "machine_type", "section", "split", "domain")


@dataclasses.dataclass(frozen=True)
class Record(Checked):
    """One record of the archive that hosts the datasets; `page` and `api` are URLs."""

    number: Count
    part: Literal["dev", "additional_training", "eval_test", "truth"]
    license: str
    page: str
    api: str


@dataclasses.dataclass(frozen=True)
class Archive(Checked):
    """One zip file of clips of one machine type."""

    dataset: str
    part: Part
    machine_type: Annotated[str, _NAME]  # Also the folder it unpacks to.
    record: Count
    file: Annotated[str, _ZIP]
    md5: Annotated[str | None, form("[0-9a-f]{32}", "32 lower-case hex digits")]
    replaces: Annotated[str | None, _ZIP]  # A damaged file that this one supersedes.
    url: str


def archive_part(part: Set, split: str) -> Part:
    """The kind of archive that holds clips of a set and a split."""
    if part == "dev":
        return "dev"
    return "eval_test" if split == "test" else "additional_training"


@dataclasses.dataclass(frozen=True)
class ClipCount(Checked):
    """How many clips there are of one machine type, section, split and domain; None if not known.

    Additional training clips belong to the evaluation set; supplemental clips all count as normal.
    """

    part: Set
    machine_type: Annotated[str, _NAME]
    section: Annotated[str, form(r"\d\d", "two digits in quotes")]
    split: Annotated[str, form("train|test|supplemental", "train, test or supplemental")]
    domain: Annotated[str | None, form("source|target", "source or target")]
    normal: Annotated[int | None, at_least(0)]
    anomalous: Annotated[int | None, at_least(0)]


@dataclasses.dataclass(frozen=True)
class TruthFile(Checked):
    """One file with facts about test clips."""

    kind: Literal["names", "labels", "domains", "attributes"]
    machine_type: Annotated[str | None, _NAME]  # None if the file is about several.
    name: Annotated[str, _PATH]  # Relative to the dataset's folder, unique in the dataset.
    url: str
    sha256: Annotated[str, form("[0-9a-f]{64}", "64 lower-case hex digits")]


@dataclasses.dataclass(frozen=True)
class TruthSource(Checked):
    """Files of one repository at one commit.

    All `primary` sources of a dataset together are its truth, all `alternate` ones the same truth
    again; `released_attributes` were withheld from the challenge.
    """

    repository: Annotated[str, form(r"[\w.-]+/[\w.-]+", "owner and name of a repository")]
    commit: Annotated[str, form("[0-9a-f]{40}", "40 lower-case hex digits")]
    license: str
    role: Literal["primary", "alternate", "released_attributes"]
    files: tuple[TruthFile, ...]


@dataclasses.dataclass(frozen=True)
class Dataset(Checked):
    """The dataset of one year, such as `dcase2021`; what is None is not known.

    `hours` is the length of all clips together; sample rate and channels are those of every clip.
    """

    name: str
    year: int
    title: str
    sample_rate_hz: Count
    num_channels: Count
    hours: float | None
    longest_clip_s: float | None
    records: tuple[Record, ...]
    archives: tuple[Archive, ...]
    clip_counts: tuple[ClipCount, ...]
    truth: tuple[TruthSource, ...]

    @functools.cached_property
    def parts(self) -> dict[tuple[str, str], Set]:
        """Which set a machine type and a section of it belong to."""
        return {(each.machine_type, each.section): each.part for each in self.clip_counts}

    def truth_files(self, role: str) -> list[TruthFile]:
        return [file for each in self.truth if each.role == role for file in each.files]


@dataclasses.dataclass(frozen=True)
class Manifest:
    """All datasets by name, and the file that says so."""

    path: Path
    datasets: dict[str, Dataset]

    def dataset(self, year: str | int) -> Dataset:
        """The dataset of a year, such as `2021` or `dcase2021`.

        Raises:
            RecipeError: if there is none.
        """
        name = f"dcase{year}" if str(year).isdigit() else str(year)
        if name not in self.datasets:
            known = ", ".join(name.removeprefix("dcase") for name in self.datasets)
            raise RecipeError(
                f"{self.path} has no dataset of that year. Known: {known}. Received: {year!r}"
            )
        return self.datasets[name]


def _url(*names: str) -> Constraint:
    """Check that a URL has these placeholders in braces and no others."""
    match = re.compile(rf"https?://[^{{}}]*(?:{{(?:{'|'.join(names)})}}[^{{}}]*)*").fullmatch
    placeholders = [f"{{{name}}}" for name in names]
    return Constraint(
        f"must be a URL with {', '.join(placeholders)} and no other placeholders",
        lambda url: bool(match(url)) and all(each in url for each in placeholders),
    )


@dataclasses.dataclass(frozen=True)
class _Urls(Checked):
    page: Annotated[str, _url("record")]
    api: Annotated[str, _url("record")]
    file: Annotated[str, _url("record", "file")]
    truth: Annotated[str, _url("repository", "commit", "path")]


@dataclasses.dataclass(frozen=True)
class _Content(Checked):
    schema_version: Annotated[int, _VERSION]
    urls: _Urls
    licenses: dict[str, Any]
    datasets: dict[str, Any]


def read_manifest(path: Path | None = None) -> Manifest:
    """Read a manifest, by default the one of the package, and check everything in it.

    Raises:
        DataError: if the file cannot be read or anything in it is wrong; names file and key.

    >>> read_manifest().datasets["dcase2021"].archives[0].url
    'https://zenodo.org/records/4562016/files/dev_data_fan.zip'
    """
    if path is None:
        # In a checkout the manifest stands beside the package, in an installed one within.
        package = Path(__file__).parents[1]
        inside = package / "manifest" / _FILE_NAME
        path = inside if inside.is_file() else package.parent / _FILE_NAME
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"), str(path))
        top = build_config(_Content, content, f"{path}: the manifest")
        rows = top.datasets.items()
        return Manifest(path, {name: _dataset(name, row, top, path) for name, row in rows})
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: the manifest cannot be read: {error}") from error
    except RecipeError as error:
        raise DataError(str(error)) from error


def _dataset(name: str, row: Any, top: _Content, path: Path) -> Dataset:
    """Build a dataset from its row, to which URLs, license texts and file names are added."""
    if not re.fullmatch(r"dcase20[0-9][0-9]", str(name)):
        raise RecipeError(
            f"{path}: datasets: a key must be a dataset, such as dcase2021. Received: {name!r}"
        )
    where = f"{path}: datasets.{name}"
    urls, licenses = top.urls, top.licenses
    counts = []
    if isinstance(row, dict):
        counts = list(_clip_counts(row.get("clip_counts"), f"{where}.clip_counts"))
        row |= {"name": name, "year": int(name.removeprefix("dcase")), "clip_counts": []}
    for licensed in [*_rows(row, "records"), *_rows(row, "truth")]:
        key = str(licensed.get("license"))
        if key not in licenses:
            known = f"one of {', '.join(licenses)}. Received: {key!r}.{did_you_mean(key, licenses)}"
            raise RecipeError(f"{where}: `license` must be {known}")
        licensed["license"] = licenses[key]
    for record in _rows(row, "records"):
        record["page"] = urls.page.format(record=record.get("number"))
        record["api"] = urls.api.format(record=record.get("number"))
    for archive in _rows(row, "archives"):
        archive["dataset"] = name
        archive["url"] = urls.file.format(record=archive.get("record"), file=archive.get("file"))
        archive.setdefault("replaces")
    for source in _rows(row, "truth"):
        origin = {"repository": source.get("repository"), "commit": source.get("commit")}
        for file in _rows(source, "files"):
            place = file.pop("path", None)
            # The same file may serve in two roles; each role keeps its own copy.
            file["name"] = f"{source.get('role')}/{place}"
            file["url"] = urls.truth.format(**origin, path=place)
            file.setdefault("machine_type")
    dataset: Dataset = build_config(Dataset, row, where)
    return dataclasses.replace(dataset, clip_counts=tuple(counts))


def _rows(owner: Any, key: str) -> list[dict[str, Any]]:
    """The mappings of a list; what is no list or no mapping is refused by `build_config`."""
    rows = owner.get(key) if isinstance(owner, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _clip_counts(value: Any, where: str, *keys: Any) -> Iterator[ClipCount]:
    """Counts below a mapping of part, machine type, section, split and, if any, domain."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _clip_counts(inner, f"{where}.{key}", *keys, key)
        return
    row = {"domain": None, **dict(zip(_COUNT_KEYS, keys, strict=False))}
    is_pair = isinstance(value, list) and len(value) == 2
    normal, anomalous = value if is_pair else (value, 0 if row.get("split") == "train" else None)
    yield build_config(ClipCount, {**row, "normal": normal, "anomalous": anomalous}, where)
    if value is not None and is_pair != (row["split"] == "test"):
        rule = "must be one count, or two of test clips, [normal, anomalous]"
        raise RecipeError(f"{where}: {rule}. Received: {value!r}")
