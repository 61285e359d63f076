"""The report of runs: one HTML file that needs no network and no other file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from asdkeras.config import read_recipe
from asdkeras.errors import RecipeError
from asdkeras.files import write_text
from asdkeras.report.clip_section import ClipParts, clip_parts
from asdkeras.report.clip_sounds import PageSounds
from asdkeras.report.comparison_page import HOW_TO_READ as ON_BOARDS
from asdkeras.report.comparison_page import board_tables, roc_parts
from asdkeras.report.embedding_map import Method, Split, embedding_maps
from asdkeras.report.finished_runs import FinishedRun, find_runs
from asdkeras.report.map_panels import marks_in_use
from asdkeras.report.map_section import RunMaps, map_parts
from asdkeras.report.markup import Markup, element
from asdkeras.report.page_frame import Section, framed, section_of
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
from asdkeras.report.unlabelled_runs import read_unlabelled_run

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
        of_trial = _seed_of(run, seed)
        maps = embedding_maps(run.folder, seed=of_trial, array=array, split=split, method=method)
        shown.append(read_page_run(run, name, maps, of_trial))
    options = {"array": array, "seed": seed, "split": split}
    needed = out if len(runs) > 1 else None  # A page says the same wherever it lies.
    command = report_command(
        places, needed, {**options, "method": None if method == "tsne" else method}
    )
    notes = [
        element("p", f"{folder}: {reason}", class_="warn") for folder, reason in others.items()
    ]
    page = _single(shown[0], notes, command) if len(shown) == 1 else _several(shown, notes, command)
    out = runs[0].folder / "report.html" if out is None else out
    write_text(out, page)
    return out


def _seed_of(run: FinishedRun, seed: int | None) -> int:
    return int(read_recipe(run.folder / "recipe.yaml")["seeds"][0]) if seed is None else seed


def _names(runs: Sequence[FinishedRun]) -> list[str]:
    names = [f"{run.system} {run.title}, {run.dataset}" for run in runs]
    return [
        f"{name} ({run.folder})" if names.count(name) > 1 else name
        for name, run in zip(names, runs, strict=True)
    ]


def _single(each: PageRun, notes: Sequence[Markup], command: Sequence[str]) -> str:
    clips = clip_parts(each.run, each.maps, seed=each.seed)
    made = {
        "Results": result_parts(each),
        "ROC curves": curve_parts(each),
        "Scores": score_parts(each),
        "Decisions": decision_parts(each),
        "Training": training_parts(each.run, "h3"),
        "Embedding maps": map_parts([RunMaps(each.name, each.run.dataset, each.maps)]),
    }
    sections = _filled(made)
    sections += [section_of(section) for section in clips.sections]
    sections.append(Section("How this was made", provenance_parts(each.run)))
    opening = [*notes, *opening_parts(each)]
    return _page(each.name, opening, sections, command, clips)


def _several(shown: Sequence[PageRun], notes: Sequence[Markup], command: Sequence[str]) -> str:
    runs = [each.run for each in shown]
    named = [(each.run, each.name) for each in shown]
    side_by_side = [element("p", ON_BOARDS, class_="faint"), *board_tables(runs)]
    curves = roc_parts(named, {each.name: each.curves for each in shown})
    sections = [
        Section("Side by side", side_by_side),
        Section("ROC curves", [element("p", _ON_ROC, class_="faint"), *curves]),
    ]
    sounds = PageSounds(num_runs=len(shown))
    clips = [
        clip_parts(each.run, each.maps, seed=each.seed, page_sounds=sounds, level=4)
        for each in shown
    ]
    for each, heard in zip(shown, clips, strict=True):
        sections.append(Section(each.name, _of_several(each, heard)))
    maps = [RunMaps(each.name, each.run.dataset, each.maps) for each in shown]
    sections += _filled({"Embedding maps": map_parts(maps)})
    return _page(f"{len(shown)} runs side by side", notes, sections, command, clips[0])


def _of_several(each: PageRun, heard: ClipParts) -> list[Markup]:
    """One run on a page of several: what is long is folded."""
    made = {
        "Results": result_parts(each),
        "Decisions": decision_parts(each),
        "Training": training_parts(each.run, "h4"),
        "Clips": heard.sections,
        "How it was made": provenance_parts(each.run),
    }
    return [
        *opening_parts(each),
        *(_folded(title, parts) for title, parts in made.items() if parts),
    ]


def _folded(title: str, parts: Sequence[Markup]) -> Markup:
    heading = element("summary", element("h3", title))
    return element("details", heading, *parts, class_="part")


def _filled(made: Mapping[str, Sequence[Markup]]) -> list[Section]:
    return [Section(title, parts) for title, parts in made.items() if parts]


def _page(
    title: str,
    opening: Sequence[Markup],
    sections: Sequence[Section],
    command: Sequence[str],
    clips: ClipParts,
) -> str:
    closing = [element("p", "This page was made by"), command_parts(command)]
    return framed(
        title,
        [marks_in_use(), *opening],
        sections,
        closing,
        style=clips.style,
        script=clips.script,
    )
