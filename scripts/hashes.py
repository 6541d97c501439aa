"""Writes requirements/: every package that Heed installs, with the sha256 of each of its files, for every Python.

    requirements/build.txt       what builds the two packages that are published as source only
    requirements/hashed.txt      all but torch, for Python 3.11 to 3.14 on Linux, macOS and Windows
    requirements/torch.txt       torch as PyPI has it, with what it brings along (on Linux: CUDA)
    requirements/torch-cpu.txt   torch's CPU build of download.pytorch.org; kept by hand, see its head

``make requirements`` calls it after a pin changed. It resolves with uv, which it installs in a folder of its own and
deletes again; versions are those of requirements.txt and constraints.txt. Each Python and system is then tried: where a
package has no wheel for one of them, this says so and exits with 1. Guarded by tests/test_hashes.py.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "requirements"
UV = "uv==0.13.9"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SYSTEMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "aarch64-apple-darwin", "x86_64-pc-windows-msvc")
OLDEST_MACOS = "14.0"
"""The first macOS for which there are wheels of torch."""
SOURCE_ONLY = ("langdetect", "rouge-score")
"""Published without a wheel: pip runs their setup.py, see docs/threat-model.md."""
BUILD = ("setuptools",)
"""What builds them, so that pip need not fetch a builder of its own choice."""
OF_TORCH = ("torch", "triton", "nvidia-", "cuda-")
"""Beginnings of the names that belong to torch alone."""
ELSEWHERE = "sys_platform == 'emscripten'"
"""The marker of packages for browsers."""
HEAD = "# Written by scripts/hashes.py (make requirements) from requirements.txt and constraints.txt.\n"
WHEELS = f"--only-binary :all:\n--no-binary {','.join(SOURCE_ONLY)}\n"


def blocks_of(text: str) -> dict[str, str]:
    """Returns {normalised name: its lines} of a requirements file with hashes; comments and options are left out."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines(keepends=True):
        if start := re.match(r"([A-Za-z0-9][\w.-]*)(\[[\w,]+\])?==", line):
            name = re.sub(r"[-_.]+", "-", start[1]).lower()
            found[name] = line
        elif line.startswith(" ") and name:
            found[name] += line
        else:
            name = ""
    return found


def hashed_pins(text: str) -> dict[str, str]:
    """Returns {normalised name: version} of a requirements file, with or without hashes."""
    return {name: re.split(r"==|[\s;\\]", block)[1] for name, block in blocks_of(text).items()}


def split_blocks(blocks: dict[str, str]) -> dict[str, str]:
    """Returns {file name: text} of what was resolved: what builds, torch with its own, and all others."""
    wanted = {name: block for name, block in blocks.items() if ELSEWHERE not in block}
    torch = [block for name, block in wanted.items() if name.startswith(OF_TORCH)]
    build = [block for name, block in wanted.items() if name in BUILD]
    rest = [block for name, block in wanted.items() if not name.startswith(OF_TORCH)]
    return {
        "build.txt": HEAD + "--only-binary :all:\n" + "".join(build),
        "hashed.txt": HEAD + WHEELS + "".join(rest),
        "torch.txt": HEAD + "--only-binary :all:\n" + "".join(torch),
    }


def main() -> int:
    """Writes the files and tries each Python and system; 1 where a wheel is missing for one."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = Path(folder, "Scripts" if sys.platform == "win32" else "bin", "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", UV], check=True)
        made = Path(folder, "all.txt")
        options = ["--universal", "--generate-hashes", "--no-header", "--no-annotate", "--python-version", PYTHONS[0]]
        _compile(python, ROOT / "requirements.txt", options, made)
        FOLDER.mkdir(exist_ok=True)
        for name, text in split_blocks(blocks_of(made.read_text("utf-8"))).items():
            (FOLDER / name).write_text(text, "utf-8")
        failed = [f"Python {version} on {system}" for version, system in _missing(python, made, Path(folder, "x.txt"))]
    for where in failed:
        sys.stderr.write(f"A package has no wheel for {where}: see the message above.\n")
    return 1 if failed else 0


def _missing(python: Path, made: Path, out: Path) -> Iterable[tuple[str, str]]:
    """Yields each (Python, system) for which a package that was resolved has no wheel."""
    only = ["--no-deps", "--only-binary", ":all:"]
    only += [word for name in SOURCE_ONLY for word in ("--no-binary", name)]
    for version in PYTHONS:
        for system in SYSTEMS:
            try:
                _compile(python, made, [*only, "--python-version", version, "--python-platform", system], out)
            except subprocess.CalledProcessError:
                yield version, system


def _compile(python: Path, given: Path, options: list[str], out: Path) -> None:
    command = [
        str(python.with_name("uv")),
        "pip",
        "compile",
        "--quiet",
        str(given),
        *options,
        "--output-file",
        str(out),
    ]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"MACOSX_DEPLOYMENT_TARGET": OLDEST_MACOS}, check=True)


if __name__ == "__main__":
    sys.exit(main())
