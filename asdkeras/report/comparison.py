"""The paper beside ours, figure by figure, with a tolerance and a verdict.

Ours is measured under the paper's own convention, which need not be that of its year, on
the score files of a run.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from asdkeras.evaluation import METRICS, evaluate, summarize, with_parts, write_csv
from asdkeras.files import write_text
from asdkeras.metrics.official import RULES, RuleSet, official_name, rules_for
from asdkeras.published import papers as published_tables
from asdkeras.score_files import NO_MARKS, Marks

DEFAULT_TOLERANCE = 3.0
"""Percentage points where the paper prints no spread: autoencoders and classifiers of ASD differ
by up to 2.9 points (standard deviation) between four seeds of one recipe."""

COLUMNS = (
    *("part", "machine_type", "section", "domain", "metric", "average"),
    *("published", "ours", "difference", "tolerance", "n_sections", "verdict", "note"),
)
PLACE = ("part", "machine_type", "section", "domain", "metric")
_COUNTED = ("within", "outside")
MEASURED = (*_COUNTED, "contradicted")  # Verdicts on figures that may stand beside ours.


class Scored(NamedTuple):
    """The test clips of one trial, with labels where they are known."""

    table: pd.DataFrame
    anomaly_scores: pd.Series
    decisions: pd.Series | None  # 0 or 1; None if these scores decide nothing.


def convention_of(system: str, dataset: str) -> RuleSet:
    """The rules a paper prints its figures by; those of the year if it has none of its own."""
    return published_tables.convention(system) or rules_for(dataset)


def read_alike(rules: RuleSet, others: RuleSet) -> bool:
    """Whether the same clips meet in a curve under two sets of rules."""
    return (rules.rows, rules.anomalies) == (others.rows, others.anomalies)


def compare(
    trials: Mapping[int, Scored],
    published: pd.DataFrame,
    contradictions: pd.DataFrame,
    rules: RuleSet,
    *,
    row: str,
    tolerance: float = DEFAULT_TOLERANCE,
) -> pd.DataFrame:
    """Set every figure that a paper prints of one row beside ours.

    Args:
        trials: of one run, by seed; one dataset.
        published: of `asdkeras.published.papers.load`.
        contradictions: of `asdkeras.published.papers.contradictions`, of the same paper.
        rules: the paper's convention.
        row: `system_row` of the paper for the same variant; several, where it does not say
            which of them a table is of, are joined by `+`.
        tolerance: in percentage points, where the paper prints no standard deviation.

    Returns:
        `COLUMNS`, one row per printed figure of this year's dataset, in the order of print.
        Figures, `difference` (ours minus published) and `tolerance` (the printed standard
        deviation, else the one given) are in percent. `verdict` is

        - `within` or `outside` the tolerance;
        - `contradicted`: the paper's own table gives another figure, by more than the
          tolerance, so it is no measure of ours; if by less, `note` says so;
        - `not comparable`: ours is of other data (a generated corpus, another number of
          sections), or the paper averages in another way;
        - `not measured`: there is none of ours; `not readable`: the figure is lost.
    """
    dataset = str(next(iter(trials.values())).table["dataset"].iloc[0])
    of_year = published["dataset"] == official_name(dataset)
    rows = row.split("+")
    printed = published[of_year & published["system_row"].isin(rows)]
    if printed.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    both = printed.merge(_ours(trials, rules), on=list(PLACE), how="left", suffixes=("", "_ours"))
    both["published"] = both["percent"]
    both["ours"] = 100.0 * both["value"]
    both["difference"] = both["ours"] - both["published"]
    both["tolerance"] = both["percent_sd"].fillna(tolerance)
    both["recomputed"] = recomputed_means(both, contradictions)
    verdicts = [_verdict(figure, rules, dataset) for _, figure in both.iterrows()]
    both["verdict"] = [verdict for verdict, _ in verdicts]
    both["note"] = [own or note for (_, own), note in zip(verdicts, both["note"], strict=True)]
    return both[list(COLUMNS)]


def is_met(comparison: pd.DataFrame) -> bool | None:
    """Whether no figure is outside its tolerance; None if nothing could be compared."""
    counted = comparison["verdict"].isin(_COUNTED)
    return bool((comparison["verdict"] != "outside").all()) if counted.any() else None


def printed_means(comparison: pd.DataFrame, rules: RuleSet, convention: RuleSet) -> pd.DataFrame:
    """The printed means that may stand in the table of a run, each once, with `comparable` (bool).

    None is comparable if other clips meet under the paper's convention. A figure that is lost in
    one table is taken from another.
    """
    is_mean = (comparison["section"] == "all") & (comparison["average"] == rules.mean)
    means = comparison[is_mean & comparison["published"].notna()]
    means = means.drop_duplicates(["part", "machine_type", "domain", "metric"])
    is_alike = read_alike(convention, rules)
    return means.assign(comparable=is_alike & (means["verdict"] != "not comparable"))


def marked(frame: pd.DataFrame, marks: Marks) -> pd.DataFrame:
    """A table for a file; a last column for each mark says what test clips had a say in, if any."""
    return frame.assign(**{name: "; ".join(getattr(marks, name)) for name in marks.names})


def write_comparison(
    folder: Path, comparison: pd.DataFrame, title: str, marks: Marks = NO_MARKS
) -> None:
    """Write `compare.csv` and `compare.md`, with what test clips had a say in."""
    write_csv(folder / "compare.csv", marked(comparison, marks))
    lines = "".join(f"{line}\n\n" for line in marks.lines)
    write_text(folder / "compare.md", f"# {title}\n\n{lines}{as_markdown(comparison)}")


def as_markdown(comparison: pd.DataFrame) -> str:
    """A comparison as a table in Markdown, figures with two digits; variant and score first."""
    names = ("variant", "score", "part", "machine_type", "section", "domain")
    headings = {"part": "set", "machine_type": "machine type"}
    places = {name: headings.get(name, name) for name in names if name in comparison}
    figures = ("metric", "published", "ours", "difference", "tolerance", "verdict")
    rows = [[*places.values(), *figures]]
    for _, figure in comparison.iterrows():
        average, note = figure["average"], figure["note"]
        numbers = (("published", ""), ("ours", ""), ("difference", "+"), ("tolerance", ""))
        rows.append(
            [
                *(str(figure[name]) for name in places),
                f"{figure['metric']} ({average})" if average else figure["metric"],
                *("" if np.isnan(figure[n]) else f"{figure[n]:{sign}.2f}" for n, sign in numbers),
                f"{figure['verdict']}: {note}" if note else figure["verdict"],
            ]
        )
    lines = ["| " + " | ".join(row) + " |\n" for row in rows]
    return "".join([lines[0], "|" + "---|" * len(rows[0]) + "\n", *lines[1:]])


def _ours(trials: Mapping[int, Scored], rules: RuleSet) -> pd.DataFrame:
    """Means and single sections, `PLACE`, `value` and `n_sections`."""
    columns = [*PLACE, "value", "n_sections"]
    parts = [
        evaluate(trial.table, trial.anomaly_scores, trial.decisions, rules, seed).metrics
        for seed, trial in trials.items()
    ]
    metrics = pd.concat(parts, ignore_index=True)
    if metrics.empty:
        return pd.DataFrame(columns=columns)
    means = summarize(metrics, rules).assign(section="all")
    keys = ["seed", "machine_type", "section", "domain"]
    figures = metrics.melt(keys, list(METRICS), var_name="metric").dropna(subset="value")
    sections = figures.groupby(list(PLACE[1:]))["value"].mean().reset_index()
    sections = with_parts(sections, rules).assign(n_sections=1)
    return pd.concat([means, sections], ignore_index=True)[columns]


def recomputed_means(printed: pd.DataFrame, contradictions: pd.DataFrame) -> list[float]:
    """What figures would be by the paper's own parts, NaN where they are that."""
    recomputed = {_printed_at(each): each["recomputed"] for _, each in contradictions.iterrows()}
    return [recomputed.get(_printed_at(each), np.nan) for _, each in printed.iterrows()]


