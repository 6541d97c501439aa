"""The page Compare: presets, one rule for system messages, the columns, one Run, and what differs.

The order of work is not the order on the page: editors first (they say what is asked), then what is stored, then the
comparison over all columns, and only then the texts inside each column, since they share a scale.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.errors import HeedError
from pages.parts import progress
from pages.parts.cached import importance
from pages.parts.compare import address
from pages.parts.compare.asked import SLOT, Seen, collect, leave, look, shape, start
from pages.parts.compare.columns import LETTERS, POLICIES, SHARED, SYSTEM, Column, columns
from pages.parts.compare.editor import editor, header
from pages.parts.compare.presets import draw_presets, first_visit, open_runs, rule
from pages.parts.compare.readers import Drawn, most, spread, texts
from pages.parts.frame import examples
from pages.parts.text import escape

ABOUT_SYSTEM = (
    "Some chat templates add a system message by themselves, each another one. One message for all columns keeps the "
    "prompts comparable; left empty, no column has one. “Each template's own” lets every template add what it likes."
)
LEVELS = {"word": "Words", "sentence": "Sentences", "segment": "Segments"}


def compare() -> None:
    """Draws the page."""
    st.title("Compare", anchor=False)
    st.caption("Two to four runs side by side: which words of the prompt did each of them read while it answered?")
    try:
        collect()
        _open()
        _draw()
    except HeedError as error:
        st.error(escape(str(error)), icon=":material/error:")


def _open() -> None:
    """The columns of the address where it is a new one; of the first visit where there are none."""
    state = st.session_state
    query = {name: st.query_params[name] for name in st.query_params}
    if "runs" in query and query["runs"] != state.get("compare_address"):
        examples()
        runs, readings = address.read(query)
        state.compare_problems = open_runs(runs, readings, "edit" in query)
        state.compare_address = query["runs"]
        if query.get("level") in LEVELS:
            state.compare_level = query["level"]
    if not columns():
        first_visit()


def _draw() -> None:
    for problem in st.session_state.get("compare_problems") or ():
        st.warning(escape(problem))
    draw_presets()
    _rule()
    bar = st.container(key="compare_bar")
    found = columns()
    places = st.columns(len(found), gap="medium")
    policy, text = rule()
    seen = []
    for column, letter, place in zip(found, LETTERS, places, strict=False):
        with place:
            seen.append(_column(column, letter, policy, text))
    with bar:
        _run(seen)
    _address()
    drawn = [_read(s) for s in seen]
    ready = [d for d in drawn if d is not None]
    highest = max((most(d) for d in ready), default=0.0) if _shared_scale() else None
    spread(ready, None)
    for s, d, place in zip(seen, drawn, places, strict=True):
        with place:
            _told(s)
            if d is not None:
                texts(d, highest or None, {})


def _rule() -> None:
    """One rule for the system messages of all columns."""
    state = st.session_state
    state.setdefault("compare_policy", SHARED)
    state.setdefault("compare_system", SYSTEM)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "System message",
            list(POLICIES),
            key="compare_policy",
            required=True,
            format_func=lambda k: POLICIES[k],
            help=ABOUT_SYSTEM,
            persist_state="session",
        )
        if state.compare_policy == SHARED:
            st.text_input(
                "Text of the system message",
                key="compare_system",
                placeholder="Empty: no system message",
                persist_state="session",
            )


def _column(column: Column, letter: str, policy: str, text: str) -> Seen:
    header(column, letter)
    before = look(column, letter, policy, text)
    column = before.column
    now = editor(column, policy, *shape(column, before.trace))
    return before if now == column else look(now, letter, policy, text)


def _run(seen: Sequence[Seen]) -> None:
    """The button, or the progress of the job that it started."""
    missing = [s for s in seen if s.missing]
    if progress.current(SLOT) is not None:
        progress.watch(SLOT)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button(
            "Compare", type="primary", icon=":material/play_arrow:", key="compare_run", width=160, disabled=not missing
        )
        st.caption(_state(seen, missing), width="stretch")
    told = st.session_state.get("compare_told")
    if told:
        st.error(escape(told), icon=":material/error:")
    if pressed:
        start(missing)
        st.rerun()


def _state(seen: Sequence[Seen], missing: Sequence[Seen]) -> str:
    if not missing:
        return "Everything below is stored: change a column and press Compare."
    names = ", ".join(s.letter for s in missing)
    return f"Not run yet: {names}." if len(seen) > 1 else "Not run yet."


def _shared_scale() -> bool:
    return not st.session_state.get("compare_scale", False)


def _read(seen: Seen) -> Drawn | None:
    if seen.trace is None:
        return None
    level = st.session_state.get("compare_level", "word") if seen.trace.tokens.proven else "token"
    reading = seen.column.reading(seen.trace.model.attention_layers, seen.trace.model.heads)
    words = importance(
        seen.trace,
        seen.column.method,
        **reading,
        sink="separate",
        columns=level,
        rows=level if level != "segment" else "word",
    )
    return Drawn(seen, seen.trace, words)


def _told(seen: Seen) -> None:
    """What this column cannot do, in one sentence."""
    if seen.problem:
        st.warning(escape(seen.problem), icon=":material/info:")
    elif seen.missing and seen.trace is not None:
        st.info("Changed since this run: press Compare.", icon=":material/info:")
    elif seen.missing:
        st.info("Not run yet: press Compare.", icon=":material/info:")


def _address() -> None:
    """Puts the comparison into the address."""
    state = st.session_state
    found = address.written(columns())
    if not found:
        return
    state.compare_address = found["runs"]
    for name in ("runs", "method", "layers", "heads", "edit", "same"):
        if name in found:
            if st.query_params.get(name) != found[name]:
                st.query_params[name] = found[name]
        elif name in st.query_params:
            del st.query_params[name]


__all__ = ["compare", "leave"]
