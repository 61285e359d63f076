"""The errors a user can fix without reading our code."""


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
