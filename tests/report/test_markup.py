"""Markup holds any text, and is escaped once."""

import html
import re

from asdkeras.report.markup import Cell, Markup, PageSection, asset, element, framed, joined, table

HOSTILE = "<script>alert(\"1\")</script> & 'x'"


def test_texts_and_attributes_are_escaped():
    made = element("p", HOSTILE, title=HOSTILE)

    assert made == f'<p title="{html.escape(HOSTILE)}">{html.escape(HOSTILE)}</p>'
    assert "<script>" not in made
    assert made.count('"') == 2


def test_markup_is_not_escaped_again():
    inner = element("b", "1 < 2")

    assert element("p", "so: ", inner) == "<p>so: <b>1 &lt; 2</b></p>"
    assert joined(["<", Markup("<br>")]) == "&lt;<br>"


def test_names_of_attributes_follow_those_of_python():
    made = element("svg", class_="map", aria_label="a", viewBox="0 0 1 1", href=None)

    assert made == '<svg class="map" aria-label="a" viewBox="0 0 1 1"></svg>'


def test_empty_elements_are_not_closed():
    assert element("meta", charset="utf-8") == '<meta charset="utf-8">'


def test_a_table_tells_names_from_figures():
    made = table(["run", "AUC"], [["<a>", "1.00"]], caption="of & by")

    assert made == (
        '<div class="scroll" role="group" tabindex="0" aria-label="of &amp; by">'
        '<table class="sortable"><caption>of &amp; by</caption>'
        '<thead><tr><th scope="col" class="name">run</th><th scope="col">AUC</th></tr></thead>'
        '<tbody><tr><th scope="row" class="name">&lt;a&gt;</th><td>1.00</td></tr></tbody>'
        "</table></div>"
    )


def test_cells_may_look_different():
    made = table(["a", "b", "c"], [["1", Cell("2", "up1"), Cell("3", "bold")]], num_names=2)

    assert '<td class="name up1">2</td><td class="bold">3</td>' in made


def test_the_foot_of_a_table_is_not_among_its_rows():
    made = table(["a"], [["row"]], footer=[["mean"]], is_sortable=False)

    assert made.index("</tbody><tfoot>") < made.index("mean")
    assert "<table><thead>" in made


SECTIONS = [PageSection("One", [element("p", "first")]), PageSection("Two & more", [])]


def page():
    return framed("a < b", [element("p", "opening")], SECTIONS, [element("p", "end")])


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
    made = page()

    assert "&&" in asset("clips.js")
    assert f"<script>{asset('clips.js')}</script>" in made
    assert f"{asset('clips.css')}</style>" in made


def test_a_title_is_a_text():
    assert "<h1>a &lt; b</h1>" in page()
