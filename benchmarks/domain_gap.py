"""Why the target domain is harder: whose normal clips score above whose anomalous ones.

    python -m benchmarks.domain_gap RUN ... --out results/real/domain_gap.csv

From 2022 on the AUC of a domain compares its normal clips with the anomalous clips of both domains.
So it is the mean of two, written apart here: against those of its own domain and against those of
the other. Medians are in standard deviations from the mean of normal source test clips. For runs
with one embedding a clip, two more rows compare clips with the nearest training clip by cosine
distance: as it is, and divided by the distance of that training clip to its own nearest one, by
which normal clips of a sparse and of a dense domain score alike (Wilkinghoff et al. 2025, arXiv
2509.10951, ratio with K = 1, its default). No label chooses anything; all labels are looked at.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances

from asdkeras.metrics.auc import auc, partial_auc
from asdkeras.metrics.official import MAX_FPR
from asdkeras.score_files import TrialScores, read_metadata, read_trial
from benchmarks.trials import embedding_of, percent, print_markdown, rounded, write_rows

DOMAINS = ("source", "target")
AUCS = tuple(f"auc_{d}{kind}" for d in DOMAINS for kind in ("", "_own", "_other"))
MEDIANS = tuple(f"median_{d}_{kind}" for d in DOMAINS for kind in ("normal", "anomalous"))

Scores = NDArray[np.float64]


def main() -> None:
    """Measure, write, print; rows are means over trials."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    rows = []
    for run in options.runs:
        trials = [
            figures_of(trial.table, scores) | {"score": name}
            for folder in sorted(run.glob("scores/seed*"))
            for trial in [read_trial(folder)]
            for name, scores in scores_of(trial, run, int(folder.name.removeprefix("seed")))
        ]
        frame = pd.DataFrame(trials)
        for name, own in frame.groupby("score", sort=False):
            label = {"system": run.parts[-3], "variant": run.parts[-2], "score": name}
            means = own.drop(columns="score").mean().to_dict()
            rows.append(rounded({**label, "trials": len(own), **means}))
    write_rows(options.out, rows)
    headings = ("run", "score", *(name.replace("_", " ") for name in (*AUCS, "pauc", *MEDIANS)))
    print_markdown(headings, map(cells_of, rows))


def scores_of(trial: TrialScores, run: Path, seed: int) -> Iterator[tuple[str, Scores]]:
    """The named scores that every clip has, then those of its one embedding, if any."""
    metadata = read_metadata(run / "scores" / f"seed{seed}")
    for name in metadata.named_scores or (metadata.main_score,):
        if trial.columns[name].notna().all():
            yield name, trial.columns[name].to_numpy(float)
    vectors = embedding_of(run, seed)
    if vectors is not None:
        is_training = (trial.table["split"] == "train").to_numpy(bool)
        yield from nearest_neighbors(vectors, is_training)


def nearest_neighbors(
    vectors: Scores, is_training: NDArray[np.bool_]
) -> Iterator[tuple[str, Scores]]:
    """Cosine distance to the nearest training clip, and divided by that clip's own."""
    distances = pairwise_distances(vectors, vectors[is_training], metric="cosine")
    distances[np.flatnonzero(is_training), np.arange(is_training.sum())] = np.inf
    yield "cosine 1-NN of the embedding", distances.min(axis=1)
    of_training = distances[is_training].min(axis=1)
    yield "the same, by local density", (distances / of_training).min(axis=1)


def figures_of(table: pd.DataFrame, scores: Scores) -> dict[str, float]:
    """`AUCS`, pAUC and `MEDIANS` of one score of the test clips."""
    is_test = (table["split"] == "test").to_numpy(bool)
    is_anomalous = table["is_anomalous"].fillna(False).to_numpy(bool)[is_test]
    domains, scores = table["domain"].to_numpy(str)[is_test], scores[is_test]
    normal = {name: scores[~is_anomalous & (domains == name)] for name in DOMAINS}
    faults = {name: scores[is_anomalous & (domains == name)] for name in DOMAINS}
    every = np.concatenate([*faults.values()])
    row = {}
    for name, other in zip(DOMAINS, DOMAINS[::-1], strict=True):
        for kind, found in (("", every), ("_own", faults[name]), ("_other", faults[other])):
            row[f"auc_{name}{kind}"] = _auc(normal[name], found)
    row["pauc"] = partial_auc(scores, is_anomalous, MAX_FPR)
    center, scale = normal["source"].mean(), normal["source"].std()
    for name in DOMAINS:
        row[f"median_{name}_normal"] = (np.median(normal[name]) - center) / scale
        row[f"median_{name}_anomalous"] = (np.median(faults[name]) - center) / scale
    return {name: float(value) for name, value in row.items()}


def _auc(normal: Scores, faults: Scores) -> float:
    labels = np.repeat([False, True], [len(normal), len(faults)])
    return float(auc(np.concatenate([normal, faults]), labels))


def cells_of(row: dict[str, object]) -> list[str]:
    """A line of the table of a README."""
    cells = [f"{row['system']} {row['variant']}", str(row["score"])]
    cells += [percent(row[name]) for name in (*AUCS, "pauc")]
    return [*cells, *(f"{row[name]:+.2f}" for name in MEDIANS)]


if __name__ == "__main__":
    main()
