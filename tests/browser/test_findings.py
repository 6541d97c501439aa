"""Tests of Findings in a real browser on the example study: outcomes first, runs picked and stepped through."""

import re

from playwright.sync_api import expect

from tests.browser.pagework import local_only


def test_the_example_opens_by_one_click_and_its_runs_are_stepped_through(server, page, settled):
    foreign = local_only(page)
    page.goto(f"{server.url}/findings")
    expect(page.get_by_text("Quality by structure").first).to_be_visible(timeout=60_000)
    settled(page)
    page.get_by_role("button", name="Example study").click()
    settled(page)
    body = page.locator("body").inner_text()
    assert body.index("Quality by structure") < body.index("Importance against quality"), "outcomes come first"
    assert "Traceback" not in body and not re.search(r"\bnan\b", body, re.IGNORECASE)
    page.get_by_role("button", name="First", exact=True).click()
    settled(page)
    expect(page.get_by_role("button", name=re.compile("Open in Explore|Compute again")).first).to_be_visible()
    assert "cell=" in page.url
    assert foreign == []
