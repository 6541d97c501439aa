"""Widths, colours and caption lines that all static diagrams share.

Guarded by tests/core/test_charts_diagrams_figure_style.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...records import AttentionMap
from ..text_widths import wrapped_text

ONE_COLUMN, TWO_COLUMNS = 330, 690
"""Width of a figure in pixels, for one and two columns of a paper (3.4 and 7.2 inch at 96 pixels an inch)."""

SEQUENTIAL = "blues"
"""Vega scheme of shares: its lightness falls steadily, so that it can be read in greyscale."""

SPECIAL_COLOUR = "#8a939e"
"""Labels of markup and special tokens."""

CAPTION_SIZE, PADDING = 11, 5
"""Pixels of the letters of a caption, and that Vega leaves on each side of a figure."""

NOT_SAID = "Attention is what was read, not what it was used for"

KIND_NAMES = {"self": "self-attention", "encoder": "encoder self-attention", "cross": "cross-attention"}


def map_caption(one: AttentionMap, settings: Sequence[str] = ()) -> list[str]:
    """Returns the caption lines of a figure of one map: source, which map, its settings, and what it does not say."""
    which = " · ".join(filter(None, [one.source, KIND_NAMES[one.kind], one.what]))
    return [which, *filter(None, [" · ".join(settings)]), NOT_SAID]


def wrapped_caption(lines: Sequence[str], width: float) -> list[str]:
    """Returns caption lines broken so that each fits a figure of ``width`` pixels in the size of a subtitle."""
    room = max(width - 2 * PADDING, 110)
    return [part for line in lines for part in wrapped_text(line, CAPTION_SIZE, room) or [""]]


def as_map(one: AttentionMap | Any) -> AttentionMap:
    """Returns a map as it is, and an array [query, key] from Python as a map with numbered tokens."""
    return one if isinstance(one, AttentionMap) else AttentionMap.of(one)
