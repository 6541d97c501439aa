"""Draws which input words speak for a word of the answer and which for another one: bars to both sides of 0.

Guarded by tests/core/test_charts_contrast_bars.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import altair as alt
import numpy as np

from ..records import Attribution
from .axis_labels import AxisLabels, with_labels
from .matrix_layout import exact_number
from .panels import BELOW, inline_data
from .text_labels import GREY, STRETCH, significant_digits, title_block, visible_label
from .word_differences import BLUE, ORANGE

MOST_WORDS = 20
NAMED = 3
"""Most words that the sentence names for each side."""


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


def plain_words(word: str, other: str) -> tuple[str, str]:
    """Returns both tokens without spaces around them, unless they differ in nothing else or are nothing else."""
    bare = word.strip(), other.strip()
    return bare if all(bare) and bare[0] != bare[1] else (word, other)


def contrast_sentence(labels: Sequence[str], values: np.ndarray, word: str, other: str, odds: float) -> str:
    """Returns which words speak for either side, and by how much the model preferred one."""
    one, two = (f"“{visible_label(text)}”" for text in (word, other))
    order = np.argsort(-values, kind="stable")
    fores = [i for i in order[:NAMED] if values[i] > 0]
    against = [i for i in order[::-1][:NAMED] if values[i] < 0]

    def named(places: list[int]) -> str:
        return ", ".join(f"“{visible_label(labels[i])}” ({values[i]:+.2f})" for i in places).replace("-", "−")

    factor = math.exp(min(abs(odds), 50))
    times = f"{factor:,.1f} times" if factor >= 1.05 else "about"
    said = f"{one} was {times} as likely as {two}." if odds >= 0 else f"{two} was {times} as likely as {one}."
    if fores:
        said += f" For {one} speak most {named(fores)}."
    if against:
        said += f" For {two} speak {named(against)}."
    return said


def contrast_sums(found: Attribution, values: np.ndarray, odds: float) -> str:
    """Returns what the bars add up to, beside the rest of what was read and the log-odds themselves."""
    own, rest = float(values.sum()), float(found.values[0].sum() - values.sum())
    all_of_it, bars, others = (f"{value:+.2f}".replace("-", "−") for value in (odds, own, rest))
    said = (
        f"In nats of log-odds, which are {all_of_it}: the bars add up to {bars}, markup, system message and "
        f"earlier output to {others}. "
    )
    if found.kind == "integrated-gradients":
        said += "The sum is what the log-odds lose without your words, but for the gap that is told."
    else:
        said += (
            "These are slopes times what stands there, so they need not add up to the log-odds, nor have their sign."
        )
    return said
