"""The report of runs: one HTML file that needs no network and no other file."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from asdkeras.config import read_recipe
from asdkeras.errors import RecipeError
from asdkeras.evaluation import write_csv
from asdkeras.files import write_text
from asdkeras.report import false_alarms, page_tables, roc_panels, score_histograms, training_curves
from asdkeras.report.clip_section import clip_parts
from asdkeras.report.clip_sounds import MEGABYTES, PageSounds
from asdkeras.report.comparison import DEFAULT_TOLERANCE
from asdkeras.report.embedding_map import EmbeddingMap, Method, Split, embedding_maps
from asdkeras.report.finished_runs import (
    FinishedRun,
    Printed,
    find_runs,
    read_unlabelled_run,
    shade,
)
from asdkeras.report.map_panels import map_parts, marks_in_use, separation_frame
from asdkeras.report.markup import Markup, PageSection, element, framed
from asdkeras.report.provenance import command_parts, provenance_parts, report_command
from asdkeras.report.scored_runs import SETS, ScoredRun, read_scored_run
from asdkeras.report.side_by_side import (
    METRIC_NAMES,
    ON_BOARDS,
    board_tables,
    count_of,
    headline_metric,
)

_ON_ROC = (
    "Each line is the arithmetic mean over sections and domains of a run, as the AUC beside it is, "
    "whatever the mean of the tables. The shaded part, false positive rates up to 0.1, is that of "
    "the pAUC."
)
_ON_CURVES = (
    "The shaded part, false positive rates up to 0.1, is that of the pAUC. Figures are in percent."
)
_NO_LABELS = "The test clips have no labels: there are decisions, but no figures of their quality."
_ON_MEANS = (
    "Curves of a machine type are means over its sections, and so are their figures: arithmetic "
    "ones, whatever the rules of the dataset say of its tables."
)


class _PageRun(NamedTuple):
    """What the page shows of a run; clips, scores and maps are of one trial."""

    run: FinishedRun
    name: str  # System and variant, and where it lies if others share them.
    scores: ScoredRun
    alarms: false_alarms.FalseAlarms
    curves: Sequence[roc_panels.SectionRoc]
    maps: Sequence[EmbeddingMap]
    seed: int


def write_report(
    places: Sequence[Path],
    out: Path | None = None,
    *,
    array: str | None = None,
    seed: int | None = None,
    split: Split | None = None,
    method: Method = "tsne",
    sounds: int = MEGABYTES,
) -> Path:
    """Write the results of runs, how they were made, and what their clips look and sound like.

    How well their embeddings separate clips is written beside it, too: `<page>_separation.csv`.

    Args:
        places: folders of runs, or folders below which runs lie. A run on clips without labels
            has a page of its own, if it is named alone.
        out: file to write, which is returned; None is `report.html` of the run, if it is one.
        array: whose map is drawn; None chooses for each run, see
            `asdkeras.report.embedding_map.read_clip_vectors`.
        seed: of the trial whose map, scores and clips are shown; None takes the first.
        split: whose clips are drawn; None takes all.
        sounds: megabytes of them in the page at most; 0 leaves them out, for a page of recordings
            that may not be passed on.

    Raises:
        RecipeError: if there is no run with results, `out` is missing for several, or a run
            has no such array or trial.
        DataError: if a file of a run is damaged.
    """
    alone = read_unlabelled_run(places[0]) if len(places) == 1 else None
    runs, others = find_runs(places) if alone is None else ([alone], {})
    if out is None and len(runs) > 1:
        raise RecipeError(f"{len(runs)} runs make one page: say where with --out FILE.")
    if out is not None and out.suffix != ".html":
        raise RecipeError(f"--out: the file must end in .html. Received: {out}")
    shown = []
    for run, name in zip(runs, _names(runs), strict=True):
        recipe = read_recipe(run.folder / "recipe.yaml")
        seeds = recipe["seeds"]
        of_trial = int(seeds[0]) if seed is None else seed
        maps = embedding_maps(run.folder, seed=of_trial, array=array, split=split, method=method)
        scores = read_scored_run(run.folder, seeds)
        curves = roc_panels.section_curves(scores.of(scores.main_score), run.rules)
        alarms = false_alarms.of_run(scores, recipe)
        shown.append(_PageRun(run, name, scores, alarms, curves, maps, of_trial))
    options = {
        "out": out if len(runs) > 1 else None,  # A page says the same wherever it lies.
        **{"array": array, "seed": seed, "split": split},
        "method": None if method == "tsne" else method,
        "sounds": None if sounds == MEGABYTES else sounds,
    }
    opening = [marks_in_use()]
    for folder, reason in others.items():
        opening.append(element("p", f"{folder}: {reason}", class_="warn"))
    closing = [
        element("p", "This page was made by"),
        command_parts(report_command(places, options)),
    ]
    out = runs[0].folder / "report.html" if out is None else out
    page_sounds = PageSounds(len(shown), sounds * 1_000_000)
    write_text(out, _page(shown, page_sounds, opening, closing))
    numbers = separation_frame([(each.name, each.maps) for each in shown])
    if len(numbers):
        write_csv(out.with_name(f"{out.stem}_separation.csv"), numbers)
    return out


def _names(runs: Sequence[FinishedRun]) -> list[str]:
    names = [f"{run.system} {run.title}, {run.dataset}" for run in runs]
    return [
        f"{name} ({run.folder})" if names.count(name) > 1 else name
        for name, run in zip(names, runs, strict=True)
    ]


def _page(
    shown: Sequence[_PageRun],
    sounds: PageSounds,
    opening: list[Markup],
    closing: list[Markup],
) -> str:
    maps = map_parts([(each.name, each.run.dataset, each.maps) for each in shown])
    if len(shown) == 1:
        (each,) = shown
        sections = _single(each, sounds, maps)
        return framed(each.name, [*opening, *_opening_parts(each)], sections, closing)
    boards = board_tables([each.run for each in shown])
    curves = roc_panels.roc_parts([(each.name, each.run, each.curves) for each in shown])
    sections = [
        PageSection("Side by side", [element("p", ON_BOARDS, class_="faint"), *boards]),
        PageSection("ROC curves", [element("p", _ON_ROC, class_="faint"), *curves]),
        *(PageSection(each.name, _of_several(each, sounds)) for each in shown),
        *_filled({"Embedding maps": maps}),
    ]
    return framed(f"{len(shown)} runs side by side", opening, sections, closing)


def _single(each: _PageRun, sounds: PageSounds, maps: Sequence[Markup]) -> list[PageSection]:
    clips, data = clip_parts(each.run, each.maps, seed=each.seed, page_sounds=sounds)
    sections = {
        "Results": _result_parts(each),
        "ROC curves": _curve_parts(each),
        "Scores": _score_parts(each),
        "Decisions": _decision_parts(each),
        "Training": training_curves.training_parts(each.run.folder, "h3"),
        "Embedding maps": maps,
        **dict(clips),
    }
    sections[clips[-1].title] = [*clips[-1].parts, data]
    return _filled({**sections, "How this was made": provenance_parts(each.run)})


def _of_several(each: _PageRun, sounds: PageSounds) -> list[Markup]:
    """One run on a page of several: what is long is folded."""
    clips, data = clip_parts(each.run, each.maps, seed=each.seed, page_sounds=sounds, level=4)
    played = (element("section", element("h4", title), *parts) for title, parts in clips)
    sections = _filled(
        {
            "Results": _result_parts(each),
            "Decisions": _decision_parts(each),
            "Training": training_curves.training_parts(each.run.folder, "h4"),
            "Clips": [*played, data],
            "How it was made": provenance_parts(each.run),
        }
    )
    folded = (
        element("details", element("summary", element("h3", title)), *parts, class_="part")
        for title, parts in sections
    )
    return [*_opening_parts(each), *folded]


def _filled(made: Mapping[str, Sequence[Markup]]) -> list[PageSection]:
    return [PageSection(title, parts) for title, parts in made.items() if parts]


def headlines(run: FinishedRun) -> list[tuple[str, str, str, str, str | None]]:
    """The one figure of each part of the dataset that a page begins with.

    Returns:
        of each part: what the figure is; the figure in percent; number of trials and their
        spread, and the machine type if it is of one alone; what the paper prints, the difference
        and its meaning, empty if it prints none; the color of the difference, see
        `asdkeras.report.finished_runs.shade`.
    """
    metric = headline_metric(run.rules)
    name = METRIC_NAMES[metric] if metric == "official_score" else f"mean {METRIC_NAMES[metric]}"
    means = run.means
    means = means[(means["machine_type"] == "all") & (means["domain"] == "all")]
    found = []
    for _, mean in means[means["metric"] == metric].iterrows():
        part = str(mean["part"])
        place = "" if run.rules.name == "plain" else f", {SETS[part]}"
        beside = count_of(int(mean["n_seeds"]), "trial")
        machine_types = {*run.means.loc[run.means["part"] == part, "machine_type"]} - {"all"}
        if not math.isnan(mean["standard_deviation"]):
            beside = f"± {100.0 * mean['standard_deviation']:.2f} over {beside}"
        if len(machine_types) == 1:
            beside += f", {machine_types.pop()} alone"
        paper = _paper(mean, run.printed.get((part, "all", "all", "all", metric)))
        found.append((f"{name}{place}", page_tables.percent(mean["value"]), beside, *paper))
    return found


def _paper(mean: pd.Series, printed: Printed | None) -> tuple[str, str | None]:
    """The text about the paper beside a headline, and its color."""
    if math.isnan(mean["published"]):
        if printed is None or printed.is_comparable:
            return "", None
        return f"published {printed.published:.2f}, {printed.verdict}: {printed.note}", None
    difference = 100.0 * (mean["value"] - mean["published"])
    tolerance = DEFAULT_TOLERANCE if printed is None else printed.tolerance
    side = "within" if abs(difference) <= tolerance else "outside"
    verdict = f"{side} the tolerance of {tolerance:.2f}"
    if printed is not None and printed.verdict == "contradicted":
        verdict = "which contradicts its own table"
    if printed is not None and printed.note:
        verdict += f" ({printed.note})"
    published = f"published {100.0 * mean['published']:.2f}"
    return f"{published}, ours {difference:+.2f}, {verdict}", shade(difference, tolerance)


def _opening_parts(each: _PageRun) -> list[Markup]:
    """The headlines, and warnings."""
    figures = []
    for what, figure, beside, paper, color in headlines(each.run):
        style = f"paper {color or ''}".strip()
        parts = [element("span", what), element("b", figure), element("span", beside)]
        parts += [element("span", paper, class_=style)] if paper else []
        figures.append(element("div", *parts, class_="headline"))
    lines = [] if each.run.measured else [_NO_LABELS]
    marks = each.run.marks
    lines += [f"Oracle, labels of test clips had a say: {line}" for line in marks.oracle]
    lines += [f"Transductive, other test clips had a say: {line}" for line in marks.transductive]
    lines += [f"Warning: {line}" for line in each.alarms.warnings]
    advice = [each.alarms.advice] if each.alarms.advice else []
    lines += [f"Note: {note}" for note in (*advice, *each.scores.notes, *each.scores.doubts())]
    return [
        element("div", *figures, class_="headlines"),
        *(element("p", line, class_="warn") for line in lines),
    ]


def _result_parts(each: _PageRun) -> list[Markup]:
    paper = page_tables.paper_table(each.run)
    has_paper = any(figure.is_comparable for figure in each.run.printed.values())
    return [
        *([element("p", page_tables.ON_TABLES, class_="faint")] if has_paper else []),
        *page_tables.result_tables(each.run),
        *page_tables.section_tables(each.run),
        *page_tables.named_score_tables(each.run, each.scores.named),
        *([] if paper is None else [paper]),
    ]


def _curve_parts(each: _PageRun) -> list[Markup]:
    """ROC curves of machine types; where they have several sections, those as well."""
    if not each.curves:
        return []
    texts = [_ON_CURVES]
    if len(each.scores.trials) > 1:
        texts.append("Sections have a line for each trial; figures are means.")
    by_section = element("div", *roc_panels.section_panels(each.curves), class_="panels roc")
    if len({roc.machine_type for roc in each.curves}) == len(each.curves):
        return [element("p", " ".join(texts), class_="faint"), by_section]
    parts = roc_panels.by_part(each.curves, each.run.rules)
    made = [element("p", " ".join([*texts, _ON_MEANS]), class_="faint")]
    for part, rocs in parts.items():
        if len(parts) > 1:
            made.append(element("h3", SETS[part].capitalize()))
        made.append(element("div", *roc_panels.machine_panels(rocs), class_="panels roc"))
    summary = element("summary", f"ROC curves of {len(each.curves)} sections")
    return [*made, element("details", summary, by_section)]


def _score_parts(each: _PageRun) -> list[Markup]:
    """Histograms of the scores of one trial, machine type by machine type."""
    scores = each.scores
    has_threshold = scores.decision_score == scores.main_score
    texts = [score_histograms.HOW_TO_READ]
    if len(scores.trials) > 1:
        texts.append(f"Drawn is the trial of seed {each.seed}, one of {len(scores.trials)}.")
    if not has_threshold:
        texts.append(
            f"No threshold is drawn: decisions are made by another score, {scores.decision_score}."
        )
    trial = scores.trial_of(each.seed)
    key = score_histograms.score_legend(trial, has_threshold=has_threshold)
    panels = score_histograms.score_panels(trial, scores.main_score, has_threshold=has_threshold)
    boxed = element("div", *panels, class_="panels roomy")
    return [element("p", " ".join(texts), class_="faint"), key, boxed]


def _decision_parts(each: _PageRun) -> list[Markup]:
    """False alarms; precision, recall and F1 with their counts; of clips without labels, flags."""
    trials, dataset = each.scores.trials, each.run.dataset
    mark = each.run.marks.behind
    made = page_tables.decision_table(trials, each.run.rules, f"{dataset}, decisions{mark}")
    caption = f"{dataset}, test clips without labels that were flagged{mark}"
    flags = page_tables.flag_table(trials, caption)
    parts = [*false_alarms.page_parts(each.alarms, f"{dataset}{mark}")]
    parts += [element("p", page_tables.ON_DECISIONS, class_="faint"), made] if made else []
    return [*parts, flags] if flags else parts
