"""Which sessions are gone for good: a tab that is closed frees its place, a page that is loaded again keeps it.

A browser that loads a page again, or whose connection breaks for a moment, is away for a few seconds and comes back.
So a session counts as gone only after a grace period. Guarded by tests/core/test_absences.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import monotonic

GRACE = 30.0
"""Seconds for which a session may be away before it counts as gone."""


class Absences:
    """Since when each session is away. ``clock`` gives seconds."""

    def __init__(self, grace: float = GRACE, clock: Callable[[], float] = monotonic) -> None:
        self.grace, self._clock = grace, clock
        self._since: dict[str, float] = {}

    def gone(self, sessions: Iterable[str], present: Callable[[str], bool]) -> set[str]:
        """Returns those of ``sessions`` that were away whenever it was asked, for more than the grace period.

        The nameless session of scripts and notebooks, "", is never gone. Others than ``sessions`` are forgotten.
        """
        now = self._clock()
        away = {name for name in sessions if name and not present(name)}
        self._since = {name: self._since.get(name, now) for name in away}
        return {name for name, since in self._since.items() if now - since > self.grace}
