"""Draws a number of every layer at every token, and lists what a run with components has to show so.

Guarded by tests/core/test_charts_diagrams_layer_token_map.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np

from ...errors import MethodError
from ...maps.attention_entropy import attention_entropy
from ...maps.run_maps import maps_of_run
from ...records import UNKNOWN_LAYERS, Components, Trace
from ..matrix_layout import exact_number
from ..panels import inline_data
from ..text_labels import visible_label
from .figure_style import SEQUENTIAL, TWO_COLUMNS
from .layer_grid import LEGEND_HEIGHT, GridSide, LayerGrid, bar_place
from .pixel_canvas import INK, PixelCanvas

NARROWEST_COLUMN = 2.5
"""Pixels of a column below which several tokens share one."""
WIDEST_COLUMN, LEAST_ROW, MOST_ROW, ALL_ROWS = 34, 7.0, 14.0, 460
"""Pixels of a column, of a row, and of all rows together where there are many."""
LOG_SPAN = 1e5
"""How far below the highest value a log scale ends."""
EMBEDDING_ROW = "emb"
"""Name of the row before the first layer."""
LENS_CAVEATS = {
    "logit lens": "The logit lens applies the last norm and output matrix to a middle layer (nostalgebraist 2020). "
    "Early layers need not write in that basis: a wrong guess there is no lack of knowledge, and a tuned lens (Belrose "
    "et al. 2023) would show other words.",
    "tuned lens": "A tuned lens was trained to guess the output from each layer (Belrose et al. 2023): it may know "
    "more than the layer.",
}
"""{which lens: what it does not say}"""


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
    lens: bool = False
    """It is a reading of the lens, whose caveat holds."""
    small_is_strong: bool = False
    """A place among all tokens: 1 is the most that is possible."""


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
        lens=True,
    ),
    "final_probability": ComponentView(
        "How likely the answer's token is",
        "Probability that the lens gives at each layer to the token which the answer has there.",
        "probability",
        True,
        lambda trace, parts: np.exp(parts.final_logprobs),
        embedding=True,
        lens=True,
    ),
    "final_rank": ComponentView(
        "Place of the answer's token",
        "At which place among all tokens the lens has the token that the answer has there; 1 is the first.",
        "place",
        True,
        lambda trace, parts: parts.final_ranks.astype(float),
        logarithmic=True,
        embedding=True,
        lens=True,
        small_is_strong=True,
    ),
    "lens_entropy": ComponentView(
        "Doubt of the lens",
        "Entropy of the lens's distribution: how open the next token still is at each layer.",
        "nats",
        True,
        lambda trace, parts: parts.lens_entropy,
        embedding=True,
        lens=True,
    ),
}
"""{name: what can be drawn of a run with components}"""


def component_map(
    trace: Trace, name: str, *, width: int = TWO_COLUMNS, columns: slice = slice(None), caption: Sequence[str] = ()
) -> alt.LayerChart:
    """Draws one of ``COMPONENT_VIEWS`` of a run.

    ``columns``: a part of the tokens or steps. Raises MethodError where there is no view of this name, the run has no
    components, or this one is not known for its model.
    """
    if name not in COMPONENT_VIEWS:
        raise MethodError(f"There is no view {name!r} of a model's parts: take one of {', '.join(COMPONENT_VIEWS)}.")
    view = COMPONENT_VIEWS[name]
    parts = lens_of(trace) if view.lens else components_of(trace)
    values = np.asarray(view.values(trace, parts), float)
    if not np.isfinite(values).any():
        raise MethodError(f"{view.label} is not known for {trace.model.label}: its layers are built in another way.")
    texts = trace.output_tokens if view.steps else trace.tokens.texts[:-1]
    source = " · ".join([trace.model.caption, *([parts.lens] if view.lens else [])])
    first = columns.indices(len(texts))[0]
    return layer_token_map(
        values[:, columns],
        list(texts)[columns],
        layer_rows(len(values) - view.embedding, view.embedding),
        unit=view.unit,
        logarithmic=view.logarithmic,
        small_is_strong=view.small_is_strong,
        markup=_markup(trace, view.steps)[columns],
        answer_from=None if view.steps else trace.prompt_length - first,
        first=first + 1,
        width=width,
        caption=[*caption, source, view.about, *([lens_caveat(parts)] if view.lens else [])],
        title=view.label,
    )


def _markup(trace: Trace, steps: bool) -> list[bool]:
    """Returns which tokens are markup: of the answer, or of all."""
    return [role == "template" for role in trace.tokens.roles[trace.prompt_length if steps else 0 :]]


def layer_rows(layers: int, embedding: bool) -> list[str]:
    """Returns the names of the rows: ``layers`` numbers from 0, behind the embedding's where there is one."""
    return [EMBEDDING_ROW] * embedding + [str(layer) for layer in range(layers)]


