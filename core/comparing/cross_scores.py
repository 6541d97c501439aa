"""Describes in a sentence the scores of each answer under each prompt (log-odds from core.probe.answer_odds).

Guarded by tests/core/test_comparing_cross_scores.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .answer_effects import odds_factor

SAME = 0.01
"""In nats: two scores closer than this count as the same, as one answer may be 1 % likelier by rounding alone."""


def cross_scores_sentence(odds: np.ndarray, names: Sequence[str]) -> str:
    """Returns e.g. "The answer of A is 2.50 times less likely under the prompt of B than under its own. ...".

    ``odds`` float [answer, prompt] in nats, 0 on the diagonal. One sentence per answer: where another prompt makes it
    likelier than its own, the one that does so most; otherwise the one that comes closest.
    """
    if len(names) < 2:
        return "There is only one prompt, and no other prompt to score under."
    out = []
    for i, name in enumerate(names):
        others = [j for j in range(len(names)) if j != i and np.isfinite(odds[i, j])]
        if not others:
            out.append(f"The answer of {name} could not be scored under another prompt.")
            continue
        best = max(others, key=lambda j: odds[i, j])
        value = float(odds[i, best])
        start, end = f"The answer of {name} is", f"under the prompt of {names[best]}"
        if abs(value) < SAME:
            out.append(f"{start} as likely {end} as under its own.")
        else:
            closest = ", which comes closest" if value < 0 and len(others) > 1 else ""
            likely = "likelier" if value > 0 else "less likely"
            out.append(f"{start} {odds_factor(value)} {likely} {end} than under its own{closest}.")
    return " ".join(out)


def next_words_sentence(logprobs: np.ndarray, words: Sequence[str], names: Sequence[str]) -> str:
    """Returns a sentence with the log-odds of two next words behind every prompt, and the largest gap between prompts.

    ``logprobs`` float [prompt, 2] in nats.
    """
    odds = logprobs[:, 0] - logprobs[:, 1]
    one, other = (f"“{w}”" for w in words)
    each = ", ".join(f"{o:+.2f} nats behind {name}" for o, name in zip(odds, names, strict=True))
    most, least = int(np.argmax(odds)), int(np.argmin(odds))
    gap = float(odds[most] - odds[least])
    tail = f"; behind {names[most]} they are {odds_factor(gap)} those behind {names[least]}" if gap >= SAME else ""
    return f"The log-odds of {one} over {other} are {each}{tail}."


def cross_score_rows(
    names: Sequence[str], answers: Sequence[str], sums: np.ndarray, means: np.ndarray, odds: np.ndarray
) -> list[tuple[str, str, str, float, float, float]]:
    """Returns (answer of, answer, prompt of, whole answer, a token, log-odds) of each pair; the last three in nats.

    ``sums``, ``means`` and ``odds`` float [answer, prompt].
    """
    pairs = [(i, j) for i in range(len(names)) for j in range(len(names))]
    return [
        (names[i], answers[i], names[j], float(sums[i, j]), float(means[i, j]), float(odds[i, j])) for i, j in pairs
    ]
