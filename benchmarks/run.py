"""``make bench``: what capturing costs beside plain generation, as ratios taken in one run on the default model.

Machines are noisy, so every figure is a ratio of neighbours: the two sides run in turn, first A then B, then B
then A; what is printed is the median of the pairs' ratios with their quartiles. Plain means the library's own
``generate`` and forward pass on sdpa over a second copy of the same weights. Nothing here is a test.

    python -m benchmarks.run [--pairs 15] [--full]
                             [--only generate|score|memory|cached|stability|knockout|study|attributing|rerunning|
                             diagrams|components|steering|long|legibility|visit|interactions|swaps|large-study]
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from benchmarks.attributing import attributing
from benchmarks.diagrams import diagrams
from benchmarks.knockout import knockout
from benchmarks.large_opening import large_opening
from benchmarks.legibility import legibility
from benchmarks.long_texts import long_texts
from benchmarks.model_swaps import swaps
from benchmarks.rerunning import rerunning
from benchmarks.stability import stability
from benchmarks.steering import steering
from benchmarks.studying import study, with_parts
from benchmarks.visiting import interactions, visit
from core.version import __version__

SIZES = ((64, 64), (1024, 64))
LONG = ((4096, 64), (8128, 64))
"""Sizes that are timed in few pairs: a minute or two each."""
PAIRS = 15
ASKED = "Answer in one word: What color is the sky?"


def say(line: str = "") -> None:
    """Prints a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def seconds(work: Callable[[], Any]) -> float:
    """Returns how long ``work`` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def components_cost(model: Any, pairs: int) -> None:
    """Prints what recording the other parts costs beside the same run without them, and switching off every head."""
    from dataclasses import replace

    from core.capture import capture
    from core.probe import switch_off
    from core.runs import Draft

    plain = Draft(model.key.name, ASKED, settings={"max_new_tokens": 35}).request(model.key)
    full = replace(plain, keep="components")
    compare("a run with its other parts / without", lambda: capture(model, full), lambda: capture(model, plain), pairs)
    trace = capture(model, plain)
    say(f"every head switched off, one by one: {seconds(lambda: switch_off(model, trace)):.1f} s")


def compare(name: str, ours: Callable[[], Any], plain: Callable[[], Any], pairs: int) -> float:
    """Prints and returns the median ratio of ``pairs`` interleaved pairs."""
    ours(), plain()
    both = []
    for i in range(pairs):
        first, second = (ours, plain) if i % 2 == 0 else (plain, ours)
        a, b = seconds(first), seconds(second)
        both.append((a, b) if i % 2 == 0 else (b, a))
    ratios = sorted(a / b for a, b in both)
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else (ratios[0],) * 3
    ours_s, plain_s = (statistics.median(s) for s in zip(*both, strict=True))
    say(f"{name:44} {middle:6.3f}   [{low:.3f} .. {high:.3f}]   {ours_s:7.3f} s / {plain_s:7.3f} s   {pairs} pairs")
    return middle


class Bench:
    """The default model twice: loaded by Heed, and by transformers alone."""

    def __init__(self) -> None:
        import torch
        from transformers import AutoModelForCausalLM

        from core.models import DEFAULT_MODEL, load_model, locate
        from core.models.model_key import files_of

        self.torch = torch
        self.model = load_model(DEFAULT_MODEL)
        self.model.hf.generation_config.eos_token_id = None  # both sides always write every token
        self.plain = AutoModelForCausalLM.from_pretrained(
            files_of(locate(DEFAULT_MODEL)), dtype=torch.float32, local_files_only=True
        ).eval()
        self.plain.generation_config = self.model.hf.generation_config

    def ids(self, count: int) -> list[int]:
        """Returns ``count`` random token ids, the same each time."""
        made = self.torch.randint(100, 40_000, (count,), generator=self.torch.Generator().manual_seed(count))
        return [int(i) for i in made]

    def ours(self, prompt: Sequence[int], steps: int, answer: Sequence[int] | None = None) -> Any:
        """Runs the model with capture."""
        from core.capture import capture, make_request

        request = make_request(self.model.key, prompt, answer=answer, max_new_tokens=steps)
        return capture(self.model, request)

    def theirs(self, prompt: Sequence[int], steps: int, **settings: Any) -> Any:
        """Generates with transformers alone."""
        ids = self.torch.tensor([prompt])
        with self.torch.no_grad():
            return self.plain.generate(
                ids, attention_mask=self.torch.ones_like(ids), max_new_tokens=steps, do_sample=False, **settings
            )

    def forward(self, ids: Sequence[int], keep: int) -> Any:
        """One plain forward pass that keeps the last ``keep`` logits (0: all)."""
        batch = self.torch.tensor([ids])
        with self.torch.no_grad():
            return self.plain(
                batch, attention_mask=self.torch.ones_like(batch), use_cache=False, logits_to_keep=keep
            ).logits


def generate(bench: Bench, pairs: int) -> None:
    """Times generating with capture against generating without."""
    for prompt, steps in (*SIZES, *LONG):
        ids = bench.ids(prompt)
        name = f"generate with capture / plain   {prompt}+{steps}"
        count = min(pairs, 3) if (prompt, steps) in LONG else pairs
        compare(name, partial(bench.ours, ids, steps), partial(bench.theirs, ids, steps), count)


def score(bench: Bench, pairs: int) -> None:
    """Times scoring with rows against a plain forward pass."""
    for prompt, steps in SIZES:
        ids = bench.ids(prompt + steps)
        first, answer = ids[:prompt], ids[prompt:]
        name = f"score with rows / plain forward {prompt}+{steps}"
        compare(name, partial(bench.ours, first, steps, answer), partial(bench.forward, ids[:-1], 0), pairs)
        name = "  beside a forward pass with only T logits"
        compare(name, partial(bench.ours, first, steps, answer), partial(bench.forward, ids[:-1], steps), pairs)


def _watch(stop: threading.Event, seen: list[int]) -> None:
    """Samples this process's resident memory every 2 ms."""
    import psutil

    process = psutil.Process()
    while not stop.wait(0.002):
        seen.append(process.memory_info().rss)


