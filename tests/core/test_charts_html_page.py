"""Tests the exported HTML page in a real Chromium, opened as a file: it works with no server and requests nothing."""

import json
import re
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from core.charts.html_page import to_html
from core.charts.share_by_step import share_by_step_chart
from core.charts.text_labels import caption_of
from tests.core import charts_made_up as made

pytestmark = pytest.mark.slow

HOSTILE = "</script><script>document.title='hit'</script> <img src=x onerror=\"document.title='hit'\"> <b>&amp;</b> ]]>"


@contextmanager
def opened(browser, folder, html, **options):
    """(page, problems): console errors, thrown errors and every request that is not the file itself."""
    file = folder / "heed.html"
    file.write_text(html, encoding="utf-8")
    page = browser.new_page(**options)
    problems = []
    page.on("console", lambda m: problems.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: problems.append(str(e)))
    page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else problems.append(r.url))
    page.goto(file.as_uri())
    page.wait_for_selector(".word")
    yield page, problems
    page.close()


def known():
    """An Importance with round numbers: 'sky' read 'color' with 60 %, four times uniform."""
    tr = made.trace("What color ?", "The sky is")
    imp = made.importance(tr, values=np.array([[0.1, 0.2, 0.3], [0.05, 0.6, 0.15], [0.1, 0.1, 0.1]]))
    return tr, replace(imp, uniform=np.full((3, 3), 0.15))


def said(page):
    return page.locator(".said").text_content()


def test_click_hover_and_keys(browser, tmp_path):
    tr, imp = known()
    with opened(browser, tmp_path, to_html(tr, imp, sentence="A sentence.")) as (page, problems):
        answer, given = page.locator(".panel.answer .word"), page.locator(".panel.input .word")
        assert "Over the whole answer, of your words “color” (30.0 %" in said(page)
        answer.nth(1).click()
        assert (
            said(page)
            == "At “sky”, of your words “color” (60.0 % of this step's attention, 4.00 × uniform) was read most."
        )
        given.nth(2).hover()
        assert page.locator(".heed-reader .tip").inner_text() == "?\n15.0 % of this step's attention, 1.00 × uniform"
        assert given.nth(1).evaluate("e => e.style.getPropertyValue('--t')") == "1.000"
        assert given.nth(2).evaluate("e => e.style.getPropertyValue('--t')") == "0.250"
        page.keyboard.press("ArrowLeft")
        assert said(page).startswith("At “The”, of your words “?” (30.0 %")
        page.keyboard.press("Shift+ArrowRight")
        assert said(page).startswith(
            "At “The sky”, of your words “color” (40.0 % of the attention of these 2 steps (mean)"
        )
        assert page.locator(".panel.answer .word.picked").count() == 2
        given.nth(1).click()
        assert said(page).startswith("“color” was read most at “sky” (60.0 % of this step's attention")
        assert answer.nth(0).get_attribute("aria-label").startswith("The: 20.0 %")
        page.keyboard.press("Escape")
        assert said(page).startswith("Over the whole answer")
        assert problems == []


def test_shares_without_the_sink_say_so(browser, tmp_path):
    tr, imp = known()
    dropped = replace(imp, parameters={**imp.parameters, "sink": "drop"})
    with opened(browser, tmp_path, to_html(tr, dropped)) as (page, _):
        page.locator(".panel.answer .word").nth(1).click()
        assert "60.0 % of this step's attention outside the sink" in said(page)
        assert page.locator(".beside").text_content().startswith("Of this step's attention: all that is shown here")


def test_a_sink_among_the_words_says_so_and_shows_no_false_zero(browser, tmp_path):
    tr, imp = known()
    at = int(imp.columns.tokens_of(1)[0])
    sunk = replace(imp, parameters={"sink": "drop"}, sinks=(0, at), shares={"sink": np.full(3, 0.4)})
    sunk = replace(sunk, values=sunk.values * [1, 0, 1])
    with opened(browser, tmp_path, to_html(tr, sunk)) as (page, problems):
        given = page.locator(".panel.input .word")
        assert given.nth(1).get_attribute("class").split()[-1] == "sunk" and page.locator(".sunk").count() == 1
        given.nth(1).hover()
        tip = page.locator(".heed-reader .tip").inner_text()
        assert (
            tip.split("\n")[1].startswith("a sink of this run, left out: nearly every step reads it") and "%" not in tip
        )
        given.nth(1).click()
        assert said(page).startswith("“color” is a sink of this run, left out")
        page.keyboard.press("Escape")
        assert "2 sinks 40.0 %" in page.locator(".beside").text_content()
        assert problems == []


