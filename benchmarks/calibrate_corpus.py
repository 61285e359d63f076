"""Whether scores of methods differ on the generated corpus: loudness, controls, three systems.

    python -m benchmarks.calibrate_corpus --corpora DIR --runs DIR --out FILE.csv --check

Makes a corpus of 2021 for each seed, trains what is missing, and says of every row which bounds it
has to meet (`BOUNDS`, in [0, 1]) and whether it does. Runs that are there are not repeated, and
those cut short go on. `--check` ends with 1 if a bound is missed.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from asdkeras import controls
from asdkeras.corpus.mini import generate
from asdkeras.data.clip_table import clip_table, find_clips
from asdkeras.evaluation import evaluate
from asdkeras.metrics.official import rules_for
from benchmarks.trials import (
    FIGURES,
    finished_run,
    measured,
    minutes_of,
    percent,
    print_markdown,
    rounded,
    write_rows,
)

SIGNALS = {
    "rms": lambda wave: np.sqrt(np.mean(np.square(wave))),
    "peak": lambda wave: np.abs(wave).max(),
    "crest_factor": lambda wave: np.abs(wave).max() / np.sqrt(np.mean(np.square(wave))),
}
RUNS = {
    "controls2026": (("mean_spectrum", False), ("spectrum_deviation", False)),
    "baseline2021": (("ae", False),),
    "wilkinghoff2024": (("adaproj", False), ("adaproj", True)),
    "wilkinghoff2021": ((None, False), (None, True)),  # The variant of the recipe.
}
"""System -> variants, and whether networks stay as they start."""

Row = dict[str, object]


class Bound(NamedTuple):
    """Where a figure of a row must lie: itself, or how far it is above another row's."""

    column: str
    low: float | None = None
    high: float | None = None
    above: str = ""  # A system, or "controls": all that have learned nothing.

    def __str__(self) -> str:
        name = f"{self.column} - {self.above}" if self.above else self.column
        low = "" if self.low is None else f"{self.low:.2f} <= "
        return low + name + ("" if self.high is None else f" <= {self.high:.2f}")


HEADINGS = ("corpus seed", "run", "official score or AUC", "source AUC", "target AUC", "meets")
_UNTRAINED = (Bound("official_score", high=0.60),)
BOUNDS = {
    ("signal", False): (Bound("auc", 0.45, 0.55),),
    ("controls2026", False): (Bound("official_score", 0.52, 0.62),),
    ("baseline2021", False): (
        Bound("official_score", 0.55, 0.62),
        Bound("source_minus_target", 0.10, 0.20),  # As in the challenge.
    ),
    ("wilkinghoff2024", False): (
        Bound("official_score", low=0.08, above="baseline2021"),
        Bound("official_score", low=0.05, above="controls"),
    ),
    ("wilkinghoff2021", False): (Bound("official_score", low=0.06, above="baseline2021"),),
    ("wilkinghoff2024", True): _UNTRAINED,
    ("wilkinghoff2021", True): _UNTRAINED,
}
"""System and whether it is untrained -> what its rows have to meet, in [0, 1]."""


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the corpora")
    parser.add_argument("--trials", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--size", default="bench")
    parser.add_argument("--systems", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--set", action="append", default=[], metavar="[SYSTEM:]KEY=VALUE")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--check", action="store_true", help="end with 1 if a bound is missed")
    options = parser.parse_args()
    rows: list[Row] = []
    for seed in options.seeds:
        data = options.corpora / f"{options.size}2021_seed{seed}"
        print(f"corpus: {data}", flush=True)
        generate(data, year=2021, size=options.size, seed=seed)
        of_seed = [*signal_rows(data), *run_rows(data, options.runs / f"seed{seed}", options)]
        rows += [rounded({"corpus_seed": seed, **row, **judged(row, of_seed)}) for row in of_seed]
        write_rows(options.out, rows)
    print_markdown(HEADINGS, map(cells_of, rows))
    missed = [row for row in rows if row["meets"] == "no"]
    print(f"{len(missed)} of {len(rows)} rows miss a bound")
    return int(options.check and bool(missed))


def cells_of(row: Row) -> list[object]:
    """A line of the table of a README."""
    name = f"{row['system']} {row['variant']}{' (untrained)' * bool(row['untrained'])}"
    names = ["auc"] if row["system"] == "signal" else list(FIGURES)[:3]
    figures = [percent(row[each], row.get(f"{each}_sd")) for each in names]
    return [row["corpus_seed"], name, *figures, *[""] * (3 - len(figures)), row["meets"]]


def signal_rows(data: Path) -> list[Row]:
    """AUC of figures of the waveform: the mean over groups, and of each machine type."""
    layout = find_clips(data)
    table, _ = clip_table(data, layout)
    test = table[table["split"] == "test"].reset_index(drop=True)
    waves = [soundfile.read(path)[0] for path in test["path"]]
    rows = []
    for name, figure in SIGNALS.items():
        values = np.array([figure(wave) for wave in waves])
        metrics = evaluate(test, values, None, rules_for(layout.dataset)).metrics
        of_machines = metrics.groupby("machine_type")["auc"].mean()
        row: Row = {"dataset": layout.dataset, "system": "signal", "variant": name}
        row |= {"untrained": False, "auc": metrics["auc"].mean()}
        rows.append(row | {"auc_lowest": of_machines.min(), "auc_highest": of_machines.max()})
    return rows


def run_rows(data: Path, runs: Path, options: argparse.Namespace) -> list[Row]:
    """Official score, AUC and pAUC of every run on a corpus."""
    rows = []
    for system in options.systems:
        for variant, is_untrained in RUNS[system]:
            trials = options.trials[:1] if system == controls.SPECTRA else options.trials
            run, scores = finished_run(
                *(system, data, runs),
                seeds=trials,
                variant=variant,
                is_untrained=is_untrained,
                settings=options.set,
            )
            row: Row = {"dataset": scores.dataset, "system": system, "variant": run.recipe.variant}
            figures = measured(scores)
            gap = figures["auc_source"] - figures["auc_target"]
            row |= {"untrained": is_untrained, "trials": len(run.recipe.seeds), **figures}
            minutes = minutes_of(run.folder.path)
            rows.append(row | {"source_minus_target": gap, "minutes": minutes})
    return rows


def judged(row: Row, rows: Sequence[Row]) -> Row:
    """What a row has to meet, and whether it does; nothing where what it needs is not there."""
    bounds = BOUNDS.get((str(row["system"]), bool(row["untrained"])), ())
    met = [meets(bound, row, rows) for bound in bounds]
    answer = "no" if False in met else "yes" if met and None not in met else ""
    return {"bounds": "; ".join(map(str, bounds)), "meets": answer}


def meets(bound: Bound, row: Row, rows: Sequence[Row]) -> bool | None:
    """Whether a row meets a bound, by figures as they are printed; None if it cannot be said."""
    value = float(row[bound.column])
    if bound.above:
        others = [float(each[bound.column]) for each in rows if is_named(bound.above, each)]
        if not others:
            return None
        value -= max(others)
    value = round(value, 4)
    is_low = bound.low is not None and value < bound.low
    return not is_low and not (bound.high is not None and value > bound.high)


def is_named(name: str, row: Row) -> bool:
    """Whether a row is one of those that a bound is measured from."""
    if name == "controls":
        return bool(row["untrained"]) or row["system"] == controls.SPECTRA
    return row["system"] == name and not row["untrained"]


if __name__ == "__main__":
    sys.exit(main())