def _peak(kind: str, out: Any) -> None:
    """Puts into ``out`` by how many bytes one run raises resident memory; called in a process of its own."""
    import psutil

    bench = Bench()
    prompt, steps = SIZES[-1]
    ids = bench.ids(prompt)
    if kind == "output_attentions":
        bench.plain.set_attn_implementation("eager")
    bench.theirs(ids[:8], 2), bench.ours(ids[:8], 2)
    before, stop, seen = psutil.Process().memory_info().rss, threading.Event(), [0]
    watcher = threading.Thread(target=_watch, args=(stop, seen))
    watcher.start()
    keep: Any
    if kind == "capture":
        keep = bench.ours(ids, steps)
    elif kind == "plain":
        keep = bench.theirs(ids, steps)
    else:
        keep = bench.theirs(ids, steps, output_attentions=True, return_dict_in_generate=True)
    stop.set()
    watcher.join()
    out.put(max(seen) - before)
    del keep


def memory() -> None:
    """Prints the extra peak memory at 1024+64 tokens, each way in a fresh process, less that of plain generation."""
    spawn = multiprocessing.get_context("spawn")
    peaks = {}
    for kind in ("plain", "capture", "output_attentions"):
        out = spawn.Queue()
        process = spawn.Process(target=_peak, args=(kind, out))
        process.start()
        peaks[kind] = out.get()
        process.join()
    extra = {k: max(peaks[k] - peaks["plain"], 0) / 1e6 for k in ("capture", "output_attentions")}
    ratio = extra["capture"] / max(extra["output_attentions"], 1e-6)
    sizes = f"{extra['capture']:.0f} MB / {extra['output_attentions']:.0f} MB"
    say(f"peak memory above plain generation, 1024+64: {ratio:.3f} = {sizes}")
    say("  above the loaded model: " + ", ".join(f"{k} {v / 1e6:.0f} MB" for k, v in peaks.items()))