def test_drag_takes_a_span_and_keyboard_alone_is_enough(browser, tmp_path):
    tr = made.trace()
    with opened(browser, tmp_path, to_html(tr, made.importance(tr))) as (page, problems):
        answer = page.locator(".panel.answer .word")
        a, b = answer.nth(1).bounding_box(), answer.nth(3).bounding_box()
        page.mouse.move(a["x"] + 3, a["y"] + 5)
        page.mouse.down()
        page.mouse.move(b["x"] + 3, b["y"] + 5, steps=6)
        page.mouse.up()
        assert said(page).startswith(("At “sky is a”", "Over"))
        assert page.locator(".panel.answer .word.picked").count() == 3
        page.locator(".panel.input .word").first.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        assert said(page).startswith("“in” was read most at")
        assert page.evaluate("document.querySelectorAll('.word[tabindex=\"0\"]').length") == 2
        assert problems == []


def test_heatmap_hover_and_cells_by_arrow_keys(browser, tmp_path):
    tr, imp = known()
    with opened(browser, tmp_path, to_html(tr, imp)) as (page, problems):
        canvas = page.locator("#heat canvas")
        size = page.evaluate("(({w, h}) => ({w, h}))(document.querySelector('#heat').heat.size)")
        left = page.evaluate("document.querySelector('#heat').heat.labels")
        box = canvas.bounding_box()
        canvas.hover(position={"x": left + 1.5 * size["w"], "y": box["height"] - 6 - 1.5 * size["h"]})
        tip = page.locator("#heat .tip")
        assert tip.inner_text() == "sky ← color\n60.0 %, 4.00 × uniform\nstep 2"
        canvas.focus()
        page.keyboard.press("ArrowUp")
        assert "The ← color\n20.0 %" in tip.inner_text()
        assert said(page).startswith("Over the whole answer"), "the cells move, not the answer"
        assert problems == []


def test_hostile_text_stays_text(browser, tmp_path):
    tr = made.trace(HOSTILE, HOSTILE)
    html = to_html(tr, made.importance(tr, "all"), inputs="all", sentence=HOSTILE, title=HOSTILE)
    with opened(browser, tmp_path, html) as (page, problems):
        page.locator(".panel.answer .word").first.click()
        assert HOSTILE in page.locator(".panel.input .text").text_content()
        assert page.title() == f"Heed: {HOSTILE}"
        assert page.locator("main img, main script, main b >> text=amp").count() == 0
        assert problems == []


def test_policy_allows_nothing_else(browser, tmp_path):
    tr = made.trace()
    html = to_html(tr, made.importance(tr))
    assert "default-src 'none'" in html
    assert not re.search(r"(?:src|href)=\"?https?:", html)
    hacked = html.replace(
        "</main>", "<script>document.title='hit'</script><img src='https://example.org/x.png'></main>"
    )
    with opened(browser, tmp_path, hacked) as (page, problems):
        assert page.title() != "hit"
        assert len([p for p in problems if "Content Security Policy" in p]) >= 2


def test_data_block_cannot_be_ended_from_inside():
    tr = made.trace(HOSTILE, HOSTILE)
    html = to_html(tr, made.importance(tr))
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S).group(1)
    assert "<" not in block
    assert json.loads(block)["heat"]["unit"] == "share"
    assert html.count("<script") == 2


def test_says_settings_caption_and_what_it_does_not_say():
    tr, imp = known()
    html = to_html(tr, imp, sentence="One plain sentence.")
    for part in (
        tr.model.caption,
        tr.id,
        "mean-attention",
        "One plain sentence.",
        "What this does not say",
        "not a cause",
        "greedy",
    ):
        assert part in html


