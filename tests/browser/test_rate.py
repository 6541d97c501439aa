"""Tests of Rate in a real browser: keys, a surplus press, undo, a phone; markup in answers is shown as text."""

import pytest
from playwright.sync_api import expect

from core.study import ratings
from tests.browser.pagework import too_wide
from tests.pages import rate_made_up as made


@pytest.fixture
def study(server, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(server.home))
    opened = made.study()
    yield opened
    opened.delete()


def begin(page, server, study, settled, rater):
    page.goto(f"{server.url}/rate?study={study.id}")
    name = page.get_by_label("Your name")
    name.fill(rater)
    name.press("Enter")
    card = page.locator(".heed-card")
    expect(card.locator(".scale button")).to_have_count(5)
    settled(page)
    return card


TWICE = "keys => keys.forEach(key => document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true})))"


def test_keys_rate_once_and_undo(server, page, settled, study):
    card = begin(page, server, study, settled, "Ann")
    assert card.evaluate("e => e.getRootNode().activeElement.className") == "text", "keys would go into the name"
    answer, shown = card.locator(".text").nth(1), []
    for done, key in enumerate("52", 1):
        shown.append(answer.inner_text())
        page.evaluate(TWICE, [key, "1"])
        expect(page.get_by_text(f"{done} of 3 answers rated")).to_be_visible()
        expect(answer).not_to_have_text(shown[-1])
    assert sorted(set(ratings.ratings_of(study.db, "Ann").values())) == [2.0, 5.0], (
        "1 was pressed before the next card came"
    )
    page.keyboard.press("u")
    expect(answer).to_have_text(shown[-1])
    for done in (2, 3):
        card.get_by_role("button", name="4 good").click()
        expect(
            page.get_by_text(f"{done} of 3 answers rated" if done < 3 else "You have rated every answer")
        ).to_be_visible()
    assert not any(word in page.locator("body").inner_text() for word in made.HIDDEN)


def test_a_phone_with_a_dark_theme(server, new_page, settled, study):
    page = new_page(width=390, height=844, dark=True)
    card = begin(page, server, study, settled, "Bob")
    seen = []
    for _ in range(3):
        text = card.locator(".text").nth(1).inner_text()
        seen.append(text)
        card.get_by_role("button", name="Later").click()
        expect(card.locator(".text").nth(1)).not_to_have_text(text)
    assert "<script>alert(1)</script> The sky is **blue**." in seen, "as the model wrote it"
    assert too_wide(page) == []
    assert card.evaluate("e => getComputedStyle(e).color") == "rgb(229, 233, 240)"
    assert card.get_by_role("button", name="3 in between").bounding_box()["height"] >= 40
