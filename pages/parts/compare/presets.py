"""Fills the columns of Compare: first visit, presets, runs named in the URL, a run with an editable copy.

``open_first_visit`` is the only place that decides what a newcomer sees. Guarded by tests/pages/test_compare.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from core.errors import HeedError
from core.importance import METHODS, PICKED_METHOD
from core.models.catalogue import DEFAULT_MODEL
from core.records import Trace
from core.run_settings import SKY, RunSettings
from core.study.quality.instructions import detect_instructions
from core.study.segment_guess import propose_segments
from core.text.segment_marks import parse_marks
from pages.parts import job_progress
from pages.parts.compare.column_editor import take_typed
from pages.parts.compare.columns import (
    SHARED,
    SYSTEM,
    Column,
    apply_system_rule,
    current_columns,
    fresh_column,
    policy_of,
    put_columns,
    put_question,
    question,
    set_system_rule,
    system_rule,
)
from pages.parts.frame import example_ids, restore_example, stored_id
from pages.parts.run_cache import open_trace, readable_methods

SECOND = "qwen2.5-coder-0.5b-instruct"
TURNED = "What color is the sky? Answer in one word."
"""The sky prompt with its two parts swapped."""
SKY_PAIR = "Answer in one word: What color is the {sky|grass}?"


def column_of_run(trace: Trace) -> Column:
    """A column that shows a stored run, with the settings of its request."""
    asked = job_progress.last_request()
    request = asked if asked is not None and asked.id == trace.id else None
    return fresh_column(Column(filled=RunSettings.of(trace.request).by_part(), run=trace.id, request=request))


def adopt_columns(found: Sequence[Column]) -> None:
    """Replaces the columns, under the rule for system messages that changes none of their runs."""
    policy, text = policy_of([c.filled for c in found])
    set_system_rule(policy, text)
    put_question(found[0])
    put_columns([replace(c, asked=apply_system_rule(c.filled, policy, text)) if c.run else c for c in found])


def open_first_visit() -> None:
    """Shows the shipped example: the sky prompt under one system message on two models."""
    try:
        shipped = [t for t in map(_example, example_ids()) if t is not None]
    except HeedError:
        shipped = []
    fair = [t for t in shipped if t.request.messages[:1] and t.request.messages[0].role == "system"]
    sky = [t for t in fair if t.request.messages[-1].content == SKY]
    if len({t.model.key.name for t in sky}) > 1:
        adopt_columns([column_of_run(t) for t in sky[:2]])
    else:
        preset_two_models()


def _example(run: str) -> Trace | None:
    try:
        return open_trace(run) or open_trace(restore_example(run))
    except HeedError:
        return None


def preset_two_models() -> None:
    """The prompt above on two models."""
    first = _first()
    other = SECOND if first.filled.model != SECOND else DEFAULT_MODEL
    set_system_rule(SHARED, system_rule()[1] or SYSTEM)
    put_columns([first, fresh_column(Column(filled=replace(first.filled, model=other)))])


def preset_two_prompts() -> None:
    """The prompt above and another structure of it, on one model."""
    first = _first()
    known = first.filled.prompt == SKY
    other = replace(first.filled, prompt=TURNED if known else first.filled.prompt)
    put_columns([first, fresh_column(Column(filled=other, method=first.method), open=not known)])


def preset_steering() -> None:
    """The prompt above as it is, and with its instruction read four times as much."""
    first = _first()
    plain = replace(first.filled, part="", factor=1.0, steering=())
    more = replace(plain, part=instruction_part(plain.prompt), factor=4.0)
    put_columns([fresh_column(replace(first, filled=filled), open=False) for filled in (plain, more)])


def instruction_part(prompt: str) -> str:
    """The part of a prompt that asks for something: its named instruction, a rule found in its words, or all of it."""
    text, named = parse_marks(prompt)
    if any(s.name == "instruction" for s in named):
        return "instruction"
    found = [one.span for one in detect_instructions(text)]
    if found:
        start, end = min(found)
        return text[start:end]
    return propose_segments(text).get("instruction", text).split("\n")[0]


def preset_methods() -> None:
    """The run of the first column, read by several methods."""
    first = _first()
    trace = _example(first.run) if first.run else None
    names = [m for m in readable_methods(trace) if not METHODS[m].picks]
    put_columns([fresh_column(first, method=m, layers=(), heads=()) for m in names])


def preset_layers() -> None:
    """The run of the first column, read at an early, a middle and a late layer."""
    first = _first()
    trace = _example(first.run) if first.run else None
    have = trace.model.attention_layers if trace is not None else tuple(range(24))
    picked = sorted({have[0], have[len(have) // 2], have[-1]}) if have else [0]
    put_columns([fresh_column(first, method=PICKED_METHOD, layers=(n,), heads=()) for n in picked])


def preset_pairs() -> None:
    """Alternatives in braces, such as {man|woman}, in the prompt above: a column for each."""
    first = _first()
    if first.filled.prompt == SKY:
        put_question(replace(first, filled=replace(first.filled, prompt=SKY_PAIR)))
    st.session_state.pairs_on = True


def pick_models(names: Sequence[str]) -> None:
    """A column for each model: those that are there, and the first one's question for each new model."""
    found = list(current_columns())
    kept = [c for c in found if c.filled.model in names]
    new = [m for m in dict.fromkeys(names) if m not in {c.filled.model for c in kept}]
    own = {"run": "", "asked": None, "request": None, "open": False}
    kept += [fresh_column(question(), filled=replace(question().filled, model=m), **own) for m in new]
    if kept:
        put_columns(kept)
        st.session_state.c0_model = kept[0].filled.model


PRESETS: dict[str, Callable[[], None]] = {
    "Same prompt, two models": preset_two_models,
    "Minimal pairs": preset_pairs,
    "Same model, two prompt structures": preset_two_prompts,
    "Same prompt, instruction read four times as much": preset_steering,
    "One run, several methods": preset_methods,
    "One run, several layers": preset_layers,
}


def _first() -> Column:
    """A copy of the first column, whose question is the one above from now on; minimal pairs are off."""
    found = current_columns()
    first = fresh_column(found[0] if found else Column(filled=RunSettings(model=DEFAULT_MODEL)), open=False)
    put_question(first)
    st.session_state.pairs_on = False
    return first


def draw_presets() -> None:
    """Draws one button for each preset; its docstring is the button's help text."""
    with st.popover("What to compare", icon=":material/lightbulb:", help="Ready-made comparisons"):
        for label, preset in PRESETS.items():
            st.button(
                label, key=preset.__name__, on_click=_fill_by, args=(preset,), help=preset.__doc__, width="stretch"
            )


def _fill_by(preset: Callable[[], None]) -> None:
    take_typed()
    preset()


def open_runs(asked: Sequence[str], readings: Sequence[dict[str, Any]] = (), edit: bool = False) -> list[str]:
    """Shows stored runs (ids or prefixes of them) as columns; returns a sentence for each that cannot be opened.

    ``readings``: fields of ``Column`` (method, layers, heads) of each run. ``edit``: adds an editable copy.
    """
    found, problems = [], []
    for i, name in enumerate(asked):
        try:
            run = stored_id(name)
            trace = None if run is None else open_trace(run, job_progress.last_request())
        except HeedError as error:
            problems.append(str(error))
            continue
        if trace is None:
            problems.append(f"There is no stored run {name[:12]}: it may have been deleted.")
            continue
        found.append(replace(column_of_run(trace), **(readings[i] if i < len(readings) else {})))
    if edit and found:
        found = [found[0], fresh_column(found[0], open=True)]
    if found:
        adopt_columns(found)
    return problems
