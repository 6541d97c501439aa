"""Measures a study in items per minute: answers written in batches of 16, beside one at a time.

The items are the first ones of the built-in suites in the layout "instruction first", so answers end where they end.
Both ways make the whole Trace. Whole runs of a study, with every part masked and removed, are timed with their parts
ablated together and run by run in padded batches (the usual way), in turns, in processor seconds.
Also printed: how many answers differ between the two ways, and at how many of those steps the two best tokens were
within 1e-4 nats of each other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

ITEMS = 48
TASKS = ("fact", "context_qa", "summary", "extraction", "classification", "constrained", "arithmetic", "creative")


def study(model: Any, say: Callable[[str], None], items: int = ITEMS) -> float:
    """Prints items per minute of both ways and returns the ratio batched / one at a time."""
    from core.capture import capture, capture_all
    from core.capture.batch_generation import CLOSE

    asked = _asked(model, items)
    list(capture_all(model, asked[:2]))  # warm-up: the check of the model and the first imports
    began = time.perf_counter()
    batched = dict(capture_all(model, asked))
    together = time.perf_counter() - began
    began = time.perf_counter()
    single = [capture(model, request) for request in asked]
    alone = time.perf_counter() - began
    other, close = 0, 0
    for i, trace in enumerate(single):
        mine, theirs = trace.token_ids.tolist(), batched[i].token_ids.tolist()  # type: ignore[union-attr]
        if mine != theirs:
            other += 1
            at = next(k for k, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b) - trace.prompt_length
            best = trace.alternative_logprobs[at]
            close += bool(best[0] - best[1] < CLOSE)
    n = len(asked)
    say(
        f"study, {n} items of {model.ref.label}, at most 64 new tokens: {60 * n / together:.0f} items a minute in "
        f"batches of 16, {60 * n / alone:.0f} one at a time, ratio {alone / together:.2f}"
    )
    say(f"  answers that differ: {other} of {n}, {close} of them at a near tie (the two best within {CLOSE:g} nats)")
    return alone / together


def with_parts(model: Any, say: Callable[[str], None], items: int = ITEMS, pairs: int = 3) -> float:
    """Prints items per minute with every part masked and removed, in both ways, and returns the median of new / old."""
    from benchmarks.knockout import usual_way
    from core.study.compute import StudyRun, compute_runs

    asked = [StudyRun(str(i), r) for i, r in enumerate(_asked(model, items))]
    list(compute_runs(model, asked[:2]))  # warm-up
    written, _ = _timed(lambda: list(compute_runs(model, asked, effects=False)))
    ratios, parts, gap = [], [], 0.0
    for _ in range(pairs):
        new, ours = _timed(lambda: list(compute_runs(model, asked)))
        with usual_way():
            old, theirs = _timed(lambda: list(compute_runs(model, asked)))
        ratios.append(old / new)
        parts.append((old - written) / (new - written))
        gap = max(gap, _largest_gap(ours, theirs))
        pace = [60 * len(asked) / seconds for seconds in (new, old)]
        say(f"  {len(asked)} items: {pace[0]:.1f} a minute together, {pace[1]:.1f} run by run")
    say(
        f"every part masked and removed, items a minute together / run by run: {np.median(ratios):.2f} "
        f"[{min(ratios):.2f} .. {max(ratios):.2f}]; without writing the answers ({written:.0f} s) "
        f"{np.median(parts):.2f}; largest difference {gap:.1e} nats"
    )
    return float(np.median(ratios))


def _timed(do: Callable[[], Any]) -> tuple[float, Any]:
    """Returns (processor seconds, result)."""
    began = time.process_time()
    out = do()
    return time.process_time() - began, out


def _largest_gap(ours: Sequence[Any], theirs: Sequence[Any]) -> float:
    """Returns the largest difference between effects of the same run (nats, over a whole answer)."""
    other = {one.key: one.effects for one in theirs}
    return max(abs(value - other[one.key][name]) for one in ours for name, value in one.effects.items())


def _asked(model: Any, items: int) -> list[Any]:
    from core.records import Request
    from core.settings import versions
    from core.study import lay_out, suite

    chosen = [item for task in TASKS for item in suite(task)[: -(-items // len(TASKS))]][:items]
    laid = [lay_out(item, "instruction_first") for item in chosen]
    return [
        Request(model.key, x.messages, segments=x.segments, max_new_tokens=64, versions=versions(), keep="reduced")
        for x in laid
    ]
