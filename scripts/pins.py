"""Writes constraints.txt: the exact versions of all indirect dependencies.

requirements.txt, requirements-cluster.txt and requirements-dev.txt name what Heed uses itself; all read
constraints.txt, which holds the rest, so that two machines install the same. A constraint binds only what is needed
anyway: a library that one platform or one Python does not want is not installed there. torch's own CUDA libraries are
left to torch. Run it after changing a direct pin: ``.venv/bin/python scripts/pins.py``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = ("requirements.txt", "requirements-cluster.txt", "requirements-dev.txt")
FREE = ("nvidia-", "cuda-", "triton", "setuptools", "torch")
HEAD = "# Written by scripts/pins.py: what the libraries in requirements*.txt bring along.\n"


def direct() -> list[str]:
    """The requirement lines of both files, without comments and options."""
    lines = [line.strip() for name in FILES for line in (ROOT / name).read_text().splitlines()]
    return [line for line in lines if line and not line.startswith(("#", "-"))]


def resolved(lines: list[str]) -> dict[str, str]:
    """{name: version} that pip would install for these lines, from a dry run."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        subprocess.run([*command, "--report", str(report), *lines], check=True)
        found = json.loads(report.read_text())["install"]
    return {item["metadata"]["name"]: item["metadata"]["version"] for item in found}


def main() -> None:
    """Resolves the requirements with pip and writes all but the direct pins."""
    lines = direct()
    named = {line.split("==")[0].split("[")[0].lower().replace("_", "-") for line in lines}
    rest = {
        name: version
        for name, version in resolved(lines).items()
        if name.lower().replace("_", "-") not in named and not name.lower().startswith(FREE)
    }
    pins = "".join(f"{name}=={rest[name]}\n" for name in sorted(rest, key=str.lower))
    (ROOT / "constraints.txt").write_text(HEAD + pins)


if __name__ == "__main__":
    main()
