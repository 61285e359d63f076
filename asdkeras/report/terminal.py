"""Lines and tables on standard output."""

from collections.abc import Iterable
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_line(console: Console, text: str, style: str = "") -> None:
    """Print a line as it is, however wide the terminal."""
    console.print(Text(text, style=style), soft_wrap=True)


def new_grid(
    wide: Iterable[str] = (),
    names: Iterable[str | Text] = (),
    figures: Iterable[str] = (),
    vertical: Literal["top", "bottom"] = "top",
) -> Table:
    """A table without rows: columns that may be broken, names, and figures on the right."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in wide:
        grid.add_column(heading, vertical=vertical, overflow="fold")
    for name in names:
        grid.add_column(name, vertical=vertical, no_wrap=True)
    for figure in figures:
        grid.add_column(Text(figure), vertical=vertical, justify="right", no_wrap=True)
    return grid


def plus_minus(console: Console) -> str:
    """A sign that the terminal knows."""
    return "±" if console.encoding.startswith("utf") else "+-"
