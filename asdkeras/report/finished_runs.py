"""Runs as they lie on disk: which are finished, what they are called, what their results say."""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from asdkeras.config import read_recipe
from asdkeras.errors import RecipeError
from asdkeras.evaluation import METRIC_COLUMNS, SUMMARY_COLUMNS
from asdkeras.metrics.official import RuleSet, rules_for
from asdkeras.published import tables as published
from asdkeras.report.comparison import COLUMNS, convention_of, printed_means
from asdkeras.score_files import read_oracle, read_story

_KEYS = ["part", "machine_type", "domain", "metric"]
_TEXTS = (
    *("dataset", "score", "part", "machine_type", "section", "domain", "metric", "average"),
    *("verdict", "note"),
)
_COUNTS = ("seed", "n_seeds", "n_sections", "n_normal", "n_anomalous")

Measured = frozenset[tuple[str, str, str, int, int]]


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """The results of one run.

    Attributes:
        folder: of the run, as it was named or found.
        system: its name; of an ensemble of several systems, their names joined by `+`.
        variant: of the system; of an ensemble that the user made, the name of its folder.
        dataset: such as `mini2021`.
        oracle: which choices were made by labels of test clips; empty if none.
        means: `SUMMARY_COLUMNS` as in `official.csv`, in [0, 1], and with harmonic rules the
            `official_score` of each machine type as well, the mean over its AUCs and pAUCs.
            The column `published` is what the system's own paper prints of the same mean,
            NaN where it prints none or one that must not be compared.
        measured: part -> (machine type, section, domain, number of normal clips, of
            anomalous clips) of all that was measured.
    """

    folder: Path
    system: str
    variant: str
    dataset: str
    oracle: tuple[str, ...]
    means: pd.DataFrame
    measured: dict[str, Measured]

    @property
    def title(self) -> str:
        """What tables call it."""
        return f"{self.variant} (oracle)" if self.oracle else self.variant

    @property
    def rules(self) -> RuleSet:
        """The rules of the dataset."""
        return rules_for(self.dataset)


def find_runs(places: Sequence[Path]) -> tuple[list[FinishedRun], dict[Path, str]]:
    """Read the runs in the folders named and below them, each once.

    Args:
        places: folders of runs, or folders below which runs lie.

    Returns:
        the finished runs in the order they were found, and the others with the reason why
        they have no results.

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
                finished[folder.resolve()] = _read_run(folder, recipe)
    if not finished:
        stories = "; ".join(f"{folder}: {reason}" for folder, reason in others.items())
        raise RecipeError(f"no run has results. {stories}.")
    return list(finished.values()), others


def _runs_at(place: Path) -> list[Path]:
    """The place itself if it is a run, else all runs below, sorted."""
    if not place.is_dir():
        raise RecipeError(
            f"{place}: no such folder. Name runs, or folders below which runs lie; "
            "`asdkeras eval` makes them."
        )
    folders = sorted(_walk(place))
    if not folders:
        raise RecipeError(f"{place}: no run lies here or below. `asdkeras eval` makes them.")
    return folders


def _walk(place: Path) -> Iterator[Path]:
    for folder, below, files in os.walk(place):
        if "recipe.yaml" in files:
            below.clear()  # A run may hold many files, but no runs.
            yield Path(folder)


def _missing(folder: Path, recipe: dict[str, Any]) -> str:
    """Why a run has no results; empty if it has."""
    if not {"system", "seeds"} <= set(recipe):
        return "its recipe.yaml is not that of a run"
    if (folder / "official.csv").is_file():
        return ""
    if (folder / "metrics.csv").is_file():
        return "its clips have no labels, so there are no metrics"
    return "has no results yet; `asdkeras eval` finishes it"


def _read_run(folder: Path, recipe: dict[str, Any]) -> FinishedRun:
    system = str(recipe["system"])
    scores = folder / "scores" / f"seed{recipe['seeds'][0]}"
    story = read_story(scores)
    dataset = str(_read_table(scores / "scores.csv", ("dataset",), nrows=1)["dataset"].iloc[0])
    rules = rules_for(dataset)
    metrics = _read_table(folder / "metrics.csv", METRIC_COLUMNS)
    parts = [
        rules.part_of(machine_type, section)
        for machine_type, section in zip(metrics["machine_type"], metrics["section"], strict=True)
    ]
    metrics = metrics.assign(part=parts)
    means = _read_table(folder / "official.csv", SUMMARY_COLUMNS)
    if rules.mean == "harmonic":
        means = pd.concat([means, _of_machine_types(metrics, rules)], ignore_index=True)
    printed = _printed(folder, system, dataset, story)
    where = folder.resolve()
    return FinishedRun(
        folder,
        system,
        where.name if "ensemble" in recipe else where.parent.name,
        dataset,
        read_oracle(path.parent for path in sorted(folder.glob("scores/seed*/DONE"))),
        means.merge(printed, on=_KEYS, how="left").astype({"published": "float64"}),
        {str(part): _measured(rows) for part, rows in metrics.groupby("part")},
    )


def _read_table(path: Path, columns: Sequence[str], **options: Any) -> pd.DataFrame:
    """Columns of a CSV file; a machine may be called NA, and numbers are exact."""
    texts = [name for name in columns if name in _TEXTS]
    numbers = [name for name in columns if name not in (*_TEXTS, *_COUNTS)]
    table: pd.DataFrame = pd.read_csv(
        path,
        usecols=list(columns),
        dtype=dict.fromkeys(texts, "string"),
        keep_default_na=False,
        na_values=[""],
        # Exact in every version of pandas, unlike its own reading of numbers.
        converters=dict.fromkeys(numbers, lambda text: float(text or "nan")),
        **options,
    )
    table[texts] = table[texts].fillna("").astype(object)
    return table[list(columns)]


def _measured(metrics: pd.DataFrame) -> Measured:
    names = ["machine_type", "section", "domain", "n_normal", "n_anomalous"]
    return frozenset(metrics[names].itertuples(index=False, name=None))


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
        mean=("value", "mean"),
        standard_deviation=("value", lambda values: values.std(ddof=rules.trial_ddof)),
        n_seeds=("seed", "nunique"),
        n_sections=("n_sections", "min"),
    )
    summary = summary.assign(domain="all", metric="official_score")
    return summary.rename(columns={"mean": "value"})[list(SUMMARY_COLUMNS)]


def _printed(folder: Path, system: str, dataset: str, story: dict[str, Any]) -> pd.DataFrame:
    """`_KEYS` and `published`, in [0, 1], of the run's `compare.csv`.

    That file may also hold the last comparison with another paper or another row. Only
    figures of the system's own row count, and only if our means are of the same kind.
    """
    answer = story["anomaly_score"]
    path = folder / "compare.csv"
    if not path.is_file() or system not in published.names():
        return pd.DataFrame(columns=[*_KEYS, "published"])
    comparison = _read_table(path, ("score", *COLUMNS))
    own = published.load(system)
    own = own[own["system_row"] == story["published_rows"].get(answer, "")]
    is_own = (comparison["score"] == answer) & comparison["published"].isin(own["percent"].dropna())
    means = printed_means(comparison[is_own], rules_for(dataset), convention_of(system, dataset))
    means = means[means["comparable"]]
    return means[_KEYS].assign(published=means["published"] / 100.0)
