"""Commands that make runs: `train`, `eval`, `ensemble`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from asdkeras.cli.options import (
    Commands,
    add_false_alarm_rate,
    add_flag,
    add_names,
    add_path,
    add_recipe,
    add_variant,
    count,
    keywords,
)
from asdkeras.plain_text import number

if TYPE_CHECKING:
    from asdkeras.experiment.open_run import Run


def add_train_and_eval(commands: Commands) -> None:
    text = "train if needed, score, decide, evaluate, compare with the paper"
    _add_run_options(commands, "train", "train what is missing").set_defaults(handler=_train)
    _add_run_options(commands, "eval", text).set_defaults(handler=_eval)


def _add_run_options(commands: Commands, name: str, text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text.capitalize() + ".")
    command.add_argument("--system", required=True, help="see `asdkeras list`")
    add_variant(command)
    data = (
        "a dataset: official layout, a folder of machines, a CSV file, or the name of one "
        "that was fetched or adopted, such as dcase2021 "
        "(default: $ASDKERAS_DATA, else the generated mini corpus of 2021)"
    )
    add_path(command, "--data", "DIR", data)
    add_names(command, "--machines", "only these machine types (fan) or sections of them (fan_00)")
    add_recipe(command)
    add_false_alarm_rate(command, "default: the recipe's rule, the paper's on a challenge's data")
    add_flag(command, "--untrained", "leave networks as they start: a control, a run of its own")
    add_path(command, "--runs", "DIR", "default: runs", default=Path("runs"))
    command.add_argument(
        "--jobs",
        type=count,
        metavar="N",
        help="models trained side by side, each in a process of its own, as memory allows "
        "(default: 1; 2 where every section has a model of its own)",
    )
    return command


def _opened(arguments: argparse.Namespace) -> "Run":
    from asdkeras.experiment.open_run import open_run
    from asdkeras.experiment.recipe import held_out_overrides

    options = keywords(arguments)
    overrides = [*held_out_overrides(options.pop("false_alarm_rate")), *options.pop("set")]
    if options.pop("untrained"):
        overrides.append("untrained=true")
    return open_run(overrides=overrides, **options)


def _train(arguments: argparse.Namespace) -> None:
    from asdkeras.experiment.run import train

    run = _opened(arguments)
    train(run)
    print(run.folder.path)


def _eval(arguments: argparse.Namespace) -> None:
    from asdkeras.experiment.run import score
    from asdkeras.report.results import conclude

    run = _opened(arguments)
    score(run)
    conclude(run.folder.path, run.recipe.system, run.recipe.seeds)


def add_ensemble(commands: Commands) -> None:
    ensemble = commands.add_parser(
        "ensemble", help="make the scores of runs one, of any systems; trains nothing"
    )
    ensemble.add_argument(
        "runs",
        nargs="+",
        metavar="RUN[:CHOICE]",
        help="folder of a run; behind a colon one of its named scores, such as `section`, or a "
        "snapshot, such as `epoch100`",
    )
    add_path(ensemble, "--out", "DIR", "folder of the new run", required=True)
    ensemble.add_argument(
        "--combine",
        dest="how",
        choices=("mean", "sum", "median", "maximum", "rank"),
        default="mean",
        help="what the scores of a clip become; rank: the mean of its ranks among the test clips "
        "of its section (default: mean)",
    )
    ensemble.add_argument(
        "--normalize",
        choices=("train", "held_out", "test", "none"),
        default="train",
        help="shift and scale the scores of each run by its training clips of a section, by those "
        "among them that it has not learned from, or by the test clips (marked as transductive); "
        "none: take all named scores as they are (default: train)",
    )
    ensemble.add_argument(
        "--weights", nargs="+", type=number, metavar="W", help="one for each run (default: alike)"
    )
    ensemble.add_argument(
        "--oracle-best",
        dest="best_from_labels",
        nargs="+",
        type=count,
        default=(),
        metavar="N",
        help="labels choose the N best runs for each machine type and domain, and of several N "
        "the best; marked as an oracle",
    )
    ensemble.add_argument(
        "--pool-trials",
        dest="pools_trials",
        action="store_true",
        help="all trials of all runs make one result (default: trial k is made of trials k)",
    )
    ensemble.set_defaults(handler=_ensemble)


def _ensemble(arguments: argparse.Namespace) -> None:
    from asdkeras.experiment.combine_runs import combine_runs
    from asdkeras.report.results import conclude

    conclude(arguments.out, *combine_runs(**keywords(arguments)))
