"""The errors a user can fix without reading our code."""

import errno
import os
from collections.abc import Iterable, Iterator

_MANY = 4  # Places from which on a fault is told once.


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


class Faults:
    """What is wrong, and where; what is wrong in many places becomes one line."""

    def __init__(self) -> None:
        self._places: dict[str, list[tuple[str, str]]] = {}

    def add(self, place: str, fault: str, details: str = ".") -> None:
        """Note a fault of a file or a section; details, from their sign on, end the line."""
        self._places.setdefault(fault, []).append((place, details))

    def __len__(self) -> int:
        return sum(map(len, self._places.values()))

    def __str__(self) -> str:
        """All lines, each behind a line break and indented."""
        return "".join(f"\n  {line}" for line in self.lines())

    def lines(self) -> Iterator[str]:
        for fault, found in self._places.items():
            if len(found) < _MANY:
                yield from (f"{place}: {fault}{details}" for place, details in found)
            else:
                places = shortened((place for place, _ in found), 3)
                yield f"{fault}, in {len(found)} places ({places}){found[0][1]}"


def shortened(items: Iterable[str], num_shown: int = 10) -> str:
    """Items separated by commas; how many more there are, if there are many."""
    items = list(items)
    rest = len(items) - num_shown
    return ", ".join(items[:num_shown]) + (f" and {rest} more" if rest > 0 else "")


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
