"""One run on the page: the two texts, the plain sentence, one switch of views, downloads."""

from __future__ import annotations

import streamlit as st

from core.charts.page import NOT_SAID
from core.charts.reader import reader_data
from core.errors import HeedError
from core.importance import sentence
from core.importance.reading import percent
from core.records import Importance, Trace
from pages.parts import charts
from pages.parts.cached import importance
from pages.parts.choices import Choices, choices, draw_choices
from pages.parts.downloads import downloads
from pages.parts.reader import reader
from pages.parts.selection import Picked, picked_words, select_box

VIEWS = {
    "heatmap": "Heatmap",
    "over": "Over the answer",
    "heads": "Layers and heads",
    "table": "Table",
}
FINISHED = {
    "end": "ended by itself",
    "stop": "stopped at your stop text",
    "length": "cut off by the token limit",
    "given": "given, only read",
}
BESIDE = {
    "sink": ("Sink", "The first token of the prompt: a fixed place that soaks up attention whatever the text says."),
    "template": ("Markup", "The chat template's own tokens."),
    "system": ("System message", "Your system message, or the one that the template added."),
    "query": ("Query token itself", "The token that did the reading; it also counts where it stands."),
    "output": ("Earlier output", "What the model itself wrote before."),
}
ABOUT_BESIDE = "\n\n".join(
    [f"**{label}**: {about}" for label, about in BESIDE.values()]
    + ["Groups overlap: the query token is also part of another group. Shading and sentence follow the sink setting below."]
)
QUIET = {"sentence": False, "beside": {}, "caption": ""}
"""What the page says itself, so that the component need not."""


def view(trace: Trace, present: bool = False) -> None:
    """Draws a run. ``present``: large type, no controls."""
    if not present:
        _head(trace)
    try:
        if trace.rows is None:
            _without_rows(trace)
            return
        chosen = choices(trace)
        words = importance(trace, chosen.method, **chosen.picked, columns=chosen.texts, rows=chosen.texts)
        picked = _texts(trace, words, chosen, present)
        _said(trace, words, picked, present)
        if present:
            _leave_present()
            return
        kind = _controls(trace)
        figure, shown = _figure(kind, trace, words, chosen, picked)
        st.caption(NOT_SAID)
        downloads(trace, shown, words, figure, _sentence(trace, words, picked))
        _rendered(trace, chosen)
    except HeedError as error:
        st.warning(str(error), icon=":material/info:")


def _head(trace: Trace) -> None:
    title, button = st.columns([5, 1], vertical_alignment="bottom")
    author = trace.request.author
    title.caption(
        f"{trace.model.caption} · {trace.prompt_length} input tokens, {trace.steps} output tokens, "
        f"{FINISHED[trace.finish]} · run {trace.id[:8]}"
        + (f" · **written by {author}, as read by {trace.model.label}**" if author else "")
    )
    if button.button("Present", icon=":material/slideshow:", width="stretch", help="Large type; arrow keys step through the answer"):
        st.query_params["present"] = "1"
        st.rerun()
    notes = list(trace.notes)
    if trace.finish == "length":
        notes.append("The answer was cut off: raise New tokens to let it end.")
    for note in notes:
        st.caption(f":material/info: {note}")


def _without_rows(trace: Trace) -> None:
    st.text(trace.answer)
    if trace.model.attention == "none":
        st.info(f"{trace.model.label} has no attention, so there is nothing to shade. Log-probabilities are kept.")
        st.altair_chart(charts.logprobs(trace), width="stretch")
    else:
        st.info("The attention rows of this run made room for newer ones: press Run to compute them again.")


def _leave_present() -> None:
    if st.button("Leave present mode", icon=":material/close_fullscreen:", type="tertiary"):
        del st.query_params["present"]
        st.rerun()


def _texts(trace: Trace, words: Importance, chosen: Choices, present: bool) -> Picked:
    data = reader_data(trace, words, strength=chosen.strength, present=present)
    reader(data | QUIET, key="reader", height=None if present else 360)
    return picked_words(trace, words, "reader")


def _sentence(trace: Trace, words: Importance, picked: Picked) -> str:
    return sentence(words, trace, picked.rows, picked.name)


def _said(trace: Trace, words: Importance, picked: Picked, present: bool) -> None:
    said, box = (st.container(), None) if present else st.columns([3, 1.15], vertical_alignment="center")
    if box is not None:
        with box:
            select_box(trace, words, "reader")
    said.markdown(f"**{charts.escape(_sentence(trace, words, picked))}**")
    if not len(picked.rows):
        return
    shares = {name: float(words.shares[name][picked.rows].mean()) for name in BESIDE}
    cells = [f"{BESIDE[n][0]} **{percent(s)}**" for n, s in shares.items() if s > 0 or n != "system"]
    text = "Of all attention: your words **" + percent(_own(trace, words, picked)) + "** · " + " · ".join(cells)
    said.caption(text, help=ABOUT_BESIDE)


def _own(trace: Trace, words: Importance, picked: Picked) -> float:
    """Share of all attention on the user's own texts, mean over the picked rows."""
    return float((words.shares["user"] + words.shares["assistant"])[picked.rows].mean())


def _controls(trace: Trace) -> str:
    """One switch of views, and below it how the run is read."""
    kind = st.segmented_control(
        "View",
        list(VIEWS),
        key="chart",
        default="heatmap",
        required=True,
        format_func=VIEWS.get,
        label_visibility="collapsed",
        persist_state="session",
    )
    draw_choices(trace)
    return kind or "heatmap"


def _figure(kind: str, trace: Trace, words: Importance, chosen: Choices, picked: Picked) -> tuple[object, Importance]:
    """The chart that the switch asks for, and the importance behind it (for CSV)."""
    if kind == "over":
        return charts.over(trace, chosen, picked)
    if kind == "heads":
        return charts.layers(trace, words, chosen, picked), words
    if kind == "table":
        return charts.table(trace, words, picked), words
    return charts.heat(trace, chosen, picked)


def _rendered(trace: Trace, chosen: Choices) -> None:
    """The prompt as the model read it, token by token."""
    with st.expander("What the model read: the rendered prompt, token by token"):
        st.caption("Markup and added text included. Shaded for the picked words of the answer; hover a token for its share.")
        tokens = importance(trace, chosen.method, **chosen.picked, columns="token", rows="token")
        data = reader_data(trace, tokens, inputs="all", strength=chosen.strength)
        reader(data | {"caption": ""}, key="rendered", height=420)
        st.code(trace.rendered or "".join(trace.input_tokens), language=None, wrap_lines=True)

