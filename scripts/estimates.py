"""Prints, for ten jobs on the real small models, how long each was said to take and how long it took.

    python -m scripts.estimates [PART OF A NAME ...]

Each job is done twice, in a folder of its own: once to learn (the first estimate is a guess by the size of the model),
then with another text of another length, which is what counts: estimate against fact should be within a factor of 1.5
on a quiet machine. ``cores`` is processor time by wall time, of the pass that had less: far below the number of cores,
others were at work, and the ratio says little.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.comparing.perturbations import propose_edits
from core.importance.surrogate import random_masks
from core.jobs.job import Work
from core.jobs.probe_jobs import attribution_work, probe_time, probe_work
from core.jobs.run_jobs import run_all_work, run_work
from core.jobs.study_jobs import study_work
from core.models.load import unload_models
from core.probe.time_estimate import TimeEstimate, estimate_attribution, estimate_request, estimate_time
from core.records import Trace
from core.runs import Draft, draft_request
from core.store import load_run
from core.study import Plan, estimate_plan
from core.text.units import units
from core.trust import check_masks

SMALL, LARGER = "smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct"
WITHIN = 1.5
"""Largest factor between estimate and fact."""
FACTS = (
    "The mill at {} was built in {} and grinds barley on Mondays.",
    "A ferry leaves {} at {} past noon and carries forty sheep.",
    "The school of {} has {} windows, and each of them is blue.",
    "In {} the bell rings {} times when the river is high.",
)
PLACES = ("Arden", "Bexley", "Corwen", "Dunmore", "Elstow", "Farley", "Gorton", "Hexham", "Ilkley", "Jarrow")


def sentences(count: int, start: int = 0) -> str:
    """Returns that many made-up facts, all different."""
    return " ".join(
        FACTS[i % len(FACTS)].format(PLACES[i % len(PLACES)], 12 + 7 * i) for i in range(start, start + count)
    )


@dataclass(frozen=True)
class Case:
    """A job of the table: for a pass (0, 1) its estimate and its work."""

    name: str
    make: Callable[[int], tuple[TimeEstimate, Work]]


def draft_of(model: str, text: str, tokens: int, **more: Any) -> Draft:
    """Returns a chat draft that asks for at most ``tokens`` new ones."""
    return Draft(model, [{"role": "user", "content": text}], settings={"max_new_tokens": tokens}, **more)


def run_case(model: str, facts: Sequence[int], tokens: Sequence[int], fresh: bool = False) -> Callable[[int], Any]:
    """A run whose prompt and answer differ between the passes; ``fresh``: the model is loaded for it."""

    def make(n: int) -> tuple[TimeEstimate, Work]:
        text = f"{sentences(facts[n], 3 * n)} Write a very long story in which all of this happens."
        draft = draft_of(model, text, tokens[n])
        request = draft_request(draft)
        assert request is not None, f"{model} must be here: python -m core models fetch {model}"
        if fresh:
            unload_models(request.model)
        return estimate_request(request, 494_000_000 if model == LARGER else 134_515_008), run_work(request)

    return make


def run_of(facts: int, tokens: int, start: int) -> Trace:
    """Makes and returns a run of the small model."""
    draft = draft_of(SMALL, f"{sentences(facts, start)} Write a story in which all of this happens.", tokens)
    request = draft_request(draft)
    assert request is not None
    return load_run(do(run_work(request))) or sys.exit("The run was not stored.")


def do(work: Work) -> Any:
    """Runs a job here and now."""
    return work(lambda *_: None, lambda: False)


def probe_case(masks: Callable[[Trace], Any], sizes: Sequence[int]) -> Callable[[int], Any]:
    """A knock-out of the words or sentences of a run."""

    def make(n: int) -> tuple[TimeEstimate, Work]:
        trace = run_of(sizes[n], 24, 5 * n)
        level, asked = masks(trace)
        return probe_time(trace, level, "mask", asked), probe_work(trace.request, level, "mask", asked)

    return make


def halves(trace: Trace) -> tuple[str, np.ndarray]:
    """Returns the random halves of sentences that check the methods."""
    cut = units(trace.tokens, "sentence", range(trace.prompt_length), trace.request.segments)
    return "sentence", check_masks(trace.tokens, cut)


def surrogate(trace: Trace) -> tuple[str, np.ndarray]:
    """Returns 64 random masks over the words."""
    cut = units(trace.tokens, "word", range(trace.prompt_length), trace.request.segments)
    return "word", random_masks(np.ones(len(cut), bool), 64)


def gradient_case(kind: str) -> Callable[[int], Any]:
    """An attribution of a run's answer."""

    def make(n: int) -> tuple[TimeEstimate, Work]:
        trace = run_of(6 + 4 * n, 24, 7 * n)
        return estimate_attribution(trace, kind), attribution_work(trace.request, kind)

    return make


