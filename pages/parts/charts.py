"""The four views below the texts. Each draws one chart and returns it, for the downloads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.charts.heads import layers_heads
from core.charts.heatmap import fits, heatmap
from core.charts.labels import caption
from core.charts.over import over_answer, step_bars
from core.charts.overview import overview
from core.importance import read_by_head
from core.importance.reading import own_columns
from core.records import Importance, Trace
from pages.parts.cached import importance
from pages.parts.choices import LEVELS, Choices
from pages.parts.selection import Picked

COARSER = {"token": "word", "word": "sentence"}
PLAY = 0.7
"""Seconds a step while playing."""
ROLE_NAMES = {"system": "System message", "user": "Your words", "assistant": "Earlier turns", "template": "Markup"}


def escape(text: str) -> str:
    """Text that Markdown shows as it is."""
    for mark in "\\`*_{}[]()<>#+!|$~:":
        text = text.replace(mark, "\\" + mark)
    return text


def draw(chart: Any, key: str) -> None:
    """The chart in the page's own width and theme."""
    st.altair_chart(chart, width="stretch", theme="streamlit", key=key)


def heat(trace: Trace, chosen: Choices, picked: Picked) -> tuple[Any, Importance]:
    """Output x input; above the number of cells that can be drawn it goes coarser, and says so."""
    own, earlier = st.columns(2)
    only = own.toggle("Your words only", value=True, key="own_only", persist_state="session", help="Off: markup and the system message too.")
    with_output = earlier.toggle("Earlier output too", key="earlier", persist_state="session", help="A second block: what the answer read of itself.")
    level = chosen.level
    while True:
        rows = level if level in ("token", "word", "sentence") else "word"
        found = importance(trace, chosen.method, **chosen.picked, inputs="all" if with_output else "prompt", columns=level, rows=rows)
        shown = _only(found, trace, only)
        if fits(shown) or level not in COARSER or not trace.tokens.proven:
            break
        level = COARSER[level]
    if level != chosen.level:
        st.info(f"Too many cells to read at {LEVELS[chosen.level].lower()}: shown by {LEVELS[level].lower()}.")
    make = heatmap if fits(shown) else overview
    chart = make(shown, prompt_length=trace.prompt_length)
    draw(chart, "heatmap")
    return chart, shown


def _only(found: Importance, trace: Trace, only: bool) -> Importance:
    """The answer's rows, and of the input the user's own words (with earlier output where it is there)."""
    from core.charts.cut import cut

    rows = _answer_rows(found, trace)
    if not only or not trace.tokens.own.any():
        return cut(found, rows, np.arange(len(found.columns)))
    first = np.full(len(found.columns), -1)
    np.maximum.at(first, found.columns.unit, found.columns.token)
    keep = np.union1d(own_columns(found, trace), np.flatnonzero(first >= trace.prompt_length))
    return cut(found, rows, keep.astype(int))


def _answer_rows(found: Importance, trace: Trace) -> np.ndarray:
    parts = trace.tokens.parts
    return np.array(sorted({int(u) for t, u in zip(found.rows.token, found.rows.unit, strict=True) if parts[t] == "answer"}), int)


def over(trace: Trace, chosen: Choices, picked: Picked) -> tuple[Any, Importance]:
    """Share per role or segment along the steps, beside uniform; a slider and Play step through."""
    level = "segment" if trace.request.segments and trace.tokens.proven else "role"
    method = chosen.method
    found = importance(trace, method, **{**chosen.picked, "sink": "separate"}, inputs="all", columns=level, rows="token")
    steps = trace.answer_steps if len(trace.answer_steps) else np.arange(trace.steps)
    shares, uniform = _groups(found, trace, steps)
    labels = [trace.output_tokens[i] for i in steps]
    at = _step(len(steps))
    lines = caption(found)
    chart = over_answer(steps, labels, shares, uniform, picked_step=int(steps[at]), caption=lines)
    draw(chart, "over")
    bars = step_bars(labels[at], {k: float(v[at]) for k, v in shares.items()}, {k: float(v[at]) for k, v in uniform.items()})
    draw(bars, "bars")
    return chart, found


