"""Measures a study in items per minute: answers written in batches of 16, beside one at a time.

The items are the first ones of the built-in suites in the layout "instruction first", so answers end where they end.
Both ways make the whole Trace. Knocking out the parts is timed separately: either way it is scored run by run.
Also printed: how many answers differ between the two ways, and at how many of those steps the two best tokens were
within 1e-4 nats of each other.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

ITEMS = 48
TASKS = ("fact", "context_qa", "summary", "extraction", "classification", "constrained", "arithmetic", "creative")


def study(model: Any, say: Callable[[str], None], items: int = ITEMS) -> float:
    """Prints items per minute of both ways and returns the ratio batched / one at a time."""
    from core.capture import capture, capture_all
    from core.capture.batch_generation import CLOSE
    from core.study.compute import StudyRun, compute_runs

    asked = _asked(model, items)
    list(capture_all(model, asked[:2]))  # warm-up: the check of the model and the first imports
    began = time.perf_counter()
    batched = dict(capture_all(model, asked))
    together = time.perf_counter() - began
    began = time.perf_counter()
    single = [capture(model, request) for request in asked]
    alone = time.perf_counter() - began
    began = time.perf_counter()
    done = list(compute_runs(model, [StudyRun(str(i), r) for i, r in enumerate(asked)]))
    whole = time.perf_counter() - began
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
        f"batches of 16, {60 * n / alone:.0f} one at a time, ratio {alone / together:.2f}; "
        f"{60 * len(done) / whole:.0f} a minute with every part masked and removed"
    )
    say(f"  answers that differ: {other} of {n}, {close} of them at a near tie (the two best within {CLOSE:g} nats)")
    return alone / together


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
