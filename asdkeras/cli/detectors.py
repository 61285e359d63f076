"""Commands that make and use detectors: `fit`, `detect`, `export`."""

import argparse
import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from asdkeras.cli.options import (
    INTERRUPTED,
    Commands,
    add_false_alarm_rate,
    add_flag,
    add_names,
    add_path,
    add_recipe,
    add_variant,
    count,
    index,
    real,
)
from asdkeras.errors import DataError, RecipeError
from asdkeras.progress import say

if TYPE_CHECKING:
    from asdkeras.detector.detector import Detector

_ANOMALOUS = 10
_GAP_S = 2.0
_STREAM_OPTIONS = ("pcm", "rate", "channels", "channel", "hop_s", "window_s", "gap_s", "live")


def add_fit(commands: Commands) -> None:
    fit = commands.add_parser(
        "fit",
        help="make a detector for machines of your own from their normal clips",
        description="Train a system on normal clips and write one file that scores others.",
    )
    source = fit.add_mutually_exclusive_group(required=True)
    data = (
        "a folder of normal WAV or FLAC files of one machine, a folder of such folders, or "
        "a dataset, of which the training clips are taken"
    )
    add_path(source, "data", "DIR", data, nargs="?")
    add_path(source, "--run", "RUN", "take what a finished run has trained")
    add_path(fit, "--out", "FILE.asd", "the detector to write", required=True)
    fit.add_argument("--system", help="see `asdkeras list` (default: baseline2023)")
    add_variant(fit)
    add_names(fit, "--machines", "only these machine types (fan) or sections (fan_00)")
    add_recipe(fit)
    add_false_alarm_rate(fit, "default: 0.1; --set thresholds.rule=paper takes the paper's rule")
    fit.add_argument("--jobs", type=count, metavar="N", help="models trained side by side")
    work = (
        "what is trained is kept here, so that an interrupted fit goes on (default: "
        "FILE.asd.fit, removed at the end)"
    )
    add_path(fit, "--work", "DIR", work)
    fit.set_defaults(handler=_fit)


def _fit(arguments: argparse.Namespace) -> None:
    options = ("system", "variant", "recipe", "set", "jobs", "work", "false_alarm_rate")
    given = [name for name in options if getattr(arguments, name) not in (None, [])]
    if arguments.run is not None and given:
        raise RecipeError(
            f"--{given[0].replace('_', '-')}: a finished run is taken as it is. Leave it out, or "
            "name a folder of clips in place of --run."
        )
    if arguments.out.is_dir():
        raise RecipeError(f"--out: {arguments.out} is a folder. Name a file, such as machine.asd.")

    from asdkeras.detector.detector import DEFAULT_FALSE_ALARM_RATE, DEFAULT_SYSTEM, Detector
    from asdkeras.detector.work_folder import kept_until_done

    machines, work = arguments.machines, arguments.work
    if arguments.run is not None:
        Detector.of_run(arguments.run, machines=machines).save(arguments.out)
    else:
        detector = Detector(
            DEFAULT_SYSTEM if arguments.system is None else arguments.system,
            variant=arguments.variant,
            recipe=arguments.recipe,
            overrides=arguments.set,
            false_alarm_rate=arguments.false_alarm_rate or DEFAULT_FALSE_ALARM_RATE,
        )
        own = arguments.out.with_name(f"{arguments.out.name}.fit")
        with kept_until_done(own) if work is None else contextlib.nullcontext(work) as folder:
            how = {"machines": machines, "work": folder, "jobs": arguments.jobs}
            detector.fit(arguments.data, **how, is_in_process=False)
            detector.save(arguments.out)
    print(arguments.out)


def add_detect(commands: Commands) -> None:
    detect = commands.add_parser(
        "detect",
        help="score clips, or a stream of sound, with a detector",
        description="Print clip, score, threshold and decision of each clip. Clips that cannot be "
        "used are named at the end, and the exit code is 3 then.",
    )
    add_path(detect, "detector", "FILE.asd", "made by `asdkeras fit`")
    detect.add_argument(
        "clips", nargs="*", metavar="CLIP", help="WAV or FLAC files, or folders of them"
    )
    machine = "that all clips are of (default: as their folders or names say)"
    detect.add_argument("--machine", metavar="NAME", help=machine)
    form = detect.add_mutually_exclusive_group()
    add_flag(form, "--json", "one JSON object a line, all digits")
    add_flag(form, "--csv", "comma-separated, all digits")
    add_flag(detect, "--fail-on-anomaly", f"exit code {_ANOMALOUS} if any clip is anomalous")
    add_false_alarm_rate(detect, "default: that of the fit")
    resample = "take clips of a lower sample rate than the detector's too; scores mean little"
    add_flag(detect, "--resample", resample)
    _add_stream_options(detect.add_argument_group("streams"))
    detect.set_defaults(handler=_detect)


