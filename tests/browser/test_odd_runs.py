"""Tests of hostile and very long texts in a real browser: markup is shown as text, and the page stays quick."""

import re
import time

import numpy as np
import pytest
from playwright.sync_api import expect

from core import store
from tests.browser.pagework import answer, given, local_only, opened, report, sentence, too_wide, view
from tests.pages import made_up

WORDS = "the river carried old stories over green hills while seven quiet birds counted every lamp in town".split()


def _sentences(words: int, seed: int) -> str:
    picked = np.random.default_rng(seed).choice(WORDS, words)
    return " ".join(f"{' '.join(picked[i : i + 9]).capitalize()}." for i in range(0, words, 9))


@pytest.fixture
def keep(server, monkeypatch):
    """Puts a run into the server's store; returns its id."""
    monkeypatch.setenv("HEED_HOME", str(server.home))
    return store.save_run


@pytest.mark.parametrize("text", [made_up.HOSTILE, made_up.HARD], ids=["markup", "scripts"])
def test_text_of_strangers_stays_text(server, page, settled, keep, text):
    foreign, dialogs = local_only(page), []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    run = keep(made_up.run(text, text))
    opened(page, f"{server.url}/?run={run}", settled)
    for name in ("Heatmap", "Over the answer", "Layers and heads", "Table"):
        view(page, name, settled)
        assert page.locator("img[src=x]").count() == 0 and too_wide(page) == []
    answer(page).nth(2).click()
    expect(sentence(page)).not_to_contain_text("the whole answer")
    page.get_by_text("What the model read: the rendered prompt").click()
    expect(page.locator(".heed-reader").nth(1)).to_be_visible()
    for other in ("runs", f"compare?runs={run}"):
        page.goto(f"{server.url}/{other}")
        settled(page)
        page.wait_for_timeout(800)
        assert page.locator("img[src=x]").count() == 0
    assert foreign == [] and dialogs == []


def test_a_long_text_goes_coarser_and_stays_quick(server, page, settled, keep):
    run = keep(made_up.run(_sentences(1100, 0), _sentences(480, 1)))
    report("1,300 x 530 words, link to drawn", f"{opened(page, f'{server.url}/?run={run}', settled):.2f} s")
    expect(page.get_by_text(re.compile("Framed above, the passage read most"))).to_be_visible()
    view(page, "Word by word", settled)
    began = time.perf_counter()
    answer(page).nth(20).click()
    expect(sentence(page)).not_to_contain_text("the whole answer")
    report("1,300 x 530 words, click to sentence", f"{time.perf_counter() - began:.2f} s")
    assert given(page).count() > 1000
    view(page, "Over the answer", settled)
    expect(page.get_by_test_id("stException")).to_have_count(0)
