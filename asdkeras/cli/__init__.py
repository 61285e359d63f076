"""The command line: what each command takes. The work is done elsewhere.

Handlers import what they call, because `--help` must answer at once.
"""

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Sequence

from asdkeras import __version__
from asdkeras.cli import data, detectors, reports, runs
from asdkeras.cli.options import INTERRUPTED
from asdkeras.errors import AsdkerasError, as_own_error
from asdkeras.files import ESCAPED
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
    _open_streams()
    try:
        arguments = _arguments(argv)
        code: int = arguments.handler(arguments) or 0
        _flush_output()
        return code
    except SystemExit:  # Of --help, and of what argparse refuses.
        _let_go_of_output()
        raise
    except BrokenPipeError:  # The reader of our output has seen enough.
        _let_go_of_output()
        return 0
    except KeyboardInterrupt:
        _say_last("interrupted; the same command goes on where this one stood")
        return INTERRUPTED
    except (AsdkerasError, OSError, UnicodeError, MemoryError) as raised:
        error = as_own_error(raised)
        _say_last(f"error: {error}")
        return error.exit_code


def _open_streams() -> None:
    """Let output take any name in any encoding, and files none of the three first numbers."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # Closed by who started us.
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ESCAPED)


def _flush_output() -> None:
    """Here and not at exit, where a full disk would be a traceback."""
    try:
        sys.stdout.flush()
    except OSError as error:
        error.filename = "standard output"
        raise


def _let_go_of_output() -> None:
    """Write what is left; where that fails, let no flush at exit fail again."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say_last(message: str) -> None:
    _let_go_of_output()
    with contextlib.suppress(OSError):  # Standard error may have gone, too.
        say(message)


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
