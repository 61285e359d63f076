"""What surrounds the sections of a page: head, table of contents, landmarks and script."""

import html
import re
from collections.abc import Sequence
from typing import NamedTuple

from asdkeras.report.markup import Markup, element, joined
from asdkeras.report.page_script import SCRIPT
from asdkeras.report.page_style import STYLE


class Section(NamedTuple):
    """A part of a page with a line in its table of contents.

    Attributes:
        title: its heading.
        parts: what follows the heading.
    """

    title: str
    parts: Sequence[Markup]


def section_of(made: Markup) -> Section:
    """A section that was made with its heading inside, taken apart."""
    match = re.fullmatch(r"<section><h2>(.*?)</h2>(.*)</section>(.*)", made, re.DOTALL)
    if match is None:
        raise ValueError(f"`made` must be a section with a heading. Received: made={made[:80]!r}")
    return Section(html.unescape(match[1]), [Markup(match[2] + match[3])])


def framed(
    title: str,
    opening: Sequence[Markup],
    sections: Sequence[Section],
    closing: Sequence[Markup],
    *,
    style: str,
    script: str,
) -> str:
    """A whole page.

    Args:
        title: of the page.
        opening: what stands between the title and the first section.
        sections: in order.
        closing: the foot of the page.
        style: style sheet beyond that of all pages.
        script: beyond that of all pages.
    """
    names = [f"part-{number}" for number, _ in enumerate(sections, start=1)]
    links = (
        element("li", element("a", section.title, href=f"#{name}"))
        for name, section in zip(names, sections, strict=True)
    )
    main = (
        element(
            "section",
            element("h2", section.title, id=name),
            *section.parts,
            aria_labelledby=name,
        )
        for name, section in zip(names, sections, strict=True)
    )
    body = element(
        "body",
        element("a", "Skip to the results", href="#main", class_="skip"),
        element("header", element("h1", title)),
        element("nav", element("ol", *links), aria_label="Contents"),
        element("main", *opening, *main, id="main", tabindex=-1),
        element("footer", *closing),
        element("script", Markup(SCRIPT)),
        element("script", Markup(script)) if script else "",
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{title} | asdkeras"),
        element("style", joined([Markup(STYLE), Markup(style)])),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"
