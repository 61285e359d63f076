"""Downloading a dataset: what is missing of it, checked, unpacked, and written down.

The folder given has one folder per dataset:

    dcase2021/dev_data/<machine type>/...     unpacked
    dcase2021/eval_data/<machine type>/...
    dcase2021/archives/                       what is being downloaded, and is deleted once unpacked
    dcase2021/download_lock.json              checksums, sizes and licenses as first learnt

A checksum comes from the manifest or, where that has none, from the record's interface, and is
then pinned in the lock file, so that a file that changes later is noticed.
"""

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import filesize

from asdkeras.acquire.download import Download, download_all, read_json
from asdkeras.acquire.unpack import unpack
from asdkeras.config import did_you_mean
from asdkeras.data.manifest import Archive, Dataset, Record
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
}  # What may be asked for, and what it consists of.
_LOCK_NAME = "download_lock.json"
_SCHEMA_VERSION = 1
_MIB = 2**20
_UNPACKED_SHARE = 1.3  # Of the size of an archive of recordings, at most, by rule of thumb.
_FREE_BYTES = 100 * _MIB  # To be left over.


def fetch(
    dataset: Dataset,
    to: Path | None,
    *,
    machines: Sequence[str] | None,
    parts: Sequence[str],
    confirm: Callable[[str], bool],
    jobs: int,
    keep_archives: bool,
) -> Path | None:
    """Download and unpack what is missing of a dataset; returns its folder.

    Args:
        to: folder of all datasets; this one's is made in it. Needed for archives, not for the
            ground truth, which is kept with the cache.
        machines: machine types; all if None.
        parts: keys of `PARTS`.
        confirm: takes the offer in words and returns whether to go on; not asked if nothing
            is to be downloaded.
        jobs: downloads at a time.
        keep_archives: whether archives stay after unpacking.

    Returns:
        folder of the dataset; None if nothing but ground truth was asked for.

    Raises:
        RecipeError: if machine types or parts are unknown, `to` is missing, or the offer
            is declined.
        DataError: if archives could not be had; all others are in place.
    """
    for name in parts:
        if name not in PARTS:
            raise RecipeError(
                f"--parts: no part `{name}`.{did_you_mean(name, PARTS)} Known: {', '.join(PARTS)}."
            )
    wanted = {part for name in parts for part in PARTS[name]}
    archives = _selected(dataset, machines, wanted)
    folder = None
    if archives:
        if to is None:
            raise RecipeError("--to DIR must say where the recordings shall be.")
        folder = Path(to) / dataset.name
        with exclusive(folder, f"{folder}: another process is downloading into it. Wait for it."):
            lock = _read_lock(folder / _LOCK_NAME)
            _Fetch(dataset, folder, jobs, keep_archives, lock).run(archives, confirm)
    if "truth" in wanted:
        fetch_truth(dataset, jobs=jobs)
    return folder


def fetch_truth(dataset: Dataset, *, jobs: int) -> None:
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

    def download(role: str) -> list[str]:
        files = dataset.truth_files(role)
        wanted = [Download(f.url, folder / f.name, f"sha256:{f.sha256}", None) for f in files]
        return download_all(wanted, jobs=jobs)

    with exclusive(folder, f"{folder}: another process is downloading into it. Wait for it."):
        failures = download("primary")
        if failures and alternate:
            say(f"ground truth: {failures[0]} Trying {alternate[0].repository} instead.")
            failures = download("alternate")
        if failures:
            raise DataError(_report(failures, f"{len(failures)} files of the ground truth"))
        for failure in download("released_attributes"):
            say(f"note: released attributes: {failure}")
    used = ", ".join(f"{source.repository} ({source.license})" for source in primary)
    say(f"ground truth of {dataset.name}: {used}, kept in {folder}")


