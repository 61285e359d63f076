"""The page in a browser: it plays, sorts, speaks and fits, and asks nobody for anything."""

import shutil

import numpy as np
import pytest

from asdkeras.report.clip_section import RANGE_DB
from asdkeras.report.page import write_report
from tests.report.heard_runs import TONE_HZ, heard_run
from tests.report.mapped_runs import clip_rows

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="the module playwright is missing: pip install asdkeras[browser]"
)
_CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(_CHROMIUM is None, reason="no Chromium: install the package chromium"),
]

ROWS = [*clip_rows("fan", num_clips=3, attributes="vel_1"), *clip_rows("valve", num_clips=3)]


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    run = heard_run(tmp_path_factory.mktemp("one") / "adacos" / "mini2021", ROWS)
    return write_report([run], method="pca")


@pytest.fixture(scope="module")
def path_of_two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    runs = [heard_run(folder / name / "mini2021", ROWS) for name in ("adacos", "adaproj")]
    return write_report(runs, folder / "two.html", method="pca")


@pytest.fixture
def opened(browser):
    """Opens a file; at the end nothing may have failed or been asked of anybody."""
    troubles, contexts = [], []

    def open_page(path, **options):
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda told: told.type == "error" and troubles.append(told.text))
        page.on("request", lambda request: troubles.extend(foreign(request.url)))
        page.goto(path.as_uri())
        return page

    def foreign(url):
        return [] if url.startswith(("file:", "data:", "blob:")) else [url]

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def mark_on_top(page):
    """A mark of the first map that no other covers, and the name of its clip."""
    mark = page.locator("svg.map >> nth=0").locator("use[data-clip]").last
    mark.scroll_into_view_if_needed()
    return mark, mark.text_content().split(":")[0]


def levels_of(canvas):
    """Decibels of each pixel, by its green, which grows all along the color map."""
    width, height, data = canvas.evaluate(
        "c => [c.width, c.height, [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data"
        "]]"
    )
    greens = np.array(data).reshape(height, width, 4)[..., 1]
    # Of viridis at eighths of its length.
    known = [0x01, 0x2D, 0x52, 0x72, 0x91, 0xAE, 0xC9, 0xDC, 0xE7]
    return np.interp(greens, known, np.linspace(-RANGE_DB, 0.0, len(known)))


def shown(page, text):
    return page.evaluate(text)


def test_a_page_opens_and_draws_all_there_is(opened, path):
    page = opened(path)

    for card in page.locator(".clip").all():
        card.scroll_into_view_if_needed()
        card.locator("canvas").wait_for()

    assert page.locator(".clip").count() >= 6
    assert page.locator(".clip canvas").count() == page.locator(".clip").count()


def test_what_is_out_of_sight_is_not_drawn(opened, path):
    page = opened(path, viewport={"width": 1200, "height": 400})

    page.wait_for_timeout(300)

    assert page.locator("canvas").count() == 0


def test_a_spectrogram_shows_the_tone_at_its_height(opened, path):
    page = opened(path)
    page.locator(".clip").first.scroll_into_view_if_needed()
    canvas = page.locator(".clip canvas").first
    canvas.wait_for()

    levels = levels_of(canvas)

    rows, columns = levels.shape
    assert rows == 512  # From 8 kHz down to 0.
    spectrum = np.median(levels[:, 5 : columns - 5], axis=1)[::-1]
    tone = round(TONE_HZ / 8000.0 * rows)
    assert spectrum.argmax() == tone
    # A Hann window spreads a tone to both sides, half as high. 1.5 dB: MP3, and the window is
    # not in step with it.
    np.testing.assert_allclose(spectrum[[tone - 1, tone, tone + 1]], [-6.0, 0.0, -6.0], atol=1.5)
    assert np.median(spectrum[2 * tone :]) < -60.0  # The noise of the clip: -72 dB.


def test_a_spectrogram_has_axes_and_a_name(opened, path):
    page = opened(path)
    page.locator(".clip").first.scroll_into_view_if_needed()
    canvas = page.locator(".clip canvas").first
    canvas.wait_for()

    assert canvas.get_attribute("aria-label").endswith(".wav: 0.5 s, 0 to 8 kHz")
    axes = page.locator(".spectrogram").first.locator("span").all_inner_texts()
    assert axes == ["0 kHz", "2", "4", "6", "8", "0 s", "0.5"]


def test_pointing_at_a_mark_names_the_clip_and_its_score(opened, path):
    page = opened(path)
    mark, name = mark_on_top(page)

    mark.hover(force=True)

    tip = page.locator(".tip")
    told = tip.inner_text().split("\n")
    assert told[0] == name
    assert told[1].startswith(f"fan, section 00, {name.split('_')[2]} domain")
    assert "called" in told[2]
    assert "its threshold 5" in told[2]
    page.mouse.move(0, 0)
    assert tip.is_hidden()


