"""Draws a matrix of each answer under each prompt: log-odds against the answer's own prompt, centred at 0.

Guarded by tests/core/test_comparing_cross_scores.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np

from .axis_labels import AxisLabels, with_labels
from .column_captions import WHOLE, fitting_names, name_lines
from .panels import BELOW, inline_data
from .text_labels import SIDES, STRETCH, title_block, visible_label

MATRIX_ROW, MATRIX_COLUMN = 44, 130
LONG_NAME = 18
"""Most letters of a name that fits beside an answer and into a sentence."""
WIDEST = 40
"""Most graphemes of a name or answer on an axis."""


def cross_score_matrix_chart(
    odds: np.ndarray,
    sums: np.ndarray,
    means: np.ndarray,
    answers: Sequence[str],
    names: Sequence[str],
    *,
    caption: Sequence[str] = (),
    title: str = "Each answer under each prompt",
) -> alt.LayerChart:
    """Draws cells ``odds[answer, prompt]`` in nats with their numbers; hover has the answer's and a token's score.

    All three float [answer, prompt]; ``answers`` and ``names`` label rows and columns. Raises ValueError where shapes
    differ.
    """
    n, names = len(names), [visible_label(str(name), WHOLE) for name in names]
    if odds.shape != (n, n) or sums.shape != (n, n) or means.shape != (n, n) or len(answers) != n:
        raise ValueError(f"odds has shape {odds.shape}, expected {(n, n)}, with as many answers.")
    most = float(np.nanmax(np.abs(odds))) if np.isfinite(odds).any() else 0.0
    most = most if most > 0 else 1.0
    rows = [f"{brief_name(name)}: {visible_label(a.strip(), WIDEST)}" for name, a in zip(names, answers, strict=True)]
    data = [
        {
            "x": j,
            "y": i,
            "answer": rows[i],
            "prompt": names[j],
            "odds": float(odds[i, j]),
            "sum": f"{sums[i, j]:.3f} nats",
            "mean": f"{means[i, j]:.3f} nats a token",
            "text": "own prompt" if i == j else f"{odds[i, j]:+.2f}".replace("-", "−"),
            "strong": bool(abs(odds[i, j]) > 0.6 * most),
        }
        for i, j in np.argwhere(np.isfinite(odds)).tolist()
    ]
    tips = {"answer": "answer of", "prompt": "under the prompt of", "text": "log-odds against its own prompt (nats)"}
    tips |= {"sum": "log-probability", "mean": "a token"}
    across, down = AxisLabels(fitting_names(names, LONG_NAME)), AxisLabels(rows)
    base = alt.Chart(inline_data(data)).encode(
        x=alt.X("x:O", sort=None, scale=_scale(n), axis=_axis("Prompt of", across, top=True)),
        y=alt.Y("y:O", sort=None, scale=_scale(n), axis=_axis("", down, top=False)),
        tooltip=[alt.Tooltip(f"{field}:N", title=name) for field, name in tips.items()],
    )
    colours = alt.Scale(scheme="blueorange", domain=[-most, most], domainMid=0)
    legend = alt.Legend(title="log-odds against its own prompt (nats)", gradientLength=220, tickCount=5, **BELOW)
    cells = base.mark_rect().encode(fill=alt.Fill("odds:Q", scale=colours, legend=legend))
    shade = alt.condition("datum.strong", alt.value("white"), alt.value("black"))
    numbers = base.mark_text(fontSize=13).encode(text=alt.Text("text:N"), color=shade)
    lines = [*name_lines(names, LONG_NAME), *caption]
    said = f"{title}: log-odds of {n} answers under {n} prompts against each answer's own prompt."
    chart = with_labels(alt.layer(cells, numbers), across, down)
    return chart.properties(
        width=n * MATRIX_COLUMN + SIDES,
        height=n * MATRIX_ROW,
        title=title_block(title, lines),
        description=" ".join([said, *(f"{line}." for line in lines)]),
        autosize=STRETCH,
    )


def brief_name(name: str) -> str:
    """Returns a column's letter where its name is long: ``A`` of "A · SmolLM2 135M Instruct"."""
    letter, _, rest = name.partition(" · ")
    return letter if rest and len(letter) == 1 and len(name) > LONG_NAME else name


def _scale(n: int) -> alt.Scale:
    return alt.Scale(domain=list(range(n)), paddingInner=0.03, paddingOuter=0)


def _axis(title: str, labels: AxisLabels, top: bool) -> alt.Axis:
    look = {"orient": "top", "labelAngle": 0} if top else {}
    return alt.Axis(
        title=title or None,
        labelExpr=labels.at(),
        labelLimit=220 if top else 180,
        labelOverlap=False,
        ticks=False,
        domain=False,
        grid=False,
        labelPadding=6,
        **look,
    )
