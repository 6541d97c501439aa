"""Times stability of 24 answer words by 24 prompt words over 20 runs, from traces in memory to a drawn chart.

The runs are real (edits of a prompt, read with one answer by the default model) but not part of the time: they are
made once beforehand. Drawing is timed twice, to the JSON sent to a browser and to a picture; the first call of each
imports libraries and is left out.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

RUNS = 20
PROMPT = (
    "Please write a short story about a big dog that lives near the blue sea and often buys fish for his old friend."
)
ANSWER = "Max was a big dog who loved the sea. Each day he swam out and brought some fish to his old Tom."


def stability(model: Any, say: Callable[[str], None], rounds: int = 5) -> float:
    """Prints and returns the median seconds from traces to the chart as it is sent to a browser."""
    from core import explain
    from core.charts import picture_files
    from core.charts.stability_charts import spread_heatmap
    from core.comparing.run_stability import measure_stability as over_runs

    traces = _runs(model)
    spent: dict[str, list[float]] = {"chart": [], "picture": []}
    for _ in range(rounds + 1):
        began = time.perf_counter()
        made = [explain(t, sink="separate", granularity="word") for t in traces]
        found = over_runs(traces, made)
        chart = spread_heatmap(found)
        chart.to_json()
        spent["chart"].append(time.perf_counter() - began)
        picture_files.png(chart)
        spent["picture"].append(time.perf_counter() - began)
    chart_s, picture_s = (statistics.median(s[1:]) for s in spent.values())
    rows, columns = found.mean.shape
    say(
        f"stability, {rows} x {columns} cells x {len(traces)} runs: traces to chart {chart_s:.2f} s, "
        f"to a picture of it {picture_s:.2f} s (to reach: 1 s)"
    )
    return chart_s


def _runs(model: Any) -> list[Any]:
    from core import run
    from core.comparing.perturbations import propose_edits

    texts = [PROMPT, *(edit.text for edit in propose_edits(PROMPT, RUNS - 1))]
    return [run(model, text, answer=ANSWER, cache=False) for text in texts]
