"""Draws a run without attention rows: never kept, evicted to make room, or of a model that has no attention."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from core import store
from core.charts.share_by_step import share_by_step_chart
from core.charts.text_labels import GREY, visible_label
from core.records import Trace
from pages.parts.markdown_escape import escape_markdown

GROUP_NAMES = {
    "sink": "Sink",
    "template": "Markup",
    "system": "System message",
    "user": "Your words",
    "assistant": "Earlier turns",
    "output": "Earlier output",
}


def without_rows(trace: Trace) -> None:
    """Draws the answer, why it is not shaded, and what is left: shares per role, log-probabilities, JSON, prompt."""
    with st.container(border=True):
        st.caption("The answer")
        st.text(trace.answer or "The answer is empty.")
    if trace.model.attention == "none":
        st.info(
            f"{escape_markdown(trace.model.label)} has no attention, so there is nothing to shade. What it wrote, how "
            "sure it was of each token, and the prompt as it was read are below."
        )
    else:
        asked_none = "This run was asked to keep no attention rows: press Run to compute it again with them."
        evicted = (
            "The attention rows of this run are not stored any more (they made room for newer runs): press Run to "
            "compute them again."
        )
        kept = "Shares per role and log-probabilities were kept."
        st.info(f"{asked_none if trace.request.keep == 'none' else evicted} {kept}")
    steps = trace.answer_steps if len(trace.answer_steps) else np.arange(trace.steps)
    if trace.mass.size and len(steps):
        st.altair_chart(_shares(trace, steps), width="stretch", key="kept_shares")
    if len(steps):
        st.altair_chart(_sure(trace, steps), width="stretch", key="kept_logprobs")
    name = f"heed-{trace.id[:8]}.json"
    about = "What is stored of the run; opens again on the page Runs"
    st.download_button(
        "JSON",
        lambda: store.run_to_json(trace),
        name,
        "application/json",
        key="download_JSON",
        help=about,
        on_click="ignore",
    )
    with st.expander("What the model read: the rendered prompt"):
        st.code(trace.rendered or "".join(trace.input_tokens), language=None, wrap_lines=True)


def _shares(trace: Trace, steps: np.ndarray) -> Any:
    """A chart of the attention shares per role along the answer, mean over all heads."""
    mean = np.nanmean(trace.mass[:, :, steps], axis=(0, 1))
    shares = {GROUP_NAMES[g]: mean[:, i] for i, g in enumerate(trace.groups) if g in GROUP_NAMES}
    labels = [trace.output_tokens[i] for i in steps]
    lines = [trace.model.caption, f"mean of all heads · run {trace.id[:8]}"]
    chart = share_by_step_chart(steps, labels, shares, {}, caption=lines, height=240)
    return chart.configure_legend(orient="bottom", direction="horizontal")


def _sure(trace: Trace, steps: np.ndarray) -> Any:
    import altair as alt

    data = [
        {"step": int(s) + 1, "output": visible_label(trace.output_tokens[s]), "value": float(trace.logprobs[s])}
        for s in steps
    ]
    tip = ["step:O", "output:N", alt.Tooltip("value:Q", title="log-probability (nats)", format=".3f")]
    y = alt.Y("value:Q", title="log-probability (nats)")
    chart = alt.Chart(alt.InlineData(values=data), title="How sure the model was of each output token")
    return chart.mark_bar(color=GREY).encode(x=alt.X("step:O", axis=alt.Axis(labelOverlap=True)), y=y, tooltip=tip)
