"""Labels of axes and legends as data of a chart, never as part of an expression.

Guarded by tests/core/test_charts_axis_labels.py: every chart with words that mean something to Vega.
"""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt


class AxisLabels:
    """The labels of an axis or a legend: a parameter of the chart holds them, an expression looks them up by place.

    Labels are words of strangers and travel as data. Written into the expression they would be parsed with it, and
    Vega's parser takes the string "if" for its function of that name: the whole chart stays blank. A chart whose axis
    uses ``at`` needs ``add_params(labels.param)``; Altair lifts it to the top and keeps equal ones once.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = list(texts) or [""]
        self.param = alt.param(value=self.texts)  # named by a hash of its value

    def at(self, place: str = "datum.value") -> str:
        """A Vega expression: the label at ``place``, itself an expression for a whole number."""
        return f"{self.param.name}[{place}]"

    def fitting(self, need: float, pixels: float, shift: float = 0, columns: int = 0) -> str:
        """As ``at`` for the axis value less ``shift``, empty for labels that do not fit.

        A label needs ``need`` pixels of the drawn width, whatever the page stretches it to, over which ``columns``
        places (default: one a label) are spread; ``pixels``: the width where the chart does not know its own.
        """
        place = f"(datum.value - {shift:g})" if shift else "datum.value"
        every = f"max(1, ceil({need * (columns or len(self.texts)):g} / (width > 0 ? width : {pixels:g})))"
        return f"{place} % {every} == 0 ? {self.at(place)} : ''"
