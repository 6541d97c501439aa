"""Tests how records draw themselves in notebooks: known shades and numbers, hostile text, and in a real Chromium."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from core.charts.notebook_html import STRONGEST, comparison_html, importance_html, probe_html
from core.records import Probe
from tests.core import charts_made_up as made
from tests.core import comparisons_made_up as compared

pytestmark = pytest.mark.slow

HOSTILE = "</iframe></script><script>document.title='hit'</script> <img src=x onerror=\"document.title='hit'\">"


@pytest.fixture
def opened(browser, tmp_path):
    """A notebook's output area with these outputs; what went wrong is in ``page.problems``."""
    pages = []

    def open_page(*outputs, **options):
        file = tmp_path / "notebook.html"
        file.write_text("<!doctype html><meta charset=utf-8><body>" + "<hr>".join(outputs), encoding="utf-8")
        page = browser.new_page(**options)
        page.problems = []
        page.on("console", lambda m: page.problems.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: page.problems.append(str(e)))
        page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else page.problems.append(r.url))
        page.goto(file.as_uri())
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()


def shades(html):
    """[(text, opacity, colour)] of the plain shaded words."""
    found = re.findall(
        r'<span title="[^"]*" style="background:rgba\((\d+),\d+,\d+,([\d.]+)\)[^"]*">([^<]*)</span>', html
    )
    return [(text, float(opacity), "orange" if red == "217" else "blue") for red, opacity, text in found]


def known():
    tr = made.trace("What color ?", "The sky is")
    imp = made.importance(tr, values=np.array([[0.1, 0.2, 0.3], [0.05, 0.6, 0.15], [0.1, 0.1, 0.1]]))
    return tr, replace(imp, uniform=np.full((3, 3), 0.15))


def probe(effect, words="What color ?", answer="The sky"):
    """Each of the prompt's words hidden alone: ``effect`` [word, step] nats."""
    tr = made.trace(words, answer)
    units = made.units(tr, list(range(1, tr.prompt_length - 1)))
    effect = np.asarray(effect, np.float32)
    masks = np.eye(len(units), dtype=bool)
    return Probe(
        tr.id, units, masks, -1 - effect, np.full(effect.shape[1], -1.0), "mask", model="M", answer=tr.output_tokens
    )


def test_an_importance_is_the_two_texts_with_stepping_and_the_heatmap(opened):
    _, imp = known()
    page = opened(imp._repr_html_())
    frame = page.frame_locator("iframe")
    assert "“color” with 30.0 % (2.0 × uniform)" in frame.locator(".sentence").text_content()
    assert frame.locator(".panel.input .block").text_content() == "What color ?"
    frame.locator(".panel.answer .word").nth(1).click()
    assert "At “sky”, of your words “color” (60.0 %" in frame.locator(".said").text_content()
    heat = page.frames[1].evaluate(
        "() => { const h = document.getElementById('heat').heat; return [h.rows, h.columns] }"
    )
    assert heat == [3, 3] and page.problems == []


def test_the_frame_is_as_high_as_its_page(opened):
    _, imp = known()
    page = opened(imp._repr_html_())
    page.wait_for_timeout(800)
    inside = page.frames[1].evaluate("document.querySelector('main').offsetHeight")
    assert 0 <= page.locator("iframe").bounding_box()["height"] - inside <= 24


def test_a_matrix_of_many_cells_becomes_a_picture(opened):
    tr = made.trace("word " * 120, "word " * 80)
    page = opened(importance_html(made.importance(tr)))
    frame = page.frame_locator("iframe")
    assert frame.locator("figure img").count() == 1 and frame.locator("canvas").count() == 0
    frame.locator(".panel.answer .word").nth(3).click()
    assert page.problems == []


def test_an_importance_without_texts_leaves_drawing_to_the_notebook():
    _, imp = known()
    assert replace(imp, tokens=None)._repr_html_() is None
    assert repr(imp) == f"Importance(mean-attention, 3 rows x 3 columns, share, run {imp.trace_id[:8]})"


def test_a_comparison_shades_each_runs_own_words_on_one_scale(opened):
    html = comparison_html(compared.comparison())
    high = 0.30
    a, b = shades(html)[:4], shades(html)[4:]
    assert [text for text, *_ in a] == ["Name", "one", "red", "fruit"]
    assert [text for text, *_ in b] == ["Name", "two", "red", "fruit", "please"]
    assert [s for _, s, _ in a] == pytest.approx([STRONGEST * v / high for v in (0.10, 0.20, 0.05, 0.30)], abs=1e-3)
    assert [s for _, s, _ in b] == pytest.approx(
        [STRONGEST * v / high for v in (0.20, 0.15, 0.05, 0.10, 0.25)], abs=1e-3
    )
    assert "full shade: 30.0 %" in html and "sink 20.0 %" in html
    page = opened(html)
    assert page.locator("img").count() == 2 and page.problems == []


def test_a_probe_shades_what_the_answer_loses(opened):
    html = probe_html(probe([[0.5, 0.5], [3.0, 1.0], [-1.5, -0.5]]))
    assert shades(html) == [
        ("What", pytest.approx(STRONGEST / 4, abs=1e-3), "orange"),
        ("color", pytest.approx(STRONGEST, abs=1e-3), "orange"),
        ("?", pytest.approx(STRONGEST / 2, abs=1e-3), "blue"),
    ]
    assert "full shade: 4.00 nats" in html and ">What</span> <span" in html
    page = opened(html)
    assert page.locator("img").count() == 1 and page.problems == []


def test_a_word_that_could_not_be_scored_has_no_shade_and_says_so():
    html = probe_html(probe([[0.5, 0.5], [np.nan, np.nan], [0.1, 0.1]]))
    assert [s for _, s, _ in shades(html)] == pytest.approx([STRONGEST, 0, STRONGEST / 5], abs=1e-3)
    assert 'title="this could not be scored"' in html


@pytest.mark.parametrize("granularity", ["prompt", "own"])
def test_hostile_text_stays_text(opened, granularity):
    tr = made.trace(HOSTILE, HOSTILE)
    first = made.importance(tr, granularity)
    both = compared.comparison(
        units=replace(compared.comparison().units, labels=(HOSTILE,) * 5, texts=((HOSTILE,) * 5, (HOSTILE,) * 5)),
        models=(HOSTILE, HOSTILE),
    )
    hidden = probe(np.ones((len(made.spans(HOSTILE)), 2)), HOSTILE, "The sky")
    page = opened(importance_html(first), comparison_html(both), probe_html(hidden))
    page.frame_locator("iframe").locator(".word").first.wait_for()
    assert page.title() != "hit" and page.frames[1].title() != "hit" and page.problems == []
    assert len(page.frames) == 2