def stability(n: int) -> tuple[TimeEstimate, Work]:
    """The same answer read behind edited prompts."""
    trace = run_of(5 + 2 * n, 24, 11 * n)
    text = trace.request.messages[-1].content
    drafts = [
        Draft(SMALL, [{"role": "user", "content": edit.text}], trace.answer) for edit in propose_edits(text, 8, n)
    ]
    return estimate_time(trace, len(drafts)), run_all_work(drafts)


def minimal_pair(n: int) -> tuple[TimeEstimate, Work]:
    """Each of two answers read under each of two prompts."""
    traces = [run_of(4 + 2 * n, 24, start) for start in (13 + n, 17 + n)]
    drafts = [
        Draft(SMALL, [{"role": "user", "content": prompt.request.messages[-1].content}], answer.answer)
        for prompt in traces
        for answer in traces
    ]
    return estimate_time(max(traces, key=lambda t: len(t.tokens)), len(drafts)), run_all_work(drafts)


def study(n: int) -> tuple[TimeEstimate, Work]:
    """A study of twelve cells, in a process of its own."""
    plan = Plan(
        f"estimates {n}",
        (SMALL,),
        structures=("instruction_first", "instruction_last"),
        suites=(("fact", "context_qa")[n],),
        per_task=6,
        max_new_tokens=32,
    )
    found = estimate_plan(plan)
    assert found.seconds is not None and found.runs == 12, found
    return TimeEstimate(found.seconds, found.measured), study_work(plan)


CASES = (
    Case("run, 48 new tokens", run_case(SMALL, (1, 3), (64, 48))),
    Case("long run, 700 input tokens", run_case(SMALL, (24, 32), (40, 64))),
    Case("knock out each word", probe_case(lambda trace: ("word", None), (6, 9))),
    Case("random halves", probe_case(halves, (8, 11))),
    Case("surrogate, 64 masks", probe_case(surrogate, (7, 10))),
    Case("integrated gradients", gradient_case("integrated-gradients")),
    Case("attention x gradient", gradient_case("attention-x-gradient")),
    Case("stability, 8 edits", stability),
    Case("minimal pair, 4 scores", minimal_pair),
    Case("another model, loaded first", run_case(LARGER, (2, 4), (32, 40), fresh=True)),
    Case("study of 12 cells", study),
)


def say(line: str) -> None:
    """Prints a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Runs all jobs and prints the table; ends with 1 where an estimate was off by more than ``WITHIN``."""
    from core.settings import models_path

    os.environ["HEED_MODELS"] = str(models_path())
    bad = 0
    with tempfile.TemporaryDirectory() as home:
        os.environ["HEED_HOME"] = str(Path(home))
        say(f"load average {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores")
        say(f"{'job':<30}{'guess':>8}{'took':>8}{'ratio':>7} |{'estimate':>9}{'took':>8}{'ratio':>7}{'cores':>7}")
        cases = [case for case in CASES if not sys.argv[1:] or any(part in case.name for part in sys.argv[1:])]
        for case in cases:
            line, cores = f"{case.name:<30}", []
            for n in (0, 1):
                time_, work = case.make(n)
                began, used = time.monotonic(), cpu()
                do(work)
                took = time.monotonic() - began
                ratio = time_.seconds / took
                cores.append((cpu() - used) / took)
                line += f"{time_.seconds:>{8 + n}.1f}{took:>8.1f}{ratio:>7.2f}" + (" |" if n == 0 else "")
            bad += not 1 / WITHIN <= ratio <= WITHIN
            say(f"{line}{min(cores):>7.1f}")
    say(f"load average {os.getloadavg()[0]:.2f}; {bad} of {len(cases)} off by more than {WITHIN}")
    sys.exit(min(bad, 1))


def cpu() -> float:
    """Returns the processor time of this process and of those that it started and that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


if __name__ == "__main__":
    main()
