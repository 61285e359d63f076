"""Runs on clips without labels: they have scores, decisions and embeddings, but no results."""

from pathlib import Path

import pandas as pd

from asdkeras.config import read_recipe
from asdkeras.evaluation import SUMMARY_COLUMNS
from asdkeras.report.finished_runs import FinishedRun
from asdkeras.report.scored_runs import read_scored_run


def read_unlabelled_run(folder: Path) -> FinishedRun | None:
    """A run whose clips have no labels, as a finished run without means.

    Args:
        folder: of a run, or any other.

    Returns:
        None if it is not that of such a run.

    Raises:
        RecipeError: if a trial of it has not been scored.
    """
    path = folder / "recipe.yaml"
    if not path.is_file() or not (folder / "metrics.csv").is_file():
        return None
    if (folder / "official.csv").is_file():
        return None
    recipe = read_recipe(path)
    if not {"system", "seeds"} <= set(recipe):
        return None
    scores = read_scored_run(folder, recipe["seeds"])
    where = folder.resolve()
    return FinishedRun(
        folder,
        str(recipe["system"]),
        where.name if "ensemble" in recipe else where.parent.name,
        scores.dataset,
        scores.oracle,
        pd.DataFrame(columns=[*SUMMARY_COLUMNS, "published"]),
        {},
    )
