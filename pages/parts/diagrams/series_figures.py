"""The figures of many maps of the same cells: how much they vary, and how they change."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.charts.diagrams.evolution_sparklines import evolution_sparklines
from core.charts.diagrams.stability_circles import stability_map
from core.maps.head_traits import TRAITS, head_traits
from core.maps.map_series import head_series, series_of_maps, series_over_heads, series_over_layers, series_over_steps
from core.records import MapSeries
from pages.parts.diagrams.diagram import Diagram, DiagramSource, series_csv
from pages.parts.diagrams.map_controls import KEPT, choose_maps, pick_layers_heads, trimmed
from pages.parts.markdown_escape import escape_markdown

OVER = {
    "checkpoint": "Checkpoints: each cell of the map",
    "heads_checkpoint": "Checkpoints: each head",
    "heads_sentence": "Sentences: each head",
    "layer": "Layers: each cell of the map",
    "head": "Heads: each cell of the map",
    "step": "Steps of the answer: layers by input",
}
INTERVALS = {"t": "of the mean (t interval)", "percentile": "of the samples (percentiles)"}


def draw_stability(source: DiagramSource) -> Diagram:
    """Draws what the samples are and returns the map of means with their intervals."""
    over = ["heads_sentence"] if source.axis == "sentence" else ["head", "layer"]
    if source.checkpoints and source.axis != "sentence":
        over.insert(0, "checkpoint")
    series = _series(source, over, "stability_over")
    left, right = st.columns(2)
    kind = left.selectbox("Interval", list(INTERVALS), key="stability_kind", format_func=INTERVALS.__getitem__, **KEPT)
    level = right.select_slider(
        "Level", (0.5, 0.8, 0.9, 0.95, 0.99), 0.95, key="stability_level", format_func="{:.0%}".format
    )
    return Diagram(
        lambda width: stability_map(series, level=float(level), kind=kind or "t", width=width),
        lambda: series_csv(series),
        _text(series),
    )


def draw_evolution(source: DiagramSource) -> Diagram:
    """Draws over what the cells change, a slider through its points, and returns the sparklines."""
    over = ["checkpoint", "heads_checkpoint"] if source.checkpoints else ["layer", "head"]
    if source.axis == "sentence":
        over = ["heads_sentence"]  # the cells of two sentences are not the same
    if not source.checkpoints and source.trace is not None:
        over.insert(0, "step")
    series = _series(source, over, "evolution_over")
    shared = not st.toggle("Each cell on its own scale", key="evolution_own", **KEPT)
    points = list(range(len(series.points)))
    key = f"evolution_at_{len(points)}"
    st.session_state.setdefault(key, points[-1])
    at = points[-1]
    if len(points) > 1:
        at = st.select_slider(
            f"Point shown by colour ({escape_markdown(series.axis)})",
            points,
            key=key,
            format_func=series.points.__getitem__,
        )
    sides = (
        ("layer", "head")
        if series.unit != "attention share"
        else ("layer" if series.axis == "step" else "query", "key")
    )
    return Diagram(
        lambda width: evolution_sparklines(series, shared=shared, at=at, sides=sides, width=width),
        lambda: series_csv(series),
        _text(series),
    )


def _series(source: DiagramSource, over: list[str], key: str) -> MapSeries:
    """Draws the choice of points and what is averaged; returns the series."""
    if st.session_state.get(key) not in over:
        st.session_state[key] = over[0]
    name = st.selectbox("Over", over, key=key, format_func=OVER.__getitem__) or over[0]
    if name == "checkpoint":
        points = [(point, trimmed(maps)) for point, maps in source.checkpoints]
        layers, heads = pick_layers_heads(points[0][1])
        return series_of_maps(points, source.axis, layers, heads)
    if name in ("heads_checkpoint", "heads_sentence"):
        points = list(source.checkpoints)
        traits = list(TRAITS)
        if st.session_state.get("evolution_trait") not in traits:
            st.session_state.evolution_trait = "induction"
        trait = (
            st.selectbox("Share that falls on", traits, key="evolution_trait", format_func=TRAITS.__getitem__)
            or traits[0]
        )
        return head_series(
            points, lambda maps: head_traits(maps).scores[trait], source.axis, f"share on {TRAITS[trait]}"
        )
    maps = choose_maps(source)
    made: dict[str, Callable[[], MapSeries]] = {
        "layer": lambda: series_over_layers(maps, pick_layers_heads(maps, names=("heads",))[1]),
        "head": lambda: series_over_heads(maps, pick_layers_heads(maps, names=("layers",))[0]),
        "step": lambda: series_over_steps(maps, pick_layers_heads(maps, names=("heads",))[1]),
    }
    return made[name]()


def _text(series: MapSeries) -> str:
    return "".join((*series.rows.texts, *series.columns.texts))
