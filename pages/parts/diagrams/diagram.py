"""What a diagram of the page is: how it is drawn at a width, its numbers, and where its maps come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core import store
from core.records import AttentionMap, AttentionMaps, MapSeries, Trace

Series = tuple[tuple[str, AttentionMaps], ...]
"""(name, maps) of each point of something that evolves, e.g. the checkpoints of a model in training."""


@dataclass(frozen=True)
class DiagramSource:
    """What diagrams are drawn of: attention maps by kind, and the run or the checkpoints that they come from."""

    name: str
    """Short and fit for a file name."""
    maps: Mapping[str, AttentionMaps]
    """{kind: maps}: self, encoder, cross."""
    trace: Trace | None = None
    checkpoints: Series = ()
    axis: str = "checkpoint"
    """What the points of ``checkpoints`` are."""

    @property
    def first(self) -> AttentionMaps:
        """The maps that are shown first."""
        return next(iter(self.maps.values()))


@dataclass(frozen=True)
class Diagram:
    """A figure that a page shows and offers for download."""

    draw: Callable[[int], Any]
    """Returns the Altair chart at a width in pixels."""
    csv: Callable[[], str]
    """Returns exactly the numbers that the figure shows."""
    text: str = ""
    """Every character that the figure may contain, for a note on missing fonts."""
    beside: tuple[str, ...] = ()
    """Plain sentences below the figure."""
    table: Any = None
    """A data frame below the figure."""
    clickable: Callable[[int], Any] | None = None
    """The same figure for the page, where it can be clicked."""
    keys: Mapping[str, Any] = field(default_factory=dict)
    """More arguments for drawing on the page: key, on_select, ..."""


def map_csv(one: AttentionMap) -> str:
    """The numbers of a map as a tidy table: query, key, their labels, the value."""
    facts = {"view": "attention map", "source": one.source, "maps": one.what, "kind": one.kind}
    cells = np.argwhere(one.readable & np.isfinite(one.values)).tolist()
    rows = ((q, k, one.queries.texts[q], one.keys.texts[k], one.values[q, k]) for q, k in cells)
    return store.tidy_csv(facts, ("query", "key", "query_token", "key_token", "value"), rows)


def series_csv(series: MapSeries) -> str:
    """The numbers of a series as a tidy table: point, row, column, their labels, the value."""
    facts = {"view": "series", "source": series.source, "what": series.what, "unit": series.unit}
    cells = np.argwhere(np.isfinite(series.values)).tolist()
    rows = (
        (series.points[s], r, c, series.rows.texts[r], series.columns.texts[c], series.values[s, r, c])
        for s, r, c in cells
    )
    return store.tidy_csv(facts, (series.axis, "row", "column", "row_label", "column_label", "value"), rows)
