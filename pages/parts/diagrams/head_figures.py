"""The figures of all layers and heads at once: small maps, kinds of heads, and what the answer loses without each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.charts.diagrams.head_circles import head_circles
from core.charts.diagrams.head_maps import head_maps
from core.charts.diagrams.switch_off_effects import switch_off_heads, switch_off_steps
from core.importance import read_by_head
from core.jobs.probe_jobs import switch_off_time, switch_off_work
from core.maps.head_traits import TRAITS, HeadTraits, head_traits
from core.records import AttentionMaps, HeadWeights, Part, SwitchedOff, Trace, all_heads
from core.store import load_switched_off, tidy_csv
from core.trust.league_files import head_weights
from pages.parts.diagrams.diagram import Diagram, DiagramSource
from pages.parts.diagrams.map_controls import KEPT, choose_maps, whole_maps
from pages.parts.job_progress import Ask, job_slot

ORDERS = {"layer": "Layer and head", **{name: f"Share on {about}" for name, about in TRAITS.items()}}
ENLARGE = "Click a head to enlarge it."
SIZES = {"off": "What the answer loses without it (nats)", "weights": "Learned weight", "": "All alike"}
LOSES = (
    "Each head is zeroed alone while the same answer is scored: how much likelier the answer was with it. A head whose "
    "work another one can take over loses little."
)


def draw_head_maps(source: DiagramSource) -> Diagram:
    """Draws order and scale of the small maps and returns them; a click on one opens it as the attention map."""
    maps, traits = choose_maps(source), head_traits(whole_maps(source))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.session_state.setdefault("heads_order", "layer")
        order = st.selectbox(
            "Order", list(ORDERS), key="heads_order", format_func=ORDERS.__getitem__, width=320, **KEPT
        )
        shared = st.toggle("One scale for all heads", key="heads_shared", **KEPT)
    order = order or "layer"

    def draw(width: int, select: str | None = None) -> Any:
        return head_maps(maps, traits, order=order, shared=shared, width=width, select=select)

    figure = Diagram(draw, lambda: traits_csv(traits), "", (ENLARGE,))
    return replace(figure, clickable=lambda width: draw(width, "head"), keys=_enlarges("diagram_heads"))


def _enlarges(key: str) -> dict[str, Any]:
    """Keyword arguments with which a click on a head shows its attention map."""

    def clicked() -> None:
        cells = st.session_state[key]["selection"].get("head") or []
        if cells:
            state = st.session_state
            state.diagram_layers, state.diagram_heads = [int(cells[0]["layer"])], [int(cells[0]["head"])]
            state.diagram_figure = "map"

    return {"on_select": clicked, "selection_mode": "head"}


def draw_head_kinds(source: DiagramSource) -> Diagram | None:
    """Draws what the circles' size means and returns the grid of heads, with a table of every trait below."""
    maps = whole_maps(source)
    traits = head_traits(maps)
    sizes = [name for name in SIZES if not name or source.trace is not None]
    if source.trace is not None and head_weights(source.trace.request.model.fingerprint) is None:
        sizes.remove("weights")
    if st.session_state.get("kinds_size") not in sizes:
        st.session_state.kinds_size = ""
    size = ""
    if len(sizes) > 1:
        size = st.selectbox("Size of a circle", sizes, key="kinds_size", format_func=SIZES.__getitem__) or ""
    importance = None
    if size and source.trace is not None:
        importance = _importance(source.trace, size, maps)
        if importance is None:
            return None
    return Diagram(
        lambda width: head_circles(traits, importance, unit=SIZES[size], width=width),
        lambda: traits_csv(traits),
        table=pd.DataFrame(traits.rows()).rename(columns=TRAITS),
    )


def _importance(trace: Trace, size: str, maps: AttentionMaps) -> np.ndarray | None:
    """[layer, head] of what the size stands for; None while it is computed."""
    if size == "weights":
        learned = head_weights(trace.request.model.fingerprint)
        return None if learned is None else learned_weights(learned, maps)
    found = switched_off(trace, all_heads(trace.model))
    return None if found is None else heads_effect(found, maps)


def learned_weights(learned: HeadWeights, maps: AttentionMaps) -> np.ndarray:
    """[layer, head] the learned weight of each head of the maps; 0 where none was given."""
    out = np.zeros((len(maps.layers), maps.heads))
    for layer, head, weight in zip(learned.layers, learned.heads, learned.weights, strict=True):
        if int(layer) in maps.layers and head < maps.heads:
            out[maps.layers.index(int(layer)), int(head)] = weight
    return out


