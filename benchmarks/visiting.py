"""What a first visit costs on a server that has just started, and whether the server's memory stays flat.

A visit is timed in a real browser, from the navigation to the answer of the stored example on the page: idle, and while
every core is busy. ``--only interactions`` clicks 200 times over pages with stored runs and prints the server's memory.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import requests

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = {
    "streamlit run app.py": ["-m", "streamlit", "run", "app.py"],
    "heed app": ["-m", "core", "app"],
}
PAGES = ("/", "/explore")
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--no-proxy-server"]
CONTENT = ".st-key-summary, [data-testid='stVegaLiteChart']"
"""What is on the page only when the example's run is drawn."""
INTERACTIONS, EACH = 200, 50
WAIT = 120_000


@contextmanager
def server(command: list[str], home: str) -> Iterator[tuple[str, psutil.Process]]:
    """Starts the dashboard with ``home`` as its folder of runs; yields its address and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = os.environ | {"HEED_HOME": home, "NO_PROXY": "127.0.0.1,localhost"}
    process = subprocess.Popen(
        [sys.executable, *command, "--server.port", str(port)],
        cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                if requests.get(f"{address}/_stcore/health", timeout=5, proxies={"http": ""}).ok:
                    break
            except requests.RequestException:
                time.sleep(0.05)
        yield address, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def _burn() -> None:
    while True:
        pass


@contextmanager
def busy(cores: int) -> Iterator[None]:
    """Keeps so many cores busy inside the block."""
    burning = [multiprocessing.get_context("spawn").Process(target=_burn, daemon=True) for _ in range(cores)]
    for process in burning:
        process.start()
    try:
        yield
    finally:
        for process in burning:
            process.terminate()
            process.join()


@contextmanager
def browser() -> Iterator[Any]:
    """Yields a browser page factory; the browser itself is warm."""
    from playwright.sync_api import sync_playwright

    path = next((p for p in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(p).exists()), None)
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=path, args=CHROMIUM)
        try:
            yield found
        finally:
            found.close()


def first_visit(command: list[str], path: str, load: int, rest: float = 5.0) -> tuple[float, float]:
    """Returns (seconds from navigation to the example's picture, seconds of processor time that the server took).

    ``load``: cores that are kept busy; ``rest``: seconds between the start of the server and the visit.
    """
    with tempfile.TemporaryDirectory() as home, browser() as opened, server(command, home) as (address, process):
        page = opened.new_page()
        page.goto("about:blank")
        time.sleep(rest)
        with busy(load):
            time.sleep(1.0 if load else 0.0)
            before, began = sum(process.cpu_times()[:2]), time.perf_counter()
            page.goto(address + path)
            page.wait_for_selector(CONTENT, timeout=WAIT)
            return time.perf_counter() - began, sum(process.cpu_times()[:2]) - before


def visit(say: Callable[[str], None]) -> None:
    """Prints what a first visit takes: by way of starting, page, and load of the machine."""
    cores = os.cpu_count() or 1
    for name, command in COMMANDS.items():
        for path in PAGES:
            for load in (0, cores):
                seconds, used = first_visit(command, path, load)
                told = f"{load} of {cores} cores busy" if load else "idle"
                say(f"first visit, {name:22} {path:10} {told:22} {seconds:6.1f} s  (processor {used:.1f} s)")


def interactions(say: Callable[[str], None], count: int = INTERACTIONS) -> None:
    """Prints the server's memory every ``EACH`` of ``count`` clicks over pages with stored runs."""
    command = COMMANDS["streamlit run app.py"]
    with tempfile.TemporaryDirectory() as home, browser() as opened, server(command, home) as (address, process):
        page = opened.new_page()
        say(f"memory of the server before any visit: {process.memory_info().rss / 1e6:.0f} MB")
        page.goto(address)
        page.wait_for_selector(CONTENT, timeout=WAIT)
        for done in range(1, count + 1):
            _click(page, done)
            if done % EACH == 0 or done in (1, EACH // 5):
                say(f"after {done:4} interactions: {process.memory_info().rss / 1e6:.0f} MB")


VIEWS = ("Heatmap", "Over the answer", "Layers and heads", "Table")
LINKS = ("Compare", "Runs", "Explore")


def _click(page: Any, number: int) -> None:
    """One interaction: another view, another page, or a word of the answer, in turn."""
    kind = number % 5
    if kind == 4:
        name = LINKS[number // 5 % len(LINKS)]
        page.get_by_role("link", name=name, exact=True).first.click()
        page.wait_for_timeout(300)
    views = page.get_by_role("radio", name=VIEWS[number % len(VIEWS)], exact=True)
    if kind < 4 and views.count():
        views.first.click(force=True)
    page.wait_for_function("!document.querySelector('[data-testid=stStatusWidget]')", timeout=WAIT)
    page.wait_for_timeout(150)
