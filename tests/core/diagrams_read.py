"""Reads drawn figures back in the tests of diagrams: the records of a layer, and everything in small made-up maps."""

from __future__ import annotations

from typing import Any

from core.charts import picture_files


def datasets(chart: Any) -> list[list[dict[str, Any]]]:
    """All datasets of a chart, the largest first."""
    return _largest_first(chart.to_dict())


def _largest_first(spec: dict[str, Any]) -> list[list[dict[str, Any]]]:
    return sorted(spec["datasets"].values(), key=len, reverse=True)


def cells(chart: Any) -> dict[tuple[int, int], dict[str, Any]]:
    """{(row, column): record} of a figure of cells."""
    held = next(d for d in datasets(chart) if d and {"r", "c"} <= d[0].keys())
    return {(one["r"], one["c"]): one for one in held}


def texts(chart: Any) -> list[str]:
    """Every text that a figure draws, with title and caption."""
    spec = chart.to_dict()  # checked against the schema here, not where it is exported
    title = spec["title"]
    head = title["text"] if isinstance(title["text"], list) else [title["text"]]
    return [*head, *title["subtitle"], *(one["text"] for held in _largest_first(spec) for one in held if "text" in one)]


def drawn_width(chart: Any) -> float:
    """Width in pixels of the figure as it is exported."""
    svg = picture_files.svg(chart).data.decode()
    return float(svg.split('width="')[1].split('"')[0])
