"""Folders of runs that tell what their scores are due to, with numbers to be seen at once."""

import json

import pandas as pd

from asdkeras.score_files import TrialMetadata, TrialScores, write_group_scores, write_trial

# Training clips of a section: mean 3, standard deviation 2 ** 0.5, 90th percentile 4.6.
TRAINING = (1.0, 2.0, 3.0, 4.0, 5.0)


def clip_rows(machine_type, section, kinds, dataset="mini2022"):
    shared = {"dataset": dataset, "machine_type": machine_type, "section": section}
    shared |= {"domain": "source", "attributes": pd.NA}
    training = [
        {**shared, "split": "train", "is_anomalous": False, "path": f"/train_{number}.wav"}
        for number in range(len(TRAINING))
    ]
    test = [
        {**shared, "split": "test", "is_anomalous": is_anomalous, "path": f"/test_{number}.wav"}
        for number, is_anomalous in enumerate(kinds)
    ]
    return [*training, *test]


def explained_trial(sections, thresholds=None, dataset="mini2022"):
    """A trial and its group scores.

    Args:
        sections: (machine type, section) -> group -> scores of the test clips; `answer` gives
            their anomaly scores. Training clips score `TRAINING`, whatever the group.
        thresholds: (machine type, section) -> threshold; 4 where there is none.
        dataset: its name.
    """
    rows, columns, groups, limits = [], [], [], []
    for place, of_place in sections.items():
        answers = of_place["answer"]
        rows += clip_rows(*place, [number % 2 == 1 for number in range(len(answers))], dataset)
        limits += [(thresholds or {}).get(place, 4.0)] * (len(TRAINING) + len(answers))
        columns += [*TRAINING, *answers]
        groups += [dict.fromkeys(set(of_place) - {"answer"}, value) for value in TRAINING]
        groups += [
            {name: scores[number] for name, scores in of_place.items() if name != "answer"}
            for number in range(len(answers))
        ]
    names = dict.fromkeys(name for of_place in sections.values() for name in of_place)
    texts = dict.fromkeys(("dataset", "machine_type", "section", "domain", "split"), "string")
    table = pd.DataFrame(rows).astype({**texts, "is_anomalous": "boolean"})
    scores = pd.Series(columns, dtype="float64")
    limit = pd.Series(limits, dtype="float64")
    trial = TrialScores(
        table, pd.DataFrame({"combined": scores}), limit, (scores > limit).astype(int)
    )
    group_columns = [name for name in names if name != "answer"]
    return trial, pd.DataFrame(groups, columns=group_columns).astype("float64")


def write_explained_run(run, trials, system="venkatesh2022", **more):
    """The folder of a scored run; `trials` are pairs of `explained_trial` by seed."""
    for seed, (trial, groups) in trials.items():
        folder = run / "scores" / f"seed{seed}"
        write_trial(folder, trial)
        write_group_scores(folder, trial.table, groups)
        metadata = TrialMetadata("combined", "combined", ("combined",), {}).as_json()
        (folder / "DONE").write_text(json.dumps({**metadata, **more}))
    (run / "recipe.yaml").write_text(f"system: {system}\nseeds: {list(trials)}\nconfig: {{}}\n")
    return run
