"""``make torture``: does Heed keep its promises on bad days? Prints tables, and ends with 1 where anything was lost.

    python -m benchmarks.torture [--tries 200] [--seed 0] [--only NAME]

Everything happens in a folder of its own that is deleted. Guarded by tests/test_torture.py.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path


def main() -> int:
    """Runs what is asked for; 0 where nothing was lost, doubled, left over or silently different."""
    asked = _arguments()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ |= {
        "TOKENIZERS_PARALLELISM": "false",
        "HEED_DEVICE": "cpu",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    folder = Path(tempfile.mkdtemp(prefix="heed-torture-"))
    os.environ |= {"HEED_HOME": str(folder / "warm"), "HEED_MODELS": str(folder / "warm-models")}
    began = time.monotonic()
    try:
        from benchmarks.torture import everything

        bad = everything.torture(folder, asked.tries, random.Random(asked.seed), asked.only)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\n{time.monotonic() - began:.0f} s; {'nothing was lost' if not bad else f'{bad} things went wrong'}")  # noqa: T201
    return 1 if bad else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make torture", description="What bad days do to what Heed keeps.")
    parser.add_argument("--tries", type=int, default=200, help="kills, and flips, in all")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and bits")
    parser.add_argument("--only", default="", help="only what has this in its name")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