def _add_stream_options(stream: argparse._ArgumentGroup) -> None:
    text = "read endless WAV or raw sound from standard input, and score a sliding window"
    add_flag(stream, "--stream", text)
    gap = f"live: so long without sound begins a new window (default: {_GAP_S:g})"
    for name, kind, metavar, text in (
        ("pcm", str, "FORMAT", "of raw samples, such as s16le (default: it is WAV)"),
        ("rate", count, "HZ", "sample rate of raw samples"),
        ("channels", count, "N", "of raw samples"),
        ("channel", index, "C", "the one to hear, from 0 (default: as the detector)"),
        ("hop_s", real, "S", "seconds from one score to the next (default: half a window)"),
        ("window_s", real, "S", "seconds that a score is for (default: its clip length)"),
        ("gap_s", real, "S", gap),
    ):
        option = f"--{name.removesuffix('_s')}"
        stream.add_argument(option, dest=name, type=kind, metavar=metavar, help=text)
    text = "never hold up what records: drop the oldest sound if scoring is too slow"
    stream.add_argument("--live", action="store_true", default=None, help=text)


def _detect(arguments: argparse.Namespace) -> int:
    if not arguments.stream and (given := list(_stream_options(arguments))):
        option = given[0].removesuffix("_s")
        raise RecipeError(f"--{option} is for streams. Add --stream, or leave it out.")
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
        return INTERRUPTED
    if is_any_anomalous and arguments.fail_on_anomaly:
        return _ANOMALOUS
    return DataError.exit_code if errors else 0


def _stream_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Those that were given."""
    values = {name: getattr(arguments, name) for name in _STREAM_OPTIONS}
    return {name: value for name, value in values.items() if value is not None}


def _loaded(arguments: argparse.Namespace) -> "Detector":
    from asdkeras.detector.detector import Detector

    detector, rate = Detector.load(arguments.detector), arguments.false_alarm_rate
    return detector if rate is None else detector.at_false_alarm_rate(rate)


def _detect_clips(arguments: argparse.Namespace) -> tuple[bool, list[DataError]]:
    from asdkeras.detector.decision_lines import print_decisions

    form: Literal["json", "csv", "plain"] = (
        "json" if arguments.json else "csv" if arguments.csv else "plain"
    )
    errors: list[DataError] = []
    flags: list[bool] = []
    rows = _loaded(arguments).decisions(
        arguments.clips, arguments.machine, resample_up=arguments.resample, on_error=errors.append
    )
    try:
        return print_decisions(_noted(rows, flags), form, sys.stdout), errors
    finally:
        for error in errors:
            say(f"error: {error}")
        if flags:
            say(f"{sum(flags)} of {len(flags)} clips anomalous")


def _noted(rows: Iterable[dict[str, Any]], flags: list[bool]) -> Iterator[dict[str, Any]]:
    """The rows, and their decisions as soon as the next row is asked for."""
    for row in rows:
        yield row
        flags.append(bool(row["is_anomalous"]))


def _detect_stream(arguments: argparse.Namespace) -> tuple[bool, list[DataError]]:
    if arguments.csv:
        raise RecipeError("--csv is not for streams. Leave it out, or say --json.")

    from asdkeras.detector.stream import StreamOptions, run_stream

    options = StreamOptions(
        machine=arguments.machine,
        resample_up=arguments.resample,
        as_json=arguments.json,
        **_stream_options(arguments),
    )
    return run_stream(_loaded(arguments), sys.stdin.buffer, sys.stdout, options), []


def add_export(commands: Commands) -> None:
    export = commands.add_parser(
        "export",
        help="a detector's model for another runtime",
        description="Write the model of a detector in another format, checked against itself.",
    )
    add_path(export, "detector", "FILE.asd")
    export.add_argument(
        "--format", required=True, choices=("keras", "saved_model", "onnx", "litert")
    )
    add_path(export, "--out", "PATH", "file, of saved_model a folder", required=True)
    export.add_argument("--machine", metavar="NAME", help="needed if the detector knows several")
    add_false_alarm_rate(export, "default: that of the fit")
    export.set_defaults(handler=_export)


def _export(arguments: argparse.Namespace) -> None:
    exported = _loaded(arguments).export(arguments.out, arguments.format, arguments.machine)
    say(
        f"{exported.format}: {exported.num_bytes} bytes, agrees with the detector to "
        f"{exported.largest_difference:.1e}"
    )
    print(exported.path)
