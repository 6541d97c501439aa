"""Draws what one layer (or one head) at a time does to an answer when it alone reads a part more: bars around 0.

Guarded by tests/core/test_charts_place_effects.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt

from .answer_effect_bars import LESS, MORE
from .dose_response_charts import ONE_PROMPT
from .matrix_layout import exact_number
from .panels import BELOW, PICKED_COLOUR, inline_data
from .text_labels import GREY, STRETCH, significant_digits, thin_labels, title_block
from .word_differences import BLUE, ORANGE

EACH_ALONE = "each alone: what several do together can differ from their sum"


def place_effects_chart(
    places: Sequence[int],
    changes: Sequence[float],
    *,
    kind: str = "layer",
    what: str = "the answer",
    picked: int | None = None,
    select: str | None = None,
    caption: Sequence[str] = (),
    title: str = "Where does it work?",
    width: int = 880,
    height: int = 220,
) -> alt.LayerChart:
    """Draws a bar for each of ``places`` (numbers of layers, or of heads): ``changes`` in nats, above 0 likelier.

    ``what`` became likelier or less likely; ``picked`` is a place to mark; ``select`` names a point selection over the
    field ``place``. NaN has no bar. Raises ValueError where lengths differ.
    """
    if len(places) != len(changes):
        raise ValueError(f"{len(changes)} changes do not fit {len(places)} places.")
    records = [_place_record(p, float(c), kind) for p, c in zip(places, changes, strict=True) if math.isfinite(c)]
    extent = 1.15 * max((abs(r["change"]) for r in records), default=0) or 1
    labelled = thin_labels(len(places), width, 26)
    axis = alt.Axis(labelAngle=0, values=[int(places[i]) for i in labelled])
    x = alt.X("place:O", title=kind, scale=alt.Scale(domain=[int(p) for p in places]), axis=axis)
    domain = alt.Scale(domain=[-extent, extent], nice=False)
    y = alt.Y("change:Q", title="change (nats)", scale=domain, axis=alt.Axis(format="+~f", tickCount=5))
    way = alt.Scale(domain=[MORE, LESS], range=[BLUE, ORANGE])
    color = alt.Color("way:N", scale=way, legend=alt.Legend(title=what, **BELOW))
    names = {"name": kind, "said": "change", "way": what}
    tips = [alt.Tooltip(f"{field}:N", title=text) for field, text in names.items()]
    bars = alt.Chart(inline_data(records)).mark_bar().encode(x=x, y=y, color=color, tooltip=tips)
    if select:
        bars = bars.add_params(alt.selection_point(name=select, fields=["place"], empty=False))
    layers: list[Any] = [
        bars,
        alt.Chart(inline_data([{"change": 0}])).mark_rule(color=GREY).encode(y=alt.Y("change:Q")),
    ]
    mine = [r for r in records if r["place"] == picked]
    if mine:
        ring = alt.Chart(inline_data(mine)).mark_bar(filled=False, stroke=PICKED_COLOUR, strokeWidth=2)
        layers.append(ring.encode(x=x, y=y))
    lines = [*caption, EACH_ALONE, ONE_PROMPT]
    best = max(records, key=lambda r: abs(r["change"]), default=None)
    most = f" Most at {kind} {best['place']}: {best['said']}." if best else ""
    said = f"{title} {len(records)} {kind}s, each alone: how {what} changes, in nats.{most}"
    return alt.layer(
        *layers,
        width=width,
        height=height,
        title=title_block(title, lines),
        description=" ".join([said, *(f"{line}." for line in lines)]),
        autosize=STRETCH,
    )


def _place_record(place: int, change: float, kind: str) -> dict[str, Any]:
    sign = "+" if change >= 0 else "-"
    return {
        "place": int(place),
        "name": f"{kind} {place}",
        "change": exact_number(change),
        "said": f"{sign}{significant_digits(abs(change))} nats",
        "way": MORE if change >= 0 else LESS,
    }
