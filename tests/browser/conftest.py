"""Fixtures of the browser tests: a freshly started server and a real Chromium.

    server       one server for the session: own HEED_HOME, the real default model
    new_server   starts another: new_server(), new_server(home=folder), new_server(env={...}); .stop() ends it
    page         a page of 1280 x 800, not yet opened: page.goto(server.url)
    new_page     another: new_page(width=390, height=844, dark=True); apart=True: of somebody else, with own cookies
    console      errors of the browser's console in this test; anything left in it fails the test
    settled      settled(page) waits until the script has run to its end
    shots        the folder of screenshots

In Playwright wait with ``page.wait_for_timeout`` or ``expect`` (for 30 s), never with time.sleep. A failing test
prints the end of the servers' logs and leaves a screenshot in shots.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from core.settings import models_path
from scripts.browser import find

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
STORED = "local_storage,indexeddb,cache_storage,file_systems,service_workers"
"""What pages store in a browser beside cookies, as Chromium names it; not the scripts that it compiled."""
START = 60
"""Seconds that a server may take until its first answer."""
expect.set_options(timeout=30_000)  # a page beside two other browsers may take longer than the usual 5 s


class Server:
    """A running dashboard; ``url`` has no slash at its end."""

    def __init__(self, home: Path, env: dict[str, str] | None = None) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.home = home
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = home / f"server-{self.port}.log"
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(self.port)]
        variables = {**os.environ, "HEED_HOME": str(home), "HEED_MODELS": str(models_path()), "NO_COLOR": "1"}
        variables.update(env or {})
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _wait(self) -> None:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        end = time.monotonic() + START
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with direct.open(f"{self.url}/_stcore/health", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise RuntimeError(f"The server did not start:\n{self.tail()}")

    def tail(self, lines: int = 40) -> str:
        """The last lines of the server's log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def stop(self) -> None:
        """Ends the server and its child processes."""
        for how in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, how)
                self.process.wait(10)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self.process.wait()


def pytest_configure(config: pytest.Config) -> None:
    config.heed_servers = []
    config.heed_pages = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    report = yield
    if report.failed:
        for server in getattr(item.config, "heed_servers", []):
            report.sections.append((f"server on {server.port}", server.tail()))
        for number, page in enumerate(getattr(item.config, "heed_pages", [])):
            try:
                page.screenshot(
                    path=ROOT / "tests/browser/shots" / f"failed-{item.name[:60]}-{number}.png", timeout=5000
                )
            except Exception as error:
                report.sections.append(("screenshot", f"none: {error}"))
    return report


@pytest.fixture(scope="session")
def shots() -> Path:
    folder = ROOT / "tests/browser/shots"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def server(default_model: str, shots: Path, pytestconfig: pytest.Config) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="heed-server-", ignore_cleanup_errors=True) as home:
        started = Server(Path(home))
        pytestconfig.heed_servers.append(started)
        yield started
        pytestconfig.heed_servers.remove(started)
        started.stop()


@pytest.fixture
def new_server(default_model: str, tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def start(home: Path | None = None, env: dict[str, str] | None = None) -> Server:
        folder = home or tmp_path / f"home-{len(started)}"
        folder.mkdir(parents=True, exist_ok=True)
        started.append(Server(folder, env))
        pytestconfig.heed_servers.append(started[-1])
        return started[-1]

    yield start
    for one in started:
        pytestconfig.heed_servers.remove(one)
        one.stop()


@pytest.fixture(scope="session")
def launched() -> Iterator[Callable[..., Any]]:
    """A function that starts Chromium by a launcher of Playwright: launched("launch")."""
    path = find()
    if path is None:
        pytest.fail("No browser here: run `make test`, which installs one, or set HEED_CHROMIUM.")
    with sync_playwright() as playwright:
        yield lambda how, *given: getattr(playwright.chromium, how)(*given, executable_path=path, args=FLAGS)


@pytest.fixture(scope="session")
def visitor(launched: Callable[..., Any]) -> Iterator[BrowserContext]:
    """A browser with a profile, whose pages share what Chromium compiled: a page load takes 2.2 s of the processor,
    and 3.4 s where each test has a profile of its own."""
    with tempfile.TemporaryDirectory(prefix="heed-visitor-", ignore_cleanup_errors=True) as profile:
        context = launched("launch_persistent_context", profile)
        yield context
        context.close()


def make_new(visitor: BrowserContext) -> None:
    """Closes the pages of a visitor and forgets what they stored, as if nobody had been here.

    No page is asked to: it may have crashed, and what it stored lies with each server that it was at.
    """
    for page in visitor.pages[1:]:  # without any the browser would end
        page.close()
    visitor.clear_cookies()
    visitor.clear_permissions()
    browser = visitor.new_cdp_session(visitor.pages[0])
    browser.send("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": STORED})
    browser.detach()


@pytest.fixture(scope="session")
def strangers(launched: Callable[..., Any]) -> Iterator[Browser]:
    """A browser for visitors with cookies of their own."""
    browser = launched("launch")
    yield browser
    browser.close()


@pytest.fixture
def console() -> Iterator[list[str]]:
    """Errors of the browser's console; a test that expects one removes it."""
    errors: list[str] = []
    yield errors
    assert errors == [], "errors in the browser's console"


def _watch(page: Page, errors: list[str]) -> None:
    def listen(message: ConsoleMessage) -> None:
        where = message.location.get("url", "")
        # On a deep link Streamlit first requests paths below the page's name: two harmless 404s.
        if message.type == "error" and not ("/_stcore/" in where and "404" in message.text):
            errors.append(f"{message.text} ({where})")

    page.on("console", listen)
    page.on("pageerror", lambda error: errors.append(f"{error.name}: {error.message}"))


@pytest.fixture
def new_page(
    request: pytest.FixtureRequest,
    visitor: BrowserContext,
    console: list[str],
    shots: Path,
    pytestconfig: pytest.Config,
) -> Iterator[Callable[..., Page]]:
    opened: list[Page] = []

    def make(width: int = 1280, height: int = 800, dark: bool = False, apart: bool = False, **own: object) -> Page:
        context = request.getfixturevalue("strangers").new_context(**own) if apart or own else visitor
        page = context.new_page()
        opened.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="reduce")
        page.set_default_timeout(30_000)
        _watch(page, console)
        pytestconfig.heed_pages.append(page)
        return page

    yield make
    pytestconfig.heed_pages.clear()
    for page in opened:
        if page.context is not visitor:
            page.context.close()
    make_new(visitor)


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    return new_page()


@pytest.fixture(scope="session")
def settled() -> Callable[..., Page]:
    def wait(page: Page, timeout: float = 60_000) -> Page:
        running = page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')
        expect(running).to_be_attached(timeout=timeout)
        return page

    return wait
