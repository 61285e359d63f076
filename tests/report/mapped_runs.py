"""Folders of runs with representations for tests, each clip with a vector that tells it apart."""

import json

import numpy as np
import pandas as pd

from asdkeras.evaluation import evaluate, summarize, write_csv
from asdkeras.experiment.units import write_representations
from asdkeras.metrics.official import rules_for
from asdkeras.score_files import TrialMetadata, TrialScores, write_trial
from tests.clip_table import clip_table


def clip_rows(machine_type="fan", section="00", *, num_clips=4, attributes=None):
    """Training and test clips of both domains, `num_clips` each; half of the tests anomalous."""
    return [
        {
            **{"machine_type": machine_type, "section": section, "domain": domain},
            **{"split": split, "is_anomalous": split == "test" and 2 * number >= num_clips},
            "attributes": attributes if split == "train" else None,
            "path": f"/data/{machine_type}_{section}_{domain}_{split}_{number}.wav",
        }
        for split in ("train", "test")
        for domain in ("source", "target")
        for number in range(num_clips)
    ]


def scored_clips(folder, rows, *, seeds=(0,), dataset="mini2021", **more):
    """A run folder with scores of these clips, anomalous ones higher; returns their table."""
    table = clip_table(rows, dataset=dataset)
    scores = np.arange(len(table)) % 7 + 3.0 * table["is_anomalous"].fillna(False).astype(float)
    trial = TrialScores(table, pd.DataFrame({"answer": scores}), scores * 0 + 5.0, scores > 5.0)
    for seed in seeds:
        where = folder / "scores" / f"seed{seed}"
        where.mkdir(parents=True)
        write_trial(where, trial)
        metadata = TrialMetadata("answer", "answer", ("answer",), {}).as_json()
        (where / "DONE").write_text(json.dumps({**metadata, **more}), encoding="utf-8")
    recipe = f"system: wilkinghoff2024\nseeds: {list(seeds)}\nconfig: {{}}\n"
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    return table


def with_results(folder, table):
    """Add `metrics.csv` and `official.csv` of the scores."""
    rules = rules_for(str(table["dataset"].iloc[0]))
    scores = pd.Series(np.arange(len(table)) % 5 + 1.0 * table["is_anomalous"].astype(float))
    metrics = evaluate(table, scores, scores > 3.0, rules, 0).metrics
    write_csv(folder / "metrics.csv", metrics)
    write_csv(folder / "official.csv", summarize(metrics, rules))


def represented(folder, unit, arrays, *, seed=0):
    """Write the representations of one model."""
    write_representations(folder / unit / f"seed{seed}", arrays)


def vectors_of(table, dim=3):
    """A vector for each clip, the same wherever it stands: two groups, by domain."""
    rows = []
    for path, domain in zip(table["path"], table["domain"], strict=True):
        rng = np.random.default_rng(list(str(path).rsplit("/", 1)[-1].encode()))
        rows.append(rng.normal(size=dim) + (100.0 if domain == "target" else 0.0))
    return np.array(rows, "float32")


def finished_mapped_run(folder, rows, **options):
    """A run with results, and with one model for all of its clips."""
    table = scored_clips(folder, rows, **options)
    with_results(folder, table)
    represented(folder, "all", {"embedding": vectors_of(table)})
    return folder
