"""Cuts what a model wrote into an outline: the sentences of its thinking, then those of its answer.

A sentence that begins in the thinking and ends in the answer is cut where the answer begins, so that no step counts
for both. The end token belongs to none. Guarded by tests/core/test_text_answer_outline.py.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..records import Tokens, Units
from .display_text import visible_text
from .units import units


def written_part(tokens: Tokens, part: str) -> range:
    """Returns the positions of the output from the first to the last token of ``part`` ("thinking", "answer")."""
    found = [i for i in range(tokens.prompt_length, len(tokens)) if tokens.parts[i] == part]
    return range(found[0], found[-1] + 1) if found else range(0)


def answer_outline(tokens: Tokens) -> tuple[Units, int]:
    """Returns the sentences of thinking and answer as units of the output, and how many of them are thinking.

    Raises MethodError where the tokens' spans are not proven.
    """
    thinking, answer = (_sentences(tokens, written_part(tokens, part)) for part in ("thinking", "answer"))
    together = Units(
        granularity="sentence",
        labels=thinking.labels + answer.labels,
        message=np.concatenate([thinking.message, answer.message]),
        start=np.concatenate([thinking.start, answer.start]),
        end=np.concatenate([thinking.end, answer.end]),
        roles=thinking.roles + answer.roles,
        token=np.concatenate([thinking.token, answer.token]),
        unit=np.concatenate([thinking.unit, answer.unit + len(thinking)]),
        weight=np.concatenate([thinking.weight, answer.weight]),
    )
    return together, len(thinking)


def folded_outline(tokens: Tokens) -> Units:
    """Returns the outline with all thinking as its first unit, named "Thinking, 212 tokens". Raises as the outline."""
    outline, thinking = answer_outline(tokens)
    if not thinking:
        return outline
    count = len(written_part(tokens, "thinking"))
    last = thinking - 1
    end = outline.end.copy()
    end[0] = end[last]
    keep = [0, *range(thinking, len(outline))]
    name = f"Thinking, {count} token{'' if count == 1 else 's'}"
    return replace(
        outline,
        labels=(name, *outline.labels[thinking:]),
        message=outline.message[keep],
        start=outline.start[keep],
        end=end[keep],
        roles=tuple(outline.roles[u] for u in keep),
        unit=np.maximum(outline.unit - last, 0),
    )


def _sentences(tokens: Tokens, positions: range) -> Units:
    """Returns the sentences over ``positions``, none of them wider than these tokens."""
    found = units(tokens, "sentence", positions)
    if not len(found):
        return found
    first, last = int(tokens.start[positions[0]]), int(tokens.end[positions[-1]])
    known = (found.start >= 0) & (first >= 0)
    start = np.where(known, np.maximum(found.start, first), found.start)
    end = np.where(known, np.minimum(found.end, last), found.end)
    labels = list(found.labels)
    for u in np.flatnonzero((start != found.start) | (end != found.end)):
        text = tokens.sources[found.message[u]].text[start[u] : end[u]]
        start[u] += len(text) - len(text.lstrip())
        labels[u] = visible_text(text.strip()) or labels[u]
    return replace(found, start=start, end=np.maximum(start, end), labels=tuple(labels))
