"""Stored runs beside each other: the same texts, one method, one colour scale, the numbers below."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core import store
from core.charts.reader import reader_data, shown_columns
from core.errors import HeedError
from core.importance import answer_mean, sentence, step_weights
from core.importance.reading import percent
from core.records import Importance, Trace
from pages.parts.cached import importance, open_trace
from pages.parts.choices import Choices, choices, draw_choices
from pages.parts.frame import examples
from pages.parts.reader import reader
from pages.parts.selection import answer_rows
from pages.parts.text import escape
from pages.parts.view import QUIET

MOST = 4


def sides() -> None:
    """Draws the page; the runs are in the address (``?runs=id,id``)."""
    st.title("Compare runs", anchor=False)
    try:
        traces = [t for t in map(_open, _pick(examples())) if t is not None]
        if not traces:
            st.info("Pick two to four runs above, or tick them on the page Runs.")
            return
        _draw(traces)
    except HeedError as error:
        st.error(escape(str(error)))


def _open(run: str) -> Trace | None:
    """The run with its rows; what cannot be compared is told."""
    try:
        trace = open_trace(run)
    except HeedError as error:
        st.warning(escape(str(error)))
        return None
    if trace is None:
        st.warning(f"There is no stored run {run[:8]}: it may have been deleted.")
    elif trace.model.attention == "none":
        st.warning(f"{escape(trace.model.label)} has no attention, so run {run[:8]} cannot stand beside the others.")
    elif trace.rows is None:
        st.warning(f"The attention rows of run {run[:8]} are not stored any more: open it on Explore and press Run.")
    else:
        return trace
    return None


def _pick(shipped: list[str]) -> list[str]:
    """The runs of the address, until the box is moved; the shipped ones where nothing was ever picked."""
    state = st.session_state
    address = st.query_params.get("runs")
    infos = {r.id: r for r in store.find(limit=200)}
    if address != state.get("compared_address") or "compared" not in state:
        known = [(a, store.prefix(a)) for a in (address or "").split(",") if a]
        for asked, run in known:
            if run is None:
                st.warning(f"There is no stored run {escape(asked[:12])}: it may have been deleted.")
        state.compared = list(dict.fromkeys(r for _, r in known if r))[:MOST] or shipped[:MOST]
    options = list(dict.fromkeys([*state.compared, *infos]))

    def label(run: str) -> str:
        info = infos.get(run)
        if info is None:
            return run[:8]
        return f"{info.name or info.prompt[:50]} · {info.model.split(' · ')[0]} · {run[:8]}"

    picked = st.multiselect(
        "Runs", options, key="compared", max_selections=MOST, format_func=label, persist_state="session"
    )
    state.compared_address = ",".join(picked)
    st.query_params["runs"] = state.compared_address
    return picked


def _draw(traces: list[Trace]) -> None:
    levelled = min(traces, key=lambda t: (t.tokens.proven, bool(t.request.segments)))
    chosen = choices(levelled)
    draw_choices(levelled)
    found = [importance(t, chosen.method, **chosen.picked, columns=chosen.texts, rows=chosen.texts) for t in traces]
    most = max((_most(t, f) for t, f in zip(traces, found, strict=True)), default=0.0)
    st.caption(
        "One colour scale for all columns: equal shades are equal shares. "
        "It ends at the largest mean over a whole answer."
    )
    for column, trace, words in zip(st.columns(len(traces)), traces, found, strict=True):
        with column:
            _column(trace, words, chosen, most)
    st.dataframe(_numbers(traces, found), width="stretch")
    st.caption(
        "Shares are means over the answer's steps, so that short and long answers compare. "
        "Differences between runs are differences in direct reading, not in what caused an answer."
    )


def _most(trace: Trace, words: Importance) -> float:
    """The largest mean of a shown input over the whole answer."""
    rows = answer_rows(trace, words)
    values = answer_mean(words, rows)[0][shown_columns(trace, words)] if len(rows) else np.zeros(0)
    return float(values.max(initial=0.0))


def _column(trace: Trace, words: Importance, chosen: Choices, most: float) -> None:
    st.markdown(f"**{escape(trace.model.label)}**")
    st.caption(f"{escape(trace.model.caption)} · run {trace.id[:8]}")
    if trace.request.author:
        st.caption(f"written by {escape(trace.request.author)}, as read by {escape(trace.model.label)}")
    data = reader_data(trace, words, strength=chosen.strength, maximum=most or None)
    reader(data | QUIET, key=f"side_{trace.id[:12]}", height=320)
    st.text(sentence(words, trace, answer_rows(trace, words), "the whole answer"))
    link = {"run": trace.id}
    st.page_link("pages/explore.py", label="Open on Explore", icon=":material/visibility:", query_params=link)


def _numbers(traces: list[Trace], found: list[Importance]) -> pd.DataFrame:
    columns = {}
    for i, (trace, words) in enumerate(zip(traces, found, strict=True)):
        rows = answer_rows(trace, words)
        weight = step_weights(words, rows)
        mean = {n: percent(float(weight @ s[rows])) if len(rows) else "" for n, s in words.shares.items()}
        steps = trace.answer_steps
        columns[f"{chr(65 + i)} · {trace.model.label}"] = {
            "Answer": trace.answer.strip(),
            "Output tokens": str(trace.steps),
            "Finish": trace.finish,
            "Mean log-probability (nats)": f"{np.mean(trace.logprobs[steps]):.3f}" if len(steps) else "",
            "Mean entropy (nats)": f"{np.mean(trace.entropy[steps]):.3f}" if len(steps) else "",
            "Share on the user's words": mean.get("user", ""),
            "Share on the sink": mean.get("sink", ""),
            "Share on markup": mean.get("template", ""),
            "Share on earlier output": mean.get("output", ""),
        }
    return pd.DataFrame(columns)
