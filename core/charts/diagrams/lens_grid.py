"""Draws how the answer's tokens form over the layers: the lens's first choice at each layer, and when it settles.

The logit lens (nostalgebraist 2020, "interpreting GPT: the logit lens") applies the model's last norm and output matrix
to what a middle layer hands on. Early layers need not write in that basis, so a wrong guess there does not mean that
the model knows nothing yet; a tuned lens (Belrose et al. 2023, "Eliciting Latent Predictions from Transformers with the
Tuned Lens") corrects for it. Guarded by tests/core/test_charts_diagrams_lens_grid.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from ...records import Components, Trace
from ..axis_labels import AxisLabels, with_labels
from ..matrix_layout import exact_number
from ..panels import inline_data
from ..text_labels import title_block, visible_label
from .figure_style import SEQUENTIAL, TWO_COLUMNS, wrapped_caption
from .layer_token_map import components_of

CAVEAT = {
    "logit lens": "Early layers need not write in the basis of the output: a wrong guess there is no lack of knowledge",
    "tuned lens": "A tuned lens was trained to guess the output from each layer: it may know more than the layer",
}
CELL_HEIGHT = 17


def lens_grid(
    trace: Trace, *, width: int = TWO_COLUMNS, steps: slice = slice(None), caption: Sequence[str] = ()
) -> alt.LayerChart:
    """Draws layer x step with the lens's first choice in each cell, shaded by its probability; the last layer on top.

    Cells in which the first choice is the answer's own token have a frame. ``steps``: a part of the answer. Raises
    MethodError where the run has no components.
    """
    parts = components_of(trace)
    texts = list(trace.output_tokens)[steps]
    layers = len(parts.lens_ids)
    cells = [cell for layer in range(layers) for cell in _row(parts, trace, layer, steps)]
    plot = width - 130
    wide = max(26.0, min(90.0, plot / max(len(texts), 1)))
    box = {"width": wide * len(texts), "height": CELL_HEIGHT * layers}
    names = ["embedding", *(str(layer) for layer in range(layers - 1))]
    labels = {"x": AxisLabels([visible_label(t, 14) for t in texts]), "y": AxisLabels(names)}
    x, y = lens_axes(len(texts), layers, labels)
    base = alt.Chart(inline_data(cells)).encode(x=x, y=y)
    legend = alt.Legend(title="probability", format=".0%", tickCount=3, gradientLength=100)
    scale = alt.Scale(scheme=SEQUENTIAL, domain=[0, 1])
    rects = base.mark_rect().encode(color=alt.Color("probability:Q", scale=scale, legend=legend), tooltip=_tooltips())
    own = base.transform_filter("datum.place == 1").mark_rect(fill=None, stroke="#15202b", strokeWidth=1)
    words = base.mark_text(fontSize=9, limit=wide - 3, tooltip=None).encode(
        text="first:N", color=alt.condition("datum.probability > 0.55", alt.value("#ffffff"), alt.value("#15202b"))
    )
    told = "framed: the lens's first choice is the token that the answer has there"
    lines = [trace.model.caption, f"{parts.lens} · {told}", CAVEAT[parts.lens.partition(":")[0]]]
    chart = with_labels(alt.layer(rects, own, words), *labels.values())
    title = "How the answer forms over the layers"
    return chart.properties(**box, title=title_block(title, wrapped_caption([*caption, *lines], width)))


def _row(parts: Components, trace: Trace, layer: int, steps: slice) -> list[dict[str, Any]]:
    places = np.arange(trace.steps)[steps]
    return [
        {
            "x": at,
            "y": layer,
            "first": visible_label(parts.lens_texts[layer][t], 14),
            "probability": exact_number(float(np.exp(parts.lens_logprobs[layer, t]))),
            "entropy": exact_number(float(parts.lens_entropy[layer, t])),
            "place": int(parts.final_ranks[layer, t]),
            "own": visible_label(trace.output_tokens[t], 14),
            "own_probability": exact_number(float(np.exp(parts.final_logprobs[layer, t]))),
            "step": int(t) + 1,
        }
        for at, t in enumerate(places.tolist())
    ]


def _tooltips() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("step:Q"),
        alt.Tooltip("first:N", title="first choice"),
        alt.Tooltip("probability:Q", title="its probability", format=".2~%"),
        alt.Tooltip("entropy:Q", title="entropy (nats)", format=".3~r"),
        alt.Tooltip("own:N", title="the answer's token"),
        alt.Tooltip("place:Q", title="its place"),
        alt.Tooltip("own_probability:Q", title="its probability here", format=".2~%"),
    ]


def lens_axes(columns: int, rows: int, labels: dict[str, AxisLabels]) -> tuple[Any, Any]:
    """Returns the encodings of steps (below) and layers (the last on top) with labels that are carried as data."""
    look: dict[str, Any] = {"grid": False, "ticks": False, "domain": False, "labelOverlap": False, "labelPadding": 3}
    across = alt.Axis(
        title="answer", labelAngle=-90, labelFontSize=10, labelLimit=90, labelExpr=labels["x"].at("datum.value"), **look
    )
    down = alt.Axis(title="layer", labelFontSize=9, labelExpr=labels["y"].at("datum.value"), **look)
    x = alt.X("x:O", scale=alt.Scale(domain=list(range(columns)), padding=0), axis=across)
    return x, alt.Y("y:O", scale=alt.Scale(domain=list(range(rows))[::-1], padding=0), axis=down)


def decision_strip(
    trace: Trace, *, width: int = TWO_COLUMNS, steps: slice = slice(None), caption: Sequence[str] = ()
) -> alt.LayerChart:
    """Draws for each token of the answer the layer from which on it stayed the lens's first choice.

    A low bar was settled early; a hollow one never became the first choice (the answer was given or drawn at random).
    Raises MethodError where the run has no components.
    """
    parts = components_of(trace)
    texts, first = list(trace.output_tokens)[steps], parts.first_choice[steps].tolist()
    records = [
        {"x": i, "layer": min(layer, parts.layers), "token": visible_label(text), "never": layer > parts.layers,
         "said": "never" if layer > parts.layers else "the embedding" if layer == 0 else f"layer {layer - 1}"}
        for i, (text, layer) in enumerate(zip(texts, first, strict=True))
    ]  # fmt: skip
    labels = AxisLabels([visible_label(text, 14) for text in texts])
    wide = max(8.0, min(46.0, (width - 60) / max(len(texts), 1)))
    look: dict[str, Any] = {"grid": False, "ticks": False, "labelOverlap": False}
    axis = alt.Axis(title="answer", labelAngle=-90, labelFontSize=10, labelExpr=labels.at("datum.value"), **look)
    x = alt.X("x:O", scale=alt.Scale(domain=list(range(len(texts))), paddingInner=0.15), axis=axis)
    top = alt.Scale(domain=[0, parts.layers], nice=False)
    y = alt.Y("layer:Q", scale=top, axis=alt.Axis(title="settled after layers", tickMinStep=1, grid=True))
    tips = [alt.Tooltip("token:N"), alt.Tooltip("said:N", title="first choice from")]
    base = alt.Chart(inline_data(records)).encode(x=x, y=y, tooltip=tips)
    settled = base.transform_filter("!datum.never").mark_bar(color="#2468a4")
    never = base.transform_filter("datum.never").mark_bar(fill=None, stroke="#2468a4", strokeDash=[3, 2])
    lines = [
        trace.model.caption,
        f"{parts.lens} · hollow: never its first choice",
        CAVEAT[parts.lens.partition(":")[0]],
    ]
    title = "From which layer on each token was settled"
    return with_labels(alt.layer(settled, never), labels).properties(
        width=wide * len(texts), height=150, title=title_block(title, wrapped_caption([*caption, *lines], width))
    )
