"""Finished runs as they lie on disk: their names, their results, and what the paper prints."""

import dataclasses
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from asdkeras import controls
from asdkeras.config import read_recipe
from asdkeras.errors import RecipeError
from asdkeras.evaluation import SUMMARY_COLUMNS, all_anomalous_means, with_parts
from asdkeras.files import reading
from asdkeras.metrics.official import RuleSet, rules_for
from asdkeras.published import papers as published
from asdkeras.report.comparison import MEASURED, PLACE, convention_of, read_alike
from asdkeras.report.scored_runs import is_of_run, is_untrained, read_results, variant_of
from asdkeras.score_files import Marks, TrialMetadata, read_marks, read_metadata

Measured = frozenset[tuple[str, str, str, int, int]]

_NO_LABELS = "its clips have no labels, so there are no metrics"
Place = tuple[str, ...]  # Part, machine type, section, domain, metric; `all` where it is a mean.


class Printed(NamedTuple):
    """A figure of the paper."""

    published: float  # Percent.
    tolerance: float  # Percentage points.
    verdict: str  # Of `asdkeras.report.comparison.compare`.
    note: str  # Why, if that is not obvious.
    is_comparable: bool  # With ours.


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """The results of one run.

    Attributes:
        means: `SUMMARY_COLUMNS` as in `official.csv`, in [0, 1], the F1 of calling every clip
            anomalous (`ALL_ANOMALOUS`), and with harmonic rules the `official_score` of each
            machine type as well, the mean over its AUCs and pAUCs.
            The column `published` is what the system's own paper prints of the same mean,
            NaN where it prints none or one that must not be compared.
        measured: part -> (machine type, section, domain, number of normal clips, of
            anomalous clips) of all that was measured; nothing if the clips have no labels.
        printed: what the system's own paper prints, comparable or not.
    """

    folder: Path
    system: str  # Of an ensemble of several systems, their names joined by `+`.
    variant: str  # Of an ensemble that the user made, the name of its folder.
    dataset: str
    marks: Marks
    means: pd.DataFrame
    measured: dict[str, Measured]
    printed: dict[Place, Printed] = dataclasses.field(default_factory=dict)
    is_untrained: bool = False
    precision: str = "float32"

    @property
    def title(self) -> str:
        marks = ["untrained"] * self.is_untrained + [*self.marks.names]
        if self.precision != "float32":
            marks.append(self.precision)
        return f"{self.variant} ({', '.join(marks)})" if marks else self.variant

    @property
    def is_control(self) -> bool:
        """Whether nothing was learned, so that systems must do better."""
        return self.is_untrained or self.system == controls.SPECTRA

    @property
    def rules(self) -> RuleSet:
        return rules_for(self.dataset)


def find_runs(places: Sequence[Path]) -> tuple[list[FinishedRun], dict[Path, str]]:
    """Read the runs in the folders named and below them, each once.

    Returns:
        the finished runs in the order found, and the others with the reason against them.

    Raises:
        RecipeError: if a place does not exist or holds no run, if a run that was named has
            no results, or no run at all has any.
    """
    finished: dict[Path, FinishedRun] = {}
    others: dict[Path, str] = {}
    for place in places:
        folders = _runs_at(place)
        for folder in folders:
            recipe = read_recipe(folder / "recipe.yaml")
            reason = _missing(folder, recipe)
            if reason and folders == [place]:
                raise RecipeError(f"{folder}: {reason}.")
            if reason:
                others[folder] = reason
            elif folder.resolve() not in finished:
                with reading(folder):
                    finished[folder.resolve()] = _read_run(folder, recipe)
    if not finished:
        reasons = "; ".join(f"{folder}: {reason}" for folder, reason in others.items())
        raise RecipeError(f"no run has results. {reasons}.")
    return list(finished.values()), others


def read_unlabelled_run(folder: Path) -> FinishedRun | None:
    """A run whose clips have no labels, as a finished run without means; None if it is not one."""
    if not (folder / "recipe.yaml").is_file():
        return None
    recipe = read_recipe(folder / "recipe.yaml")
    with reading(folder):
        return _read_run(folder, recipe) if _missing(folder, recipe) == _NO_LABELS else None


def _runs_at(place: Path) -> list[Path]:
    """The place itself if it is a run, else all runs below, sorted."""
    if not place.is_dir():
        raise RecipeError(
            f"{place}: no such folder. Name runs, or folders below which runs lie; "
            "`asdkeras eval` makes them."
        )
    folders = []
    for folder, below, files in os.walk(place):
        if "recipe.yaml" in files:
            below.clear()  # A run may hold many files, but no runs.
            folders.append(Path(folder))
    if not folders:
        raise RecipeError(f"{place}: no run lies here or below. `asdkeras eval` makes them.")
    return sorted(folders)


def _missing(folder: Path, recipe: dict[str, Any]) -> str:
    """Why a run has no results; empty if it has."""
    if not is_of_run(recipe):
        return "its recipe.yaml is not that of a run"
    if (folder / "official.csv").is_file():
        return ""
    if (folder / "metrics.csv").is_file():
        return _NO_LABELS
    return "has no results yet; `asdkeras eval` finishes it"


