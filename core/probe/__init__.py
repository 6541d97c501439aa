"""Running a model again on purpose, with parts of the prompt hidden or taken out. Lazy: torch comes when it is used."""

from typing import TYPE_CHECKING, Any

from core.lazy import lookup

if TYPE_CHECKING:
    from core.probe.following import next_tokens as next_tokens
    from core.probe.knocking import hide as hide
    from core.probe.knocking import knock_out as knock_out
    from core.probe.odds import log_odds as log_odds
    from core.probe.parts import without_parts as without_parts

_WHERE = {
    "knock_out": "core.probe.knocking",
    "hide": "core.probe.knocking",
    "next_tokens": "core.probe.following",
    "log_odds": "core.probe.odds",
    "without_parts": "core.probe.parts",
}

__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    return lookup(__name__, _WHERE, name)
