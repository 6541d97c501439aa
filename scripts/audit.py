"""Asks PyPI's database whether a hole is known in a version that Heed pins, with pip-audit in a folder of its own.

``make audit``: what pip-audit found, and its exit status. Where the database cannot be reached, one sentence says so
and the exit status is 2: nothing was looked up then. Guarded by tests/test_hashes.py.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.hashes import FOLDER, blocks_of

AUDITOR = "pip-audit==2.10.1"
FILES = ("hashed.txt", "torch.txt")
NOT_FOUND = "Dependency not found on PyPI"
"""What pip-audit says of a package where the database does not answer, or answers 404."""
UNREACHED = "The database of PyPI (pypi.org/pypi/NAME/json) cannot be reached from here, so nothing was looked up.\n"


def audit_verdict(status: int, told: str, packages: int) -> tuple[int, str]:
    """Returns (exit status, text) of what pip-audit told of so many packages."""
    if told.count(NOT_FOUND) >= packages or (status and "Traceback" in told):
        return 2, UNREACHED
    return status, told


def main() -> int:
    """Prints what is known; returns 0 where nothing is, 1 where something is, 2 where nobody could be asked."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = Path(folder, "Scripts" if sys.platform == "win32" else "bin", "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", AUDITOR], check=True)
        given = [word for name in FILES for word in ("-r", str(FOLDER / name))]
        command = [python, "-m", "pip_audit", *given, "--no-deps", "--disable-pip", "--progress-spinner", "off"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    packages = sum(len(blocks_of((FOLDER / name).read_text("utf-8"))) for name in FILES)
    status, text = audit_verdict(done.returncode, done.stdout + done.stderr, packages)
    (sys.stderr if status else sys.stdout).write(text)
    return status


if __name__ == "__main__":
    sys.exit(main())