def test_clicking_a_mark_plays_its_clip_and_rings_it_everywhere(opened, path):
    page = opened(path)
    mark, name = mark_on_top(page)
    key = mark.get_attribute("data-clip")
    num_marks = page.locator(f'use[data-clip="{key}"]').count()

    mark.click(force=True)

    panel = page.get_by_role("dialog", name=name)
    panel.locator("canvas").wait_for()
    audio = panel.locator("audio")
    assert audio.get_attribute("src").startswith("data:audio/")
    page.wait_for_function("document.querySelector('.player audio').currentTime > 0.1")
    assert np.ptp(levels_of(panel.locator("canvas"))) > 60.0
    assert page.locator(".ring.chosen").count() == num_marks == 3


def test_escape_closes_the_player_and_stops_the_sound(opened, path):
    page = opened(path)
    mark_on_top(page)[0].click(force=True)
    page.locator(".player audio").wait_for()
    audio = page.locator(".player audio").element_handle()

    page.keyboard.press("Escape")

    assert page.locator(".player").is_hidden()
    assert audio.evaluate("each => each.paused")
    assert page.locator(".ring.chosen").count() == 0


def test_a_click_beside_a_mark_finds_it(opened, path):
    page = opened(path)
    marks = page.locator("svg.map >> nth=0").locator("use").all()
    mark = max(marks, key=lambda each: float(each.get_attribute("x")))
    name = mark.text_content().split(":")[0]
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()

    page.mouse.click(box["x"] + box["width"] + 4, box["y"] + box["height"] / 2)

    page.get_by_role("dialog", name=name).wait_for()


def test_the_player_does_not_hide_the_mark_on_a_phone(opened, path):
    page = opened(path, viewport={"width": 360, "height": 600})
    mark, _ = mark_on_top(page)
    mark.evaluate("each => each.scrollIntoView({block: 'end', behavior: 'instant'})")

    mark.click(force=True)

    page.locator(".player canvas").wait_for()
    page.wait_for_function(
        "document.querySelector('.ring.chosen').getBoundingClientRect().bottom"
        " <= document.querySelector('.player').getBoundingClientRect().top"
    )


def shown_alone(page):
    """The names of the values whose marks of the first map are not dimmed."""
    groups = page.locator("svg.map >> nth=0").locator("g:not(.dim)")
    titles = groups.evaluate_all("all => all.map(each => each.querySelector('title').textContent)")
    return {title.split(": ")[1] for title in titles}


def test_an_entry_of_a_legend_shows_its_marks_alone(opened, path):
    page = opened(path)
    figure = page.locator("figure:has(svg.map) >> nth=0")
    source, target = (figure.get_by_role("button", name=name) for name in ("source", "target"))

    at_first = shown_alone(page)
    target.hover()
    pointed_at = shown_alone(page)
    page.mouse.move(0, 0)
    left = shown_alone(page)
    target.click()
    source.hover()
    another = shown_alone(page)
    page.mouse.move(0, 0)

    assert at_first == left == {"source", "target"}
    assert (pointed_at, another) == ({"target"}, {"source"})
    assert shown_alone(page) == {"target"}
    assert target.get_attribute("aria-pressed") == "true"
    dimmed = figure.locator("g.dim use").first
    assert dimmed.evaluate("each => getComputedStyle(each).pointerEvents") == "none"
    target.press("Enter")
    page.keyboard.press("Tab")
    assert target.get_attribute("aria-pressed") == "false"
    assert shown_alone(page) == at_first


def test_a_click_on_a_dimmed_mark_plays_nothing(opened, path):
    page = opened(path)
    figure = page.locator("figure:has(svg.map) >> nth=0")
    figure.get_by_role("button", name="target").click()
    box = figure.locator("g.dim use").first.bounding_box()

    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    assert page.locator(".player").is_hidden()


def test_arrow_keys_walk_over_a_map_and_enter_plays(opened, path):
    page = opened(path)
    drawing = page.locator("svg.map >> nth=0")
    drawing.focus()
    page.keyboard.press("Home")
    ring = drawing.locator(".ring.at")
    placed = "each => [each.getAttribute('cx'), each.getAttribute('cy')].map(Number)"
    places = [ring.evaluate(placed)]
    said = [page.get_by_role("status").inner_text()]
    keys = [*["ArrowRight"] * 12, *["ArrowLeft"] * 3, *["ArrowDown"] * 12, *["ArrowUp"] * 3]

    for key in keys:
        page.keyboard.press(key)
        places.append(ring.evaluate(placed))
        said.append(page.get_by_role("status").inner_text())
    name = said[-1].split(",")[0]
    page.keyboard.press("Enter")

    steps = np.diff(np.array(places), axis=0)
    rights, lefts, downs, ups = np.split(steps, [12, 15, 27])
    assert np.all(rights[:, 0] >= 0)
    assert rights[:, 0].sum() > 0
    assert np.all(lefts[:, 0] < 0)
    assert np.all(downs[:, 1] >= 0)
    assert np.all(ups[:, 1] < 0)
    assert len(set(said)) > 5
    dialog = page.get_by_role("dialog", name=name)
    assert dialog.evaluate("each => each === document.activeElement")
    page.keyboard.press("Escape")
    assert drawing.evaluate("each => each === document.activeElement")


