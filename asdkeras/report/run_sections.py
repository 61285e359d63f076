"""What a page says of one run, part by part."""

import dataclasses
from collections.abc import Sequence

from asdkeras.config import read_recipe
from asdkeras.report.decision_tables import HOW_TO_READ as ON_DECISIONS
from asdkeras.report.decision_tables import decision_table, flag_table
from asdkeras.report.embedding_map import EmbeddingMap
from asdkeras.report.finished_runs import FinishedRun
from asdkeras.report.headlines import headlines
from asdkeras.report.markup import Markup, element
from asdkeras.report.page_tables import HOW_TO_READ as ON_TABLES
from asdkeras.report.page_tables import (
    SETS,
    named_score_tables,
    paper_table,
    result_tables,
    section_tables,
)
from asdkeras.report.paper_figures import printed_figures
from asdkeras.report.roc_panels import (
    SectionRoc,
    by_part,
    machine_panels,
    section_curves,
    section_panels,
)
from asdkeras.report.score_histograms import HOW_TO_READ as ON_HISTOGRAMS
from asdkeras.report.score_histograms import score_panels, section_scores
from asdkeras.report.scored_runs import ScoredRun, read_scored_run
from asdkeras.report.training_curves import curve_panels, legend, read_curves

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
    curves = section_curves(scores.of(scores.answer), run.rules)
    return PageRun(run, name, scores, curves, maps, seed)


def opening_parts(each: PageRun) -> list[Markup]:
    """The headline, and what must be known beside it."""
    figures = (
        element(
            "div",
            element("span", line.what),
            element("b", line.figure),
            element("span", line.beside),
            element("span", line.paper, class_=f"paper {line.shade or ''}".strip())
            if line.paper
            else "",
            class_="headline",
        )
        for line in headlines(each.run, printed_figures(each.run))
    )
    lines = [] if each.run.measured else [_NO_LABELS]
    lines += [f"Oracle, labels of test clips had a say: {line}" for line in each.run.oracle]
    lines += [f"Note: {note}" for note in each.scores.notes]
    return [
        element("div", *figures, class_="headlines"),
        *(element("p", line, class_="warn") for line in lines),
    ]


def result_parts(each: PageRun) -> list[Markup]:
    """Means, sections, named scores, and the paper figure by figure."""
    printed = printed_figures(each.run)
    paper = paper_table(each.run)
    has_paper = any(figure.is_comparable for figure in printed.values())
    return [
        *([element("p", ON_TABLES, class_="faint")] if has_paper else []),
        *result_tables(each.run, printed),
        *section_tables(each.run, printed),
        *named_score_tables(each.run, each.scores.named),
        *([] if paper is None else [paper]),
    ]


def curve_parts(each: PageRun) -> list[Markup]:
    """ROC curves of machine types; where they have several sections, those as well."""
    if not each.curves:
        return []
    told = [_ON_CURVES]
    if len(each.scores.trials) > 1:
        told.append("Sections have a line for each trial; figures are means.")
    by_section = element("div", *section_panels(each.curves), class_="panels roc")
    if len({roc.machine_type for roc in each.curves}) == len(each.curves):
        return [element("p", " ".join(told), class_="faint"), by_section]
    parts = by_part(each.curves, each.run.rules)
    made = [element("p", " ".join([*told, _ON_MEANS]), class_="faint")]
    for part, rocs in parts.items():
        if len(parts) > 1:
            made.append(element("h3", SETS[part].capitalize()))
        made.append(element("div", *machine_panels(rocs), class_="panels roc"))
    summary = element("summary", f"ROC curves of {len(each.curves)} sections")
    return [*made, element("details", summary, by_section)]


def score_parts(each: PageRun) -> list[Markup]:
    """Histograms of the scores of one trial, machine type by machine type."""
    scores = each.scores
    trial = scores.trials.get(each.seed) or next(iter(scores.trials.values()))
    has_threshold = scores.decision_score == scores.answer
    sections = section_scores(trial, scores.answer, has_threshold=has_threshold)
    told = [ON_HISTOGRAMS]
    if len(scores.trials) > 1:
        told.append(f"Drawn is the trial of seed {each.seed}, one of {len(scores.trials)}.")
    if not has_threshold:
        told.append(
            f"No threshold is drawn: decisions are made by another score, {scores.decision_score}."
        )
    panels = element("div", *score_panels(sections), class_="panels roomy")
    return [element("p", " ".join(told), class_="faint"), panels]


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
        parts.append(legend(of_phase))
        parts.append(element("div", *curve_panels(of_phase), class_="panels roomy"))
    return parts
