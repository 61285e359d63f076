"""A run made of runs that are there, chosen by the user: `asdkeras ensemble`."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import yaml

from asdkeras import systems
from asdkeras.config import read_recipe
from asdkeras.errors import RecipeError
from asdkeras.experiment.chosen_runs import ChosenRun, chosen_run, systems_of, trials_of
from asdkeras.experiment.ensembles import write_ensemble
from asdkeras.experiment.import_keras import import_keras
from asdkeras.experiment.members import Combination, Member
from asdkeras.experiment.recipe import load_recipe, system_config
from asdkeras.experiment.run_folder import RunFolder, locked
from asdkeras.files import write_text
from asdkeras.metrics.development import development_score
from asdkeras.metrics.official import rules_for
from asdkeras.score_files import read_story, read_trial
from asdkeras.scorers.ensembles import WEIGHTED, Method

if TYPE_CHECKING:
    from asdkeras.systems.system import Decide


def combine_runs(
    runs: Sequence[str],
    out: Path,
    how: Method = "mean",
    *,
    normalize: Literal["train", "test", "none"] = "train",
    weights: Sequence[float] | None = None,
    best_from_labels: Sequence[int] = (),
    pools_trials: bool = False,
) -> tuple[str, list[int]]:
    """Make a run of other runs, of one system or several, without training anything.

    Args:
        runs: `RUN` or `RUN:CHOICE` each: the folder of a run, and what of its scores
            counts (`Member.choice`). A run may be such an ensemble itself.
        out: folder of the new run.
        how: what the scores of a clip become.
        normalize: whose clips of a section make the scores of a run comparable: those of
            `train` or `test`; `none` takes them as they are. Ranks need none.
        weights: of each run, from 0 on; None weighs all alike.
        best_from_labels: numbers of best runs that labels choose from, for each machine type
            and domain; empty for all runs.
        pools_trials: whether all trials of all runs make one result; else trial k of the
            result is made of trial k of every run.

    Returns:
        name of the system, or the names of several joined by `+`, and the seeds of the new
        run.

    Raises:
        RecipeError: if a run is not there or not finished, its clips are others, the runs
            have no trial in common, weights, numbers or labels are not as needed, or `out`
            holds something else.
    """
    chosen = [chosen_run(text) for text in runs]
    system = "+".join(systems_of(chosen))
    _check_weights(weights, how, len(runs))
    trials = trials_of(chosen, weights or [1.0] * len(runs), pools_trials)
    _check_numbers(best_from_labels, next(iter(trials.values())), len(runs))
    made = {
        "runs": list(runs),
        "combine": how,
        "normalize": normalize,
        "weights": None if weights is None else list(weights),
        "best_from_labels": list(best_from_labels),
        "pools_trials": pools_trials,
    }
    content = {"system": system, "seeds": list(trials), "ensemble": made}
    _refuse_other(out, content)
    rule = Combination(
        how,
        # Standardized or not, the clips of a section have the same ranks.
        normalize="none" if normalize == "none" or how == "rank" else "section",
        normalize_on="test" if normalize == "test" else "train",
        best_from_labels=tuple(best_from_labels),
    )
    decide = _decide(chosen, trials, rule)
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    folder = RunFolder(out, digest, data_fingerprint="")
    with locked(folder):
        for seed, members in trials.items():
            rows = _shared_rows(members) if "+" not in system else {}
            write_ensemble(folder, seed, members, rule, decide=decide, published_rows=rows)
        # Last: what could not be combined leaves the folder free for a corrected command.
        text = yaml.safe_dump(content, sort_keys=False)
        write_text(out / "recipe.yaml", f"# Made by `asdkeras ensemble`.\n{text}")
    return system, list(trials)


def _check_weights(weights: Sequence[float] | None, how: Method, num_runs: int) -> None:
    if weights is None:
        return
    if how not in WEIGHTED:
        raise RecipeError(
            f"--weights go with --combine {', '.join(WEIGHTED)}: {how} cannot count one run more "
            "than another."
        )
    if len(weights) != num_runs:
        raise RecipeError(f"--weights: {len(weights)} for {num_runs} runs. Give one for each run.")
    if not all(0.0 <= weight < float("inf") for weight in weights) or not any(weights):
        raise RecipeError(
            "--weights must be numbers from 0 on, one of them above 0. Received: "
            + " ".join(f"{weight:g}" for weight in weights)
        )


def _check_numbers(numbers: Sequence[int], members: Sequence[Member], num_runs: int) -> None:
    """Raise a RecipeError if labels cannot choose so many members, or there are no labels."""
    if not numbers:
        return
    if max(numbers) > len(members):
        kind = "runs" if len(members) == num_runs else "trials"
        raise RecipeError(
            f"--oracle-best: {max(numbers)} are more than there are. Received: {len(members)} "
            f"{kind}."
        )
    table = read_trial(members[0].folder).table
    rules = rules_for(str(table["dataset"].iloc[0]))
    if development_score(table, np.zeros(len(table)), rules) is None:
        raise RecipeError(
            "--oracle-best chooses by labels of development test clips, and these runs have none. "
            "Leave it out: all runs count then."
        )


def _refuse_other(out: Path, content: dict[str, Any]) -> None:
    path = out / "recipe.yaml"
    if path.exists() and read_recipe(path) != content:
        raise RecipeError(f"{out} holds another run. It is left as it is: choose another --out.")


def _decide(
    runs: Sequence[ChosenRun], trials: Mapping[int, Sequence[Member]], rule: Combination
) -> "Decide | None":
    """The thresholds of the system, if it knows any for such scores.

    It knows none for scores of different kinds or on another scale.
    """
    answers = {read_story(each.folder)["anomaly_score"] for of in trials.values() for each in of}
    is_alike = len(systems_of(runs)) == 1 and not any("ensemble" in run.recipe for run in runs)
    if not is_alike or not rule.keeps_names or len(answers) > 1:
        return None
    return _thresholds_of(runs[0].folder / "recipe.yaml", str(runs[0].recipe["system"]))


def _thresholds_of(recipe: Path, system: str) -> "Decide":
    import_keras()
    config = system_config(load_recipe(recipe, system), recipe)
    decide: Decide = systems.load(system).build(config).decide
    return decide


def _shared_rows(members: Sequence[Member]) -> dict[str, str]:
    """Rows of the published tables, if they are the same for all members."""
    rows = [dict(read_story(member.folder)["published_rows"]) for member in members]
    return rows[0] if all(each == rows[0] for each in rows) else {}
