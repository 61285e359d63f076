"""Runs of benchmarks: trained and scored where they are not yet, then measured and written."""

import contextlib
import csv
import io
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asdkeras.evaluation import evaluate, summarize
from asdkeras.experiment.open_run import Run, open_run
from asdkeras.experiment.run import missing_scores, score
from asdkeras.experiment.units import read_representations
from asdkeras.files import write_text
from asdkeras.metrics.official import RuleSet, rules_for
from asdkeras.plain_text import csv_text
from asdkeras.report.results import conclude
from asdkeras.report.scored_runs import ScoredRun, read_scored_run

FIGURES = {
    "official_score": ("all", "official_score"),
    "auc_source": ("source", "auc"),
    "auc_target": ("target", "auc"),
    "pauc": ("all", "pauc"),
}
"""Column -> domain and metric of a mean over all machine types."""


def overrides_for(system: str, settings: Iterable[str]) -> list[str]:
    """Those of `KEY=VALUE` and `SYSTEM:KEY=VALUE` that a system has."""
    pairs = [
        setting.rpartition(":") if ":" in setting.split("=")[0] else ("", "", setting)
        for setting in settings
    ]
    return [change for name, _, change in pairs if name in ("", system)]


def finish(run: Run) -> ScoredRun:
    """Score what is missing of a run, and write its results as `asdkeras eval` does."""
    missing = missing_scores(run)
    started = time.monotonic()
    print(f"{run.folder.path}: trials {missing or 'are all there'}", flush=True)
    score(run)
    if missing or not (run.folder.path / "official.csv").is_file():
        with contextlib.redirect_stdout(io.StringIO()):
            conclude(run.folder.path, run.recipe.system, run.recipe.seeds)
    if missing:
        print(f"    {(time.monotonic() - started) / 60:.1f} minutes", flush=True)
    return read_scored_run(run.folder.path, run.recipe.seeds)


def finished_run(
    system: str,
    data: Path,
    runs: Path,
    *,
    seeds: Sequence[int],
    variant: str | None = None,
    is_untrained: bool = False,
    settings: Sequence[str] = (),
) -> tuple[Run, ScoredRun]:
    """A run of the recipe for the data, with one trial for each seed."""
    changes = [f"seeds={list(seeds)}", *["untrained=true"] * is_untrained]
    changes += overrides_for(system, settings)
    run = open_run(system, data, variant=variant, overrides=changes, runs=runs)
    return run, finish(run)


def figures_of(summary: pd.DataFrame) -> dict[str, float]:
    """`FIGURES` of a summary, and the standard deviation of each over trials."""
    of_all = summary[summary["machine_type"] == "all"].set_index(["domain", "metric"])
    row = {}
    for name, place in FIGURES.items():
        row[name] = float(of_all["value"].get(place, float("nan")))
        row[f"{name}_sd"] = float(of_all["standard_deviation"].get(place, float("nan")))
    return row


def measured(scores: ScoredRun) -> dict[str, float]:
    """`figures_of` the main score of a run."""
    trials = scores.of(scores.main_score)
    return pooled([{seed: trial[:2] for seed, trial in trials.items()}], rules_for(scores.dataset))


def pooled(
    runs: Sequence[Mapping[int, tuple[pd.DataFrame, pd.Series]]], rules: RuleSet
) -> dict[str, float]:
    """`figures_of` the trials of one or more runs on different machine types, as if of one."""
    metrics = []
    for seed in runs[0]:
        table = pd.concat([run[seed][0] for run in runs], ignore_index=True)
        anomaly_scores = pd.concat([run[seed][1] for run in runs], ignore_index=True)
        metrics.append(evaluate(table, anomaly_scores, None, rules, seed).metrics)
    return figures_of(summarize(pd.concat(metrics, ignore_index=True), rules))


def minutes_of(folder: Path) -> float | None:
    """Minutes that all stages of a run took, those cut short among them; None if unknown."""
    path = folder / "stages.csv"
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", newline="") as file:
        return sum(float(row["seconds"]) for row in csv.DictReader(file)) / 60.0


def embedding_of(run: Path, seed: int) -> NDArray[np.float64] | None:
    """`(clips, dim)` of a trial of a run with one model and one vector a clip; None of others."""
    folders = [path.parent for path in run.glob(f"*/seed{seed}/representations.npz")]
    arrays = read_representations(folders[0]) if len(folders) == 1 else {}
    vectors = [values for values in arrays.values() if values.ndim == 2]
    return vectors[0].astype("float64") if len(vectors) == 1 else None


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows as CSV, numbers with four decimals, and say where."""
    frame = pd.DataFrame(rows, dtype=object).map(_as_text)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, csv_text(frame))
    print(f"file: {path}")


def _as_text(value: object) -> object:
    return "" if is_missing(value) else f"{value:.4f}" if isinstance(value, float) else value


def percent(value: object, spread: object = None) -> str:
    """A number of four decimals in percent, and its spread if there is one; none for NaN."""
    texts = [f"{100 * float(each):.1f}" for each in (value, spread) if not is_missing(each)]
    return " ± ".join(texts)


def is_missing(value: object) -> bool:
    """Whether there is no number."""
    return value is None or value != value


def rounded(row: Mapping[str, object]) -> dict[str, object]:
    """Numbers as files have them, so that tables made of either are the same."""
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}


def print_markdown(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table for a README."""
    for cells in (headings, ["---"] * len(headings), *rows):
        print(f"| {' | '.join(map(str, cells))} |")
