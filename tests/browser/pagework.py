"""Helpers of the browser tests: opening pages, waiting, reading what is drawn, checking requests and layout."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect


def report(name: str, value: str) -> None:
    """Writes a measured figure on a line of its own into the output of the tests."""
    sys.stdout.write(f"\nFIGURE {name}: {value}\n")


def local_only(page: Page) -> list[str]:
    """URLs outside this machine that the page requests; the list must stay empty."""
    foreign: list[str] = []

    def seen(request: Any) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:", "about:", "file:")):
            foreign.append(request.url)

    page.on("request", seen)
    page.on("websocket", lambda socket: None if "//127.0.0.1:" in socket.url else foreign.append(socket.url))
    return foreign


def answer(page: Page) -> Locator:
    """The answer's words in the first reader component."""
    return page.locator(".heed-reader").first.locator(".panel.answer .word")


def given(page: Page) -> Locator:
    """The prompt's words in the first reader component."""
    return page.locator(".heed-reader").first.locator(".panel.input .word")


def sentence(page: Page) -> Locator:
    return page.locator(".st-key-said")


def opened(page: Page, url: str, settled: Any) -> float:
    """Opens Explore; returns the seconds until the texts are drawn."""
    began = time.perf_counter()
    page.goto(url)
    expect(page.locator(".heed-reader").first.locator(".panel.answer :is(.word, .sentence)").first).to_be_visible(
        timeout=60_000
    )
    seconds = time.perf_counter() - began
    settled(page)
    return seconds


def view(page: Page, name: str, settled: Any) -> None:
    page.get_by_test_id("stMain").get_by_text(name, exact=True).first.click()
    settled(page)
    page.wait_for_timeout(300)
    settled(page)


def chart(page: Page) -> Locator:
    """The first chart drawn on the page."""
    return page.get_by_test_id("stVegaLiteChart").first.locator("canvas, svg").first


def whole(page: Page, path: Path, settled: Any) -> None:
    """Writes a screenshot of the whole page, however long; the window keeps its width."""
    size = page.viewport_size
    assert size
    tall = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": min(int(tall) + 30, 4000)})
    settled(page)
    page.wait_for_timeout(1200)
    page.screenshot(path=path)
    page.set_viewport_size(size)


def too_wide(page: Page) -> list[str]:
    """Elements of the page that stick out of the window on the right."""
    return page.evaluate(
        """() => [...document.querySelectorAll('[data-testid=stMain] *')]
        .filter((e) => {
          const box = e.getBoundingClientRect();
          if (box.width === 0 || box.right <= innerWidth + 1 || getComputedStyle(e).visibility === 'hidden') return false;
          for (let up = e.parentElement; up && up.dataset.testid !== 'stMain'; up = up.parentElement)
            if (['auto', 'scroll', 'hidden', 'clip'].includes(getComputedStyle(up).overflowX)) return false;
          return true;
        })
        .map((e) => `${e.tagName} ${e.dataset.testid || e.className} ${Math.round(e.getBoundingClientRect().right)}`)"""
    )
