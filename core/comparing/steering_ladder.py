"""Turns what steering did to a run into rows, one a factor, and says in one sentence what changed at a factor.

The sentence names what differs from the plain run and nothing else; it claims no cause, and nothing about other
prompts. Guarded by tests/core/test_comparing_steering_ladder.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..records import SteeredAnswers, Trace, Units, factor_text
from .answer_effects import sum_by_word

LEAST_TOLD = 0.005
"""In nats: a difference below it is not told."""


@dataclass(frozen=True)
class LadderRow:
    """One factor: what was written while the part was read that many times as much, and how the old answer fared."""

    factor: float
    answer: str
    tokens: int
    """Of the answer, without thinking and end token."""
    finish: str
    logprob: float
    """Nats of the whole original answer, while steered."""
    share: float
    """Share of attention that the part got while the original answer was read; NaN: not measured."""
    new_share: float
    """The same while the new answer was written."""
    plain: float
    """Nats a token that the plain model gives to the new answer; NaN where it is empty."""
    followed: int = 0
    """Instructions that the answer follows, strictly."""
    undecided: int = 0
    """Instructions without a verdict, since the answer was cut off."""
    asked: int = 0
    """Instructions that the prompt gives."""
    run_id: str = ""

    @property
    def name(self) -> str:
        """The factor for display: ``× 1/8``, ``hidden`` for 0."""
        return f"× {factor_text(self.factor)}" if self.factor else "hidden"

    @property
    def said(self) -> str:
        """What was followed, for display: ``1 of 2``; "" where the prompt gives nothing that can be verified."""
        if not self.asked:
            return ""
        return f"{self.followed} of {self.asked}" + (f", {self.undecided} undecided" if self.undecided else "")

    @property
    def told(self) -> str:
        """The same as part of a sentence: ``1 of 2 instructions followed``; "" as well."""
        return f"{self.said} {'instruction' if self.asked == 1 else 'instructions'} followed" if self.asked else ""


def ladder_rows(found: SteeredAnswers, trace: Trace, verdicts: Sequence[Sequence[bool | None]] = ()) -> list[LadderRow]:
    """Returns a row for each way of ``found``, which has new answers, in order of the factor.

    ``trace``: the run; ``verdicts`` [way][instruction]: whether each new answer follows, None where that is undecided.
    Raises ValueError where nothing was written, or a way is no factor.
    """
    if not found.answers or found.answer_tokens is None or np.isnan(found.factors).any():
        raise ValueError("A ladder needs factors and the answers that were written under each.")
    marks = list(verdicts) or [()] * len(found.answers)
    none = np.full(len(found.answers), np.nan)
    shares = none if found.answer_shares is None else found.answer_shares
    plain = none if found.plain_logprobs is None else found.plain_logprobs
    steps = trace.answer_steps
    rows = [
        LadderRow(
            factor=float(found.factors[i]),
            answer=found.answers[i],
            tokens=int(found.answer_tokens[i]),
            finish=found.finishes[i],
            logprob=float(found.logprobs[i, steps].sum()),
            share=float(found.shares[i]),
            new_share=float(shares[i]),
            plain=float(plain[i]),
            followed=sum(mark is True for mark in marks[i]),
            undecided=sum(mark is None for mark in marks[i]),
            asked=len(marks[i]),
            run_id=found.run_ids[i] if found.run_ids else "",
        )
        for i in range(len(found.answers))
    ]
    return sorted(rows, key=lambda row: row.factor)


def word_logprobs(logprobs: np.ndarray, trace: Trace, words: Units, word: int | None = None) -> np.ndarray:
    """Returns float64 [way]: nats of one word of the original answer (None: of all of it) for ``logprobs`` [way, step].

    ``words``: units over the output's positions; a token that two share is split.
    """
    rows = np.atleast_2d(np.asarray(logprobs, np.float64))
    if word is None:
        return rows[:, trace.answer_steps].sum(1)
    return np.array([sum_by_word(trace, row, words)[word] for row in rows])


def ladder_sentence(rows: Sequence[LadderRow], at: int, part: str) -> str:
    """Returns what changed in the answer at row ``at``, against the row of factor 1.

    ``part`` names what was steered, e.g. ``the instruction``. Raises ValueError without a row of factor 1.
    """
    plain = next((row for row in rows if row.factor == 1), None)
    if plain is None:
        raise ValueError("Without the factor 1 there is nothing to set a factor beside.")
    row = rows[at]
    start = f"{reading_phrase(part, row.factor)}"
    if row is plain:
        return f"{start} is the plain run: {_length(row.tokens)}{_followed_now(row)}."
    if not row.answer.strip():
        before = "as the plain run's was" if not plain.answer.strip() else f"instead of {_length(plain.tokens)}"
        return f"{start} left the answer empty, {before}."
    if row.answer == plain.answer:
        moved = row.logprob - plain.logprob
        likely = "likelier" if moved > 0 else "less likely"
        told = f"; that answer became {likely} by {abs(moved):.2f} nats" if abs(moved) >= LEAST_TOLD else ""
        return f"{start} left the answer word for word as it was{told}."
    told = "; ".join(filter(None, (_followed(row, plain), _tokens(row, plain), _cost(row, plain))))
    return f"{start} changed the answer{': ' if told else ''}{told}."


def reading_phrase(part: str, factor: float) -> str:
    """Returns the start of a sentence: ``Reading the instruction 8 times as much``."""
    if factor == 0:
        return f"Hiding {part}"
    if factor == 1:
        return f"Reading {part} as by itself"
    return f"Reading {part} {factor_text(factor)} {'times ' if factor > 1 else ''}as much"


def _followed_now(row: LadderRow) -> str:
    return f", {row.told}" if row.asked else ""


def _followed(row: LadderRow, plain: LadderRow) -> str:
    if not row.asked or (row.followed, row.undecided) == (plain.followed, plain.undecided):
        return ""
    noun = "instruction" if row.asked == 1 else "instructions"
    text = f"{row.followed} of {row.asked} {noun} followed instead of {plain.followed}"
    open_ = [f"{n} undecided {where}" for n, where in ((row.undecided, "now"), (plain.undecided, "before")) if n]
    return text + (f" ({', '.join(open_)}: cut off)" if open_ else "")


def _tokens(row: LadderRow, plain: LadderRow) -> str:
    cut = " (cut off by the token limit)" if row.finish == "length" != plain.finish else ""
    if row.tokens == plain.tokens:
        return cut.strip(" ()")
    return f"{_length(row.tokens)} instead of {plain.tokens}{cut}"


def _cost(row: LadderRow, plain: LadderRow) -> str:
    change = row.plain - plain.plain
    if not math.isfinite(change) or abs(change) < LEAST_TOLD:
        return ""
    likely = "less likely" if change < 0 else "likelier"
    return f"the plain model finds it {likely} ({row.plain:.2f} instead of {plain.plain:.2f} nats a token)"


def _length(tokens: int) -> str:
    return f"{tokens} token{'' if tokens == 1 else 's'}"
