"""A run made of runs that are there, chosen by the user: `asdkeras ensemble`."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import yaml

from asdkeras import systems
from asdkeras.config import read_recipe
from asdkeras.errors import RecipeError
from asdkeras.experiment.ensembles import Member, write_ensemble
from asdkeras.experiment.import_keras import import_keras
from asdkeras.experiment.recipe import load_recipe, system_config
from asdkeras.experiment.run_folder import RunFolder, locked
from asdkeras.files import write_text
from asdkeras.metrics.development import development_score
from asdkeras.metrics.official import rules_for
from asdkeras.scorers.combination import WEIGHTED, Combination, Method

if TYPE_CHECKING:
    from asdkeras.systems.system import ThresholdsOf


class _Chosen(NamedTuple):
    """A run: what of it counts as in `Member`, its systems joined by `+`, its trials."""

    folder: Path
    choice: str
    system: str
    seeds: tuple[int, ...]
    is_combined: bool


def combine_runs(
    runs: Sequence[str],
    out: Path,
    how: Method = "mean",
    *,
    normalize: Literal["held_out", "train", "test", "none"] = "train",
    weights: Sequence[float] | None = None,
    best_from_labels: Sequence[int] = (),
    pools_trials: bool = False,
) -> tuple[str, list[int]]:
    """Make a run of other runs, of one system or several, without training anything.

    Args:
        runs: `RUN` or `RUN:CHOICE` each, see `Member.choice`; a run may be an ensemble itself.
        normalize: which clips of a section make the scores of a run comparable: see
            `Combination.normalize_on`; `none` takes them as they are. Ranks need none.
        weights: from 0 on, one for each run; None weighs all alike.
        best_from_labels: numbers of best runs for labels to choose, per machine type and domain.
        pools_trials: make one result of all trials; else trial k of trial k of every run.

    Returns:
        system, the names of several joined by `+`, and seeds of the new run.

    Raises:
        RecipeError: if runs, trials, weights, numbers or labels do not fit, or `out` is taken.
    """
    chosen = [_chosen_run(text) for text in runs]
    system = "+".join(_systems_of(chosen))
    _check_weights(weights, how, len(runs))
    trials = _trials_of(chosen, weights or [1.0] * len(runs), pools_trials)
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
    if (out / "recipe.yaml").exists() and read_recipe(out / "recipe.yaml") != content:
        raise RecipeError(f"{out} holds another run. It is left as it is: choose another --out.")
    combination = Combination(
        how,
        # Standardized or not, the clips of a section have the same ranks.
        normalize="none" if normalize == "none" or how == "rank" else "section",
        normalize_on="train" if normalize == "none" else normalize,
        best_from_labels=tuple(best_from_labels),
    )
    _write(out, content, trials, combination, _thresholds(chosen, trials, combination))
    return system, list(trials)


def _write(
    out: Path,
    content: Mapping[str, object],
    trials: Mapping[int, list[Member]],
    combination: Combination,
    thresholds: "ThresholdsOf | None",
) -> None:
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    folder = RunFolder(out, digest, data_fingerprint="")
    with locked(folder):
        for seed, members in trials.items():
            rows = [member.metadata.published_rows for member in members]
            is_shared = "+" not in str(content["system"]) and all(each == rows[0] for each in rows)
            shared = rows[0] if is_shared else {}
            write_ensemble(
                folder, seed, members, combination, thresholds=thresholds, published_rows=shared
            )
        # Last: what could not be combined leaves the folder free for a corrected command.
        text = yaml.safe_dump(content, sort_keys=False)
        write_text(out / "recipe.yaml", f"# Made by `asdkeras ensemble`.\n{text}")


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
    if not numbers:
        return
    if max(numbers) > len(members):
        kind = "runs" if len(members) == num_runs else "trials"
        raise RecipeError(
            f"--oracle-best: {max(numbers)} are more than there are. Received: {len(members)} "
            f"{kind}."
        )
    table = members[0].trial().table
    rules = rules_for(str(table["dataset"].iloc[0]))
    if development_score(table, np.zeros(len(table)), rules) is None:
        raise RecipeError(
            "--oracle-best chooses by labels of development test clips, and these runs have none. "
            "Leave it out: all runs count then."
        )


def _chosen_run(text: str) -> _Chosen:
    """Read `RUN` or `RUN:CHOICE`; a folder may have a colon in its name."""
    folder, _, choice = text.rpartition(":")
    if Path(text).is_dir() or not folder:
        folder, choice = text, ""
    path = Path(folder, "recipe.yaml")
    if not path.is_file():
        raise RecipeError(
            f"{folder}: not the folder of a run. Name runs/<system>/<variant>/<dataset>, which "
            "`asdkeras eval` makes, or a choice of its scores behind a colon."
        )
    recipe = read_recipe(path)
    if not {"system", "seeds"} <= set(recipe):
        raise RecipeError(f"{folder}: its recipe.yaml is not that of a run.")
    seeds = tuple(int(seed) for seed in recipe["seeds"])
    return _Chosen(Path(folder), choice, str(recipe["system"]), seeds, "ensemble" in recipe)


def _systems_of(runs: Sequence[_Chosen]) -> list[str]:
    return list(dict.fromkeys(name for run in runs for name in run.system.split("+")))


def _trials_of(
    runs: Sequence[_Chosen], weights: Sequence[float], pools_trials: bool
) -> dict[int, list[Member]]:
    shared = [seed for seed in runs[0].seeds if all(seed in run.seeds for run in runs)]
    if not shared and not pools_trials:
        seeds = [list(run.seeds) for run in runs]
        raise RecipeError(f"these runs have no trial in common. Received: seeds {seeds}")

    def members(trial: int | None) -> list[Member]:
        return [
            Member(
                f"{run.folder} seed {seed}",
                run.folder / "scores" / f"seed{seed}",
                run.choice,
                weight=weight,
            )
            for run, weight in zip(runs, weights, strict=True)
            for seed in (run.seeds if trial is None else [trial])
        ]

    return {runs[0].seeds[0]: members(None)} if pools_trials else {k: members(k) for k in shared}


def _thresholds(
    runs: Sequence[_Chosen], trials: Mapping[int, Sequence[Member]], combination: Combination
) -> "ThresholdsOf | None":
    """The thresholds of the system; None for scores of different kinds or on another scale."""
    names = {member.metadata.main_score for members in trials.values() for member in members}
    is_alike = len(_systems_of(runs)) == 1 and not any(run.is_combined for run in runs)
    if not is_alike or not combination.keeps_names or len(names) > 1:
        return None
    import_keras()
    source = runs[0].folder / "recipe.yaml"
    config = system_config(load_recipe(source, runs[0].system), source)
    return systems.create(runs[0].system, config).thresholds
