"""How long work tells how far it is and asks whether to stop; and the defaults for callers that want neither."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[..., None]
"""``progress(fraction, text, stream=None)``: 0 to 1 or None where it is not known, what is done now in words, and all
that was written so far (None: as before)."""

FetchProgress = Callable[[str, int, int], None]
"""``progress(what, done, total)`` of fetching and loading a model; bytes for downloads, 0 for a total not known."""

IsCancelled = Callable[[], bool]
"""True once the work should stop; asked often."""


def no_progress(fraction: float | None, text: str, stream: str | None = None) -> None:
    """Does nothing: for work whose progress nobody watches."""


def never_cancelled() -> bool:
    """False: for work that nobody can stop."""
    return False
