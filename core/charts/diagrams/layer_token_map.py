"""Draws a number of every layer at every token, and lists what a run with components has to show so.

Guarded by tests/core/test_charts_diagrams_layer_token_map.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np

from ...errors import MethodError
from ...records import Components, Trace
from ..axis_labels import AxisLabels, with_labels
from ..matrix_layout import exact_number
from ..panels import inline_data
from ..text_labels import thin_labels, title_block, visible_label
from .figure_style import SEQUENTIAL, TWO_COLUMNS, wrapped_caption


@dataclass(frozen=True)
class ComponentView:
    """One thing that can be drawn as layer x token."""

    label: str
    about: str
    """What it is, in one sentence that a stranger understands."""
    unit: str
    steps: bool
    """Columns are the steps of the answer; else every token that was read."""
    values: Callable[[Trace, Components], np.ndarray]
    """float [layer, column]"""
    logarithmic: bool = False
    embedding: bool = False
    """The first row is the embedding, before any layer."""


COMPONENT_VIEWS: dict[str, ComponentView] = {
    "residual": ComponentView(
        "Residual stream",
        "How long the vector is that each layer hands on at each token; a few tokens (sinks) often outgrow all others.",
        "norm",
        False,
        lambda trace, parts: parts.residual,
        logarithmic=True,
        embedding=True,
    ),
    "attention_write": ComponentView(
        "What attention writes",
        "How much each layer's attention adds to the vector of each token.",
        "norm",
        False,
        lambda trace, parts: parts.attention_write,
        logarithmic=True,
    ),
    "mlp_write": ComponentView(
        "What the MLP writes",
        "How much each layer's MLP adds to the vector of each token.",
        "norm",
        False,
        lambda trace, parts: parts.mlp_write,
        logarithmic=True,
    ),
    "key_norms": ComponentView(
        "Length of keys",
        "How long the key vectors are, mean over heads; a short one is easily passed over.",
        "norm",
        False,
        lambda trace, parts: _mean_of_heads(trace, parts.key_norms),
    ),
    "value_norms": ComponentView(
        "Length of values",
        "How long the value vectors are, mean over heads; sinks have short ones: reading them adds little.",
        "norm",
        False,
        lambda trace, parts: _mean_of_heads(trace, parts.value_norms),
    ),
    "attention_entropy": ComponentView(
        "Spread of attention",
        "How evenly each layer's heads read: 0 one token alone, 1 everything equally.",
        "of the most that is possible",
        True,
        lambda trace, parts: attention_spread(trace),
    ),
    "lens_probability": ComponentView(
        "How sure the lens is",
        "Probability of the lens's first choice at each layer, when the last step is applied there already.",
        "probability",
        True,
        lambda trace, parts: np.exp(parts.lens_logprobs),
        embedding=True,
    ),
    "final_rank": ComponentView(
        "Place of the answer's token",
        "At which place among all tokens the lens has the token that the answer has there; 1 is the first.",
        "place",
        True,
        lambda trace, parts: parts.final_ranks.astype(float),
        logarithmic=True,
        embedding=True,
    ),
    "lens_entropy": ComponentView(
        "Doubt of the lens",
        "Entropy of the lens's distribution: how open the next token still is at each layer.",
        "nats",
        True,
        lambda trace, parts: parts.lens_entropy,
        embedding=True,
    ),
}
"""{name: what can be drawn of a run with components}"""


def component_map(
    trace: Trace, name: str, *, width: int = TWO_COLUMNS, columns: slice = slice(None), caption: Sequence[str] = ()
) -> alt.LayerChart:
    """Draws one of ``COMPONENT_VIEWS`` of a run.

    ``columns``: a part of the tokens or steps. Raises MethodError where the run has no components, or this one is not
    known for its model.
    """
    view, parts = COMPONENT_VIEWS[name], components_of(trace)
    values = np.asarray(view.values(trace, parts), float)
    if not np.isfinite(values).any():
        raise MethodError(f"{view.label} is not known for {trace.model.label}: its layers are built in another way.")
    texts = trace.output_tokens if view.steps else trace.tokens.texts[:-1]
    rows = (
        [f"{i}" for i in range(len(values))] if not view.embedding else ["embedding", *map(str, range(len(values) - 1))]
    )
    lens = [f"{parts.lens}: the last norm and output matrix applied early"] if "lens" in name or "rank" in name else []
    return layer_token_map(
        values[:, columns],
        list(texts)[columns],
        rows,
        unit=view.unit,
        logarithmic=view.logarithmic,
        width=width,
        caption=[*caption, trace.model.caption, *lens, view.about],
        title=view.label,
    )


def components_of(trace: Trace) -> Components:
    """Returns the components of a run. Raises MethodError where they were not recorded."""
    if trace.components is None:
        raise MethodError("This run does not keep its other components: run it again with keep='components'.")
    return trace.components


def attention_spread(trace: Trace) -> np.ndarray:
    """Returns float [layer, step]: entropy of a head's row over that of reading everything equally, mean over heads.

    NaN where a layer has no attention. Raises MethodError where the run does not keep every head.
    """
    rows = trace.attention
    shares = rows / np.maximum(rows.sum(-1, keepdims=True), 1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.nansum(np.where(shares > 0, shares * np.log(shares), 0), axis=-1)
    readable = np.arange(trace.steps) + trace.prompt_length if trace.model.kind != "encdec" else trace.prompt_length
    most = np.log(np.maximum(readable, 2))
    with np.errstate(invalid="ignore"):
        entropy = np.where(np.isfinite(rows).any(-1), entropy, np.nan)
        return np.array([np.nanmean(layer, 0) if np.isfinite(layer).any() else layer[0] for layer in entropy]) / most


def _mean_of_heads(trace: Trace, norms: np.ndarray) -> np.ndarray:
    """Returns float [layer, key] of [attention layer, head, key]; NaN where a layer has no attention."""
    out = np.full((trace.model.layers, norms.shape[2]), np.nan)
    for at, layer in enumerate(trace.model.attention_layers):
        if np.isfinite(norms[at]).any():
            out[layer] = np.nanmean(norms[at], 0)
    return out


def layer_token_map(
    values: np.ndarray,
    tokens: Sequence[str],
    rows: Sequence[str] | None = None,
    *,
    unit: str = "value",
    logarithmic: bool = False,
    width: int = TWO_COLUMNS,
    caption: Sequence[str] = (),
    title: str = "Layers and tokens",
) -> alt.LayerChart:
    """Draws ``values`` [layer, token], the first layer at the bottom; hover shows every number.

    ``rows`` name the layers, 0 .. L-1 where not given. Where there are more tokens than pixels allow, only some are
    labelled. Raises ValueError where the labels do not fit the values.
    """
    values = np.asarray(values, float)
    named = list(rows) if rows is not None else [str(i) for i in range(len(values))]
    if values.ndim != 2 or values.shape != (len(named), len(tokens)):
        raise ValueError(f"values has shape {values.shape}, expected {(len(named), len(tokens))} (layers, tokens).")
    known = values[np.isfinite(values) & ((values > 0) if logarithmic else True)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    low = low if logarithmic or low < 0 else 0.0
    plot = width - 150
    side, tall = max(1.0, min(34.0, plot / max(len(tokens), 1))), max(5.0, min(16.0, 480 / max(len(named), 1)))
    box = (side * len(tokens), tall * len(named))
    cells = [
        {"x": t, "y": layer, "layer": named[layer], "token": visible_label(tokens[t]), "place": t + 1,
         "value": exact_number(float(values[layer, t]))}
        for layer, t in np.argwhere(np.isfinite(values)).tolist()
    ]  # fmt: skip
    scale = alt.Scale(
        scheme=SEQUENTIAL, type="log" if logarithmic and low > 0 else "linear", domain=[low, max(high, low + 1e-9)]
    )
    colour = alt.Color(
        "value:Q", scale=scale, legend=alt.Legend(title=unit, gradientLength=min(120, box[1]), tickCount=4)
    )
    labels = {"x": AxisLabels([visible_label(t, 14) for t in tokens]), "y": AxisLabels(named)}
    x, y = _axes(len(tokens), len(named), box, labels)
    tips = [
        "layer:N",
        "token:N",
        alt.Tooltip("place:Q", title="token no."),
        alt.Tooltip("value:Q", title=unit, format=".4~g"),
    ]
    mark = alt.Chart(inline_data(cells)).mark_rect(width={"band": 1 + 0.7 / side}, height={"band": 1 + 0.7 / tall})
    chart = with_labels(alt.layer(mark.encode(x=x, y=y, color=colour, tooltip=tips)), *labels.values())
    return chart.properties(width=box[0], height=box[1], title=title_block(title, wrapped_caption(caption, width)))


def _axes(columns: int, rows: int, box: tuple[float, float], labels: dict[str, AxisLabels]) -> tuple[Any, Any]:
    look: dict[str, Any] = {"grid": False, "ticks": False, "domain": False, "labelOverlap": False, "labelPadding": 3}
    size = max(8, min(11, box[0] / max(columns, 1) * 0.85))
    across = alt.Axis(
        title=None,
        orient="bottom",
        labelAngle=-90,
        labelFontSize=size,
        labelLimit=90,
        values=thin_labels(columns, box[0], 10),
        labelExpr=labels["x"].at("datum.value"),
        **look,
    )
    every = max(1, math.ceil(11 * rows / max(box[1], 1)))
    down = alt.Axis(
        title="layer",
        labelFontSize=9,
        values=list(range(0, rows, every)),
        labelExpr=labels["y"].at("datum.value"),
        **look,
    )
    x = alt.X("x:O", scale=alt.Scale(domain=list(range(columns)), padding=0), axis=across)
    return x, alt.Y("y:O", scale=alt.Scale(domain=list(range(rows))[::-1], padding=0), axis=down)
