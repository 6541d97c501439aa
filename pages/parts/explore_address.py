"""The address of Explore: how the run is read, which view is open and what is picked, so that a link opens the same.

    ?run=ID&method=picked-heads&layers=3.7&heads=0&level=token&sink=keep&view=heads&word=2-4

``word`` counts the pieces of the answer from 1, ``input`` those of the prompt. What is unknown in an address is
ignored. Guarded by tests/pages/test_explore_address.py.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import streamlit as st

from core.importance import METHODS
from core.records import Trace
from pages.parts.reader_component import Selection
from pages.parts.reading_controls import LEVEL_NAMES, SINKS, Choices
from pages.parts.run_cache import first_picture

TEXTS = {"word": "answer", "input": "input"}
"""{name in the address: text of the reader in which something is picked}"""
NAMES = ("method", "layers", "heads", "level", "sink", "view", *TEXTS)
KEPT, PASSED = "explore_address", "explore_passed"


def linked_run() -> str | None:
    """The run that the address names; None where that is one that was passed over."""
    asked = st.query_params.get("run")
    return None if asked == st.session_state.get(PASSED) else asked


def pass_over_linked_run() -> None:
    """Passes over the run that the address names, as another one is to be shown.

    The address names that one only when it is drawn: whoever presses something meanwhile would be led back.
    """
    st.session_state[PASSED] = st.query_params.get("run")


def adopt_explore_address(views: Collection[str]) -> None:
    """Takes over what the address says, once whenever it is not what this page wrote. Call before any widget."""
    state: Any = st.session_state
    asked = {name: st.query_params[name] for name in NAMES if name in st.query_params}
    if asked == state.get(KEPT):
        return
    state[KEPT] = asked
    known: dict[str, tuple[str, Collection[str]]] = {
        "method": ("method", METHODS),
        "level": ("level", LEVEL_NAMES),
        "sink": ("sink", SINKS),
        "view": ("chart", views),
    }
    for name, (key, options) in known.items():
        if asked.get(name) in options:
            state[key] = asked[name]
    for name in ("layers", "heads"):
        if name in asked:
            state[name] = [int(part) for part in asked[name].split(".") if part.isdecimal()]
    state.asked_selection = next((span for name in TEXTS if (span := _span(name, asked.get(name, "")))), None)


def asked_selection() -> Selection | None:
    """What the address picks in the texts, once; None afterwards, so that a click is not undone."""
    return st.session_state.pop("asked_selection", None)


def write_explore_address(trace: Trace, chosen: Choices | None = None, whole: bool = True) -> None:
    """Writes the run and how it is read into the address, all at once: each change is a step of the browser's Back.

    What is as usual goes unsaid. ``whole``: all of the answer is picked. ``chosen`` None: nothing is shown to be read.
    """
    state = st.session_state
    wanted: dict[str, str] = {}
    if chosen is not None:
        wanted = {"method": chosen.method, "level": chosen.level, "sink": chosen.sink, "view": state.chart}
        if METHODS[chosen.method].picks:
            wanted |= {"layers": _numbers(chosen.layers), "heads": _numbers(chosen.heads)}
        selection = state.get("reader:selection")
        if selection and not (whole and selection["side"] == "answer"):
            name = next(name for name, side in TEXTS.items() if side == selection["side"])
            first, last = selection["start"] + 1, selection["end"]
            wanted[name] = str(first) if first == last else f"{first}-{last}"
        usual = {"method": first_picture(trace), "level": "word", "sink": "drop", "view": "heatmap"}
        wanted = {name: value for name, value in wanted.items() if value and usual.get(name) != value}
    state[KEPT], state[PASSED] = wanted, None
    query = {name: st.query_params.get_all(name) for name in st.query_params}
    new = {name: value for name, value in query.items() if name not in NAMES}
    new |= {name: [value] for name, value in ({"run": trace.id} | wanted).items()}
    if new != query:
        st.query_params.from_dict(new)


def _numbers(picked: tuple[int, ...] | None) -> str:
    return ".".join(map(str, picked or ()))


def _span(name: str, text: str) -> Selection | None:
    first, _, last = text.partition("-")
    if not first.isdecimal() or not (last or first).isdecimal() or not 1 <= int(first) <= int(last or first):
        return None
    return Selection(side=TEXTS[name], start=int(first) - 1, end=int(last or first))