def _groups(found: Importance, trace: Trace, steps: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """{group: [step]} of shares and of uniform reading; the sink as a group of its own, earlier output last."""
    last = np.zeros(len(found.columns), int)
    np.maximum.at(last, found.columns.unit, found.columns.token)
    shares, uniform = {}, {}
    for i, label in enumerate(found.columns.labels):
        name = "Earlier output" if last[i] >= trace.prompt_length else ROLE_NAMES.get(label, label)
        shares[name] = shares.get(name, 0) + found.values[steps, i]
        uniform[name] = uniform.get(name, 0) + found.uniform[steps, i]
    if found.unit == "share":
        shares["Sink"] = found.shares["sink"][steps]
    return shares, uniform


def _step(count: int) -> int:
    """The picked step, 0 .. count - 1: slider, and Play that moves it."""
    state = st.session_state
    if count <= 1:
        return 0
    state.setdefault("step", 1)
    state.step = min(max(int(state.step), 1), count)
    slider, play = st.columns([5, 1], vertical_alignment="bottom")
    playing = play.toggle("Play", key="playing")
    at = slider.slider("Step of the answer", 1, count, key="step", persist_state="session")
    if playing:
        _tick(count)
    return int(at) - 1


@st.fragment(run_every=PLAY)
def _tick(count: int) -> None:
    """Moves the step on, once a tick; stops at the end."""
    state = st.session_state
    if not state.get("ticking"):
        state.ticking = True
        return
    state.ticking = False
    if int(state.get("step", 1)) >= count:
        state.stop_playing = True
    else:
        state.next_step = int(state.step) + 1
    st.rerun()


def advance() -> None:
    """Carries out what a tick asked for; called before the widgets of the page are drawn."""
    state = st.session_state
    if "next_step" in state:
        state.step = state.pop("next_step")
    if state.pop("stop_playing", False):
        state.playing = False


def layers(trace: Trace, words: Importance, chosen: Choices, picked: Picked) -> Any:
    """Which layers and heads read the picked input words while the picked output was written."""
    own = own_columns(words, trace)
    options = own if len(own) else np.arange(len(words.columns))
    strongest = options[np.argsort(-words.values[picked.rows][:, options].mean(0))][:1] if len(picked.rows) else options[:1]
    clicked = picked.columns if picked.columns is not None and len(picked.columns) else strongest
    state = st.session_state
    source = (trace.id, words.columns.granularity, tuple(clicked.tolist()))
    if state.get("heads_source") != source:
        state["read_words"] = [int(c) for c in clicked if c in options]
        state.heads_source = source
    names = {int(c): f"{n + 1} · {words.columns.labels[c]}" for n, c in enumerate(options)}
    wanted = st.multiselect("Words of the input", list(names), key="read_words", format_func=names.get, placeholder="Pick words")
    keys = np.zeros(len(trace.tokens) - 1, np.float32)
    for column in wanted:
        mine = words.columns.unit == column
        np.add.at(keys, words.columns.token[mine], words.columns.weight[mine])
    steps = np.unique(words.rows.token[np.isin(words.rows.unit, picked.rows)]) - trace.prompt_length
    values, uniform = read_by_head(trace, keys, steps)
    what = ", ".join(f"“{words.columns.labels[c]}”" for c in wanted[:4]) + (" …" if len(wanted) > 4 else "")
    lines = [trace.model.caption, f"read while writing {picked.name} · share of all attention · run {trace.id[:8]}"]
    chart = layers_heads(values, np.repeat(uniform[:, None], values.shape[1], 1), what=what, caption=lines)
    draw(chart, "layers")
    return chart


def table(trace: Trace, words: Importance, picked: Picked) -> Any:
    """The inputs read most, strongest first; returns the bar chart of the first twenty, for export."""
    own_first = own_columns(words, trace)
    everything = st.toggle("Markup and system message too", key="table_all", persist_state="session")
    columns = np.arange(len(words.columns)) if everything or not len(own_first) else own_first
    values, uniform = words.values[picked.rows][:, columns].mean(0), words.uniform[picked.rows][:, columns].mean(0)
    frame = pd.DataFrame(
        {
            "Input": [words.columns.labels[c] for c in columns],
            "From": [words.columns.roles[c] for c in columns],
            "Place": [int(words.columns.token[words.columns.unit == c].min()) + 1 for c in columns],
            words.unit.capitalize(): values * (100 if words.unit == "share" else 1),
            "× uniform": np.where(uniform > 0, values / np.where(uniform > 0, uniform, 1), np.nan),
        }
    )
    value = words.unit.capitalize()
    frame = frame.sort_values(value, ascending=False, ignore_index=True)
    st.dataframe(
        frame,
        hide_index=True,
        height=min(420, 38 + 35 * max(len(frame), 1)),
        column_config={
            value: st.column_config.NumberColumn(
                "Share of attention" if words.unit == "share" else "Score", format="%.2f %%" if words.unit == "share" else "%.4f"
            ),
            "× uniform": st.column_config.NumberColumn(format="%.2f"),
            "Place": st.column_config.NumberColumn(help="Position of its first token in the prompt, counted from 1"),
        },
    )
    return _bars(frame.head(20), value, words, picked)


def _bars(frame: pd.DataFrame, value: str, words: Importance, picked: Picked) -> Any:
    import altair as alt

    data = frame.assign(name=[f"{i + 1}. {label}" for i, label in enumerate(frame["Input"])])
    title = f"Inputs read most while writing {picked.name}"
    lines = caption(words)
    return (
        alt.Chart(data, title=alt.TitleParams(title, subtitle=lines, anchor="start"))
        .mark_bar(color="#2563eb")
        .encode(
            x=alt.X(f"{value}:Q", title="share of attention (%)" if words.unit == "share" else "score"),
            y=alt.Y("name:N", sort=None, title=None),
        )
        .properties(width=560)
    )


def logprobs(trace: Trace) -> Any:
    """Log-probability of each output token: what is left where a model has no attention."""
    import altair as alt

    data = pd.DataFrame({"step": np.arange(trace.steps) + 1, "log-probability": trace.logprobs, "token": trace.output_tokens})
    return alt.Chart(data).mark_bar(color="#2563eb").encode(
        x="step:O", y="log-probability:Q", tooltip=["step", "token", alt.Tooltip("log-probability:Q", format=".3f")]
    )
