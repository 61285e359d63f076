"""Zip archives from the network: unpacked safely, or refused before a byte is written.

An archive may be made to write outside the target, to fill the disk, or simply be
damaged. And what is in the target may be somebody's own: different files stay as they
are. Unpacking the same archive again writes only what is missing.
"""

import contextlib
import lzma
import os
import re
import shutil
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from asdkeras.errors import DataError
from asdkeras.files import replacing

_MOST_MEMBERS = 1_000_000
_LARGEST_RATIO = 100  # Of sizes unpacked and packed; recordings reach 2, silence 1000.
_LARGEST_MEMBER_BYTES = 4 * 2**30
_LONGEST_NAME_BYTES = 200  # File systems take 255, and a temporary name is longer.
_CHUNK_BYTES = 1 << 20
_BLOCK_BYTES = 4096
_NUM_LISTED = 10
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_ENCRYPTED_FLAGS = 0x1 | 0x40 | 0x2000
_AGAIN = "Remove the archive and download it again."
# What the zip library raises where bytes are not as announced, or cannot be read.
_DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    OSError,
    ValueError,
)


class Unpacked(NamedTuple):
    """What an archive holds, all of which is in place.

    Attributes:
        num_files: number of files.
        num_bytes: their sizes together.
        folders: relative folder -> number of files directly in it; `.` is the target.
    """

    num_files: int
    num_bytes: int
    folders: dict[str, int]


def unpack(
    archive: Path, target: Path, on_progress: Callable[[int, int], None] | None = None
) -> Unpacked:
    """Unpack a zip archive; files that are there already and equal are left alone.

    May be interrupted at any time; the next call goes on where this one ended.

    Args:
        archive: the zip archive.
        target: folder to unpack into; is made if missing.
        on_progress: is told the bytes in place and the bytes in all, file by file.

    Returns:
        what the archive holds.

    Raises:
        DataError: if the archive is damaged, holds what no archive of recordings should,
            needs more room than there is, or if different files are in the way. Nothing
            is written then, except if damage shows only in the bytes of a file: files
            before that one are in place.
    """
    archive, target = Path(archive), Path(target)
    with _opened(archive) as content:
        members = [member for member in content.infolist() if not _is_clutter(member)]
        _check_archive(archive, content.infolist())
        _check_members(archive, members)
        files = [member for member in members if not _is_folder(member)]
        missing = _missing(archive, target, members)
        _check_disk(archive, target, missing)
        for member in members:
            if _is_folder(member):
                (target / member.filename).mkdir(parents=True, exist_ok=True)
        total = sum(member.file_size for member in files)
        done = total - sum(member.file_size for member in missing)
        for member in missing:
            _write(archive, content, member, target / member.filename)
            done += member.file_size
            if on_progress:
                on_progress(done, total)
    folders = Counter(str(PurePosixPath(member.filename).parent) for member in files)
    return Unpacked(len(files), total, dict(folders))


@contextlib.contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    if not archive.is_file():
        raise DataError(f"{archive}: is missing. Download it again.")
    with archive.open("rb") as file:
        try:
            content = zipfile.ZipFile(file)
        except _DAMAGES as error:
            raise DataError(f"{archive}: no zip archive, or cut off: {error}. {_AGAIN}") from error
        with content:
            yield content


def _is_folder(member: zipfile.ZipInfo) -> bool:
    return member.filename.endswith("/")  # The library's own answer wants a name.


def _is_clutter(member: zipfile.ZipInfo) -> bool:
    """Whether a member is what desktop systems add to archives."""
    parts = PurePosixPath(member.filename).parts
    return bool(parts) and (
        parts[0] == "__MACOSX" or parts[-1] == ".DS_Store" or parts[-1].startswith("._")
    )


