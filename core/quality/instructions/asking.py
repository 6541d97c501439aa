"""Where a prompt asks for an instruction: the words of the prompt whose importance can be set beside the verdict.

For each id: what gives the request away (``keys``: patterns made with its kwargs, the surest first), and what its
clause must hold as well (``need``). Each place found is widened to its clause (``clauses.py``), or narrowed to the
phrase where the clause is the task. All places of the first pattern that finds any are kept, and those of ``more``
("No capital letters are allowed.") beside them. Nothing is guessed: no key, no span. To add one: a line in ``ASKING``;
print the coverage; read what it found. Guarded by tests/core/test_quality_instructions_spans.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.quality.instructions.clauses import Span, clause, is_task, narrowed, trimmed, with_example, with_lines
from core.quality.instructions.kwargs import check_kwargs
from core.quality.instructions.wording import (
    BRACKETED,
    ENGLISH,
    HIGHLIGHT,
    IN,
    LARGE,
    NOT,
    QUOTES,
    SMALL,
    STARS,
    Keys,
    after,
    amount,
    amounts,
    frequency,
    json,
    language,
    letters,
    listed,
    literal,
    number,
    word,
)


@dataclass(frozen=True)
class Asking:
    """How a prompt asks for one kind of instruction."""

    keys: Keys
    need: str = ""
    """What the clause must hold."""
    more: Keys = lambda kwargs: ()
    unlike: Keys = lambda kwargs: ()
    """What the clause must not hold."""


def find_spans(prompt: str, id: str, kwargs: Mapping[str, Any]) -> tuple[Span, ...]:
    """(start, end) of each place of ``prompt`` that asks for this instruction, in reading order; empty: not found.

    Raises PromptError for an unknown id or wrong kwargs.
    """
    given = check_kwargs(id, kwargs)
    asking, found = ASKING[id], list[Span]()
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
        span = clause(prompt, *m.span())
        text = prompt[slice(*span)]
        if re.search(need, text, re.IGNORECASE) and not any(re.search(u, text, re.IGNORECASE) for u in unlike):
            span = _phrase(prompt, span, *m.span()) if is_task(prompt, span) else span
            out.append(with_lines(prompt, span))
    return [(a, b) for a, b in out if a < b]


def _phrase(prompt: str, span: Span, start: int, end: int) -> Span:
    """The part of a task that asks for it; all of it where there is nothing else ("Write at least 900 words")."""
    before = [w for w in prompt[span[0] : start].split() if w.lower() not in ("please", "me", "exactly", "then")]
    if len(before) > 1:
        part = narrowed(prompt, span, start, end)
        return span if len(prompt[span[0] : part[0]].split()) <= 1 and part[1] == span[1] else part
    if len(prompt[end : span[1]].split()) <= 5:
        return span
    return trimmed(prompt, span[0], with_example(prompt, end), end)


_JOINED = re.compile(r"[ ,;]*(?:and |with )?[ ,;]*")


def _merged(prompt: str, spans: Sequence[Span]) -> tuple[Span, ...]:
    """In order; those that overlap, or have only a comma or a joining word between them, as one."""
    out: list[Span] = []
    for a, b in sorted(set(spans)):
        if out and (a < out[-1][1] or _JOINED.fullmatch(prompt, out[-1][1], a)):
            out[-1] = (out[-1][0], max(b, out[-1][1]))
        else:
            out.append((a, b))
    return tuple(out)


_BULLETS = r"bullets?(?: points?)?"
_MARKED = "in the form of|indicated by|such as|like|format|to indicate"

ASKING: dict[str, Asking] = {
    "keywords:existence": Asking(
        lambda k: after(
            r"keywords?|words?|includ\w*|mention\w*|contain\w*|us(?:e|es|ing)|items?|phrase",
            listed(k["keywords"]),
            not_over="includ|mention|contain",
        ),
        r"includ|mention|contain|use|using|has|have|word|phrase|must|should|item|add",
    ),
    "keywords:frequency": Asking(frequency),
    "keywords:forbidden_words": Asking(
        lambda k: after(rf"keywords?|words?|{NOT}", listed(k["forbidden_words"])), rf"{NOT}|forbidden"
    ),
    "keywords:letter_frequency": Asking(letters),
    "language:response_language": Asking(
        language, more=lambda k: [r"no other languages?[^.!?,\n]{0,40}allowed[^.,\n:]*"]
    ),
    "length_constraints:number_sentences": Asking(amounts("num_sentences", "sentences?")),
    "length_constraints:number_paragraphs": Asking(
        lambda k: [
            amount(number(k["num_paragraphs"]), "paragraphs?|sections?|parts?|stanzas?|verses?|options?|versions?"),
            r"\*{3}(?!\*)",
            r"separat\w*",
            r"(?:follow\w*|us(?:e|ing)|in) (?:\w+ ){0,3}?format\b",
        ],
        more=lambda k: [rf"separat\w*{IN}{{0,80}}?(?:\*{{3}}(?!\*)|asteri[sc]ks?)"],
    ),
    "length_constraints:number_words": Asking(amounts("num_words", "words?")),
    "length_constraints:nth_paragraph_first_word": Asking(
        lambda k: after(r"paragraph|start\w*|begin\w*|first word", [word(k["first_word"])]),
        more=lambda k: [
            amount(number(k["num_paragraphs"]), "paragraphs?"),
            rf"paragraphs{IN}{{0,60}}separated[^.!?:\n]*",
        ],
    ),
    "detectable_content:number_placeholders": Asking(
        lambda k: [
            amount(number(k["num_placeholders"]), "placeholders?") + BRACKETED,
            r"\bplaceholders?" + BRACKETED,
        ]
    ),
    "detectable_content:postscript": Asking(
        lambda k: [
            *after(r"(?:an? )?post\s?-?script", [literal(k["postscript_marker"]) + r"\.?"]),
            r"(?:an? )?post\s?-?script",
        ]
    ),
    "detectable_format:number_bullet_lists": Asking(
        lambda k: [amount(number(k["num_bullets"]), _BULLETS), _BULLETS],
        more=lambda k: [rf"(?:bullet points?|use \"?\*|indicat\w+ (?:a )?bullet){IN}{{0,60}}?(?:{_MARKED})"],
    ),
    "detectable_format:constrained_response": Asking(
        lambda k: [
            r"(?:[^.!?\n:]{0,160}:\s{0,3})?[^\w\s]{0,3}"
            r"my answer is yes.{1,40}?my answer is no.{1,40}?my answer is maybe\.?",
            r"my answer is (?:yes|no|maybe)",
        ]
    ),
    "detectable_format:number_highlighted_sections": Asking(
        lambda k: [
            rf"{HIGHLIGHT}{IN}{{0,60}}?{number(k['num_highlights'])}",
            rf"(?:at least )?{number(k['num_highlights'])}[^.!?()\n]{{0,25}}?{HIGHLIGHT}"
            r"(?: (?:text )?(?:sections?|parts?|phrases?|words?))*(?: (?:in|with|using) markdown(?: \w+)?)?",
            HIGHLIGHT,
        ]
    ),
    "detectable_format:multiple_sections": Asking(
        lambda k: [
            rf"{number(k['num_sections'])}[\s-](?:\w+ ){{0,2}}?(?:sections?|parts|paragraphs?)\b",
            rf"{literal(k['section_spliter'])}\s+(?:X|1)\b",
        ],
        more=lambda k: [
            rf"\b(?:(?:mark|label|start)(?:ing|ed|s)?|not(?:e|ed|ing))\b(?<!quotation marks){IN}{{0,60}}?"
            rf"{literal(k['section_spliter'])}\s+(?:X|\d)\b"
        ],
    ),
    "detectable_format:json_format": Asking(json, unlike=lambda k: [r"\bkeywords?\b"]),
    "detectable_format:title": Asking(
        lambda k: [
            rf"(?:an? |the )?titles?\b{IN}{{0,60}}?double{IN}{{0,20}}?brackets?",
            rf"double{IN}{{0,20}}?brackets?",
            r"<<[^>\n]+>>",
            r"(?:an? |the )?\btitle\b",
        ]
    ),
    "combination:two_responses": Asking(
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
    "combination:repeat_prompt": Asking(
        lambda k: [r"\brepeat(?:s|ing)?\b", r"start with|word for word"],
        more=lambda k: [
            rf"(?:do not|don't|not) (?:\w+ )?(?:say|output|change|add|include)\b{IN}{{0,60}}(?:before|word|just)"
        ],
    ),
    "startend:end_checker": Asking(
        lambda k: [
            r"(?:end\w*|finish\w*|last|conclu\w*|final\w*|exact|phrase|clos\w+|sign)\b[^.!?]{0,120}?"
            + literal(k["end_phrase"]),
            literal(k["end_phrase"]),
        ],
        more=lambda k: [rf"(?:no (?:other )?words?|nothing(?: else)?) (?:should|must|may|can|comes?|follows?)\b{IN}*"],
    ),
    "startend:quotation": Asking(
        lambda k: after(r"wrap\w*|put|place\w*|enclos\w*|surround\w*|around|inside|with|in", [QUOTES])
    ),
    "change_case:capital_word_frequency": Asking(
        lambda k: [
            rf"(?:{LARGE}){IN}{{0,60}}?{number(k['capital_frequency'], -1, 1)}"
            rf"|(?:at least )?{number(k['capital_frequency'], -1, 1)}{IN}{{0,50}}?(?:{LARGE})",
            LARGE,
        ],
        unlike=lambda k: [r"less than|at most|no more than|\blimit"] if k["capital_relation"] == "at least" else [],
        more=lambda k: [rf"limit{IN}*words"] if k["capital_relation"] == "less than" else [],
    ),
    "change_case:english_capital": Asking(lambda k: [rf"{ENGLISH}(?:{LARGE})(?: and in english)?", r"lower[\s-]?case"]),
    "change_case:english_lowercase": Asking(lambda k: [SMALL]),
    "punctuation:no_comma": Asking(lambda k: [r"\bcommas?\b"], rf"{NOT}|\ballowed"),
    "heed:words": Asking(amounts("count", "words?", "-")),
    "heed:sentences": Asking(amounts("count", "sentences?")),
    "heed:characters": Asking(amounts("count", "characters?|letters?", "-")),
    "heed:lines": Asking(amounts("count", "lines?|verses?", "-")),
    "heed:one_of": Asking(lambda k: listed(k["options"])),
    "heed:regex": Asking(lambda k: [literal(k["pattern"])]),
    "heed:json": Asking(json, unlike=lambda k: [r"\bkeywords?\b"]),
    "heed:number": Asking(
        lambda k: [
            rf"(?:only|just|nothing but|as|with|single)\b{IN}{{0,30}}\b(?:numbers?|numerals?|digits?|figure)\b",
            r"\b(?:numbers?|digits?)(?: only| alone)\b|\bin (?:digits|figures)\b",
        ]
    ),
    "heed:starts_with": Asking(
        lambda k: [
            rf"(?:start|begin|open)\w*\b{IN}{{0,60}}?{literal(k['text'])}",
            rf"{literal(k['text'])}{IN}{{0,40}}(?:first|beginning|start)",
        ]
    ),
    "heed:contains": Asking(
        lambda k: after(r"includ\w*|mention\w*|contain\w*|us(?:e|ing)|words?|phrase|with", [word(k["text"])])
    ),
}
"""For each id, how a prompt asks for it."""