def switched_off(trace: Trace, parts: tuple[Part, ...]) -> SwitchedOff | None:
    """What the answer loses without each of ``parts``; None while it is not there, with the button that computes it."""
    label = f"Switch off {len(parts)} heads, one by one" if len(parts) > 1 else f"Switch off {parts[0].label}"
    name = f"switch off {trace.id} {hash(parts)}"
    ask = Ask(name, label, LOSES, switch_off_time(trace, parts), trace.request.model.device, {"type": "primary"})
    work = switch_off_work(trace.request, parts)
    return job_slot("diagram_off_job", ask, work, lambda: load_switched_off(trace.id, parts))


def heads_effect(found: SwitchedOff, maps: AttentionMaps) -> np.ndarray:
    """[layer, head] sum over the answer's tokens of what it loses without each head; NaN for heads not tried."""
    out = np.full((len(maps.layers), maps.heads), np.nan)
    for part, effect in zip(found.parts, found.effect, strict=True):
        if part.kind == "head" and part.layer in maps.layers and part.index < maps.heads:
            out[maps.layers.index(part.layer), part.index] = effect.sum()
    return out


def draw_switched_off(source: DiagramSource) -> Diagram | None:
    """Draws what is switched off and returns the effects: all heads beside attention, or one part token by token."""
    trace = source.trace
    assert trace is not None  # offered for runs alone
    st.caption(LOSES)
    state = st.session_state
    state.setdefault("off_what", "heads")
    options = {"heads": "Every head", "head": "One head", "attention": "A layer's attention", "mlp": "A layer's MLP"}
    what = st.segmented_control(
        "Switch off", [*options, "unit"], key="off_what", required=True,
        format_func=lambda name: (options | {"unit": "One MLP unit"})[name],
    )  # fmt: skip
    if what == "heads":
        found = switched_off(trace, all_heads(trace.model))
        return None if found is None else _all_heads(trace, source.first, found)
    layers, index = list(range(trace.model.layers)), 0
    left, right = st.columns(2)
    layer = left.selectbox("Layer", layers, key="off_layer")
    if what == "head":
        index = right.selectbox("Head", list(range(trace.model.heads)), key="off_head")
    elif what == "unit":
        index = int(right.number_input("Unit", 0, step=1, key="off_unit"))
    part = Part(what or "head", int(layer), int(index))  # type: ignore[arg-type]
    found = switched_off(trace, (part,))
    if found is None:
        return None
    total = float(found.effect.sum())
    names, tokens = [part.label], trace.output_tokens
    return Diagram(
        lambda width: switch_off_steps(found.effect, names, tokens, width=width, caption=[trace.model.caption]),
        lambda: _effects_csv(trace, found),
        "".join(tokens),
        (f"Without {part.label} the answer's log-probability is {-total:+.3g} nats of what it was.",),
    )


def _all_heads(trace: Trace, maps: AttentionMaps, found: SwitchedOff) -> Diagram:
    effects = heads_effect(found, maps)
    own = np.zeros(len(trace.tokens) - 1, np.float32)
    own[np.flatnonzero(trace.tokens.own[: len(own)])] = 1
    attention, _ = read_by_head(trace, own, np.arange(trace.steps))
    there = attention[list(maps.layers)] if len(attention) != len(maps.layers) else attention
    named = "attention on your words"
    return Diagram(
        lambda width: switch_off_heads(
            effects, there, maps.layers, attention_name=named, width=width, caption=[trace.model.caption]
        ),
        lambda: _effects_csv(trace, found),
        "",
        (f"Together the {len(found.parts)} heads are switched off one at a time; effects of several do not add up.",),
    )


def _effects_csv(trace: Trace, found: SwitchedOff) -> str:
    facts = {"view": "switched off", "model": trace.model.caption, "run": trace.id, "unit": "nats"}
    rows = (
        (part.kind, part.layer, part.index, t + 1, trace.output_tokens[t], found.effect[p, t], found.base[t])
        for p, part in enumerate(found.parts)
        for t in range(trace.steps)
    )
    return tidy_csv(facts, ("part", "layer", "index", "step", "token", "effect", "logprob"), rows)


def traits_csv(traits: HeadTraits) -> str:
    """The traits of every head as a table."""
    rows = traits.rows()
    facts = {"view": "traits of heads", "source": traits.source}
    facts |= {f"uniform reading, {name}": f"{value:.4f}" for name, value in traits.uniform.items()}
    names = list(rows[0]) if rows else ["layer", "head"]
    return tidy_csv(facts, names, ([np.nan if value is None else value for value in row.values()] for row in rows))
