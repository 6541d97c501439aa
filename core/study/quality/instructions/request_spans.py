"""Finds where a prompt asks for an instruction: the words whose importance can be compared with the verdict.

For each id: which words identify the request (``keys``: patterns made with its kwargs, the surest first), and what its
clause must hold as well (``need``). Each match is widened to its clause (``clauses.py``), or narrowed to the phrase
where the clause is the task. All matches of the first pattern that finds any are kept, and those of ``more`` ("No
capital letters are allowed.") as well. Nothing is guessed: no key, no span. To add one: a line in ``SPAN_PATTERNS``;
print the coverage; read what it found. Guarded by tests/core/test_quality_instructions_spans.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ....records import Span
from .check_settings import INSTRUCTIONS, check_kwargs
from .clauses import (
    covering_clause,
    is_task,
    narrow_span,
    trim_span,
    with_example,
    with_lines,
)
from .patterns import (
    BRACKETED,
    ENGLISH,
    HIGHLIGHT,
    IN,
    LOWER_CASE,
    NOT,
    QUOTES,
    STARS,
    UPPER_CASE,
    Keys,
    after_patterns,
    amount_pattern,
    amount_patterns,
    frequency_patterns,
    json_patterns,
    language_patterns,
    letter_patterns,
    list_patterns,
    literal_pattern,
    number_pattern,
    word_pattern,
)


@dataclass(frozen=True)
class SpanPatterns:
    """The patterns by which one kind of instruction is found in a prompt."""

    keys: Keys
    need: str = ""
    """Pattern that the clause must hold."""
    more: Keys = lambda kwargs: ()
    unlike: Keys = lambda kwargs: ()
    """Patterns that the clause must not hold."""


def find_spans(prompt: str, id: str, kwargs: Mapping[str, Any]) -> tuple[Span, ...]:
    """Returns (start, end) of each span of ``prompt`` that asks for this instruction, in reading order, or ().

    Raises PromptError for an unknown id or wrong kwargs.
    """
    given = check_kwargs(id, kwargs)
    asking, found = SPAN_PATTERNS.get(id) or SpanPatterns(lambda _: INSTRUCTIONS[id].asked_as), list[Span]()
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


_BULLETS = r"bullets?(?: points?)?"
_MARKED = "in the form of|indicated by|such as|like|format|to indicate"

SPAN_PATTERNS: dict[str, SpanPatterns] = {
    "keywords:existence": SpanPatterns(
        lambda k: after_patterns(
            r"keywords?|words?|includ\w*|mention\w*|contain\w*|us(?:e|es|ing)|items?|phrase",
            list_patterns(k["keywords"]),
            not_over="includ|mention|contain",
        ),
        r"includ|mention|contain|use|using|has|have|word|phrase|must|should|item|add",
    ),
    "keywords:frequency": SpanPatterns(frequency_patterns),
    "keywords:forbidden_words": SpanPatterns(
        lambda k: after_patterns(rf"keywords?|words?|{NOT}", list_patterns(k["forbidden_words"])), rf"{NOT}|forbidden"
    ),
    "keywords:letter_frequency": SpanPatterns(letter_patterns),
    "language:response_language": SpanPatterns(
        language_patterns, more=lambda k: [r"no other languages?[^.!?,\n]{0,40}allowed[^.,\n:]*"]
    ),
    "length_constraints:number_sentences": SpanPatterns(amount_patterns("num_sentences", "sentences?")),
    "length_constraints:number_paragraphs": SpanPatterns(
        lambda k: [
            amount_pattern(
                number_pattern(k["num_paragraphs"]), "paragraphs?|sections?|parts?|stanzas?|verses?|options?|versions?"
            ),
            r"\*{3}(?!\*)",
            r"separat\w*",
            r"(?:follow\w*|us(?:e|ing)|in) (?:\w+ ){0,3}?format\b",
        ],
        more=lambda k: [rf"separat\w*{IN}{{0,80}}?(?:\*{{3}}(?!\*)|asteri[sc]ks?)"],
    ),
    "length_constraints:number_words": SpanPatterns(amount_patterns("num_words", "words?")),
    "length_constraints:nth_paragraph_first_word": SpanPatterns(
        lambda k: after_patterns(r"paragraph|start\w*|begin\w*|first word", [word_pattern(k["first_word"])]),
        more=lambda k: [
            amount_pattern(number_pattern(k["num_paragraphs"]), "paragraphs?"),
            rf"paragraphs{IN}{{0,60}}separated[^.!?:\n]*",
        ],
    ),
    "detectable_content:number_placeholders": SpanPatterns(
        lambda k: [
            amount_pattern(number_pattern(k["num_placeholders"]), "placeholders?") + BRACKETED,
            r"\bplaceholders?" + BRACKETED,
        ]
    ),
    "detectable_content:postscript": SpanPatterns(
        lambda k: [
            *after_patterns(r"(?:an? )?post\s?-?script", [literal_pattern(k["postscript_marker"]) + r"\.?"]),
            r"(?:an? )?post\s?-?script",
        ]
    ),
    "detectable_format:number_bullet_lists": SpanPatterns(
        lambda k: [amount_pattern(number_pattern(k["num_bullets"]), _BULLETS), _BULLETS],
        more=lambda k: [rf"(?:bullet points?|use \"?\*|indicat\w+ (?:a )?bullet){IN}{{0,60}}?(?:{_MARKED})"],
    ),
    "detectable_format:constrained_response": SpanPatterns(
        lambda k: [
            r"(?:[^.!?\n:]{0,160}:\s{0,3})?[^\w\s]{0,3}"
            r"my answer is yes.{1,40}?my answer is no.{1,40}?my answer is maybe\.?",
            r"my answer is (?:yes|no|maybe)",
        ]
    ),
    "detectable_format:number_highlighted_sections": SpanPatterns(
        lambda k: [
            rf"{HIGHLIGHT}{IN}{{0,60}}?{number_pattern(k['num_highlights'])}",
            rf"(?:at least )?{number_pattern(k['num_highlights'])}[^.!?()\n]{{0,25}}?{HIGHLIGHT}"
            r"(?: (?:text )?(?:sections?|parts?|phrases?|words?))*(?: (?:in|with|using) markdown(?: \w+)?)?",
            HIGHLIGHT,
        ]
    ),
    "detectable_format:multiple_sections": SpanPatterns(
        lambda k: [
            rf"{number_pattern(k['num_sections'])}[\s-](?:\w+ ){{0,2}}?(?:sections?|parts|paragraphs?)\b",
            rf"{literal_pattern(k['section_spliter'])}\s+(?:X|1)\b",
        ],
        more=lambda k: [
            rf"\b(?:(?:mark|label|start)(?:ing|ed|s)?|not(?:e|ed|ing))\b(?<!quotation marks){IN}{{0,60}}?"
            rf"{literal_pattern(k['section_spliter'])}\s+(?:X|\d)\b"
        ],
    ),
    "detectable_format:json_format": SpanPatterns(json_patterns, unlike=lambda k: [r"\bkeywords?\b"]),
    "detectable_format:title": SpanPatterns(
        lambda k: [
            rf"(?:an? |the )?titles?\b{IN}{{0,60}}?double{IN}{{0,20}}?brackets?",
            rf"double{IN}{{0,20}}?brackets?",
            r"<<[^>\n]+>>",
            r"(?:an? |the )?\btitle\b",
        ]
    ),
    "combination:two_responses": SpanPatterns(
        lambda k: [
            rf"(?:two|2) (?:\w+ ){{0,2}}?(?:responses?|answers?|versions?|replies|critiques){IN}{{0,60}}?{STARS}",
            rf"(?:separat|divid)\w*{IN}{{0,60}}?{STARS}",
            STARS,
            r"separat\w*",
        ],
        more=lambda k: [
            r"(?:exactly (?:two|2)|(?:two|2) different) (?:\w+ )?(?:responses?|answers?|versions?|movies|critiques)"
        ],
    ),
    "combination:repeat_prompt": SpanPatterns(
        lambda k: [r"\brepeat(?:s|ing)?\b", r"start with|word for word"],
        more=lambda k: [
            rf"(?:do not|don't|not) (?:\w+ )?(?:say|output|change|add|include)\b{IN}{{0,60}}(?:before|word|just)"
        ],
    ),
    "startend:end_checker": SpanPatterns(
        lambda k: [
            r"(?:end\w*|finish\w*|last|conclu\w*|final\w*|exact|phrase|clos\w+|sign)\b[^.!?]{0,120}?"
            + literal_pattern(k["end_phrase"]),
            literal_pattern(k["end_phrase"]),
        ],
        more=lambda k: [rf"(?:no (?:other )?words?|nothing(?: else)?) (?:should|must|may|can|comes?|follows?)\b{IN}*"],
    ),
    "startend:quotation": SpanPatterns(
        lambda k: after_patterns(r"wrap\w*|put|place\w*|enclos\w*|surround\w*|around|inside|with|in", [QUOTES])
    ),
    "change_case:capital_word_frequency": SpanPatterns(
        lambda k: [
            rf"(?:{UPPER_CASE}){IN}{{0,60}}?{number_pattern(k['capital_frequency'], -1, 1)}"
            rf"|(?:at least )?{number_pattern(k['capital_frequency'], -1, 1)}{IN}{{0,50}}?(?:{UPPER_CASE})",
            UPPER_CASE,
        ],
        unlike=lambda k: [r"less than|at most|no more than|\blimit"] if k["capital_relation"] == "at least" else [],
        more=lambda k: [rf"limit{IN}*words"] if k["capital_relation"] == "less than" else [],
    ),
    "change_case:english_capital": SpanPatterns(
        lambda k: [rf"{ENGLISH}(?:{UPPER_CASE})(?: and in english)?", r"lower[\s-]?case"]
    ),
    "change_case:english_lowercase": SpanPatterns(lambda k: [LOWER_CASE]),
    "punctuation:no_comma": SpanPatterns(lambda k: [r"\bcommas?\b"], rf"{NOT}|\ballowed"),
    "heed:words": SpanPatterns(amount_patterns("count", "words?", "-")),
    "heed:sentences": SpanPatterns(amount_patterns("count", "sentences?")),
    "heed:characters": SpanPatterns(amount_patterns("count", "characters?|letters?", "-")),
    "heed:lines": SpanPatterns(amount_patterns("count", "lines?|verses?", "-")),
    "heed:one_of": SpanPatterns(lambda k: list_patterns(k["options"])),
    "heed:regex": SpanPatterns(lambda k: [literal_pattern(k["pattern"])]),
    "heed:json": SpanPatterns(json_patterns, unlike=lambda k: [r"\bkeywords?\b"]),
    "heed:number": SpanPatterns(
        lambda k: [
            rf"(?:only|just|nothing but|as|with|single)\b{IN}{{0,30}}\b(?:numbers?|numerals?|digits?|figure)\b",
            r"\b(?:numbers?|digits?)(?: only| alone)\b|\bin (?:digits|figures)\b",
        ]
    ),
    "heed:starts_with": SpanPatterns(
        lambda k: [
            rf"(?:start|begin|open)\w*\b{IN}{{0,60}}?{literal_pattern(k['text'])}",
            rf"{literal_pattern(k['text'])}{IN}{{0,40}}(?:first|beginning|start)",
        ]
    ),
    "heed:contains": SpanPatterns(
        lambda k: after_patterns(
            r"includ\w*|mention\w*|contain\w*|us(?:e|ing)|words?|phrase|with", [word_pattern(k["text"])]
        )
    ),
}
"""{id: how a prompt asks for it}"""
