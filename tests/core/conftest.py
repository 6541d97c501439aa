"""Fixtures of the tests of core that need more than core: a Chromium that opens files and asks no network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server", "--no-first-run"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A started Chromium; a module has its own, since Playwright's loop must not be open beside other tests."""
    from playwright.sync_api import sync_playwright

    from scripts.browser import find

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=FLAGS)
        yield browser
        browser.close()
