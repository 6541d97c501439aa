"""Tests of Explore in a real browser with the default model: examples, an own run, links, phones."""

import json
import re
import time

from playwright.sync_api import expect

from tests.browser.pagework import answer, chart, given, local_only, opened, report, sentence, too_wide, view

PROMPT = "Name three colors of the rainbow, please."


def stored(server) -> set[str]:
    return {f.name for f in (server.home / "runs").iterdir() if len(f.name) == 64}


def write(page, text, settled, tokens=None):
    """Fills in the form, with few new tokens to keep the test quick."""
    if tokens:
        page.get_by_role("button", name="Settings").click()
        field = page.get_by_role("spinbutton", name="New tokens")
        field.fill(str(tokens))
        field.press("Enter")
        page.wait_for_timeout(500)
        settled(page)
        page.keyboard.press("Escape")
    box = page.get_by_role("textbox", name="Your message")
    box.fill(text)
    box.press("Tab")
    page.wait_for_timeout(500)
    settled(page)


def test_the_walk_of_a_lecturer(server, page, settled, console, tmp_path):
    foreign = local_only(page)
    report("first page of a started server", f"{opened(page, server.url, settled):.2f} s")
    expect(page.locator("link[rel*='icon']")).to_have_attribute(
        "href", re.compile("^data:image/png")
    )  # no file to miss
    expect(sentence(page)).to_contain_text("While writing the whole answer, the model read most “sky” with")
    answer(page).get_by_text("beautiful", exact=True).click()
    expect(sentence(page)).to_contain_text("While writing “beautiful”")
    given(page).get_by_text("sky", exact=True).click()
    expect(sentence(page)).to_contain_text("“sky” was read most while writing")
    expect(chart(page)).to_be_visible()
    for name in ("Over the answer", "Layers and heads", "Table"):
        view(page, name, settled)
        expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page.get_by_test_id("stDataFrame").first).to_be_visible()
    began = time.perf_counter()
    page.get_by_role("button", name="Six words: love").click()
    expect(answer(page).first).to_have_text("Love")
    report("cached run, click to drawn", f"{time.perf_counter() - began:.2f} s")
    settled(page)
    expect(page.get_by_role("textbox", name="Your message")).to_have_value("Write a six-word story about love")
    assert re.search(r"run=b4739c46", page.url)
    page.go_back()
    expect(answer(page).first).to_have_text("The")
    page.go_forward()
    expect(answer(page).first).to_have_text("Love")
    settled(page)
    assert foreign == []


def test_play_steps_by_itself_and_stops_at_the_end(server, page, settled):
    opened(page, server.url, settled)
    view(page, "Over the answer", settled)
    slider = page.get_by_role("slider", name="Step of the answer")
    expect(slider).to_have_value("1")
    page.get_by_text("Play", exact=True).click()
    expect(slider).to_have_value("4", timeout=20_000)
    expect(sentence(page)).to_contain_text("While writing “")
    expect(slider).to_have_value("9", timeout=20_000)
    expect(page.get_by_role("switch", name="Play")).not_to_be_checked(timeout=20_000)
    settled(page)
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(slider).to_have_value("8")
    expect(sentence(page)).to_contain_text("While writing “color”")
    answer(page).get_by_text("is", exact=True).click()
    expect(slider).to_have_value("3")


def test_a_click_in_the_heatmap_picks_the_word(server, page, settled):
    opened(page, server.url, settled)
    canvas = chart(page)
    expect(canvas).to_be_visible()
    canvas.scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    box = canvas.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.5)
    expect(sentence(page)).not_to_contain_text("the whole answer")
    settled(page)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_present_mode(server, page, settled):
    opened(page, server.url, settled)
    page.get_by_role("button", name="Present").click()
    expect(page.get_by_role("textbox", name="Your message")).to_have_count(0)
    settled(page)
    assert "present=1" in page.url and "run=b4cc1cc5" in page.url
    page.wait_for_timeout(500)  # the texts are drawn anew, and keys are theirs
    page.keyboard.press("ArrowRight")
    expect(sentence(page)).to_contain_text("While writing “The”")
    page.keyboard.press("ArrowRight")
    expect(sentence(page)).to_contain_text("While writing “sky”")
    page.keyboard.press("Escape")
    expect(sentence(page)).to_contain_text("the whole answer")
    size = float(sentence(page).get_by_test_id("stText").evaluate("e => parseFloat(getComputedStyle(e).fontSize)"))
    assert size >= 26
    page.get_by_role("button", name="Leave present mode").click()
    expect(page.get_by_role("textbox", name="Your message")).to_be_visible()
    assert "present" not in page.url


