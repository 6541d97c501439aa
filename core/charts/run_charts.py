"""``CHARTS``: additional figures of one run, offered in Explore. Empty unless a plugin adds some.

To add one: a function from records to an Altair chart and a line in ``CHARTS``; docs/extending.md has a complete
example. Guarded by tests/test_extending.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..records import Importance, Trace


@dataclass(frozen=True)
class ChartView:
    """A figure of one run: its function and the texts beside it."""

    label: str
    """Name on the switch of views."""
    function: Callable[[Trace, Importance], Any]
    """(trace, importance by words under the current controls) -> an Altair chart, or None where there is nothing to
    draw."""
    about: str
    """One sentence on what it shows."""


CHARTS: dict[str, ChartView] = {}
"""{name: ChartView}"""
