"""The report of runs: one HTML file that needs no network and no other file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from asdkeras.config import read_recipe
from asdkeras.errors import RecipeError
from asdkeras.files import write_text
from asdkeras.report.clip_section import clip_parts
from asdkeras.report.clip_sounds import PageSounds
from asdkeras.report.comparison_page import HOW_TO_READ as ON_BOARDS
from asdkeras.report.comparison_page import board_tables, roc_parts
from asdkeras.report.embedding_map import Method, Split, embedding_maps
from asdkeras.report.finished_runs import FinishedRun, find_runs, read_unlabelled_run
from asdkeras.report.map_panels import map_parts, marks_in_use
from asdkeras.report.markup import Markup, PageSection, element, framed
from asdkeras.report.provenance import command_parts, provenance_parts, report_command
from asdkeras.report.run_sections import (
    PageRun,
    curve_parts,
    decision_parts,
    opening_parts,
    read_page_run,
    result_parts,
    score_parts,
    training_parts,
)

_ON_ROC = (
    "Each line is the mean over sections and domains of a run, as the AUC beside it is. The shaded "
    "part, false positive rates up to 0.1, is that of the pAUC."
)


def write_report(
    places: Sequence[Path],
    out: Path | None = None,
    *,
    array: str | None = None,
    seed: int | None = None,
    split: Split | None = None,
    method: Method = "tsne",
) -> Path:
    """Write the results of runs, how they were made, and what their clips look and sound like.

    Args:
        places: folders of runs, or folders below which runs lie. A run on clips without labels
            has a page of its own, if it is named alone.
        out: file to write; None is `report.html` of the run, if there is but one.
        array: whose map is drawn; None chooses for each run, see
            `asdkeras.report.clip_vectors.read_clip_vectors`.
        seed: of the trial whose map, scores and clips are shown; None takes the first.
        split: whose clips are drawn; None takes all.
        method: of the maps.

    Returns:
        the file.

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
        first = read_recipe(run.folder / "recipe.yaml")["seeds"][0]
        of_trial = int(first) if seed is None else seed
        maps = embedding_maps(run.folder, seed=of_trial, array=array, split=split, method=method)
        shown.append(read_page_run(run, name, maps, of_trial))
    options = {
        "out": out if len(runs) > 1 else None,  # A page says the same wherever it lies.
        **{"array": array, "seed": seed, "split": split},
        "method": None if method == "tsne" else method,
    }
    opening = [marks_in_use()]
    for folder, reason in others.items():
        opening.append(element("p", f"{folder}: {reason}", class_="warn"))
    if len(shown) == 1:
        title, sections = shown[0].name, _single(shown[0])
        opening += opening_parts(shown[0])
    else:
        title, sections = f"{len(shown)} runs side by side", _several(shown)
    closing = [
        element("p", "This page was made by"),
        command_parts(report_command(places, options)),
    ]
    out = runs[0].folder / "report.html" if out is None else out
    write_text(out, framed(title, opening, sections, closing))
    return out


def _names(runs: Sequence[FinishedRun]) -> list[str]:
    names = [f"{run.system} {run.title}, {run.dataset}" for run in runs]
    return [
        f"{name} ({run.folder})" if names.count(name) > 1 else name
        for name, run in zip(names, runs, strict=True)
    ]


def _single(each: PageRun) -> list[PageSection]:
    clips = clip_parts(each.run, each.maps, seed=each.seed)
    sections = _filled(
        {
            "Results": result_parts(each),
            "ROC curves": curve_parts(each),
            "Scores": score_parts(each),
            "Decisions": decision_parts(each),
            "Training": training_parts(each.run, "h3"),
            "Embedding maps": map_parts([(each.name, each.run.dataset, each.maps)]),
        }
    )
    last = clips.sections[-1]
    played = [*clips.sections[:-1], last._replace(parts=[*last.parts, clips.data])]
    return [*sections, *played, PageSection("How this was made", provenance_parts(each.run))]


def _several(shown: Sequence[PageRun]) -> list[PageSection]:
    runs = [each.run for each in shown]
    named = [(each.run, each.name) for each in shown]
    side_by_side = [element("p", ON_BOARDS, class_="faint"), *board_tables(runs)]
    curves = roc_parts(named, {each.name: each.curves for each in shown})
    sounds = PageSounds(num_runs=len(shown))
    maps = map_parts([(each.name, each.run.dataset, each.maps) for each in shown])
    return [
        PageSection("Side by side", side_by_side),
        PageSection("ROC curves", [element("p", _ON_ROC, class_="faint"), *curves]),
        *(PageSection(each.name, _of_several(each, sounds)) for each in shown),
        *_filled({"Embedding maps": maps}),
    ]


def _of_several(each: PageRun, sounds: PageSounds) -> list[Markup]:
    """One run on a page of several: what is long is folded."""
    clips = clip_parts(each.run, each.maps, seed=each.seed, page_sounds=sounds, level=4)
    played = (element("section", element("h4", title), *parts) for title, parts in clips.sections)
    sections = _filled(
        {
            "Results": result_parts(each),
            "Decisions": decision_parts(each),
            "Training": training_parts(each.run, "h4"),
            "Clips": [*played, clips.data],
            "How it was made": provenance_parts(each.run),
        }
    )
    folded = (
        element("details", element("summary", element("h3", title)), *parts, class_="part")
        for title, parts in sections
    )
    return [*opening_parts(each), *folded]


def _filled(made: Mapping[str, Sequence[Markup]]) -> list[PageSection]:
    return [PageSection(title, parts) for title, parts in made.items() if parts]
