"""The figures of one or two attention maps: the map with its regions, blocks of its parts, two maps in one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from core.charts.diagrams.attention_map import attention_map
from core.charts.diagrams.comparison_circles import comparison_circles
from core.charts.diagrams.question_context import question_context_blocks
from core.errors import MethodError
from core.maps.regions import find_regions
from core.records import AttentionMap
from pages.parts.diagrams.diagram import Diagram, DiagramSource, map_csv
from pages.parts.diagrams.map_controls import KEPT, choose_map

LENS = "Rows and columns of the strongest cells grow and bear their values; all others shrink."
REGIONS = "The rectangles that stand out most from what is around them; sinks and unreadable cells do not count."
GAMMA = "Below 1 low values show more, above 1 only the highest do. It changes colours and no number."
FRAMES = "Your own frames: first query-last query × first key-last key, counted from 1, e.g. 2-4 × 1-3; 5-6 × 7-9"


def draw_map(source: DiagramSource) -> Diagram:
    """Draws the controls of the attention map and returns it."""
    one = choose_map(source)
    state = st.session_state
    for key, value in {"map_regions": 3, "map_lens": 4, "map_gamma": 0.7}.items():
        state.setdefault(key, value)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        few: dict[str, Any] = {"min_value": 0, "step": 1, "width": 150, **KEPT}
        count = st.number_input("Regions framed", max_value=9, key="map_regions", help=REGIONS, **few)
        lens = st.number_input("Cells enlarged", max_value=40, key="map_lens", help=LENS, **few)
        gamma = st.slider("Gamma", 0.3, 3.0, step=0.1, key="map_gamma", help=GAMMA, width=200, **KEPT)
        typed = st.text_input("Frames", key="map_frames", placeholder="2-4 × 1-3", help=FRAMES, width=220, **KEPT)
    boxes = typed_boxes(typed or "")
    regions = find_regions(one, int(count)) if count else ()
    bend, grown = float(gamma), int(lens)
    return Diagram(
        lambda width: attention_map(one, lens=grown, gamma=bend, boxes=boxes, regions=regions, width=width),
        lambda: map_csv(one),
        map_text(one),
    )


def typed_boxes(text: str) -> tuple[tuple[tuple[int, int], tuple[int, int]], ...]:
    """The frames that somebody typed, as ((top, left), (bottom, right)). Raises MethodError for anything else."""
    boxes = []
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        sides = part.lower().replace("x", "×").split("×")
        spans = [[n.strip() for n in side.split("-")] for side in sides]
        if len(sides) != 2 or not all(n.isdecimal() for span in spans for n in span) or any(len(s) > 2 for s in spans):
            raise MethodError(
                f"A frame is written as 2-4 × 1-3 (queries × keys, counted from 1), not as {part[:40]!r}."
            )
        (top, bottom), (left, right) = ((int(s[0]) - 1, int(s[-1]) - 1) for s in spans)
        boxes.append(((top, left), (bottom, right)))
    return tuple(boxes)


def draw_blocks(source: DiagramSource) -> Diagram:
    """Draws which part is the question and which the context, and returns the blocks."""
    one = choose_map(source)
    both = [name for name in dict.fromkeys(one.queries.parts) if name and name in one.keys.parts]
    if len(both) < 2:
        one, both = _split(one)
    left, right = st.columns(2)
    question = left.selectbox("Question", both, key="blocks_question")
    context = right.selectbox("Context", [name for name in both if name != question], key="blocks_context")
    return Diagram(
        lambda width: question_context_blocks(one, question=question, context=context, width=width),
        lambda: map_csv(one),
        map_text(one),
    )


def _split(one: AttentionMap) -> tuple[AttentionMap, list[str]]:
    """Draws where a text without parts is cut in two; returns the map with both parts named."""
    n = len(one.keys)
    if n < 2 or len(one.queries) != n:
        raise MethodError("Blocks need a text that reads itself and has two parts: take a text, or a pair of texts.")
    at = st.slider("The context begins at token", 2, n, max(2, n // 2), key=f"blocks_cut_{n}") - 1
    parts = ("question",) * at + ("context",) * (n - at)
    one = replace(one, queries=replace(one.queries, parts=parts), keys=replace(one.keys, parts=parts))
    return one, ["question", "context"]


def draw_comparison(source: DiagramSource) -> Diagram:
    """Draws the controls of two maps and returns the circles that compare them."""
    left, right = st.columns(2)
    with left:
        first = choose_map(source, "diagram", "A")
    with right:
        second = choose_map(source, "diagram_b", "B")
    return Diagram(
        lambda width: comparison_circles(first, second, width=width),
        lambda: map_csv(first) + map_csv(second),
        map_text(first),
    )


def map_text(one: AttentionMap) -> str:
    """Every character of a map's labels."""
    return "".join((*one.queries.texts, *one.keys.texts))