@dataclasses.dataclass(frozen=True)
class _Fetch:
    """One fetch into the folder of a dataset, which no other process touches meanwhile.

    `lock` holds what is known of each archive, by the name of the file: `record`, `md5`,
    `size`, and `unpacked`, the number of files by folder.
    """

    dataset: Dataset
    folder: Path
    jobs: int
    keep_archives: bool
    lock: dict[str, dict[str, Any]]

    def run(self, archives: Sequence[Archive], confirm: Callable[[str], bool]) -> None:
        for archive in archives:
            if archive.replaces:
                self._check_replaced(archive, archive.replaces)
        missing = [archive for archive in archives if not self._is_unpacked(archive)]
        if not missing:
            say(f"{self.folder}: all {len(archives)} archives are there and unpacked")
            return
        numbers = dict.fromkeys(archive.record for archive in missing)
        answers = {number: self._ask(self._record(number)) for number in numbers}
        sizes = {archive: self._learn(archive, answers[archive.record]) for archive in missing}
        self._check_disk(sizes)
        if not confirm(self._offer(sizes, answers)):
            raise RecipeError("nothing downloaded: the offer was declined.")
        self._download(sizes)

    def _record(self, number: int) -> Record:
        return next(record for record in self.dataset.records if record.number == number)

    def _ask(self, record: Record) -> dict[str, Any]:
        say(f"asking what record {record.number} holds: {record.api}")
        try:
            answer = read_json(record.api)
            return {"metadata": answer["metadata"], "files": {f["key"]: f for f in answer["files"]}}
        except (DataError, KeyError, TypeError) as error:
            say(f"note: record {record.number} does not say what it holds: {error}")
            return {}

    def _learn(self, archive: Archive, answer: Mapping[str, Any]) -> int:
        """Settle and pin the checksum of an archive; returns its size in bytes, 0 if unknown."""
        stated = answer.get("files", {}).get(archive.file, {})
        pinned = self.lock.get(archive.file, {})
        page = self._record(archive.record).page
        if answer and not stated:
            raise DataError(
                f"record {archive.record} holds no {archive.file} any more. It may have been "
                f"replaced: look at {page}"
            )
        md5 = str(stated.get("checksum", "")).removeprefix("md5:")
        size = int(stated.get("size", 0) or pinned.get("size", 0))
        if md5 and archive.md5 and md5 != archive.md5:
            say(
                f"note: {archive.file}: the manifest knows md5 {archive.md5}, its record says "
                f"{md5}. The record is believed."
            )
        if md5 and pinned.get("md5", md5) != md5:
            raise DataError(
                f"{archive.file}: its record says md5 {md5}, but earlier it said "
                f"{pinned['md5']} ({self.folder / _LOCK_NAME}). The file was replaced: look at "
                f"{page}, then remove the entry from that file."
            )
        md5 = md5 or pinned.get("md5") or archive.md5 or ""
        if not md5:
            raise DataError(
                f"{archive.file}: no checksum is known, and record {archive.record} cannot be "
                "asked for it. Try again when it can be reached."
            )
        self._pin(archive, record=archive.record, md5=md5, size=size)
        return size

    def _pin(self, archive: Archive, **values: Any) -> None:
        self.lock.setdefault(archive.file, {}).update(values)
        content = {"schema_version": _SCHEMA_VERSION, "archives": self.lock}
        write_text(self.folder / _LOCK_NAME, json.dumps(content, indent=2) + "\n")

    def _offer(self, sizes: Mapping[Archive, int], answers: Mapping[int, Mapping[str, Any]]) -> str:
        lines = [self.dataset.title]
        for number, answer in answers.items():
            record = self._record(number)
            license_id = answer.get("metadata", {}).get("license", {}).get("id")
            stated = f" The record says: {license_id}." if license_id else ""
            lines.append(f"License: {record.license.strip()}{stated} {record.page}")
        lines.append(f"{len(sizes)} archives, {_size(sum(sizes.values()))}, to {self.folder}:")
        lines += [f"  {archive.file}  {_size(size)}" for archive, size in sizes.items()]
        return "\n".join(lines)

    def _check_disk(self, sizes: Mapping[Archive, int]) -> None:
        # Archives go as soon as they are unpacked, while the next ones are on their way.
        at_once = len(sizes) if self.keep_archives else self.jobs + 1
        needed = _FREE_BYTES + int(sum(sizes.values()) * _UNPACKED_SHARE)
        for archive, size in sorted(sizes.items(), key=lambda item: item[1])[-at_once:]:
            here = self._path(archive).parent.glob(f"{archive.file}*")  # Whole, or a part.
            needed += max(0, size - sum(path.stat().st_size for path in here))
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise DataError(
                f"{self.folder}: not enough room. Needed: about {_size(needed)} for archives and "
                f"recordings; free: {_size(free)}. Make room, fetch fewer --machines or --parts at "
                "a time, or choose another folder."
            )

    def _download(self, sizes: Mapping[Archive, int]) -> None:
        by_path = {self._path(archive): archive for archive in sizes}
        wanted = [
            Download(
                archive.url, path, f"md5:{self.lock[archive.file]['md5']}", sizes[archive] or None
            )
            for path, archive in by_path.items()
        ]
        faults: list[str] = []
        detail = ""
        with stage("download, in MiB") as update:

            def on_progress(done: int, total: int) -> None:
                update(done // _MIB, max(1, total // _MIB), detail)

            def on_done(download: Download) -> None:
                nonlocal detail
                archive = by_path[download.path]
                detail = f"unpacked {archive.file}"
                try:
                    self._unpack(archive)
                except DataError as error:
                    faults.append(str(error))

            faults += download_all(wanted, jobs=self.jobs, on_progress=on_progress, on_done=on_done)
        if faults:
            raise DataError(_report(faults, f"{len(faults)} of {len(wanted)} archives"))
        archives_folder = self.folder / "archives"
        if archives_folder.is_dir() and not any(archives_folder.iterdir()):
            archives_folder.rmdir()

    def _unpack(self, archive: Archive) -> None:
        target = self.folder / ("dev_data" if archive.part == "dev" else "eval_data")
        counts = unpack(self._path(archive), target)
        self._pin(archive, unpacked={f"{target.name}/{name}": n for name, n in counts.items()})
        if not self.keep_archives:
            self._path(archive).unlink()

    def _is_unpacked(self, archive: Archive) -> bool:
        unpacked = self.lock.get(archive.file, {}).get("unpacked", {})
        return bool(unpacked) and all(
            _num_files(self.folder / name) >= count for name, count in unpacked.items()
        )

    def _check_replaced(self, archive: Archive, old_file: str) -> None:
        say(f"note: {archive.file} replaces {old_file}, which had errors")
        unpacked = self.lock.get(old_file, {}).get("unpacked", {})
        old = [name for name in unpacked if _num_files(self.folder / name)]
        if old and "unpacked" not in self.lock.get(archive.file, {}):
            raise DataError(
                f"{self.folder}: {', '.join(old)} hold the recordings of {old_file}, which has "
                f"errors and was replaced by {archive.file}. Remove these folders and give the "
                "same command again."
            )

    def _path(self, archive: Archive) -> Path:
        return self.folder / "archives" / archive.file


def _read_lock(path: Path) -> dict[str, dict[str, Any]]:
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema_version"] != _SCHEMA_VERSION:
            raise ValueError("another schema_version")
        return dict(content["archives"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: not a readable lock file: {error}. Move it away; its archives are "
            "then downloaded again, and compared with what is unpacked."
        ) from error


def _selected(
    dataset: Dataset, machines: Sequence[str] | None, parts: Iterable[str]
) -> list[Archive]:
    of_parts = [archive for archive in dataset.archives if archive.part in parts]
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


def _report(reasons: Sequence[str], what: str) -> str:
    lines = "".join(f"\n  {reason}" for reason in reasons)
    return f"{what} are not in place; what is, stays, and the same command goes on with:{lines}"


def _num_files(folder: Path) -> int:
    return sum(entry.is_file() for entry in os.scandir(folder)) if folder.is_dir() else 0


def _size(num_bytes: int) -> str:
    return filesize.decimal(num_bytes) if num_bytes else "size unknown"
