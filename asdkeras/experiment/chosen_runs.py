"""The runs that a command names, and the trials that are to be made one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from asdkeras.config import read_recipe
from asdkeras.errors import RecipeError
from asdkeras.experiment.members import Member


class ChosenRun(NamedTuple):
    """A run, and what of it counts.

    Attributes:
        folder: of the run.
        choice: as in `Member`.
        recipe: as it was run; that of an ensemble has `ensemble` in place of `config`.
    """

    folder: Path
    choice: str
    recipe: dict[str, Any]

    @property
    def seeds(self) -> list[int]:
        """Of its trials."""
        return [int(seed) for seed in self.recipe["seeds"]]


def chosen_run(text: str) -> ChosenRun:
    """Read `RUN` or `RUN:CHOICE`; a folder may have a colon in its name.

    Raises:
        RecipeError: if there is no run.
    """
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
    return ChosenRun(Path(folder), choice, recipe)


def systems_of(runs: Sequence[ChosenRun]) -> list[str]:
    """Names of all systems in order of appearance; an ensemble has several, joined by `+`."""
    return list(
        dict.fromkeys(name for run in runs for name in str(run.recipe["system"]).split("+"))
    )


def trials_of(
    runs: Sequence[ChosenRun], weights: Sequence[float], pools_trials: bool
) -> dict[int, list[Member]]:
    """The members of each trial of an ensemble of these runs.

    Raises:
        RecipeError: if trials are not pooled, and the runs have none in common.
    """
    seeds = [run.seeds for run in runs]
    if pools_trials:
        return {seeds[0][0]: _members(runs, seeds, weights)}
    shared = [seed for seed in seeds[0] if all(seed in each for each in seeds)]
    if not shared:
        raise RecipeError(f"these runs have no trial in common. Received: seeds {seeds}")
    return {seed: _members(runs, [[seed]] * len(runs), weights) for seed in shared}


def _members(
    runs: Sequence[ChosenRun],
    seeds: Sequence[Sequence[int]],
    weights: Sequence[float],
) -> list[Member]:
    return [
        Member(
            run.folder / "scores" / f"seed{seed}",
            f"{run.folder} seed {seed}",
            run.choice,
            weight=weight,
        )
        for run, of_run, weight in zip(runs, seeds, weights, strict=True)
        for seed in of_run
    ]
