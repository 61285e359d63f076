"""Runs side by side: who is best on which clips, on standard output or in a file."""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from asdkeras.errors import RecipeError
from asdkeras.evaluation import SUMMARY_COLUMNS, write_csv
from asdkeras.files import write_text
from asdkeras.report.boards import METRIC_NAMES, Board, Key, Line, boards_of, heading
from asdkeras.report.finished_runs import find_runs
from asdkeras.report.terminal import new_grid, plus_minus, print_line

CSV_COLUMNS = ("system", "variant", "dataset", *SUMMARY_COLUMNS, "published", "run")

_FIGURE = 6  # Characters of a figure such as 100.00.
_GAP = 3  # Between two columns.
_EDGES = 2  # On the left and on the right of a table.


def show_side_by_side(
    places: Sequence[Path], out: Path | None = None, *, console: Console | None = None
) -> None:
    """Print the results of runs side by side, and write them into a file.

    Runs stand in one table if they were measured on the same clips: of one dataset, one part
    of it, and the same sections. The best one comes first, by official score, or by AUC where
    the rules have none. A second table has that figure for each machine type.

    Args:
        places: folders of runs, or folders below which runs lie.
        out: also write there: Markdown, or with the ending `.csv` all means of all machine
            types, `CSV_COLUMNS`, figures in [0, 1].
        console: default standard output.

    Raises:
        RecipeError: if there is nothing to show, or `out` has another ending.
    """
    if out is not None and out.suffix not in (".csv", ".md"):
        raise RecipeError(f"--out: the file must end in .csv or .md. Received: {out}")
    console = console or Console()
    runs, others = find_runs(places)
    boards = boards_of(runs)
    for board in boards:
        _print_board(board, console)
    for run in runs:
        for line in run.oracle:
            print_line(console, f"oracle: {run.system} {run.variant}: {line}", "yellow")
    for folder, reason in others.items():
        print_line(console, f"note: {folder}: {reason}", "yellow")
    if out is not None:
        if out.suffix == ".csv":
            write_csv(out, _as_frame(boards))
        else:
            write_text(out, "\n".join(_as_markdown(board) for board in boards))
        print_line(console, f"file: {out}")


def _print_board(board: Board, console: Console) -> None:
    sign = plus_minus(console)
    keys = board.overall_keys
    by_domain = itertools.groupby(keys, key=lambda key: (key[1], key[2] == "official_score"))
    columns = [list(column) for _, column in by_domain]
    console.print(Text(board.title, style="bold"))
    console.print(_grid(board.lines(keys, sign), columns, map(_heading, columns)))

    for chunk in _chunks(board, console.width):
        names = [machine_type for machine_type, _, _ in chunk]
        console.print(Text(board.machine_title, style="bold"))
        console.print(_grid(board.lines(chunk, sign), [[key] for key in chunk], names))


def _heading(column: Sequence[Key]) -> str:
    _, domain, metric = column[0]
    if metric == "official_score":
        return "official\nscore"
    return f"{domain}\n" + " ".join(METRIC_NAMES[key[2]].rjust(_FIGURE) for key in column)


def _chunks(board: Board, width: int) -> list[list[Key]]:
    """Machine types in as few tables as stand beside the names, those about equally wide.

    Names of runs may be broken between words, not within.
    """
    keys = board.machine_keys
    for_figures = width - _EDGES - max(len(w) for name in board.names for w in name.split(" "))
    fewest = len(_filled(keys, for_figures))
    narrower = (w for w in range(for_figures) if len(_filled(keys, w)) == fewest)
    return _filled(keys, next(narrower, for_figures))


def _filled(keys: Sequence[Key], width: int) -> list[list[Key]]:
    """As many machine types in each table as its width allows, but one at least."""
    chunks: list[list[Key]] = []
    left = 0
    for key in keys:
        needed = _GAP + max(_FIGURE, len(key[0]))
        if not chunks or needed > left:
            chunks.append([])
            left = width
        chunks[-1].append(key)
        left -= needed
    return chunks


def _grid(
    lines: Iterable[Line], columns: Sequence[Sequence[Key]], headings: Iterable[str]
) -> Table:
    """Lines as a table; the figures of one column of it stand side by side."""
    grid = new_grid(["run"], figures=headings, vertical="bottom")
    for line in lines:
        texts = [[line.figures.get(key, "").rjust(_FIGURE) for key in keys] for keys in columns]
        cells = [Text(" ".join(column)) for column in texts]
        grid.add_row(Text(line.name), *cells, style=line.style)
    return grid


def _as_markdown(board: Board) -> str:
    overall, keys = board.overall_keys, board.machine_keys
    names = [heading(domain, metric) for _, domain, metric in overall]
    text = f"## {board.title}\n\n{_markdown_table(board, overall, names)}"
    if keys:
        names = [machine_type for machine_type, _, _ in keys]
        text += f"\n{board.machine_title}\n\n{_markdown_table(board, keys, names)}"
    return text


def _markdown_table(board: Board, keys: Sequence[Key], names: Sequence[str]) -> str:
    rows = [["run", *names], ["---"] * (1 + len(names))]
    for line in board.lines(keys, "±"):
        mark = "**" if line.style == "bold" else ""
        cells = [line.name.strip(), *(line.figures.get(key, "") for key in keys)]
        rows.append([f"{mark}{cell}{mark}" if cell else "" for cell in cells])
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in rows
    )


def _as_frame(boards: Sequence[Board]) -> pd.DataFrame:
    parts = [
        run.means[run.means["part"] == board.part].assign(
            system=run.system, variant=run.title, dataset=run.dataset, run=str(run.folder)
        )
        for board in boards
        for run in board.runs
    ]
    return pd.concat(parts, ignore_index=True)[list(CSV_COLUMNS)]
