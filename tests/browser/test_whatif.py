"""Tests of the what-if in a real browser with the default model: picking words, knock-outs, every word, points."""

from __future__ import annotations

import copy
import io
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.pagework import chart, given, opened, too_wide, whole

SKY = "b4cc1cc5"


def go(page, settled):
    page.get_by_role("button", name="Knock out", exact=True).first.click()
    expect(page.get_by_text("What becomes of them")).to_be_visible()
    settled(page)


def pick(page, settled, *words):
    for word in words:
        given(page).get_by_text(word, exact=True).click()
        page.wait_for_timeout(300)
        settled(page)


def lost(page):
    return page.locator(".st-key-said_whatif_lost")


def each(page, settled):
    if page.get_by_text("Rank agreement").count() == 0:
        page.get_by_role("button", name="Knock out each word").click()
    expect(page.get_by_text("Rank agreement").first).to_be_visible(timeout=120_000)
    settled(page)


@pytest.fixture(scope="module")
def oracle(server, default_model):
    """Nats that the sky answer loses without some words, by eager attention, a 2-D mask and one plain pass each."""
    import torch
    from transformers import AutoModelForCausalLM

    from core import load_model
    from core.store.json_files import run_from_json
    from scripts.make_examples import FOLDER

    trace = run_from_json((FOLDER / "1-sky.json").read_bytes())
    hf = load_model(default_model).hf
    eager = AutoModelForCausalLM.from_config(copy.deepcopy(hf.config), attn_implementation="eager").eval()
    eager.load_state_dict(hf.state_dict())
    ids = torch.tensor(trace.token_ids.copy())[None]

    def score(*words):
        mask = torch.ones_like(ids)
        for i, text in enumerate(trace.input_tokens):
            if trace.tokens.own[i] and text.strip() in words:
                mask[0, i] = 0
        with torch.no_grad():
            places = torch.arange(ids.shape[1])[None]
            logits = eager(input_ids=ids, attention_mask=mask, position_ids=places).logits[0].float()
        found = torch.log_softmax(logits, -1)[trace.prompt_length - 1 : -1]
        return float(found.gather(1, ids[0, trace.prompt_length :, None])[:, 0].numpy()[trace.answer_steps].sum())

    return lambda *words: score() - score(*words)


def test_words_are_picked_in_the_text_and_knocked_out(server, page, settled, oracle):
    opened(page, f"{server.url}/explore?run={SKY}", settled)
    go(page, settled)
    pick(page, settled, "one", "word")
    marked = page.locator(".heed-reader").first.locator(".word.marked")
    expect(marked).to_have_text(["one", "word"])
    page.locator(".st-key-whatif-go button").click()
    expect(lost(page)).to_contain_text("With “one word” hidden, this same answer is", timeout=120_000)
    number = re.search(r"it (lost|gained) ([\d.]+) nats over 9 tokens", lost(page).inner_text())
    assert number
    shown = float(number[2]) * (1 if number[1] == "lost" else -1)
    assert shown == pytest.approx(oracle("one", "word"), abs=0.01)
    expect(page.locator(".heed-reader").first.locator(".panel.answer .word[data-tint]")).not_to_have_count(0)
    pick(page, settled, "one")
    expect(marked).to_have_text(["word"])
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_each_word_at_once_then_a_click_on_a_point(server, page, settled, oracle, shots):
    opened(page, f"{server.url}/explore?run={SKY}", settled)
    go(page, settled)
    each(page, settled)
    points = chart(page)
    points.scroll_into_view_if_needed()
    page.wait_for_timeout(1200)
    x, y = highest_point(points.screenshot())
    box = points.bounding_box()
    page.mouse.click(box["x"] + x, box["y"] + y)
    expect(lost(page)).to_contain_text("With “sky” hidden, this same answer is", timeout=30_000)
    number = re.search(r"it lost ([\d.]+) nats over 9 tokens, most at “sky”", lost(page).inner_text())
    assert number and float(number[1]) == pytest.approx(oracle("sky"), abs=0.01)
    expect(page.locator(".heed-reader").first.locator(".word.marked")).to_have_text(["sky"])
    settled(page)
    whole(page, shots / "whatif-light.png", settled)


