"""The command line: what each command takes. The work is done elsewhere.

Handlers import what they call, because `--help` must answer at once.
"""

import argparse
import errno
import os
import sys
from collections.abc import Sequence

from asdkeras import __version__
from asdkeras.cli import data, detectors, reports, runs
from asdkeras.cli.options import INTERRUPTED
from asdkeras.errors import AsdkerasError
from asdkeras.progress import say

_COMMANDS = (  # In the order of `--help`.
    data.add_data,
    detectors.add_fit,
    detectors.add_detect,
    detectors.add_export,
    runs.add_train_and_eval,
    reports.add_score,
    runs.add_ensemble,
    reports.add_compare,
    reports.add_table,
    reports.add_explain,
    reports.add_report,
    reports.add_figure,
    reports.add_list,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; `argv` None takes the arguments of the process.

    Returns:
        exit code: 0 done or up to date, 2 the user's mistake, 3 data missing or damaged,
        4 training diverged, 5 results outside their tolerance, 10 a clip is anomalous and
        `--fail-on-anomaly` was given, 130 interrupted. Anything else raises, and is our bug.
    """
    arguments = _arguments(argv)
    try:
        return arguments.handler(arguments) or 0
    except AsdkerasError as error:
        say(f"error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        say("interrupted; the same command goes on where this one stood")
        return INTERRUPTED
    except BrokenPipeError:  # The reader of our output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        place = f"{error.filename}: " if error.filename else ""
        say(
            f"error: {place}{os.strerror(error.errno).lower()}. What is finished is "
            "kept: make room, or choose another folder, and give the same command again."
        )
        return AsdkerasError.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="asdkeras",
        description="Published systems for anomalous sound detection, reproduced with Keras.",
        epilog="Results go to standard output, progress to standard error. Exit codes: 0 done "
        "or up to date, 1 our bug, 2 your mistake, 3 data missing or damaged, 4 training "
        "diverged, 5 results outside their tolerance, 10 a clip is anomalous "
        "(detect --fail-on-anomaly).",
    )
    parser.add_argument("--version", action="version", version=f"asdkeras {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in _COMMANDS:
        add(commands)
    return parser


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    arguments, rest = parser.parse_known_args(argv)
    if getattr(arguments, "clips", None) == [] and not any(word.startswith("-") for word in rest):
        arguments.clips = rest  # `argparse` takes none that follow an option.
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return arguments
