"""HTML and SVG that cannot be broken by the names in it: every text is escaped, once."""

import html
import math
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import NamedTuple

NUM_COLORS = 7  # Of the style sheet: classes `c0` to `c6`.


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


class Cell(NamedTuple):
    """A cell of a table: text or markup, and its class in the style sheet."""

    text: str
    class_: str | None = None


class PageSection(NamedTuple):
    """A part of a page: its heading, which the table of contents lists, and what follows it."""

    title: str
    parts: Sequence[Markup]


class Axis(NamedTuple):
    """Values to places in a drawing; if there is but one value, it lies in the middle."""

    low: float
    high: float
    begin: float
    end: float
    is_log: bool = False

    def place(self, value: float) -> float:
        if self.low == self.high:
            share = 0.5
        elif self.is_log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return float(self.begin + share * (self.end - self.begin))


def asset(name: str) -> Markup:
    """The text of a style sheet or script of report pages, in `assets`."""
    return Markup(resources.files("asdkeras.report").joinpath("assets", name).read_text("utf-8"))


def element(tag: str, *children: str, **attributes: object) -> Markup:
    """One element; texts and attributes are escaped, unless they are `Markup`.

    An underscore at the end of an attribute's name is dropped (`class_`), others become
    hyphens, and None leaves the attribute out.
    """
    words = [tag]
    for name, value in attributes.items():
        if value is not None:
            name = name.rstrip("_").replace("_", "-")
            words.append(f'{name}="{html.escape(str(value))}"')
    opening = f"<{' '.join(words)}>"
    return Markup(opening if tag in ("meta", "br") else f"{opening}{joined(children)}</{tag}>")


def joined(parts: Iterable[str]) -> Markup:
    """Parts one behind the other; texts that are no `Markup` are escaped."""
    return Markup(
        "".join(part if isinstance(part, Markup) else html.escape(part) for part in parts)
    )


def table(
    headings: Sequence[str],
    rows: Iterable[Iterable[str | Cell]],
    *,
    num_names: int = 1,
    caption: str = "",
    footer: Iterable[Iterable[str | Cell]] = (),
    is_sortable: bool = True,
) -> Markup:
    """A table in a box of its own, which scrolls where the page is narrow.

    Args:
        rows: cells, texts or markup. The first one of a row is its heading.
        num_names: so many columns on the left are names, the others figures.
        footer: rows that stay below the others, however those are sorted.
        is_sortable: whether the script of the page makes buttons of the headings.
    """
    names = ["name"] * num_names + [None] * (len(headings) - num_names)
    columns = zip(headings, names, strict=True)
    below = [_row(row, num_names) for row in footer]
    return element(
        "div",
        element(
            "table",
            element("caption", caption) if caption else "",
            element(
                "thead",
                element("tr", *(element("th", t, scope="col", class_=name) for t, name in columns)),
            ),
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
    for number, cell in enumerate(cells):
        text, style = cell if isinstance(cell, Cell) else (cell, None)
        classes = " ".join(filter(None, ["name" if number < num_names else None, style])) or None
        tag, scope = ("td", None) if number else ("th", "row")
        made.append(element(tag, text, scope=scope, class_=classes))
    return element("tr", *made)


def figure(heading: str, *parts: Markup) -> Markup:
    """A drawing, and its legend if any, below a heading."""
    return element("figure", element("figcaption", heading), *parts, class_="panel")


def drawing(marks: Iterable[Markup], size: tuple[int, int], spoken: str, class_: str) -> Markup:
    """An SVG of this width and height, and what a screen reader says of it."""
    box = f"0 0 {size[0]} {size[1]}"
    return element("svg", *marks, viewBox=box, class_=class_, role="img", aria_label=spoken)


def legend(entries: Iterable[Iterable[Markup | str]]) -> Markup:
    """A list of keys and what they stand for."""
    return element("ul", *(element("li", *entry) for entry in entries), class_="legend")


def line_key(style: str) -> Markup:
    """A short line of a style, for a legend."""
    line = element("path", d="M0 6h20")
    return element("svg", line, viewBox="0 0 20 12", class_=f"line {style}", aria_hidden="true")


def framed(
    title: str,
    opening: Sequence[Markup],
    sections: Sequence[PageSection],
    closing: Sequence[Markup],
) -> str:
    """A whole page with its landmarks, table of contents, style sheets and scripts."""
    links, main = [], []
    for number, section in enumerate(sections, start=1):
        name = f"part-{number}"
        links.append(element("li", element("a", section.title, href=f"#{name}")))
        heading = element("h2", section.title, id=name)
        main.append(element("section", heading, *section.parts, aria_labelledby=name))
    body = element(
        "body",
        element("a", "Skip to the results", href="#main", class_="skip"),
        element("header", element("h1", title)),
        element("nav", element("ol", *links), aria_label="Contents"),
        element("main", *opening, *main, id="main", tabindex=-1),
        element("footer", *closing),
        element("script", asset("page.js")),
        element("script", asset("clips.js")),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{title} | asdkeras"),
        element("style", asset("page.css"), asset("clips.css")),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"
