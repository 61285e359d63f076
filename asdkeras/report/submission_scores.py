"""Score a folder of anybody's score files: read, joined with the truth, measured, written."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console

from asdkeras.acquire.adopt import adopt_truth
from asdkeras.data import years
from asdkeras.data.manifest import Dataset, Manifest, read_manifest
from asdkeras.data.places import truth_folder as cached_truth
from asdkeras.data.truth import Truth, read_truth
from asdkeras.errors import DataError, RecipeError
from asdkeras.evaluation import doubts, evaluate, false_alarms, summarize, write_csv
from asdkeras.files import write_text
from asdkeras.metrics.bootstrap import bootstrap_official_score
from asdkeras.metrics.intervals import pooled_intervals
from asdkeras.metrics.official import RULES, RuleSet
from asdkeras.report import official_results
from asdkeras.report.false_alarms import FalseAlarms, means_of, print_false_alarms
from asdkeras.report.submitted_clips import SubmittedClips, join_submission, parts_of
from asdkeras.report.terminal import print_line, print_results
from asdkeras.submission import SubmittedSystem, read_systems


def score_submission(
    folder: Path,
    year: int,
    truth_folder: Path | None = None,
    out: Path | None = None,
    official_format: bool = False,
    machines: Collection[str] | None = None,
    backend: str | None = None,
) -> tuple[Path, ...]:
    """Score every system in or below a folder, write what comes out, and print it.

    Nothing is written unless all systems are complete. The files written are returned.

    Args:
        folder: holds score files and, where decisions were made, decision files, in any
            of the forms of `asdkeras.submission`, at any depth.
        truth_folder: the published files of ground truth lie somewhere below; None takes
            those that were fetched or adopted before. Read for evaluation sets only.
        out: where `metrics.csv` (per section and domain), `official.csv` (means and official
            score) and, of decisions, `false_alarms.csv` go; a folder each if there are several
            systems. None is `asdkeras_score` in `folder`.
        official_format: also write the result file of that year's evaluator.
        machines: only these machine types. None means that all must be there.
        backend: which of ASDKit's columns to read.

    Raises:
        DataError: if scores are missing, too many, doubled, misnamed or not finite, all of
            them listed, or the ground truth is not here.
        RecipeError: if an option does not fit.
    """
    folder = Path(folder)
    rules = _rules(year, official_format, machines)
    console = Console()
    manifest = read_manifest()
    dataset = manifest.dataset(year)
    if truth_folder is not None:
        _adopt(Path(truth_folder), manifest, dataset, console)
    systems = read_systems(folder, year, years.MACHINE_TYPES[year], backend)
    truth = _truth(systems, dataset, rules, machines)
    submitted = [
        join_submission(each, dataset, truth[each.name], rules, machines) for each in systems
    ]
    _refuse_faults(folder, systems, submitted)
    undecided = [str(system.folder) for system in systems if not system.decisions]
    if official_format and year > 2020 and undecided:
        raise DataError(
            f"{', '.join(undecided)}: no decision_result files, which the evaluator wants. "
            "Leave out --official-format."
        )
    written: list[Path] = []
    for system, clips in zip(systems, submitted, strict=True):
        place = (folder / "asdkeras_score" if out is None else Path(out)) / system.name
        title = f"{system.name or system.folder.absolute().name}, {dataset.name}"
        written += _conclude(clips, rules, place, title, console)
        if official_format:
            written += _official_files(clips, year, place, system.folder.absolute().name)
        print_line(console, f"files: {place}")
    return tuple(written)


def _rules(year: int, official_format: bool, machines: Collection[str] | None) -> RuleSet:
    """The rules of a year, if the options fit it."""
    name = f"dcase{year}"
    if name not in RULES:
        known = ", ".join(sorted(key.removeprefix("dcase") for key in RULES if key[:5] == "dcase"))
        raise RecipeError(f"there are no rules of that year, but of {known}. Received: {year}")
    unknown = sorted(set(machines or ()) - years.MACHINE_TYPES[year])
    if unknown:
        raise RecipeError(
            f"{year} has the machine types {', '.join(sorted(years.MACHINE_TYPES[year]))}. "
            f"Received: {', '.join(unknown)}"
        )
    if official_format and machines is not None:
        raise RecipeError(
            "an official result file is about all machine types. Leave out --machines or "
            "--official-format."
        )
    if official_format and year not in official_results.YEARS:
        known = ", ".join(map(str, official_results.YEARS))
        raise RecipeError(
            f"the evaluator of {year} is not known here, only those of {known}. "
            "Leave out --official-format."
        )
    return RULES[name]


def _adopt(folder: Path, manifest: Manifest, dataset: Dataset, console: Console) -> None:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. Check the path of --truth.")
    counts, odd = adopt_truth(folder, manifest)
    for line in odd:
        print_line(console, f"odd: {line}", "yellow")
    if not counts.get(dataset.name):
        raise DataError(
            f"{folder}: none of the published files of ground truth of {dataset.name} lie here. "
            f"`asdkeras data fetch {dataset.year} --parts truth` gets them."
        )


def _truth(
    systems: Iterable[SubmittedSystem],
    dataset: Dataset,
    rules: RuleSet,
    machines: Collection[str] | None,
) -> dict[str, Truth | None]:
    """The truth for those systems that are about the evaluation set."""
    needed = {system.name: "eval" in parts_of(system, rules, machines) for system in systems}
    truth = read_truth(dataset, cached_truth(dataset.name)) if any(needed.values()) else None
    if any(needed.values()) and truth is None:
        raise DataError(
            f"{dataset.name}: the ground truth of the evaluation set is not here, or not all of "
            f"it. `asdkeras data fetch {dataset.year} --parts truth` gets it; --truth names a "
            "folder that has the published files."
        )
    return {name: truth if is_needed else None for name, is_needed in needed.items()}


def _refuse_faults(
    folder: Path, systems: Iterable[SubmittedSystem], submitted: Sequence[SubmittedClips]
) -> None:
    lines: list[str] = []
    hints: list[str] = []
    complete: list[str] = []
    for system, clips in zip(systems, submitted, strict=True):
        faults = dict.fromkeys(clips.faults)
        lines += [f"{system.name}: {fault}" if system.name else fault for fault in faults]
        if not faults:
            complete.append(str(system.folder))
        elif clips.absent_machine_types and len(clips.table):
            here = " ".join(sorted(set(clips.table["machine_type"])))
            hints.append(f"Score what is in {system.folder} with --machines {here}")
    if not lines:
        return
    if len(lines) > 1 and not any(len(clips.table) for clips in submitted):
        raise DataError(
            f"{folder}: nothing in it fits that year. Check --year. The first of {len(lines)} "
            f"faults: {lines[0]}"
        )
    if complete:
        hints.append(f"Complete, to be scored alone: {', '.join(complete)}")
    count = f"{len(lines)} faults" if len(lines) > 1 else "1 fault"
    text = "".join(f"\n  {line}" for line in (*lines, *hints))
    raise DataError(f"{folder}: not a complete submission, {count}:{text}")


def _conclude(
    clips: SubmittedClips, rules: RuleSet, out: Path, title: str, console: Console
) -> list[Path]:
    table = clips.table
    decisions = None if table["decision"].isna().all() else table["decision"]
    evaluation = evaluate(table, table["score"], decisions, rules)
    summary = summarize(evaluation.metrics, rules)
    intervals = interval_rows(table, rules)
    files = [out / "metrics.csv", out / "official.csv"]
    write_csv(files[0], evaluation.metrics)
    write_csv(files[1], pd.concat([summary, intervals], ignore_index=True))
    print_results(summary, None, rules, title=title, console=console)
    print_intervals(intervals, console)
    if decisions is not None:
        files.append(out / "false_alarms.csv")
        frame = false_alarms(table, decisions)
        write_csv(files[2], frame)
        means = means_of(evaluation.metrics, rules)
        print_false_alarms(FalseAlarms(frame, means, rules, asked=None), console)
    for note in (*clips.notes, *doubts(table, table["score"], evaluation.metrics)):
        print_line(console, f"note: {note}", "yellow")
    return files


def _official_files(clips: SubmittedClips, year: int, place: Path, team: str) -> list[Path]:
    """Write the result files of the evaluator; development clips get a file of their own."""
    written = []
    for part, of_part in clips.table.groupby("part"):
        name = official_results.file_name(year, team + ("_dev" if part == "dev" else ""))
        written.append(place / name)
        write_text(written[-1], official_results.official_result(year, of_part))
    return written


def interval_rows(clips: pd.DataFrame, rules: RuleSet) -> pd.DataFrame:
    """Intervals of 95 % as further rows of a summary; none if the rules have no official score.

    The metrics are `official_score_lower` and `official_score_upper`, from a bootstrap; and for
    2022 to 2024 `official_score_ci95`, the half-width the evaluators print under that name, and
    `pooled_auc_pauc_ci95`, what it should have been.
    """
    rows = []
    for part, of_part in clips.groupby("part") if rules.has_joint_mean("all", "all") else ():
        scores = of_part["score"].to_numpy()
        is_anomalous = of_part["is_anomalous"].to_numpy(dtype=bool)
        domains = of_part["domain"].to_numpy(dtype=str)
        sections = (of_part["machine_type"] + "/" + of_part["section"]).to_numpy(dtype=str)
        interval = bootstrap_official_score(scores, is_anomalous, domains, sections, rules, seed=0)
        values = {"official_score_lower": interval.lower, "official_score_upper": interval.upper}
        if rules.name in ("dcase2022", "dcase2023", "dcase2024"):
            half_widths = pooled_intervals(scores, is_anomalous)
            values["official_score_ci95"] = half_widths.official
            values["pooled_auc_pauc_ci95"] = half_widths.corrected
        counts = {"n_seeds": 1, "n_sections": len(set(sections))}
        for metric, value in values.items():
            place = {"part": part, "machine_type": "all", "domain": "all", "metric": metric}
            rows.append({**place, "value": value, **counts})
    return pd.DataFrame(rows)


def print_intervals(rows: pd.DataFrame, console: Console) -> None:
    """Print the intervals of each part, of `interval_rows`, and what the evaluators' is worth."""
    for _, group in rows.groupby("part") if len(rows) else ():
        value = dict(zip(group["metric"], group["value"], strict=True))
        lower, upper = (100.0 * value[f"official_score_{end}"] for end in ("lower", "upper"))
        text = f"official score, 95 % by bootstrap over test clips: {lower:.2f} to {upper:.2f}"
        print_line(console, text, "dim")
        if "official_score_ci95" in value:
            printed, corrected = value["official_score_ci95"], value["pooled_auc_pauc_ci95"]
            text = (
                f"the evaluator's `official score ci95`: {100 * printed:.2g}, N - 1 times too "
                f"small, and of pooled AUC and pAUC; corrected {100 * corrected:.2f}"
            )
            print_line(console, text, "dim")
