"""The view Layers and heads: how much each head read the picked input while the picked output was written."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from core import store
from core.charts.layer_head_map import layers_heads_chart
from core.charts.reading_texts import PickedWords
from core.charts.text_labels import visible_label
from core.importance import METHODS, answer_mean, keeps_heads, read_by_head
from core.importance.reading_summary import own_columns
from core.jobs.probe_jobs import heads_work
from core.probe.time_estimate import estimate_time
from core.records import Importance, Trace
from pages.parts.job_progress import Ask, job_slot
from pages.parts.reading_controls import Choices
from pages.parts.run_cache import first_picture, readable_methods
from pages.parts.views.view_figure import ViewFigure, csv_head, draw_chart

KEY = "heads_map"
CLICK = "Click a cell to read that head alone, in the texts, the sentence and every other view."
NAMED = 4
"""Most words that the title names."""


def heads_view(trace: Trace, words: Importance, chosen: Choices, picked: PickedWords) -> ViewFigure:
    """Draws the map of layers and heads; a click in the input text picks the words, or the box does."""
    wanted = _wanted(trace, words, picked)
    if not _heads_kept(trace):
        return ViewFigure(None, lambda: "")
    if not wanted or not len(picked.rows):
        st.info("Pick at least one word of the input: click it in the text, or choose it here.")
        return ViewFigure(None, lambda: "")
    keys = np.zeros(len(trace.tokens) - 1, np.float32)
    for column in wanted:
        mine = words.columns.unit == column
        np.add.at(keys, words.columns.token[mine], words.columns.weight[mine])
    steps = np.unique(words.rows.token[np.isin(words.rows.unit, picked.rows)]) - trace.prompt_length
    values, uniform = read_by_head(trace, keys, steps)
    even = np.repeat(uniform[:, None], values.shape[1], 1)
    names = [words.columns.labels[c] for c in wanted]
    what = ", ".join(f"“{visible_label(n)}”" for n in names[:NAMED]) + (" …" if len(names) > NAMED else "")
    act = "reading" if trace.request.writer else "writing"
    lines = [
        trace.model.caption,
        f"read while {act} {visible_label(picked.name, 60)} · share of all attention · run {trace.id[:8]}",
    ]
    chart = layers_heads_chart(values, even, what=what, caption=lines)
    draw_chart(layers_heads_chart(values, even, what=what, caption=lines, select="cell"), KEY, **_clicks(trace))
    st.caption(
        "Every cell is one head: the share of its attention that fell on these words, mean over the picked steps. "
        + (CLICK if keeps_heads(trace) else "")
        + _reading(chosen)
    )
    before = st.session_state.get("method_before", first_picture(trace))
    if METHODS[chosen.method].picks and before in readable_methods(trace):
        label = f"Back to {METHODS[before].label}"
        st.button(label, icon=":material/undo:", key="heads_back", on_click=_back, args=(before,))

    def csv() -> str:
        facts = {
            **csv_head(trace, chosen, "layers and heads", input=" ".join(names), picked=picked.name),
            "unit": "share",
        }
        facts.pop("method")
        cells = np.argwhere(np.isfinite(values)).tolist()
        rows = ((a, b, values[a, b], even[a, b], values[a, b] / even[a, b]) for a, b in cells)
        return store.tidy_csv(facts, ("layer", "head", "share", "uniform", "multiple"), rows)

    return ViewFigure(chart, csv)


def _heads_kept(trace: Trace) -> bool:
    """Returns whether any head can be drawn; where not all are kept, draws the box that reads a layer's heads again."""
    if keeps_heads(trace) or trace.rows is None:
        return trace.rows is not None
    have = sorted({int(layer) for layer, head in zip(trace.rows.layers, trace.rows.heads, strict=True) if head >= 0})
    missing = [layer for layer in trace.model.attention_layers if layer not in have]
    if missing:
        st.caption(
            "This run was too long to keep every head: each layer's mean and maximum were kept. One more pass over the "
            "text reads the heads of a layer again, exactly as they were."
        )
        box, button = st.columns([1, 2], vertical_alignment="bottom")
        layer = box.selectbox("Layer", missing, index=len(missing) // 2, key="heads_layer")
        time = estimate_time(trace, 1)
        key = trace.request.model
        label = f"Read the heads of layer {layer}"
        ask = Ask(f"heads {trace.id} {layer}", label, "", time, key.device, model=key.name)
        with button:
            job_slot(f"heads {trace.id}", ask, heads_work(trace.request, int(layer)))
    return bool(have)


def _clicks(trace: Trace) -> dict[str, Any]:
    """Keyword arguments with which a click on a cell reads that head everywhere on the page."""
    if trace.rows is None or not (trace.rows.heads >= 0).any():
        return {}

    def clicked() -> None:
        state = st.session_state
        cells = state[KEY]["selection"].get("cell") or []
        if not cells:
            return
        if not METHODS[state.method].picks:
            state.method_before = state.method
        state.method = "picked-heads"
        state.layers, state.heads = [int(cells[0]["layer"])], [int(cells[0]["head"])]

    return {"on_select": clicked, "selection_mode": "cell"}


def _back(method: str) -> None:
    st.session_state.method = method


def _reading(chosen: Choices) -> str:
    """A sentence on which heads the rest of the page reads, where they were picked by hand."""
    if not METHODS[chosen.method].picks:
        return ""
    layers = "every layer" if chosen.layers is None else "layers " + ", ".join(map(str, chosen.layers))
    which = "every head" if chosen.heads is None else "heads " + ", ".join(map(str, chosen.heads))
    return f" The rest of the page reads {which} of {layers}."


def _wanted(trace: Trace, words: Importance, picked: PickedWords) -> list[int]:
    """Draws the box and returns the picked input columns; it starts with the clicked words, else the one read most."""
    own = own_columns(words)
    options = own if len(own) else np.arange(len(words.columns))
    clicked = picked.columns
    asked = picked.name if clicked is None else tuple(clicked.tolist())
    if clicked is None or not len(clicked):
        values = answer_mean(words, picked.rows)[0] if len(picked.rows) else np.zeros(len(words.columns))
        clicked = options[np.argsort(-values[options], kind="stable")][:1]
    state = st.session_state
    source = (trace.id, words.columns.granularity, asked)
    if state.get("heads_source") != source or "read_words" not in state:
        state["read_words"] = [int(c) for c in clicked if c in options]
        state.heads_source = source
    names = {int(c): f"{n + 1} · {visible_label(words.columns.labels[c], 40)}" for n, c in enumerate(options)}
    return st.multiselect(
        "Words of the input", list(names), key="read_words", format_func=lambda c: names[c], placeholder="Pick words"
    )
