"""Tests of Grid in a real browser: lines are pasted, cells fill, samples switch, text stays text, a click opens Explore."""

import pytest
from playwright.sync_api import expect

from core.study.grid import pasted_items
from tests.browser.pagework import answer, too_wide
from tests.pages import grid_made_up, made_up


@pytest.mark.usefixtures("shots")
def test_two_lines_run_and_a_click_opens_explore(server, page, settled):
    page.goto(f"{server.url}/grid")
    box = page.get_by_role("textbox", name="Prompts, one a line")
    box.fill("Answer in one word: What color is the sky?\tblue\nName two fruits. <b>Do not use commas.</b>")
    page.get_by_role("spinbutton", name="New tokens").fill("12")
    page.get_by_role("spinbutton", name="New tokens").press("Enter")
    expect(page.get_by_text("2 answers")).to_be_visible()
    settled(page)
    page.keyboard.press("Control+Enter")
    cells = page.locator(".heed-grid td .answer")
    expect(page.locator(".heed-grid .waiting").first).to_be_visible()
    expect(cells).to_have_count(2, timeout=120_000)
    expect(cells.first).to_have_text("The sky is a beautiful, vibrant color.")
    expect(page.locator(".heed-grid th").last).to_have_text("Name two fruits. <b>Do not use commas.</b>")
    expect(page.locator(".heed-grid td").first).to_contain_text("✗ not correct")
    expect(page.locator(".heed-grid td").first).to_contain_text("9 tokens")
    assert float(cells.first.locator("[data-shade]").nth(1).evaluate("e => e.style.getPropertyValue('--t')")) > 0
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0, timeout=60_000)
    settled(page)
    cells.first.click()
    page.wait_for_url("**/explore?run=*", timeout=90_000)
    expect(answer(page).first).to_be_visible(timeout=60_000)
    page.get_by_role("link", name="Back to Grid").click()
    expect(cells).to_have_count(2)


def test_samples_switch_and_nothing_sticks_out_on_a_dark_phone(server, new_page, settled, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(server.home))
    answers = (f"Blue. {made_up.HOSTILE}", "Green it is.")
    ident = grid_made_up.grid(pasted_items(made_up.HOSTILE), samples=2, answers=answers)
    page = new_page(width=390, height=844, dark=True)
    page.goto(f"{server.url}/grid?grid={ident}")
    cell = page.locator(".heed-grid td").first
    expect(cell.locator(".answer")).to_contain_text("Blue. <script>alert(1)</script>")
    cell.get_by_role("button", name="2").click()
    expect(cell.locator(".answer")).to_have_text("Green it is.")
    expect(cell).to_contain_text("2 different answers")
    settled(page)
    assert too_wide(page) == [] and page.locator(".heed-grid b script, .heed-grid img").count() == 0
    assert page.locator(".heed-grid").evaluate("e => getComputedStyle(e).color") == "rgb(229, 233, 240)"
