"""Tests of Diagrams in a real browser: a head is enlarged by a click, figures are drawn, files are what they say."""

import pytest
from playwright.sync_api import expect

from tests.browser.pagework import too_wide


def chart(page):
    return page.get_by_test_id("stVegaLiteChart")


@pytest.mark.usefixtures("shots")
def test_a_click_enlarges_a_head_and_the_map_is_a_vector_pdf(server, page, settled):
    page.goto(f"{server.url}/diagrams?source=checkpoints&figure=heads")
    expect(chart(page)).to_be_visible(timeout=60_000)
    settled(page)
    marks = chart(page).locator("svg.marks, canvas.marks").first
    box = marks.bounding_box()
    marks.click(position={"x": box["width"] * 0.6, "y": box["height"] * 0.8})
    expect(page.get_by_role("combobox", name="Figure")).to_have_value(
        "Attention map: what every token read of every other"
    )
    settled(page)
    assert "figure=map" in page.url
    picked = page.get_by_test_id("stMultiSelect").locator("[data-tag]")
    expect(picked).to_have_count(2)
    assert [t.strip()[:1] for t in picked.all_inner_texts()] == ["1", "2"]
    page.get_by_role("button", name="Download", exact=True).click()
    with page.expect_download() as got:
        page.get_by_role("button", name="PDF").first.click()
    data = open(got.value.path(), "rb").read()
    assert data.startswith(b"%PDF") and b"FontFile" in data and len(data) < 2_000_000
    assert got.value.suggested_filename == "heed-induction-map-column.pdf"


def test_a_date_is_read_and_its_months_are_a_region(server, page, settled):
    page.goto(f"{server.url}/diagrams?source=text")
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option").filter(has_text="Dates T5").click()
    settled(page)
    page.get_by_role("button", name="Read the text").click()
    expect(page.get_by_text("Output: 1998-03-03")).to_be_visible(timeout=90_000)
    expect(chart(page)).to_be_visible()
    expect(page.get_by_role("radio", name="The output reads the input")).to_be_checked()


@pytest.mark.parametrize("figure", ["map", "heads", "kinds", "evolution", "blocks"])
def test_nothing_sticks_out_on_a_dark_phone(server, new_page, settled, figure):
    page = new_page(width=390, height=844, dark=True)
    page.goto(f"{server.url}/diagrams?source=checkpoints&figure={figure}")
    expect(chart(page)).to_be_visible(timeout=60_000)
    settled(page)
    assert too_wide(page) == []