def _check_archive(archive: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse what would fill the disk."""
    if len(members) > _MOST_MEMBERS:
        raise DataError(
            f"{archive}: an archive may have {_MOST_MEMBERS} members. Received: {len(members)}"
        )
    size = archive.stat().st_size
    packed = sum(member.compress_size for member in members)
    if packed > size:
        raise DataError(
            f"{archive}: its members overlap, as in a bomb. Received: {packed} bytes of members "
            f"in {size} bytes"
        )
    unpacked = sum(member.file_size for member in members)
    if unpacked > _LARGEST_RATIO * size:
        raise DataError(
            f"{archive}: it would grow to more than {_LARGEST_RATIO} times its size, as a bomb "
            f"does. Received: {unpacked} bytes out of {size}"
        )


def _check_members(archive: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse what would be written elsewhere, over each other, or cannot be read."""
    faults = [
        f"{member.orig_filename!r}: {fault}"
        for member in members
        if (
            # The library may take the second name from another field, or shorten the first.
            fault := _name_fault(member.orig_filename)
            or _name_fault(member.filename)
            or _kind_fault(member)
        )
    ]
    faults += _clashes(members)
    if faults:
        raise DataError(
            f"{archive}: refused, nothing is unpacked: {_listed(faults, 'members')}\n"
            "Look at the page of the archive, or unpack it by hand if you trust it."
        )


def _name_fault(name: str) -> str:
    """What is wrong with the name of a member; empty if nothing."""
    parts = name.removesuffix("/").split("/")
    if name.startswith("/") or re.match("[A-Za-z]:", name):
        return "an absolute path"
    if ".." in parts:
        return "leads out of the folder"
    if "\\" in name:
        return "a backslash in the name"
    if re.search(r"[\x00-\x1f\x7f-\x9f]", name):
        return "a control character in the name"
    if "" in parts or "." in parts:
        return "an empty name, or one of a single dot"
    if any(len(part.encode()) > _LONGEST_NAME_BYTES for part in parts):
        return f"a name of more than {_LONGEST_NAME_BYTES} bytes"
    return ""


def _kind_fault(member: zipfile.ZipInfo) -> str:
    """Why a member is neither a plain file nor a folder; empty if it is."""
    kind = stat.S_IFMT(member.external_attr >> 16)
    if stat.S_ISLNK(kind):
        return "a symbolic link"
    if kind not in (0, stat.S_IFDIR if _is_folder(member) else stat.S_IFREG):
        return "a special file"
    if _is_folder(member) and member.file_size:
        return "a folder with content of its own"
    if member.flag_bits & _ENCRYPTED_FLAGS:
        return "encrypted"
    if member.compress_type not in _METHODS:
        return f"packed by a method that is not known here: {member.compress_type}"
    if member.file_size > _LARGEST_MEMBER_BYTES:
        return f"larger than {_LARGEST_MEMBER_BYTES} bytes: {member.file_size}"
    return ""


def _clashes(members: Sequence[zipfile.ZipInfo]) -> list[str]:
    """Members that would be written over each other, on some file system at least."""
    files = [member for member in members if not _is_folder(member)]
    counts = Counter(member.filename.casefold() for member in files)
    folders = {str(folder).casefold() for folder in _folders(members)}
    faults = []
    for member in files:
        key = member.filename.casefold()
        if counts[key] > 1:
            faults.append(f"{member.filename!r}: several members have this path")
        if key in folders:
            faults.append(f"{member.filename!r}: a file and a folder have this path")
    return faults


def _folders(members: Sequence[zipfile.ZipInfo]) -> set[PurePosixPath]:
    """Every folder that members lie in or are."""
    return {
        folder
        for member in members
        for folder in PurePosixPath(f"{member.filename}*").parents  # So that `a/` is in `a`.
    }


def _missing(
    archive: Path, target: Path, members: Sequence[zipfile.ZipInfo]
) -> list[zipfile.ZipInfo]:
    """The files that are not in place; refuses if something else is."""
    blocked = _blocked_folders(target, members)
    missing, different = [], []
    for member in members:
        if _is_folder(member):
            continue
        path = target / member.filename
        if not path.is_symlink() and not path.exists():
            missing.append(member)
        elif not _is_equal(path, member):
            different.append(member.filename)
    if blocked or different:
        raise DataError(
            f"{target}: files there differ from those in {archive}, nothing is unpacked: "
            f"{_listed(blocked + different, 'files')}\n"
            "Move them away if you want those of the archive, or choose another folder."
        )
    return missing


def _blocked_folders(target: Path, members: Sequence[zipfile.ZipInfo]) -> list[str]:
    """Folders that are something else in the target, or links that lead out of it."""
    root = Path(os.path.realpath(target))
    blocked = []
    for name in sorted(_folders(members)):
        folder = root / name
        real = Path(os.path.realpath(folder))
        if not real.is_relative_to(root):
            blocked.append(f"{name}, a link to {real}")
        elif (folder.exists() or folder.is_symlink()) and not folder.is_dir():
            blocked.append(f"{name}, which should be a folder")
    return blocked


def _is_equal(path: Path, member: zipfile.ZipInfo) -> bool:
    if not path.is_file() or path.stat().st_size != member.file_size:
        return False
    checksum = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            checksum = zlib.crc32(chunk, checksum)
    return checksum == member.CRC


def _check_disk(archive: Path, target: Path, missing: Sequence[zipfile.ZipInfo]) -> None:
    needed = sum(-(-member.file_size // _BLOCK_BYTES) * _BLOCK_BYTES for member in missing)
    there = next(folder for folder in (target, *target.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise DataError(
            f"{target}: not enough room to unpack {archive}. Needed: {needed} bytes; free: {free}. "
            "Make room, or choose another folder."
        )


def _write(archive: Path, content: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    written = 0
    with replacing(path) as temporary:
        with temporary.open("wb") as file:
            for chunk in _chunks(archive, content, member):
                file.write(chunk)
                written += len(chunk)
        if written != member.file_size:  # The zip library compares the checksum only.
            raise DataError(
                f"{archive}: {member.filename} should have {member.file_size} bytes. Received: "
                f"{written}. {_AGAIN}"
            )


def _chunks(archive: Path, content: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with content.open(member) as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
    except _DAMAGES as error:
        raise DataError(f"{archive}: {member.filename} is damaged: {error}. {_AGAIN}") from error


def _listed(lines: Sequence[str], what: str) -> str:
    shown = "".join(f"\n  {line}" for line in lines[:_NUM_LISTED])
    more = "\n  ..." if len(lines) > _NUM_LISTED else ""
    return f"{len(lines)} {what}{shown}{more}"
