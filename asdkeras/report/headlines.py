"""The one figure of a run that a page begins with, and what the paper prints of it."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from asdkeras.report.comparison import DEFAULT_TOLERANCE
from asdkeras.report.finished_runs import FinishedRun
from asdkeras.report.page_tables import SETS, count_of, percent
from asdkeras.report.paper_figures import Place, Printed, shade


class Headline(NamedTuple):
    """The one figure of a part of the dataset.

    Attributes:
        what: it is.
        figure: percent.
        beside: number of trials, and their spread.
        paper: what the paper prints, the difference and what it means; empty if it prints none.
        shade: how far both are apart, see `asdkeras.report.paper_figures.shade`.
    """

    what: str
    figure: str
    beside: str
    paper: str
    shade: str | None


def headlines(run: FinishedRun, printed: Mapping[Place, Printed]) -> list[Headline]:
    """The one figure of each part of the dataset.

    Args:
        run: a finished run.
        printed: of `asdkeras.report.paper_figures.printed_figures`.
    """
    metric = "official_score" if run.rules.mean == "harmonic" else "auc"
    means = run.means
    means = means[(means["machine_type"] == "all") & (means["domain"] == "all")]
    found = []
    for _, mean in means[means["metric"] == metric].iterrows():
        name = "official score" if metric == "official_score" else "mean AUC"
        place = "" if run.rules.name == "plain" else f", {SETS[str(mean['part'])]}"
        beside = count_of(int(mean["n_seeds"]), "trial")
        if not math.isnan(mean["standard_deviation"]):
            beside = f"± {100.0 * mean['standard_deviation']:.2f} over {beside}"
        paper = printed.get((str(mean["part"]), "all", "all", "all", metric))
        told, color = _told(mean, paper)
        found.append(Headline(f"{name}{place}", percent(mean["value"]), beside, told, color))
    return found


def _told(mean: pd.Series, paper: Printed | None) -> tuple[str, str | None]:
    """What stands beside a headline of the paper, and its color."""
    if math.isnan(mean["published"]):
        if paper is None or paper.is_comparable:
            return "", None
        return f"published {paper.published:.2f}, {paper.verdict}: {paper.note}", None
    difference = 100.0 * (mean["value"] - mean["published"])
    tolerance = DEFAULT_TOLERANCE if paper is None else paper.tolerance
    side = "within" if abs(difference) <= tolerance else "outside"
    if paper is not None and paper.verdict == "contradicted":
        verdict = f"which contradicts its own table ({paper.note})"
    else:
        verdict = f"{side} the tolerance of {tolerance:.2f}"
    published = f"published {100.0 * mean['published']:.2f}"
    return f"{published}, ours {difference:+.2f}, {verdict}", shade(difference, tolerance)
