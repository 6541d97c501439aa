"""Draws the next-token probabilities behind several prompts as grouped bars.

The tokens are the union of each prompt's best, likeliest first (by the largest probability that any prompt gives).
Guarded by tests/core/test_charts_next_token_bars.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from ..records import NextTokens
from .axis_labels import AxisLabels, with_labels
from .column_captions import WHOLE, fitting_names, name_lines, wrap_parts
from .matrix_layout import exact_number
from .panels import LISTED, inline_data
from .text_labels import OKABE_ITO, STRETCH, percent_text, significant_digits, title_block, visible_label

MOST_TOKENS = 20


def next_token_chart(
    next_tokens: NextTokens,
    names: Sequence[str],
    *,
    most: int = MOST_TOKENS,
    caption: Sequence[str] = (),
    width: int = 880,
    title: str = "The next token",
) -> alt.Chart:
    """Draws a group of bars per token and a bar per prompt (``names``). Raises ValueError where numbers differ."""
    logprobs = np.asarray(next_tokens.logprobs, float)
    if logprobs.shape != (len(names), len(next_tokens.texts)):
        raise ValueError(f"logprobs has shape {logprobs.shape}, expected {(len(names), len(next_tokens.texts))}.")
    whole = [visible_label(str(n), WHOLE) for n in names]
    labels = fitting_names(whole)
    order = np.argsort(-np.nan_to_num(logprobs, nan=-np.inf).max(0, initial=-np.inf), kind="stable")[:most]
    records = [
        _record(next_tokens.texts[t], place, logprobs[:, t], run, labels)
        for place, t in enumerate(order)
        for run in range(len(labels))
    ]
    places, words = list(range(len(order))), AxisLabels([visible_label(next_tokens.texts[t]) for t in order])
    prompts = AxisLabels(labels)
    axis = alt.Axis(
        title="next token",
        values=places,
        labelExpr=words.at(),
        labelLimit=180,
        ticks=False,
        domain=False,
        labelOverlap=False,
    )
    colours = [OKABE_ITO[i % (len(OKABE_ITO) - 1)] for i in range(len(labels))]
    chart = alt.Chart(inline_data(records)).mark_bar().encode(
        x=alt.X("p:Q", title="probability", scale=alt.Scale(domainMin=0), axis=alt.Axis(format=".0%", tickCount=8)),
        y=alt.Y("place:O", sort=None, scale=alt.Scale(domain=places or [0], paddingInner=0.25), axis=axis),
        yOffset=alt.YOffset("run:O", sort=None),
        color=alt.Color("run:O", scale=alt.Scale(domain=[*range(len(labels))], range=colours), legend=_legend(prompts)),
        tooltip=[
            alt.Tooltip("token:N", title="next token"),
            alt.Tooltip("prompt:N", title="after"),
            alt.Tooltip("amount:N", title="probability"),
            alt.Tooltip("nats:N", title="log-probability"),
            *(alt.Tooltip(f"c{i}:N", title=name) for i, name in enumerate(labels)),
        ],
    )  # fmt: skip
    rest = [
        f"{name} {percent_text(max(0.0, 1 - float(np.exp(logprobs[i, order]).sum())))}" for i, name in enumerate(labels)
    ]
    lines = [*name_lines(whole), *([next_tokens.model] if next_tokens.model else []), *caption]
    lines += wrap_parts("on all other tokens: ", rest)
    said = f"{title}: probabilities of {len(order)} tokens after {len(labels)} prompts."
    return with_labels(chart, words, prompts).properties(
        width=width,
        height=max(60, len(order) * max(22, 9 * len(labels) + 6)),
        title=title_block(title, lines),
        description=" ".join([said, *(line + "." for line in lines)]),
        autosize=STRETCH,
    )


def _record(text: str, place: int, logprobs: np.ndarray, run: int, names: Sequence[str]) -> dict[str, Any]:
    each = {f"c{i}": percent_text(float(np.exp(v))) for i, v in enumerate(logprobs)}
    value = float(logprobs[run])
    return {
        "place": place,
        "token": visible_label(text),
        "run": run,
        "prompt": names[run],
        "p": exact_number(float(np.exp(value))),
        "amount": percent_text(float(np.exp(value))),
        "nats": f"{significant_digits(value)} nats",
    } | each


def _legend(names: AxisLabels) -> alt.Legend:
    return alt.Legend(title="after", labelExpr=names.at(), labelLimit=260, **LISTED)
