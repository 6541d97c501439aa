"""Makes the screenshots of README and docs, light, dark and on a phone: Explore, What if, Compare, Diagrams and others.

The tests take those of a phone, where something sticks out first. HEED_SHOTS=1 takes all of them and writes them into
docs/screenshots: ``HEED_SHOTS=1 .venv/bin/python scripts/test.py tests/browser/test_screenshots.py``.
"""

import io
import os
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.pagework import answer, opened, too_wide, whole

FOLDER = Path(__file__).resolve().parents[2] / "docs/screenshots"
EXAMPLES = {"sky": "b4cc1cc5", "love": "b4739c46"}
PHONE = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36"
ONLY_FROM = """(heading) => {
    let at = [...document.querySelectorAll("h2, h3")].find((one) => one.textContent.includes(heading));
    const isPage = (block) => block.dataset.testid === "stVerticalBlock" &&
        !block.parentElement.closest("[data-testid=stVerticalBlock]");
    while (at.parentElement && !isPage(at.parentElement)) at = at.parentElement;
    for (let one = at.previousElementSibling; one; one = one.previousElementSibling) one.style.display = "none";
}"""
"""Hides what stands on the page before a heading: a picture of a long page ends somewhere."""
LOOKS = [("light", "dark"), ("phone",)] if os.environ.get("HEED_SHOTS") else [("phone",)]
LARGEST = 300_000
"""Most bytes of one picture."""


def pictures(page, settled, folder, name, looks, words=False):
    """Takes a picture of an open page in each look, without loading it again; nothing may stick out."""
    for look in looks:
        page.emulate_media(color_scheme="dark" if look == "dark" else "light")
        if words:
            colour = "rgb(229, 233, 240)" if look == "dark" else "rgb(15, 23, 42)"
            expect(answer(page).nth(1)).to_have_css("color", colour)
        settled(page)
        assert too_wide(page) == []
        whole(page, folder / "shot.png", settled)
        _keep(folder / "shot.png", f"{name}-{look}.png")


@pytest.mark.skipif("HEED_SHOTS" not in os.environ, reason="a picture for the docs, checked by nobody")
@pytest.mark.parametrize("example, looks", [("sky", ("light", "dark")), ("love", ("light",))])
def test_explore(server, new_page, settled, tmp_path, example, looks):
    page = new_page()
    opened(page, f"{server.url}/explore?run={EXAMPLES[example]}", settled)
    expect(page.get_by_test_id("stVegaLiteChart").first).to_be_visible()
    pictures(page, settled, tmp_path, f"explore-{example}", looks, words=True)


def test_explore_on_a_phone(server, new_page, settled, tmp_path):
    page = new_page(width=390, height=844)
    opened(page, f"{server.url}/explore?run={EXAMPLES['sky']}", settled)
    expect(page.get_by_test_id("stVegaLiteChart").first).to_be_visible()
    pictures(page, settled, tmp_path, "explore-sky", ("phone",), words=True)


@pytest.mark.parametrize("looks", LOOKS)
def test_compare(server, new_page, settled, tmp_path, looks):
    page = new_page(width=390, height=844, user_agent=PHONE) if looks == ("phone",) else new_page()
    page.goto(f"{server.url}/compare")
    expect(page.locator(".heed-reader").nth(1).locator(".word").first).to_be_visible(timeout=60_000)
    expect(page.get_by_test_id("stVegaLiteChart").first).to_be_visible(timeout=30_000)
    settled(page)
    pictures(page, settled, tmp_path, "compare-sky", looks, words=True)


@pytest.mark.parametrize("looks", LOOKS)
def test_diagrams(server, new_page, settled, tmp_path, looks):
    page = new_page(width=390, height=844, user_agent=PHONE) if looks == ("phone",) else new_page()
    page.goto(f"{server.url}/diagrams?source=checkpoints&figure=map")
    expect(page.get_by_test_id("stVegaLiteChart").first).to_be_visible(timeout=60_000)
    settled(page)
    pictures(page, settled, tmp_path, "diagrams", looks)


@pytest.mark.parametrize("looks", LOOKS)
def test_findings(server, new_page, settled, tmp_path, looks):
    page = new_page(width=390, height=844) if looks == ("phone",) else new_page()
    page.goto(f"{server.url}/findings?study=example")
    expect(page.get_by_text("Quality by structure").first).to_be_visible(timeout=60_000)
    settled(page)
    pictures(page, settled, tmp_path, "findings", looks)


@pytest.mark.parametrize("looks", LOOKS)
def test_what_reading_does(server, new_page, settled, tmp_path, looks):
    page = new_page(width=390, height=844) if looks == ("phone",) else new_page()
    page.goto(f"{server.url}/findings?study=steering-example")
    expect(page.get_by_text("What reading does").first).to_be_visible(timeout=60_000)
    settled(page)
    page.evaluate(ONLY_FROM, "What reading does")
    pictures(page, settled, tmp_path, "findings-steering", looks)


@pytest.mark.parametrize("looks", LOOKS)
def test_turn_up_or_down(server, new_page, settled, tmp_path, looks):
    page = new_page(width=390, height=844, user_agent=PHONE) if looks == ("phone",) else new_page()
    opened(page, f"{server.url}/explore?run={EXAMPLES['sky']}&view=whatif", settled)
    page.get_by_text("Turned up or down").first.click()
    settled(page)
    page.locator(".st-key-steer_example button").click()
    expect(page.locator(".st-key-said_whatif_steered")).to_contain_text("times as much", timeout=60_000)
    expect(page.get_by_test_id("stVegaLiteChart").first).to_be_visible(timeout=30_000)
    settled(page)
    pictures(page, settled, tmp_path, "turn-up-or-down", looks)


@pytest.mark.parametrize("looks", LOOKS)
def test_trust(server, new_page, settled, tmp_path, looks):
    page = new_page(width=390, height=844) if looks == ("phone",) else new_page()
    page.goto(f"{server.url}/trust")
    expect(page.get_by_text("tells best what this model").first).to_be_visible(timeout=60_000)
    expect(page.get_by_test_id("stVegaLiteChart").first).to_be_visible(timeout=30_000)
    settled(page)
    pictures(page, settled, tmp_path, "trust", looks)


def _keep(shot: Path, name: str) -> None:
    small = _small(shot)
    assert len(small) < LARGEST
    target = FOLDER / name
    if os.environ.get("HEED_SHOTS"):
        FOLDER.mkdir(parents=True, exist_ok=True)
        target.write_bytes(small)


def _small(path: Path) -> bytes:
    """The picture as the smallest PNG; a long page in 128 colours."""
    out = io.BytesIO()
    picture = Image.open(path).convert("RGB")
    (picture.quantize(128) if picture.height > 2500 else picture).save(out, "PNG", optimize=True)
    return out.getvalue()
