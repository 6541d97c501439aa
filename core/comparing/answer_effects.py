"""Sums the effect of an ablation over an answer's words, and describes it in one sentence.

An effect (nats) is log-probability lost: e ** effect is how many times less likely the same answer became. The sentence
reports the change under this one mode of ablation; it claims no cause and nothing about what the model does otherwise.
Guarded by tests/core/test_comparing_answer_effects.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..records import Trace, Units
from ..text.display_text import and_list

SMALL = 0.005
"""In nats: below it an answer is called as likely as before (half a percent)."""
HUGE = 13.8
"""In nats: above it (a million times) the factor is written as a power of e."""
QUOTED = 4
"""Most words of the input that a sentence quotes."""


@dataclass(frozen=True)
class AnswerEffect:
    """The effect of an ablation on one answer."""

    total: float
    """Nats over all its steps (thinking and the end token left out); NaN where the variant could not be made."""
    steps: int
    by_row: np.ndarray
    """float64 [row]: nats of each unit of the output; steps outside the answer count in none."""
    most: int
    """The row that changed most in the direction of ``total``; -1 where nothing changed."""

    @property
    def mean(self) -> float:
        """Nats per step."""
        return self.total / self.steps if self.steps else math.nan


def answer_effect(trace: Trace, effect: np.ndarray, rows: Units) -> AnswerEffect:
    """Sums ``effect`` float [step] by ``rows`` (units over the output's positions; a shared token is split)."""
    steps = trace.answer_steps
    by_row = sum_by_word(trace, effect, rows)
    total = float(np.asarray(effect, np.float64)[steps].sum()) if len(steps) else math.nan
    changed = by_row if total >= 0 else -by_row
    most = int(np.argmax(changed)) if len(rows) and np.nanmax(changed, initial=0.0) > SMALL else -1
    return AnswerEffect(total, len(steps), by_row, most)


def sum_by_word(trace: Trace, values: np.ndarray, rows: Units) -> np.ndarray:
    """Returns float64 [row]: ``values`` float [step] summed by ``rows``, without the steps outside the answer."""
    kept = np.zeros(trace.steps, np.float64)
    kept[trace.answer_steps] = np.asarray(values, np.float64)[trace.answer_steps]
    out = np.zeros(len(rows), np.float64)
    np.add.at(out, rows.unit, kept[rows.token - trace.prompt_length] * rows.weight)
    return out


def quoted_labels(labels: Sequence[str]) -> str:
    """Returns quoted labels as a list for a sentence: “one”, “word” and 3 more."""
    shown = [f"“{label.strip() or label}”" for label in labels[:QUOTED]]
    more = [f"{len(labels) - QUOTED} more"] if len(labels) > QUOTED else []
    return and_list([*shown, *more]) or "nothing"


def odds_factor(nats: float) -> str:
    """Formats e ** nats as a factor: ``1.35 times``, ``e^23 times``."""
    size = abs(nats)
    if size > HUGE:
        return f"e^{size:.1f} times"
    times = math.exp(size)
    return f"{times:.2f} times" if times < 10 else f"{times:,.0f} times"


def effect_sentence(found: AnswerEffect, hidden: Sequence[str], rows: Units, mode: str) -> str:
    """Returns e.g. 'With “sky” hidden, this same answer is 10 times less likely: it lost 2.31 nats over 9 tokens …'.

    ``hidden`` are the labels of the ablated units, in reading order; ``mode`` is mask or remove.
    """
    how = "hidden" if mode == "mask" else "taken out of the prompt"
    start = f"With {quoted_labels(hidden)} {how}, this same answer"
    if not math.isfinite(found.total):
        return f"{start} cannot be scored: there is nothing to take out, or nothing would be left of the prompt."
    tokens = f"{found.steps} token" + ("" if found.steps == 1 else "s")
    if abs(found.total) < SMALL:
        return f"{start} is about as likely as before: {found.total:+.3f} nats over {tokens}."
    less = found.total > 0
    most = ""
    if found.most >= 0 and len(rows) > 1:
        label = rows.labels[found.most]
        most = f", most at “{label.strip() or label}” ({abs(found.by_row[found.most]):.2f})"
    verb, likely = ("lost", "less likely") if less else ("gained", "likelier")
    return f"{start} is {odds_factor(found.total)} {likely}: it {verb} {abs(found.total):.2f} nats over {tokens}{most}."
