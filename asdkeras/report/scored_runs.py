"""The score files of a run, read as one."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from asdkeras.config import read_recipe
from asdkeras.errors import RecipeError
from asdkeras.evaluation import ALL_ANOMALOUS, METRICS, doubts, evaluate
from asdkeras.files import reading
from asdkeras.metrics.official import rules_for
from asdkeras.plain_text import number_or_nan
from asdkeras.report.comparison import Scored
from asdkeras.score_files import (
    Marks,
    TrialScores,
    read_marks,
    read_metadata,
    read_trial,
    trial_folders,
)

SETS = {"dev": "development set", "eval": "evaluation set"}
_COUNTS = (
    *("seed", "n_seeds", "n_sections", "n_normal", "n_anomalous", "n_false_alarms", "n_detected"),
    *("n_unlabelled", "n_unlabelled_flagged"),
)
_NUMBERS = (
    *(*METRICS, ALL_ANOMALOUS, "false_alarm_rate", "detection_rate"),
    *("value", "standard_deviation", "published", "ours", "difference", "tolerance"),
)


class ScoredRun(NamedTuple):
    """The trials of a run, and the folders of their score files, by seed."""

    trials: dict[int, TrialScores]
    folders: dict[int, Path]
    main_score: str  # Compared with the paper.
    decision_score: str  # Compared with the thresholds.
    named: tuple[str, ...]  # Scores worth a result of their own.
    published_rows: dict[str, str]  # Name of a score -> row of the paper's tables.
    notes: tuple[str, ...]  # For the reader of the results.
    marks: Marks

    @property
    def dataset(self) -> str:
        return str(self.trial_of(None).table["dataset"].iloc[0])

    @property
    def columns(self) -> list[str]:
        return [str(name) for name in self.trial_of(None).columns]

    def trial_of(self, seed: int | None) -> TrialScores:
        """The trial of a seed; the first one if there is none, as where trials are pooled."""
        first = next(iter(self.trials.values()))
        return first if seed is None else self.trials.get(seed, first)

    def of(self, name: str) -> dict[int, Scored]:
        """One named score of every trial, of the clips that have it."""
        trials = {}
        for seed, trial in self.trials.items():
            has = trial.columns[name].notna()
            decisions = trial.decisions[has] if name == self.main_score else None
            trials[seed] = Scored(trial.table[has], trial.columns.loc[has, name], decisions)
        return trials

    def doubts(self) -> list[str]:
        """What makes the main score say nothing, a line each; see `doubts`."""
        rules = rules_for(self.dataset)
        of_trials = (
            doubts(*trial[:2], evaluate(*trial, rules).metrics)
            for trial in self.of(self.main_score).values()
        )
        return list(dict.fromkeys(line for lines in of_trials for line in lines))


def read_scored_run(run: Path, seeds: Sequence[int]) -> ScoredRun:
    """Read the score files of those trials of a run that count.

    Raises:
        RecipeError: if one of them has not been scored yet.
    """
    folders = trial_folders(run, seeds)
    metadata = [read_metadata(folder) for folder in folders.values()]
    first = metadata[0]
    return ScoredRun(
        trials={seed: read_trial(folder) for seed, folder in folders.items()},
        folders=folders,
        main_score=first.main_score,
        decision_score=first.decision_score,
        named=first.named_scores,
        published_rows=dict(first.published_rows),
        notes=tuple(dict.fromkeys(note for each in metadata for note in each.notes)),
        marks=read_marks(folders.values()),
    )


def read_results(path: Path) -> pd.DataFrame:
    """A CSV file of results: names are text, as a machine may be called NA, numbers exact."""
    with reading(path):
        content = pd.read_csv(path, dtype="string", keep_default_na=False).astype(object)
        for name in content:
            if name in _COUNTS:
                content[name] = content[name].astype("int64")
            elif name in _NUMBERS:
                # Exact in every version of pandas, unlike its own reading of numbers.
                content[name] = [number_or_nan(text) for text in content[name]]
    return content


def read_environment(run: Path) -> dict[str, Any]:
    """`environment.json` of a run; empty if it has none that can be read."""
    try:
        content = json.loads((run / "environment.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def recipe_of(run: Path) -> dict[str, Any]:
    """The recipe of a run, as it was run.

    Raises:
        RecipeError: if the folder is not that of a run.
    """
    if not (run / "recipe.yaml").is_file():
        raise RecipeError(
            f"{run}: not the folder of a run. Name runs/<system>/<variant>/<dataset>, which "
            "`asdkeras eval` makes."
        )
    recipe = read_recipe(run / "recipe.yaml")
    if not is_of_run(recipe):
        raise RecipeError(f"{run}: its recipe.yaml is not that of a run.")
    return recipe


def is_of_run(recipe: dict[str, Any]) -> bool:
    """Whether a recipe names a system and at least one seed."""
    seeds = recipe.get("seeds")
    return "system" in recipe and isinstance(seeds, list) and {*map(type, seeds)} == {int}


def variant_of(run: Path, recipe: dict[str, Any]) -> str:
    """The variant of a run; of an ensemble that the user made, the name of its folder."""
    place = run.resolve()
    if "ensemble" in recipe:
        return place.name
    name = place.parent.name
    return name.removesuffix("_untrained") if is_untrained(recipe) else name


def is_untrained(recipe: dict[str, Any]) -> bool:
    """Whether the networks of a run are as they start."""
    return recipe.get("untrained") is True


def refuse_unknown_trial(run: Path, seed: int, seeds: Iterable[int]) -> None:
    """Raise a RecipeError if a run has no trial of a seed."""
    if seed not in seeds:
        known = ", ".join(map(str, seeds))
        raise RecipeError(f"{run}: has no trial {seed}. Choose one with --seed: {known}.")
