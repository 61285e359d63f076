"""Means over several datasets that a paper prints, beside ours, from runs of one variant."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from rich.console import Console

from asdkeras.metrics.official import official_name
from asdkeras.report.comparison import COLUMNS, DEFAULT_TOLERANCE, recomputed_means, verdict_of
from asdkeras.report.terminal import new_grid, print_counts, print_line

_ALL = "all"  # Dataset and part of a mean over datasets.
_PLACE = ["machine_type", "section", "domain", "metric"]
_TITLES = {"auc": "AUC", "pauc": "pAUC", "official_score": "official score"}


def sets_of(published: pd.DataFrame, row: str) -> list[str]:
    """The sets that a paper's means over datasets are of, such as `dcase2022 dev`; or none."""
    rows = published[published["system_row"].isin(row.split("+"))]
    if not (rows["dataset"] == _ALL).any():
        return []
    of_sets = rows[rows["dataset"] != _ALL]
    return list(dict.fromkeys(of_sets["dataset"] + " " + of_sets["part"]))


def compare_means(
    comparisons: pd.DataFrame,
    published: pd.DataFrame,
    contradictions: pd.DataFrame,
    *,
    row: str,
    tolerance: float = DEFAULT_TOLERANCE,
) -> pd.DataFrame:
    """Set the means over datasets that a paper prints of one row beside ours.

    Args:
        comparisons: of `asdkeras.report.comparison.compare` for the same row, of each run,
            with its `dataset`.
        published: of `asdkeras.published.papers.load`.
        contradictions: of `asdkeras.published.papers.contradictions`, of the same paper.
        row: `system_row` of the paper; several are joined by `+`.
        tolerance: in percentage points.

    Returns:
        as `compare`, one row per printed mean, and a column for each of `sets_of` with ours
        of that set. `ours` is their arithmetic mean, NaN and `not measured` if one is missing;
        `not comparable` if one of them is.
    """
    sets = sets_of(published, row)
    of_row = published["system_row"].isin(row.split("+"))
    means = published[of_row & (published["dataset"] == _ALL)].reset_index(drop=True)
    year = comparisons["dataset"].map(official_name)
    of_sets = comparisons.assign(set=year + " " + comparisons["part"])
    keyed = of_sets.drop_duplicates(["set", *_PLACE]).set_index(["set", *_PLACE])
    parts = [[(name, *place) for name in sets] for place in means[_PLACE].itertuples(index=False)]
    ours = [keyed.reindex(pd.MultiIndex.from_tuples(keys)) for keys in parts]
    for position, name in enumerate(sets):
        means[name] = [each["ours"].iloc[position] for each in ours]
    means["published"] = means["percent"]
    means["ours"] = means[sets].mean(axis=1, skipna=False)
    means["difference"] = means["ours"] - means["published"]
    means["tolerance"] = means["percent_sd"].fillna(tolerance)
    means["recomputed"] = recomputed_means(means, contradictions)
    verdicts = [_verdict(m, each) for (_, m), each in zip(means.iterrows(), ours, strict=True)]
    means["verdict"] = [verdict for verdict, _ in verdicts]
    means["note"] = [own or note for (_, own), note in zip(verdicts, means["note"], strict=True)]
    return means[[*COLUMNS[:-2], *sets, *COLUMNS[-2:]]]


def print_means(means: pd.DataFrame, sets: Sequence[str], title: str, console: Console) -> None:
    """Print the figures of each set, their means, the paper's, and how many meet."""
    grid = new_grid([""], figures=map(_heading, means["domain"], means["metric"]))
    lines = {**{name: means[name] for name in sets}, "mean": means["ours"]}
    lines |= {name: means[name] for name in ("published", "difference", "tolerance")}
    for name, figures in lines.items():
        sign = "+" if name == "difference" else ""
        grid.add_row(name, *("" if np.isnan(f) else f"{f:{sign}.2f}" for f in figures))
    print_counts(means, title=title, console=console)
    if missing := [name for name in sets if means[name].isna().any()]:
        text = f"no mean without the sets that no run named here has: {', '.join(missing)}"
        print_line(console, text, "yellow")
    console.print(grid)


def _heading(domain: str, metric: str) -> str:
    return f"{domain}\n{_TITLES.get(metric, metric)}"


def _verdict(mean: pd.Series, parts: pd.DataFrame) -> tuple[str, str]:
    if np.isnan(mean["ours"]):
        return "not measured", ""
    others = parts[parts["verdict"] == "not comparable"]
    if len(others):
        return "not comparable", "; ".join(dict.fromkeys(others["note"]))
    return verdict_of(mean)