def test_a_run_of_ones_own(server, page, settled):
    """A run streams its answer, leaves nothing behind when cancelled, and comes from the store the second time."""
    foreign = local_only(page)
    opened(page, server.url, settled)
    before = stored(server)
    write(page, PROMPT, settled, 24)
    page.get_by_role("button", name="Run", exact=True).click()
    cancel = page.get_by_role("button", name="Cancel")
    expect(cancel).to_be_visible(timeout=10_000)
    expect(page.locator(".st-key-stream").get_by_test_id("stText")).to_contain_text(re.compile(r"\w+"), timeout=90_000)
    began = time.perf_counter()
    cancel.click()
    expect(answer(page).first).to_have_text("The")
    report("Cancel to a free page", f"{time.perf_counter() - began:.2f} s")
    page.wait_for_timeout(1500)
    assert stored(server) == before
    expect(page.get_by_role("textbox", name="Your message")).to_have_value(PROMPT)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(cancel).to_be_visible(timeout=10_000)
    expect(cancel).to_have_count(0, timeout=90_000)
    settled(page)
    (run,) = stored(server) - before
    assert f"run={run}" in page.url
    expect(given(page).get_by_text("rainbow", exact=True)).to_be_visible()
    page.get_by_role("button", name="One word: the sky").click()
    expect(answer(page).first).to_have_text("The")
    settled(page)
    write(page, PROMPT, settled, 24)
    began = time.perf_counter()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(given(page).get_by_text("rainbow", exact=True)).to_be_visible(timeout=30_000)
    report("the same run again, click to drawn", f"{time.perf_counter() - began:.2f} s")
    expect(cancel).to_have_count(0)
    assert foreign == []


def test_ctrl_enter_runs(server, page, settled):
    opened(page, server.url, settled)
    box = page.get_by_role("textbox", name="Your message")
    box.fill("Name one color.")
    box.press("Control+Enter")
    settled(page)
    expect(given(page).get_by_text("color", exact=True)).to_be_visible(timeout=60_000)
    expect(page.get_by_role("button", name="Ctrl+Enter")).to_have_count(0)  # it is for the key alone


def test_a_marked_prompt_is_followed_by_segment(server, page, settled):
    opened(page, server.url, settled)
    write(page, "[[instruction: Answer in one word:]] [[question: What color is the sky?]]", settled)
    page.get_by_role("button", name="Run", exact=True).click()
    settled(page)
    view(page, "Over the answer", settled)
    with page.expect_download() as caught:
        page.get_by_role("button", name="Download", exact=True).click()
        page.get_by_role("button", name="CSV").click()
    table = caught.value.path().read_text()
    assert ',"instruction",' in table and ',"question",' in table and '"Sink"' in table


def test_a_deep_link_on_a_fresh_server(new_server, new_page):
    fresh = new_server()
    for path in ("/explore?run={}", "/?run={}"):
        page = new_page()
        page.goto(fresh.url + path.format("b4739c46"))
        expect(answer(page).first).to_have_text("Love", timeout=30_000)
        expect(page.get_by_role("textbox", name="Your message")).to_have_value("Write a six-word story about love")
    page.goto(fresh.url + path.format("f" * 64))
    expect(page.get_by_test_id("stAlert")).to_contain_text("There is no stored run ffffffffffff", timeout=30_000)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_every_download_is_what_it_says(server, page, settled, tmp_path):
    opened(page, server.url, settled)
    files = {}
    page.get_by_role("button", name="Download", exact=True).click()
    groups = {"Shaded texts": ("PNG", "SVG", "HTML snippet", "LaTeX"), "Chart": ("PNG", "SVG", "PDF", "CSV")}
    for group, kind in [(g, k) for g, own in (groups | {"Run": ("JSON", "HTML page")}).items() for k in own]:
        with page.expect_download() as caught:
            page.locator(f".st-key-download_{group.replace(' ', '-')}_{kind.replace(' ', '-')} button").first.click()
        ending = "tex" if kind == "LaTeX" else kind.split()[0].lower()
        assert caught.value.suggested_filename == f"heed-b4cc1cc5-{group.split()[-1].lower()}.{ending}"
        files[kind if group != "Shaded texts" else f"text {kind}"] = tmp_path / caught.value.suggested_filename
        caught.value.save_as(tmp_path / caught.value.suggested_filename)
    assert (
        files["text PNG"].read_bytes().startswith(b"\x89PNG") and "picked: the whole" in files["text SVG"].read_text()
    )
    assert r"{sky}" in files["text LaTeX"].read_text() and ">sky</span>" in files["text HTML snippet"].read_text()
    assert files["PNG"].read_bytes().startswith(b"\x89PNG") and files["PDF"].read_bytes().startswith(b"%PDF")
    assert "Token association heatmap" in files["SVG"].read_text()
    assert json.loads(files["JSON"].read_text())["id"].startswith("b4cc1cc5")
    assert "row,position,output" in files["CSV"].read_text()
    page.goto(files["HTML page"].as_uri())
    expect(page.locator("#reader .word").first).to_be_visible()
    expect(page.locator(".sentence")).to_contain_text("the model read most “sky”")


