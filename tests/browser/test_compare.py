"""Tests of Compare in a real browser: first visit, click on a word, views, a changed prompt, long prompts."""

import re
import time
from dataclasses import replace

import numpy as np
import pandas as pd
from playwright.sync_api import expect

from core import store
from core.records import ModelKey, Rows
from tests.browser.pagework import report, too_wide
from tests.core import charts_made_up
from tests.pages import made_up

VIEWS = (
    "Difference",
    "Words",
    "Agreement",
    "Outputs",
    "Cross-scores",
    "Next words",
    "Stability",
    "What if",
    "Heatmaps",
)
WORDS = "the river carried old stories over green hills while seven quiet birds counted every lamp in town".split()


def side(page, number, text="input"):
    """The words of one text of one column."""
    return page.locator(".heed-reader").nth(number).locator(f".panel.{text} .word")


def opened(page, url, settled, columns=2):
    page.goto(url)
    expect(side(page, columns - 1).first).to_be_visible(timeout=60_000)
    return settled(page)


def view(page, name, settled):
    page.get_by_role("radio", name=name, exact=True).last.click()
    page.wait_for_timeout(400)
    settled(page)


def whole_text(page, number, text="answer"):
    return page.locator(".heed-reader").nth(number).locator(f".panel.{text} .block").last


def test_the_first_visit_a_word_and_every_view(server, page, settled):
    opened(page, f"{server.url}/compare", settled)
    expect(page.get_by_text("A · SmolLM2 135M Instruct").first).to_be_visible()
    expect(page.get_by_text("B · Qwen2.5 Coder 0.5B Instruct").first).to_be_visible()
    expect(whole_text(page, 0)).to_contain_text("The sky is a shade of blue.")
    expect(whole_text(page, 1)).to_contain_text("Blue")
    side(page, 0).get_by_text("word", exact=True).click()
    values = page.locator(".st-key-compare_values")
    expect(values).to_contain_text(re.compile(r"A: “word” · [\d.]+ %.*B: “word” · [\d.]+ %", re.S))
    for number in (0, 1):
        expect(page.locator(".heed-reader").nth(number).locator(".word.marked")).to_have_text("word")
    side(page, 1).get_by_text("sky", exact=True).click()
    expect(values).to_contain_text("A: “sky”")
    side(page, 1).get_by_text("color", exact=True).hover()
    expect(page.locator(".heed-reader").nth(1).locator(".tip")).to_contain_text("A: “color”")
    for name in VIEWS:
        view(page, name, settled)
        expect(page.get_by_test_id("stException")).to_have_count(0)
        expect(page.get_by_test_id("stAlert").filter(has_text="went wrong")).to_have_count(0)
    expect(page.get_by_test_id("stVegaLiteChart").first).to_be_visible()
    side(page, 1).get_by_text("sky", exact=True).click()
    expect(values).to_contain_text("Click a word of a prompt")


def test_every_download_is_what_it_says(server, page, settled, tmp_path):
    opened(page, f"{server.url}/compare", settled)
    view(page, "Heatmaps", settled)
    files = {}
    page.get_by_role("button", name="Download", exact=True).click()
    groups = {"One-page report": ("HTML", "PDF"), "View": ("PNG", "SVG", "PDF"), "Comparison": ("CSV", "JSON")}
    for group, kind in [(g, k) for g, own in groups.items() for k in own]:
        with page.expect_download() as caught:
            page.locator(f".st-key-download_{group.replace(' ', '-')}_{kind} button").first.click()
        assert caught.value.suggested_filename == f"heed-compare-f98f-050f-{group.split()[-1].lower()}.{kind.lower()}"
        files[kind] = tmp_path / caught.value.suggested_filename
        caught.value.save_as(files[kind])
    assert files["PNG"].read_bytes().startswith(b"\x89PNG") and files["PDF"].read_bytes().startswith(b"%PDF")
    assert "<h1>Comparison of A and B: what was read</h1>" in files["HTML"].read_text()
    assert "What each column read" in files["SVG"].read_text()
    table = pd.read_csv(files["CSV"], comment="#", keep_default_na=False, na_values=[""])
    assert table.groupby("run")["share"].sum().round(4).tolist() == [1, 1]
    page.goto(f"{server.url}/runs")
    page.get_by_text("Open a run or a comparison from a file").click()
    page.locator('input[type="file"]').set_input_files(files["JSON"])
    expect(page.get_by_text("A comparison of 2 columns was opened")).to_be_visible()
    page.get_by_role("link", name="Show it on Compare").click()
    expect(whole_text(page, 1)).to_contain_text("Blue")