def test_every_clip_of_a_map_can_be_reached_by_keys(opened, path):
    page = opened(path)
    drawing = page.locator("svg.map >> nth=0")
    drawing.focus()
    page.keyboard.press("End")
    said = set()

    for _ in range(drawing.locator("use").count()):
        page.keyboard.press("PageDown")
        said.add(page.get_by_role("status").inner_text().split(",")[0])

    assert said == {row["path"].rsplit("/", 1)[-1] for row in ROWS if row["machine_type"] == "fan"}


def test_a_card_of_a_clip_shown_before_has_its_sound(opened, path_of_two):
    page = opened(path_of_two)

    sources = page.locator(".clip audio").evaluate_all("all => all.map(each => each.src)")

    assert len(set(sources)) < len(sources)
    assert all(source.startswith("data:audio/") for source in sources)


def test_a_mark_tells_of_all_runs(opened, path_of_two):
    page = opened(path_of_two)

    mark_on_top(page)[0].hover(force=True)

    told = page.locator(".tip").inner_text()
    assert "wilkinghoff2024 adacos: " in told
    assert "wilkinghoff2024 adaproj: " in told


def figures_of(table, column):
    """The figures of a column as the table has them now; NaN where there is none."""
    texts = table.locator(f"tbody tr > :nth-child({column + 1})").all_inner_texts()
    words = [text.split()[0] if text.split() else "" for text in texts]
    return [float(word.rstrip("%")) if word[:1].isdigit() else np.nan for word in words]


def test_tables_are_sorted_by_click_and_by_keyboard(opened, path):
    page = opened(path)
    tables = page.locator("table.sortable", has=page.locator("th button")).all()
    candidates = [
        (table, column)
        for table in tables
        for column in range(table.locator("thead th").count())
        if len({*figures_of(table, column)}) > 1 and np.isfinite(figures_of(table, column)).all()
    ]
    table, column = candidates[0]
    heading = table.locator("thead th").nth(column)
    figures = sorted(figures_of(table, column))

    heading.locator("button").click()
    clicked, after_click = heading.get_attribute("aria-sort"), figures_of(table, column)
    heading.locator("button").press("Enter")
    pressed, after_press = heading.get_attribute("aria-sort"), figures_of(table, column)

    assert (clicked, after_click) == ("descending", figures[::-1])
    assert (pressed, after_press) == ("ascending", figures)


def test_light_and_dark_are_the_reader_s_choice_and_stay(opened, path):
    page = opened(path, color_scheme="light")
    back = "getComputedStyle(document.body).backgroundColor"
    at_first = shown(page, back)
    toggle = page.locator("button.theme")

    for _ in range(3):
        if "dark" in toggle.inner_text():
            break
        toggle.click()
    dark = shown(page, back)
    page.reload()

    assert at_first != dark
    assert shown(page, back) == dark


@pytest.mark.parametrize("which", ["path", "path_of_two"])
def test_a_phone_needs_no_scrolling_sideways(opened, request, which):
    page = opened(request.getfixturevalue(which), viewport={"width": 360, "height": 740})

    page.locator(".clip").first.scroll_into_view_if_needed()

    assert shown(page, "document.documentElement.scrollWidth") <= 360


def test_paper_shows_what_is_folded_and_nothing_to_press(opened, path_of_two):
    page = opened(path_of_two)

    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")

    assert page.locator("details").count() > 0
    assert page.locator("details:not([open])").count() == 0
    assert not any(each.is_visible() for each in page.locator("audio, button.theme").all())


@pytest.mark.parametrize("which", ["path", "path_of_two"])
def test_everything_has_a_name_and_headings_are_in_order(opened, request, which):
    page = opened(request.getfixturevalue(which))

    nameless = page.evaluate(
        """[...document.querySelectorAll('svg, img, canvas, button, audio, nav, [role=dialog]')]
        .filter(each => !each.closest('[aria-hidden=true], [hidden]'))
        .filter(each => !each.getAttribute('aria-label') && !each.getAttribute('aria-labelledby')
          && !each.textContent.trim())
        .map(each => each.outerHTML.slice(0, 100))"""
    )
    levels = page.locator("h1, h2, h3, h4, h5, h6").evaluate_all(
        "all => all.map(each => Number(each.tagName[1]))"
    )

    assert nameless == []
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert max(np.diff(levels)) <= 1
    ids = page.locator("[id]").evaluate_all("all => all.map(each => each.id)")
    assert len(ids) == len(set(ids))


def test_without_script_everything_can_be_read_and_heard(opened, path):
    page = opened(path, java_script_enabled=False)

    assert page.locator(".clip h4").first.is_visible()
    assert page.locator(".clip audio[src]").first.is_visible()
    assert page.locator("svg.map use title").count() == page.locator("svg.map use").count() > 0
