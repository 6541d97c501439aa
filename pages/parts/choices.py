"""The line of controls beside the texts: method, layers and heads, granularity, sink, strength."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.importance import METHODS
from core.records import Trace

SINKS = {"drop": "Leave out, rescale", "separate": "Leave out", "keep": "Show"}
LEVELS = {"word": "Words", "token": "Tokens", "sentence": "Sentences", "segment": "Segments", "role": "Roles"}
ABOUT_SINK = (
    "The first token soaks up attention whatever the text says. “Leave out, rescale” shows the rest as shares of what is left; "
    "its own share always stands below the texts."
)


@dataclass(frozen=True)
class Choices:
    """How the run is read: what every view on the page shares."""

    method: str
    layers: tuple[int, ...] | None
    heads: tuple[int, ...] | None
    sink: str
    level: str
    strength: float

    @property
    def picked(self) -> dict[str, Any]:
        """Keywords for ``importance``."""
        return {"layers": self.layers, "heads": self.heads, "sink": self.sink}

    @property
    def texts(self) -> str:
        """Granularity of the two texts: tokens, words or sentences."""
        return self.level if self.level in ("token", "sentence") else "word"


def _levels(trace: Trace) -> list[str]:
    return list(LEVELS) if trace.tokens.proven else ["token", "role"]


def choices(trace: Trace) -> Choices:
    """What the controls say now; they are drawn further down the page."""
    state = st.session_state
    levels = _levels(trace)
    for name, value in {"method": "mean-attention", "sink": "drop", "level": levels[0], "strength": 1.0}.items():
        state.setdefault(name, value)
    if state.level not in levels:
        state.level = levels[0]
    picked = state.method == "picked-heads"
    layers = tuple(state.get("layers") or ()) if picked else None
    heads = tuple(state.get("heads") or ()) if picked else None
    if picked and not layers and not heads:
        layers = (trace.model.attention_layers[-1],)
    return Choices(state.method, layers or None, heads or None, state.sink, state.level, float(state.strength))


def draw_choices(trace: Trace) -> None:
    """Draws the controls."""
    levels = _levels(trace)
    keep: dict[str, Any] = {"persist_state": "session"}
    method, level, sink, strength = st.columns([1.25, 1, 1.25, 1])
    method.selectbox(
        "Method",
        list(METHODS),
        key="method",
        format_func=lambda m: METHODS[m].label,
        help="\n\n".join(f"**{m.label}**: {m.about}" for m in METHODS.values()),
        **keep,
    )
    level.selectbox("Granularity", levels, key="level", format_func=LEVELS.get, help="Going up sums shares.", **keep)
    sink.selectbox("Sink", list(SINKS), key="sink", format_func=SINKS.get, help=ABOUT_SINK, **keep)
    strength.slider(
        "Strength", 0.5, 4.0, step=0.25, key="strength", help="How strongly shares are shaded; never changes a number.", **keep
    )
    if st.session_state.method == "picked-heads":
        layers, heads = st.columns(2)
        layers.multiselect("Layers", list(trace.model.attention_layers), key="layers", placeholder="All layers", **keep)
        heads.multiselect("Heads (of each of these layers)", list(range(trace.model.heads)), key="heads", placeholder="All heads", **keep)