def test_a_changed_prompt_is_run_and_its_answer_is_read_by_the_other(server, page, settled):
    opened(page, f"{server.url}/compare", settled)
    page.get_by_role("button", name="Remove").last.click()
    expect(page.get_by_text("B · Qwen2.5 Coder 0.5B Instruct")).to_have_count(0)
    settled(page)
    page.get_by_role("button", name="Copy to the right").click()
    field = page.get_by_role("textbox", name="Its own prompt").filter(visible=True)
    expect(field).to_have_count(1)
    settled(page)
    field.fill("Answer in one word: What color is the grass?")
    field.press("Tab")
    expect(page.get_by_text("Changed since this run: press Compare.")).to_be_visible()
    settled(page)
    expect(side(page, 1).get_by_text("sky", exact=True)).to_be_visible()
    page.get_by_role("button", name="Compare", exact=True).last.click()
    expect(side(page, 1).get_by_text("grass", exact=True)).to_be_visible(timeout=90_000)
    expect(page.get_by_text("Changed since this run")).to_have_count(0)
    settled(page)
    expect(page.get_by_text("1 are replaced by another word")).to_be_visible()
    first, second = re.search(r"runs=(\w{64})(?:,|%2C)(\w{64})", page.url).groups()
    assert first.startswith("f98f4e5c") and second != first
    view(page, "Difference", settled)
    expect(page.get_by_text("One row: the mean over each whole answer")).to_be_visible()
    page.get_by_text("Same answer in both").first.click()
    expect(page.get_by_text("Each cell: a word of the answer")).to_be_visible(timeout=90_000)
    expect(whole_text(page, 1)).to_contain_text("The sky is a shade of blue.")
    settled(page)
    assert first in page.url and second in page.url, "the address keeps the runs of the columns"
    page.get_by_text("Same answer in both").first.click()
    expect(page.get_by_text("One row: the mean over each whole answer")).to_be_visible()


def test_typing_keeps_the_editor_open(server, page, settled):
    opened(page, f"{server.url}/compare", settled)
    page.get_by_text(re.compile("^Edit · as above")).first.click()
    field = page.get_by_role("textbox", name="Its own prompt").filter(visible=True)
    field.fill("Another prompt")
    field.press("Tab")
    expect(page.get_by_text("Changed since this run: press Compare.")).to_be_visible()
    page.get_by_role("button", name="Settings").nth(1).click()
    page.get_by_role("radio", name="Raw", exact=True).filter(visible=True).click()
    page.keyboard.press("Escape")
    settled(page)
    expect(page.get_by_role("textbox", name="Its own prompt, raw text").filter(visible=True)).to_have_value(
        "Another prompt"
    )
    page.get_by_role("link", name="Runs").click()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    settled(page)
    page.get_by_role("link", name="Compare").click()
    expect(side(page, 1).first).to_be_visible()
    settled(page)
    page.get_by_text(re.compile("^Edit · own prompt · raw text")).first.click()
    expect(page.get_by_role("textbox", name="Its own prompt, raw text").filter(visible=True)).to_have_value(
        "Another prompt"
    )