def lens_of(trace: Trace) -> Components:
    """Returns the components of a run that was read through a lens. Raises MethodError where there is none."""
    parts = components_of(trace)
    if parts.lens_ids.shape[1] != trace.steps:
        raise MethodError(
            f"The layers of {trace.model.label} cannot be read through its output layer: there is no lens."
        )
    return parts


def lens_caveat(parts: Components) -> str:
    """Returns what the lens of these components does not say."""
    return next((said for lens, said in LENS_CAVEATS.items() if parts.lens.startswith(lens)), "")


def components_of(trace: Trace) -> Components:
    """Returns the components of a run. Raises MethodError where they were not recorded."""
    if UNKNOWN_LAYERS in trace.notes or trace.model.kind != "decoder":
        raise MethodError(UNKNOWN_LAYERS)
    if trace.components is None:
        raise MethodError("This run does not keep its other components: run it again with keep='components'.")
    return trace.components


def attention_spread(trace: Trace) -> np.ndarray:
    """Returns float32 [layer, step]: entropy of a head's row over that of reading everything equally, mean over heads.

    NaN where a layer has no attention. Raises MethodError where the run does not keep every head.
    """
    maps = maps_of_run(trace)
    out = np.full((trace.model.layers, trace.steps), np.nan, np.float32)
    windows = trace.model.windows if maps.kind == "self" else ()
    out[list(maps.layers)] = attention_entropy(maps, relative=True, windows=windows)
    return out


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
    small_is_strong: bool = False,
    markup: Sequence[bool] = (),
    answer_from: int | None = None,
    first: int = 1,
    width: int = TWO_COLUMNS,
    caption: Sequence[str] = (),
    title: str = "Layers and tokens",
    select: str | None = None,
) -> alt.LayerChart:
    """Draws ``values`` [layer, token], the first layer at the bottom; hover shows every number, NaN stays empty.

    ``rows`` name the layers, 0 .. L-1 where not given. ``small_is_strong``: dark is low, as for places. ``markup``:
    which tokens are labelled faintly; ``answer_from``: the column before which a line stands; ``first``: number of the
    first token on hover. Where columns would be narrower than 2.5 pixels, a column is the strongest of several tokens,
    and the caption says so. ``select``: name of a point selection over ``r`` (layer) and ``place`` (of the token).
    Raises ValueError where the labels do not fit the values.
    """
    values = np.asarray(values, float)
    named = list(rows) if rows is not None else [str(i) for i in range(len(values))]
    if values.ndim != 2 or values.shape != (len(named), len(tokens)) or not values.size:
        raise ValueError(f"values has shape {values.shape}, expected {(len(named), len(tokens))} (layers, tokens).")
    room = PixelCanvas(width, 0).inner
    fold = max(1, int(np.ceil(len(tokens) * NARROWEST_COLUMN / (room - 60))))
    folded = _folded(values, fold, small_is_strong)
    texts = [visible_label(t) for t in tokens]
    sides = GridSide("layer", tuple(named)), GridSide("token", tuple(texts[::fold]), tuple(markup[::fold]))
    height = float(np.clip(ALL_ROWS / len(named), LEAST_ROW, MOST_ROW))
    grid = LayerGrid(*sides, room=room, widest=WIDEST_COLUMN, cell_height=height, upwards=True)
    canvas = PixelCanvas(width, round(grid.bottom + LEGEND_HEIGHT + 8, 1))
    fill = _fill(folded, unit, logarithmic, small_is_strong, (0, grid.bottom + 12))
    tips = [alt.Tooltip("row:N", title="layer"), alt.Tooltip("token:N"), alt.Tooltip("places:N", title="token no.")]
    tips.append(alt.Tooltip("value:Q", title=unit, format=".4~g"))
    base = grid.base(_records(folded, texts, fold, first))
    cells = grid.cells(base, canvas).encode(fill=fill, tooltip=tips)
    if select:
        cells = cells.add_params(alt.selection_point(name=select, fields=["r", "place"], empty=False))
    strongest = "lowest" if small_is_strong else "highest"
    lines = [*caption, *([f"each column is the {strongest} of {fold} tokens in a row"] if fold > 1 else [])]
    said = f"{title}: {unit} of {len(named)} rows of layers by {len(tokens)} tokens."
    layered = [grid.ground(canvas), cells, *_answer_line(grid, canvas, answer_from, len(tokens), fold)]
    return grid.named(canvas.finish([*layered, *grid.labels(canvas)], title, lines, said))


