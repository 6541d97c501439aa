"""Draws how each token of the answer forms over the layers: the lens's first choice, and when it is settled.

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
from ..matrix_layout import exact_number
from ..text_labels import visible_label
from ..text_widths import fitting_text
from .figure_style import SEQUENTIAL, TWO_COLUMNS
from .layer_grid import LEGEND_HEIGHT, GridSide, LayerGrid, bar_place
from .layer_token_map import layer_rows, lens_caveat, lens_of
from .pixel_canvas import INK, PixelCanvas

NARROWEST_WORD, WIDEST_WORD = 26, 64
"""Pixels of a column that can bear words."""
WORD_SIZE, WORD_ROW = 7.5, 11.5
"""Pixels of a letter and of a row."""
WHITE_FROM = 0.6
"""Probability from which on words are white."""
STRIP_BAR = "#2468a4"
WIDEST_BAR, NARROWEST_BAR, STRIP_HEIGHT = 26, 4, 190
"""Pixels of a bar, and of all layers together."""


def lens_grid(
    trace: Trace,
    *,
    width: int = TWO_COLUMNS,
    steps: slice = slice(None),
    caption: Sequence[str] = (),
    title: str = "How the answer forms over the layers",
    select: str | None = None,
) -> alt.LayerChart:
    """Draws layer x step with the lens's first choice in each cell, shaded by its probability; the last layer on top.

    Cells in which the first choice is the answer's own token have a frame. ``steps``: a part of the answer; of more
    than fit the width the first are shown, and the caption says so. ``select``: name of a point selection over ``r``
    (0 the embedding, l the l-th layer) and ``step`` (from 1). Raises MethodError where the run has no components or no
    lens.
    """
    parts = lens_of(trace)
    room = PixelCanvas(width, 0).inner
    shown, said = _fitting(trace, steps, int((room - 50) // NARROWEST_WORD))
    sides = GridSide("after layer", tuple(layer_rows(parts.layers, True))), _answer(trace, shown)
    grid = LayerGrid(*sides, room=room, widest=WIDEST_WORD, cell_height=WORD_ROW, upwards=True)
    canvas = PixelCanvas(width, round(grid.bottom + LEGEND_HEIGHT + 8, 1))
    base = grid.base(_cells(parts, trace, shown, grid.cell[0]))
    scale = alt.Scale(scheme=SEQUENTIAL, domain=[0, 1], clamp=True)
    bar = alt.Legend(title="probability of the token in the cell", format=".0%", **bar_place(0, grid.bottom + 12))
    cells = grid.cells(base, canvas, stroke="#ffffff", strokeWidth=0.6)
    cells = cells.encode(fill=alt.Fill("probability:Q", scale=scale, legend=bar), tooltip=_tooltips())
    if select:
        cells = cells.add_params(alt.selection_point(name=select, fields=["r", "step"], empty=False))
    told = "framed: the lens's first choice is the token that the answer has there"
    lines = [*caption, " · ".join([trace.model.caption, parts.lens, *said]), told, lens_caveat(parts)]
    layered = [grid.ground(canvas), cells, *_words(base, canvas), *grid.labels(canvas)]
    described = f"{title}: {len(parts.lens_ids)} rows of layers by {len(shown)} steps."
    return grid.named(canvas.finish(layered, title, lines, described))


def _fitting(trace: Trace, steps: slice, most: int) -> tuple[list[int], list[str]]:
    """Returns the steps that are shown, and what is said of those that are not."""
    picked = list(range(trace.steps))[steps]
    if len(picked) <= most:
        return picked, []
    return picked[:most], [f"{most} of {len(picked)} steps: more do not fit this width"]


def _answer(trace: Trace, steps: list[int]) -> GridSide:
    """Returns the tokens of these steps as columns."""
    roles = trace.tokens.roles[trace.prompt_length :]
    texts = tuple(visible_label(trace.output_tokens[t]) for t in steps)
    return GridSide("answer", texts, tuple(roles[t] == "template" for t in steps))


def _cells(parts: Components, trace: Trace, steps: list[int], pixels: float) -> list[dict[str, Any]]:
    """Returns one record a cell: the lens's token, its probability, and what the lens says of the answer's."""
    own = [visible_label(token) for token in trace.output_tokens]
    out = []
    for layer in range(len(parts.lens_ids)):
        for at, t in enumerate(steps):
            first, likely = visible_label(parts.lens_texts[layer][t]), float(np.exp(parts.lens_logprobs[layer, t]))
            out.append(
                {
                    "r": layer,
                    "c": at,
                    "step": t + 1,
                    "first": first,
                    "cut": fitting_text(first, WORD_SIZE, pixels - 3),
                    "probability": exact_number(likely),
                    "entropy": exact_number(float(parts.lens_entropy[layer, t])),
                    "place": int(parts.final_ranks[layer, t]),
                    "own": own[t],
                    "own_probability": exact_number(float(np.exp(parts.final_logprobs[layer, t]))),
                    "ink": "#ffffff" if likely >= WHITE_FROM else INK,
                }
            )
    return out


def _words(base: alt.Chart, canvas: PixelCanvas) -> list[alt.Chart]:
    """Draws the words, and a frame round the answer's."""
    words = base.mark_text(fontSize=WORD_SIZE, baseline="middle", tooltip=None)
    ends = {"x0": "datum.x0 + 1", "x1": "datum.x1 - 1", "y0": "datum.y0 + 1", "y1": "datum.y1 - 1"}
    right = base.transform_filter("datum.place === 1").transform_calculate(**ends)
    frame = right.mark_rect(filled=False, strokeWidth=1, tooltip=None)
    place: dict[str, Any] = {"x": canvas.x("x0"), "x2": "x1:Q", "y": canvas.y("y0"), "y2": "y1:Q"}
    return [
        words.encode(x=canvas.x(), y=canvas.y(), text=alt.Text("cut:N"), color=alt.Color("ink:N", scale=None)),
        frame.encode(**place, stroke=alt.Stroke("ink:N", scale=None)),
    ]


