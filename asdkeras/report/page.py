"""The report of runs: one HTML file that needs no network, no script and no other file."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from asdkeras.config import read_recipe
from asdkeras.errors import RecipeError
from asdkeras.files import write_text
from asdkeras.report.embedding_map import EmbeddingMap, Method, Split, embedding_maps
from asdkeras.report.finished_runs import FinishedRun, find_runs
from asdkeras.report.map_panels import caption, colorings, marks_in_use, panel
from asdkeras.report.markup import Markup, element, joined
from asdkeras.report.page_style import STYLE
from asdkeras.report.page_tables import (
    board_tables,
    headline,
    named_score_tables,
    paper_table,
    result_tables,
)
from asdkeras.report.training_curves import curve_panels, legend, read_curves
from asdkeras.score_files import read_story, trial_folders

_HOW_TO_READ = (
    "Each point is a clip; it stands near clips that the model finds alike. Distances between "
    "groups, their sizes and the axes mean nothing. Filled marks are training clips, outlines "
    "are test clips. Point at a mark for the name of its clip."
)
_NO_MAPS = "No embedding maps: an ensemble has no embeddings of its own, the runs it is made of do."


class _Mapped(NamedTuple):
    """A run and what its page shows of its embeddings.

    Attributes:
        run: its results.
        name: system and variant, and where it lies if others share them.
        maps: of one trial; none of an ensemble.
    """

    run: FinishedRun
    name: str
    maps: list[EmbeddingMap]


def write_report(
    places: Sequence[Path],
    out: Path | None = None,
    *,
    array: str | None = None,
    seed: int | None = None,
    split: Split | None = None,
    method: Method = "tsne",
) -> Path:
    """Write the results of runs, what was logged when they were trained, and their embeddings.

    Args:
        places: folders of runs, or folders below which runs lie.
        out: file to write; None is `report.html` of the run, if there is but one.
        array: whose map is drawn; None chooses for each run, see
            `asdkeras.report.clip_vectors.read_clip_vectors`.
        seed: of the trial whose map is drawn; None takes the first.
        split: whose clips are drawn; None takes all.
        method: of the maps.

    Returns:
        the file.

    Raises:
        RecipeError: if there is no run with results, `out` is missing for several, or a run
            has no such array or trial.
        DataError: if a file of a run is damaged.
    """
    runs, others = find_runs(places)
    if out is None and len(runs) > 1:
        raise RecipeError(f"{len(runs)} runs make one page: say where with --out FILE.")
    if out is not None and out.suffix != ".html":
        raise RecipeError(f"--out: the file must end in .html. Received: {out}")
    mapped = [
        _Mapped(
            run,
            name,
            embedding_maps(
                run.folder, seed=_seed_of(run, seed), array=array, split=split, method=method
            ),
        )
        for run, name in zip(runs, _names(runs), strict=True)
    ]
    out = runs[0].folder / "report.html" if out is None else out
    notes = [f"{folder}: {reason}" for folder, reason in others.items()]
    write_text(out, _page(mapped, notes))
    return out


def _seed_of(run: FinishedRun, seed: int | None) -> int:
    return int(read_recipe(run.folder / "recipe.yaml")["seeds"][0]) if seed is None else seed


def _names(runs: Sequence[FinishedRun]) -> list[str]:
    names = [f"{run.system} {run.title}, {run.dataset}" for run in runs]
    return [
        f"{name} ({run.folder})" if names.count(name) > 1 else name
        for name, run in zip(names, runs, strict=True)
    ]


def _page(mapped: Sequence[_Mapped], notes: Sequence[str]) -> str:
    is_single = len(mapped) == 1
    title = mapped[0].name if is_single else f"{len(mapped)} runs side by side"
    body = [marks_in_use(), element("h1", title)]
    body += [element("p", note, class_="warn") for note in notes]
    if not is_single:
        body.append(board_tables([each.run for each in mapped]))
    for each in mapped:
        if not is_single:
            body.append(element("h2", each.name))
        body += _results(each)
        body += _training(each.run, "h2" if is_single else "h3")
    body += _maps(mapped)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{title} | asdkeras"),
        element("style", Markup(STYLE)),
    )
    return f"<!DOCTYPE html>\n{element('html', head, element('body', *body), lang='en')}\n"


def _results(each: _Mapped) -> list[Markup]:
    run = each.run
    stories = _stories(run)
    figures = (
        element(
            "div",
            *(element("span", what), element("b", figure), element("span", beside)),
            class_="headline",
        )
        for what, figure, beside in headline(run)
    )
    lines = [f"Oracle, labels of test clips had a say: {line}" for line in run.oracle]
    lines += [f"Note: {note}" for note in dict.fromkeys(n for s in stories for n in s["notes"])]
    comparison = paper_table(run)
    return [
        element("div", *figures, class_="headlines"),
        *(element("p", line, class_="warn") for line in lines),
        *result_tables(run),
        *named_score_tables(run, stories[0]["named_scores"]),
        *([] if comparison is None else [comparison]),
    ]


def _stories(run: FinishedRun) -> list[dict[str, list[str]]]:
    seeds = read_recipe(run.folder / "recipe.yaml")["seeds"]
    return [read_story(folder) for folder in trial_folders(run.folder, seeds).values()]


def _training(run: FinishedRun, tag: str) -> list[Markup]:
    curves = read_curves(run.folder)
    parts = []
    for phase in dict.fromkeys(curve.phase for curve in curves):
        of_phase = [curve for curve in curves if curve.phase == phase]
        panels = element("div", *curve_panels(of_phase), class_="panels roomy")
        parts += [element(tag, f"Training: {phase}" if phase else "Training")]
        parts += [legend(of_phase), panels]
    return parts


def _maps(mapped: Sequence[_Mapped]) -> list[Markup]:
    """Maps of the same clips stand side by side, so runs can be compared by eye."""
    groups: dict[tuple[str, str], list[tuple[str, EmbeddingMap]]] = {}
    for each in mapped:
        for one in each.maps:
            groups.setdefault((each.run.dataset, one.title), []).append((each.name, one))
    parts = [element("h2", "Embedding maps")]
    if groups:
        parts.append(element("p", _HOW_TO_READ, class_="faint"))
    for (dataset, title), members in groups.items():
        several_datasets = len({key[0] for key in groups}) > 1
        parts.append(element("h3", f"{title}, {dataset}" if several_datasets else title))
        parts += _side_by_side(members) if len(mapped) > 1 else _single(members[0][1])
    without = [each.name for each in mapped if not each.maps]
    for name in without:
        text = _NO_MAPS if len(mapped) == 1 else f"{name}: {_NO_MAPS}"
        parts.append(element("p", text, class_="faint"))
    return parts


def _single(one: EmbeddingMap) -> list[Markup]:
    panels = [panel(one, each, f"by {each.title}") for each in colorings(one.clips)]
    story = element("p", caption(one), class_="faint")
    return [story, element("div", *panels, class_="panels")]


def _side_by_side(members: Sequence[tuple[str, EmbeddingMap]]) -> list[Markup]:
    stories = [element("p", f"{name}: {caption(one)}", class_="faint") for name, one in members]
    rows: dict[str, list[Markup]] = {}
    for name, one in members:
        for each in colorings(one.clips):
            rows.setdefault(each.title, []).append(panel(one, each, name))
    return [
        *stories,
        *(
            joined([element("h4", f"by {title}"), element("div", *panels, class_="panels wide")])
            for title, panels in rows.items()
        ),
    ]
