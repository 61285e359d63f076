"""The command line: what each command takes. The work is done elsewhere."""

import argparse
import contextlib
import errno
import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from asdkeras import __version__
from asdkeras.errors import AsdkerasError, DataError, RecipeError
from asdkeras.progress import say

if TYPE_CHECKING:
    from asdkeras.experiment.run import Run

_ANOMALOUS = 10
_GAP_S = 2.0
_INTERRUPTED = 130  # What shells report for Ctrl-C.


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments; None takes those of the process.

    Returns:
        exit code: 0 done or up to date, 2 the user's mistake, 3 data missing or damaged,
        4 training diverged, 5 results outside their tolerance, 10 a clip is anomalous and
        `--fail-on-anomaly` was given, 130 interrupted. Anything else raises, and is our bug.
    """
    arguments = _arguments(argv)
    try:
        return arguments.handler(arguments) or 0
    except AsdkerasError as error:
        _print_error(error)
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


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    arguments, rest = parser.parse_known_args(argv)
    if getattr(arguments, "clips", None) == [] and not any(word.startswith("-") for word in rest):
        arguments.clips = rest  # `argparse` takes none that follow an option.
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return arguments


def _print_error(error: AsdkerasError) -> None:
    print(f"asdkeras: error: {error}", file=sys.stderr)


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

    _add_data_commands(commands.add_parser("data", help="datasets"))
    _add_detector_commands(commands)

    _add_run_command(commands, "train", _train, "train what is missing")
    _add_run_command(
        commands, "eval", _eval, "train if needed, score, decide, evaluate, compare with the paper"
    )

    scoring = commands.add_parser(
        "score", help="official metrics of anybody's score files; needs no model"
    )
    scoring.add_argument(
        "folder", type=Path, metavar="DIR", help="holds score files, and decision files if any"
    )
    scoring.add_argument("--year", type=int, required=True, help="of the challenge")
    scoring.add_argument(
        "--truth",
        type=Path,
        metavar="DIR",
        help="the published ground truth lies somewhere below (default: as fetched or adopted)",
    )
    scoring.add_argument(
        "--official-format",
        action="store_true",
        help="write the result file of that year's evaluator as well",
    )
    scoring.add_argument(
        "--out", type=Path, metavar="DIR", help="for the results (default: DIR/asdkeras_score)"
    )
    _add_names_option(
        scoring, "--machines", "only these machine types (default: all must be there)"
    )
    scoring.add_argument("--backend", help="which of several score columns of ASDKit to read")
    scoring.set_defaults(handler=_score)

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
    ensemble.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the new run"
    )
    ensemble.add_argument(
        "--combine",
        choices=("mean", "sum", "median", "maximum", "rank"),
        default="mean",
        help="what the scores of a clip become; rank: the mean of its ranks among the test clips "
        "of its section (default: mean)",
    )
    ensemble.add_argument(
        "--normalize",
        choices=("train", "test", "none"),
        default="train",
        help="shift and scale the scores of each run by its training or test clips of a section; "
        "none: take all named scores as they are (default: train)",
    )
    ensemble.add_argument(
        "--weights", nargs="+", type=float, metavar="W", help="one for each run (default: alike)"
    )
    ensemble.add_argument(
        "--oracle-best",
        nargs="+",
        type=_count,
        default=(),
        metavar="N",
        help="labels choose the N best runs for each machine type and domain, and of several N "
        "the best; marked as an oracle",
    )
    ensemble.add_argument(
        "--pool-trials",
        action="store_true",
        help="all trials of all runs make one result (default: trial k is made of trials k)",
    )
    ensemble.set_defaults(handler=_ensemble)

    compare = commands.add_parser(
        "compare", help="a run against the published tables; exit code 5 outside tolerance"
    )
    compare.add_argument("run", type=Path, metavar="RUN", help="its folder")
    compare.add_argument("--against", metavar="SYSTEM", help="whose paper (default: the run's)")
    compare.add_argument(
        "--score", metavar="NAME", help="one of its named scores (default: all that have a row)"
    )
    compare.add_argument("--row", help="of the paper's tables (default: that of the variant)")
    compare.add_argument(
        "--tolerance",
        type=float,
        metavar="POINTS",
        help="where the paper prints no standard deviation (default 3)",
    )
    compare.set_defaults(handler=_compare)

    table = commands.add_parser(
        "table", help="the results of several runs side by side, the best first"
    )
    table.add_argument(
        "places",
        nargs="*",
        type=Path,
        default=[Path("runs")],
        metavar="RUN_OR_FOLDER",
        help="folder of a run, or one below which runs lie (default: runs)",
    )
    table.add_argument(
        "--out", type=Path, metavar="FILE", help="write it too: .md, or .csv with every mean"
    )
    table.set_defaults(handler=_table)

    explain = commands.add_parser(
        "explain", help="what the scores of single clips are due to, for systems that tell"
    )
    explain.add_argument("run", type=Path, metavar="RUN", help="its folder")
    which = explain.add_mutually_exclusive_group()
    which.add_argument("--clips", nargs="+", metavar="NAME", help="file names of test clips")
    which.add_argument(
        "--top",
        type=_count,
        default=10,
        metavar="N",
        help="the clips farthest above their threshold (default 10)",
    )
    explain.add_argument("--seed", type=int, metavar="K", help="of the trial (default: the first)")
    explain.set_defaults(handler=_explain)

    report = commands.add_parser(
        "report", help="one HTML file: results, training curves and embedding maps of runs"
    )
    report.add_argument(
        "places",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="its folder, or one below which runs lie",
    )
    report.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="default: report.html in the folder of the run; needed for several runs",
    )
    report.add_argument(
        "--array",
        metavar="NAME",
        help="of the representations to map (default: the embedding, the last one of several)",
    )
    report.add_argument(
        "--seed", type=int, metavar="K", help="of the trial to map (default: the first)"
    )
    report.add_argument(
        "--split", choices=("train", "test"), help="map the clips of one split alone"
    )
    report.add_argument(
        "--method", choices=("tsne", "pca"), default="tsne", help="of the maps (default: tsne)"
    )
    report.add_argument("--open", action="store_true", help="in the browser")
    report.set_defaults(handler=_report)

    listing = commands.add_parser("list", help="the systems and their recipes")
    listing.set_defaults(handler=_list)
    return parser


def _add_data_commands(data: argparse.ArgumentParser) -> None:
    commands = data.add_subparsers(required=True, metavar="COMMAND")

    listing = commands.add_parser("list", help="the public datasets, and what is here of them")
    listing.add_argument("years", nargs="*", metavar="YEAR", help="such as 2021 (default: all)")
    _add_manifest_option(listing)
    listing.set_defaults(handler=_data_list)

    fetch = commands.add_parser("fetch", help="download a dataset, checked, and unpack it")
    fetch.add_argument("year", metavar="YEAR", help="such as 2021")
    fetch.add_argument("--to", type=Path, metavar="DIR", help="its folder dcase<year> is made here")
    _add_names_option(fetch, "--machines", "only these machine types")
    _add_names_option(
        fetch,
        "--parts",
        "dev, eval; of eval also additional_training, eval_test, truth (default: all)",
    )
    fetch.add_argument("--yes", action="store_true", help="do not ask")
    fetch.add_argument("--jobs", type=_count, default=3, help="downloads at a time (default 3)")
    fetch.add_argument(
        "--keep-archives", action="store_true", help="do not delete unpacked archives"
    )
    _add_manifest_option(fetch)
    fetch.set_defaults(handler=_data_fetch)

    adopt = commands.add_parser("adopt", help="use datasets in place that lie somewhere already")
    adopt.add_argument("folder", type=Path, metavar="DIR")
    adopt.add_argument("--year", type=int, help="of what does not tell its year")
    _add_manifest_option(adopt)
    adopt.set_defaults(handler=_data_adopt)

    verify = commands.add_parser("verify", help="count and check every file of a dataset")
    verify.add_argument(
        "data", type=Path, metavar="DIR", help="a dataset, or the name of one that is here"
    )
    verify.add_argument("--decode", action="store_true", help="read all audio, not headers alone")
    verify.add_argument("--jobs", type=_count, help="threads (default: one per processor)")
    _add_manifest_option(verify)
    verify.set_defaults(handler=_data_verify)

    mini = commands.add_parser(
        "mini", help="generate a mini corpus: simulated machines in a year's official layout"
    )
    mini.add_argument("--year", type=int, default=2021, help="2020 to 2025 (default 2021)")
    mini.add_argument(
        "--size", choices=("mini", "tiny"), default="mini", help="tiny has 2 s clips (default mini)"
    )
    mini.add_argument("--seed", type=int, default=0, help="default 0")
    _add_names_option(mini, "--machines", "machine types")
    mini.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    mini.set_defaults(handler=_data_mini)


def _add_detector_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> None:
    fit = commands.add_parser(
        "fit",
        help="make a detector for machines of your own from their normal clips",
        description="Train a system on normal clips and write one file that scores others.",
    )
    source = fit.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "data",
        nargs="?",
        type=Path,
        metavar="DIR",
        help="a folder of normal WAV or FLAC files of one machine, a folder of such folders, or "
        "a dataset, of which the training clips are taken",
    )
    source.add_argument(
        "--run", type=Path, metavar="RUN", help="take what a finished run has trained"
    )
    fit.add_argument(
        "--out", type=Path, required=True, metavar="FILE.asd", help="the detector to write"
    )
    fit.add_argument("--system", help="see `asdkeras list` (default: baseline2023)")
    fit.add_argument("--variant", help="a row of the paper's tables (default: the recipe's)")
    _add_names_option(fit, "--machines", "only these machine types (fan) or sections (fan_00)")
    fit.add_argument(
        "--recipe", help="a YAML file, or the name of one of the system's (default: by dataset)"
    )
    fit.add_argument(
        "--set",
        action="append",
        metavar="KEY=VALUE",
        help="change one value of the recipe, such as config.epochs=3; may be repeated",
    )
    fit.add_argument("--jobs", type=_count, metavar="N", help="models trained side by side")
    fit.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        help="what is trained is kept here, so that an interrupted fit goes on (default: "
        "FILE.asd.fit, removed at the end)",
    )
    fit.set_defaults(handler=_fit)

    _add_detect_command(commands)

    export = commands.add_parser(
        "export",
        help="a detector's model for another runtime",
        description="Write the model of a detector in another format, checked against itself.",
    )
    export.add_argument("detector", type=Path, metavar="FILE.asd")
    export.add_argument(
        "--format", required=True, choices=("keras", "saved_model", "onnx", "litert")
    )
    export.add_argument(
        "--out", type=Path, required=True, metavar="PATH", help="file, of saved_model a folder"
    )
    export.add_argument("--machine", metavar="NAME", help="needed if the detector knows several")
    export.set_defaults(handler=_export)


def _add_detect_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    detect = commands.add_parser(
        "detect",
        help="score clips, or a stream of sound, with a detector",
        description="Print clip, score, threshold and decision of each clip. Clips that cannot be "
        "used are named at the end, and the exit code is 3 then.",
    )
    detect.add_argument("detector", type=Path, metavar="FILE.asd", help="made by `asdkeras fit`")
    detect.add_argument(
        "clips", nargs="*", metavar="CLIP", help="WAV or FLAC files, or folders of them"
    )
    detect.add_argument(
        "--machine",
        metavar="NAME",
        help="that all clips are of (default: as their folders or names say)",
    )
    form = detect.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a line, all digits")
    form.add_argument("--csv", action="store_true", help="comma-separated, all digits")
    detect.add_argument(
        "--fail-on-anomaly",
        action="store_true",
        help=f"exit code {_ANOMALOUS} if any clip is anomalous",
    )
    detect.add_argument(
        "--resample",
        action="store_true",
        help="take clips of a lower sample rate than the detector's too; scores mean little",
    )
    stream = detect.add_argument_group("streams")
    stream.add_argument(
        "--stream",
        action="store_true",
        help="read endless WAV or raw sound from standard input, and score a sliding window",
    )
    for option, kind, metavar, text in (
        ("--pcm", str, "FORMAT", "of raw samples, such as s16le (default: it is WAV)"),
        ("--rate", _count, "HZ", "sample rate of raw samples"),
        ("--channels", _count, "N", "of raw samples"),
        ("--channel", _index, "C", "the one to hear, from 0 (default: the mean of all)"),
        ("--hop", float, "S", "seconds from one score to the next (default: half a window)"),
        ("--window", float, "S", "seconds that a score is for (default: as the detector hears)"),
        (
            "--gap",
            float,
            "S",
            f"live: so long without sound begins a new window (default: {_GAP_S:g})",
        ),
    ):
        stream.add_argument(option, type=kind, metavar=metavar, help=text)
    stream.add_argument(
        "--live",
        action="store_true",
        default=None,
        help="never hold up what records: drop the oldest sound if scoring is too slow",
    )
    detect.set_defaults(handler=_detect)


def _add_names_option(command: argparse.ArgumentParser, option: str, text: str) -> None:
    command.add_argument(option, nargs="+", action=_Names, metavar="NAME", help=text)


def _add_manifest_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--manifest",
        type=Path,
        metavar="FILE",
        help="another data_manifest.yaml, such as one with the addresses of a mirror",
    )


def _count(text: str) -> int:
    """A number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1. Received: {text!r}")
    return int(text)


