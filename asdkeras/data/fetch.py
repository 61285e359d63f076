"""Downloading a dataset: what is missing of it, checked, unpacked, and written down.

Under the folder given lies one folder per dataset:

    dcase2021/dev_data/<machine type>/...     unpacked
    dcase2021/eval_data/<machine type>/...
    dcase2021/archives/                       what is being downloaded, and is deleted once unpacked
    dcase2021/download_lock.json              checksums, sizes and licenses as first learnt

A checksum comes from the manifest or, where that has none, from the record's interface,
and is then pinned in the lock file: a file that changes later is noticed.
"""

import dataclasses
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from asdkeras.config import did_you_mean
from asdkeras.data import download, unpack, web
from asdkeras.data.manifest import Archive, Dataset, TruthSource
from asdkeras.data.places import truth_folder
from asdkeras.errors import DataError, RecipeError
from asdkeras.files import exclusive, write_text
from asdkeras.progress import say, stage

PARTS = {
    "dev": ("dev",),
    "eval": ("additional_training", "eval_test", "truth"),
    "additional_training": ("additional_training",),
    "eval_test": ("eval_test",),
    "truth": ("truth",),
}
"""What may be asked for, and what it consists of."""

_LOCK_NAME = "download_lock.json"
_SCHEMA_VERSION = 1
_MIB = 2**20
_UNPACKED_SHARE = 1.3  # Of the size of an archive of recordings, at most, by rule of thumb.
_FREE_BYTES = 100 * _MIB  # To be left over.


class Offer(NamedTuple):
    """What a fetch would do.

    Attributes:
        dataset: of the manifest.
        folder: of the dataset.
        archives: to be downloaded, with their sizes in bytes.
        num_here: archives that are unpacked already.
        licenses: lines, one per record.
    """

    dataset: Dataset
    folder: Path
    archives: Mapping[Archive, int]
    num_here: int
    licenses: tuple[str, ...]

    def text(self) -> str:
        """The offer in words."""
        total = sum(self.archives.values())
        rows = [f"  {archive.file}  {_size(size)}" for archive, size in self.archives.items()]
        return "\n".join(
            [
                f"{self.dataset.title}",
                *self.licenses,
                f"{len(self.archives)} archives, {_size(total)}, to {self.folder}:",
                *rows,
            ]
        )


def fetch(
    dataset: Dataset,
    to: Path | None,
    *,
    machines: Sequence[str] | None,
    parts: Sequence[str],
    confirm: Callable[[Offer], bool],
    jobs: int,
    keep_archives: bool,
    patience: web.Patience = web.USUAL_PATIENCE,
) -> Path | None:
    """Download and unpack what is missing of a dataset; nothing if nothing is.

    Args:
        dataset: of the manifest.
        to: folder of all datasets; this one's is made in it. None will do for the ground
            truth, which is kept with the cache.
        machines: machine types; all if None.
        parts: keys of `PARTS`.
        confirm: is shown the offer and says whether to go on; not asked if nothing is
            to be downloaded.
        jobs: downloads at a time.
        keep_archives: whether archives stay after unpacking.
        patience: with the server.

    Returns:
        folder of the dataset; None if nothing but ground truth was asked for.

    Raises:
        RecipeError: if machine types or parts are unknown, `to` is missing, or the offer
            is declined.
        DataError: if archives could not be had; all others are in place.
    """
    wanted = _wanted_parts(parts)
    archives = _selected(dataset, machines, wanted)
    folder = None
    if archives:
        if to is None:
            raise RecipeError("--to DIR must say where the recordings shall be.")
        folder = Path(to) / dataset.name
        refusal = f"{folder}: another process is downloading into it. Wait for it."
        with exclusive(folder, refusal):
            _Fetch(dataset, folder, jobs, keep_archives, patience).run(archives, confirm)
    if "truth" in wanted:
        fetch_truth(dataset, jobs=jobs, patience=patience)
    return folder


