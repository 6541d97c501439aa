"""The figures of a run's other parts: layer by token, how the answer forms, when it is settled; and the shaded pair."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st

from core.charts.diagrams.layer_token_map import COMPONENT_VIEWS, component_map
from core.charts.diagrams.lens_grid import decision_strip, lens_grid
from core.charts.diagrams.sentence_pair_bars import sentence_pair_bars
from core.importance import DEFAULT_METHOD, METHODS
from core.jobs.run_jobs import run_seconds, run_work
from core.probe.time_estimate import TimeEstimate
from core.records import Trace
from core.store import importance_to_csv, tidy_csv
from pages.parts.diagrams.diagram import Diagram, DiagramSource
from pages.parts.diagrams.map_controls import KEPT
from pages.parts.job_progress import Ask, collect_job, job_button, job_waits
from pages.parts.run_cache import importance, readable_methods

SLOT = "diagram_parts_job"
MOST_STEPS = 40
"""Steps of an answer that are legible side by side."""
ABOUT_PARTS = "The same run once more, this time keeping what each layer holds and writes."


def _with_components(source: DiagramSource) -> Trace | None:
    """The run with its components; None while they are not there, with the button that records them."""
    trace = source.trace
    assert trace is not None  # offered for runs alone
    if collect_job(SLOT) or trace.components is None:
        request = replace(trace.request, keep="components")
        seconds = run_seconds(request)
        ask = Ask(f"components {trace.id}", "Record the other parts", ABOUT_PARTS, looks={"type": "primary"})
        if seconds is not None:
            ask = replace(ask, time=TimeEstimate(seconds, True))
        if not job_waits(SLOT, ask.name):
            st.info("This run was made without its other parts.")
            job_button(SLOT, ask, run_work(request))
        return None
    return trace


def draw_components(source: DiagramSource) -> Diagram | None:
    """Draws which number is shown and returns it as layer x token."""
    trace = _with_components(source)
    if trace is None or trace.components is None:
        return None
    views = list(COMPONENT_VIEWS)
    st.session_state.setdefault("component_view", views[0])
    label = {name: view.label for name, view in COMPONENT_VIEWS.items()}
    name = st.selectbox("What", views, key="component_view", format_func=label.__getitem__, **KEPT) or views[0]
    view, parts = COMPONENT_VIEWS[name], trace.components

    def csv() -> str:
        values = np.asarray(view.values(trace, parts), float)
        facts = {"view": view.label, "model": trace.model.caption, "run": trace.id, "unit": view.unit}
        texts = trace.output_tokens if view.steps else trace.tokens.texts
        rows = ((a - view.embedding, t, texts[t], values[a, t]) for a, t in np.argwhere(np.isfinite(values)).tolist())
        return tidy_csv(facts, ("layer", "place", "token", "value"), rows)

    return Diagram(lambda width: component_map(trace, name, width=width), csv, "".join(trace.tokens.texts))


def draw_lens(source: DiagramSource) -> Diagram | None:
    """Returns the lens's first choice at every layer and step."""
    trace = _with_components(source)
    if trace is None or trace.components is None:
        return None
    steps = _steps(trace)
    return Diagram(
        lambda width: lens_grid(trace, width=width, steps=steps), lambda: _lens_csv(trace), "".join(trace.tokens.texts)
    )


def draw_decisions(source: DiagramSource) -> Diagram | None:
    """Returns from which layer on each token of the answer was settled."""
    trace = _with_components(source)
    if trace is None or trace.components is None:
        return None
    steps = _steps(trace)
    return Diagram(
        lambda width: decision_strip(trace, width=width, steps=steps),
        lambda: _lens_csv(trace),
        "".join(trace.output_tokens),
    )


def _steps(trace: Trace) -> slice:
    """Draws the slider of a long answer's part."""
    if trace.steps <= MOST_STEPS:
        return slice(None)
    first, last = st.slider("Steps shown", 1, trace.steps, (1, MOST_STEPS), key=f"lens_steps_{trace.steps}")
    return slice(first - 1, last)


def _lens_csv(trace: Trace) -> str:
    parts = trace.components
    assert parts is not None  # checked before
    facts = {"view": parts.lens, "model": trace.model.caption, "run": trace.id}
    rows = (
        (
            layer - 1,
            t + 1,
            trace.output_tokens[t],
            parts.lens_texts[layer][t],
            float(np.exp(parts.lens_logprobs[layer, t])),
            float(np.exp(parts.final_logprobs[layer, t])),
            parts.final_ranks[layer, t],
            parts.lens_entropy[layer, t],
        )
        for layer in range(len(parts.lens_ids))
        for t in range(trace.steps)
    )
    names = ("layer", "step", "token", "first_choice", "probability", "token_probability", "token_place", "entropy")
    return tidy_csv(facts | {"layer -1": "the embedding"}, names, rows)


def draw_pair(source: DiagramSource) -> Diagram:
    """Draws the method and returns the shaded answer over the shaded input, with a ranked list."""
    trace = source.trace
    assert trace is not None  # offered for runs alone
    methods = [name for name in readable_methods(trace) if not METHODS[name].picks]
    if st.session_state.get("pair_method") not in methods:
        st.session_state.pair_method = DEFAULT_METHOD if DEFAULT_METHOD in methods else methods[0]
    named = {name: METHODS[name].label for name in methods}
    method = st.selectbox("Method", methods, key="pair_method", format_func=named.__getitem__) or methods[0]
    level = "word" if trace.tokens.proven else "token"
    found = importance(trace, method, sink="drop", columns=level, rows=level)
    labels = [f"{i + 1} · {label.strip()}" for i, label in enumerate(found.rows.labels)]
    picked = st.multiselect(
        "Words of the answer", list(range(len(labels))), key=f"pair_rows_{trace.id[:8]}",
        format_func=labels.__getitem__, placeholder="The whole answer",
    )  # fmt: skip

    text = "".join(trace.tokens.texts)
    return Diagram(
        lambda width: sentence_pair_bars(found, picked or None, width=width), lambda: importance_to_csv(found), text
    )