def _printed_at(figure: pd.Series) -> tuple[str, ...]:
    names = ("table", "dataset", "part", "machine_type", "domain")
    return tuple(str(figure[name]) for name in (*names, "system_row", "metric", "average"))


def _verdict(figure: pd.Series, rules: RuleSet, dataset: str) -> tuple[str, str]:
    if np.isnan(figure["published"]):
        return "not readable", ""
    if np.isnan(figure["ours"]):
        return "not measured", ""
    if figure["dataset"] != dataset:
        return "not comparable", f"ours is of {dataset}"
    printed_by = str(figure["rules"])
    if not read_alike(rules, published_tables.convention(printed_by) or RULES[printed_by]):
        return "not comparable", f"the paper has the rules {figure['rules']}, ours {rules.name}"
    if figure["average"] not in ("", rules.mean):
        return "not comparable", f"ours is the {rules.mean} mean"
    if figure["n_sections_ours"] != figure["n_sections"]:
        return "not comparable", f"ours is of {int(figure['n_sections_ours'])} sections"
    return verdict_of(figure)


def verdict_of(figure: pd.Series) -> tuple[str, str]:
    """The verdict on a figure that may stand beside ours, and a note on the paper's own parts."""
    is_within = abs(figure["difference"]) <= figure["tolerance"]
    verdict = "within" if is_within else "outside"
    if np.isnan(figure["recomputed"]):
        return verdict, ""
    is_far = abs(figure["recomputed"] - figure["published"]) > figure["tolerance"]
    note = f"its own table gives {figure['recomputed']:.2f}"
    return "contradicted" if is_far else verdict, note
