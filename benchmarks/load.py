"""Many people at once: real websocket sessions against a freshly started dashboard, every result beside its solo run.

    python -m benchmarks.load [--sessions 20] [--seconds 300] [--tokens 16]

Each session speaks the protocol of Streamlit's own browser client: it asks for runs sampled with a seed of its own,
polls them as a page does, and meanwhile opens stored runs in new tabs, which are timed. When the server has ended, a
process of its own runs every request again with nobody beside it; tokens, log-probabilities, attention and mass must be
the same bits. Exits with 1 where something failed, was mixed up or differed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.load_visitor import VisitError, Visitor
from benchmarks.visiting import server
from core.records import Trace
from core.settings import models_path
from core.store.serialise import to_plain

say = partial(print, flush=True)
LOOK = 4.0
"""Seconds between two visits of a session to a stored run, while it waits for its own."""


class Seen:
    """What the sessions met: runs as (id, prompt, seed), seconds of asks and of views, errors, memory in bytes."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, str, int]] = []
        self.asks: list[float] = []
        self.views: list[float] = []
        self.errors: list[str] = []
        self.memory: list[int] = []


async def session(number: int, address: str, tokens: int, end: float, seen: Seen) -> None:
    """One person: asks, waits, looks at stored runs meanwhile, until the time is over."""
    chance = random.Random(number)
    asked = 0
    while time.monotonic() < end:
        prompt, seed = f"Person {number} asks for the {asked}. time: name a colour.", chance.randrange(10**6)
        asked += 1
        began = time.monotonic()
        try:
            async with Visitor(address) as tab:
                await tab.ask(prompt, seed, tokens)
                looked = time.monotonic() - chance.random() * LOOK
                while not (found := tab.finished_run()):
                    await asyncio.sleep(tab.interval)
                    await tab.poll()
                    if seen.runs and time.monotonic() - looked > LOOK:
                        looked = time.monotonic()
                        seen.views.append(await _view(address, chance.choice(seen.runs)[0]))
                seen.asks.append(time.monotonic() - began)
                seen.runs.append((found, prompt, seed))
        except VisitError as error:
            seen.errors.append(f"session {number}: {error}")


async def _view(address: str, run: str) -> float:
    """Opens a stored run in a new tab; returns the seconds until its page is whole."""
    began = time.monotonic()
    async with Visitor(address) as tab:
        await tab.open(f"run={run}")
    return time.monotonic() - began


async def _watch(process: Any, seen: Seen) -> None:
    while True:
        seen.memory.append(process.memory_info().rss)
        await asyncio.sleep(1)


async def load(address: str, process: Any, sessions: int, seconds: float, tokens: int) -> Seen:
    """Lets so many sessions work for so long; what was asked by then is waited for."""
    seen, end = Seen(), time.monotonic() + seconds
    watch = asyncio.create_task(_watch(process, seen))
    await asyncio.gather(*(session(n, address, tokens, end, seen) for n in range(sessions)))
    watch.cancel()
    return seen


def mixed_up(seen: Seen) -> list[str]:
    """Returns which runs are not what their session asked for."""
    from core.store import open_run

    found = []
    for run, prompt, seed in seen.runs:
        request = open_run(run, rows=False).request
        if (request.messages[-1].content, request.seed) != (prompt, seed):
            found.append(f"{prompt!r} with seed {seed} was shown the run of {request.messages[-1].content!r}")
    return found


def differences(runs: list[str]) -> list[str]:
    """Runs each stored run again, alone, and returns those whose arrays are not the same to the last bit."""
    from core.capture import capture
    from core.models import load_model
    from core.store import load_run

    found = []
    for run in runs:
        stored = load_run(run)
        alone = capture(load_model(stored.request.model), stored.request)
        found += [f"{run[:12]}: {name} differs from its solo run" for name in _different(stored, alone)[:3]]
    return found


def _different(one: Trace, two: Trace) -> list[str]:
    """Returns what of two traces is not the same to the last bit; when and how fast they were made is left out."""
    (plain, arrays), (other, others) = (to_plain(replace(t, created="", seconds=0.0)) for t in (one, two))
    bits = [name for name in arrays.keys() | others.keys() if not _equal(arrays.get(name), others.get(name))]
    return sorted(bits) + [name for name in plain.keys() | other.keys() if plain.get(name) != other.get(name)]


def _equal(one: np.ndarray | None, two: np.ndarray | None) -> bool:
    if one is None or two is None:
        return one is two
    return one.dtype == two.dtype and one.shape == two.shape and one.tobytes() == two.tobytes()


def _report(seen: Seen, wrong: list[str]) -> None:
    def line(name: str, values: list[float]) -> str:
        if not values:
            return f"{name}: none"
        return f"{name}: {len(values)}, p50 {np.percentile(values, 50):.2f} s, p95 {np.percentile(values, 95):.2f} s"

    say(line("asks", seen.asks))
    say(line("views of stored runs beside them", seen.views))
    memory = [f"{name} {size / 1e6:,.0f} MB" for name, size in
              (("first", seen.memory[0]), ("last", seen.memory[-1]), ("most", max(seen.memory)))]  # fmt: skip
    say("memory of the server:", ", ".join(memory))
    say(f"errors: {len(seen.errors)}; mixed up or different from their solo run: {len(wrong)} of {len(seen.runs)}")
    for text in [*seen.errors, *wrong][:20]:
        say("  ", text)


def main() -> int:
    """Runs the load, then the solo runs; prints what was met."""
    options = argparse.ArgumentParser(description="Many people at once, each result beside its solo run.")
    options.add_argument("--sessions", type=int, default=20)
    options.add_argument("--seconds", type=float, default=300)
    options.add_argument("--tokens", type=int, default=16, help="new tokens of each run")
    options.add_argument("--solo", metavar="FILE", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.solo:
        say(json.dumps(differences(json.loads(Path(given.solo).read_text("utf-8")))))
        return 0
    os.environ["HEED_MODELS"] = str(models_path())
    with tempfile.TemporaryDirectory() as home:
        os.environ["HEED_HOME"] = home
        with server(["-m", "core", "app"], home) as (address, process):
            seen = asyncio.run(load(address, process, given.sessions, given.seconds, given.tokens))
        runs = Path(home) / "asked.json"
        runs.write_text(json.dumps([run for run, _, _ in seen.runs]), "utf-8")
        command = [sys.executable, "-m", "benchmarks.load", "--solo", str(runs)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        alone = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else [done.stderr[-500:]]
        wrong = mixed_up(seen) + alone
    _report(seen, wrong)
    return 1 if seen.errors or wrong or not seen.runs else 0


if __name__ == "__main__":
    sys.exit(main())
