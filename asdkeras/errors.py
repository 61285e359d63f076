"""The errors a user can fix without reading our code."""

import errno
import os


class AsdkerasError(Exception):
    """Root of the errors the command line prints without a traceback.

    Attributes:
        exit_code: int, what the process ends with: 2 the user's mistake, 3 data
            missing or damaged, 4 training diverged, 5 results outside their tolerance.
    """

    exit_code = 2


class RecipeError(AsdkerasError):
    """A recipe file or an option says something asdkeras does not understand."""


class DataError(AsdkerasError):
    """A clip, a folder or a manifest is missing or not as announced."""

    exit_code = 3


class TrainingError(AsdkerasError):
    """Training left the finite numbers."""

    exit_code = 4


class OutsideTolerance(AsdkerasError):
    """Results differ from the published ones by more than their tolerance."""

    exit_code = 5


class ExportError(AsdkerasError):
    """A format cannot express a detector, or what was written computes something else."""

    exit_code = 5


_NOT_THERE = (errno.ENOENT, errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE, errno.ELOOP)
_IN_THE_WAY = (errno.EEXIST, errno.ENOTDIR)


def as_own_error(error: Exception) -> AsdkerasError:
    """One line for what the operating system refused; our own errors as they are.

    Args:
        error: of ours, or an OSError, UnicodeError or MemoryError.
    """
    if isinstance(error, AsdkerasError):
        return error
    if isinstance(error, MemoryError):
        return AsdkerasError(
            f"not enough memory: {error or 'none is left'}. Take fewer clips, fewer --jobs, or "
            "smaller batches. What is finished is kept."
        )
    if not isinstance(error, OSError):
        return DataError(f"a text or name is not in the encoding it must be in: {_one_line(error)}")
    what = "there is a file where a folder is needed" if error.errno in _IN_THE_WAY else ""
    what = what or (error.strerror or _one_line(error)).lower()
    if error.errno is None or error.errno in _NOT_THERE:
        return DataError(f"{_where(error)}{what}. Check that it is there and can be read.")
    return AsdkerasError(
        f"{_where(error)}{what}. What is finished is kept: make room, or name another path, and "
        "give the same command again."
    )


def _where(error: OSError) -> str:
    name = error.filename
    if isinstance(name, bytes | os.PathLike):
        name = os.fsdecode(name)
    if name is None and error.errno == errno.ENOENT and not _has_working_directory():
        name = "the working directory"
    return "" if name is None else f"{name}: "


def _has_working_directory() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True


def _one_line(error: Exception) -> str:
    """The text of an error, with what cannot be encoded escaped."""
    return " ".join(str(error).split()).encode("utf-8", "backslashreplace").decode()
