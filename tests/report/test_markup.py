"""Markup holds any text, and is escaped once."""

import html

from asdkeras.report.markup import Markup, element, joined, table

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
        '<div class="scroll"><table><caption>of &amp; by</caption>'
        '<thead><tr><th class="name">run</th><th>AUC</th></tr></thead>'
        '<tbody><tr><td class="name">&lt;a&gt;</td><td>1.00</td></tr></tbody></table></div>'
    )
