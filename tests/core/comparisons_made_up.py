"""A hand-made comparison of two runs with known numbers, for the tests of the charts; needs no model and no alignment.

Run A was asked "Name one red fruit", run B "Name two red fruit please": one word is replaced, one only B's.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from core.charts.aligned_heatmaps import heatmaps
from core.records import Agreement, Aligned, Comparison, NextTokens
from tests.core import charts_made_up as made

A, B = ("Name", "one", "red", "fruit", ""), ("Name", "two", "red", "fruit", "please")
SHARES = np.array([[0.10, 0.20, 0.05, 0.30, np.nan], [0.20, 0.15, 0.05, 0.10, 0.25]])
NAMES = ("A · one", "B · two")


def runs() -> tuple[list[Any], list[Any]]:
    """(traces, importances) with the user's words as columns; A's answer has two words, B's one."""
    a, b = made.trace(" ".join(A[:4]), "apple pie"), made.trace(" ".join(B), "cherries")
    one = made.importance(a, values=np.array([[0.1, 0.2, 0.0, 0.4], [0.1, 0.2, 0.1, 0.2]]))
    two = made.importance(b, values=np.array([[0.20, 0.15, 0.05, 0.10, 0.25]]))
    return [a, b], [one, two]


def comparison(**changes: Any) -> Comparison:
    """The comparison; A's value of "please" is NaN, since only B has it: its share is in ``alone``."""
    values = SHARES.copy()
    values[:, 4] = np.nan
    alone = np.full((2, 5), np.nan)
    alone[1, 4] = 0.25
    uniform = np.full((2, 5), 0.1)
    uniform[:, 4] = np.nan
    known: dict[str, Any] = {
        "trace_ids": ("a" * 64, "b" * 64),
        "models": (made.model().caption, made.model().caption),
        "method": "mean-attention",
        "granularity": "word",
        "units": Aligned(("Name", "one", "red", "fruit", "please"), (A, B), [[0, 1, 2, 3, -1], [0, 1, 2, 3, 4]]),
        "values": values,
        "uniform": uniform,
        "pieces": np.array([[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]),
        "alone": alone,
        "unaligned": np.array([0.0, 0.25]),
        "status": np.array(
            [
                ["matched", "replaced", "matched", "matched", "deleted"],
                ["matched", "replaced", "matched", "matched", "inserted"],
            ]
        ),
        "shares": {"sink": np.array([0.3, 0.2]), "markup": np.array([0.05, 0.05]), "own output": np.array([0.0, 0.0])},
        "agreements": (
            Agreement(0, 1, "spearman", -0.2, 0.4, 0.1, 4),
            Agreement(0, 1, "cosine", 0.9, 0.8, 0.7, 4),
            Agreement(0, 1, "top-5", np.nan, np.nan, np.nan, 4, "Only 4 words are in both, so any top 5 is all."),
        ),
        "sums_to_one": True,
    }
    return Comparison(**(known | changes))


def same_answer() -> SimpleNamespace:
    """Cells of two runs with the answer "apple pie"; "please" is only in B, so it has no difference."""
    values = np.stack([np.tile(SHARES[0], (2, 1)), np.tile(SHARES[1], (2, 1))])
    values[1, 1] *= 2
    values[:, :, 4] = np.nan
    return SimpleNamespace(rows=("apple", "pie"), values=values)


def many_words(n: int, texts: tuple[str, ...]) -> Comparison:
    """A comparison of two runs with these ``n`` words each, all equal."""
    return comparison(
        units=Aligned(texts, (texts, texts), np.tile(np.arange(n), (2, 1))), values=np.full((2, n), 0.01),
        uniform=np.full((2, n), 0.01), pieces=np.ones((2, n)), alone=np.full((2, n), np.nan),
        status=np.full((2, n), "matched"), unaligned=np.zeros(2),
    )  # fmt: skip


def next_tokens() -> NextTokens:
    """The three likeliest tokens of two prompts."""
    p = np.array([[0.5, 0.25, 0.01], [0.1, 0.05, 0.7]])
    return NextTokens(("a", "b"), [1, 2, 3], ("␣nurse", "␣doctor", "␣man"), np.log(p), "SmolLM2")


def heat(**more: Any) -> Any:
    """The heatmaps of both runs."""
    traces, importances = runs()
    return heatmaps(traces, importances, comparison(), names=NAMES, **more)


def tables(chart: Any) -> list[list[dict[str, Any]]]:
    """Every data table of a chart, those that tooltips look up included."""
    return [t for t in chart.to_dict()["datasets"].values() if t and isinstance(t[0], dict)]


def rows_with(chart: Any, *fields: str) -> list[dict[str, Any]]:
    """The records of the first table that has these fields."""
    return next(t for t in tables(chart) if set(fields) <= set(t[0]))


def encodings(chart: Any, channel: str) -> list[Any]:
    """Every encoding channel in the layers of a chart."""
    spec = chart.to_dict()
    return [x["encoding"][channel] for x in spec.get("layer", [spec]) if channel in x.get("encoding", {})]
