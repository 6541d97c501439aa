"""Finds where a prompt asks for an instruction: the words whose importance can be compared with the verdict.

Each ``Check`` says which words identify the request (``asked_as``: patterns made with its kwargs, the surest first),
and what its clause must hold as well (``need``). Each match is widened to its clause (``clauses.py``), or narrowed to
the phrase where the clause is the task. All matches of the first pattern that finds any are kept, and those of ``more``
("No capital letters are allowed.") as well. Nothing is guessed: no key, no span. After a change: print the coverage;
read what it found. Guarded by tests/core/test_quality_instructions_spans.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ....records import Span
from .check_settings import check_kwargs, get_check
from .clauses import covering_clause, is_task, narrow_span, trim_span, with_example, with_lines
from .patterns import SpanPatterns


def find_spans(prompt: str, id: str, kwargs: Mapping[str, Any]) -> tuple[Span, ...]:
    """Returns (start, end) of each span of ``prompt`` that asks for this instruction, in reading order, or ().

    Raises PromptError for an unknown id or wrong kwargs.
    """
    given = check_kwargs(id, kwargs)
    asked, found = get_check(id).asked_as, list[Span]()
    asking = asked if isinstance(asked, SpanPatterns) else SpanPatterns(lambda kwargs: asked)
    for key in asking.keys(given):
        found = _places(prompt, key, asking.need, asking.unlike(given))
        if found:
            break
    if found:
        found += [s for key in asking.more(given) for s in _places(prompt, key)]
    return _merged(prompt, found)


def _places(prompt: str, key: str, need: str = "", unlike: Sequence[str] = ()) -> list[Span]:
    out = []
    for m in re.finditer(key, prompt, re.IGNORECASE | re.DOTALL):
        span = covering_clause(prompt, *m.span())
        text = prompt[slice(*span)]
        if re.search(need, text, re.IGNORECASE) and not any(re.search(u, text, re.IGNORECASE) for u in unlike):
            span = _phrase(prompt, span, *m.span()) if is_task(prompt, span) else span
            out.append(with_lines(prompt, span))
    return [(a, b) for a, b in out if a < b]


def _phrase(prompt: str, span: Span, start: int, end: int) -> Span:
    """Returns the part of a task that asks for it; all of it if there is nothing else ("Write at least 900 words")."""
    before = [w for w in prompt[span[0] : start].split() if w.lower() not in ("please", "me", "exactly", "then")]
    if len(before) > 1:
        part = narrow_span(prompt, span, start, end)
        return span if len(prompt[span[0] : part[0]].split()) <= 1 and part[1] == span[1] else part
    if len(prompt[end : span[1]].split()) <= 5:
        return span
    return trim_span(prompt, span[0], with_example(prompt, end), end)


_JOINED = re.compile(r"[ ,;]*(?:and |with )?[ ,;]*")


def _merged(prompt: str, spans: Sequence[Span]) -> tuple[Span, ...]:
    """Sorts spans, merging those that overlap or have only a comma or a conjunction between them."""
    out: list[Span] = []
    for a, b in sorted(set(spans)):
        if out and (a < out[-1][1] or _JOINED.fullmatch(prompt, out[-1][1], a)):
            out[-1] = (out[-1][0], max(b, out[-1][1]))
        else:
            out.append((a, b))
    return tuple(out)
