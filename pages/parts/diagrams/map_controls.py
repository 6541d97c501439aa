"""Controls that pick attention maps: kind, checkpoint, layers, heads, and a part of a long text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.charts.text_labels import visible_label
from core.records import AttentionMap, AttentionMaps
from pages.parts.diagrams.diagram import DiagramSource
from pages.parts.markdown_escape import escape_markdown

KINDS = {"self": "The text reads itself", "encoder": "The input reads itself", "cross": "The output reads the input"}
KEPT: dict[str, Any] = {"persist_state": "session"}
LONG_SIDE = 40
"""Tokens of a side from which on a part of it can be picked."""
MOST_MARKED = 48
"""Tokens of a side with which a figure begins that draws marks in its cells."""
ABOUT_SPECIAL = "Special tokens and markup soak up much of the attention; without them the rest can be told apart."


def choose_maps(source: DiagramSource, prefix: str = "diagram", label: str = "") -> AttentionMaps:
    """Draws the choice of kind and of checkpoint, where there are several; returns the maps as the page trims them."""
    named = f" of {label}" if label else ""
    state: Any = st.session_state
    if source.checkpoints:
        names = [name for name, _ in source.checkpoints]
        key = f"{prefix}_point"
        if state.get(key) not in names:
            state[key] = names[0] if label == "B" else names[-1]
        st.select_slider(f"{escape_markdown(source.axis.capitalize())}{named}", names, key=key)
    elif len(source.maps) > 1:
        kinds = list(source.maps)
        key = f"{prefix}_kind"
        if state.get(key) not in kinds:
            state[key] = kinds[-1]
        look: dict[str, Any] = {"format_func": KINDS.get, "required": True}
        st.segmented_control(f"Who reads what{named}", kinds, key=key, **look)
    return trimmed(whole_maps(source, prefix))


def whole_maps(source: DiagramSource, prefix: str = "diagram") -> AttentionMaps:
    """The maps that the page's controls name, all of them: no token is left out."""
    state = st.session_state
    if source.checkpoints:
        points = dict(source.checkpoints)
        return points.get(state.get(f"{prefix}_point", ""), source.checkpoints[-1][1])
    return source.maps.get(state.get(f"{prefix}_kind", ""), list(source.maps.values())[-1])


def pick_layers_heads(
    maps: AttentionMaps, prefix: str = "diagram", label: str = "", names: Sequence[str] = ("layers", "heads")
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Draws the boxes of layers and heads; returns (layers, heads), empty where all of them are meant."""
    state: Any = st.session_state
    have = {"layers": list(maps.layers), "heads": list(range(maps.heads))}
    found: dict[str, tuple[int, ...]] = {"layers": (), "heads": ()}
    for place, name in zip(st.columns(len(names)), names, strict=True):
        key = f"{prefix}_{name}"
        first = have[name][-1:] if name == "layers" and label == "B" else []
        state[key] = [n for n in state.get(key, first) or () if n in have[name]]
        title = f"{name.capitalize()}{f' of {label}' if label else ''}"
        hint = f"Mean of all {len(have[name])}"
        found[name] = tuple(place.multiselect(title, have[name], key=key, placeholder=hint, **KEPT))
    return found["layers"], found["heads"]


def choose_map(source: DiagramSource, prefix: str = "diagram", label: str = "") -> AttentionMap:
    """Draws all controls of one map and returns it."""
    maps = choose_maps(source, prefix, label)
    return maps.map(*pick_layers_heads(maps, prefix, label))


def trimmed(maps: AttentionMaps) -> AttentionMaps:
    """Returns the maps as the page's controls (``trim_controls``) leave them: without special tokens, or a part."""
    state = st.session_state
    if _has_special(maps) and state.get("diagram_bare", True):
        maps = maps.without_special()
    return maps.part(*(_span(state.get(_span_key(side, len(n))), len(n)) for side, n in _sides(maps).items()))


def trim_controls(source: DiagramSource, marked: bool = False) -> None:
    """Draws the toggle of special tokens and, for a long text, the sliders of its part.

    ``marked``: the figure draws marks in its cells, so that it begins with the last tokens of a long text.
    """
    maps = source.first
    st.session_state.diagram_marked = marked
    if _has_special(maps):
        st.session_state.setdefault("diagram_bare", True)
        if st.toggle("Leave out special tokens", key="diagram_bare", help=ABOUT_SPECIAL, **KEPT):
            maps = maps.without_special()
    for side, texts in _sides(maps).items():
        if len(texts) > LONG_SIDE:
            labels = [f"{i + 1} · {visible_label(text, 16)}" for i, text in enumerate(texts)]
            key, places = _span_key(side, len(texts)), list(range(len(texts)))
            first = max(0, len(texts) - MOST_MARKED) if marked else 0
            st.session_state.setdefault(key, (first, len(texts) - 1))
            st.select_slider(f"{side} shown", places, key=key, format_func=labels.__getitem__)


def _sides(maps: AttentionMaps) -> dict[str, tuple[str, ...]]:
    return {"Queries": maps.queries.texts, "Keys": maps.keys.texts}


def _span_key(side: str, count: int) -> str:
    marked = "_marked" if st.session_state.get("diagram_marked") else ""
    return f"diagram_{side.lower()}_{count}{marked}"


def _span(picked: Any, count: int) -> slice:
    if count <= LONG_SIDE or not picked:
        return slice(None)
    return slice(int(picked[0]), int(picked[1]) + 1)


def _has_special(maps: AttentionMaps) -> bool:
    """True where leaving out special tokens leaves something on both sides, and takes something away."""
    sides = (maps.queries.special, maps.keys.special)
    return any(side.any() for side in sides) and not any(side.all() for side in sides)
