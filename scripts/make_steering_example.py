"""Runs the real model to make the example of What if, Turn up or down: python -m scripts.make_steering_example

Tries every prompt of ``PROMPTS``, whose instructions a program can check: each instruction is read 1/8 to 8 times as
much. The example is the prompt whose answer gained most followed instructions when they were read more; of equal ones
that whose answer the plain model finds least unlikely. The page says so, with how many of all prompts gained and lost.
Writes examples/steering/: the plain run, and beside it what steering did.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from core import load_model, run
from core.comparing.steering_ladder import LadderRow, ladder_rows
from core.jobs.steering_jobs import steer_work
from core.models import DEFAULT_MODEL
from core.probe.steer_run import part_steering
from core.progress import never_cancelled, no_progress
from core.records import LADDER, SteeredAnswers, Trace
from core.store import load_steered, run_to_json
from core.store.steering_example import write_steering_example
from core.study.quality.instructions import instructions_in, verdicts_on

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "steering"
NEW_TOKENS = 64
PROMPTS = (
    ("Answer in one sentence. Do not use commas.", "Why is the sky blue?"),
    ("Answer in one word:", "What color is the sky?"),
    ("Write in all capital letters.", "What is the capital of France?"),
    ("Answer in at most five words.", "What is the capital of Italy?"),
    ("Answer in all lowercase letters.", "Name three fruits."),
    ("Do not use any commas.", "Which colors does a rainbow have?"),
    ("Answer in at most ten words.", "What is the sun made of?"),
    ("Answer in exactly two sentences.", "Why do cats purr?"),
    ('Answer in one sentence. Include the word "water".', "Why do leaves fall in autumn?"),
    ("Answer in exactly three words.", "How do birds fly?"),
    ("Answer in at most twenty words.", "What does a plant need to grow?"),
    ('Do not use the word "moon".', "What do we see in the sky at night?"),
)


def main() -> None:
    """Tries all prompts, prints a line for each, and writes the one that is chosen."""
    model, tried = load_model(DEFAULT_MODEL), []
    for instruction, question in PROMPTS:
        trace = run(model, f"[[instruction: {instruction}]] [[question: {question}]]", max_new_tokens=NEW_TOKENS)
        ladder = part_steering(trace.request, "instruction", LADDER)
        steer_work(trace.request, ladder)(no_progress, never_cancelled)  # goes on with what an earlier call had stored
        found = load_steered(trace.id, ladder)
        assert found is not None
        rows = _rows(found, trace)
        tried.append((*_gain(rows), trace, found))
        sys.stdout.write(f"{instruction} {question}: " + ", ".join(f"{r.name} {r.said}" for r in rows) + "\n")
        sys.stdout.flush()
    gains = [one[0] for one in tried]
    _, _, trace, found = max(tried, key=lambda one: one[:2])
    about = (
        f"How it was chosen: {len(PROMPTS)} short prompts with instructions that a program can check were tried, each "
        "instruction read 2, 4 and 8 times as much. At the best of these three factors (which favours gains) the "
        f"answer followed more instructions on {sum(g > 0 for g in gains)} of the prompts, as many on "
        f"{sum(g == 0 for g in gains)} and fewer on {sum(g < 0 for g in gains)}. Of those that gained most, shown is "
        "the one whose new answer the plain model finds least unlikely: it says what can happen, not what usually does."
    )
    write_steering_example(FOLDER, run_to_json(trace), found, about)
    sys.stdout.write(f"{about}\nrun {trace.id[:8]}, {json.dumps([r.name for r in _rows(found, trace)])}\n")


def _rows(found: SteeredAnswers, trace: Trace) -> list[LadderRow]:
    asked = instructions_in(trace.request)
    marks = verdicts_on(trace.request, asked, found.answers, found.finishes)
    return ladder_rows(found, trace, [[v.strict for v in row] for row in marks])


def _gain(rows: list[LadderRow]) -> tuple[int, float]:
    """Returns (instructions followed more than by the plain run, log-probability of that answer) at the best factor."""
    plain = next(row for row in rows if row.factor == 1)
    return max((row.followed - plain.followed, row.plain) for row in rows if row.factor > 1 and row.answer)


if __name__ == "__main__":
    main()
