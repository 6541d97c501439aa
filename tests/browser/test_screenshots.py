"""Makes the screenshots of README and docs: Explore, Compare and Findings, light, dark and on a phone.

Written into docs/screenshots where one is missing, or all of them with HEED_SHOTS=1, so that a run of the tests
leaves the checkout as it was.
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
LOOKS = {"light": (1280, False), "dark": (1280, True), "phone": (390, False)}
PHONE = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36"
LARGEST = 300_000
"""Most bytes of one picture."""


def only_for_pictures(*cases):
    """Cases that are run with HEED_SHOTS=1 only: other tests look at the same pages."""
    skip = pytest.mark.skipif(os.environ.get("HEED_SHOTS") != "1", reason="HEED_SHOTS=1 makes all pictures")
    return [pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=skip) for case in cases]


@pytest.mark.parametrize(
    "example, look", [("sky", "dark"), ("sky", "phone"), *only_for_pictures(("sky", "light"), ("love", "light"))]
)
def test_explore(server, new_page, settled, tmp_path, example, look):
    width, dark = LOOKS[look]
    page = new_page(width=width, height=844 if width < 600 else 800, dark=dark)
    opened(page, f"{server.url}/explore?run={EXAMPLES[example]}", settled)
    expect(page.get_by_test_id("stVegaLiteChart").first).to_be_visible()
    assert too_wide(page) == []
    words = {word.evaluate("e => getComputedStyle(e).color") for word in answer(page).all()[:3]}
    assert words == {"rgb(229, 233, 240)" if dark else "rgb(15, 23, 42)"}
    whole(page, tmp_path / "shot.png", settled)
    _keep(tmp_path / "shot.png", f"explore-{example}-{look}.png")


@pytest.mark.parametrize("look", ["phone", *only_for_pictures("light", "dark")])
def test_compare(server, new_page, settled, tmp_path, look):
    width, dark = LOOKS[look]
    agent = {"user_agent": PHONE} if look == "phone" else {}
    page = new_page(width=width, height=844 if width < 600 else 800, dark=dark, **agent)
    page.goto(f"{server.url}/compare")
    expect(page.locator(".heed-reader").nth(1).locator(".word").first).to_be_visible(timeout=60_000)
    expect(page.get_by_test_id("stVegaLiteChart").first).to_be_visible(timeout=30_000)
    settled(page)
    assert too_wide(page) == []
    whole(page, tmp_path / "shot.png", settled)
    _keep(tmp_path / "shot.png", f"compare-sky-{look}.png")


@pytest.mark.parametrize("look", ["phone", *only_for_pictures("light", "dark")])
def test_findings(server, new_page, settled, tmp_path, look):
    width, dark = LOOKS[look]
    page = new_page(width=width, height=844 if width < 600 else 800, dark=dark)
    page.goto(f"{server.url}/findings?study=example")
    expect(page.get_by_text("Quality by structure").first).to_be_visible(timeout=60_000)
    settled(page)
    assert too_wide(page) == []
    whole(page, tmp_path / "shot.png", settled)
    _keep(tmp_path / "shot.png", f"findings-{look}.png")


def _keep(shot: Path, name: str) -> None:
    small = _small(shot)
    assert len(small) < LARGEST
    target = FOLDER / name
    if os.environ.get("HEED_SHOTS") or not target.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        target.write_bytes(small)


def _small(path: Path) -> bytes:
    """The picture as the smallest PNG; a long page in 128 colours."""
    out = io.BytesIO()
    picture = Image.open(path).convert("RGB")
    (picture.quantize(128) if picture.height > 3000 else picture).save(out, "PNG", optimize=True)
    return out.getvalue()
