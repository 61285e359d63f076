"""False alarms asked for and seen, by the paper's rule and by held-out clips.

    python -m benchmarks.asked_and_seen --data DIR --runs RUNS SYSTEM[:VARIANT] ... [--set K=V]

Trains every system twice on normal clips of a dataset with labelled test clips, once for each rule
of thresholds, and prints a CSV line for each machine: held-out clips and normal test clips called
anomalous, in percent, faults found, and F1 beside that of calling every clip anomalous.
"""

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

from asdkeras.experiment.open_run import open_run
from asdkeras.experiment.run import score
from asdkeras.score_files import read_trial

COLUMNS = ("system", "variant", "rule", "machine", "asked", "held_out", "source", "target")
COLUMNS += ("all_normal", "faults_found", "f1", "f1_of_all_anomalous")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("systems", nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--machines", nargs="+")
    options = parser.parse_args()
    table = csv.writer(sys.stdout)
    table.writerow(COLUMNS)
    for name in options.systems:
        system, _, variant = name.partition(":")
        for rule in ("paper", "held_out"):
            run = open_run(
                system,
                options.data,
                variant=variant or None,
                machines=options.machines,
                overrides=[f"thresholds.rule={rule}", *options.set],
                runs=options.runs / rule,
            )
            score(run)
            for row in rows_of(run.folder.scores(run.recipe.seeds[0])):
                rate = run.recipe.thresholds.false_alarm_rate
                table.writerow((system, run.recipe.variant, rule, row[0], percent(rate), *row[1:]))
                sys.stdout.flush()


def rows_of(folder: Path) -> list[tuple[str, ...]]:
    trial = read_trial(folder)
    rows = []
    for machine, clips in trial.table.groupby("machine_type"):
        flags = trial.decisions[clips.index].to_numpy(bool)
        is_test = (clips["split"] == "test").to_numpy(bool)
        is_fault = clips["is_anomalous"].fillna(False).to_numpy(bool) & is_test
        held = np.zeros(len(clips), bool) if trial.held_out is None else trial.held_out[clips.index]
        domains = clips["domain"].fillna("").to_numpy(str)
        normal = is_test & ~is_fault
        of_domains = [share(flags[normal & (domains == name)]) for name in ("source", "target")]
        found, false = flags[is_fault].sum(), flags[normal].sum()
        f1 = 2 * found / (2 * found + false + (is_fault.sum() - found))
        f1_of_all = 2 * is_fault.sum() / (2 * is_fault.sum() + normal.sum())
        rates = (share(flags[held]), *of_domains, share(flags[normal]), share(flags[is_fault]))
        rows.append((str(machine), *rates, percent(f1), percent(f1_of_all)))
    return rows


def share(flags: np.ndarray) -> str:
    return percent(flags.mean()) if len(flags) else ""


def percent(value: float) -> str:
    return f"{100.0 * value:.1f}"


if __name__ == "__main__":
    main()
