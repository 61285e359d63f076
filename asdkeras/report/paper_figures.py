"""What the system's own paper prints beside our figures, and how far they are apart."""

import math
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from asdkeras.config import read_recipe
from asdkeras.metrics.official import RuleSet
from asdkeras.published import tables as published
from asdkeras.report.comparison import convention_of, read_alike
from asdkeras.report.finished_runs import FinishedRun
from asdkeras.score_files import read_story

Place = tuple[str, str, str, str, str]
"""Part, machine type, section, domain and metric; `all` where it is a mean."""

_MEASURED = ("within", "outside", "contradicted")
_NUMBERS = ("published", "ours", "difference", "tolerance")


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
    """`compare.csv` of a run, names as text and figures as numbers; None if there is none."""
    path = run / "compare.csv"
    if not path.is_file():
        return None
    content = pd.read_csv(path, dtype="string", keep_default_na=False)
    figures = {name: [float(text or "nan") for text in content[name]] for name in _NUMBERS}
    return content.assign(**figures)


def printed_figures(run: FinishedRun) -> dict[Place, Printed]:
    """The figures that the system's own paper prints of this variant, means and sections.

    `compare.csv` may also hold the last comparison with another paper or another row; those
    figures are left out. Of a place with several figures one that is comparable counts.
    """
    comparison = read_comparison(run.folder)
    if comparison is None or run.system not in published.names():
        return {}
    seed = read_recipe(run.folder / "recipe.yaml")["seeds"][0]
    story = read_story(run.folder / "scores" / f"seed{seed}")
    answer = story["anomaly_score"]
    own = published.load(run.system)
    own = own[own["system_row"] == story["published_rows"].get(answer, "")]
    printed_places = {
        (*map(str, place[:5]), float(place[5]))
        for place in own[["part", "machine_type", "section", "domain", "metric", "percent"]]
        .dropna(subset="percent")
        .itertuples(index=False, name=None)
    }
    is_alike = read_alike(convention_of(run.system, run.dataset), run.rules)
    found: dict[Place, Printed] = {}
    for _, row in comparison[comparison["score"] == answer].iterrows():
        place = _place(row)
        if (*place, row["published"]) not in printed_places:
            continue
        each = _printed(row, run.rules, is_alike)
        if place not in found or (each.is_comparable and not found[place].is_comparable):
            found[place] = each
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


def _place(row: pd.Series) -> Place:
    names = ("part", "machine_type", "section", "domain", "metric")
    part, machine_type, section, domain, metric = (str(row[name]) for name in names)
    return part, machine_type, section, domain, metric


def _printed(row: pd.Series, rules: RuleSet, is_alike: bool) -> Printed:
    is_of_kind = row["average"] in ("", rules.mean)
    return Printed(
        float(row["published"]),
        float(row["tolerance"]),
        str(row["verdict"]),
        str(row["note"]),
        is_comparable=is_alike and is_of_kind and row["verdict"] in _MEASURED,
    )
