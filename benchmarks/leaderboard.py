"""All finished runs of one corpus, how sure their order is, and the order that papers print.

    python -m benchmarks.leaderboard RUNS --dataset bench2021 --out results/bench/leaderboard.csv

Takes the runs below RUNS that were measured on the same clips. Writes a row for each, the best
first: mean and standard deviation over trials, 95 % intervals by a bootstrap over test clips, the
differences to the autoencoder and to the better spectrum, paired over the same clips, and what the
nearest table of the system's paper prints. Draws it beside (`.svg`), and prints it as Markdown.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from asdkeras import controls
from asdkeras.metrics.bootstrap import percentile_interval
from asdkeras.published import papers
from asdkeras.report.finished_runs import FinishedRun, find_runs
from asdkeras.report.paired_runs import difference, resampled_runs
from asdkeras.report.scored_runs import read_environment
from asdkeras.report.side_by_side import Board, boards_of
from asdkeras.score_files import read_metadata
from benchmarks.drawn import draw_ranking
from benchmarks.trials import (
    FIGURES,
    figures_of,
    minutes_of,
    percent,
    print_markdown,
    rounded,
    write_rows,
)

BASELINE = ("baseline2021", "ae")
PART = "dev"
HEADINGS = ("run", "official score", "source AUC", "target AUC", "pAUC")
HEADINGS += ("minus autoencoder", "minus spectrum", "as printed")


def main() -> None:
    """Measure, write, draw, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--dataset", default="bench2021")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    board = board_of(options.runs, options.dataset)
    started = time.monotonic()
    resampled = resampled_runs(board.runs, PART, num_resamples=options.resamples)
    print(
        f"{len(board.runs)} runs, {options.resamples} resamples: "
        f"{time.monotonic() - started:.0f} s",
        flush=True,
    )
    rows = rows_of(board, resampled)
    write_rows(options.out, rows)
    drawn = [
        (
            f"{row['system']} {row['run']}",
            tuple(100 * row[name] for name in ("official_score", "lower", "upper")),
            None if row["published"] is None else 100 * row["published"],
            row["is_control"],
        )
        for row in rows
    ]
    axis = "official score, percent; line: 95 % over test clips; upright: as its paper prints"
    draw_ranking(options.out.with_suffix(".svg"), drawn, axis)
    print_markdown(HEADINGS, map(cells_of, rows))


def board_of(runs: Path, dataset: str) -> Board:
    """The runs of a dataset that share the most clips; those left out are named."""
    found, others = find_runs([runs])
    boards = [each for each in boards_of(found) if (each.dataset, each.part) == (dataset, PART)]
    if not boards:
        raise SystemExit(f"{runs}: no finished run of {dataset}, development set.")
    board = max(boards, key=lambda each: len(each.runs))
    for run in found:
        if run not in board.runs:
            others[run.folder] = f"of {run.dataset}, or measured on other clips"
    for folder, reason in others.items():
        print(f"left out: {folder}: {reason}")
    data = {read_environment(run.folder).get("data") for run in board.runs} - {None}
    if len(data) > 1:
        raise SystemExit(f"{runs}: runs on several corpora, {', '.join(sorted(data))}. Name one.")
    return board


def rows_of(board: Board, resampled: np.ndarray) -> list[dict[str, object]]:
    """A row for each run, the best first."""
    places = {
        (run.system, run.variant): n for n, run in enumerate(board.runs) if not run.is_untrained
    }
    spectra = [n for (system, _), n in places.items() if system == controls.SPECTRA]
    references = {"ae": places.get(BASELINE), "spectrum": min(spectra, default=None)}
    rows = []
    for run, own in zip(board.runs, resampled, strict=True):
        row: dict[str, object] = {"system": run.system, "run": run.title}
        row |= {"dataset": run.dataset, "is_control": run.is_control}
        row["trials"] = int(run.means["n_seeds"].max())
        row |= figures_of(run.means[run.means["part"] == PART])
        row |= dict(zip(("lower", "upper"), percentile_interval(own), strict=True))
        for name, place in references.items():
            pair = (None, None, None)
            if place is not None and board.runs[place] is not run:
                pair = difference(run, board.runs[place], PART, (own, resampled[place]))
            columns = (f"minus_{name}", f"minus_{name}_lower", f"minus_{name}_upper")
            row |= dict(zip(columns, pair, strict=True))
        row["minutes"] = minutes_of(run.folder)
        rows.append(rounded(row | published_of(run)))
    return rows


def published_of(run: FinishedRun) -> dict[str, object]:
    """What the nearest table of the paper prints for the row of a run, and what that is of.

    Where it prints no official score, the harmonic mean of the AUCs and pAUCs that it prints.
    """
    nothing = {"published": None, "published_of": ""}
    trial = min(run.folder.glob("scores/seed*/DONE")).parent
    metadata = read_metadata(trial)
    row = metadata.published_rows.get(metadata.main_score)
    if row is None or run.system not in papers.names():
        return nothing
    printed = papers.load(run.system)
    printed = printed[
        printed["system_row"].isin(row.split("+"))
        & (printed["part"] == PART)
        & (printed["machine_type"] == "all")
        & (printed["section"] == "all")
        & (printed["average"] == "harmonic")
        & printed["percent"].notna()
    ]
    if printed.empty:
        return nothing
    year = int(run.dataset[-4:])
    years = printed["dataset"].str[-4:].astype(int)
    nearest = printed[(years - year).abs() == (years - year).abs().min()]
    figures = nearest.drop_duplicates(["domain", "metric"]).set_index(["domain", "metric"])
    figures = figures["percent"] / 100.0
    kind, value = "official score", figures.get(("all", "official_score"))
    if value is None:
        kind, terms = "mean of AUCs and pAUCs", terms_of(figures)
        value = len(terms) / sum(1.0 / term for term in terms) if terms else None
    if value is None:
        return nothing
    return {"published": float(value), "published_of": f"{kind}, {nearest['dataset'].iloc[0]}"}


def terms_of(figures: pd.Series) -> list[float]:
    """AUC and pAUC of both domains, or of all clips where that is what is printed; none if none."""
    terms = []
    for metric in ("auc", "pauc"):
        both = [figures.get((domain, metric)) for domain in ("source", "target")]
        values = both if None not in both else [figures.get(("all", metric))]
        terms += values
    return [] if None in terms else [float(term) for term in terms]


def cells_of(row: dict[str, object]) -> list[str]:
    """A line of the table of a README."""
    cells = [f"{row['system']} {row['run']}"]
    cells += [percent(row[name], row[f"{name}_sd"]) for name in FIGURES]
    for name in ("minus_ae", "minus_spectrum"):
        pair = [row[f"{name}{end}"] for end in ("", "_lower", "_upper")]
        signed = [] if None in pair else [f"{100 * value:+.1f}" for value in pair]
        cells.append(f"{signed[0]} ({signed[1]} to {signed[2]})" if signed else "")
    printed = percent(row["published"])
    return [*cells, f"{printed} ({row['published_of']})" if printed else ""]


if __name__ == "__main__":
    main()
