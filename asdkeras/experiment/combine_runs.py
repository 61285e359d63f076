"""A run made of runs that are there, chosen by the user: `asdkeras ensemble`."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml

from asdkeras import systems
from asdkeras.config import read_recipe
from asdkeras.errors import RecipeError
from asdkeras.experiment.ensembles import write_ensemble
from asdkeras.experiment.import_keras import import_keras
from asdkeras.experiment.members import Combination, Member
from asdkeras.experiment.recipe import load_recipe, system_config
from asdkeras.experiment.run_folder import RunFolder, locked
from asdkeras.files import write_text
from asdkeras.score_files import read_story


def combine_runs(
    runs: Sequence[str], out: Path, how: Literal["sum", "mean"], pools_trials: bool
) -> tuple[str, list[int]]:
    """Make a run of other runs, without training anything.

    Args:
        runs: `RUN` or `RUN:CHOICE` each: the folder of a run, and what of its scores
            counts (`Member.choice`).
        out: folder of the new run.
        how: `sum` or `mean`.
        pools_trials: whether all trials of all runs make one result; else trial k of the
            result is made of trial k of every run.

    Returns:
        name of the system, and the seeds of the new run.

    Raises:
        RecipeError: if a run is not there, is not finished or is of another system, if
            the runs have no trial in common, or `out` holds something else.
    """
    chosen = [_chosen(text) for text in runs]
    recipes = [_recipe_of(folder) for folder, _ in chosen]
    system = _one_system(chosen, recipes)
    seeds = [[int(seed) for seed in recipe["seeds"]] for recipe in recipes]
    if pools_trials:
        trials = {seeds[0][0]: _members(chosen, seeds)}
    else:
        shared = [seed for seed in seeds[0] if all(seed in each for each in seeds)]
        if not shared:
            raise RecipeError(f"these runs have no trial in common. Received: seeds {seeds}")
        trials = {seed: _members(chosen, [[seed]] * len(chosen)) for seed in shared}

    content = {
        "system": system,
        "seeds": list(trials),
        "ensemble": {"runs": list(runs), "combine": how, "pools_trials": pools_trials},
    }
    _refuse_other(out, content)
    decide = _decide(chosen[0][0] / "recipe.yaml", system)
    answers = {read_story(each.folder)["anomaly_score"] for of in trials.values() for each in of}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    folder = RunFolder(out, digest, data_fingerprint="")
    with locked(folder):
        for seed, members in trials.items():
            write_ensemble(
                folder,
                seed,
                members,
                Combination(how),
                # A system knows no threshold for a sum of scores of different kinds.
                decide=decide if len(answers) == 1 else None,
                published_rows=_shared_rows(members),
            )
        # Last: what could not be combined leaves the folder free for a corrected command.
        text = yaml.safe_dump(content, sort_keys=False)
        write_text(out / "recipe.yaml", f"# Made by `asdkeras ensemble`.\n{text}")
    return system, list(trials)


def _chosen(text: str) -> tuple[Path, str]:
    """Folder and choice of `RUN:CHOICE`; a folder may have a colon in its name."""
    if Path(text).is_dir():
        return Path(text), ""
    folder, _, choice = text.rpartition(":")
    return Path(folder or text), choice if folder else ""


def _recipe_of(folder: Path) -> dict[str, Any]:
    path = folder / "recipe.yaml"
    if not path.is_file():
        raise RecipeError(
            f"{folder}: not the folder of a run. Name runs/<system>/<variant>/<dataset>, which "
            "`asdkeras eval` makes, or a choice of its scores behind a colon."
        )
    content = read_recipe(path)
    if "config" not in content:
        raise RecipeError(f"{folder}: is an ensemble itself. Name the runs it is made of.")
    return content


def _one_system(chosen: Sequence[tuple[Path, str]], recipes: Sequence[dict[str, Any]]) -> str:
    system = str(recipes[0]["system"])
    for (folder, _), recipe in zip(chosen, recipes, strict=True):
        if recipe["system"] != system:
            raise RecipeError(
                f"{folder}: a run of {recipe['system']}, but {chosen[0][0]} is one of {system}. "
                "Their scores differ in scale and cannot be added."
            )
    return system


def _members(chosen: Sequence[tuple[Path, str]], seeds: Sequence[Sequence[int]]) -> list[Member]:
    return [
        Member(folder / "scores" / f"seed{seed}", f"{folder} seed {seed}", choice)
        for (folder, choice), of_run in zip(chosen, seeds, strict=True)
        for seed in of_run
    ]


def _refuse_other(out: Path, content: dict[str, Any]) -> None:
    path = out / "recipe.yaml"
    if path.exists() and read_recipe(path) != content:
        raise RecipeError(f"{out} holds another run. It is left as it is: choose another --out.")


def _decide(recipe: Path, system: str) -> Any:
    import_keras()
    config = system_config(load_recipe(recipe, system), recipe)
    return systems.load(system).build(config).decide


def _shared_rows(members: Sequence[Member]) -> dict[str, str]:
    """Rows of the published tables, if they are the same for all members."""
    rows = [dict(read_story(member.folder)["published_rows"]) for member in members]
    return rows[0] if all(each == rows[0] for each in rows) else {}
