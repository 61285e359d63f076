"""All finished runs of one real machine in one table, the best first, drawn beside.

    python -m benchmarks.real_machine RUNS ... --out results/real/toycar.csv

Takes the rows that `asdkeras compare` writes (`row.csv`), after writing them for all runs below
RUNS, and leaves columns out that are empty in all of them.
"""

import argparse
from pathlib import Path

import pandas as pd

from asdkeras.cli import main as asdkeras
from asdkeras.files import write_text
from asdkeras.plain_text import csv_text
from asdkeras.report.finished_runs import find_runs
from benchmarks.drawn import draw_ranking
from benchmarks.trials import print_markdown

PART = "dev_"
SHOWN = ("auc_source", "auc_target", "pauc", "official_score")
DECISIONS = ("precision", "recall", "f1", "false_alarms_source", "false_alarms_target")
HEADINGS = ("run", "trials", "source AUC", "target AUC", "pAUC", "official score")
HEADINGS += ("published", "precision", "recall", "F1", "false alarms source", "target")
HEADINGS += ("minutes a trial", "MiB", "changes")


def main() -> None:
    """Write rows, collect, draw, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    found, others = find_runs(options.runs)
    for folder, reason in others.items():
        print(f"left out: {folder}: {reason}")
    rows = []
    for run in found:
        asdkeras(["compare", str(run.folder)])
        row = pd.read_csv(run.folder / "row.csv", dtype="string", keep_default_na=False)
        rows.append(row.assign(is_control=str(int(run.is_control))))
    table = pd.concat(rows, ignore_index=True)
    table = table.loc[:, (table != "").any()]
    best = table[f"{PART}official_score"].astype(float).sort_values(ascending=False).index
    table = table.loc[best].reset_index(drop=True)
    lines = [dict(zip(table, row, strict=True)) for row in table.itertuples(index=False)]
    table.insert(0, "run", [name_of(row) for row in lines])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_text(options.out, csv_text(table))
    print(f"file: {options.out}")
    drawn = [(name_of(row), *_point(row), row["is_control"] == "1") for row in lines]
    axis = "harmonic mean of source AUC, target AUC and pAUC, percent; line: spread of trials"
    draw_ranking(options.out.with_suffix(".svg"), drawn, axis)
    print_markdown(HEADINGS, map(cells_of, lines))


def name_of(row: dict[str, str]) -> str:
    """Of a run in tables and drawings."""
    if "+" in row["system"]:
        return f"ensemble of {row['system'].count('+') + 1}"
    return f"{row['system']} {row['variant']}" + " (untrained)" * (row["untrained"] == "1")


def _point(row: dict[str, str]) -> tuple[tuple[float, float, float], float | None]:
    """The official score with the spread of trials around it, and what is published, if it is."""
    value = float(row[f"{PART}official_score"])
    spread = float(row.get(f"{PART}official_score_sd") or 0.0)
    published = row.get(f"{PART}official_score_published")
    return (value, value - spread, value + spread), float(published) if published else None


def cells_of(row: dict[str, str]) -> list[str]:
    """A line of the table of a README."""

    def figure(name: str) -> str:
        spread = row.get(f"{PART}{name}_sd")
        return row[f"{PART}{name}"] + (f" ± {spread}" if spread else "")

    published = [row.get(f"{PART}{name}_published", "") for name in SHOWN[:3]]
    minutes = float(row["minutes"]) / int(row["trials"]) if row["minutes"] else None
    cells = [name_of(row), row["trials"], *map(figure, SHOWN)]
    cells += [" / ".join(published) if any(published) else ""]
    cells += [row[f"{PART}{name}"] for name in DECISIONS]
    cells += ["" if minutes is None else f"{minutes:.1f}", row["peak_memory_mib"]]
    changes = [f"--recipe {row['recipe']}"] * (row["recipe"] not in ("own", row["dataset"]))
    changes += ["members above"] if "+" in row["system"] else [row["changes"].replace('"', "")]
    return [*cells, "; ".join(filter(None, changes))]


if __name__ == "__main__":
    main()