def test_a_dark_phone(server, new_page, settled):
    page = new_page(width=390, height=844, dark=True)
    opened(page, server.url, settled)
    for name in ("Heatmap", "Over the answer", "Layers and heads", "Table"):
        view(page, name, settled)
        assert too_wide(page) == [], name
    page.goto(f"{server.url}/runs")
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    settled(page)
    assert too_wide(page) == []
    page.goto(f"{server.url}/compare")
    expect(answer(page).first).to_be_visible()
    settled(page)
    assert too_wide(page) == []


def test_two_tabs_ask_for_different_runs(server, new_page, settled):
    first, second = new_page(), new_page()
    for page in (first, second):
        opened(page, server.url, settled)
    write(first, "Say one short thing about cats.", settled, 8)
    write(second, "Say one short thing about dogs.", settled, 8)
    for page in (first, second):
        page.get_by_role("button", name="Run", exact=True).click()
    expect(second.get_by_role("button", name="Cancel")).to_be_visible(timeout=10_000)
    for page, word in ((first, "cats"), (second, "dogs")):
        expect(given(page).get_by_text(word, exact=True)).to_be_visible(timeout=90_000)


def test_present_fills_a_projector(server, page, settled):
    """The texts and what stands below them fill 1920 x 1080, nothing is clipped, and H and L show more."""
    page.set_viewport_size({"width": 1920, "height": 1080})
    opened(page, f"{server.url}/?run=b4cc1cc5&present=1", settled)
    panels = page.locator(".heed-reader .panels").element_handle()
    page.wait_for_function("panels => panels.offsetHeight > 0.7 * 1080", arg=panels)
    box = panels.bounding_box()
    assert box["y"] >= 0
    # The page's own styles may come after the texts: what moves them makes them fit again.
    for padding, height in (("96px", box["height"] - 80), ("", box["height"])):
        page.evaluate("size => document.querySelector('.block-container').style.paddingTop = size", padding)
        near = "([panels, height]) => Math.abs(panels.offsetHeight - height) < 2"
        page.wait_for_function(near, arg=[panels, height], timeout=10_000)
    size = page.locator(".heed-reader .word").first.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    assert size > 60
    leave = page.get_by_role("button", name="Leave present mode").bounding_box()
    assert leave["y"] + leave["height"] <= 1080
    page.keyboard.press("l")
    expect(page.get_by_test_id("stTable")).to_contain_text("beautiful")
    page.keyboard.press("h")
    expect(chart(page)).to_be_visible()
    page.keyboard.press("h")
    expect(answer(page).first).to_be_visible()


def test_the_first_screen_and_what_a_stranger_tries(server, page, settled):
    """Answer, picture and sentence are seen at 1280 x 800; a token says its alternatives; a head is read by a click."""
    page.set_viewport_size({"width": 1280, "height": 800})
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened(page, server.url, settled)
    expect(page).to_have_url(re.compile("run=b4cc1cc5"))
    for seen in (answer(page).first, given(page).first, sentence(page), page.get_by_role("radio", name="Heatmap")):
        box = seen.bounding_box()
        assert box["y"] >= 60 and box["y"] + box["height"] <= 800
    assert chart(page).bounding_box()["y"] < 800, "the heatmap begins on the first screen"
    view(page, "How likely", settled)
    page.locator(".heed-likelihood .token").nth(3).hover()
    expect(page.locator(".heed-likelihood .tip .other")).to_have_count(5)
    expect(page.locator(".heed-likelihood .tip")).to_contain_text("rank 1")
    view(page, "Layers and heads", settled)
    chart(page).scroll_into_view_if_needed()
    box = chart(page).bounding_box()
    page.mouse.click(box["x"] + 0.41 * box["width"], box["y"] + 0.37 * box["height"])
    expect(page.get_by_role("button", name=re.compile("^Back to"))).to_be_visible(timeout=10_000)
    expect(sentence(page)).to_contain_text(re.compile(r"in layer \d+, head \d+"))
    expect(page).to_have_url(re.compile("method=picked-heads"))
    settled(page)
    page.get_by_role("button", name="Copy link").click()
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    said = sentence(page).inner_text()
    opened(page, page.url, settled)
    expect(sentence(page)).to_have_text(said)
    page.get_by_role("button", name=re.compile("^Back to")).click()
    expect(sentence(page)).not_to_contain_text("in layer")
