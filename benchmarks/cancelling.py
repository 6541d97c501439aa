"""How long Cancel takes, wherever the work is: from the press at a random moment until the worker is free.

python -m benchmarks.cancelling [--tries 20] [--only NAME]

A page says "Cancelled" at once; what is measured here is when the next in the queue begins. Each kind of work is the
one that a page queues, on the default model and a prompt of some 1,500 tokens (loading: the larger of the two shipped
models). It runs once to its end, then is cancelled ``tries`` times at moments spread at random over what it took. Exits
with 1 where one took longer than a second.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import numpy as np

from core.errors import Cancelled
from core.jobs.job import Work
from core.progress import no_progress

SENTENCE = "The {n}. lamp of the long house stands beside the door of room {n}, and somebody lit it at noon. "
ASKED = 1.0
"""Seconds within which the worker should be free."""
LONGEST = 8.0
"""Seconds after which a first, whole run is stopped: later moments are drawn from what it had reached."""


def kinds(model: str, loaded: str) -> dict[str, tuple[Callable[[], Work], Callable[[], None]]]:
    """Returns name -> (what makes the work anew, what happens before each try)."""
    from core.jobs.maps_jobs import maps_work
    from core.jobs.probe_jobs import attribution_work, heads_work, next_work, probe_work, switch_off_work
    from core.jobs.run_jobs import run_work
    from core.jobs.steering_jobs import steer_work
    from core.jobs.trust_jobs import league_work
    from core.models import load_model
    from core.models.load import unload_models
    from core.probe.steer_run import part_steering
    from core.runs import Draft
    from core.text_readings import TextDraft
    from core.trust.trust_prompts import built_in_prompts

    house = "".join(SENTENCE.format(n=n) for n in range(1, 61))
    count = iter(range(10**6))

    def draft(text: str = house, tokens: int = 4) -> Draft:
        return Draft(model, f"{text} {next(count)}", settings={"max_new_tokens": tokens})

    key = load_model(model).key
    few_text = "".join(SENTENCE.format(n=n) for n in range(1, 9))
    part = (0, 0, 200)

    def load() -> Work:
        return lambda progress, cancelled: load_model(loaded, cancelled=cancelled)

    def nothing() -> None:
        pass

    return {
        "loading a model": (load, unload_models),
        "reading a long prompt": (lambda: run_work(draft(house * 2, 1)), nothing),
        "writing an answer": (lambda: run_work(draft("Write a long story.", 400)), nothing),
        "hiding each sentence": (lambda: probe_work(draft(), "sentence"), nothing),
        "hiding each word": (lambda: probe_work(draft(few_text, 16)), nothing),
        "gradients": (lambda: attribution_work(draft(house[:3000], 32), "input-x-gradient"), nothing),
        "integrated gradients": (lambda: attribution_work(draft(house[:3000], 8), "integrated-gradients"), nothing),
        "switching off every head": (lambda: switch_off_work(draft(house[:3000], 16)), nothing),
        "turning a part up and down": (
            lambda: steer_work((one := draft(house[:3000], 24)), part_steering(one.request(key), part, (0.25, 4, 8))),
            nothing,
        ),
        "heads of a layer again": (lambda: heads_work(draft(house, 4).request(key), 3), nothing),
        "next tokens": (lambda: next_work([draft(house, 1) for _ in range(6)]), nothing),
        "maps of a text": (lambda: maps_work(TextDraft(model, f"{house[:2000]} {next(count)}")), nothing),
        "the league of methods": (lambda: league_work(model, built_in_prompts()[:6]), nothing),
    }  # fmt: skip


def run_until(work: Work, seconds: float) -> tuple[float, float, str]:
    """Runs ``work`` and cancels it after ``seconds``: (seconds it ran, seconds from the press to its end, outcome)."""
    stop, pressed = threading.Event(), 0.0
    ended: list[str] = []

    def do() -> None:
        try:
            work(no_progress, stop.is_set)
            ended.append("done")
        except Cancelled:
            ended.append("cancelled")

    began, thread = time.monotonic(), threading.Thread(target=do)
    thread.start()
    thread.join(seconds)
    pressed = time.monotonic()
    stop.set()
    thread.join()
    now = time.monotonic()
    return now - began, now - pressed, ended[0] if ended else "failed"


say = partial(print, flush=True)


def main() -> int:
    """Prints a line for each kind of work."""
    options = argparse.ArgumentParser(description="From Cancel to a free worker, for every kind of work.")
    options.add_argument("--tries", type=int, default=20)
    options.add_argument("--only", default="", help="part of the name of a kind of work")
    options.add_argument("--loaded", default="qwen2.5-coder-0.5b-instruct")
    given = options.parse_args()
    from core.models.catalogue import DEFAULT_MODEL
    from core.settings import models_path

    os.environ["HEED_MODELS"] = str(models_path())
    chance, late = random.Random(0), 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        os.environ["HEED_HOME"] = home
        for name, (make, before) in kinds(DEFAULT_MODEL, given.loaded).items():
            if given.only not in name:
                continue
            for _ in range(2):  # the first time files are read from the disk and code is imported
                before()
                whole, over, outcome = run_until(make(), LONGEST)
            waits: list[float] = [over] if outcome == "cancelled" else []
            finished = 0
            for _ in range(given.tries):
                before()
                _, wait, outcome = run_until(make(), chance.random() * min(whole, LONGEST))
                if outcome == "cancelled":
                    waits.append(wait)
                else:
                    finished += outcome == "done"
                    late += outcome == "failed"
            late += sum(wait > ASKED for wait in waits)
            text = f"{name:28} takes {whole:6.1f} s; cancelled {len(waits):3}"
            if waits:
                text += f": median {np.median(waits):.2f} s, 95 % {np.percentile(waits, 95):.2f}, most {max(waits):.2f}"
            say(text + (f"; {finished} had finished" if finished else ""))
    with suppress(Exception):
        from core.models.load import unload_models

        unload_models()
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