def test_a_dark_phone(server, new_page, settled):
    page = new_page(width=390, height=844, dark=True)
    opened(page, f"{server.url}/compare", settled)
    first, second = (page.locator(".heed-reader").nth(i).bounding_box() for i in (0, 1))
    assert second["y"] > first["y"] + first["height"] - 1, "columns stack"
    for name in VIEWS:
        view(page, name, settled)
        assert too_wide(page) == [], name


def _long(model, layers, heads, seed):
    """A made-up run of 500 input and 64 output words with as many heads as a real model."""
    rng = np.random.default_rng(seed)
    text, answer = (" ".join(rng.choice(WORDS, n)) for n in (500, 64))
    base = made_up.run(f"{text} {seed}", answer, seed)
    ref = replace(charts_made_up.model(layers, heads), key=ModelKey(model, "00"), label=model)
    t, k = base.steps, len(base.tokens) - 1
    weights = rng.gamma(0.3, size=(layers * heads, t, k)).astype(np.float32)
    weights *= np.arange(k) <= base.prompt_length - 1 + np.arange(t)[:, None]
    weights /= weights.sum(-1, keepdims=True)
    rows = Rows(
        queries=base.rows.queries,
        layers=np.repeat(np.arange(layers), heads),
        heads=np.tile(np.arange(heads), layers),
        packed=np.round(65535 * np.sqrt(weights)).astype(np.uint16),
        sums=weights.sum(-1),
    )
    request = replace(base.request, model=ref.key)
    return replace(
        base, request=request, model=ref, rows=rows, norms=None, mass=np.zeros((layers, heads, t, len(base.groups)))
    )


def test_two_cached_runs_of_500_words_are_drawn_soon(server, page, settled, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(server.home))
    runs = [store.save_run(_long(f"made-up-{n}", *n, seed)) for seed, n in enumerate(((30, 9), (24, 14)))]
    for run in runs:
        store.name_run(run, "long")
    opened(page, f"{server.url}/compare", settled)  # warm-up
    page.goto(f"{server.url}/runs")
    page.get_by_role("textbox", name="Search").fill("long")
    page.get_by_role("textbox", name="Search").press("Enter")
    expect(page.get_by_text("2 runs", exact=True)).to_be_visible()
    settled(page)
    box = page.get_by_test_id("stDataFrame").bounding_box()
    for row in (1, 2):
        page.mouse.click(box["x"] + 15, box["y"] + 35 * row + 17)
        page.wait_for_timeout(600)
    settled(page)
    button = page.get_by_test_id("stMain").get_by_role("button", name="Compare", exact=True)
    began = time.perf_counter()
    button.click()
    expect(side(page, 1).nth(400)).to_be_attached(timeout=30_000)
    expect(page.get_by_test_id("stVegaLiteChart").locator("canvas, svg").first).to_be_visible(timeout=30_000)
    report("Compare, two stored runs of 500 words, click to drawn", f"{time.perf_counter() - began:.2f} s")
    settled(page)
    began = time.perf_counter()
    side(page, 0).nth(50).click()
    expect(page.locator(".st-key-compare_values")).to_contain_text("B:")
    report("Compare, 500 words, click on a word to its values", f"{time.perf_counter() - began:.2f} s")
    began = time.perf_counter()
    page.get_by_role("radio", name="Difference", exact=True).click()
    expect(page.get_by_text("One row: the mean over each whole answer")).to_be_visible()
    report("Compare, 500 words, click to the difference", f"{time.perf_counter() - began:.2f} s")
    settled(page)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_ctrl_enter_runs_what_was_just_typed(page, server, settled):
    """One press commits the text and runs it, also where nothing was to be run before."""
    page.goto(f"{server.url}/compare?runs=b4cc1cc5")
    settled(page)
    box = page.get_by_role("textbox", name="The prompt of every column")
    box.fill("Answer in one word: What color is snow, if any?")
    box.press("Control+Enter")
    expect(side(page, 0).get_by_text("snow", exact=True)).to_be_visible(timeout=90_000)
    expect(page.get_by_text("Changed since this run")).to_have_count(0)
