"""The view Over the answer: attention share per role or segment at each step, with a slider and Play.

The step is in sync with the texts: stepping selects its word there, a click there moves the step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from core import store
from core.charts.share_by_step import share_by_step_chart, step_bars_chart
from core.charts.text_labels import caption_of
from core.importance import METHODS
from core.records import Importance, Trace
from pages.parts.reading_controls import Choices
from pages.parts.run_cache import importance
from pages.parts.text_selection import PickedWords, pick_rows
from pages.parts.views.view_figure import ViewFigure, csv_head, draw_chart

PLAY = 0.7
"""Seconds per step while playing."""
ROLE_NAMES = {"system": "System message", "user": "Your words", "assistant": "Earlier turns", "template": "Markup"}
Groups = Mapping[str, np.ndarray]


def steps_view(trace: Trace, words: Importance, chosen: Choices, picked: PickedWords) -> ViewFigure:
    """Draws the lines, and the bars of one step below them."""
    level = "segment" if trace.request.segments and trace.tokens.proven else "role"
    share = METHODS[chosen.method].gives == "share"
    settings = {**chosen.picked, "sink": "separate"}
    found = importance(trace, chosen.method, **settings, inputs="all", columns=level, rows="token")
    steps = trace.answer_steps if len(trace.answer_steps) else np.arange(trace.steps)
    shares, uniform = group_shares_by_step(found, trace, steps)
    labels = [trace.output_tokens[i] for i in steps]
    at = _step(_units(words, trace, steps), picked)
    even = uniform if share else {}
    unit, picked_step = found.unit, int(steps[at])
    chart = share_by_step_chart(
        steps, labels, shares, even, picked_step=picked_step, caption=caption_of(found), unit=unit
    )
    draw_chart(chart, "over")
    one, same = ({k: float(v[at]) for k, v in group.items()} for group in (shares, even))
    draw_chart(step_bars_chart(labels[at], one, same, unit=unit), "bars")
    st.caption(
        "Shares of all attention; the sink is a group of its own here, whatever is set above. Dashed lines and "
        "ticks: what reading every readable token equally would give."
        if share
        else "Scores of a group are summed over its tokens; they are not shares and do not add up to one."
    )
    return ViewFigure(chart, lambda: _csv(trace, chosen, steps, labels, shares, even, unit))


def group_shares_by_step(found: Importance, trace: Trace, steps: np.ndarray) -> tuple[Groups, Groups]:
    """{group: [step]} of shares and of uniform reading; the sink as a group of its own, earlier output last."""
    last = np.zeros(len(found.columns), int)
    np.maximum.at(last, found.columns.unit, found.columns.token)
    shares: dict[str, np.ndarray] = {}
    uniform: dict[str, np.ndarray] = {}
    names = [
        "Earlier output" if last[i] >= trace.prompt_length else ROLE_NAMES.get(label, label)
        for i, label in enumerate(found.columns.labels)
    ]
    for name in sorted(dict.fromkeys(names), key=lambda n: n == "Earlier output"):
        mine = [i for i, n in enumerate(names) if n == name]
        shares[name] = found.values[steps][:, mine].sum(1)
        uniform[name] = found.uniform[steps][:, mine].sum(1)
    if found.unit == "share":
        shares["Sink"] = found.shares["sink"][steps]
    return shares, uniform


def _csv(
    trace: Trace, chosen: Choices, steps: np.ndarray, labels: list[str], shares: Groups, even: Groups, unit: str
) -> str:
    rows = (
        (int(step) + 1, labels[i], name, values[i], even[name][i] if name in even else np.nan)
        for name, values in shares.items()
        for i, step in enumerate(steps)
    )
    facts = csv_head(trace, chosen, "over the answer", sink="separate")
    return store.tidy_csv(facts, ("step", "output", "group", unit, "uniform"), rows)


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