def cached(bench: Bench) -> None:
    """Prints the time to open a stored run of 1024+64 tokens, to explain it, and to get a stored answer by name."""
    import os

    from core import explain, store
    from core.settings import models_path

    os.environ["HEED_MODELS"] = str(models_path())  # by default a folder of HEED_HOME, which changes below
    with tempfile.TemporaryDirectory() as home:
        os.environ["HEED_HOME"] = home
        trace = bench.ours(bench.ids(SIZES[-1][0]), SIZES[-1][1])
        store.save_run(trace)
        opened = [seconds(lambda: store.load_run(trace.request)) for _ in range(7)]
        again = store.load_run(trace.request)
        explained = [seconds(lambda: explain(again)) for _ in range(7)]
        code = f"from core import run; run({bench.model.key.name!r}, {ASKED!r}, max_new_tokens=16)"
        again_by_name = [sys.executable, "-c", code]
        subprocess.run(again_by_name, check=True, capture_output=True)  # made and stored
        asked = [seconds(lambda: subprocess.run(again_by_name, check=True, capture_output=True)) for _ in range(7)]
    took = [statistics.median(t) for t in (opened, explained, asked)]
    say(f"stored 1024+64 run: opened in {took[0]:.3f} s, explained in {took[1]:.3f} s")
    say(f"run by name of what is stored, in a new Python process with all imports: {took[2]:.3f} s")


def main() -> None:
    """Runs the benchmarks that were asked for and prints a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parts = ("generate", "score", "memory", "cached", "stability", "knockout", "study", "attributing", "rerunning")
    parts = (*parts, "diagrams", "components", "steering", "long", "legibility", "visit", "interactions", "swaps")
    parts = (*parts, "large-study")
    parser.add_argument("--only", choices=parts)
    parser.add_argument("--full", action="store_true", help="knockout: time Captum at 64 x 64 too, many minutes")
    asked = parser.parse_args()
    say(f"Heed {__version__}: median ratio [quartiles], median seconds")
    without = ("memory", "rerunning", "diagrams", "long", "legibility", "visit", "interactions", "swaps", "large-study")
    bench = Bench() if asked.only not in without else None
    for name, part in (("generate", generate), ("score", score)):
        if bench is not None and asked.only in (None, name):
            part(bench, asked.pairs)
    if bench is not None and asked.only in (None, "cached"):
        cached(bench)
    if bench is not None and asked.only in (None, "stability"):
        stability(bench.model, say)
    if bench is not None and asked.only in (None, "knockout"):
        knockout(bench, say, asked.full)
    if bench is not None and asked.only in (None, "study"):
        study(bench.model, say)
        with_parts(bench.model, say)
    if bench is not None and asked.only in (None, "attributing"):
        attributing(bench.model, compare, say, min(asked.pairs, 5))
    if bench is not None and asked.only in (None, "components"):
        components_cost(bench.model, asked.pairs)
    if bench is not None and asked.only in (None, "steering"):
        steering(bench, SIZES, compare, say, asked.pairs)
    if asked.only in (None, "diagrams"):
        diagrams(say)
    if asked.only in (None, "legibility"):
        legibility(say)
    if asked.only in (None, "rerunning"):
        rerunning(say)
    if asked.only in (None, "visit"):
        visit(say)
    if asked.only in (None, "interactions"):
        interactions(say)
    if asked.only in (None, "memory"):
        memory()
    if asked.only in (None, "long"):
        long_texts(say)
    if asked.only == "swaps":
        swaps(say)
    if asked.only == "large-study":
        large_opening(say)


if __name__ == "__main__":
    main()