def _read_run(folder: Path, recipe: dict[str, Any]) -> FinishedRun:
    system = str(recipe["system"])
    trial = folder / "scores" / f"seed{recipe['seeds'][0]}"
    metadata = read_metadata(trial)
    clips = pd.read_csv(
        trial / "scores.csv", usecols=["dataset"], dtype="string", keep_default_na=False, nrows=1
    )
    dataset = str(clips["dataset"].iloc[0])
    marks = read_marks(done.parent for done in sorted(folder.glob("scores/seed*/DONE")))
    title = (system, variant_of(folder, recipe), dataset)
    how = (is_untrained(recipe), str(recipe.get("precision", "float32")))
    if not (folder / "official.csv").is_file():
        means = pd.DataFrame(columns=[*SUMMARY_COLUMNS, "published"])
        return FinishedRun(folder, *title, marks, means, {}, {}, *how)
    rules = rules_for(dataset)
    metrics = with_parts(read_results(folder / "metrics.csv"), rules)
    means = read_results(folder / "official.csv")[list(SUMMARY_COLUMNS)]
    means = pd.concat([means, all_anomalous_means(metrics, rules)], ignore_index=True)
    if rules.mean == "harmonic":
        means = pd.concat([means, _of_machine_types(metrics, rules)], ignore_index=True)
    printed = printed_figures(folder, system, dataset, metadata)
    published = {
        (part, machine_type, domain, metric): figure.published / 100.0
        for (part, machine_type, section, domain, metric), figure in printed.items()
        if section == "all" and figure.is_comparable
    }
    keys = zip(*(means[name] for name in SUMMARY_COLUMNS[:4]), strict=True)
    means = means.assign(published=[published.get(key, math.nan) for key in keys])
    names = ["machine_type", "section", "domain", "n_normal", "n_anomalous"]
    measured = {
        str(part): frozenset(rows[names].itertuples(index=False, name=None))
        for part, rows in metrics.groupby("part")
    }
    return FinishedRun(folder, *title, marks, means, measured, printed, *how)


def _of_machine_types(metrics: pd.DataFrame, rules: RuleSet) -> pd.DataFrame:
    """The official score of each machine type: the mean over all its AUCs and pAUCs."""
    rows = []
    for keys, group in metrics.groupby(["part", "machine_type", "seed"]):
        counted = [
            group.loc[group["domain"].isin(rules.averaged_rows(metric, "all")), metric]
            for metric in ("auc", "pauc")
        ]
        value = rules.average(pd.concat(counted))
        rows.append((*keys, value, group["section"].nunique()))
    by_seed = pd.DataFrame(rows, columns=["part", "machine_type", "seed", "value", "n_sections"])
    summary = by_seed.groupby(["part", "machine_type"], as_index=False).agg(
        value=("value", "mean"),
        standard_deviation=("value", lambda values: values.std(ddof=rules.trial_ddof)),
        n_seeds=("seed", "nunique"),
        n_sections=("n_sections", "min"),
    )
    return summary.assign(domain="all", metric="official_score")[list(SUMMARY_COLUMNS)]


def read_comparison(run: Path) -> pd.DataFrame | None:
    """`compare.csv` of a run; None if there is none."""
    path = run / "compare.csv"
    return read_results(path) if path.is_file() else None


def printed_figures(
    folder: Path, system: str, dataset: str, metadata: TrialMetadata
) -> dict[Place, Printed]:
    """The figures that the system's own paper prints of a run's variant, means and sections.

    `compare.csv` may also hold the last comparison with another paper or another row; those
    figures are left out. Of a place with several figures one that is comparable counts.
    """
    comparison = read_comparison(folder) if system in published.names() else None
    if comparison is None:
        return {}
    answer = metadata.main_score
    own = published.load(system)
    own = own[own["system_row"].isin(metadata.published_rows.get(answer, "").split("+"))]
    known = set(own[[*PLACE, "percent"]].itertuples(index=False, name=None))
    rules = rules_for(dataset)
    is_alike = read_alike(convention_of(system, dataset), rules)
    found: dict[Place, Printed] = {}
    for _, row in comparison[comparison["score"] == answer].iterrows():
        place = tuple(row[name] for name in PLACE)
        if (*place, row["published"]) in known:
            is_of_kind = is_alike and row["average"] in ("", rules.mean)
            is_comparable = is_of_kind and row["verdict"] in MEASURED
            if place not in found or (is_comparable and not found[place].is_comparable):
                texts = (row["verdict"], row["note"])
                found[place] = Printed(row["published"], row["tolerance"], *texts, is_comparable)
    return found


def shade(difference: float, tolerance: float) -> str | None:
    """The class of a cell by how far ours is from the paper, in percentage points.

    `up1` or `down1` is within the tolerance, `up2` or `down2` within twice as much, `up3` or
    `down3` beyond; None if there is no difference to two digits, or none is known.
    """
    if math.isnan(difference) or round(difference, 2) == 0.0:
        return None
    size = abs(difference) / tolerance if tolerance else math.inf
    return f"{'up' if difference > 0 else 'down'}{1 if size <= 1 else 2 if size <= 2 else 3}"
