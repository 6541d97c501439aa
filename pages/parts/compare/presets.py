"""What Compare opens on: the first visit, the presets, runs from an address, one run and an editable copy of it.

``first_visit`` is the one place that knows what a newcomer sees. Guarded by tests/pages/test_compare.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from core import store
from core.errors import HeedError
from core.importance import METHODS
from core.models.catalogue import DEFAULT
from core.records import Trace
from pages.parts import progress
from pages.parts.cached import open_trace
from pages.parts.compare.columns import SHARED, SYSTEM, Column, columns, fresh, policy_of, put, settled
from pages.parts.filled import SKY, Filled
from pages.parts.frame import examples, restored

SECOND = "qwen2.5-coder-0.5b-instruct"
TURNED = "What color is the sky? Answer in one word."
"""The sky prompt with its two parts the other way round."""


def rule() -> tuple[str, str]:
    """(policy, shared text) of the system messages."""
    state = st.session_state
    return state.get("compare_policy") or SHARED, state.get("compare_system", SYSTEM)


def set_rule(policy: str, text: str) -> None:
    """Only before the widgets are drawn (in a callback, or at the beginning)."""
    st.session_state.update(compare_policy=policy, compare_system=text)


def of_run(trace: Trace) -> Column:
    """A column that shows a stored run and asks what it answers."""
    asked = progress.asked()
    request = asked if asked is not None and asked.id == trace.id else None
    return fresh(Column(filled=Filled.of(trace.request), run=trace.id, request=request))


def adopt(found: Sequence[Column]) -> None:
    """Makes these the columns, under the rule for system messages that leaves each run what it is."""
    policy, text = policy_of([c.filled for c in found])
    set_rule(policy, text)
    put([replace(c, asked=settled(c.filled, policy, text)) if c.run else c for c in found])


def first_visit() -> None:
    """The sky prompt under one system message on two models, as it comes with Heed."""
    try:
        shipped = [t for t in map(_example, examples()) if t is not None]
    except HeedError:
        shipped = []
    fair = [t for t in shipped if t.request.messages[:1] and t.request.messages[0].role == "system"]
    sky = [t for t in fair if t.request.messages[-1].content == SKY]
    if len({t.model.key.name for t in sky}) > 1:
        adopt([of_run(t) for t in sky[:2]])
    else:
        two_models()


def _example(run: str) -> Trace | None:
    try:
        return open_trace(run) or open_trace(restored(run))
    except HeedError:
        return None


def two_models() -> None:
    """The prompt of the first column on two models."""
    first = _first()
    other = SECOND if first.filled.model != SECOND else DEFAULT
    set_rule(SHARED, rule()[1] or SYSTEM)
    put([first, fresh(Column(filled=replace(first.filled, model=other)))])


def two_prompts() -> None:
    """The model of the first column on two structures of one prompt."""
    first = _first()
    known = first.filled.prompt == SKY
    other = replace(first.filled, prompt=TURNED if known else first.filled.prompt)
    put([first, fresh(Column(filled=other, method=first.method), open=not known)])


def methods() -> None:
    """The run of the first column, read by several methods."""
    first = _first()
    names = [m for m in METHODS if not METHODS[m].must_pick]
    put([fresh(first, method=m, layers=(), heads=()) for m in names])


def layers() -> None:
    """The run of the first column, read at an early, a middle and a late layer."""
    first = _first()
    trace = _example(first.run) if first.run else None
    have = trace.model.attention_layers if trace is not None else tuple(range(24))
    picked = sorted({have[0], have[len(have) // 2], have[-1]}) if have else [0]
    put([fresh(first, method="picked-heads", layers=(n,), heads=()) for n in picked])


PRESETS: dict[str, Callable[[], None]] = {
    "Same prompt, two models": two_models,
    "Same model, two prompt structures": two_prompts,
    "One run, several methods": methods,
    "One run, several layers": layers,
}


def _first() -> Column:
    found = columns()
    return fresh(found[0], open=False) if found else fresh(Column(filled=Filled(model=DEFAULT)))


def draw_presets() -> None:
    """One button a preset."""
    with st.container(horizontal=True, vertical_alignment="center", key="compare_presets"):
        for label, preset in PRESETS.items():
            st.button(label, key=f"preset_{preset.__name__}", on_click=preset, help=preset.__doc__)


def open_runs(asked: Sequence[str], readings: Sequence[dict[str, Any]] = (), edit: bool = False) -> list[str]:
    """Columns of these stored runs (full ids or beginnings); returns what could not be opened, as sentences.

    ``readings``: fields of ``Column`` (method, layers, heads), one a run. ``edit``: a copy to change stands right.
    """
    found, problems = [], []
    for i, name in enumerate(asked):
        run = store.prefix(name)
        try:
            trace = None if run is None else open_trace(run, progress.asked())
        except HeedError as error:
            problems.append(str(error))
            continue
        if trace is None:
            problems.append(f"There is no stored run {name[:12]}: it may have been deleted.")
            continue
        found.append(replace(of_run(trace), **(readings[i] if i < len(readings) else {})))
    if edit and found:
        found = [found[0], fresh(found[0], open=True)]
    if found:
        adopt(found)
    return problems
