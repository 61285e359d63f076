"""The score files of a run, read as one."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asdkeras.config import read_recipe
from asdkeras.errors import RecipeError
from asdkeras.report.comparison import Scored
from asdkeras.score_files import TrialScores, read_oracle, read_story, read_trial, trial_folders


@dataclasses.dataclass(frozen=True)
class ScoredRun:
    """The score files of a run.

    Attributes:
        trials: by seed.
        folders: of the trials, by seed.
        answer: name of the score that is the answer of the system.
        decision_score: name of the score that thresholds are compared with.
        named: names of the scores worth a result of their own.
        published_rows: name of a score -> row of the paper's tables that tells of it.
        notes: what is to be said beside the results.
        oracle: which choices were made by labels of test clips.
    """

    trials: dict[int, TrialScores]
    folders: dict[int, Path]
    answer: str
    decision_score: str
    named: tuple[str, ...]
    published_rows: dict[str, str]
    notes: tuple[str, ...]
    oracle: tuple[str, ...]

    @property
    def dataset(self) -> str:
        """Its name in the clip table."""
        return str(next(iter(self.trials.values())).table["dataset"].iloc[0])

    @property
    def columns(self) -> list[str]:
        """Names of all scores."""
        return [str(name) for name in next(iter(self.trials.values())).columns.columns]

    def of(self, name: str) -> dict[int, Scored]:
        """One named score of every trial, of the clips that have it."""
        trials = {}
        for seed, trial in self.trials.items():
            has = trial.columns[name].notna()
            decisions = trial.decisions[has] if name == self.answer else None
            trials[seed] = Scored(trial.table[has], trial.columns.loc[has, name], decisions)
        return trials


def read_scored_run(run: Path, seeds: Sequence[int]) -> ScoredRun:
    """Read the score files of those trials of a run that count.

    Raises:
        RecipeError: if one of them has not been scored yet.
    """
    folders = trial_folders(run, seeds)
    stories = [read_story(folder) for folder in folders.values()]
    first = stories[0]
    return ScoredRun(
        trials={seed: read_trial(folder) for seed, folder in folders.items()},
        folders=folders,
        answer=first["anomaly_score"],
        decision_score=first.get("decision_score", first["anomaly_score"]),
        named=tuple(first["named_scores"]),
        published_rows=first["published_rows"],
        notes=tuple(dict.fromkeys(note for story in stories for note in story["notes"])),
        oracle=read_oracle(folders.values()),
    )


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
    return read_recipe(run / "recipe.yaml")
