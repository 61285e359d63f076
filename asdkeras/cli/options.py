"""What several commands share: kinds of arguments, options, exit codes."""

import argparse
import contextlib
import math
import os
import stat
from pathlib import Path
from typing import Any, TypeAlias

from asdkeras.plain_text import number

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
INTERRUPTED = 130  # What shells report for Ctrl-C.


def count(text: str) -> int:
    if not _is_whole(text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1. Received: {text!r}")
    return int(text)


def index(text: str) -> int:
    if not _is_whole(text):
        raise argparse.ArgumentTypeError(f"must be a number from 0. Received: {text!r}")
    return int(text)


def real(text: str) -> float:
    """A finite number; Python's own reading takes `1_0`, other scripts, `nan` and `inf`."""
    try:
        value = number(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"must be a number. Received: {text!r}")
    return value


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def share(text: str) -> float:
    value = real(text)
    if not 0.0 < value < 1.0:
        raise argparse.ArgumentTypeError(
            f"must be a share between 0 and 1, such as 0.05 for 5 percent. Received: {text!r}"
        )
    return value


def path(text: str) -> Path:
    if "\0" in text:
        raise argparse.ArgumentTypeError(f"must be a path. Received: {text!r}")
    with contextlib.suppress(OSError, ValueError):  # What else is wrong with it is said later.
        if stat.S_ISCHR(os.stat(text).st_mode):  # Reading /dev/zero would never end.
            raise argparse.ArgumentTypeError(
                f"must be a file or a folder, not a device. Received: {text!r}"
            )
    return Path(text)


class _Names(argparse.Action):
    """Names separated by blanks or commas."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        names = [name for value in values for name in value.split(",") if name]
        setattr(namespace, self.dest, names)


def add_flag(command: argparse._ActionsContainer, option: str, text: str) -> None:
    command.add_argument(option, action="store_true", help=text)


def add_false_alarm_rate(command: argparse._ActionsContainer, otherwise: str) -> None:
    command.add_argument(
        "--false-alarm-rate",
        type=share,
        metavar="SHARE",
        help="of normal clips that may be called anomalous; the threshold comes from normal clips "
        f"that are held out ({otherwise})",
    )


def add_names(command: argparse.ArgumentParser, option: str, text: str) -> None:
    command.add_argument(option, nargs="+", action=_Names, metavar="NAME", help=text)


def add_path(
    command: argparse._ActionsContainer,
    name: str,
    metavar: str,
    text: str | None = None,
    **more: Any,
) -> None:
    command.add_argument(name, type=path, metavar=metavar, help=text, **more)


def keywords(arguments: argparse.Namespace) -> dict[str, Any]:
    """All arguments of a command, for a function whose parameters are called like them."""
    return {name: value for name, value in vars(arguments).items() if name != "handler"}


def add_variant(command: argparse.ArgumentParser) -> None:
    command.add_argument("--variant", help="a row of the paper's tables (default: the recipe's)")


def add_recipe(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--recipe", help="a YAML file, or the name of one of the system's (default: by dataset)"
    )
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change one value of the recipe, such as config.epochs=3; may be repeated",
    )
