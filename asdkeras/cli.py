"""The command line: what each command takes. The work is done elsewhere."""

import argparse
import errno
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from asdkeras import __version__
from asdkeras.errors import AsdkerasError
from asdkeras.progress import say

if TYPE_CHECKING:
    from asdkeras.experiment.run import Run

_INTERRUPTED = 130  # What shells report for Ctrl-C.


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments; None takes those of the process.

    Returns:
        exit code: 0 done or up to date, 2 the user's mistake, 3 data missing or damaged,
        4 training diverged, 130 interrupted. Anything else raises, and is our bug.
    """
    arguments = _parser().parse_args(argv)
    try:
        arguments.handler(arguments)
    except AsdkerasError as error:
        print(f"asdkeras: error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        say("interrupted; the same command goes on where this one stood")
        return _INTERRUPTED
    except BrokenPipeError:  # The reader of our output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        place = f"{error.filename}: " if error.filename else ""
        print(
            f"asdkeras: error: {place}{os.strerror(error.errno).lower()}. What is finished is "
            "kept: make room, or choose another folder, and give the same command again.",
            file=sys.stderr,
        )
        return AsdkerasError.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="asdkeras",
        description="Published systems for anomalous sound detection, reproduced with Keras.",
        epilog="Results go to standard output, progress to standard error. Exit codes: 0 done "
        "or up to date, 1 our bug, 2 your mistake, 3 data missing or damaged, 4 training "
        "diverged.",
    )
    parser.add_argument("--version", action="version", version=f"asdkeras {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    data = commands.add_parser("data", help="datasets")
    mini = data.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "mini", help="generate a mini corpus: simulated machines in a year's official layout"
    )
    mini.add_argument("--year", type=int, default=2021, help="2020 to 2025 (default 2021)")
    mini.add_argument(
        "--size", choices=("mini", "tiny"), default="mini", help="tiny has 2 s clips (default mini)"
    )
    mini.add_argument("--seed", type=int, default=0, help="default 0")
    mini.add_argument("--machines", nargs="+", metavar="M", help="machine types")
    mini.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    mini.set_defaults(handler=_mini)

    _add_run_command(commands, "train", _train, "train what is missing")
    _add_run_command(
        commands, "eval", _eval, "train if needed, score, decide, evaluate, compare with the paper"
    )

    listing = commands.add_parser("list", help="the systems and their recipes")
    listing.set_defaults(handler=_list)
    return parser


def _add_run_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    handler: Callable[[argparse.Namespace], None],
    text: str,
) -> None:
    command = commands.add_parser(name, help=text, description=text.capitalize() + ".")
    command.add_argument("--system", required=True, help="see `asdkeras list`")
    command.add_argument("--variant", help="a row of the paper's tables (default: the recipe's)")
    command.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="a dataset: official layout, a folder of machines, or a CSV file "
        "(default: $ASDKERAS_DATA, else the generated mini corpus)",
    )
    command.add_argument(
        "--machines",
        nargs="+",
        metavar="M",
        help="only these machine types (fan) or sections of them (fan_00)",
    )
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
    command.add_argument(
        "--runs", type=Path, default=Path("runs"), metavar="DIR", help="default: runs"
    )
    command.set_defaults(handler=handler)


# The imports below stand in the handlers because `--help` must answer at once.


def _mini(arguments: argparse.Namespace) -> None:
    from asdkeras.experiment.dataset import generate_mini

    print(
        generate_mini(
            arguments.out,
            year=arguments.year,
            size=arguments.size,
            seed=arguments.seed,
            machines=arguments.machines,
        )
    )


def _train(arguments: argparse.Namespace) -> None:
    from asdkeras.experiment.run import train

    run = _planned(arguments)
    train(run)
    print(run.folder.path)


def _eval(arguments: argparse.Namespace) -> None:
    from asdkeras.experiment.run import score
    from asdkeras.report.results import conclude

    run = _planned(arguments)
    score(run)
    conclude(run.folder.path, run.recipe.system, run.recipe.seeds)


def _planned(arguments: argparse.Namespace) -> "Run":
    from asdkeras.experiment.run import open_run

    return open_run(
        arguments.system,
        arguments.data,
        variant=arguments.variant,
        machines=arguments.machines,
        recipe=arguments.recipe,
        overrides=arguments.set,
        runs=arguments.runs,
    )


def _list(arguments: argparse.Namespace) -> None:
    from asdkeras import systems
    from asdkeras.experiment.recipe import recipes_of

    for name in systems.names():
        print(f"{name}: {systems.title(name)}")
        print(f"    recipes: {', '.join(recipes_of(name))}")
