"""Another variant of a system, where clips leave the one asked for nothing to learn."""

import dataclasses

from asdkeras import systems
from asdkeras.errors import DataError, RecipeError
from asdkeras.experiment.open_run import Run
from asdkeras.experiment.run import check, system_of
from asdkeras.progress import say


def with_able_variant(run: Run) -> Run:
    """The run, or that of the first variant its system falls back to that accepts the clips.

    The user is told of another variant, and why.

    Raises:
        DataError, RecipeError: as `check` of the variant that was asked for, if all refuse.
    """
    named = run.recipe.variant
    fallbacks = getattr(systems.load(run.recipe.system), "fallbacks", lambda variant: ())(named)
    try:
        check(run, system_of(run))
        return run
    except (DataError, RecipeError) as refusal:
        for variant in fallbacks:
            recipe = dataclasses.replace(
                run.recipe, config={**run.recipe.config, "variant": variant}
            )
            path = run.folder.path.parents[1] / recipe.run_name / run.folder.path.name
            folder = dataclasses.replace(run.folder, path=path, recipe_digest=recipe.digest())
            other = dataclasses.replace(run, recipe=recipe, folder=folder)
            try:
                check(other, system_of(other))
            except (DataError, RecipeError):
                continue
            say(f"note: {refusal}")
            say(f"note: falling back to --variant {variant}")
            return other
        raise
