"""How the official metrics of a run change with the epochs of training.

    python -m benchmarks.epoch_curves wilkinghoff2024 --data DIR --epochs 1 2 5 10 \
        --runs RUNS --out epochs.csv

Each number of epochs is a run of its own, `RUNS/epochs<N>`. It starts from the weights of the run
before it, as a training that was interrupted does, so that all together take as long as the last
one. Only systems whose learning rate does not depend on the number of epochs can be asked so.
The labels of test clips are looked at: what such a curve suggests is no choice a recipe may make.
One column needs none: with `--set thresholds.rule=held_out`, `class_accuracy` is the share of
held-out normal clips whose nearest clip among those learned from, by cosine distance of their
embeddings, is of the same class (machine type, section, attributes).
"""

import argparse
import math
import shutil
from pathlib import Path

import pandas as pd
from sklearn.neighbors import KNeighborsClassifier

from asdkeras.experiment.open_run import Run, open_run
from asdkeras.experiment.run_folder import claim
from asdkeras.score_files import TrialScores
from benchmarks.drawn import draw_curves
from benchmarks.trials import (
    FIGURES,
    embedding_of,
    finish,
    measured,
    percent,
    print_markdown,
    rounded,
    write_rows,
)

FIELDS = {"baseline2023": "ae.epochs"}  # Of the config; `epochs` of all others.
_WEIGHTS, _LOG = "weights.keras", "train.csv"


def main() -> None:
    """Train, measure, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("system")
    parser.add_argument("--variant")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--machines", nargs="+")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--epochs", type=int, nargs="+", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    rows, earlier = [], None
    for epochs in sorted(options.epochs):
        field = FIELDS.get(options.system, "epochs")
        run = open_run(
            options.system,
            options.data,
            variant=options.variant,
            machines=options.machines,
            overrides=[f"seeds={options.seeds}", *options.set, f"config.{field}={epochs}"],
            runs=options.runs / f"epochs{epochs}",
        )
        if earlier is not None:
            claim(run.folder, run.recipe, run.source, run.data, run.jobs or 1)
            go_on(earlier.folder.path, run.folder.path)
        rows += rows_of(run, epochs)
        write_rows(options.out, rows)
        earlier = run
    main_score = rows[0]["score"]
    panels = {
        figure.replace("_", " "): {
            main_score: [(r["epochs"], 100 * r[figure]) for r in rows if r["score"] == main_score]
        }
        for figure in FIGURES
        if not math.isnan(rows[0][figure])  # As without domains.
    }
    draw_curves(options.out.with_suffix(".svg"), panels, "percent, over epochs of training")
    print_markdown(
        (
            "epochs",
            "score",
            "training loss",
            "class accuracy",
            *(name.replace("_", " ") for name in FIGURES),
        ),
        (
            [row["epochs"], row["score"], row["loss"], percent(row["class_accuracy"])]
            + [percent(row[name], row[f"{name}_sd"]) for name in FIGURES]
            for row in rows
        ),
    )


def go_on(earlier: Path, later: Path) -> None:
    """Give a run that has no weights yet those of another, as if it had been interrupted there."""
    for weights in sorted(earlier.glob(f"*/seed*/{_WEIGHTS}")):
        folder = later / weights.relative_to(earlier).parent
        if not (folder / _WEIGHTS).exists():
            folder.mkdir(parents=True, exist_ok=True)
            for name in (_LOG, _WEIGHTS):  # Weights last: with them an epoch counts as done.
                shutil.copyfile(weights.with_name(name), folder / name)


def rows_of(run: Run, epochs: int) -> list[dict[str, object]]:
    """A row for each score of a run that is worth a result."""
    scores = finish(run)
    logs = sorted(run.folder.path.glob(f"*/seed*/{_LOG}"))
    loss = sum(float(pd.read_csv(log)["loss"].iloc[-1]) for log in logs) / len(logs)
    seen = [class_accuracy(scores.trials[seed], run, seed) for seed in run.recipe.seeds]
    common = {"epochs": epochs, "trials": len(seen), "loss": loss}
    common["class_accuracy"] = sum(seen) / len(seen)
    return [
        rounded({**common, "score": name}) | rounded(measured(scores._replace(main_score=name)))
        for name in dict.fromkeys((scores.main_score, *scores.named))
    ]


def class_accuracy(trial: TrialScores, run: Run, seed: int) -> float:
    """Of the held-out clips; NaN where none are held out or a clip has no single embedding."""
    vectors = embedding_of(run.folder.path, seed)
    if vectors is None or trial.held_out is None or not trial.held_out.any():
        return math.nan
    held = trial.held_out.to_numpy(bool)
    learned = (trial.table["split"] == "train").to_numpy(bool) & ~held
    names = trial.table[["machine_type", "section", "attributes"]].fillna("").agg("_".join, axis=1)
    neighbor = KNeighborsClassifier(1, metric="cosine").fit(vectors[learned], names[learned])
    return float(neighbor.score(vectors[held], names[held]))


if __name__ == "__main__":
    main()