def fetch_truth(
    dataset: Dataset, *, jobs: int, patience: web.Patience = web.USUAL_PATIENCE
) -> None:
    """Download the ground truth of the evaluation set, as far as it is not there.

    Raises:
        DataError: if no source of it can be had.
    """
    folder = truth_folder(dataset.name)
    primary = [source for source in dataset.truth if source.role == "primary"]
    alternate = [source for source in dataset.truth if source.role == "alternate"]
    if not primary:
        say(f"{dataset.name}: its ground truth is not published, as far as is known")
        return
    released = [source for source in dataset.truth if source.role == "released_attributes"]
    with exclusive(folder, f"{folder}: another process is downloading into it. Wait for it."):
        failures = _download_truth(primary, folder, jobs, patience)
        if failures and alternate:
            say(f"ground truth: {failures[0].reason} Trying {alternate[0].repository} instead.")
            failures = _download_truth(alternate, folder, jobs, patience)
        if failures:
            raise DataError(_report(failures, "files of the ground truth"))
        for failure in _download_truth(released, folder, jobs, patience):
            say(f"note: released attributes: {failure.reason}")
    used = ", ".join(f"{source.repository} ({source.license})" for source in primary)
    say(f"ground truth of {dataset.name}: {used}, kept in {folder}")


class _Lock:
    """What has been learnt about the archives of a dataset, and which are unpacked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.content: dict[str, Any] = {"schema_version": _SCHEMA_VERSION, "archives": {}}
        if path.exists():
            self.content = self._read()

    def entry(self, file: str) -> dict[str, Any]:
        """Of one archive; empty if nothing is known."""
        found: dict[str, Any] = self.content["archives"].get(file, {})
        return found

    def update(self, file: str, **values: Any) -> None:
        """Add to what is known of an archive, on disk as well."""
        self.content["archives"][file] = {**self.entry(file), **values}
        write_text(self._path, json.dumps(self.content, indent=2) + "\n")

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            is_known = content["schema_version"] == _SCHEMA_VERSION
            if not is_known or not isinstance(content["archives"], dict):
                raise ValueError("another schema_version")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{self._path}: not a readable lock file: {error}. Move it away; its archives are "
                "then downloaded again, and compared with what is unpacked."
            ) from error
        return dict(content)


@dataclasses.dataclass(frozen=True)
class _Fetch:
    """One fetch into the folder of a dataset, which no other process touches meanwhile."""

    dataset: Dataset
    folder: Path
    jobs: int
    keep_archives: bool
    patience: web.Patience

    def run(self, archives: Sequence[Archive], confirm: Callable[[Offer], bool]) -> None:
        lock = _Lock(self.folder / _LOCK_NAME)
        _check_replaced(archives, lock, self.folder)
        missing = [archive for archive in archives if not self._is_unpacked(archive, lock)]
        if not missing:
            say(f"{self.folder}: all {len(archives)} archives are there and unpacked")
            return
        records = {number: self._record(number) for number in {a.record for a in missing}}
        sizes = {}
        for archive in missing:
            archive = _newest(archive, records[archive.record])
            sizes[archive] = self._learn(archive, records[archive.record], lock)
        numbers = dict.fromkeys(archive.record for archive in sizes)
        licenses = tuple(self._license(number, records[number]) for number in numbers)
        offer = Offer(self.dataset, self.folder, sizes, len(archives) - len(missing), licenses)
        self._check_disk(sizes)
        if not confirm(offer):
            raise RecipeError("nothing downloaded: the offer was declined.")
        self._download(sizes, lock)

    def _record(self, number: int) -> dict[str, Any]:
        """What the record's interface says; empty if it says nothing readable."""
        (record,) = [record for record in self.dataset.records if record.number == number]
        say(f"asking what record {number} holds: {record.api}")
        try:
            answer = web.read_json(record.api, self.patience)
            return {"metadata": answer["metadata"], "files": {f["key"]: f for f in answer["files"]}}
        except (DataError, KeyError, TypeError) as error:
            say(f"note: record {number} does not say what it holds: {error}")
            return {}

    def _learn(self, archive: Archive, record: Mapping[str, Any], lock: _Lock) -> int:
        """Settle and pin the checksum of an archive; returns its size in bytes, 0 if unknown."""
        told = record.get("files", {}).get(archive.file)
        pinned = lock.entry(archive.file)
        if record and told is None:
            raise DataError(
                f"record {archive.record} holds no {archive.file} any more. It may have been "
                f"replaced: look at {_page(self.dataset, archive.record)}"
            )
        md5 = str(told.get("checksum", "")).removeprefix("md5:") if told else None
        size = int(told.get("size", 0)) if told else int(pinned.get("size", 0))
        if md5 and archive.md5 and md5 != archive.md5:
            say(
                f"note: {archive.file}: the manifest knows md5 {archive.md5}, its record says "
                f"{md5}. The record is believed."
            )
        if md5 and pinned.get("md5", md5) != md5:
            raise DataError(
                f"{archive.file}: its record says md5 {md5}, but earlier it said "
                f"{pinned['md5']} ({self.folder / _LOCK_NAME}). The file was replaced: look at "
                f"{_page(self.dataset, archive.record)}, then remove the entry from that file."
            )
        md5 = md5 or pinned.get("md5") or archive.md5
        if not md5:
            raise DataError(
                f"{archive.file}: no checksum is known, and record {archive.record} cannot be "
                "asked for it. Try again when it can be reached."
            )
        lock.update(archive.file, record=archive.record, md5=md5, size=size)
        return size

    def _license(self, number: int, answer: Mapping[str, Any]) -> str:
        (record,) = [record for record in self.dataset.records if record.number == number]
        license_id = answer.get("metadata", {}).get("license", {}).get("id")
        told = f" The record says: {license_id}." if license_id else ""
        return f"License: {record.license.strip()}{told} {record.page}"

    def _check_disk(self, sizes: Mapping[Archive, int]) -> None:
        # Archives go as soon as they are unpacked, while the next ones are on their way.
        at_once = len(sizes) if self.keep_archives else self.jobs + 1
        in_flight = sorted(sizes.items(), key=lambda item: item[1])[-at_once:]
        needed = _FREE_BYTES + int(sum(sizes.values()) * _UNPACKED_SHARE)
        for archive, size in in_flight:
            here = sum(_file_size(path) for path in (self._path(archive), self._part(archive)))
            needed += max(0, size - here)
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise DataError(
                f"{self.folder}: not enough room. Needed: about {_size(needed)} for archives and "
                f"recordings; free: {_size(free)}. Make room, fetch fewer --machines or --parts at "
                "a time, or choose another folder."
            )

    def _download(self, sizes: Mapping[Archive, int], lock: _Lock) -> None:
        by_path = {self._path(archive): archive for archive in sizes}
        faults: list[str] = []
        with stage("download, in MiB") as update:
            detail = ""

            def on_progress(done: int, total: int) -> None:
                update(done // _MIB, max(1, total // _MIB), detail)

            def on_done(item: download.Download) -> None:
                nonlocal detail
                archive = by_path[item.path]
                detail = f"unpacked {archive.file}"
                try:
                    self._unpack(archive, lock)
                except DataError as error:
                    faults.append(str(error))

            wanted = [
                download.Download(
                    url=archive.url,
                    path=path,
                    digest=f"md5:{lock.entry(archive.file)['md5']}",
                    size=sizes[archive] or None,
                )
                for path, archive in by_path.items()
            ]
            failures = download.download_all(
                wanted,
                jobs=self.jobs,
                on_progress=on_progress,
                on_done=on_done,
                patience=self.patience,
            )
        if failures or faults:
            raise DataError(_report(failures, "archives", len(wanted), faults))
        archives_folder = self.folder / "archives"
        if archives_folder.is_dir() and not any(archives_folder.iterdir()):
            archives_folder.rmdir()

    def _unpack(self, archive: Archive, lock: _Lock) -> None:
        target = self.folder / _unpack_folder(archive)
        unpacked = unpack.unpack(self._path(archive), target)
        folders = {f"{target.name}/{name}": count for name, count in unpacked.folders.items()}
        lock.update(archive.file, unpacked=folders)
        if not self.keep_archives:
            self._path(archive).unlink()

    def _is_unpacked(self, archive: Archive, lock: _Lock) -> bool:
        """Whether an archive was unpacked and as many files as it had are still there."""
        revisions = [name for name in lock.content["archives"] if _revision_of(name, archive)]
        entries = [lock.entry(name) for name in (archive.file, *revisions)]
        unpacked: dict[str, int] = next((e["unpacked"] for e in entries if "unpacked" in e), {})
        return bool(unpacked) and all(
            _num_files(self.folder / name) >= count for name, count in unpacked.items()
        )

    def _path(self, archive: Archive) -> Path:
        return self.folder / "archives" / archive.file

    def _part(self, archive: Archive) -> Path:
        return self._path(archive).with_name(archive.file + ".part")


def _wanted_parts(parts: Sequence[str]) -> set[str]:
    for name in parts:
        if name not in PARTS:
            raise RecipeError(
                f"--parts: no part `{name}`.{did_you_mean(name, PARTS)} Known: {', '.join(PARTS)}."
            )
    return {part for name in parts for part in PARTS[name]}


def _selected(
    dataset: Dataset, machines: Sequence[str] | None, parts: Iterable[str]
) -> list[Archive]:
    of_parts = [archive for archive in dataset.archives if archive.part in set(parts)]
    known = {archive.machine_type for archive in dataset.archives}
    for name in machines or ():
        if name not in known:
            raise RecipeError(
                f"--machines: {dataset.name} has no machine type `{name}`."
                f"{did_you_mean(name, known)} It has {', '.join(sorted(known))}."
            )
    selected = [a for a in of_parts if machines is None or a.machine_type in machines]
    if not selected and of_parts:
        raise RecipeError(
            f"--machines: {', '.join(machines or ())} of {dataset.name} have no recordings in "
            f"these parts. There are: {', '.join(dict.fromkeys(a.machine_type for a in of_parts))}."
        )
    return selected


def _check_replaced(archives: Iterable[Archive], lock: _Lock, folder: Path) -> None:
    for archive in archives:
        if archive.replaces is None:
            continue
        say(f"note: {archive.file} replaces {archive.replaces}, which had errors")
        replaced = lock.entry(archive.replaces).get("unpacked", {})
        old = [name for name in replaced if _num_files(folder / name)]
        if old and "unpacked" not in lock.entry(archive.file):
            raise DataError(
                f"{folder}: {', '.join(old)} hold the recordings of {archive.replaces}, which has "
                f"errors and was replaced by {archive.file}. Remove these folders and give the "
                "same command again."
            )


def _newest(archive: Archive, record: Mapping[str, Any]) -> Archive:
    """The newest revision of an archive that its record holds."""
    revisions = [name for name in record.get("files", {}) if _revision_of(name, archive)]
    if not revisions:
        return archive
    newest = max(revisions, key=lambda name: _revision_of(name, archive))
    say(
        f"note: {newest} replaces {archive.file}, as its record says; the manifest does not know it"
    )
    return archive._replace(
        file=newest, md5=None, replaces=archive.file, url=archive.url.replace(archive.file, newest)
    )


def _revision_of(name: str, archive: Archive) -> int:
    """Number of a later revision of an archive; 0 if the name is not that of one."""
    stem, own = re.fullmatch(r"(.*?)(?:_r(\d+))?\.zip", archive.file).groups()  # type: ignore[union-attr]
    match = re.fullmatch(re.escape(stem) + r"_r(\d+)\.zip", name)
    return int(match[1]) if match and int(match[1]) > int(own or 1) else 0


def _unpack_folder(archive: Archive) -> str:
    return "dev_data" if archive.part == "dev" else "eval_data"


def _download_truth(
    sources: Sequence[TruthSource], folder: Path, jobs: int, patience: web.Patience
) -> list[download.Failure]:
    wanted = [
        download.Download(file.url, folder / file.name, f"sha256:{file.sha256}", None)
        for source in sources
        for file in source.files
    ]
    return download.download_all(wanted, jobs=jobs, patience=patience) if wanted else []


def _report(
    failures: Sequence[download.Failure], what: str, total: int = 0, faults: Sequence[str] = ()
) -> str:
    lines = [failure.reason for failure in failures] + list(faults)
    of_all = f" of {total}" if total else ""
    return (
        f"{len(lines)}{of_all} {what} are not in place; what is, stays, and the same command goes "
        "on with:" + "".join(f"\n  {line}" for line in lines)
    )


def _page(dataset: Dataset, number: int) -> str:
    return next(record.page for record in dataset.records if record.number == number)


def _num_files(folder: Path) -> int:
    try:
        return sum(1 for entry in os.scandir(folder) if entry.is_file())
    except OSError:
        return 0


def _file_size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _size(num_bytes: int) -> str:
    if num_bytes == 0:
        return "size unknown"
    for unit, factor in (("GB", 10**9), ("MB", 10**6)):
        if num_bytes >= factor:
            return f"{num_bytes / factor:.1f} {unit}"
    return f"{num_bytes / 1000:.1f} kB"