def _tooltips() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("step:Q"),
        alt.Tooltip("row:N", title="after layer"),
        alt.Tooltip("first:N", title="first choice"),
        alt.Tooltip("probability:Q", title="its probability", format=".2~%"),
        alt.Tooltip("entropy:Q", title="entropy (nats)", format=".3~r"),
        alt.Tooltip("own:N", title="the answer's token"),
        alt.Tooltip("place:Q", title="its place"),
        alt.Tooltip("own_probability:Q", title="its probability here", format=".2~%"),
    ]


def decision_strip(
    trace: Trace,
    *,
    width: int = TWO_COLUMNS,
    steps: slice = slice(None),
    caption: Sequence[str] = (),
    title: str = "From which layer on each token was settled",
    select: str | None = None,
) -> alt.LayerChart:
    """Draws for each token of the answer the layer from which on it stayed the lens's first choice.

    A low bar was settled early; a hollow one never became the first choice (the answer was given or drawn at random).
    ``steps``: a part of the answer; of more than fit the width the first are shown, and the caption says so.
    ``select``: name of a point selection over ``step`` (from 1). Raises MethodError where the run has no components or
    no lens.
    """
    parts = lens_of(trace)
    room = PixelCanvas(width, 0).inner
    shown, said = _fitting(trace, steps, int((room - 50) // NARROWEST_BAR))
    names = layer_rows(parts.layers, True)
    height = float(np.clip(STRIP_HEIGHT / len(names), 2.5, 12))
    sides = GridSide("settled after layer", tuple(names)), _answer(trace, shown)
    grid = LayerGrid(*sides, room=room, widest=WIDEST_BAR, cell_height=height, upwards=True)
    canvas = PixelCanvas(width, round(grid.bottom + 8, 1))
    base = grid.base(_settled(parts, shown, names))
    tips = [alt.Tooltip("column:N", title="token"), alt.Tooltip("said:N", title="first choice from")]
    whole = base.transform_calculate(y0=f"{grid.top:g}", y1=f"{grid.bottom:g}").mark_rect(opacity=0)
    whole = whole.encode(x=canvas.x("x0"), x2=alt.X2("x1:Q"), y=canvas.y("y0"), y2=alt.Y2("y1:Q"), tooltip=tips)
    if select:
        whole = whole.add_params(alt.selection_point(name=select, fields=["step"], empty=False))
    lines = [*caption, " · ".join([trace.model.caption, parts.lens, *said]), _summary(parts, names)]
    if any(parts.first_choice[t] == len(names) for t in shown):
        lines.append("hollow: never the first choice, in the last layer neither")
    layered = [grid.ground(canvas), *_bars(base, grid, canvas), whole, *grid.labels(canvas)]
    described = f"{title}: {len(shown)} tokens over {len(names)} rows of layers."
    return grid.named(canvas.finish(layered, title, [*lines, lens_caveat(parts)], described))


def _settled(parts: Components, steps: list[int], names: list[str]) -> list[dict[str, Any]]:
    """Returns one record a token; ``r``: the row from which on it is the first choice, the last where it never is."""
    first = parts.first_choice
    said = ["the embedding", *(f"layer {name}" for name in names[1:]), "never"]
    return [
        {"r": int(min(first[t], len(names) - 1)), "c": at, "step": t + 1, "said": said[first[t]],
         "never": bool(first[t] == len(names))}
        for at, t in enumerate(steps)
    ]  # fmt: skip


def _bars(base: alt.Chart, grid: LayerGrid, canvas: PixelCanvas) -> list[alt.Chart]:
    """Draws a bar from the bottom to the layer where a token is settled, a hollow one where it never is."""
    air = min(2.0, 0.12 * grid.cell[0])
    ends = {"a": f"datum.x0 + {air:g}", "b": f"datum.x1 - {air:g}", "end": f"{grid.bottom:g}"}
    bars = base.transform_calculate(**ends)
    place: dict[str, Any] = {"x": canvas.x("a"), "x2": "b:Q", "y": canvas.y("y0"), "y2": "end:Q"}
    full = bars.transform_filter("!datum.never").mark_rect(fill=STRIP_BAR, tooltip=None)
    hollow = bars.transform_filter("datum.never").mark_rect(
        filled=False, stroke=STRIP_BAR, strokeDash=[3, 2], strokeWidth=1, tooltip=None
    )
    return [full.encode(**place), hollow.encode(**place)]


def _summary(parts: Components, names: list[str]) -> str:
    """Returns in words by which layer half of the tokens are settled, and how many only in the last."""
    first = parts.first_choice
    settled = np.sort(first[first < len(names)])
    if not len(settled):
        return "no token is the first choice of the last layer"
    middle = names[int(settled[(len(settled) - 1) // 2])]
    late = int((first == len(names) - 1).sum())
    return f"half of the settled tokens are so after layer {middle}; {late} of {len(first)} only after the last"
