"""The view Over the answer: attention share per role or segment at each step, with a slider and Play.

The step is in sync with the texts: stepping selects its word there, a click there moves the step.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import streamlit as st

from core import store
from core.charts.reading_texts import PickedWords
from core.charts.share_by_step import mark_step, share_by_step_chart, step_bars_chart
from core.charts.text_labels import caption_of
from core.importance.group_shares import GroupShares, shares_by_step
from core.records import Importance, Trace
from pages.parts.reading_controls import Choices
from pages.parts.run_cache import importance
from pages.parts.text_selection import pick_rows
from pages.parts.views.view_figure import ViewFigure, csv_head, draw_chart

PLAY = 0.7
"""Seconds per step while playing."""


def steps_view(trace: Trace, words: Importance, chosen: Choices, picked: PickedWords) -> ViewFigure:
    """Draws the lines, and the bars of one step below them."""
    level = "segment" if trace.request.segments and trace.tokens.proven else "role"
    settings = {**chosen.picked, "sink": "separate"}
    found = importance(trace, chosen.method, **settings, inputs="all", columns=level, rows="token")
    groups, lines = _lines(found, trace)
    at = _step(_units(words, trace, groups.steps), picked)
    chart = mark_step(lines, at)
    draw_chart(chart, "over")
    draw_chart(step_bars_chart(groups.labels[at], *groups.at(at), unit=groups.unit), "bars")
    st.caption(
        "Shares of all attention; the sink is a group of its own here. Dashed lines and ticks: what reading every "
        "readable token equally would give."
        if groups.unit == "share"
        else "Scores of a group are summed over its tokens; they are not shares and do not add up to one."
    )
    return ViewFigure(chart, lambda: _csv(trace, chosen, groups))


@lru_cache(maxsize=4)
def _lines(found: Importance, trace: Trace) -> tuple[GroupShares, Any]:
    """The groups and their lines, kept between reruns: a click moves the marked step only."""
    groups = shares_by_step(found, trace)
    chart = share_by_step_chart(
        groups.steps, groups.labels, groups.values, groups.uniform, caption=caption_of(found), unit=groups.unit
    )
    return groups, chart


def _csv(trace: Trace, chosen: Choices, groups: GroupShares) -> str:
    rows = (
        (
            int(step) + 1,
            groups.labels[i],
            name,
            values[i],
            groups.uniform[name][i] if name in groups.uniform else np.nan,
        )
        for name, values in groups.values.items()
        for i, step in enumerate(groups.steps)
    )
    facts = csv_head(trace, chosen, "over the answer", sink="separate")
    return store.tidy_csv(facts, ("step", "output", "group", groups.unit, "uniform"), rows)


def _units(words: Importance, trace: Trace, steps: np.ndarray) -> list[int]:
    """For each step, the unit of the answer's text that contains its token."""
    return [int(words.rows.unit[words.rows.token == trace.prompt_length + s][0]) for s in steps]


def _step(units: list[int], picked: PickedWords) -> int:
    """Draws the slider and Play, which moves it; returns the step shown, counted from 0."""
    state = st.session_state
    count = len(units)
    if count <= 1:
        return 0
    state.setdefault("step", 1)
    state.step = min(max(int(state.step), 1), count)
    if not picked.whole and units[state.step - 1] not in picked.rows:
        state.step = 1 + next((i for i, u in enumerate(units) if u in picked.rows), state.step - 1)
    state.step_units = units
    slider, play = st.columns([5, 1], vertical_alignment="bottom")
    playing = play.toggle("Play", key="playing", on_change=_started, help="Steps by itself and stops at the end")
    at = slider.slider("Step of the answer", 1, count, key="step", persist_state="session", on_change=_moved)
    if playing:
        _tick(count)
    return int(at) - 1


def _moved() -> None:
    """Selects the step's word in the texts."""
    state = st.session_state
    unit = state.step_units[int(state.step) - 1]
    pick_rows("reader", unit, unit + 1)


def _started() -> None:
    """Handles Play; at the end it starts over."""
    state = st.session_state
    if state.playing and int(state.step) >= len(state.step_units):
        state.step = 1
    state.ticking = False
    if state.playing:
        _moved()


@st.fragment(run_every=PLAY)
def _tick(count: int) -> None:
    """Requests the next step at each tick; stops at the end."""
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


def advance_step() -> None:
    """Applies the step that a tick requested. Call before the widgets of the page are drawn."""
    state: Any = st.session_state
    if "next_step" in state:
        state.step = state.pop("next_step")
        if state.get("step_units") and state.step <= len(state.step_units):
            _moved()
    if state.pop("stop_playing", False):
        state.playing = False
