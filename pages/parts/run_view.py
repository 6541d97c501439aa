"""Draws one run: the two shaded texts, a sentence that sums them up, a switch of views, downloads."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import streamlit as st

from core import store
from core.charts.html_page import caveat
from core.charts.reading_texts import PickedWords, rows_of_answer
from core.charts.shaded_texts import shaded_texts_data
from core.errors import HeedError
from core.importance import DEFAULT_METHOD
from core.importance.reading_summary import reading_ladder
from core.records import Importance, Trace
from core.trust.league_files import load_league
from core.trust.verdicts import verdict
from pages.parts.compare.columns import edit_query
from pages.parts.copy_link import copy_link
from pages.parts.download_buttons import run_downloads
from pages.parts.explore_address import adopt_explore_address, asked_selection, write_explore_address
from pages.parts.long_texts import has_reading_mode, long_texts_data, rendered_rows, texts_switch
from pages.parts.markdown_escape import escape_markdown
from pages.parts.method_check import method_check
from pages.parts.more_methods import SURROGATE, more_methods, surrogate_fit
from pages.parts.no_rows import without_rows
from pages.parts.reader_component import text_reader
from pages.parts.reading_controls import CONTROLS, Choices, current_choices, reading_controls
from pages.parts.run_cache import importance, texts_data
from pages.parts.summary import run_summary
from pages.parts.text_selection import picked_words
from pages.parts.trust.verdict_line import show_verdict
from pages.parts.views.chart_view import own_views
from pages.parts.views.contrast_view import contrast_view
from pages.parts.views.heads_view import heads_view
from pages.parts.views.heatmap_view import heatmap_view
from pages.parts.views.likelihood_view import likelihood_strip, likelihood_view
from pages.parts.views.parts_view import parts_view
from pages.parts.views.steps_view import steps_view
from pages.parts.views.table_view import table_view
from pages.parts.views.view_figure import ViewFigure
from pages.parts.whatif import (
    HINT,
    guess_first,
    open_whatif,
    present_steering,
    what_if,
    whatif_overlays,
    whatif_panel,
    with_hint,
)

RUN_VIEWS: dict[str, tuple[str, Callable[..., ViewFigure] | None, tuple[str, ...]]] = {
    "heatmap": ("Heatmap", heatmap_view, CONTROLS),
    "over": ("Over the answer", steps_view, ("method",)),
    "heads": ("Layers and heads", heads_view, ("level",)),
    "table": ("Table", table_view, CONTROLS),
    "parts": ("Passages", parts_view, ("method", "sink")),
    "likelihood": ("How likely", likelihood_view, ()),
    "contrast": ("This word or that", contrast_view, ("level",)),
    "whatif": ("What if", None, CONTROLS),
}
"""{name: (label, function that draws it, reading controls that change it); no function: the what-if draws itself"""
FINISHED = {
    "end": "ended by itself",
    "stop": "stopped at your stop text",
    "length": "cut off by the token limit",
    "given": "given, not generated",
}
QUIET = {"sentence": False, "beside": {}, "caption": ""}
"""Parts that the reader component leaves out, since the page draws them itself."""


def run_view(trace: Trace, present: bool = False, row: Any = None) -> None:
    """Draws a run. ``present``: large type, no controls. ``row``: a container that its buttons join (a new one)."""
    adopt_explore_address(RUN_VIEWS | own_views())
    with st.container(key="present" if present else "run", gap="small" if present else "xsmall"):
        if not present:
            _actions(trace, row)
        try:
            if guess_first.is_guessing(trace):
                write_explore_address(trace)
                guess_first.ask_guess(trace, present)
            elif trace.rows is None:
                write_explore_address(trace)
                _about_run(trace)
                without_rows(trace)
                _what_if_alone(trace)
            else:
                _whole(trace, present)
        except HeedError as error:
            st.warning(escape_markdown(str(error)), icon=":material/info:")
        if present:
            _present_keys()


def _whole(trace: Trace, present: bool) -> None:
    chosen = current_choices(trace)
    try:
        words = importance(trace, chosen.method, **chosen.picked, columns=chosen.texts, rows=chosen.texts)
    except HeedError:
        if not present:
            reading_controls(trace)  # the way back to another method
        raise
    if present and st.session_state.get("present_view") in PRESENTED:
        PRESENTED[st.session_state.present_view](trace, words, chosen)
        return
    picked = _texts(trace, words, chosen, present)
    sentence = run_summary(trace, words, picked, present)
    guess_first.guess_result(trace, chosen)
    if present:
        return
    if trace.request.scored and not _open("likelihood"):
        likelihood_strip(trace)
    draw = _controls(trace)
    write_explore_address(trace, chosen, picked.whole)
    if draw is None:
        whatif_panel(trace, chosen)
        figure = ViewFigure(None, lambda: "")
    else:
        figure = draw(trace, words, chosen, picked)
        if not _open("contrast") and not _open("likelihood"):  # the one has its own method, the other none
            show_verdict(verdict(load_league(trace.request.model.fingerprint), chosen.method))
            st.caption(caveat(words.unit))
        if chosen.method == SURROGATE:
            st.caption(surrogate_fit(trace))
    _about_run(trace)
    run_downloads(trace, words, chosen, figure, sentence)
    more_methods(trace)
    method_check(trace, chosen)
    _rendered(trace, chosen)


def _what_if_alone(trace: Trace) -> None:
    """Draws the what-if of a run without attention rows, which has none of the other views."""
    chosen = Choices(DEFAULT_METHOD, None, None, "drop", "word", 1.0, trace.tokens.proven)
    guess_first.guess_result(trace, chosen)
    if _open("whatif"):
        what_if(trace, chosen, "whatif")


def _knock_out(trace: Trace) -> None:
    """Opens the what-if with the words that are picked in the input text."""
    st.session_state.chart = "whatif"
    if trace.rows is not None:
        with suppress(HeedError):  # shown where the views are drawn
            open_whatif(trace, current_choices(trace), st.session_state.get("reader:selection"))


def _actions(trace: Trace, row: Any) -> None:
    """Draws what can be done with the run, in ``row`` beside Run, or (None) in a row of its own."""
    if row is None:
        row = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
    with row:
        guess_first.guess_switch()
    buttons = row.container(horizontal=True, horizontal_alignment="right", width="content")
    quiet: dict[str, Any] = {"type": "tertiary"}
    about = "Opens What if below: hide words of the prompt and see what the same answer loses"
    buttons.button("Knock out", icon=":material/content_cut:", help=about, on_click=_knock_out, args=(trace,), **quiet)
    about = "Opens Compare with this run on the left and a copy to change on the right"
    if buttons.button("Edit and compare", icon=":material/compare:", help=about, **quiet):
        st.switch_page("pages/compare.py", query_params=_edited(trace))
    if buttons.button(
        "Diagrams", icon=":material/analytics:", help="Figures of this run for papers and slides", **quiet
    ):
        st.switch_page("pages/diagrams.py", query_params={"source": "run", "run": trace.id})
    if buttons.button("Present", icon=":material/slideshow:", help="Large type; arrow keys step through", **quiet):
        st.query_params.update({"run": trace.id, "present": "1"})
        st.rerun()


def _about_run(trace: Trace) -> None:
    """Draws which model, lengths, end, id and link of the run, and what else is to be known of it."""
    author = escape_markdown(trace.request.author)
    label = escape_markdown(trace.model.label)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(
            f"{escape_markdown(trace.model.caption)} · {trace.prompt_length} input tokens, {trace.steps} output "
            f"tokens, {FINISHED[trace.finish]} · run {trace.id[:8]}"
            + (f" · **written by {author}, as read by {label}**" if author else ""),
            width="content",
        )
        copy_link()
    notes = [escape_markdown(note) for note in trace.notes]
    if store.run_origin(trace.id) == "imported":
        notes.insert(0, "Opened from a file, not run here: Run makes it anew.")
    if any(s.origin == "template" for s in trace.tokens.sources):
        notes.append("See **What the model read** below.")
    if trace.finish == "length":
        notes.append("The answer was cut off: raise New tokens in Settings to let it end.")
    if notes:
        st.caption(":material/info: " + " ".join(notes))


def _edited(trace: Trace) -> dict[str, str]:
    """URL parameters of Compare for this run, read by the same method, and an editable copy."""
    try:
        chosen = current_choices(trace)
    except HeedError:
        return edit_query(trace.id)
    return edit_query(trace.id, chosen.method, chosen.layers or (), chosen.heads or ())


def _present_heatmap(trace: Trace, words: Importance, chosen: Choices) -> None:
    heatmap_view(trace, words, chosen, picked_words(trace, words, "reader"))


def _present_ladder(trace: Trace, words: Importance, _: Choices) -> None:
    """Draws the answer word by word, each beside what was read most while it was written."""
    rows = reading_ladder(words, rows_of_answer(trace, words))
    st.table({"Answer": [escape_markdown(a) for a, _ in rows], "Read most": [escape_markdown(b) for _, b in rows]})


def _present_steering(trace: Trace, _: Importance, chosen: Choices) -> None:
    present_steering(trace, chosen)


PRESENTED = {"heatmap": _present_heatmap, "ladder": _present_ladder, "steer": _present_steering}
"""{what Present shows in place of the texts: function that draws it}"""


PRESENT_KEYS = (("heatmap", "Heatmap", "H"), ("ladder", "Ladder of steps", "L"), ("steer", "Read more or less", "M"))
"""(what Present shows, its button, the key that presses it)"""


def _present_keys() -> None:
    """Draws the buttons of Present, which keys press too."""
    state = st.session_state

    def show(kind: str) -> None:
        state.present_view = "" if state.get("present_view") == kind else kind

    with st.container(horizontal=True, vertical_alignment="center"):
        for kind, label, key in PRESENT_KEYS:
            st.button(label, key=f"present_{kind}", type="tertiary", shortcut=key, on_click=show, args=(kind,))
        walks = "Left and right arrow read the part less and more."
        steps = "Arrow keys step through the answer, Escape shows it whole."
        st.caption(walks if state.get("present_view") == "steer" else steps, width="content")
        if st.button("Leave present mode", icon=":material/close_fullscreen:", type="tertiary", key="leave"):
            del st.query_params["present"]
            st.rerun()


def _texts(trace: Trace, words: Importance, chosen: Choices, present: bool) -> PickedWords:
    height = None if present else 360
    if _open("whatif") and not present:
        lights, on_pick = whatif_overlays(trace, chosen)
        data = with_hint(shaded_texts_data(words, strength=chosen.strength, **lights), HINT)
        text_reader(data | QUIET, key="reader", height=height, on_pick=on_pick)
    elif not present and texts_switch(trace):
        text_reader(long_texts_data(trace, chosen) | QUIET, key="reader", selection=asked_selection())
    else:
        data = texts_data(words, strength=chosen.strength, present=present)
        text_reader(data | QUIET, key="reader", height=height, selection=asked_selection())
    return picked_words(trace, words, "reader")


def _open(kind: str) -> bool:
    return st.session_state.get("chart") == kind


def _controls(trace: Trace) -> Callable[..., ViewFigure] | None:
    """Draws the switch of views and the reading controls; returns the function that draws the picked view."""
    views = RUN_VIEWS | own_views()
    if st.session_state.setdefault("chart", "heatmap") not in views:
        st.session_state.chart = "heatmap"
    kind = st.segmented_control(
        "View",
        list(views),
        key="chart",
        required=True,
        format_func=lambda k: views[k][0],
        label_visibility="collapsed",
        persist_state="session",
    )
    _, draw, controls = views[kind or "heatmap"]
    reading_controls(trace, controls)
    return draw


def _rendered(trace: Trace, chosen: Choices) -> None:
    """Draws the prompt as the model read it, token by token; that of a long run once it is opened."""
    waits = has_reading_mode(trace)
    name = "What the model read: the rendered prompt, token by token"
    box = st.expander(name, key="rendered_open", on_change="rerun") if waits else st.expander(name)
    with box:
        if waits and not box.open:
            return
        st.caption(
            "Markup and added text included; a system message that the chat template added is headed so. "
            "Click a token of the answer to see what it read; hover a token for its share."
        )
        rows = rendered_rows(trace)
        tokens = importance(trace, chosen.method, **chosen.picked, columns="token", rows=rows)
        data = texts_data(tokens, "all", chosen.strength)
        text_reader(data | {"caption": ""}, key="rendered", height=420)
        st.caption("The same as one text:")
        st.code(trace.rendered or "".join(trace.input_tokens), language=None, wrap_lines=True)
