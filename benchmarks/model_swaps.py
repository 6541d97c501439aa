"""What two models in turn cost: loads, and the memory of the process after each.

    python -m benchmarks.run --only swaps

Ten sessions ask for one model and ten for the other, three times each, through the queue of the pages. Where both fit,
each is loaded once. Where only one does (``MOST_MODELS`` is set to 1), the queue lets some of the model in memory go
first.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import psutil

MODELS = ("smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct")
SESSIONS, EACH = 20, 3


def swaps(say: Callable[[str], None]) -> None:
    """Prints loads, seconds and memory, with room for both models and with room for one."""
    from core.models import load

    def memory() -> float:
        return psutil.Process(os.getpid()).memory_info().rss / 1e6

    for name in MODELS:
        load.load_model(name)
    load.unload_models()
    say(f"memory with torch, without a model: {memory():,.0f} MB")
    for room in (2, 1):
        for rule in (True, False) if room == 1 else (True,):
            with mock.patch.object(load, "MOST_MODELS", room):
                loads, seconds, most = _asked(load, rule, memory)
            kept = memory()
            load.unload_models()
            name = f"room for {room}" + ("" if room == 2 else ", " + ("as shipped" if rule else "strictly in turn"))
            say(
                f"{name}: {SESSIONS * EACH} jobs of {SESSIONS} sessions, {loads} loads, {seconds:.0f} s; memory at "
                f"most {most:,.0f} MB, with what is left in it {kept:,.0f}, unloaded {memory():,.0f}"
            )


def _asked(load: Any, rule: bool, memory: Callable[[], float]) -> tuple[int, float, float]:
    """Returns (loads, seconds, most memory in MB between two jobs)."""
    from core.jobs import Jobs

    loads, seen, queue = [], [], Jobs()
    if rule:
        queue.in_memory = load.is_in_memory
    real = load._load

    def counted(*given: Any) -> Any:
        loads.append(given[0].name)
        return real(*given)

    def work(progress: Any, cancelled: Any, name: str) -> None:
        load.load_model(name)
        seen.append(memory())

    began = time.monotonic()
    with mock.patch.object(load, "_load", counted):
        made = [
            queue.submit(
                f"{session} {turn}", lambda p, c, n=MODELS[session % 2]: work(p, c, n),
                who=f"{session}", session=f"{session}", model=MODELS[session % 2],
            )
            for turn in range(EACH) for session in range(SESSIONS)
        ]  # fmt: skip
        for job in made:
            job.wait()
    return len(loads), time.monotonic() - began, max(seen)
