"""Charts the agreement of two columns per measure, beside the baselines of position and tokens per word.

A value says little by itself: texts read from left to right make any two columns agree. The two ticks show how much of
it the place of a word, and its number of tokens, already give. Undefined is written out, never drawn as 0. Guarded by
tests/core/test_charts_agreement_dots.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt

from ..records import Agreement, Comparison
from .axis_labels import AxisLabels, row_axis, with_labels
from .column_captions import caption_lines, check_names, fitting_names
from .matrix_layout import exact_number
from .panels import LISTED, inline_data
from .text_labels import GREY, STRETCH, significant_digits, title_block

VALUE, POSITION, PIECES = "these two columns", "position alone", "tokens per word alone"
LOOK = {VALUE: ("#0072B2", "circle"), POSITION: ("#E69F00", "stroke"), PIECES: ("#CC79A7", "stroke")}
MEASURE_NAMES = {
    "spearman": "Spearman (ranks)",
    "kendall": "Kendall (ranks)",
    "cosine": "cosine",
    "jensen-shannon": "Jensen-Shannon distance (0: same)",
    "top-3": "top 3 in common",
    "top-5": "top 5 in common",
    "top-10": "top 10 in common",
}
NOT_FAITHFUL = "agreement is not faithfulness: two columns may agree and both say little of what made the answer"


def agreement_chart(
    comparison: Comparison, names: Sequence[str], *, width: int = 880, title: str = "Agreement"
) -> alt.LayerChart:
    """Draws a dot for each pair and measure, and a tick for each baseline; "undefined" where there is no value."""
    labels = check_names(comparison, names)
    records, rows = _records(comparison, fitting_names(labels))
    low = -1.05 if any(r["x"] is not None and r["x"] < 0 for r in records) else -0.03
    x = alt.X("x:Q", scale=alt.Scale(domain=[low, 1.03], nice=False), title="agreement", axis=alt.Axis(tickCount=8))
    words = AxisLabels(rows)
    heads = sorted(set(range(len(rows))) - {r["place"] for r in records})
    y = row_axis(words, heads, labelLimit=320, grid=True)
    base = alt.Chart(inline_data(records)).encode(x=x, y=y, tooltip=_tooltip())
    color = alt.Color(
        "kind:N",
        scale=alt.Scale(domain=list(LOOK), range=[c for c, _ in LOOK.values()]),
        legend=alt.Legend(title="from", labelLimit=220, **LISTED),
    )
    there = base.transform_filter("datum.x !== null")
    ticks = (
        there.transform_filter(f"datum.kind != '{VALUE}'")
        .mark_tick(thickness=3, size=16, opacity=1)
        .encode(color=color)
    )
    dots = (
        there.transform_filter(f"datum.kind == '{VALUE}'")
        .mark_point(filled=True, size=90, opacity=1)
        .encode(color=color)
    )
    gone = base.transform_filter(f"datum.x === null && datum.kind == '{VALUE}'")
    gone = gone.mark_text(text="undefined", align="left", dx=4, color=GREY, fontStyle="italic").encode(x=alt.XDatum(0))
    lines = [*caption_lines(comparison, labels), NOT_FAITHFUL]
    said = f"{title}: {len(comparison.agreements)} measures, each beside position alone and tokens per word alone."
    chart = with_labels(alt.layer(dots, ticks, gone), words)
    return chart.properties(
        width=width,
        height=max(40, 22 * len(rows)),
        title=title_block(title, lines),
        description=" ".join([said, *(line + "." for line in lines), *_spoken(comparison, labels)]),
        autosize=STRETCH,
    )


def agreement_rows(comparison: Comparison, letters: Sequence[str]) -> list[dict[str, Any]]:
    """Returns one line of a table for each pair of columns and measure: its value, both baselines, why undefined."""
    return [
        {
            "Columns": f"{letters[g.a]} and {letters[g.b]}",
            "Measure": MEASURE_NAMES.get(g.measure, g.measure),
            "Value": _number(g.value),
            "Place alone": _number(g.position),
            "Tokens per word alone": _number(g.pieces),
            "Words": g.units,
            "Why undefined": g.why,
        }
        for g in comparison.agreements
    ]


def _records(comparison: Comparison, names: Sequence[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Returns (one record per row and kind, the label of each row); a pair's name has a row of its own."""
    records: list[dict[str, Any]] = []
    rows: list[str] = []
    pairs = list(dict.fromkeys((g.a, g.b) for g in comparison.agreements))
    for a, b in pairs:
        if len(pairs) > 1:
            rows.append(f"{names[a]} and {names[b]}")
        for found in (g for g in comparison.agreements if (g.a, g.b) == (a, b)):
            for kind, value in ((POSITION, found.position), (PIECES, found.pieces), (VALUE, found.value)):
                records.append(_record(found, names, kind, value) | {"place": len(rows)})
            rows.append(MEASURE_NAMES.get(found.measure, found.measure))
    return records, rows


def _record(found: Agreement, names: Sequence[str], kind: str, value: float) -> dict[str, Any]:
    return {
        "x": exact_number(float(value)),
        "kind": kind,
        "measure": MEASURE_NAMES.get(found.measure, found.measure),
        "pair": f"{names[found.a]} and {names[found.b]}",
        "value": _number(found.value),
        "position": _number(found.position),
        "pieces": _number(found.pieces),
        "units": found.units,
        "why": found.why or "defined",
    }


def _number(value: float) -> str:
    return significant_digits(value) if math.isfinite(value) else "undefined"


def _spoken(comparison: Comparison, names: Sequence[str]) -> list[str]:
    return [
        f"{names[g.a]} and {names[g.b]}, {MEASURE_NAMES.get(g.measure, g.measure)}: {_number(g.value)}."
        for g in comparison.agreements
    ]


def _tooltip() -> list[alt.Tooltip]:
    names = {
        "pair": "columns", "measure": "measure", "value": VALUE, "position": POSITION, "pieces": PIECES,
        "units": "words that both have", "why": "note",
    }  # fmt: skip
    return [alt.Tooltip(f"{field}:N", title=title) for field, title in names.items()]
