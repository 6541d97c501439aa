"""What drawing the static diagrams costs, and finding regions: ``python -m benchmarks.run --only diagrams``.

Made-up maps of the sizes that the figures are for; each time is the median of several, from the record to the chart's
JSON, and to its PNG. The baseline of the same run is the drawing of an empty Altair chart.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import altair as alt
import numpy as np

from core.charts import attention_map, comparison_circles, evolution_sparklines, head_maps, png, stability_map
from core.maps.regions import find_regions
from core.records import AttentionMap, AttentionMaps, MapSeries, map_tokens

REPEATS = 5


def diagrams(say: Callable[[str], None]) -> None:
    """Prints the seconds of each figure and of finding regions."""
    rng = np.random.default_rng(0)

    def shares(*shape: int) -> np.ndarray:
        return rng.dirichlet(np.ones(shape[-1]), shape[:-1]).astype(np.float32)

    first, second = (AttentionMap.of(shares(24, 24)) for _ in range(2))
    side = map_tokens(24)
    series = MapSeries(shares(24, 24, 24), "sample", tuple(map(str, range(24))), side, side)
    heads = {n: AttentionMaps(shares(*n, 48, 48), map_tokens(48), map_tokens(48)) for n in ((30, 9), (32, 32))}
    large = {n: AttentionMap.of(shares(n, n)) for n in (200, 512)}
    empty = alt.Chart(alt.InlineData(values=[{}])).mark_point()
    figures: dict[str, Callable[[], Any]] = {
        "an empty chart": lambda: empty,
        "comparison circles, 24 x 24": lambda: comparison_circles(first, second),
        "stability, 24 x 24 x 24 samples": lambda: stability_map(series),
        "sparklines, 24 x 24 x 24 points": lambda: evolution_sparklines(series),
        "attention map, 200 x 200, lens": lambda: attention_map(large[200], lens=6),
        "attention map, 512 x 512": lambda: attention_map(large[512]),
        "all heads, 30 x 9 maps of 48 x 48": lambda: head_maps(heads[30, 9]),
        "all heads, 32 x 32 maps of 48 x 48": lambda: head_maps(heads[32, 32]),
    }
    say("| figure | chart (s) | and PNG (s) |")
    say("|---|---|---|")
    for name, draw in figures.items():
        png(draw())  # the first export starts the converter
        made = median(lambda draw=draw: draw().to_dict())
        say(f"| {name} | {made:.2f} | {median(lambda draw=draw: png(draw())):.2f} |")
    for n in (128, 256, 512, 1024):
        values = shares(n, n)
        say(f"| find_regions, {n} x {n} | {median(lambda values=values: find_regions(values, 3)):.2f} | |")


def median(work: Callable[[], Any]) -> float:
    """Returns the median seconds of ``work``."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)
