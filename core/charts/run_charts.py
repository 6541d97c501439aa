"""``CHARTS``: further figures of one run, which Explore offers beside its own views. Empty until somebody adds one.

To add one: a function from records to an Altair chart and a line in ``CHARTS``; docs/extending.md has a whole example.
Guarded by tests/test_extending.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..records import Importance, Trace


@dataclass(frozen=True)
class ChartView:
    """A figure of one run: its function and what people read beside it."""

    label: str
    """On the switch of views."""
    function: Callable[[Trace, Importance], Any]
    """(the run, what was read by words as the controls say) -> an Altair chart, or None where there is nothing."""
    about: str
    """One sentence: what it shows."""


CHARTS: dict[str, ChartView] = {}
"""{name: ChartView}"""
