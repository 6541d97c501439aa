"""Compiles and runs regular expressions that a person wrote, within bounds of time and memory.

A short pattern can take longer than the universe has had (``(a|a)+$`` on a line of a's), or more memory than there is,
while it is compiled (``((a{99}){99}){99}``: the library ``regex`` writes repetitions out). So its size is counted
before it is compiled, and each search has a time limit. The library lets other threads run meanwhile; ``re`` does not.
Guarded by tests/core/test_text_timed_patterns.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import regex

from ..errors import PromptError

PATTERN_SECONDS = 0.5
"""Longest that a pattern may take on one text."""
LARGEST_PATTERN = 100_000
"""Most pieces that a pattern may have once its counted repetitions are written out."""

_PIECE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{(\d*)(?:,(\d*))?\}|[()|]|.", re.DOTALL)


def compile_bounded(pattern: str, flags: int = 0) -> regex.Pattern[str]:
    """Returns the compiled pattern of a person. Raises PromptError where it is none, or would be too large."""
    shown = pattern if len(pattern) <= 60 else f"{pattern[:57]}..."
    if written_out(pattern) > LARGEST_PATTERN:
        raise PromptError(
            f"The pattern {shown!r} is too large once its repetitions are written out: use + or * for large counts."
        )
    try:
        return regex.compile(pattern, flags)
    except (regex.error, RecursionError, OverflowError, MemoryError) as error:
        raise PromptError(f"The pattern {shown!r} is no regular expression ({error}): correct it.") from error


@contextmanager
def within_time(pattern: str) -> Iterator[None]:
    """Turns the library's TimeoutError inside the block into a PromptError, one sentence that names ``pattern``."""
    try:
        yield
    except TimeoutError as error:
        shown = pattern if len(pattern) <= 60 else f"{pattern[:57]}..."
        raise PromptError(
            f"The pattern {shown!r} takes longer than {PATTERN_SECONDS:g} s on one text: "
            "write it without a repetition inside another one."
        ) from error


def written_out(pattern: str) -> int:
    """Returns about how many pieces ``pattern`` has once counted repetitions, also nested ones, are written out."""
    open_groups: list[int] = []
    done, last = 0, 0
    for piece in _PIECE.finditer(pattern):
        sign = piece[0]
        if sign == "(":
            open_groups.append(done + last)
            done, last = 0, 0
        elif sign == ")" and open_groups:
            done, last = open_groups.pop(), done + last + 1
        elif piece[1] is not None and (piece[1] or piece[2]):
            last = max(last, 1) * max(int(piece[2] or piece[1] or 1), 1)
        else:
            done, last = done + last, 1
        if max(done, last) > LARGEST_PATTERN:
            return LARGEST_PATTERN + 1
    return done + last + sum(open_groups)
