"""HTML and SVG that cannot be broken by the names in it: every text is escaped, once."""

import html
from collections.abc import Iterable
from typing import NamedTuple

_EMPTY = {"meta", "br"}


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


class Cell(NamedTuple):
    """A cell of a table that does not look like the others.

    Attributes:
        text: or markup.
        class_: of the style sheet.
    """

    text: str
    class_: str | None = None


def element(tag: str, *children: str, **attributes: object) -> Markup:
    """One element.

    Args:
        tag: its name.
        children: what it holds; texts that are no `Markup` are escaped.
        attributes: escaped as well; an underscore at the end of a name is dropped (`class_`),
            others become hyphens, and None leaves the attribute out.
    """
    words = [tag]
    for name, value in attributes.items():
        if value is not None:
            name = name.rstrip("_").replace("_", "-")
            words.append(f'{name}="{html.escape(str(value))}"')
    opening = f"<{' '.join(words)}>"
    return Markup(opening if tag in _EMPTY else f"{opening}{joined(children)}</{tag}>")


def joined(parts: Iterable[str]) -> Markup:
    """Parts one behind the other; texts that are no `Markup` are escaped."""
    return Markup(
        "".join(part if isinstance(part, Markup) else html.escape(part) for part in parts)
    )


def table(
    headings: Iterable[str],
    rows: Iterable[Iterable[str | Cell]],
    *,
    num_names: int = 1,
    caption: str = "",
    footer: Iterable[Iterable[str | Cell]] = (),
    is_sortable: bool = True,
) -> Markup:
    """A table in a box of its own, which scrolls where the page is narrow.

    Args:
        headings: of the columns.
        rows: cells, texts or markup. The first one of a row is its heading.
        num_names: so many columns on the left are names, the others figures.
        caption: above the table; none if empty.
        footer: rows that stay below the others, however those are sorted.
        is_sortable: whether the script of the page makes buttons of the headings.
    """
    headings = [
        element("th", text, scope="col", class_="name" if number < num_names else None)
        for number, text in enumerate(headings)
    ]
    below = [_row(row, num_names) for row in footer]
    return element(
        "div",
        element(
            "table",
            element("caption", caption) if caption else "",
            element("thead", element("tr", *headings)),
            element("tbody", *(_row(row, num_names) for row in rows)),
            element("tfoot", *below) if below else "",
            class_="sortable" if is_sortable else None,
        ),
        class_="scroll",
        role="group",
        tabindex=0,  # So that the arrow keys can scroll it.
        aria_label=caption or "table",
    )


def _row(cells: Iterable[str | Cell], num_names: int) -> Markup:
    made = []
    for number, each in enumerate(cells):
        cell = each if isinstance(each, Cell) else Cell(each)
        names = ["name"] if number < num_names else []
        class_ = " ".join([*names, *([cell.class_] if cell.class_ else [])]) or None
        if number == 0:
            made.append(element("th", cell.text, scope="row", class_=class_))
        else:
            made.append(element("td", cell.text, class_=class_))
    return element("tr", *made)
