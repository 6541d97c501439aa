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


@dataclass(frozen=True)
class DiagramKind:
    """One figure of the page."""

    label: str
    about: str
    """What it shows, in one sentence that a stranger understands."""
    draw: Callable[[DiagramSource], Diagram | None]
    """Draws its controls and returns the figure; None where there is nothing to show yet."""
    needs: Literal["maps", "run", "decoder run"] = "maps"


DIAGRAMS = {
    "map": DiagramKind("Attention map", "what every token read of every other", draw_map),
    "heads": DiagramKind("All layers and heads", "every head as a small map", draw_head_maps),
    "kinds": DiagramKind("Kinds of heads", "where each head looks", draw_head_kinds),
    "evolution": DiagramKind("Evolution", "how each cell changes over layers, steps or checkpoints", draw_evolution),
    "comparison": DiagramKind("Two maps in one", "cells are one map, circles the other", draw_comparison),
    "stability": DiagramKind("Stability", "the mean of many maps, with an interval in each cell", draw_stability),
    "blocks": DiagramKind("Question and context", "what each read of itself and of the other", draw_blocks),
    "pair": DiagramKind("Shaded sentence pair", "answer and input as text, with a ranked list", draw_pair, "run"),
    "components": DiagramKind("Other parts", "what each layer holds and writes", draw_components, "decoder run"),
    "lens": DiagramKind(
        "How the answer forms", "what each layer would write if it were the last", draw_lens, "decoder run"
    ),
    "decisions": DiagramKind(
        "When each token is settled", "the layer from which on it is the first choice", draw_decisions, "decoder run"
    ),
    "off": DiagramKind("Switch parts off", "what the answer loses without them", draw_switched_off, "decoder run"),
}
"""{name in the address: figure}"""


def offered_diagrams(source: DiagramSource) -> list[str]:
    """Names of the figures that this source has."""
    have = {"maps"}
    if source.trace is not None:
        have |= {"run"} | ({"decoder run"} if source.trace.model.kind == "decoder" else set())
    return [name for name, kind in DIAGRAMS.items() if kind.needs in have]