def _index(text: str) -> int:
    """A number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a number from 0. Received: {text!r}")
    return int(text)


class _Names(argparse.Action):
    """Names separated by blanks or commas."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:  # type: ignore[no-untyped-def]
        names = [name for value in values for name in value.split(",") if name]
        setattr(namespace, self.dest, names)


def _add_run_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    handler: Callable[[argparse.Namespace], int | None],
    text: str,
) -> None:
    command = commands.add_parser(name, help=text, description=text.capitalize() + ".")
    command.add_argument("--system", required=True, help="see `asdkeras list`")
    command.add_argument("--variant", help="a row of the paper's tables (default: the recipe's)")
    command.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="a dataset: official layout, a folder of machines, a CSV file, or the name of one "
        "that was fetched or adopted, such as dcase2021 "
        "(default: $ASDKERAS_DATA, else the generated mini corpus)",
    )
    _add_names_option(
        command, "--machines", "only these machine types (fan) or sections of them (fan_00)"
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
    command.add_argument(
        "--jobs",
        type=_count,
        metavar="N",
        help="models trained side by side, each in a process of its own, as memory allows "
        "(default: 1; 2 where every section has a model of its own)",
    )
    command.set_defaults(handler=handler)


# The imports below stand in the handlers because `--help` must answer at once.


def _data_list(arguments: argparse.Namespace) -> None:
    from asdkeras.acquire.inventory import holding
    from asdkeras.data.manifest import read_manifest
    from asdkeras.report.datasets import print_datasets

    manifest = read_manifest(arguments.manifest)
    wanted = [manifest.dataset(year) for year in arguments.years]
    holdings = [holding(dataset) for dataset in wanted or manifest.datasets.values()]
    print_datasets(holdings, sources=bool(wanted))


def _data_fetch(arguments: argparse.Namespace) -> None:
    from asdkeras.acquire.adopt import adopt
    from asdkeras.acquire.fetch import fetch
    from asdkeras.data.manifest import read_manifest
    from asdkeras.report.datasets import print_adoption

    manifest = read_manifest(arguments.manifest)
    folder = fetch(
        manifest.dataset(arguments.year),
        arguments.to,
        machines=arguments.machines,
        parts=arguments.parts or ["dev", "eval"],
        confirm=lambda offer: arguments.yes or _confirmed(offer),
        jobs=arguments.jobs,
        keep_archives=arguments.keep_archives,
    )
    if folder is not None:
        print_adoption(adopt(folder, manifest))


def _data_adopt(arguments: argparse.Namespace) -> None:
    from asdkeras.acquire.adopt import adopt
    from asdkeras.data.manifest import read_manifest
    from asdkeras.report.datasets import print_adoption

    manifest = read_manifest(arguments.manifest)
    print_adoption(adopt(arguments.folder, manifest, arguments.year))


def _data_verify(arguments: argparse.Namespace) -> None:
    from asdkeras.data.manifest import read_manifest
    from asdkeras.experiment.dataset import verified
    from asdkeras.report.datasets import print_verification

    manifest = read_manifest(arguments.manifest)
    verification = verified(arguments.data, manifest, arguments.decode, arguments.jobs)
    print_verification(verification)
    if not verification.is_ok:
        raise DataError(f"{arguments.data}: {len(verification.findings)} findings, listed above.")


def _confirmed(text: str) -> bool:
    print(text, file=sys.stderr)
    if not sys.stdin.isatty():
        raise RecipeError("nobody is there to be asked. Add --yes to download this.")
    return input("Download? [y/N] ").strip().lower() in ("y", "yes")


def _data_mini(arguments: argparse.Namespace) -> None:
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


def _score(arguments: argparse.Namespace) -> None:
    from asdkeras.report.submission_scores import score_submission

    score_submission(
        arguments.folder,
        arguments.year,
        truth_folder=arguments.truth,
        out=arguments.out,
        official_format=arguments.official_format,
        machines=arguments.machines,
        backend=arguments.backend,
    )


def _compare(arguments: argparse.Namespace) -> None:
    from asdkeras.report.results import compare_run

    compare_run(
        arguments.run, arguments.against, arguments.row, arguments.tolerance, arguments.score
    )


def _table(arguments: argparse.Namespace) -> None:
    from asdkeras.report.side_by_side import show_side_by_side

    show_side_by_side(arguments.places, arguments.out)


def _explain(arguments: argparse.Namespace) -> None:
    from asdkeras.report.explanations import show_explanations

    show_explanations(arguments.run, clips=arguments.clips, top=arguments.top, seed=arguments.seed)


def _report(arguments: argparse.Namespace) -> None:
    import webbrowser

    from asdkeras.report.page import write_report

    path = write_report(
        arguments.places,
        arguments.out,
        array=arguments.array,
        seed=arguments.seed,
        split=arguments.split,
        method=arguments.method,
    )
    print(path)
    if arguments.open:
        webbrowser.open(path.resolve().as_uri())


def _ensemble(arguments: argparse.Namespace) -> None:
    from asdkeras.experiment.combine_runs import combine_runs
    from asdkeras.report.results import conclude

    system, seeds = combine_runs(
        arguments.runs,
        arguments.out,
        arguments.combine,
        normalize=arguments.normalize,
        weights=arguments.weights,
        best_from_labels=arguments.oracle_best,
        pools_trials=arguments.pool_trials,
    )
    conclude(arguments.out, system, seeds)


def _fit(arguments: argparse.Namespace) -> None:
    options = {
        name: getattr(arguments, name)
        for name in ("system", "variant", "recipe", "set", "jobs", "work")
        if getattr(arguments, name) is not None
    }
    if arguments.run is not None and options:
        raise RecipeError(
            f"--{next(iter(options))}: a finished run is taken as it is. Leave it out, or name a "
            "folder of clips in place of --run."
        )
    if arguments.out.is_dir():
        raise RecipeError(f"--out: {arguments.out} is a folder. Name a file, such as machine.asd.")

    from asdkeras.detector.detector import Detector
    from asdkeras.detector.work_folder import kept_until_done

    if arguments.run is not None:
        Detector.of_run(arguments.run, machines=arguments.machines).save(arguments.out)
    else:
        work, jobs = options.pop("work", None), options.pop("jobs", None)
        detector = Detector(overrides=options.pop("set", ()), **options)
        own = arguments.out.with_name(f"{arguments.out.name}.fit")
        with kept_until_done(own) if work is None else contextlib.nullcontext(work) as folder:
            detector.fit(
                arguments.data,
                machines=arguments.machines,
                work=folder,
                jobs=jobs,
                is_in_process=False,
            )
            detector.save(arguments.out)
    print(arguments.out)


_STREAM_OPTIONS = ("pcm", "rate", "channels", "channel", "hop", "window", "gap", "live")


def _detect(arguments: argparse.Namespace) -> int:
    given = [name for name in _STREAM_OPTIONS if getattr(arguments, name) is not None]
    if given and not arguments.stream:
        raise RecipeError(f"--{given[0]} is for streams. Add --stream, or leave it out.")
    if arguments.stream == bool(arguments.clips):
        raise RecipeError(
            "detect takes the names of clips, or --stream, which reads standard input. "
            f"Received: {'both' if arguments.stream else 'neither'}"
        )
    detect = _detect_stream if arguments.stream else _detect_clips
    try:
        is_any_anomalous, errors = detect(arguments)
    except KeyboardInterrupt:
        say("interrupted; what is printed is complete")
        return _INTERRUPTED
    if is_any_anomalous and arguments.fail_on_anomaly:
        return _ANOMALOUS
    return DataError.exit_code if errors else 0


def _detect_clips(arguments: argparse.Namespace) -> tuple[bool, list[DataError]]:
    from asdkeras.detector.decision_lines import print_decisions
    from asdkeras.detector.detector import Detector

    form: Literal["json", "csv", "plain"] = (
        "json" if arguments.json else "csv" if arguments.csv else "plain"
    )
    errors: list[DataError] = []
    rows = Detector.load(arguments.detector).decisions(
        arguments.clips,
        arguments.machine,
        resample_up=arguments.resample,
        on_error=errors.append,
    )
    try:
        return print_decisions(rows, form, sys.stdout), errors
    finally:
        for error in errors:
            _print_error(error)


def _detect_stream(arguments: argparse.Namespace) -> tuple[bool, list[DataError]]:
    if arguments.csv:
        raise RecipeError("--csv is not for streams. Leave it out, or say --json.")

    from asdkeras.detector.detector import Detector
    from asdkeras.detector.stream import run_stream

    is_any_anomalous = run_stream(
        Detector.load(arguments.detector),
        sys.stdin.buffer,
        sys.stdout,
        machine=arguments.machine,
        pcm=arguments.pcm,
        rate=arguments.rate,
        channels=arguments.channels,
        channel="mean" if arguments.channel is None else arguments.channel,
        resample_up=arguments.resample,
        hop_s=arguments.hop,
        window_s=arguments.window,
        live=bool(arguments.live),
        gap_s=_GAP_S if arguments.gap is None else arguments.gap,
        as_json=arguments.json,
    )
    return is_any_anomalous, []


def _export(arguments: argparse.Namespace) -> None:
    from asdkeras.detector.detector import Detector

    exported = Detector.load(arguments.detector).export(
        arguments.out, arguments.format, arguments.machine
    )
    say(
        f"{exported.format}: {exported.num_bytes} bytes, agrees with the detector to "
        f"{exported.largest_difference:.1e}"
    )
    print(exported.path)


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
        jobs=arguments.jobs,
    )


def _wrapped(text: str) -> str:
    """A line broken at 100 columns, for eyes; breaks are indented."""
    return textwrap.fill(text, 100, subsequent_indent=8 * " ", break_long_words=False)


def _list(arguments: argparse.Namespace) -> None:
    from asdkeras import systems
    from asdkeras.experiment.recipe import recipes_of

    for name in systems.names():
        print(f"{name}: {systems.title(name)}")
        print(f"    recipes: {', '.join(recipes_of(name))}")
        print(_wrapped(f"    variants: {', '.join(systems.variants(name))}"))
