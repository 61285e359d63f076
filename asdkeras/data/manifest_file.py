"""The manifest of the public datasets, read as a whole or refused as a whole.

All that is known beforehand is in `data_manifest.yaml`. If anything in it is misspelled or of
the wrong kind, no download starts from the rest.
"""

import dataclasses
import re
import string
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from asdkeras.config import Checked, Constraint, build_config, did_you_mean, parse_yaml
from asdkeras.data.manifest import ClipCount, Dataset, Manifest
from asdkeras.errors import DataError, RecipeError

FILE_NAME = "data_manifest.yaml"
_VERSION = Constraint("must be 1, the one this version of asdkeras reads", lambda value: value == 1)
_PLACEHOLDERS = {
    "page": ("record",),
    "api": ("record",),
    "file": ("record", "file"),
    "truth": ("repository", "commit", "path"),
}
_Urls = dataclasses.make_dataclass("_Urls", [(name, str) for name in _PLACEHOLDERS])
_COUNT_KEYS = ("part", "machine_type", "section", "split", "domain")


@dataclasses.dataclass(frozen=True)
class _Content(Checked):
    """The whole file."""

    schema_version: Annotated[int, _VERSION]
    urls: dict[str, Any]
    licenses: dict[str, Any]
    datasets: dict[str, Any]


def read_manifest(path: Path | None = None) -> Manifest:
    """Read a manifest and check everything in it.

    Args:
        path: the file; None takes the one that comes with the package.

    Raises:
        DataError: if the file cannot be read or anything in it is wrong; names the file
            and the key.

    >>> read_manifest().datasets["dcase2021"].archives[0].url
    'https://zenodo.org/records/4562016/files/dev_data_fan.zip'
    """
    path = _own_path() if path is None else Path(path)
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"), str(path))
        return Manifest(path, _datasets(content, str(path)))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: the manifest cannot be read: {error}") from error
    except RecipeError as error:
        raise DataError(str(error)) from error


def _own_path() -> Path:
    # In a checkout the manifest stands beside the package, in an installed one within.
    package = Path(__file__).parents[1]
    inside = package / "manifest" / FILE_NAME
    return inside if inside.is_file() else package.parent / FILE_NAME


def _datasets(content: Any, path: str) -> dict[str, Dataset]:
    top = build_config(_Content, content, f"{path}: the manifest")
    urls = build_config(_Urls, top.urls, f"{path}: urls")
    for name, placeholders in _PLACEHOLDERS.items():
        pattern = getattr(urls, name)
        if fault := _pattern_fault(pattern, placeholders):
            raise RecipeError(f"{path}: urls.{name}: {fault} Received: {pattern!r}")
    datasets = {}
    for name, row in top.datasets.items():
        if not re.fullmatch(r"dcase20\d\d", str(name)):
            raise RecipeError(
                f"{path}: datasets: a key must be a dataset, such as dcase2021. Received: {name!r}"
            )
        datasets[name] = _dataset(name, row, urls, top.licenses, f"{path}: datasets.{name}")
    return datasets


def _dataset(name: str, row: Any, urls: Any, licenses: Mapping[str, str], where: str) -> Dataset:
    """A dataset by its row; URLs, license texts and file names are added to the rows in it."""
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
            path = file.pop("path", None)
            # The same file may serve in two roles; each role keeps its own copy.
            file["name"] = f"{source.get('role')}/{path}"
            file["url"] = urls.truth.format(**origin, path=path)
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
