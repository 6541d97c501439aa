"""One run on the page: the two texts, the plain sentence, one switch of views, downloads."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from core.charts.page import NOT_SAID
from core.charts.reader import reader_data
from core.errors import HeedError
from core.records import Importance, Trace
from pages.parts.cached import importance
from pages.parts.choices import Choices, choices, draw_choices
from pages.parts.compare.address import to_edit
from pages.parts.downloads import downloads
from pages.parts.reader import reader
from pages.parts.rest import without_rows
from pages.parts.said import said
from pages.parts.selection import Picked, picked_words
from pages.parts.text import escape
from pages.parts.views.figure import Figure
from pages.parts.views.heads import heads
from pages.parts.views.heat import heat
from pages.parts.views.over import over
from pages.parts.views.table import table
from pages.parts.whatif import HINT, guess, hinted, lit, open_here, panel, what_if

VIEWS = {
    "heatmap": "Heatmap",
    "over": "Over the answer",
    "heads": "Layers and heads",
    "table": "Table",
    "whatif": "What if",
}
DRAW = {"heatmap": heat, "over": over, "heads": heads, "table": table}
FINISHED = {
    "end": "ended by itself",
    "stop": "stopped at your stop text",
    "length": "cut off by the token limit",
    "given": "given, only read",
}
QUIET = {"sentence": False, "beside": {}, "caption": ""}
"""What the page says itself, so that the component need not."""


def view(trace: Trace, present: bool = False) -> None:
    """Draws a run. ``present``: large type, no controls."""
    with st.container(key="present" if present else "run"):
        if not present:
            _head(trace)
        try:
            if guess.hidden(trace):
                guess.ask(trace, present)
            elif trace.rows is None:
                without_rows(trace)
                _what_if_alone(trace)
            else:
                _whole(trace, present)
        except HeedError as error:
            st.warning(escape(str(error)), icon=":material/info:")
        if present:
            _leave_present()


def _whole(trace: Trace, present: bool) -> None:
    chosen = choices(trace)
    words = importance(trace, chosen.method, **chosen.picked, columns=chosen.texts, rows=chosen.texts)
    picked = _texts(trace, words, chosen, present)
    sentence = said(trace, words, picked, present)
    guess.told(trace, chosen)
    if present:
        return
    kind = _controls(trace)
    if kind == "whatif":
        panel(trace, chosen)
        figure = Figure(None, lambda: "")
    else:
        figure = DRAW[kind](trace, words, chosen, picked)
        st.caption(NOT_SAID)
    downloads(trace, words, chosen, figure, sentence)
    _rendered(trace, chosen)


def _what_if_alone(trace: Trace) -> None:
    """For a run without attention rows, which has none of the other views."""
    chosen = Choices("mean-attention", None, None, "drop", "word", 1.0, trace.tokens.proven)
    guess.told(trace, chosen)
    if _open("whatif"):
        what_if(trace, chosen, "whatif")


def _knock_out(trace: Trace) -> None:
    """Opens the what-if with the words that are picked in the input text."""
    st.session_state.chart = "whatif"
    if trace.rows is not None:
        with suppress(HeedError):  # it is told where the views are drawn
            open_here(trace, choices(trace), st.session_state.get("reader:selection"))


def _head(trace: Trace) -> None:
    author = escape(trace.request.author)
    label = escape(trace.model.label)
    st.caption(
        f"{escape(trace.model.caption)} · {trace.prompt_length} input tokens, {trace.steps} output tokens, "
        f"{FINISHED[trace.finish]} · run {trace.id[:8]}"
        + (f" · **written by {author}, as read by {label}**" if author else "")
    )
    row = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
    with row:
        guess.switch()
    buttons = row.container(horizontal=True, horizontal_alignment="right", width="content")
    about = "Opens What if below: hide words of the prompt and see what the same answer loses"
    buttons.button("Knock out", icon=":material/content_cut:", help=about, on_click=_knock_out, args=(trace,))
    about = "Opens Compare with this run on the left and a copy to change on the right"
    if buttons.button("Edit and compare", icon=":material/compare:", help=about):
        st.switch_page("pages/compare.py", query_params=_edited(trace))
    if buttons.button("Present", icon=":material/slideshow:", help="Large type; arrow keys step through"):
        st.query_params.update({"run": trace.id, "present": "1"})
        st.rerun()
    notes = [escape(note) for note in trace.notes]
    if any(s.origin == "template" for s in trace.tokens.sources):
        notes.append(
            "Unfold **What the model read** below to see it; keep, replace or remove it under **More settings**."
        )
    if trace.finish == "length":
        notes.append("The answer was cut off: raise New tokens to let it end.")
    if notes:
        st.caption(":material/info: " + " ".join(notes))


def _edited(trace: Trace) -> dict[str, str]:
    """The address of Compare with this run, read as it is here, and a copy of it."""
    try:
        chosen = choices(trace)
    except HeedError:
        return to_edit(trace.id)
    return to_edit(trace.id, chosen.method, chosen.layers or (), chosen.heads or ())


def _leave_present() -> None:
    st.caption("Arrow keys step through the answer, Escape shows it whole.")
    if st.button("Leave present mode", icon=":material/close_fullscreen:", type="tertiary", key="leave"):
        del st.query_params["present"]
        st.rerun()


def _texts(trace: Trace, words: Importance, chosen: Choices, present: bool) -> Picked:
    height = None if present else 360
    if _open("whatif") and not present:
        lights, on_pick = lit(trace, chosen)
        data = hinted(reader_data(trace, words, strength=chosen.strength, **lights), HINT)
        reader(data | QUIET, key="reader", height=height, on_pick=on_pick)
    else:
        data = reader_data(trace, words, strength=chosen.strength, present=present)
        reader(data | QUIET, key="reader", height=height)
    return picked_words(trace, words, "reader")


def _open(kind: str) -> bool:
    return st.session_state.get("chart") == kind


def _controls(trace: Trace) -> str:
    """One switch of views, and below it how the run is read."""
    st.session_state.setdefault("chart", "heatmap")
    kind = st.segmented_control(
        "View",
        list(VIEWS),
        key="chart",
        required=True,
        format_func=lambda k: VIEWS[k],
        label_visibility="collapsed",
        persist_state="session",
    )
    draw_choices(trace)
    return kind or "heatmap"


def _rendered(trace: Trace, chosen: Choices) -> None:
    """The prompt as the model read it, token by token."""
    with st.expander("What the model read: the rendered prompt, token by token"):
        st.caption(
            "Markup and added text included; a system message that the chat template added is headed so. "
            "Click a token of the answer to see what it read; hover a token for its share."
        )
        tokens = importance(trace, chosen.method, **chosen.picked, columns="token", rows="token")
        data = reader_data(trace, tokens, inputs="all", strength=chosen.strength)
        reader(data | {"caption": ""}, key="rendered", height=420)
        st.caption("The same as one text:")
        st.code(trace.rendered or "".join(trace.input_tokens), language=None, wrap_lines=True)