def test_the_result_is_there_at_once_for_the_next_visitor(server, new_page, settled, shots):
    first = new_page()
    opened(first, f"{server.url}/explore?run={SKY}", settled)
    go(first, settled)
    each(first, settled)
    phone = new_page(width=390, height=844, dark=True)
    opened(phone, f"{server.url}/explore?run={SKY}", settled)
    go(phone, settled)
    expect(phone.get_by_text("Rank agreement").first).to_be_visible(timeout=10_000)
    expect(phone.get_by_role("button", name="Knock out each word")).to_have_count(0)
    pick(phone, settled, "sky")
    expect(lost(phone)).to_contain_text("With “sky” hidden")
    assert too_wide(phone) == []
    whole(phone, shots / "whatif-phone.png", settled)


def test_the_answer_without_them_stands_beside_the_old_one(server, page, settled):
    opened(page, f"{server.url}/explore?run={SKY}", settled)
    go(page, settled)
    pick(page, settled, "sky")
    page.get_by_role("button", name="Write the answer without them").click()
    expect(page.get_by_text("Compare the two")).to_be_visible(timeout=120_000)
    settled(page)
    page.get_by_role("link", name="Open on Explore").click()
    expect(page.get_by_role("textbox", name="Your message")).to_have_value(
        "Answer in one word: What color is the ?", timeout=30_000
    )


def test_a_guess_sees_nothing_before_three_words(server, page, settled):
    opened(page, f"{server.url}/explore?run={SKY}", settled)
    page.get_by_text("Guess first", exact=True).click()
    settled(page)
    main = page.get_by_test_id("stMain")
    for word in ("sky", "color", "one"):
        expect(main).not_to_contain_text("× uniform")
        expect(page.get_by_test_id("stVegaLiteChart")).to_have_count(0)
        target = given(page).get_by_text(word, exact=True)
        target.hover()
        expect(page.locator(".heed-reader .tip").first).to_have_text(word)
        assert "%" not in page.locator(".heed-reader").first.inner_text()
        assert given(page).evaluate_all("w => w.every((e) => e.getAttribute('aria-label').length < 20)")
        assert given(page).evaluate_all("w => w.every((e) => !(parseFloat(e.style.getPropertyValue('--t')) > 0))")
        target.click()
        page.wait_for_timeout(300)
        settled(page)
    expect(page.locator(".st-key-guessed")).to_contain_text("of your 3")
    expect(page.get_by_test_id("stVegaLiteChart").first).to_be_visible()


def highest_point(png: bytes) -> tuple[float, float]:
    """The centre of the blue dot that is highest in the picture."""
    from PIL import Image

    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    blue = (np.abs(picture - np.array([0, 114, 178])).max(-1) < 45).astype(int)
    rows = np.flatnonzero(blue.sum(1) >= 4)
    assert len(rows), "no point in the picture"
    top = rows[0]
    band = blue[top : top + 10]
    columns = np.flatnonzero(band.sum(0) > 0)
    end = columns[0]
    for column in columns:
        if column - end > 2:
            break
        end = column
    return (columns[0] + end) / 2, top + 4.0


def test_the_steered_example_opens_in_one_click_and_arrow_keys_walk_it(server, page, settled):
    opened(page, f"{server.url}/explore?run={SKY}&view=whatif", settled)
    page.get_by_text("Turned up or down").first.click()
    settled(page)
    page.locator(".st-key-steer_example button").click()
    said = page.locator(".st-key-said_whatif_steered")
    expect(said).to_contain_text("Reading the instruction 8 times as much", timeout=60_000)
    settled(page)
    expect(page.get_by_text("How it was chosen")).to_be_visible()
    slider = page.get_by_role("slider", name="How many times as much the instruction is read")
    slider.focus()
    slider.press("ArrowLeft")
    expect(said).to_contain_text("Reading the instruction 4 times as much", timeout=20_000)
    assert too_wide(page) == []
    page.get_by_role("button", name="Present").click()
    expect(page.get_by_role("button", name="Leave present mode")).to_be_visible(timeout=30_000)
    settled(page)
    page.keyboard.press("m")
    expect(page.locator(".st-key-said")).to_contain_text("4 times as much", timeout=20_000)
    for key, text in (("ArrowLeft", "2 times as much"), ("ArrowLeft", "is the plain run"), ("ArrowRight", "2 times")):
        page.keyboard.press(key)
        expect(page.locator(".st-key-said")).to_contain_text(text, timeout=20_000)
    expect(page.get_by_test_id("stException")).to_have_count(0)
