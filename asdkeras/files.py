"""Files that are there whole or not at all."""

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asdkeras.errors import RecipeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

PART_PREFIX = ".part-"  # Of temporary files; a killed process leaves them.

_UMASK = os.umask(0)
os.umask(_UMASK)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well.

    The folder is made if missing. The temporary name ends like `path` does, because writers
    choose the format by the ending. If the block raises, `path` is as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=PART_PREFIX, suffix=f"-{path.name}")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_UMASK)  # mkstemp makes it private.
        os.replace(temporary, path)
    except OSError as error:
        error.filename = str(path)  # A full disk does not say where it is full.
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, with newlines as given, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_arrays(path: Path, arrays: "Mapping[str, NDArray[Any]]") -> None:
    """Write arrays into a file of NumPy (`.npz`), whole or not at all."""
    import numpy as np

    with replacing(path) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]


def identity(path: str | os.PathLike[str]) -> tuple[int, ...]:
    """What differs once a file was written, replaced or renamed, even with size and time kept.

    A copy is another file, and so is one whose permissions or number of links changed.

    Raises:
        OSError: if there is no such file.
    """
    status = os.stat(path)
    times = status.st_mtime_ns, status.st_ctime_ns
    return (status.st_size, *times, status.st_ino, status.st_dev)


def digest_of_file(path: Path) -> str:
    """SHA-256 of the bytes of a file, in hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def exclusive(folder: Path, refusal: str) -> Iterator[None]:
    """Keep other processes out of a folder, made if missing, and clear what a killed one left half.

    Raises:
        RecipeError: with the refusal, if another process is at work in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RecipeError(refusal) from error
        for half in folder.rglob(f"{PART_PREFIX}*"):
            half.unlink()
        yield
