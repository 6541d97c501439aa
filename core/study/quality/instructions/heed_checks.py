"""Checks of Heed's own kinds of instruction: short answers that prompts ask for and IFEval does not have.

Counted as a reader counts (``text_counts``): "one word", "at most two sentences", "three lines". ``heed:one_of`` and
``heed:number`` compare the whole answer, without quotation marks, markdown and punctuation around it. To add one: a
function and a line in HEED_CHECKS. Guarded by tests/core/test_quality_instructions.py.
"""

from __future__ import annotations

import json
import re
import unicodedata

from ....text.timed_patterns import PATTERN_SECONDS, compile_bounded, within_time
from .check_types import Check, Kwargs, count_check, once_there
from .ifeval_checks import json_so_far, may_become, unfenced
from .patterns import (
    IN,
    SpanPatterns,
    after_patterns,
    amount_patterns,
    json_patterns,
    list_patterns,
    literal_pattern,
    word_pattern,
)
from .text_counts import count_characters, count_lines, count_sentences, count_words

COUNT = (("relation", "relation"), ("count", "count"))
_AROUND = " \t\r\n\"'`*_“”‘’«»„.,;:!?()[]{}<>。！？「」"
_NUMBER = re.compile(r"[-+−]?[$€£]?(?:\d{1,3}(?:[, \u00a0\u202f]\d{3})+|\d+)?(?:[.,]\d+)?(?:[eE][-+]?\d+)?\s?[%°]?")
_NUMBER_SO_FAR = re.compile(r"[-+−]?[$€£]?[\d., \u00a0\u202f]*(?:\d[eE][-+]?\d*)?\s?[%°]?")
_UNSETTLED = re.compile(r"\$|\\[ZzbB]|\(\?")


def plain_answer(text: str, case: bool = False) -> str:
    """Normalises a short answer for comparison: no marks around it, single spaces, case folded unless ``case``."""
    inner = " ".join(unicodedata.normalize("NFKC", text).split()).strip(_AROUND)
    return inner if case else inner.casefold()


def _one_of(answer: str, kwargs: Kwargs, prompt: str) -> bool:
    case = bool(kwargs.get("case", False))
    return plain_answer(answer, case) in {plain_answer(option, case) for option in kwargs["options"]}


def _one_of_so_far(answer: str, kwargs: Kwargs, prompt: str) -> bool | None:
    case = bool(kwargs.get("case", False))
    start = plain_answer(answer, case)
    return None if any(plain_answer(option, case).startswith(start) for option in kwargs["options"]) else False


def _matches(answer: str, kwargs: Kwargs, partial: bool = False) -> bool:
    known = compile_bounded(kwargs["pattern"])
    look = known.fullmatch if kwargs.get("whole", False) else known.search
    with within_time(kwargs["pattern"]):
        return look(answer.strip(), timeout=PATTERN_SECONDS, partial=partial) is not None


def _regex(answer: str, kwargs: Kwargs, prompt: str) -> bool:
    return _matches(answer, kwargs)


def _regex_so_far(answer: str, kwargs: Kwargs, prompt: str) -> bool | None:
    """Returns False if no longer answer can match as a whole, True if found and not tied to the end, else None."""
    if kwargs.get("whole", False):
        return None if _matches(answer, kwargs, partial=True) else False
    return True if not _UNSETTLED.search(kwargs["pattern"]) and _matches(answer, kwargs) else None


def _json(answer: str, kwargs: Kwargs, prompt: str) -> bool:
    try:
        value = json.loads(unfenced(answer))
    except (ValueError, RecursionError):
        return False
    keys = kwargs.get("keys", ())
    return not keys or (isinstance(value, dict) and all(key in value for key in keys))


def _number(answer: str, kwargs: Kwargs, prompt: str) -> bool:
    return any(c.isdigit() for c in answer) and bool(_NUMBER.fullmatch(_bare(answer)))


def _number_so_far(answer: str, kwargs: Kwargs, prompt: str) -> bool | None:
    return None if _NUMBER_SO_FAR.fullmatch(_bare(answer)) else False


def _bare(answer: str) -> str:
    return unicodedata.normalize("NFKC", answer).strip(_AROUND)


