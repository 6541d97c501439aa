"""Simulates a study on many actors: they run batches, one driver stores each outcome and hands out the next batch.

A queue with one server. Actors do not wait for the driver while they have cells left; after a batch each waits until
its last outcome has been stored and the next batch is there. Times of cells vary as measured ones do.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

VARIES = 0.3
"""Standard deviation of the seconds of a cell, as a share of their mean (what answers up to a token limit show)."""


@dataclass(frozen=True)
class Costs:
    """Seconds of one cell, and of what stands beside it."""

    cell: float
    send: float
    """Of the actor and of Ray, for each outcome."""
    write: float
    """Of the driver, for each outcome."""
    batch: int
    """Cells of a batch."""


@dataclass(frozen=True)
class Simulated:
    """What came out."""

    pace: float
    """Runs a second."""
    busy: float
    """Share of the time in which the driver stored something."""


def simulate(costs: Costs, actors: int, cells: int, seed: int = 0) -> Simulated:
    """Returns how fast ``actors`` run so many cells, all of one model that is loaded already."""
    rng = np.random.default_rng(seed)
    spread = np.sqrt(np.log1p(VARIES**2))
    left, events, order = cells, [], 0
    free = busy = now = 0.0  # the driver's

    def begin(at: float, some: int) -> None:
        nonlocal order
        took = costs.send + costs.cell * np.exp(rng.normal(-(spread**2) / 2, spread, some))
        for place, when in enumerate(at + np.cumsum(took)):
            order += 1
            heapq.heappush(events, (float(when), order, place == some - 1))

    for _ in range(actors):
        some = min(costs.batch, left)
        left -= some
        if some:
            begin(0.0, some)
    while events:
        sent, _, last = heapq.heappop(events)
        now = max(sent, free) + costs.write
        free, busy = now, busy + costs.write
        if last and left:
            some = min(costs.batch, left)
            left -= some
            begin(now, some)
    return Simulated(cells / now, busy / now)
