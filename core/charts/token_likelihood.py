"""How likely each token of an answer was to the model: the answer's score, and data of a strip of its tokens.

Probabilities are the model's own, before temperature and nucleus (core/capture/token_scores.py). A token is shaded by
its log-probability on a fixed scale, the same for every run. Guarded by tests/core/test_charts_token_likelihood.py.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..records import Trace
from ..text.spreadsheet_text import guard_cell
from .answer_grid import shade_of
from .text_labels import percent_text, plain_text, visible_label

MOST_PERPLEXITY = 300
"""Largest exponent of a perplexity, above which a float overflows."""
ABOUT_LIKELIHOOD = (
    "The darker a token, the less likely it was: 10 % is half of the shade, 1 % and less all of it. Probabilities are "
    "the model's own, before temperature and top-p. Hover or tap a token for its rank and the five likeliest."
)


@dataclass(frozen=True)
class AnswerScore:
    """How likely a whole answer is."""

    total: float
    """Natural log-probability, nats."""
    mean: float
    """Nats per token."""
    perplexity: float
    """exp(-mean)"""
    tokens: int


def answer_score(trace: Trace) -> AnswerScore | None:
    """Returns the score of the answer's own tokens (no thinking, no end token); None where it has none."""
    logprobs = trace.logprobs[trace.answer_steps].astype(float)
    if not len(logprobs):
        return None
    mean = float(logprobs.mean())
    return AnswerScore(float(logprobs.sum()), mean, math.exp(min(-mean, MOST_PERPLEXITY)), len(logprobs))


def token_rank(trace: Trace, step: int) -> int | None:
    """Returns the place of the token of ``step`` by probability, 1 for the likeliest; None: below all that is kept."""
    if trace.ranks is not None:
        return int(trace.ranks[step])
    found = np.flatnonzero(trace.alternative_ids[step] == trace.token_ids[trace.prompt_length + step])
    return int(found[0]) + 1 if len(found) else None


def token_likelihood_data(trace: Trace) -> dict[str, Any]:
    """Returns JSON-able data for token_likelihood.js: each output token with its shade (0 to 1) and hover lines."""
    tokens = []
    for step, text in enumerate(trace.output_tokens):
        logprob = float(trace.logprobs[step])
        shown = visible_label(text, 60)
        lines = [f"{percent(logprob)} · {nats(logprob)} nats · {rank_text(trace, step)}"]
        pairs = zip(trace.alternative_texts[step], trace.alternative_logprobs[step], strict=True)
        lines += [
            f"{n}. {visible_label(other, 40)}  {percent(float(value))}" for n, (other, value) in enumerate(pairs, 1)
        ]
        part = trace.tokens.parts[trace.prompt_length + step]
        shade = shade_of(math.exp(logprob) if math.isfinite(logprob) else 0.0)
        tokens.append({"t": plain_text(text), "name": shown, "s": round(shade, 3), "k": part, "lines": lines})
    return {"tokens": tokens}


def token_likelihood_csv(trace: Trace) -> str:
    """Returns a CSV with a line a token: log-probability, rank, and the five likeliest with theirs."""
    width = trace.alternative_ids.shape[1]
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    names = [f"{what} {n}" for n in range(1, width + 1) for what in ("likeliest", "log-probability")]
    table.writerow(["step", "token", "log-probability", "rank", *names])
    for step, text in enumerate(trace.output_tokens):
        pairs = zip(trace.alternative_texts[step], trace.alternative_logprobs[step].tolist(), strict=True)
        rank = token_rank(trace, step)
        others = [cell for other, value in pairs for cell in (guard_cell(other, label=True), value)]
        table.writerow(
            [step + 1, guard_cell(text, label=True), float(trace.logprobs[step]), "" if rank is None else rank, *others]
        )
    return out.getvalue()


def rank_text(trace: Trace, step: int) -> str:
    """Returns the rank of a token in words."""
    rank = token_rank(trace, step)
    if rank is None:
        return f"rank above {trace.alternative_ids.shape[1]} (run it again for the exact one)"
    return f"rank {rank:,}"


def percent(logprob: float) -> str:
    """Returns the probability of a log-probability in percent."""
    return percent_text(math.exp(logprob) if math.isfinite(logprob) else 0.0)


def nats(value: float) -> str:
    """Returns nats with two decimals and a true minus sign."""
    return f"{value:,.2f}".replace("-", "−")


def token_likelihood_source() -> tuple[str, str]:
    """Returns (JavaScript, CSS) of the strip."""
    folder = Path(__file__).parent
    js, css = ((folder / f"token_likelihood.{kind}").read_text("utf-8") for kind in ("js", "css"))
    return js, css
