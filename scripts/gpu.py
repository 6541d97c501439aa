"""``make gpu``: sets what a model reads on a GPU beside what it reads on the processor, and prints a table.

Where torch sees no GPU it says so in one sentence and fails: nothing is left out unsaid. ``HEED_GPU=cpu make gpu`` runs
the same on the processor. What is compared, and how closely, stands in tests/gpu/test_gpu.py; this script is guarded
by tests/test_setup.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def device() -> str:
    """Returns the device that is set beside the processor: HEED_GPU, else ``cuda``."""
    return os.environ.get("HEED_GPU", "").strip() or "cuda"


def missing_gpu() -> str:
    """Returns one sentence where torch cannot use the device, with the remedy; else empty."""
    import torch

    asked = device()
    if asked == "cpu" or (asked.partition(":")[0] == "cuda" and torch.cuda.is_available()):
        return ""
    return (
        f"torch {torch.__version__} sees no device {asked!r} here, so nothing was compared: install a build of torch "
        "for CUDA and a driver, or set HEED_GPU=cpu to run the same lines on the processor."
    )


def main(arguments: list[str]) -> int:
    """Exit status: pytest's, or 1 after one sentence where there is no GPU."""
    os.chdir(ROOT)
    if reason := missing_gpu():
        sys.stderr.write(f"Heed: {reason}\n")
        return 1
    command = [sys.executable, "-m", "pytest", "-q", "-s", "tests/gpu", *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
