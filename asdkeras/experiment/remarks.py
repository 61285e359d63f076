"""What must stand beside the results of a run, and what is said before its training."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from asdkeras import systems
from asdkeras.experiment.recipe import Recipe
from asdkeras.progress import say
from asdkeras.readings import reconstruction_of

if TYPE_CHECKING:
    from asdkeras.systems.system import AnySystem, Ensemble


def say_untested(recipe: Recipe, clips: pd.DataFrame) -> None:
    """Name the sections of clips that get no network, because none of theirs is a test clip."""
    if len(clips):
        names = sorted(set(clips["machine_type"] + "_" + clips["section"]))
        say(
            f"note: {recipe.run_name}: additional sections without test clips: not trained: "
            f"{', '.join(names)}. `asdkeras fit` makes detectors of all."
        )


def published_rows(recipe: Recipe, system: "AnySystem | Ensemble") -> Mapping[str, str]:
    """Rows of the published tables to compare scores with; a paper prints trained networks."""
    return {} if recipe.untrained else system.published_rows


def remarks(recipe: Recipe) -> list[str]:
    """Lines on all results of a recipe."""
    lines = []
    rebuilt = reconstruction_of(systems.load(recipe.system).Config, recipe.variant)
    if rebuilt is not None:
        lines.append(f"reconstruction: {rebuilt}")
    if recipe.untrained:
        lines.append("networks are as they start: nothing was learned, a control")
    if recipe.clips.released_attributes:
        lines.append("attributes that the challenge withheld were used: not first-shot")
    if recipe.clips.supplemental == "normal":
        lines.append("supplemental clips were used as training clips")
    return lines
