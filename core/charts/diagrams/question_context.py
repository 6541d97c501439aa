"""Draws a map as five blocks on one colour scale: all of it, and what question and context read of each other.

Guarded by tests/core/test_charts_diagrams_question_context.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import altair as alt
import numpy as np

from ...records import AttentionMap, MapTokens
from ..text_labels import SUBTITLE, title_block
from .attention_map import SIDE_NAMES, colour_bar, font_size, labels_width, percent_of_two_digits, value_domain
from .figure_style import ONE_COLUMN, PADDING, TWO_COLUMNS, map_caption, wrapped_caption
from .map_cells import MapCells

GAP = 16
"""Pixels between blocks."""


class MapBlock(NamedTuple):
    """Some rows and columns of a map, and how much of the rows' attention falls into the columns."""

    name: str
    rows: np.ndarray
    """int [q]: places of the queries."""
    columns: np.ndarray
    """int [k]: places of the keys."""
    share: float
    """Mean over the rows of the sum over the columns; what could not be read or is not known counts as none."""


def question_context_blocks(
    one: AttentionMap,
    *,
    question: str = "question",
    context: str = "context",
    gamma: float = 1.0,
    mark_special: bool = True,
    unit: str = "attention share",
    width: int = TWO_COLUMNS,
    caption: Sequence[str] = (),
    title: str = "Question and context",
) -> alt.VConcatChart:
    """Draws five blocks of one map on one colour scale, each with the mean share of its rows' attention in its columns.

    The whole map, then what the question read of the question, the context of the context, the question of the context
    and the context of the question. ``question`` and ``context`` are names of ``MapTokens.parts`` of queries and keys.
    ``gamma`` bends the colours alone. ``width``: of the figure, in pixels. Raises ValueError where a part is missing,
    naming those there are.
    """
    if not 0 < gamma < float("inf"):
        raise ValueError(f"gamma is {gamma}, expected a number above 0.")
    blocks = map_blocks(one, question, context)
    domain = value_domain([one.values[one.readable]])
    font, narrow = font_size(width) - 1, width <= ONE_COLUMN
    legend = colour_bar(unit, domain[0] >= 0 and domain[1] <= 1.0001, False, (width / 2, 0))
    margin = tuple(min(labels_width(t, font), 0.25 * width) for t in (one.queries, one.keys))
    across = width - 2 * PADDING - 2.2 * font - margin[0]
    whole = across if narrow else 0.52 * (across - 2 * margin[0] - 2 * GAP)
    small = (across - GAP - margin[0]) / 2 if narrow else (across - whole - 2 * GAP) / 2 - margin[0] - PADDING
    look = {
        "domain": domain,
        "gamma": gamma,
        "font": font,
        "mark_special": mark_special,
        "unit": unit,
        "margin": margin,
    }
    charts = [_drawn(one, block, small if i else whole, legend, look) for i, block in enumerate(blocks)]
    spread = {"spacing": GAP, "bounds": "full"}
    pairs = [alt.hconcat(*charts[1:3], **spread), alt.hconcat(*charts[3:], **spread)]
    rows = [charts[0], *pairs] if narrow else [alt.hconcat(charts[0], alt.vconcat(*pairs, spacing=GAP), **spread)]
    settings = [f"colours bent by gamma {gamma:g}"] if gamma != 1 else []
    lines = [*map_caption(one, ["all blocks have one colour scale", *settings]), *caption]
    shares = " ".join(f"{b.name}: {percent_of_two_digits(b.share)}." for b in blocks)
    return alt.vconcat(  # at once: each further step copies the five maps
        *rows,
        **({"spacing": GAP} if narrow else {}),
        resolve=alt.Resolve(scale=alt.ScaleResolveMap(color="shared")),
        title=title_block(title, wrapped_caption(lines, width)),
        description=f"{title}. {shares} {'. '.join(lines)}.",
    )


def _drawn(one: AttentionMap, block: MapBlock, side: float, legend: alt.Legend, look: dict[str, Any]) -> alt.LayerChart:
    """Returns one block, at most ``side`` pixels wide, with its name and share above it."""
    whole = len(block.rows) == len(one.queries) and len(block.columns) == len(one.keys)
    cells = MapCells(
        one.values[np.ix_(block.rows, block.columns)],
        one.readable[np.ix_(block.rows, block.columns)],
        _tokens(one.queries, block.rows),
        _tokens(one.keys, block.columns),
        room=(side, side * (1.2 if whole else 1.0)),
        titles=SIDE_NAMES[one.kind] if whole else ("", ""),
        **look,
    )
    told = {
        "text": block.name,
        "subtitle": f"{percent_of_two_digits(block.share)} of its rows’ attention" if cells.is_share else "",
        "anchor": "start",
        "fontSize": cells.font + 3,
        "subtitleFontSize": cells.font + 1,
        "subtitleColor": SUBTITLE,
        "offset": 4,
    }
    return cells.chart(legend).properties(title=told)


def map_blocks(one: AttentionMap, question: str = "question", context: str = "context") -> list[MapBlock]:
    """Returns the five blocks of a map in the order in which they are drawn, the whole first.

    Raises ValueError where queries or keys lack a part.
    """
    rows = {part: _places(one.queries, part, "queries") for part in (question, context)}
    columns = {part: _places(one.keys, part, "keys") for part in (question, context)}
    pairs = [(question, question), (context, context), (question, context), (context, question)]
    blocks = [("the whole map", np.arange(len(one.queries)), np.arange(len(one.keys)))]
    blocks += [(f"{reader} reads {read}", rows[reader], columns[read]) for reader, read in pairs]
    known = np.where(one.readable, np.nan_to_num(one.values), 0)
    return [MapBlock(name, r, c, float(known[np.ix_(r, c)].sum(1).mean())) for name, r, c in blocks]


def _places(tokens: MapTokens, part: str, side: str) -> np.ndarray:
    places = np.flatnonzero(np.array(tokens.parts, object) == part)
    if not len(places):
        there = list(dict.fromkeys(p for p in tokens.parts if p))
        named = f"its parts are {', '.join(there)}" if there else "it has no parts: name them with with_parts"
        raise ValueError(f"No token among the {side} of this map is in the part {part!r}; {named}.")
    return places


def _tokens(tokens: MapTokens, places: np.ndarray) -> MapTokens:
    return MapTokens(
        tuple(tokens.texts[i] for i in places), tokens.special[places], tuple(tokens.parts[i] for i in places)
    )
