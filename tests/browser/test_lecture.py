"""Test of a whole lecture on Compare: two models, the instruction "one word", its attention and its knock-out."""

import re

from playwright.sync_api import expect

from tests.browser.test_compare import opened, side, view, whole_text


def shares(page, word):
    """The share of ``word`` in each column, in percent, after a click on it in column A."""
    side(page, 0).get_by_text(word, exact=True).click()
    values = page.locator(".st-key-compare_values")
    expect(values).to_contain_text(f"B: “{word}”")
    return [float(n) for n in re.findall(r"[AB]: “\w+” · ([\d.]+) %", values.inner_text())]


def test_a_lecture(server, page, settled):
    opened(page, f"{server.url}/compare", settled)
    expect(whole_text(page, 0, "input")).to_contain_text("Answer in one word: What color is the sky?")
    expect(whole_text(page, 0)).to_contain_text("The sky is a shade of blue.")
    expect(whole_text(page, 1)).to_contain_text("Blue")

    view(page, "Outputs", settled)
    words = page.get_by_test_id("stTable").or_(page.get_by_test_id("stDataFrame")).first
    expect(words).to_be_visible()

    one, word = shares(page, "one"), shares(page, "word")
    assert len(one) == len(word) == 2
    assert all(0 < share < 100 for share in one + word)
    assert word[1] > word[0], "Qwen follows the instruction; it also reads “word” more"

    view(page, "What if", settled)
    texts = page.locator(".heed-reader").nth(2).locator(".panel.input .word")  # the knock-out of column A, below
    for text in ("one", "word"):
        texts.get_by_text(text, exact=True).click()
        page.wait_for_timeout(300)
        settled(page)
    page.locator("button:visible", has_text=re.compile(r"Knock out$")).first.click()
    said = page.get_by_text(re.compile(r"With “one word” hidden, this same answer is"))
    expect(said.first).to_be_visible(timeout=120_000)
    assert re.search(r"(lost|gained) [\d.]+ nats over 8 tokens", said.first.inner_text())
    expect(page.get_by_test_id("stException")).to_have_count(0)
