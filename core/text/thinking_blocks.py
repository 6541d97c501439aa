"""Finds thinking blocks: what reasoning models write before their answer.

A block counts only where the answer begins (or where the prompt's template opened one): an answer that explains
``<think>`` later on stays an answer. To support another kind of mark: one line in ``MARKS``. Guarded by
tests/core/test_text_thinking_blocks.py.
"""

from __future__ import annotations

import regex

MARKS: tuple[tuple[str, str], ...] = (
    (r"<think(?:ing)?>", r"</think(?:ing)?>"),
    (r"<thought>", r"</thought>"),
    (r"<reason(?:ing)?>", r"</reason(?:ing)?>"),
    (r"<seed:think>", r"</seed:think>"),
    (r"\[THINK\]", r"\[/THINK\]"),
    (r"◁think▷", r"◁/think▷"),
    (r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),
    (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    (r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),
    (r"<\|channel>thought", r"<channel\|>"),
    (r"<\|channel\|>(?!final)", r"<\|channel\|>final[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>"),
    (r"<\|channel\|>final[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>", r""),
)
"""(opening, closing) as patterns; the last two are one format, whose answer has a channel of its own."""

_OPEN = [regex.compile(rf"\s*{opening}") for opening, _ in MARKS]
_CLOSE = [regex.compile(closing) for _, closing in MARKS]
_ANY_OPEN = regex.compile("|".join(o for o, _ in MARKS[:-1]))
_ANY_CLOSE = regex.compile("|".join(c for _, c in MARKS[:-1]))


def left_open(text: str, inside: bool = False) -> bool:
    """Returns whether ``text`` ends within a thinking block; ``inside``: it began within one."""
    last_open = max((m.start() for m in _ANY_OPEN.finditer(text)), default=0 if inside else -1)
    last_close = max((m.start() for m in _ANY_CLOSE.finditer(text)), default=-1)
    return last_open > last_close


def thinking_end(text: str, inside: bool = False) -> int:
    """Returns the number of characters of thinking at the start of ``text``, with markers and the space after them.

    ``inside``: the block was opened before ``text``. A block that is never closed takes all of it.
    """
    end = 0
    if inside:
        closing = _ANY_CLOSE.search(text)
        if closing is None:
            return len(text)
        end = _space(text, closing.end())
    while True:
        found = next(((o, c) for o, c in zip(_OPEN, _CLOSE, strict=True) if o.match(text, end)), None)
        if found is None:
            return end
        opening = found[0].match(text, end)
        closing = found[1].search(text, opening.end() if opening else end)
        if closing is None:
            return len(text)
        end = _space(text, closing.end())


def _space(text: str, at: int) -> int:
    return at + len(text[at:]) - len(text[at:].lstrip())