def _starts(answer: str, kwargs: Kwargs, prompt: str) -> bool:
    return _opening(answer).startswith(_opening(kwargs["text"]))


def _starts_so_far(answer: str, kwargs: Kwargs, prompt: str) -> bool | None:
    return None if may_become(_opening(kwargs["text"]), _opening(answer)) else _starts(answer, kwargs, prompt)


def _opening(text: str) -> str:
    """Normalises the start of a text: single spaces, case folded, no marks before the first letter."""
    return " ".join(text.split()).lstrip(" \"'`*_#>“‘«„").casefold()


def _contains(answer: str, kwargs: Kwargs, prompt: str) -> bool:
    return " ".join(kwargs["text"].split()).casefold() in " ".join(answer.split()).casefold()


HEED_CHECKS: dict[str, Check] = {
    "heed:words": count_check(
        "Number of words",
        lambda answer, kwargs: count_words(answer),
        "relation",
        "count",
        params=COUNT,
        goes_with_length=True,
        asked_as=SpanPatterns(amount_patterns("count", "words?", "-")),
    ),
    "heed:sentences": count_check(
        "Number of sentences",
        lambda answer, kwargs: count_sentences(answer),
        "relation",
        "count",
        # further text may join the last sentence to the one before it
        certain=lambda answer, kwargs: max(count_sentences(answer) - 1, 0),
        params=COUNT,
        goes_with_length=True,
        asked_as=SpanPatterns(amount_patterns("count", "sentences?")),
    ),
    "heed:characters": count_check(
        "Number of characters",
        lambda answer, kwargs: count_characters(answer),
        "relation",
        "count",
        params=COUNT,
        goes_with_length=True,
        asked_as=SpanPatterns(amount_patterns("count", "characters?|letters?", "-")),
    ),
    "heed:lines": count_check(
        "Number of lines",
        lambda answer, kwargs: count_lines(answer),
        "relation",
        "count",
        params=COUNT,
        goes_with_length=True,
        asked_as=SpanPatterns(amount_patterns("count", "lines?|verses?", "-")),
    ),
    "heed:one_of": Check(
        "One of a list",
        _one_of,
        _one_of_so_far,
        "end",
        (("options", "words"), ("case", "flag?")),
        True,
        asked_as=SpanPatterns(lambda k: list_patterns(k["options"])),
    ),
    "heed:regex": Check(
        "A pattern",
        _regex,
        _regex_so_far,
        "end",
        (("pattern", "pattern"), ("whole", "flag?")),
        asked_as=SpanPatterns(lambda k: [literal_pattern(k["pattern"])]),
    ),
    "heed:json": Check(
        "The answer as JSON",
        _json,
        json_so_far,
        "end",
        (("keys", "words?"),),
        asked_as=SpanPatterns(json_patterns, unlike=lambda k: [r"\bkeywords?\b"]),
    ),
    "heed:number": Check(
        "One number and nothing else",
        _number,
        _number_so_far,
        "end",
        goes_with_length=True,
        asked_as=SpanPatterns(
            lambda k: [
                rf"(?:only|just|nothing but|as|with|single)\b{IN}{{0,30}}\b(?:numbers?|numerals?|digits?|figure)\b",
                r"\b(?:numbers?|digits?)(?: only| alone)\b|\bin (?:digits|figures)\b",
            ]
        ),
    ),
    "heed:starts_with": Check(
        "A given beginning",
        _starts,
        _starts_so_far,
        "",
        (("text", "text"),),
        asked_as=SpanPatterns(
            lambda k: [
                rf"(?:start|begin|open)\w*\b{IN}{{0,60}}?{literal_pattern(k['text'])}",
                rf"{literal_pattern(k['text'])}{IN}{{0,40}}(?:first|beginning|start)",
            ]
        ),
    ),
    "heed:contains": Check(
        "A given text",
        _contains,
        once_there(_contains),
        "length",
        (("text", "text"),),
        asked_as=SpanPatterns(
            lambda k: after_patterns(
                r"includ\w*|mention\w*|contain\w*|us(?:e|ing)|words?|phrase|with", [word_pattern(k["text"])]
            )
        ),
    ),
}
