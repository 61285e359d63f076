"""The errors a user can fix without reading our code."""

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
