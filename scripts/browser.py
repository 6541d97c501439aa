"""Finds a Chromium for the browser tests, or installs one.

    $HEED_CHROMIUM, an installed Chromium or Chrome, Playwright's own, Debian's as root, ``playwright install``

in this order: an installed browser, then the distribution's package (a proxy that reaches Debian need not reach
Playwright's downloads), then Playwright's. A program counts only after it printed its version: Ubuntu's
``chromium`` is a stub without snap. Root also installs Noto fonts, for scripts and emoji in screenshots and
figures; without them the tests still run. Guarded by tests/test_setup.py.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
FONTS = ("fonts-noto-core", "fonts-noto-cjk", "fonts-noto-color-emoji")
WAIT = ("-o", "DPkg::Lock::Timeout=120")
REMEDY = "install chromium or google-chrome, or set HEED_CHROMIUM to the path of one, then run this again."


class NoBrowser(Exception):
    """Raised where no browser is found and none could be installed; the message says what to do."""


def works(program: str) -> bool:
    """True when the program starts and prints a version."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and any(c.isdigit() for c in done.stdout)


def find() -> str | None:
    """Path of a working Chromium, None where there is none. Raises NoBrowser when HEED_CHROMIUM is wrong."""
    wanted = os.environ.get("HEED_CHROMIUM", "").strip()
    if wanted:
        if not works(wanted):
            raise NoBrowser(f"HEED_CHROMIUM is {wanted}, which does not start: {REMEDY}")
        return wanted
    return next((path for path in _installed() if works(path)), None)


def ready() -> str:
    """Path of a working Chromium, installed now where need be. Raises NoBrowser with the remedy."""
    found = find()
    if _apt():
        _fonts()
    for install in (_debian, _playwright):
        if found is None:
            install()
            found = find()
    if found is None:
        raise NoBrowser(f"No browser was found and none could be installed here: {REMEDY}")
    return found


def _installed() -> Iterator[str]:
    yield from filter(None, map(shutil.which, NAMES))
    yield MAC
    listed = subprocess.run(
        [sys.executable, "-c", "from playwright.sync_api import sync_playwright as p\n"
         "with p() as p: print(p.chromium.executable_path)"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    yield from listed.stdout.split("\n")[:1]


def _apt() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") is not None


def _try(*command: str) -> bool:
    """Runs an installation step with its output on the terminal; False where it failed."""
    sys.stdout.write(f"Heed: {' '.join(command)}\n")
    sys.stdout.flush()
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


@cache
def _lists() -> bool:
    """Runs ``apt-get update`` once: a fresh container has no package lists."""
    return _try("apt-get", *WAIT, "update", "-qq")


def _package(*names: str) -> None:
    if _lists():
        _try("apt-get", *WAIT, "install", "-y", "-qq", "--no-install-recommends", *names)


def _debian() -> None:
    if _apt():
        _package("chromium")


def _fonts() -> None:
    missing = [name for name in FONTS if not Path("/var/lib/dpkg/info", f"{name}.list").exists()]
    if missing:
        _package(*missing)


def _playwright() -> None:
    system = ["--with-deps"] if _apt() else []
    _try(sys.executable, "-m", "playwright", "install", *system, "chromium")
