"""Zip archives of recordings: unpacked beside what is there, and never over it."""

import contextlib
import lzma
import shutil
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from asdkeras.errors import DataError
from asdkeras.files import replacing

_NUM_LISTED = 10
_CHUNK_BYTES = 1 << 20
# What the zip library raises where bytes are not as announced, or cannot be read.
_DAMAGES = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError)


def unpack(archive: Path, target: Path) -> dict[str, int]:
    """Unpack a zip archive into a folder; files that are there already and equal are left alone.

    May be interrupted at any time; the next call goes on where this one ended.

    Returns:
        relative folder -> number of files directly in it; `.` is the target.

    Raises:
        DataError: if the archive is damaged or needs more room than there is, or if different
            files are in the way. Nothing is written then, except if damage shows only in the
            bytes of a file: files before that one are in place.
    """
    with _reading(archive):
        content = zipfile.ZipFile(archive)
    with content:
        members = [member for member in content.infolist() if _is_wanted(member)]
        missing = _missing(archive, target, members)
        _check_disk(archive, target, missing)
        for member in missing:
            with replacing(target / member.filename) as temporary, temporary.open("wb") as file:
                for chunk in _chunks(archive, content, member):
                    file.write(chunk)
    return Counter(str(PurePosixPath(member.filename).parent) for member in members)


@contextlib.contextmanager
def _reading(archive: Path) -> Iterator[None]:
    """Name an archive that cannot be read, the reason, and what to do."""
    try:
        yield
    except _DAMAGES as error:
        raise DataError(
            f"{archive}: damaged, or no zip archive: {str(error) or 'it is cut off'}. Remove the "
            "archive and download it again."
        ) from error
    except OSError as error:
        raise DataError(
            f"{archive}: cannot be read: {error.strerror or error}. Check the disk and the rights, "
            "or remove the archive and download it again."
        ) from error


def _chunks(archive: Path, content: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """The bytes of a member; an error of whoever writes them does not blame the archive."""
    with _reading(archive), content.open(member) as packed:
        while chunk := packed.read(_CHUNK_BYTES):
            yield chunk


def _is_wanted(member: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(member.filename).parts
    return not (
        member.is_dir()
        or parts[0] == "__MACOSX"
        or parts[-1] == ".DS_Store"
        or parts[-1].startswith("._")
    )


def _missing(
    archive: Path, target: Path, members: Sequence[zipfile.ZipInfo]
) -> list[zipfile.ZipInfo]:
    """The files that are not in place; refuses if something else is."""
    root = target.resolve()
    missing, faults = [], []
    for member in members:
        path = target / member.filename
        if not path.parent.resolve().is_relative_to(root):
            faults.append(f"{member.filename}, which leads out of the folder")
        elif not path.is_symlink() and not path.exists():
            missing.append(member)
        elif not _is_equal(path, member):
            faults.append(member.filename)
    if faults:
        listed = "".join(f"\n  {fault}" for fault in faults[:_NUM_LISTED])
        more = "\n  ..." if len(faults) > _NUM_LISTED else ""
        raise DataError(
            f"{target}: files there differ from those in {archive}, nothing is unpacked: "
            f"{len(faults)} files{listed}{more}\n"
            "Move them away if you want those of the archive, or choose another folder."
        )
    return missing


def _is_equal(path: Path, member: zipfile.ZipInfo) -> bool:
    return (
        path.is_file()
        and path.stat().st_size == member.file_size
        and zlib.crc32(path.read_bytes()) == member.CRC
    )


def _check_disk(archive: Path, target: Path, missing: Sequence[zipfile.ZipInfo]) -> None:
    needed = sum(member.file_size for member in missing)
    target.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(target).free
    if needed > free:
        raise DataError(
            f"{target}: not enough room to unpack {archive}. Needed: {needed} bytes; free: {free}. "
            "Make room, or choose another folder."
        )
