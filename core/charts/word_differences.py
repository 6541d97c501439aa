"""Draws differences of two columns word by word: as coloured cells, and as bars of the largest changes.

A difference is column B less column A: above 0, B read more of the word. Blue and orange (which colour-blind readers
can distinguish) with the middle at 0 and the same length to both sides, so that equal depths are equal differences.
Words that only one of the two has are no difference and are left empty. Guarded by
tests/core/test_charts_word_differences.py.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import altair as alt
import numpy as np

from ..comparing.word_cells import WordCells
from ..records import Comparison
from .aligned_heatmaps import strips
from .axis_labels import AxisLabels, with_labels
from .column_captions import caption_lines, check_names, fitting_names, unit_label, unit_of, word_records, wrap_parts
from .matrix_layout import exact_number
from .panels import BELOW, LISTED, Panel, PanelBoard, inline_data, look_up_fields
from .text_labels import (
    GREY,
    STRETCH,
    legend_title,
    significant_digits,
    title_block,
    value_text,
    visible_label,
)
from .token_heatmap import MOST_CELLS

NO_SUCH = "empty: one of the two has no such word"

MOST_BARS = 12
BLUE, ORANGE = "#1f77b4", "#d9730d"
"""The sides of a diverging bar: less, more. Both are legible on white and on dark pages."""


def difference_chart(
    comparison: Comparison,
    a: int,
    b: int,
    names: Sequence[str],
    cells: WordCells | None = None,
    *,
    width: int = 880,
    picked: Collection[int] = (),
    select: str | None = None,
    title: str | None = None,
) -> alt.LayerChart:
    """Draws ``B - A`` in every cell: output words by units with ``cells``, else one row for the whole answer.

    Many words make lines of words; many cells fall back to the whole answer, and the figure says so. ``select``
    names a point selection over the field ``unit``.
    """
    labels = check_names(comparison, names)
    lines, labels = caption_lines(comparison, labels), fitting_names(labels)
    lines += wrap_parts("", [f"orange: {labels[b]} read more", f"blue: {labels[a]} read more", NO_SUCH])
    if cells is not None and cells.values[a].size > MOST_CELLS:
        lines.append(f"more than {MOST_CELLS:,} cells: one row, the mean over the answer")
        cells = None
    spans: list[tuple[int, int]] = []
    if cells is None:
        board, drawn, spans = _whole(comparison, a, b, width)
    else:
        board, drawn = _by_word(comparison, a, b, cells, width)
    extent = max((abs(c["difference"]) for c in drawn), default=0) or 1
    unit = unit_of(comparison, a, b)
    rects = look_up_fields(board.rects(drawn), word_records(comparison), ["word", f"c{a}", f"c{b}"])
    rects = rects.encode(fill=_diverging(extent, unit), tooltip=_tooltip(unit, labels, a, b))
    if select:
        rects = rects.add_params(alt.selection_point(name=select, fields=["unit"], empty=False))
    frames = board.frames(list(picked), spans)
    title = title or f"Difference: {labels[b]} less {labels[a]}"
    said = f"{title}: {legend_title(unit)} over {len(comparison.units)} words, {_where(cells)}."
    return board.finish([rects, *frames], title, lines, said)


def _where(cells: WordCells | None) -> str:
    return "one row for the whole answer" if cells is None else f"for {len(cells.rows)} words of the answer"


def _whole(
    comparison: Comparison, a: int, b: int, width: int
) -> tuple[PanelBoard, list[dict[str, Any]], list[tuple[int, int]]]:
    board, spans = strips(comparison, ("whole answer",), width)
    out = []
    for panel, (start, end) in enumerate(spans):
        for unit in range(start, end):
            found = _cell(comparison, a, b, unit, comparison.values[a, unit], comparison.values[b, unit])
            if found:
                out.append(found | {"row": 0, "output": "the whole answer"} | board.place(panel, 0, unit - start))
    return board, out, spans


def _by_word(
    comparison: Comparison, a: int, b: int, cells: WordCells, width: int
) -> tuple[PanelBoard, list[dict[str, Any]]]:
    words = tuple(unit_label(comparison, u) for u in range(len(comparison.units)))
    board = PanelBoard([Panel(words, tuple(cells.rows))], "stacked", width)
    out = []
    for row, label in enumerate(cells.rows):
        for unit in range(len(words)):
            found = _cell(comparison, a, b, unit, cells.values[a, row, unit], cells.values[b, row, unit])
            if found:
                out.append(found | {"row": row, "output": visible_label(label)} | board.place(0, row, unit))
    return board, out


def _cell(comparison: Comparison, a: int, b: int, unit: int, one: float, other: float) -> dict[str, Any] | None:
    """Returns the numbers of one cell; None where one of the two has no such word."""
    if not (np.isfinite(one) and np.isfinite(other)):
        return None
    return {
        "unit": unit,
        "a": exact_number(float(one)),
        "b": exact_number(float(other)),
        "difference": exact_number(float(other - one)),
        "change": signed_amount(float(other - one), unit_of(comparison, a, b)),
    }


def signed_amount(value: float, unit: str) -> str:
    """Formats a difference; of shares in percentage points."""
    sign = "+" if value > 0 else "-" if value < 0 else "±"
    return (
        f"{sign}{significant_digits(100 * abs(value))} points"
        if unit == "share"
        else f"{sign}{significant_digits(abs(value))}"
    )


def _diverging(extent: float, unit: str) -> alt.Fill:
    name = "difference of shares" if unit == "share" else "difference of scores"
    number = "+.2~p" if unit == "share" else "+.3~r"
    scale = alt.Scale(scheme="blueorange", domain=[-extent, extent], domainMid=0, clamp=True)
    return alt.Fill(
        "difference:Q",
        scale=scale,
        legend=alt.Legend(title=name, format=number, gradientLength=220, tickCount=5, **BELOW),
    )


def _tooltip(unit: str, names: Sequence[str], a: int, b: int) -> list[alt.Tooltip]:
    number = ".3~p" if unit == "share" else ".4~r"
    return [
        alt.Tooltip("word:N", title="input"),
        alt.Tooltip("output:N", title="output"),
        alt.Tooltip("a:Q", title=f"this cell, {names[a]}", format=number),
        alt.Tooltip("b:Q", title=f"this cell, {names[b]}", format=number),
        alt.Tooltip("change:N", title="difference"),
        alt.Tooltip(f"c{a}:N", title=names[a]),
        alt.Tooltip(f"c{b}:N", title=names[b]),
    ]


def gained_lost_chart(
    comparison: Comparison,
    a: int,
    b: int,
    names: Sequence[str],
    *,
    most: int = MOST_BARS,
    width: int = 880,
    narrow: bool = False,
    select: str | None = None,
    title: str | None = None,
) -> alt.LayerChart:
    """Draws bars of up to ``most`` words that B read more than A and as many that it read less, largest first.

    ``narrow``: more room for the numbers beside the bars and no legend, for half a page of paper.
    """
    names = check_names(comparison, names)
    lines, labels = caption_lines(comparison, names), fitting_names(names)
    unit = unit_of(comparison, a, b)
    gap = comparison.values[b] - comparison.values[a]
    known = np.flatnonzero(np.isfinite(gap))
    order = known[np.argsort(-gap[known], kind="stable")]
    gained, lost = [u for u in order if gap[u] > 0][:most], [u for u in order if gap[u] < 0][-most:]
    records = []
    for place, u in enumerate([*gained, *lost]):
        record = _cell(comparison, a, b, int(u), comparison.values[a, u], comparison.values[b, u])
        assert record is not None
        records.append(record | {"place": place, "more": labels[b] if gap[u] > 0 else labels[a]})
    words = [_arrow(comparison, a, b, int(u)) for u in [*gained, *lost]]
    left = len(known) - len(records)
    if left > 0:
        lines.append(f"{left} words with smaller or no differences are not drawn")
    if comparison.unaligned[[a, b]].any():
        alone = " · ".join(f"{labels[r]} {value_text(float(comparison.unaligned[r]), unit)}" for r in (a, b))
        lines.append(f"on words that the other does not have, not drawn here: {alone}")
    title = title or f"Gained and lost: {labels[b]} against {labels[a]}"
    chart = _bars(records, words, comparison, labels, a, b, unit, select, narrow)
    said = f"{title}: {len(gained)} words that {labels[b]} read more and {len(lost)} that it read less."
    return chart.properties(
        width=width,
        height=max(40, 22 * len(records)),
        title=title_block(title, lines if records else [*lines, "no word differs"]),
        description=" ".join([said, *(line + "." for line in lines)]),
        autosize=STRETCH,
    )


def _arrow(comparison: Comparison, a: int, b: int, unit: int) -> str:
    one, other = comparison.units.texts[a][unit], comparison.units.texts[b][unit]
    if one.strip().casefold() == other.strip().casefold():
        return visible_label(one)
    return f"{visible_label(one, 14)} | {visible_label(other, 14)}"


def _bars(
    records: list[dict[str, Any]],
    words: list[str],
    comparison: Comparison,
    names: Sequence[str],
    a: int,
    b: int,
    unit: str,
    select: str | None,
    narrow: bool,
) -> alt.LayerChart:
    extent = (1.7 if narrow else 1.3) * (max((abs(r["difference"]) for r in records), default=0) or 1)
    number = "+.2~p" if unit == "share" else "+.3~r"
    name = f"difference of {unit}s"
    x = alt.X(
        "difference:Q",
        scale=alt.Scale(domain=[-extent, extent], nice=False),
        title=name,
        axis=alt.Axis(format=number, tickCount=7),
        stack=None,
    )
    places, texts = list(range(len(words))), AxisLabels(words)
    axis = alt.Axis(
        title=None,
        values=places,
        labelExpr=texts.at(),
        labelLimit=220,
        ticks=False,
        domain=False,
        labelOverlap=False,
    )
    y = alt.Y("place:O", sort=None, scale=alt.Scale(domain=places or [0], paddingInner=0.2), axis=axis)
    drawn = {r["unit"] for r in records}
    told = [w for w in word_records(comparison) if w["unit"] in drawn]
    base = look_up_fields(alt.Chart(inline_data(records)), told, ["word", f"c{a}", f"c{b}"]).encode(x=x, y=y)
    scale = alt.Scale(domain=[names[b], names[a]], range=[ORANGE, BLUE])
    color = alt.Color("more:N", scale=scale, legend=None if narrow else alt.Legend(title="read more by", **LISTED))
    bars = base.mark_bar().encode(
        color=color, tooltip=_tooltip(unit, names, a, b)[:1] + _tooltip(unit, names, a, b)[4:]
    )
    if select:
        bars = bars.add_params(alt.selection_point(name=select, fields=["unit"], empty=False))
    text = {"color": GREY, "fontSize": 11}
    right = (
        base.transform_filter("datum.difference > 0")
        .mark_text(align="left", dx=5, **text)
        .encode(text=alt.Text("change:N"))
    )
    left = (
        base.transform_filter("datum.difference < 0")
        .mark_text(align="right", dx=-5, **text)
        .encode(text=alt.Text("change:N"))
    )
    zero = alt.Chart(alt.InlineData(values=[{"x": 0}])).mark_rule(color=GREY).encode(x=alt.X("x:Q"))
    return with_labels(alt.layer(bars, zero, right, left), texts)
