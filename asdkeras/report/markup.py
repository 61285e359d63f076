"""HTML and SVG that cannot be broken by the names in it: every text is escaped, once."""

import html
from collections.abc import Iterable

_EMPTY = {"meta", "br"}


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


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
    headings: Iterable[str], rows: Iterable[Iterable[str]], *, num_names: int = 1, caption: str = ""
) -> Markup:
    """A table in a box of its own, which scrolls where the page is narrow.

    Args:
        headings: of the columns.
        rows: cells, texts or markup.
        num_names: so many columns on the left are names, the others figures.
        caption: above the table; none if empty.
    """

    def cells(tag: str, texts: Iterable[str]) -> Markup:
        return element(
            "tr",
            *(
                element(tag, text, class_="name" if number < num_names else None)
                for number, text in enumerate(texts)
            ),
        )

    return element(
        "div",
        element(
            "table",
            element("caption", caption) if caption else "",
            element("thead", cells("th", headings)),
            element("tbody", *(cells("td", row) for row in rows)),
        ),
        class_="scroll",
    )
