"""The model select box: catalogue models with their state, or a typed hub id, folder or .gguf file; how to load it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from time import monotonic

import streamlit as st

from core.errors import HeedError
from core.models.catalogue import CATALOGUE, DEFAULT_MODEL, writing_models
from core.models.load_estimate import estimate_load
from core.models.memory_estimate import size_text
from core.models.model_key import known_ref, locate, model_status, resolve
from core.models.precision import PRECISIONS, precision_note, split_precision
from core.settings import models_path
from pages.parts.markdown_escape import escape_markdown

STATE = {"ready": "ready offline", "fetchable": "fetchable", "hub": "needs the hub"}
ICON = {"ready": "●", "fetchable": "◐", "hub": "○"}
TYPED = (
    "A hub id (org/name), a folder with config.json and safetensors, or a .gguf file can be typed in; "
    "“ as bfloat16” or “ as 4-bit” behind it says how to load it."
)
USUAL = "usual"
LOOKED_UP = 3.0
"""Seconds for which the state of a model in the list is kept: to look takes ten system calls a model, each page."""
ABOUT_LOADING = (
    "How the weights are kept in memory. Less memory means other numbers: compare what is measured in one form with "
    "what is measured in the same form. The usual form is float32, and bfloat16 above 1.5 billion parameters."
)


def model_option(name: str) -> str:
    """The option label of a model: its name, its state and the size of its download."""
    now = int(monotonic() / LOOKED_UP)
    return _labelled(name, _status(name, models_path(), now)) if name in CATALOGUE else name


@lru_cache(maxsize=256)
def _status(name: str, folder: Path, now: int) -> str:
    return model_status(name)


def _labelled(name: str, state: str) -> str:
    entry = CATALOGUE[name]
    size = "" if state == "ready" else f", {size_text(entry.bytes)}"
    quantised = "" if entry.quantisation == "none" else f" {entry.quantisation}"
    return f"{ICON[state]} {entry.label}{quantised} ({STATE[state]}{size})"


def model_of_option(text: str) -> str:
    """The model's name of what a select box returned: a name, an option's label, or something typed.

    A box that takes new options returns the label that the browser shows. Once a model has been fetched that label is
    an old one, which Streamlit takes for something typed.
    """
    text = text.strip()
    return next((name for name in CATALOGUE for state in STATE if text == _labelled(name, state)), text)


def settle_models(key: str) -> None:
    """Puts names in the place of labels in the state of a select box, before it is drawn."""
    value = st.session_state.get(key)
    if isinstance(value, str):
        st.session_state[key] = model_of_option(value)
    elif value:
        st.session_state[key] = list(dict.fromkeys(map(model_of_option, value)))


def fetch_sentence(name: str) -> str:
    """A sentence where a catalogue model must be downloaded before it can run; else empty."""
    name = split_precision(name)[0]
    if name not in CATALOGUE or model_status(name) == "ready":
        return ""
    entry = CATALOGUE[name]
    return f"{entry.label} is not on this machine yet: it is fetched first ({size_text(entry.bytes)})."


def pick_model(offered: Sequence[str] | None = None) -> str:
    """Draws the select box in the sidebar and returns the model's name. ``offered`` None: those that write text."""
    with st.sidebar:
        st.caption("**Model**")
        state = st.session_state
        state.setdefault("model", DEFAULT_MODEL)
        settle_models("model")
        fill_model(state.model or DEFAULT_MODEL, keep=True)
        options = writing_models() if offered is None else list(offered)
        if state.model and state.model not in options:
            options.insert(0, state.model)
        name = st.selectbox(
            "Model",
            options,
            key="model",
            format_func=model_option,
            accept_new_options=True,
            persist_state="session",
            label_visibility="collapsed",
            help=TYPED,
            placeholder="Pick or type a model",
        )
        name = _load_as((name or DEFAULT_MODEL).strip())
        _about(name)
        return name


def fill_model(name: str, *, keep: bool = False) -> None:
    """Sets model and form of loading to what ``name`` says; ``keep``: one that names no form leaves it as it is."""
    state = st.session_state
    state.model, dtype = split_precision(name)
    if dtype or not keep:
        state.load_as = dtype or USUAL


def _load_as(name: str) -> str:
    """Draws the folded choice of the form to load a model in; returns the name that says it."""
    state = st.session_state
    state.setdefault("load_as", USUAL)
    usual, device = "float32", "cpu"
    with suppress(HeedError):
        key = resolve(name)
        usual, device = key.dtype, key.device
    if state.load_as == usual:
        state.load_as = USUAL
    offered = [d for d in PRECISIONS if d != usual and (d != "float16" or device != "cpu" or state.load_as == d)]
    picked = usual if state.load_as == USUAL else state.load_as
    with st.expander(f"Load as · {picked}"):
        picked = st.selectbox(
            "Load as",
            [USUAL, *offered],
            key="load_as",
            format_func=lambda d: f"{usual} (usual)" if d == USUAL else d,
            persist_state="session",
            label_visibility="collapsed",
            help=ABOUT_LOADING,
        )
        for d in offered if picked == USUAL else [picked]:
            st.caption(f"**{d}**: {PRECISIONS[d].about}.")
        if picked != USUAL and (note := precision_note(picked)):
            st.caption(note)
    return name if picked in (USUAL, usual) else f"{name} as {picked}"


def _about(name: str) -> None:
    """Draws what is known of the model without loading it, or why Heed refuses it, before anything runs."""
    try:
        place = locate(name)
        lines = []
        if place.entry is not None:
            lines.append(f"{place.entry.licence} · {place.entry.parameters / 1e6:,.0f} M parameters")
        found = estimate_load(name)
        lines.append(_state(name))
        if found.sentence:  # else its size is not known before the hub was asked
            lines.append(found.sentence[0].upper() + found.sentence[1:])
        if model_status(name) == "ready":
            key = resolve(name)
            ref = known_ref(key)
            lines.append(f"{key.dtype} · {key.device} · fingerprint {key.fingerprint[:8]}")
            if ref is not None:
                lines.append(f"{ref.layers} layers × {ref.heads} heads · reads {ref.context:,} tokens")
                lines += ref.notes
        for line in lines:
            st.caption(escape_markdown(line))
        if found.advice:
            st.warning(escape_markdown(found.advice))
    except HeedError as error:
        st.warning(escape_markdown(str(error)))
    st.caption(TYPED)


def _state(name: str) -> str:
    return f"{ICON[model_status(name)]} {STATE[model_status(name)]}"
