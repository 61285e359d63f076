"""Every page has landmarks, a table of contents that leads somewhere, and its script."""

import re

import pytest

from asdkeras.report.markup import Markup, element
from asdkeras.report.page_frame import Section, framed, section_of

SECTIONS = [Section("One", [element("p", "first")]), Section("Two & more", [])]


def page(**options):
    content = {"style": ".x {}", "script": "let y = 1;", **options}
    return framed("a < b", [element("p", "opening")], SECTIONS, [element("p", "end")], **content)


def test_the_contents_lead_to_every_section():
    made = page()

    links = re.findall('<li><a href="#([^"]+)">(.*?)</a></li>', made)
    headings = re.findall('<h2 id="([^"]+)">(.*?)</h2>', made)
    assert links == headings == [("part-1", "One"), ("part-2", "Two &amp; more")]
    assert re.findall('<section aria-labelledby="([^"]+)">', made) == ["part-1", "part-2"]


def test_landmarks_stand_in_order_and_can_be_skipped_to():
    made = page()

    tags = re.findall("<(header|nav|main|footer|script)[ >]", made)
    assert tags == ["header", "nav", "main", "footer", "script", "script"]
    assert made.index('href="#main" class="skip"') < made.index("<header>")
    assert '<main id="main"' in made
    assert '<nav aria-label="Contents">' in made


def test_style_and_script_are_not_escaped():
    made = page(script="if (1 < 2 && 3) y();")

    assert "<script>if (1 < 2 && 3) y();</script>" in made
    assert ".x {}</style>" in made


def test_without_a_further_script_there_is_one():
    assert page(script="").count("<script>") == 1


def test_a_title_is_a_text():
    assert "<h1>a &lt; b</h1>" in page()


def test_a_section_with_its_heading_inside_is_taken_apart():
    made = Markup("<section><h2>a &amp; b</h2><p>text</p></section><i>data</i>")

    assert section_of(made) == Section("a & b", ["<p>text</p><i>data</i>"])


def test_what_is_no_section_is_refused():
    with pytest.raises(ValueError, match=r"must be a section with .*Received: made='<p>'"):
        section_of(Markup("<p>"))
