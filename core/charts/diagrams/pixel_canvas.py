"""A view whose axes count pixels: a figure places its own cells, labels and legends, and is exactly as wide as asked.

Guarded by tests/core/test_charts_diagrams_cell_grid.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from ..panels import inline_data
from ..text_labels import title_block
from ..text_widths import wrapped_text
from .figure_style import PADDING, wrapped_caption

TITLE_SIZE, BOLD_FACTOR = 15, 1.08
INK, FAINT = "#15202b", "#55606d"
"""Colours of labels and of what is said beside them, on light ground."""


@dataclass(frozen=True)
class PixelCanvas:
    """Sizes of the view; the figure is ``width`` pixels wide, its view ``inner`` pixels."""

    width: int
    height: float

    @property
    def inner(self) -> float:
        """Width of the view in pixels."""
        return self.width - 2 * PADDING

    def x(self, field: str = "x") -> alt.X:
        """Returns the encoding of a place from the left, in pixels."""
        return alt.X(f"{field}:Q", scale=alt.Scale(domain=[0, self.inner], nice=False, zero=False), axis=None)

    def y(self, field: str = "y") -> alt.Y:
        """Returns the encoding of a place from the top, in pixels."""
        scale = alt.Scale(domain=[0, self.height], range=[0, self.height], nice=False, zero=False, reverse=False)
        return alt.Y(f"{field}:Q", scale=scale, axis=None)

    def texts(self, records: Sequence[dict[str, Any]], size: float = 10, **mark: Any) -> alt.Chart:
        """Draws the field ``text`` of each record at ``x`` and ``y``, in its ``colour`` where one has that."""
        look: dict[str, Any] = {"baseline": "middle", "align": "left", "color": INK, "tooltip": None} | mark
        chart = alt.Chart(inline_data(records)).mark_text(fontSize=size, **look)
        chart = chart.encode(x=self.x(), y=self.y(), text=alt.Text("text:N"))
        coloured = any("colour" in record for record in records)
        return chart.encode(color=alt.Color("colour:N", scale=None)) if coloured else chart

    def finish(
        self, layers: Sequence[alt.Chart], title: str, lines: Sequence[str], said: str, own_scales: bool = False
    ) -> alt.LayerChart:
        """Combines all layers with size, title, caption (both wrapped to the width) and description.

        ``own_scales``: each layer has a scale of colours of its own. All is given at once, since each further step
        copies the whole chart.
        """
        head = wrapped_text(title, TITLE_SIZE * BOLD_FACTOR, self.inner)
        block = title_block(head[0] if head else "", wrapped_caption(list(filter(None, lines)), self.width))
        if len(head) > 1:
            block["text"] = head
        description = " ".join([said, *(f"{line}." for line in lines)])
        apart = alt.Resolve(scale=alt.ScaleResolveMap(fill="independent")) if own_scales else alt.Undefined
        return alt.layer(
            *layers,
            resolve=apart,
            width=self.inner,
            height=self.height,
            title=block,
            description=description,
            view=alt.ViewBackground(stroke=None),
        )
