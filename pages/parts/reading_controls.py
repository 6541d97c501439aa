"""Controls of how a run is read: attention method, layers and heads, granularity, sink, strength of shading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.importance import METHODS, keeps_heads
from core.records import Trace
from core.text.word_boundaries import paragraph_spans
from pages.parts.run_cache import about_methods, first_picture, readable_methods

SINKS = {"drop": "Left out, rest scaled to 1", "separate": "Left out", "keep": "Shown"}
LEVEL_NAMES = {
    "word": "Words",
    "token": "Tokens",
    "sentence": "Sentences",
    "paragraph": "Paragraphs",
    "segment": "Segments",
    "role": "Roles",
    "turn": "Turns",
}
CONTROLS = ("method", "level", "sink")
"""Names of the controls that change figures; each view says which of them change it."""
ABOUT_SINK = (
    "Sinks are tokens that soak up attention whatever the text says: the first one, and in long texts others, which "
    "are underlined with dots. Left out, the rest can be scaled to 1 (shares of what remains) or stay as it is "
    "(shares of all attention). Their own share always stands below the texts."
)
ABOUT_LEVEL = "How fine both texts and charts are cut. Going up sums the shares of the input."
ABOUT_STRENGTH = "How strongly shares are shaded in the two texts; it never changes a number."


@dataclass(frozen=True)
class Choices:
    """The values of the controls, shared by every view on the page."""

    method: str
    layers: tuple[int, ...] | None
    heads: tuple[int, ...] | None
    sink: str
    level: str
    strength: float
    proven: bool = True
    """The positions of tokens in the texts are known; otherwise only tokens can be shown."""

    @property
    def picked(self) -> dict[str, Any]:
        """Keyword arguments for ``run_cache.importance``."""
        return {"layers": self.layers, "heads": self.heads, "sink": self.sink}

    @property
    def texts(self) -> str:
        """Granularity of the two texts: tokens, words or sentences."""
        return self.level if self.level in ("token", "sentence") else "word" if self.proven else "token"


def _levels(trace: Trace) -> list[str]:
    """Granularities that make sense for this run: segments where some were marked, paragraphs where there are several,
    turns of a conversation."""
    if not trace.tokens.proven:
        return ["token", "role"]
    asked = [s.text for s in trace.tokens.sources if s.origin == "user"]
    have = {
        "paragraph": any(len(paragraph_spans(text)) > 1 for text in asked),
        "segment": bool(trace.request.segments),
        "turn": len(trace.request.messages) > 1,
    }
    return [level for level in LEVEL_NAMES if have.get(level, True)]


def answer_levels(trace: Trace) -> list[str]:
    """Granularities by which the answer can be cut: paragraphs where it has some."""
    if not trace.tokens.proven:
        return ["token"]
    levels = ["word", "token", "sentence"]
    return [*levels, "paragraph"] if len(paragraph_spans(trace.answer)) > 1 else levels


def current_choices(trace: Trace) -> Choices:
    """The controls' current values, needed before they are drawn further down the page."""
    state = st.session_state
    levels = _levels(trace)
    for name, value in {"sink": "drop", "level": levels[0], "strength": 1.0}.items():
        state.setdefault(name, value)
    first = first_picture(trace)
    if state.get("method", state.get("method_first")) == state.get("method_first"):
        state.method = first  # not chosen by the visitor: each model begins with its own
    state.method_first = first
    if state.level not in levels:
        state.level = levels[0]
    if state.method not in readable_methods(trace):
        state.method = first
    picked = METHODS[state.method].picks
    layers = tuple(n for n in state.get("layers") or () if n in trace.model.attention_layers) if picked else None
    heads = tuple(n for n in state.get("heads") or () if n in _pickable_heads(trace)) if picked else None
    read = _layers_read(trace)
    if heads and read:  # the other layers keep no single heads
        layers = tuple(n for n in layers or read if n in read) or tuple(read)
    if picked and not layers and not heads:
        layers = (trace.model.attention_layers[-1],)
    strength, proven = float(state.strength), trace.tokens.proven
    return Choices(state.method, layers or None, heads or None, state.sink, state.level, strength, proven)


def _pickable_heads(trace: Trace) -> range:
    """The heads that can be picked: none where the run keeps only each layer's mean and maximum."""
    return range(trace.model.heads if keeps_heads(trace) or _layers_read(trace) else 0)


def _layers_read(trace: Trace) -> list[int]:
    """The layers whose heads were read again, in a run that was too long to keep every head."""
    rows = trace.rows
    return [] if rows is None or keeps_heads(trace) else sorted(set(rows.layers[rows.heads >= 0].tolist()))


def reading_controls(trace: Trace, names: Sequence[str] = CONTROLS) -> None:
    """Draws the controls ``names`` for this run."""
    boxes: dict[str, tuple[str, Sequence[str], Callable[[str], str], str]] = {
        "method": (
            "Method",
            readable_methods(trace) or (first_picture(trace),),
            lambda m: METHODS[m].label,
            about_methods(trace),
        ),
        "level": ("Granularity", _levels(trace), LEVEL_NAMES.__getitem__, ABOUT_LEVEL),
        "sink": ("Sink", list(SINKS), SINKS.__getitem__, ABOUT_SINK),
    }
    for name, place in zip(names, st.columns([1.25, 1, 1.4][: len(names)]) if names else (), strict=True):
        label, options, shown, about = boxes[name]
        place.selectbox(label, options, key=name, format_func=shown, help=about, persist_state="session")
    if "method" in names and METHODS[st.session_state.method].picks:
        _picker(trace)


def strength_slider() -> None:
    """Draws the strength of shading, which changes the two texts and nothing else."""
    st.slider("Strength of shading", 0.5, 4.0, step=0.25, key="strength", help=ABOUT_STRENGTH, persist_state="session")


def _picker(trace: Trace) -> None:
    state = st.session_state
    have = {"layers": list(trace.model.attention_layers), "heads": list(_pickable_heads(trace))}
    if state.get("heads") and (read := _layers_read(trace)):
        have["layers"] = read
    for name, known in have.items():
        state[name] = [n for n in state.get(name) or () if n in known]
    layers, heads = st.columns(2)
    layers.multiselect("Layers", have["layers"], key="layers", placeholder="All layers", persist_state="session")
    heads.multiselect(
        "Heads (of each of these layers)",
        have["heads"],
        key="heads",
        placeholder="All heads",
        help=None if have["heads"] else "This run keeps each layer's mean and maximum, not its single heads.",
        disabled=not have["heads"],
        persist_state="session",
    )
    if not state.layers and not state.heads:
        st.caption(f"Nothing is picked yet: the last layer, {have['layers'][-1]}, is read.")
