"""Checks which instructions an answer follows: strictly, loosely, or undecided.

Strict takes the answer as it is. Loose takes the best of IFEval's eight variants: without its first line, its last,
both, and each of these without asterisks; it forgives "Sure, here it is:" and markdown. A blank answer follows nothing.
A truncated answer gets a verdict only where no further text could change it. That also holds for each variant: one that
drops the last line goes on from the line before. Guarded by tests/core/test_quality_instructions.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ....errors import PromptError
from ....records import Answered
from .check_settings import check_kwargs, get_check
from .check_types import Check

VERDICT_MODES = ("strict", "loose")
CUT_OFF = "The answer was cut off by the token limit, and more text could change this verdict."


@dataclass(frozen=True)
class Verdict:
    """The verdicts on one instruction of one answer; None: undefined, and ``why`` gives the reason."""

    strict: bool | None
    loose: bool | None
    why: str = ""


def check_instructions(
    prompt: str,
    response: str,
    ids: Sequence[str],
    kwargs: Sequence[Mapping[str, Any] | None],
    mode: str = "strict",
) -> list[bool]:
    """Returns whether ``response`` follows each instruction, in the order of ``ids``: IFEval's kinds and Heed's own.

    ``kwargs``: the settings of each, as in IFEval's file. ``mode``: strict or loose. Raises PromptError for an unknown
    id or mode, missing or wrong settings, or lists of different lengths.
    """
    if mode not in VERDICT_MODES:
        raise PromptError(f"The mode must be strict or loose, not {mode!r}.")
    if isinstance(ids, str) or isinstance(kwargs, str | Mapping) or len(ids) != len(kwargs):
        raise PromptError("Give a list of instruction ids and a list of their settings, one for each id, {} for none.")
    asked = [(get_check(id), check_kwargs(id, given)) for id, given in zip(ids, kwargs, strict=True)]
    texts = loose_variants(response) if mode == "loose" else [response]
    return [any(_follows(check, text, given, prompt) for text in texts) for check, given in asked]


def _follows(check: Check, text: str, kwargs: Mapping[str, Any], prompt: str) -> bool:
    return bool(text.strip()) and check.function(text, kwargs, prompt)


def loose_variants(response: str) -> list[str]:
    """Returns the eight texts of which a loose verdict takes the best, the answer itself first."""
    rows = response.split("\n")
    cut = ["\n".join(rows[1:]).strip(), "\n".join(rows[:-1]).strip(), "\n".join(rows[1:-1]).strip()]
    return [text for form in (response, *cut) for text in (form, form.replace("*", ""))]


def verdicts(answered: Answered) -> list[Verdict]:
    """Returns one Verdict per instruction of ``answered``. Wrong settings make it undefined; nothing is raised."""
    return [_verdict(answered, i.id, i.kwargs) for i in answered.instructions]


def _verdict(answered: Answered, id: str, kwargs: Mapping[str, Any]) -> Verdict:
    try:
        given = check_kwargs(id, kwargs)
        check, texts = get_check(id), loose_variants(answered.answer)
        if not answered.truncated:
            strict, *others = (_follows(check, text, given, answered.prompt) for text in texts)
            return Verdict(strict, strict or any(others))
        settled = [check.settled(text, given, answered.prompt) if text.strip() else None for text in texts]
    except PromptError as error:
        return Verdict(None, None, str(error))
    loose = True if True in settled else (None if None in settled else False)
    return Verdict(settled[0], loose, CUT_OFF if settled[0] is None or loose is None else "")
