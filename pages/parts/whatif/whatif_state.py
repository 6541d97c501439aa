"""The state of a what-if on a page: its run, the units of the prompt, the picked ones.

Picked units are kept by run and granularity, so that showing another run or granularity loses nothing. The effect of a
knock-out is never kept here: it is read from the store by run, mode and hidden units, so that it is there again after
a restart. Guarded by tests/pages/test_whatif.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import streamlit as st

from core.importance.empty import empty_importance
from core.records import Importance, Trace, Units
from core.text.units import units
from pages.parts.reading_controls import Choices
from pages.parts.run_cache import importance

UNREAD = {"unit": "none"}
"""Overrides the data of the texts, so that they show no numbers."""
STEER = "steer"
"""The way in which words are not knocked out, but read more or less."""
NOUNS = {"token": "tokens", "word": "words", "sentence": "sentences", "segment": "segments"}


@dataclass(frozen=True)
class WhatIf:
    """One what-if. ``texts``: units that the reader shows; ``units``: those knocked out (segments are coarser)."""

    trace: Trace
    chosen: Choices
    key: str
    level: str
    units: Units
    texts: Importance
    seen: dict[Any, Any] = field(default_factory=dict, compare=False)
    """Probes that this rerun of the page has looked up already."""

    @property
    def own(self) -> np.ndarray:
        """int [C] units of the user's own texts; all of them where nothing is the user's."""
        sources = [s.origin == "user" for s in self.trace.tokens.sources] + [False]
        own = np.flatnonzero(np.array(sources)[self.units.message])
        return own if len(own) else np.arange(len(self.units))

    @property
    def way(self) -> str:
        """What becomes of the picked words: ``mask``, ``remove``, or ``steer``: read more or less."""
        first = "remove" if self.trace.model.attention == "none" else "mask"
        return st.session_state.get(f"{self.key}:mode") or first

    @property
    def mode(self) -> str:
        """How words are knocked out, where they are: mask or remove."""
        return self.way if self.way != STEER else "mask"

    @property
    def picked(self) -> tuple[int, ...]:
        """Units that are picked, in reading order."""
        kept = st.session_state.get(f"{self.key}:picked", {}).get((self.trace.id, self.level, len(self.units)), ())
        return tuple(sorted(kept))

    def slot(self, what: str) -> str:
        """The session key of this part's job; ``what`` is ``one``, ``each`` or ``answer``."""
        return f"{self.key}:{what}"

    def pick(self, columns: Iterable[int]) -> None:
        """Sets the picked units."""
        held = st.session_state.setdefault(f"{self.key}:picked", {})
        held[self.trace.id, self.level, len(self.units)] = tuple(sorted({int(c) for c in columns}))

    def toggle(self, columns: Iterable[int]) -> None:
        """Adds units to the picked ones; removes them where all of them were picked."""
        now, new = set(self.picked), {int(c) for c in columns}
        self.pick(now - new if new <= now else now | new)

    def labels(self, columns: Iterable[int]) -> list[str]:
        """The input texts of these units; neighbours with nothing but white space between them are joined."""
        u = self.units
        out: list[str] = []
        last: tuple[int, int] | None = None
        for c in columns:
            message, start, end = int(u.message[c]), int(u.start[c]), int(u.end[c])
            text = self.trace.tokens.sources[message].text if message >= 0 and start >= 0 else ""
            if last is not None and message == last[0] and not text[last[1] : start].strip() and text:
                out[-1] += text[last[1] : end]
            else:
                out.append(u.labels[c])
            last = (message, end) if text else None
        return out

    def shown(self, columns: Iterable[int]) -> list[int]:
        """Columns of ``texts`` that contain these units."""
        if self.level == self.texts.columns.granularity:
            return [int(c) for c in columns]
        tokens = self.units.token[np.isin(self.units.unit, list(columns))]
        return sorted(set(self.texts.columns.unit[np.isin(self.texts.columns.token, tokens)].tolist()))

    def behind(self, columns: Iterable[int]) -> list[int]:
        """Units contained in these columns of ``texts``."""
        if self.level == self.texts.columns.granularity:
            return [int(c) for c in columns]
        tokens = self.texts.columns.token[np.isin(self.texts.columns.unit, list(columns))]
        return sorted(set(self.units.unit[np.isin(self.units.token, tokens)].tolist()))

    def mask(self, columns: Iterable[int]) -> np.ndarray:
        """bool [1, unit] that is True for these units, for the store and the job."""
        out = np.zeros((1, len(self.units)), bool)
        out[0, list(columns)] = True
        return out


def whatif_state(trace: Trace, chosen: Choices, key: str) -> WhatIf:
    """The what-if of a run with the page's settings. Raises MethodError."""
    level = chosen.level if chosen.level in NOUNS else chosen.texts
    level = level if trace.tokens.proven else "token"
    if level == "segment" and not trace.request.segments:
        level = "word"
    texts = chosen.texts if trace.tokens.proven else "token"
    if trace.rows is None:
        words = empty_units(trace, texts)
    else:
        words = importance(trace, chosen.method, **chosen.picked, columns=texts, rows=texts)
    cut = words.columns if level == texts else _cut(trace.id, trace.request.segments, level, _trace=trace)
    return WhatIf(trace, chosen, key, level, cut, words)


@st.cache_resource(max_entries=32, show_spinner=False)
def _cut(run: str, segments: Any, level: str, _trace: Trace) -> Units:
    return units(_trace.tokens, level, range(_trace.prompt_length), _trace.request.segments)


def empty_units(trace: Trace, level: str) -> Importance:
    """The run's units as an Importance without any number."""
    return _blank(trace.id, trace.request.segments, level, _trace=trace)


@st.cache_resource(max_entries=16, show_spinner=False)
def _blank(run: str, segments: Any, level: str, _trace: Trace) -> Importance:
    return empty_importance(_trace, level)


def with_hint(data: dict[str, Any], hint: str) -> dict[str, Any]:
    """The data of the texts with another hint over the input."""
    return data | {"input": data["input"] | {"hint": hint}, "version": f"{data['version']} {hint}"}
