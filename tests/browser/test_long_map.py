"""A test of a long run's heatmap in a real browser: labels lie on their columns, a brush and a click show a part."""

import re

import pytest
from playwright.sync_api import expect

from benchmarks.long_run import long_run
from core import store
from tests.browser.pagework import too_wide
from tests.core.charts_made_up import spans

DRAWN = """() => {
  const proto = CanvasRenderingContext2D.prototype, { fillText, drawImage } = proto;
  const at = (context, x, y) => {
    const { a, b, c, d, e, f } = context.getTransform(), dense = devicePixelRatio;
    return [(a * x + c * y + e) / dense, (b * x + d * y + f) / dense];
  };
  proto.fillText = function (text, x, y) {
    const { a, b } = this.getTransform(), slanted = Math.min(Math.abs(a), Math.abs(b)) > 0.01;
    if (slanted) (this.canvas.labels ??= []).push([String(text), ...at(this, 0, 0)]);
    return fillText.apply(this, arguments);
  };
  proto.drawImage = function (image, x, y, width, height) {
    this.canvas.picture = [...at(this, x, y), ...at(this, x + width, y + height)];
    return drawImage.apply(this, arguments);
  };
}"""
"""Keeps, of each canvas, where slanted texts are anchored and where its last picture lies, in pixels of the page."""
TITLE = "Input"


@pytest.fixture
def run(server, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(server.home))
    trace = long_run(1200, 60)
    return store.save_run(trace), [trace.tokens.sources[0].text[a:b] for a, b in spans(trace.tokens.sources[0].text)]


def canvas(page, nth):
    return page.get_by_test_id("stVegaLiteChart").nth(nth).locator("canvas")


def labels(page, nth):
    """[(text, x, y)] of the column labels drawn last, from left to right, in pixels of the canvas."""
    seen = canvas(page, nth).evaluate("(c) => c.labels")
    last = {(text, x, y) for text, x, y in seen if abs(y - seen[-1][2]) < 1}
    return sorted(last, key=lambda label: label[1])


def drawn(page, server, run_id, settled):
    page.add_init_script(f"({DRAWN})()")
    page.goto(f"{server.url}/explore?run={run_id}")
    expect(canvas(page, 1)).to_be_visible(timeout=60_000)
    settled(page)
    page.wait_for_timeout(500)


def lie_on_their_columns(page, words):
    """Asserts that each label of the whole map names the column below it, and each of the part what hovering it says."""
    left, _, right, _ = canvas(page, 0).evaluate("(c) => c.picture")
    shown = labels(page, 0)
    assert len(shown) > 8
    for text, x, _ in shown:
        near = [int((x + off - left) / (right - left) * len(words)) for off in (-1, 1)]
        assert text in words[max(near[0], 0) : near[1] + 1], (text, x, near)
    canvas(page, 1).scroll_into_view_if_needed()
    box, shown = canvas(page, 1).bounding_box(), labels(page, 1)
    for text, x, y in (shown[0], shown[len(shown) // 2], shown[-1]):
        page.mouse.move(box["x"] + x, box["y"] + y + 12)
        tip = page.locator("#vg-tooltip-element tr", has_text=TITLE).locator(".value")
        expect(tip).to_have_text(text)


def framed(page):
    return page.get_by_test_id("stCaptionContainer").filter(has_text="Framed above")


def test_labels_lie_on_their_columns_and_a_brush_shows_its_part(server, new_page, run, settled, console):
    run_id, words = run
    phone = new_page(width=390, height=2600, dark=True)
    drawn(phone, server, run_id, settled)
    lie_on_their_columns(phone, words)
    assert too_wide(phone) == []

    page = new_page(width=1280, height=2400)
    drawn(page, server, run_id, settled)
    lie_on_their_columns(page, words)
    expect(framed(page)).to_contain_text("the passage read most")
    left, top, right, bottom = canvas(page, 0).evaluate("(c) => c.picture")
    box, wide, high = canvas(page, 0).bounding_box(), right - left, bottom - top
    canvas(page, 1).evaluate("(c) => { c.old = true; }")
    page.mouse.move(box["x"] + left + 0.25 * wide, box["y"] + top + 0.2 * high)
    page.mouse.down()
    page.mouse.move(box["x"] + left + 0.30 * wide, box["y"] + top + 0.6 * high, steps=3)
    page.mouse.up()
    expect(framed(page)).to_contain_text("what you marked")
    first, last = (
        int(n.replace(",", "")) for n in re.search(r"words ([\d,]+) to ([\d,]+) of", framed(page).inner_text()).groups()
    )
    assert abs(first - 0.25 * len(words)) <= 4 and abs(last - 0.30 * len(words)) <= 4
    page.wait_for_function("() => !document.querySelectorAll('[data-testid=stVegaLiteChart] canvas')[1].old")

    page.get_by_role("button", name="Whole map").click()
    expect(framed(page)).to_contain_text("Click a cell to see inside it")
    settled(page)
    page.wait_for_timeout(500)
    canvas(page, 1).scroll_into_view_if_needed()
    box, shown = canvas(page, 1).bounding_box(), labels(page, 1)
    page.mouse.click(box["x"] + shown[0][1], box["y"] + shown[0][2] + 12)
    expect(framed(page)).to_contain_text("inside the cell you clicked")
