"""Draws a Probe as a heatmap: what each token of the answer loses without each unit of the prompt, in nats.

Guarded by tests/core/test_charts_effect_heatmap.py.
"""

from __future__ import annotations

import altair as alt
import numpy as np

from ..records import Probe, Units
from .matrix_layout import exact_number
from .panels import BELOW, Panel, PanelBoard
from .shaded_sheet import ShadedWord
from .text_labels import visible_label

MOST_EFFECT_CELLS = 7000
"""Cells above which the answer becomes one row: the sum over its tokens."""
HIDDEN = {"mask": "hidden, positions kept", "remove": "taken out of the prompt"}


def effect_heatmap(
    probe: Probe, columns: np.ndarray | None = None, *, width: int = 880, title: str = "What the answer loses without"
) -> alt.LayerChart:
    """Draws ``probe.effect`` [variant, step] as answer tokens (down) by variants (across), on a diverging scale.

    ``columns``: the variants to draw, in order (default: all). Orange: the token is less likely without it. A variant
    that could not be scored stays empty.
    """
    picked = np.arange(len(probe.masks)) if columns is None else np.asarray(columns, int)
    effect = probe.effect[picked].T
    rows = [visible_label(text) for text in probe.answer] or [f"step {step + 1}" for step in range(len(effect))]
    lines = [f"{probe.model} · {probe.parameters.get('units', 'units')} {HIDDEN[probe.mode]} · nats of log-probability"]
    if effect.size > MOST_EFFECT_CELLS:
        effect, rows = effect.sum(0, keepdims=True), ["the whole answer"]
        lines.append(f"more than {MOST_EFFECT_CELLS:,} cells: the sum over the answer's tokens")
    names = variant_names(probe)
    labels = tuple(names[v] for v in picked)
    board = PanelBoard([Panel(labels, tuple(rows))], "stacked", width)
    cells = [
        {
            "output": rows[row],
            "hidden": labels[column],
            "value": exact_number(float(effect[row, column])),
        }
        | board.place(0, int(row), int(column))
        for row, column in np.argwhere(np.isfinite(effect))
    ]
    most = max((abs(cell["value"]) for cell in cells), default=0) or 1
    scale = alt.Scale(scheme="blueorange", domain=[-most, most], domainMid=0)
    legend = alt.Legend(title="nats lost", format=".2~r", gradientLength=200, tickCount=4, **BELOW)
    tooltip = [
        alt.Tooltip("hidden:N", title="without"),
        alt.Tooltip("output:N", title="answer"),
        alt.Tooltip("value:Q", title="nats lost", format=".3~f"),
    ]
    rects = board.rects(cells).encode(fill=alt.Fill("value:Q", scale=scale, legend=legend), tooltip=tooltip)
    return board.finish([rects], title, lines, f"{title}: {len(labels)} variants by {len(rows)} rows of the answer.")


def variant_names(probe: Probe) -> list[str]:
    """Returns [variant] the labels of the units that it hides; of many, the first and how many more."""
    names = []
    for mask in probe.masks:
        hidden = [visible_label(probe.units.labels[unit].strip() or " ") for unit in np.flatnonzero(mask)]
        names.append(" + ".join(hidden[:2]) + (f" + {len(hidden) - 2} more" if len(hidden) > 2 else "") or "nothing")
    return names


def effect_words(probe: Probe) -> tuple[list[ShadedWord], list[int], float]:
    """Returns (words shaded by what the whole answer loses without each, their variants, nats of the full shade).

    The template's own tokens are left out. Above 0 (orange): the answer is less likely without it.
    """
    total = probe.effect.sum(1)
    own = [
        variant
        for variant, mask in enumerate(probe.masks)
        if any(probe.units.roles[unit] != "template" for unit in np.flatnonzero(mask))
    ]
    high = float(np.nanmax(np.abs(total[own]), initial=0.0)) or 1.0
    each = len(probe.masks) == len(probe.units) and bool((probe.masks == np.eye(len(probe.units), dtype=bool)).all())
    names = variant_names(probe)
    words = [
        ShadedWord(
            text=(probe.units.labels[variant].strip() or "·") if each else names[variant],
            gap=(_gap(probe.units, before, variant) if each else " / ") if before is not None else "",
            strength=float(np.nan_to_num(total[variant])) / high,
            hover=f"{total[variant]:.2f} nats" if np.isfinite(total[variant]) else "this could not be scored",
        )
        for before, variant in zip([None, *own], own, strict=False)
    ]
    return words, own, high


def _gap(units: Units, before: int, unit: int) -> str:
    """What stands between two units of a text: a break between messages, a space where characters were left out."""
    if units.message[before] != units.message[unit]:
        return "\n"
    return " " if units.start[unit] > units.end[before] else ""
