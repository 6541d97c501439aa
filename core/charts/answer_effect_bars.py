"""Draws the effect of an ablation on each word of the same answer, as bars to both sides of 0.

A bar is the log-probability that a word loses (with nothing hidden, less with the part hidden), as everywhere else:
above 0 the word is less likely without it. A word's log-probability is the sum over its tokens, and a token that two
words share is split between them by its characters. Guarded by tests/core/test_charts_attention_vs_effect_plot.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import altair as alt
import numpy as np

from ..comparing.answer_effects import sum_by_word
from ..records import Probe, Trace, Units
from ..text.units import units
from .axis_labels import AxisLabels, with_labels
from .matrix_layout import exact_number
from .panels import BELOW, inline_data
from .text_labels import GREY, SIDES, STRETCH, significant_digits, title_block, visible_label
from .word_differences import BLUE, ORANGE

MODE_SENTENCES = {
    "mask": "hidden: attention mask 0, positions kept",
    "remove": "removed: the prompt rendered anew without it",
}
LESS, MORE = "less likely", "likelier"


def effect_bars(
    probe: Probe,
    variant: int,
    trace: Trace,
    *,
    per: Literal["sum", "mean"] = "sum",
    hidden: str | None = None,
    caption: Sequence[str] = (),
    width: int = 880,
    height: int = 260,
    select: str | None = None,
    title: str | None = None,
) -> alt.LayerChart:
    """Draws a bar per word of the answer for ``probe``'s ``variant``: the sum of what its tokens lose (or the mean).

    ``hidden`` names what was ablated (by default the labels of the variant's units). ``select`` names a point selection
    over the field ``word``. Raises IndexError for a variant that the probe does not have.
    """
    if not 0 <= variant < len(probe.masks):
        raise IndexError(f"There is no variant {variant}: this probe has {len(probe.masks)}.")
    words = answer_words(trace)
    records = _records(probe, variant, trace, words, per)
    gone = hidden if hidden is not None else _hidden(probe, variant)
    lines = [probe.model or trace.model.caption, *caption, f"{MODE_SENTENCES[probe.mode]} · run {probe.trace_id[:8]}"]
    if records and not any(r["lost"] is not None for r in records):
        lines.append("this variant cannot be made, so there is nothing to draw")
    extent = 1.15 * (max((abs(r["lost"]) for r in records if r["lost"] is not None), default=0) or 1)
    labels = AxisLabels([r["label"] for r in records])
    span = alt.Scale(domain=[-0.5, max(len(records), 1) - 0.5], nice=False)
    x = alt.X("a:Q", scale=span, axis=_axis(labels, len(records), width))
    name = "log-probability lost without it (nats)" + ("" if per == "sum" else ", mean over tokens")
    y = alt.Y(
        "lost:Q",
        title=name,
        scale=alt.Scale(domain=[-extent, extent], nice=False),
        axis=alt.Axis(format="+~f", tickCount=6),
    )
    color = alt.Color(
        "way:N",
        scale=alt.Scale(domain=[LESS, MORE], range=[ORANGE, BLUE]),
        legend=alt.Legend(title="without it", **BELOW),
    )
    base = alt.Chart(inline_data(records)).transform_filter("datum.lost !== null")
    base = base.transform_calculate(a="datum.word - 0.4", b="datum.word + 0.4")
    bars = base.mark_rect().encode(x=x, x2=alt.X2("b:Q"), y=y, y2=alt.datum(0), color=color, tooltip=_tooltip())
    if select:
        bars = bars.add_params(alt.selection_point(name=select, fields=["word"], empty=False))
    zero = alt.Chart(alt.InlineData(values=[{"lost": 0}])).mark_rule(color=GREY).encode(y=alt.Y("lost:Q"))
    title = title or f"The same answer without {gone}"
    total = sum(r["lost"] for r in records if r["lost"] is not None)
    said = f"{title}: log-probability lost by {len(records)} words, {total:+.3g} nats in all."
    chart = with_labels(alt.layer(bars, zero), labels)
    return chart.properties(
        width=width,
        height=height,
        title=title_block(title, lines),
        description=" ".join([said, *(line + "." for line in lines)]),
        autosize=STRETCH,
    )


def answer_words(trace: Trace) -> Units:
    """Returns the output by words; by tokens where spans are not proven."""
    positions = range(trace.prompt_length, len(trace.tokens))
    return units(trace.tokens, "word" if trace.tokens.proven else "token", positions)


def _records(probe: Probe, variant: int, trace: Trace, words: Units, per: str) -> list[dict[str, Any]]:
    steps = sum_by_word(trace, np.ones(trace.steps), words)
    before = sum_by_word(trace, probe.base, words)
    after = sum_by_word(trace, probe.logprobs[variant], words)
    scale = np.divide(1, steps, where=steps > 0, out=np.zeros(len(steps))) if per == "mean" else np.ones(len(steps))
    out: list[dict[str, Any]] = []
    for u in np.flatnonzero(steps > 0).tolist():
        lost = float((before[u] - after[u]) * scale[u])
        sign = "-" if lost < 0 else "+"
        out.append(
            {
                "word": len(out),
                "unit": u,
                "label": visible_label(words.labels[u]),
                "lost": exact_number(lost),
                "way": LESS if lost > 0 else MORE,
                "said": f"{sign}{significant_digits(abs(lost))} nats" if math.isfinite(lost) else "not known",
                "before": f"{significant_digits(float(before[u]))} nats",
                "after": f"{significant_digits(float(after[u]))} nats",
            }
        )
    return out


def _hidden(probe: Probe, variant: int) -> str:
    """Returns the labels of what this variant hides, the first few."""
    gone = [visible_label(probe.units.labels[i]) for i in np.flatnonzero(probe.masks[variant])]
    shown = " ".join(f"“{w}”" for w in gone[:4])
    return (shown + (f" and {len(gone) - 4} more" if len(gone) > 4 else "")) or "anything hidden"


def _axis(labels: AxisLabels, count: int, width: int) -> alt.Axis:
    return alt.Axis(
        title="words of the answer",
        values=list(range(count)),
        labelExpr=labels.fitting(14, width - SIDES),
        ticks=False,
        labelAngle=-50,
        labelAlign="right",
        labelOverlap=False,
        labelLimit=110,
        grid=False,
    )


def _tooltip() -> list[alt.Tooltip]:
    names = {
        "label": "word of the answer",
        "said": "lost",
        "before": "log-probability before",
        "after": "and without it",
    }
    return [alt.Tooltip(f"{field}:N", title=title) for field, title in names.items()]
