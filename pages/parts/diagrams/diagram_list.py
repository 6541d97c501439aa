"""The figures of the page Diagrams, and which of them a source has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pages.parts.diagrams.component_figures import draw_components, draw_decisions, draw_lens, draw_pair
from pages.parts.diagrams.diagram import Diagram, DiagramSource
from pages.parts.diagrams.head_figures import draw_head_kinds, draw_head_maps, draw_switched_off
from pages.parts.diagrams.map_figures import draw_blocks, draw_comparison, draw_map
from pages.parts.diagrams.series_figures import draw_evolution, draw_stability

Needs = Literal["maps", "square", "run", "decoder run"]
"""What a figure is drawn of: any maps, maps of a text that reads itself, a run, a run of a decoder."""


@dataclass(frozen=True)
class DiagramKind:
    """One figure of the page."""

    label: str
    about: str
    """What it shows, in one sentence that a stranger understands."""
    draw: Callable[[DiagramSource], Diagram | None]
    """Draws its controls and returns the figure; None where there is nothing to show yet."""
    needs: Needs = "maps"
    trims: bool = True
    """Special tokens, or a part of a long text, can be left out."""
    marks: bool = False
    """It draws marks in its cells, which a long text has no room for."""


def _of_run(
    label: str, about: str, draw: Callable[[DiagramSource], Diagram | None], needs: Needs = "decoder run"
) -> DiagramKind:
    """A figure of more of a run than its maps, so that nothing of them is left out."""
    return DiagramKind(label, about, draw, needs, trims=False)


DIAGRAMS = {
    "map": DiagramKind("Attention map", "what every token read of every other", draw_map),
    "heads": DiagramKind("All layers and heads", "every head as a small map", draw_head_maps),
    "kinds": DiagramKind("Kinds of heads", "where each head looks", draw_head_kinds, trims=False),
    "evolution": DiagramKind(
        "Evolution", "how each cell changes over layers, steps or checkpoints", draw_evolution, marks=True
    ),
    "comparison": DiagramKind("Two maps in one", "cells are one map, circles the other", draw_comparison, marks=True),
    "stability": DiagramKind(
        "Stability", "the mean of many maps, an interval in each cell", draw_stability, marks=True
    ),
    "blocks": DiagramKind("Question and context", "what each read of itself and of the other", draw_blocks, "square"),
    "pair": _of_run("Shaded sentence pair", "answer and input as text, with a ranked list", draw_pair, "run"),
    "components": _of_run("Other parts", "what each layer holds and writes", draw_components),
    "lens": _of_run("How the answer forms", "what each layer would write if it were the last", draw_lens),
    "decisions": _of_run("When a token is settled", "the layer from which on it is the first choice", draw_decisions),
    "off": _of_run("Switch parts off", "what the answer loses without them", draw_switched_off),
}
"""{name in the address: figure}"""


def offered_diagrams(source: DiagramSource) -> list[str]:
    """Names of the figures that this source has."""
    have = {"maps"} | ({"square"} if any(len(m.queries) == len(m.keys) for m in source.maps.values()) else set())
    if source.trace is not None:
        have |= {"run"} | ({"decoder run"} if source.trace.model.kind == "decoder" else set())
    return [name for name, kind in DIAGRAMS.items() if kind.needs in have]
