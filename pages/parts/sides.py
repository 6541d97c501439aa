"""Stored runs beside each other: the same texts, one method, one colour scale, the numbers below."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core import store
from core.charts.reader import reader_data, shown_columns
from core.errors import HeedError
from core.importance import sentence
from core.importance.reading import percent
from core.records import Importance, Trace
from pages.parts.cached import importance, open_trace
from pages.parts.charts import escape
from pages.parts.choices import Choices, choices, draw_choices
from pages.parts.frame import examples
from pages.parts.reader import reader
from pages.parts.selection import answer_rows

MOST = 4


def sides() -> None:
    """Draws the page; the runs are in the address (``?runs=id,id``)."""
    st.title("Compare runs", anchor=False)
    try:
        shipped = examples()
        asked = [r for r in st.query_params.get("runs", "").split(",") if r] or shipped
        traces = [t for t in (_open(r) for r in _pick(asked)) if t is not None and t.rows is not None]
        if not traces:
            st.info("Pick two to four runs above, or tick them on the page Runs.")
            return
        _draw(traces)
    except HeedError as error:
        st.error(str(error))


def _open(run: str) -> Trace | None:
    known = store.prefix(run)
    return None if known is None else open_trace(known)


def _pick(asked: list[str]) -> list[str]:
    infos = {r.id: r for r in store.find(limit=200)}
    asked = [k for k in (store.prefix(a) for a in asked) if k]
    options = list(dict.fromkeys([*asked, *infos]))

    def label(run: str) -> str:
        info = infos.get(run)
        return run[:8] if info is None else f"{info.name or info.prompt[:50]} · {info.model.split(' · ')[0]} · {run[:8]}"

    picked = st.multiselect("Runs", options, default=asked[:MOST], max_selections=MOST, format_func=label)
    st.query_params["runs"] = ",".join(picked)
    return picked


def _draw(traces: list[Trace]) -> None:
    levelled = min(traces, key=lambda t: t.tokens.proven)
    draw_choices(levelled)
    chosen = choices(levelled)
    found = [importance(t, chosen.method, **chosen.picked, columns=chosen.texts, rows=chosen.texts) for t in traces]
    shown = [f.values[:, shown_columns(t, f)] for t, f in zip(traces, found, strict=True)]
    most = max((float(v.max()) for v in shown if v.size), default=0.0)
    st.caption("One colour scale for all columns: equal shades are equal shares.")
    for column, trace, words in zip(st.columns(len(traces)), traces, found, strict=True):
        with column:
            _column(trace, words, chosen, most)
    st.dataframe(_numbers(traces, found), width="stretch")
    st.caption(
        "Shares are means over the answer's steps, so that short and long answers compare. "
        "Differences between runs are differences in direct reading, not in what caused an answer."
    )


def _column(trace: Trace, words: Importance, chosen: Choices, most: float) -> None:
    st.markdown(f"**{escape(trace.model.label)}**")
    st.caption(f"{trace.model.caption} · run {trace.id[:8]}")
    data = reader_data(trace, words, strength=chosen.strength, maximum=most or None)
    reader(data, key=f"side_{trace.id[:12]}", height=320)
    st.markdown(escape(sentence(words, trace, answer_rows(trace, words), "the whole answer")))
    st.page_link("pages/explore.py", label="Open on Explore", icon=":material/visibility:", query_params={"run": trace.id})


def _numbers(traces: list[Trace], found: list[Importance]) -> pd.DataFrame:
    columns = {}
    for i, (trace, words) in enumerate(zip(traces, found, strict=True)):
        rows = answer_rows(trace, words)
        mean = {n: percent(float(s[rows].mean())) if len(rows) else "" for n, s in words.shares.items()}
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