def test_charts_come_along_as_pictures(browser, tmp_path):
    tr, imp = known()
    chart = share_by_step_chart(
        [0, 1, 2], ["The", "sky", "is"], {"user": np.array([0.6, 0.8, 0.3])}, {}, caption=caption_of(imp)
    )
    with opened(browser, tmp_path, to_html(tr, imp, [chart])) as (page, problems):
        assert page.locator("figure img").evaluate("i => i.naturalWidth") > 300
        assert "share of attention" in page.locator("figure img").get_attribute("alt")
        assert problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible_on_every_shade(browser, tmp_path, scheme):
    tr = made.trace()
    with opened(browser, tmp_path, to_html(tr, made.importance(tr)), color_scheme=scheme) as (page, _):
        paint = """w => { const c = document.createElement('canvas').getContext('2d'); const s = getComputedStyle(w);
            const put = v => { c.fillStyle = v; c.fillRect(0, 0, 1, 1); };
            put(getComputedStyle(document.body).backgroundColor); put(s.backgroundColor);
            const back = [...c.getImageData(0, 0, 1, 1).data]; put(s.color);
            return [back, [...c.getImageData(0, 0, 1, 1).data]]; }"""
        for word in page.locator(".panel.input .word").all():
            back, ink = word.evaluate(paint)
            assert contrast(back, ink) >= 4.5


def contrast(a, b):
    def luminance(rgb):
        parts = [x / 255 for x in rgb[:3]]
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_phone_stacks_the_texts_and_nothing_sticks_out(browser, tmp_path):
    tr = made.trace("w" * 200 + " and more", "x" * 200)
    with opened(browser, tmp_path, to_html(tr, made.importance(tr)), viewport={"width": 390, "height": 844}) as (
        page,
        _,
    ):
        top, below = page.locator(".panel.answer").bounding_box(), page.locator(".panel.input").bounding_box()
        assert below["y"] >= top["y"] + top["height"]
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_long_texts_open_and_answer_clicks(browser, tmp_path):
    tr = made.trace("word " * 1200, "yes " * 500)
    with opened(browser, tmp_path, to_html(tr, made.importance(tr))) as (page, problems):
        page.locator(".panel.answer .word").nth(499).click()
        assert "step's attention" in said(page)
        assert problems == []


def test_a_long_text_opens_at_the_word_read_most(browser, tmp_path):
    tr = made.trace("word " * 1200, "yes no")
    values = np.full((2, 1200), 1e-4)
    values[0, 900] = values[1, 300] = 0.5
    values[0, 900] += 0.1
    inside = """(w) => { const a = w.getBoundingClientRect(), b = w.closest(".text").getBoundingClientRect();
        return a.top >= b.top && a.bottom <= b.bottom; }"""
    with opened(browser, tmp_path, to_html(tr, made.importance(tr, values=values))) as (page, _):
        words = page.locator(".panel.input .word")
        assert words.nth(900).evaluate(inside) and not words.first.evaluate(inside)
        page.locator(".panel.answer .word").nth(1).click()
        assert words.nth(300).evaluate(inside) and not words.nth(900).evaluate(inside)


def test_the_page_draws_marks_lines_and_tint(browser, tmp_path):
    tr = made.trace("What color ?", "The sky is")
    lines = ["", ["Qwen: <b>4 %</b>", "B: 2 %"], ""]
    html = to_html(tr, made.importance(tr), over={"marks": [1], "beside_text": lines, "tint": [2.0, -1.0, 0.0]})
    with opened(browser, tmp_path, html) as (page, problems):
        assert page.locator(".word.marked").all_text_contents() == ["color"]
        assert page.locator(".word[data-tint]").evaluate_all("w => w.map(x => x.dataset.tint)") == ["above", "below"]
        page.locator(".panel.input .word", has_text="color").hover()
        assert "Qwen: <b>4 %</b>" in page.locator("#reader .tip").text_content()
        assert page.locator("#reader .tip b").count() == 1
        page.locator(".panel.answer .word", has_text="sky").hover()
        assert "log-probability lost: -1.00 nats" in page.locator("#reader .tip").text_content()
        assert "marked" in page.locator(".word.marked").get_attribute("aria-label")
        legend = page.locator(".tints").text_content()
        assert "-2.00 nats" in legend
        assert "orange: less likely without it" in legend
        full, half = page.locator(".word[data-tint]").evaluate_all("w => w.map(x => x.style.getPropertyValue('--d'))")
        assert (full, half) == ("1.000", "0.500")
        page.locator(".panel.input .word", has_text="color").click()
        assert page.locator(".word[data-tint]").count() == 2, "the effect stays while the attention of a word is shown"
        assert problems == []


def test_without_it_there_is_no_second_legend(browser, tmp_path):
    tr = made.trace()
    with opened(browser, tmp_path, to_html(tr, made.importance(tr))) as (page, _):
        assert page.locator(".tints").is_hidden()
