"""Draws what a run's answer does as a part of its prompt is read more or less: one point a factor, joined by a line.

A dashed line lies at the value of the plain run. Factors stand on a logarithmic axis, since each step of the ladder
multiplies the odds of reading the part. Guarded by tests/core/test_charts_dose_response_charts.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt

from ..records import factor_text
from .matrix_layout import exact_number
from .panels import PICKED_COLOUR, inline_data
from .text_labels import GREY, OKABE_ITO, STRETCH, percent_text, significant_digits, title_block, visible_label

ONE_PROMPT = "one prompt and one model: other prompts may answer otherwise"
FACTOR_TEXT = "datum.value < 1 ? '1/' + round(1 / datum.value) : format(datum.value, '~f')"
"""Vega expression that writes a factor as everywhere else."""


def dose_response_chart(
    factors: Sequence[float],
    values: Sequence[float],
    *,
    measure: str,
    shares: Sequence[float] | None = None,
    answers: Sequence[str] = (),
    picked: float | None = None,
    caption: Sequence[str] = (),
    title: str = "Read more, read less",
    width: int = 880,
    height: int = 280,
) -> alt.LayerChart:
    """Draws ``values`` [way], called ``measure``, over the factors; with ``shares`` [way] over the share really read.

    ``answers`` are shown on hover; ``picked`` is the factor to mark. What is NaN has no point, and neither has the
    factor 0 on the axis of factors. Raises ValueError where lengths differ.
    """
    for name, given in (("values", values), ("shares", shares), ("answers", answers or None)):
        if given is not None and len(given) != len(factors):
            raise ValueError(f"{len(given)} {name} do not fit {len(factors)} factors.")
    records = _dose_records(factors, values, shares, answers, picked)
    lines = [*caption, ONE_PROMPT]
    x = _share_axis() if shares is not None else _factor_axis([r["x"] for r in records])
    y = alt.Y("y:Q", title=measure, scale=alt.Scale(zero=False, nice=True))
    shown = {
        "name": "factor",
        "value": measure,
        "share": "share read" if shares is not None else "",
        "answer": "answer" if answers else "",
    }
    tips = [alt.Tooltip(f"{field}:N", title=text) for field, text in shown.items() if text]
    base = alt.Chart(inline_data(records)).encode(x=x, y=y)
    line = base.mark_line(strokeWidth=2, color=OKABE_ITO[0]).encode(order=alt.Order("factor:Q"))
    dots = base.mark_point(filled=True, size=70, opacity=1, color=OKABE_ITO[0]).encode(tooltip=tips)
    layers: list[Any] = [line, dots]
    plain = [r for r in records if r["factor"] == 1]
    if plain:
        rule = alt.Chart(inline_data([{"y": plain[0]["y"]}])).mark_rule(color=GREY, strokeDash=[5, 4])
        layers.insert(0, rule.encode(y=alt.Y("y:Q")))
        lines.append("dashed: the plain run")
    if any(r["picked"] for r in records):
        ring = base.transform_filter("datum.picked").mark_point(size=260, strokeWidth=3, color=PICKED_COLOUR)
        layers.append(ring)
    over = "the share of attention that the part got" if shares is not None else "how many times as much it is read"
    said = "; ".join(f"{r['name']}: {r['value']}" for r in records)
    return alt.layer(
        *layers,
        width=width,
        height=height,
        title=title_block(title, lines),
        description=f"{title}: {measure} over {over}. {said}. " + " ".join(f"{line}." for line in lines),
        autosize=STRETCH,
    )


def _dose_records(
    factors: Sequence[float],
    values: Sequence[float],
    shares: Sequence[float] | None,
    answers: Sequence[str],
    picked: float | None,
) -> list[dict[str, Any]]:
    out = []
    for i, (factor, value) in enumerate(zip(factors, values, strict=True)):
        x = factor if shares is None else shares[i]
        if not (math.isfinite(value) and math.isfinite(x)) or (shares is None and factor <= 0):
            continue
        out.append(
            {
                "factor": float(factor),
                "x": exact_number(float(x)),
                "y": exact_number(float(value)),
                "name": f"× {factor_text(factor)}" if factor else "hidden",
                "value": significant_digits(float(value)),
                "share": percent_text(float(x)) if shares is not None else "",
                "answer": visible_label(answers[i], 80) if answers else "",
                "picked": picked is not None and math.isclose(factor, picked),
            }
        )
    return out


def _factor_axis(values: Sequence[float]) -> alt.X:
    axis = alt.Axis(values=sorted(values), labelExpr=FACTOR_TEXT, grid=False)
    return alt.X("x:Q", title="read … times as much", scale=alt.Scale(type="log", base=2, nice=False), axis=axis)


def _share_axis() -> alt.X:
    title = "share of attention that it really got"
    return alt.X("x:Q", title=title, scale=alt.Scale(zero=False, nice=True), axis=alt.Axis(format="~p", grid=False))
