"""What a view returns for the downloads, and the function with which all views draw a chart."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st
from altair.utils.schemapi import disable_debug_mode

from core.charts.picture_files import printed
from core.importance import METHODS
from core.records import Trace
from pages.parts.reading_controls import Choices


@dataclass(frozen=True)
class ViewFigure:
    """A drawn view. ``chart`` is None where there was nothing to draw."""

    chart: Any
    csv: Callable[[], str]
    """Returns exactly the numbers that the view shows."""
    numbers: bool = False
    """There are numbers to download though there is no chart."""
    heat: bool = False
    """The chart is the heatmap, which the HTML page draws by itself."""


disable_debug_mode()  # checking each piece of a chart as it is made takes half of the time of a rerun
NO_FIGURE = ViewFigure(None, lambda: "")
"""Of a view that had nothing to draw."""
LEGEND = {"orient": "bottom", "direction": "horizontal", "titleLimit": 0, "labelOverlap": "greedy"}
"""Legend below the chart, where a phone has room for it."""


def draw_chart(chart: Any, key: str, **more: Any) -> None:
    """Draws an Altair chart (or its dict, which a page may cache) in the page's width and theme."""
    if not isinstance(chart, dict):
        chart = chart.to_dict(validate=False)  # tests check every chart of ours against the schema
    config = chart.get("config") or {}
    spec = chart | {"config": config | {"legend": (config.get("legend") or {}) | LEGEND}}
    st.vega_lite_chart(spec=spec, width="stretch", theme="streamlit", key=key, **more)


def quick_spec(chart: Any, changing: Collection[str] = ()) -> dict[str, Any]:
    """Returns a chart's dict in the form that a browser draws fastest, for thousands of marks.

    Its data stand in it, but for data sets named ``changing``: Streamlit sends named data as Arrow tables, of which the
    browser reads each number apart. Canvas needs no element of the page for each mark.
    """
    spec = dict(chart if isinstance(chart, dict) else chart.to_dict(validate=False))
    held, shared = spec.pop("datasets", {}), spec.pop("data", None)
    layers = []
    for layer in spec["layer"]:
        data = layer.get("data") or shared or {}
        inside = data.get("name") in held and data["name"] not in changing
        layers.append(layer | ({"data": {"values": held[data["name"]]}} if inside else {"data": data} if data else {}))
    rest = {name: rows for name, rows in held.items() if name in changing}
    return spec | {"layer": layers, "datasets": rest, "usermeta": {"embedOptions": {"renderer": "canvas"}}}


def draw_figure(chart: Any, key: str, **more: Any) -> None:
    """Draws a static figure in its own size, on light ground whatever the theme is, as it will be printed."""
    spec = chart if isinstance(chart, dict) else chart.to_dict(validate=False)
    own: Any = {"autosize": "pad"}  # else Streamlit fits axes and title into the height of the cells
    st.vega_lite_chart(spec=own | printed(spec), width="content", theme=None, key=key, **more)


def csv_head(trace: Trace, chosen: Choices, view: str, **more: Any) -> Mapping[str, Any]:
    """Facts for the first lines of a view's CSV: view, model, run, method."""
    picked = {"layers": chosen.layers, "heads": chosen.heads} if chosen.layers or chosen.heads else {}
    method = {"method": chosen.method, "unit": METHODS[chosen.method].gives} | picked
    return {"view": view, "model": trace.model.caption, "run": trace.id} | method | more
