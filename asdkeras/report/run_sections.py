"""What a page says of one run, part by part."""

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from asdkeras.config import read_recipe
from asdkeras.report.boards import METRIC_NAMES, count_of, headline_metric
from asdkeras.report.comparison import DEFAULT_TOLERANCE
from asdkeras.report.decision_tables import HOW_TO_READ as ON_DECISIONS
from asdkeras.report.decision_tables import decision_table, flag_table
from asdkeras.report.embedding_map import EmbeddingMap
from asdkeras.report.finished_runs import FinishedRun
from asdkeras.report.markup import Markup, element
from asdkeras.report.page_tables import HOW_TO_READ as ON_TABLES
from asdkeras.report.page_tables import (
    named_score_tables,
    paper_table,
    percent,
    result_tables,
    section_tables,
)
from asdkeras.report.paper_figures import Printed, shade
from asdkeras.report.roc_panels import (
    SectionRoc,
    by_part,
    machine_panels,
    section_curves,
    section_panels,
)
from asdkeras.report.score_histograms import HOW_TO_READ as ON_HISTOGRAMS
from asdkeras.report.score_histograms import score_panel, section_scores
from asdkeras.report.scored_runs import SETS, ScoredRun, read_scored_run
from asdkeras.report.training_curves import curve_legend, curve_panels, read_curves

_ON_CURVES = (
    "The shaded part, false positive rates up to 0.1, is that of the pAUC. Figures are in percent."
)
_NO_LABELS = "The test clips have no labels: there are decisions, but no figures of their quality."
_ON_MEANS = (
    "Curves of a machine type are means over its sections, and so are their figures: arithmetic "
    "ones, whatever the rules of the dataset say of its tables."
)


@dataclasses.dataclass(frozen=True)
class PageRun:
    """A run and all that its page shows of it.

    Attributes:
        run: its results.
        name: system and variant, and where it lies if others share them.
        scores: of every clip and trial.
        curves: behind its metrics.
        maps: of one trial; none of an ensemble.
        seed: of the trial whose clips, scores and maps are drawn.
    """

    run: FinishedRun
    name: str
    scores: ScoredRun
    curves: Sequence[SectionRoc]
    maps: Sequence[EmbeddingMap]
    seed: int


def read_page_run(run: FinishedRun, name: str, maps: Sequence[EmbeddingMap], seed: int) -> PageRun:
    """Read what a page shows of a run."""
    scores = read_scored_run(run.folder, read_recipe(run.folder / "recipe.yaml")["seeds"])
    curves = section_curves(scores.of(scores.main_score), run.rules)
    return PageRun(run, name, scores, curves, maps, seed)


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


def headlines(run: FinishedRun) -> list[Headline]:
    """The one figure of each part of the dataset that a page begins with."""
    metric = headline_metric(run.rules)
    name = METRIC_NAMES[metric] if metric == "official_score" else f"mean {METRIC_NAMES[metric]}"
    means = run.means
    means = means[(means["machine_type"] == "all") & (means["domain"] == "all")]
    found = []
    for _, mean in means[means["metric"] == metric].iterrows():
        part = str(mean["part"])
        place = "" if run.rules.name == "plain" else f", {SETS[part]}"
        beside = count_of(int(mean["n_seeds"]), "trial")
        if not math.isnan(mean["standard_deviation"]):
            beside = f"± {100.0 * mean['standard_deviation']:.2f} over {beside}"
        paper = _paper(mean, run.printed.get((part, "all", "all", "all", metric)))
        found.append(Headline(f"{name}{place}", percent(mean["value"]), beside, *paper))
    return found


def _paper(mean: pd.Series, printed: Printed | None) -> tuple[str, str | None]:
    """What is said of the paper beside a headline, and its color."""
    if math.isnan(mean["published"]):
        if printed is None or printed.is_comparable:
            return "", None
        return f"published {printed.published:.2f}, {printed.verdict}: {printed.note}", None
    difference = 100.0 * (mean["value"] - mean["published"])
    tolerance = DEFAULT_TOLERANCE if printed is None else printed.tolerance
    side = "within" if abs(difference) <= tolerance else "outside"
    verdict = f"{side} the tolerance of {tolerance:.2f}"
    if printed is not None and printed.verdict == "contradicted":
        verdict = f"which contradicts its own table ({printed.note})"
    published = f"published {100.0 * mean['published']:.2f}"
    return f"{published}, ours {difference:+.2f}, {verdict}", shade(difference, tolerance)


