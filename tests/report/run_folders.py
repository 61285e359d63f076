"""Folders of finished runs for tests: scores drawn at random, results as every run writes them."""

import json

import numpy as np
import pandas as pd

from asdkeras.evaluation import evaluate, summarize, write_csv
from asdkeras.metrics.official import rules_for
from asdkeras.report.results import conclude
from asdkeras.score_files import TrialMetadata, read_trial

FAN_AND_VALVE = (("fan", "00"), ("valve", "00"))


def scored_run(
    folder,
    system,
    *,
    dataset,
    sections,
    seeds=(0,),
    row="",
    num_clips=8,
    skill=1.0,
    untrained=False,
):
    """A run folder with score files alone; half of the clips of a domain are anomalous.

    Args:
        folder: of the run.
        system: its name.
        dataset: name in the clip table.
        sections: pairs of machine type and section.
        seeds: trials; the scores of a trial and machine type are the same in every run.
        row: of the published tables that tells of its scores.
        num_clips: test clips per section and domain; 0 normal ones only, unlabelled.
        skill: how far the anomalous clips lie above the others.
        untrained: whether its networks are as they start.
    """
    for seed in seeds:
        rng = np.random.default_rng(seed)
        rows = []
        for machine_type, section in sections:
            for domain in ("source", "target"):
                for number in range(num_clips or 2):
                    is_anomalous = 2 * number >= num_clips
                    rows.append(
                        {
                            **{"dataset": dataset, "machine_type": machine_type},
                            **{"section": section, "domain": domain, "split": "test"},
                            "is_anomalous": is_anomalous if num_clips else "",
                            "attributes": "",
                            "name": f"{machine_type}_{section}_{domain}_{number}.wav",
                            "score_combined": rng.normal() + skill * is_anomalous,
                            "threshold": 1.0,
                            "is_decided_anomalous": 0,
                        }
                    )
        scores = folder / "scores" / f"seed{seed}"
        scores.mkdir(parents=True)
        pd.DataFrame(rows).to_csv(scores / "scores.csv", index=False)
        published = {"combined": row} if row else {}
        metadata = TrialMetadata("combined", "combined", ("combined",), published)
        (scores / "DONE").write_text(json.dumps(metadata.as_json()))
    recipe = f"system: {system}\nseeds: {list(seeds)}\nconfig: {{}}\n"
    recipe += "untrained: true\n" * untrained
    (folder / "recipe.yaml").write_text(recipe)
    return folder


def finished_run(runs, system, variant, *, dataset="mini2021", sections=FAN_AND_VALVE, **options):
    """`<runs>/<system>/<variant>/<dataset>` of `scored_run`, with its results.

    Without a published row only the files that are read, because that is faster.
    """
    folder = runs / system / (variant + "_untrained" * options.get("untrained", False)) / dataset
    scored_run(folder, system, dataset=dataset, sections=sections, **options)
    seeds = options.get("seeds", (0,))
    if options.get("row"):
        conclude(folder, system, list(seeds))
        return folder
    rules = rules_for(dataset)
    parts = []
    for seed in seeds:
        trial = read_trial(folder / "scores" / f"seed{seed}")
        scores = trial.columns["combined"]
        parts.append(evaluate(trial.table, scores, trial.decisions, rules, seed).metrics)
    metrics = pd.concat(parts, ignore_index=True)
    write_csv(folder / "metrics.csv", metrics)
    if len(metrics):
        write_csv(folder / "official.csv", summarize(metrics, rules))
    return folder
