"""Tests of a conversation in a real browser: what is typed survives the press of a button, on a dark phone."""

from playwright.sync_api import expect

from tests.browser.pagework import opened, too_wide


def test_nothing_typed_is_lost_and_nothing_sticks_out(server, new_page, settled):
    page = new_page(width=390, height=844, dark=True)
    opened(page, server.url, settled)
    page.locator(".st-key-continue button").filter(visible=True).click()
    said = page.get_by_role("textbox", name="Text of message 2")
    expect(said).to_have_value("The sky is a beautiful, vibrant color.")
    prompt = page.locator(".st-key-prompt textarea")
    expect(prompt).to_have_value("")
    prompt.fill("Why?")
    settled(page)
    said.fill("It is blue.")  # the field is left by the press of the button
    page.get_by_test_id("stPopoverButton").filter(has_text="Add a document", visible=True).click()
    page.locator("input[type=file]").first.set_input_files(
        [{"name": "a long name of a report.txt", "mimeType": "text/plain", "buffer": b"The sky ]] scatters."}]
    )
    chip = page.get_by_test_id("stPopoverButton").filter(has_text="a long name of a report.txt · 4 words", visible=True)
    expect(chip).to_be_visible()
    page.keyboard.press("Escape")
    settled(page)
    assert too_wide(page) == []
    said.fill("It is so blue.")
    page.locator(".st-key-turn_1_arrow_upward button, .st-key-turn_3_arrow_upward button").filter(visible=True).click()
    expect(page.get_by_role("textbox", name="Text of message 1")).to_have_value("It is so blue.")