def opening_parts(each: PageRun) -> list[Markup]:
    """The headline, and what must be known beside it."""
    figures = []
    for line in headlines(each.run):
        style = f"paper {line.shade or ''}".strip()
        paper = element("span", line.paper, class_=style) if line.paper else ""
        what, beside = element("span", line.what), element("span", line.beside)
        parts = (what, element("b", line.figure), beside, paper)
        figures.append(element("div", *parts, class_="headline"))
    lines = [] if each.run.measured else [_NO_LABELS]
    lines += [f"Oracle, labels of test clips had a say: {line}" for line in each.run.oracle]
    lines += [f"Note: {note}" for note in each.scores.notes]
    return [
        element("div", *figures, class_="headlines"),
        *(element("p", line, class_="warn") for line in lines),
    ]


def result_parts(each: PageRun) -> list[Markup]:
    """Means, sections, named scores, and the paper figure by figure."""
    paper = paper_table(each.run)
    has_paper = any(figure.is_comparable for figure in each.run.printed.values())
    return [
        *([element("p", ON_TABLES, class_="faint")] if has_paper else []),
        *result_tables(each.run),
        *section_tables(each.run),
        *named_score_tables(each.run, each.scores.named),
        *([] if paper is None else [paper]),
    ]


def curve_parts(each: PageRun) -> list[Markup]:
    """ROC curves of machine types; where they have several sections, those as well."""
    if not each.curves:
        return []
    texts = [_ON_CURVES]
    if len(each.scores.trials) > 1:
        texts.append("Sections have a line for each trial; figures are means.")
    by_section = element("div", *section_panels(each.curves), class_="panels roc")
    if len({roc.machine_type for roc in each.curves}) == len(each.curves):
        return [element("p", " ".join(texts), class_="faint"), by_section]
    parts = by_part(each.curves, each.run.rules)
    made = [element("p", " ".join([*texts, _ON_MEANS]), class_="faint")]
    for part, rocs in parts.items():
        if len(parts) > 1:
            made.append(element("h3", SETS[part].capitalize()))
        made.append(element("div", *machine_panels(rocs), class_="panels roc"))
    summary = element("summary", f"ROC curves of {len(each.curves)} sections")
    return [*made, element("details", summary, by_section)]


def score_parts(each: PageRun) -> list[Markup]:
    """Histograms of the scores of one trial, machine type by machine type."""
    scores = each.scores
    has_threshold = scores.decision_score == scores.main_score
    trial = scores.trial_of(each.seed)
    sections = section_scores(trial, scores.main_score, has_threshold=has_threshold)
    texts = [ON_HISTOGRAMS]
    if len(scores.trials) > 1:
        texts.append(f"Drawn is the trial of seed {each.seed}, one of {len(scores.trials)}.")
    if not has_threshold:
        texts.append(
            f"No threshold is drawn: decisions are made by another score, {scores.decision_score}."
        )
    panels = element("div", *map(score_panel, sections), class_="panels roomy")
    return [element("p", " ".join(texts), class_="faint"), panels]


def decision_parts(each: PageRun) -> list[Markup]:
    """Precision, recall and F1 with the counts behind them; of clips without labels, flags."""
    trials, dataset = each.scores.trials, each.run.dataset
    mark = ", oracle" if each.run.oracle else ""
    made = decision_table(trials, each.run.rules, f"{dataset}, decisions{mark}")
    flags = flag_table(trials, f"{dataset}, test clips without labels that were flagged{mark}")
    parts = [] if made is None else [element("p", ON_DECISIONS, class_="faint"), made]
    return parts if flags is None else [*parts, flags]


def training_parts(run: FinishedRun, tag: str) -> list[Markup]:
    """The curves of each phase of training; none of an ensemble.

    Args:
        run: a finished run.
        tag: of the headings, if there are several phases.
    """
    curves = read_curves(run.folder)
    phases = list(dict.fromkeys(curve.phase for curve in curves))
    parts = []
    for phase in phases:
        of_phase = [curve for curve in curves if curve.phase == phase]
        if phases != [""]:
            parts.append(element(tag, phase or "last phase"))
        parts.append(curve_legend(of_phase))
        parts.append(element("div", *curve_panels(of_phase), class_="panels roomy"))
    return parts
