"""What the system's own paper prints beside our figures, and how far they are apart."""

import math
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from asdkeras.metrics.official import rules_for
from asdkeras.published import papers as published
from asdkeras.report.comparison import MEASURED, PLACE, convention_of, read_alike
from asdkeras.report.scored_runs import read_results
from asdkeras.score_files import TrialMetadata

Place = tuple[str, ...]
"""Part, machine type, section, domain and metric; `all` where it is a mean."""


class Printed(NamedTuple):
    """A figure of the paper.

    Attributes:
        published: percent.
        tolerance: percentage points.
        verdict: of `asdkeras.report.comparison.compare`.
        note: why, if that is not obvious.
        is_comparable: whether it may stand beside ours.
    """

    published: float
    tolerance: float
    verdict: str
    note: str
    is_comparable: bool


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

    Args:
        folder: of the run.
        system: of the run.
        dataset: of the run.
        metadata: of its first trial.
    """
    comparison = read_comparison(folder) if system in published.names() else None
    if comparison is None:
        return {}
    answer = metadata.main_score
    own = published.load(system)
    own = own[own["system_row"] == metadata.published_rows.get(answer, "")]
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
    """The class of a cell by how far ours is from the paper: `up1` to `up3`, `down1` to `down3`.

    Args:
        difference: ours minus published, percentage points.
        tolerance: 1 stands for within, 2 for within twice as much, 3 for the rest.

    Returns:
        None if there is no difference to two digits, or none is known.
    """
    if math.isnan(difference) or round(difference, 2) == 0.0:
        return None
    size = abs(difference) / tolerance if tolerance else math.inf
    return f"{'up' if difference > 0 else 'down'}{1 if size <= 1 else 2 if size <= 2 else 3}"
