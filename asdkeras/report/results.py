"""The results of a run: measured, written into its folder, and printed."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.text import Text

from asdkeras.evaluation import Evaluation, compare, evaluate, summarize, write_csv
from asdkeras.metrics.official import rules_for
from asdkeras.published import tables as published
from asdkeras.report.tables import print_decisions, print_results, print_skipped

_TEXTS = ("dataset", "machine_type", "section", "domain", "split", "attributes", "name")


def conclude(run: Path, system: str, seeds: Sequence[int]) -> None:
    """Turn the score files of a run into its metrics, and print what they say.

    Writes `metrics.csv` (per section and domain), `official.csv` (means and official
    score) and `compare.csv` (the paper beside ours).

    Args:
        run: folder of the run; every seed is scored.
        system: name of the system.
        seeds: trials that count.
    """
    scores = {seed: _read_scores(run / "scores" / f"seed{seed}") for seed in seeds}
    done = {seed: _read_done(run / "scores" / f"seed{seed}") for seed in seeds}
    first = scores[seeds[0]]
    dataset = str(first["dataset"].iloc[0])
    rules = rules_for(dataset)
    evaluations = [
        evaluate(
            table,
            table[f"score_{done[seed]['anomaly_score']}"],
            table["is_decided_anomalous"],
            rules,
            seed,
        )
        for seed, table in scores.items()
    ]
    metrics = pd.concat([each.metrics for each in evaluations], ignore_index=True)
    write_csv(run / "metrics.csv", metrics)

    console = Console()
    if metrics.empty:
        print_decisions(first, first["is_decided_anomalous"], console=console)
    else:
        summary = summarize(metrics, rules)
        write_csv(run / "official.csv", summary)
        row = str(done[seeds[0]]["published_row"])
        comparison = _compared(run, summary, system, dataset, row)
        title = f"{system}, {run.parent.name}, {dataset}"
        print_results(summary, comparison, rules, title=title, console=console)
        if comparison is not None:
            console.print(Text(f"published: row {row} of the paper's tables", style="dim"))
        _print_skipped(evaluations[0], console)
    for note in dict.fromkeys(note for seed in seeds for note in done[seed]["notes"]):
        console.print(Text(f"note: {note}", style="yellow"), soft_wrap=True)
    console.print(Text(f"files: {run}"), soft_wrap=True)


def _compared(
    run: Path, summary: pd.DataFrame, system: str, dataset: str, row: str
) -> pd.DataFrame | None:
    if system not in published.names():
        return None
    comparison = compare(summary, published.load(system), dataset=dataset, system_row=row)
    write_csv(run / "compare.csv", comparison)
    return comparison if comparison["published"].notna().any() else None


def _print_skipped(evaluation: Evaluation, console: Console) -> None:
    if len(evaluation.skipped):
        print_skipped(evaluation.skipped, console=console)


def _read_scores(folder: Path) -> pd.DataFrame:
    """The clip table of a trial, with its scores; `path` is the name alone."""
    types = {**dict.fromkeys(_TEXTS, "string"), "is_anomalous": "boolean"}
    # A machine may be called NA; only nothing is nothing.
    table = pd.read_csv(folder / "scores.csv", dtype=types, keep_default_na=False, na_values=[""])
    return table.rename(columns={"name": "path"})


def _read_done(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "DONE").read_text(encoding="utf-8"))
    return content
