"""Types of the callbacks for progress and cancellation, and default callbacks that do nothing."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[..., None]
"""``progress(fraction, text, stream=None)``: 0 to 1 or None where unknown, the current step in words, and all text
generated so far (None: unchanged)."""

FetchProgress = Callable[[str, int, int], None]
"""``progress(what, done, total)`` while a model is fetched and loaded: bytes for downloads, total 0 where unknown."""

IsCancelled = Callable[[], bool]
"""Returns True once the work should stop; called often."""


def no_progress(fraction: float | None, text: str, stream: str | None = None) -> None:
    """Does nothing: the default where no progress is shown."""


def never_cancelled() -> bool:
    """Returns False: the default where work cannot be cancelled."""
    return False
