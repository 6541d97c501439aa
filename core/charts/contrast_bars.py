"""Draws which input words speak for a word of the answer and which for another one: bars to both sides of 0.

Guarded by tests/core/test_charts_contrast_bars.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np

from .axis_labels import AxisLabels, with_labels
from .matrix_layout import exact_number
from .panels import BELOW, inline_data
from .text_labels import GREY, STRETCH, significant_digits, title_block, visible_label
from .word_differences import BLUE, ORANGE

MOST_WORDS = 20


def contrast_bars_chart(
    labels: Sequence[str],
    values: np.ndarray,
    word: str,
    other: str,
    *,
    caption: Sequence[str] = (),
    most: int = MOST_WORDS,
    width: int = 880,
) -> alt.LayerChart:
    """Draws a bar for each of the ``most`` words with the largest values, in the order of the text.

    ``labels`` [U] and ``values`` float [U] in nats of log-odds: above 0 for ``word``, below for ``other``. Raises
    ValueError where the numbers of labels and values differ.
    """
    found = np.nan_to_num(np.asarray(values, float))
    if found.shape != (len(labels),):
        raise ValueError(f"values has shape {found.shape}, expected {(len(labels),)}.")
    shown = np.sort(np.argsort(-np.abs(found), kind="stable")[:most])
    one, two = (f"for “{visible_label(name)}”" for name in (word, other))
    records = [_record(place, labels[i], float(found[i]), one, two) for place, i in enumerate(shown.tolist())]
    words = AxisLabels([visible_label(labels[i], 40) for i in shown])
    places = list(range(len(records)))
    axis = alt.Axis(
        title=None, values=places, labelExpr=words.at(), labelLimit=200, ticks=False, domain=False, labelOverlap=False
    )
    base = alt.Chart(inline_data(records)).encode(
        y=alt.Y("place:O", sort=None, scale=alt.Scale(domain=places or [0], paddingInner=0.25), axis=axis)
    )
    bars = base.mark_bar().encode(
        x=alt.X("value:Q", title="nats of log-odds", axis=alt.Axis(format="+~f", tickCount=6)),
        color=alt.Color(
            "way:N",
            scale=alt.Scale(domain=[one, two], range=[BLUE, ORANGE]),
            legend=alt.Legend(title="speaks", **BELOW),
        ),
        tooltip=[
            alt.Tooltip("label:N", title="input"),
            alt.Tooltip("way:N", title="speaks"),
            alt.Tooltip("said:N", title="log-odds"),
        ],
    )
    zero = alt.Chart(alt.InlineData(values=[{"value": 0}])).mark_rule(color=GREY).encode(x=alt.X("value:Q"))
    title = f"“{visible_label(word)}” rather than “{visible_label(other)}”"
    left = len(labels) - len(shown)
    lines = [*caption, *([f"the {len(shown)} words with the largest values; {left} more are smaller"] if left else [])]
    return with_labels(alt.layer(bars, zero), words).properties(
        width=width,
        height=max(22 * len(records), 44),
        title=title_block(title, lines),
        description=" ".join([f"{title}: nats of log-odds by input word.", *(f"{line}." for line in lines)]),
        autosize=STRETCH,
    )


def _record(place: int, label: str, value: float, one: str, two: str) -> dict[str, object]:
    sign, way = ("+", one) if value >= 0 else ("−", two)
    said = f"{sign}{significant_digits(abs(value))} nats"
    return {"place": place, "label": visible_label(label), "value": exact_number(value), "way": way, "said": said}