def _folded(values: np.ndarray, fold: int, small_is_strong: bool) -> np.ndarray:
    """Returns every ``fold`` tokens as one column: the highest value, or the lowest."""
    reduce = np.fmin if small_is_strong else np.fmax
    return reduce.reduceat(values, np.arange(0, values.shape[1], fold), axis=1) if fold > 1 else values


def _records(folded: np.ndarray, texts: Sequence[str], fold: int, first: int) -> list[dict[str, Any]]:
    """Returns one record a known cell: its place, the tokens that it covers, its value."""
    ends = [(c * fold, min((c + 1) * fold, len(texts))) for c in range(folded.shape[1])]
    token = [" ".join(texts[a:b]) for a, b in ends]
    places = [str(a + first) if b - a == 1 else f"{a + first} to {b + first - 1}" for a, b in ends]
    return [
        {"r": r, "c": c, "token": token[c], "place": ends[c][0] + first, "places": places[c],
         "value": exact_number(float(folded[r, c]))}
        for r, c in np.argwhere(np.isfinite(folded)).tolist()
    ]  # fmt: skip


def _answer_line(
    grid: LayerGrid, canvas: PixelCanvas, answer_from: int | None, tokens: int, fold: int
) -> list[alt.Chart]:
    """Draws a line where the answer begins."""
    if answer_from is None or not 0 < answer_from < tokens:
        return []
    x = grid.left + grid.cell[0] * answer_from / fold
    mark = alt.Chart(inline_data([{"x": x, "y": grid.top - 3, "y1": grid.bottom + 3}]))
    rule = mark.mark_rule(color=INK, strokeWidth=1, tooltip=None).encode(x=canvas.x(), y=canvas.y(), y2=alt.Y2("y1:Q"))
    return [rule, canvas.texts([{"x": x + 2, "y": grid.bottom + 7, "text": "answer"}], 8, color=INK)]


def _fill(
    values: np.ndarray, unit: str, logarithmic: bool, small_is_strong: bool, place: tuple[float, float]
) -> alt.Fill:
    """Returns the colour of the values, with its bar."""
    low, high = value_span(values, logarithmic)
    domain = [exact_number(low), exact_number(high)]
    kind: Any = "log" if logarithmic else "linear"
    look = alt.Scale(scheme=SEQUENTIAL, type=kind, domain=domain, clamp=True, reverse=small_is_strong)
    form = ".2~s" if high >= 1000 else ".2~g"
    title = f"{unit}, log scale" if logarithmic else unit
    return alt.Fill("value:Q", scale=look, legend=alt.Legend(title=title, format=form, **bar_place(*place)))


def value_span(values: np.ndarray, logarithmic: bool) -> tuple[float, float]:
    """Returns the ends of the colour scale: from 0 (or the lowest below it), or on a log scale from the lowest above 0.

    A log scale spans five powers of ten at most.
    """
    known = values[np.isfinite(values)].astype(float)
    if logarithmic:
        known = known[known > 0]
        high = float(known.max(initial=0)) or 1.0
        low = max(float(known.min(initial=high)), high / LOG_SPAN)
        return (low, high) if high > low else (high / 10, high)
    low, high = min(0.0, float(known.min(initial=0))), float(known.max(initial=-np.inf))
    return low, high if high > low else low + 1
