"""Keeps labels of axes and legends in a chart's data, never in an expression.

Guarded by tests/core/test_charts_axis_labels.py: every chart with words that mean something to Vega.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, TypeVar

import altair as alt

Chart = TypeVar("Chart", alt.Chart, alt.LayerChart)


class AxisLabels:
    """The labels of an axis or a legend: held by a chart parameter, looked up by place in an expression.

    Labels are words of strangers and are passed as data. Written into the expression they would be parsed with it, and
    Vega's parser takes the string "if" for its function of that name: the whole chart stays blank. A chart whose axis
    uses ``at`` goes through ``with_labels``.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = list(texts) or [""]
        # Equal labels have equal names and are sent once. Not Altair's own names: Streamlit renames those, but
        # not inside of expressions.
        name = f"labels_{sha256(json.dumps(self.texts).encode()).hexdigest()[:16]}"
        self.param = alt.param(name=name, value=self.texts)

    def at(self, place: str = "datum.value") -> str:
        """Returns a Vega expression for the label at ``place``, itself an expression for a whole number."""
        return f"{self.param.name}[{place}]"

    def fitting(
        self,
        need: float,
        pixels: float,
        place: str = "datum.value",
        columns: int = 0,
        always: Sequence[int] = (),
    ) -> str:
        """Returns an expression as ``at`` for the label at ``place``, empty for labels that do not fit.

        A label needs ``need`` pixels of the drawn width, whatever the page stretches it to, over which ``columns``
        places (default: one per label) are spread; ``pixels``: the width where the chart does not know its own. Those
        at the places ``always`` are shown whatever fits, and no other label so near that it would lie on them.
        """
        every = f"max(1, ceil({need * (columns or len(self.texts)):g} / (width > 0 ? width : {pixels:g})))"
        kept = f"indexof({list(always)}, {place}) >= 0 || " if always else ""
        free = "".join(f" && abs({place} - {there}) >= {every}" for there in always)
        return f"{kept}({place} % {every} == 0{free}) ? {self.at(place)} : ''"


def row_axis(labels: AxisLabels, headings: Sequence[int], scale: Mapping[str, Any] | None = None, **look: Any) -> alt.Y:
    """Returns the y channel of labelled rows, field ``place``: a row for each label, those at ``headings`` bold."""
    places = list(range(len(labels.texts)))
    bold: Any = {"condition": {"test": f"indexof({headings}, datum.value) >= 0", "value": "bold"}, "value": "normal"}
    fixed: dict[str, Any] = {"title": None, "ticks": False, "domain": False, "labelOverlap": False}
    axis = alt.Axis(values=places, labelExpr=labels.at(), labelFontWeight=bold, **fixed, **look)
    return alt.Y("place:O", sort=None, scale=alt.Scale(domain=places, **(scale or {})), axis=axis)


def with_labels(chart: Chart, *labels: AxisLabels) -> Chart:
    """Returns ``chart`` with the parameters that hold the labels of its axes."""
    params = {label.param.name: label.param for label in labels}.values()
    if not isinstance(chart, alt.LayerChart) or not params or not chart.layer:
        return chart.add_params(*params)
    found: Any = chart.copy(deep=False)  # what add_params does, which copies every layer and its data twice more
    found.layer = [found.layer[0].add_params(*params), *found.layer[1:]]
    labelled: Chart = found.copy(deep=False)
    return labelled
