"""Detects instructions in free text, only where the wording is unambiguous: "in one word", "do not use commas".

A wrong guess would put a made-up verdict beside a run, so each pattern includes its context ("answer in at most 20
words", never "20 words") and text in quotation marks, code or behind a colon that opens the material is skipped. What
is detected is shown to the user, who edits it. A clause about another text ("summarise the 20-word note", "in this 300
words story") gives nothing. To add one: a line in ``_RULES`` and both a text that has it and one that only looks like
it in tests/core/test_quality_instructions_detection.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from ....records import Span
from .clauses import covering_clause, covering_sentence, trim_span
from .patterns import SPELLED
from .request_spans import find_spans

Made = tuple[str, dict[str, Any]]
Make = Callable[[re.Match[str], str], "Made | None"]


LONGEST_LENGTH_WORDS = 20
"""A "500-word story" is about that long: above this many words, the number alone is no exact demand."""


class DetectedInstruction(NamedTuple):
    """An instruction found in free text."""

    id: str
    kwargs: dict[str, Any]
    span: Span
    """Characters of the prompt."""


def detect_instructions(prompt: str) -> list[DetectedInstruction]:
    """Returns the unambiguous instructions of ``prompt``, in reading order, each span once."""
    masked = _masked(prompt)
    found: list[DetectedInstruction] = []
    taken: list[Span] = []
    for pattern, make in _RULES:
        for m in pattern.finditer(masked):
            if any(a < m.end() and m.start() < b for a, b in taken) or _asked(masked, m):
                continue
            made = make(m, prompt)
            if made is None or (made[0] in _OF_ALL and _of_a_part(masked, m)):
                continue
            if all((f.id, f.kwargs) != made for f in found):
                found.append(DetectedInstruction(*made, _exact(prompt, *made, m.span())))
                taken.append(m.span())
    found = sorted(found, key=lambda f: f.span)
    return [] if _contradict(found) else found


def _asked(masked: str, m: re.Match[str]) -> bool:
    """Returns whether the match is inside a question that is no request: "Can you say more than two words there?"."""
    start, end = covering_sentence(masked, *m.span())
    text = masked[start:end].strip()
    opens = not masked[start : m.start()].strip(" ,")
    return text.endswith("?") and not (opens or _REQUEST.match(text) or _BRIEF.fullmatch(m[0].strip()))


def _of_a_part(masked: str, m: re.Match[str]) -> bool:
    """Returns whether the clause is about a part or a denial: "each paragraph starts with", "words in capitals"."""
    before = masked[covering_clause(masked, *m.span())[0] : m.start()]
    return bool(_PART.search(before))


def _exact(prompt: str, id: str, kwargs: dict[str, Any], match: Span) -> Span:
    """Returns the clause that asks for it where ``find_spans`` finds it too, else the trimmed match."""
    if prompt[match[1] : match[1] + 1] == ",":
        return trim_span(prompt, *match)
    same = [(a, b) for a, b in find_spans(prompt, id, kwargs) if a < match[1] and match[0] < b]
    return same[0] if same else trim_span(prompt, *match)


_REQUEST = re.compile(
    r"(?:please |hi,? |hello,? )?(?:can|could|would|will) you (?:please )?(?!have |say )", re.IGNORECASE
)
_OF_ALL = ("heed:starts_with", "startend:end_checker", "change_case:english_capital", "change_case:english_lowercase")
"""Instructions that are also common for single words or paragraphs."""
_PART = re.compile(
    r"\b(?:words?|phrases?|letters?|paragraphs?|sections?|lines?|stanzas?|sentences?|titles?|headings?|each|every|some|"
    r"without|not|never|no|if|unless|when)\b|n[’']t\b",
    re.IGNORECASE,
)
_BRIEF = re.compile(r"in (?:exactly |just |only )?(?:one|a single|1) (?:word|sentence|line)", re.IGNORECASE)
_QUOTED = re.compile(
    r"```.*?```|`[^`\n]+`|\"[^\"]{0,2000}?\"|“[^”]{0,2000}?”|«[^»]{0,2000}?»|(?<!\w)'[^'\n]{1,400}'(?!\w)", re.DOTALL
)
_MATERIAL = re.compile(
    r"(?im)^[ \t]*(?:text|context|passage|article|story|note|document|source|input|email|review)[ \t]*:.*"
    r"(?:\n(?!\n).*)*"
)


def _masked(prompt: str) -> str:
    """Returns the prompt with quoted text and material blanked, of the same length; the marks around stay."""
    for kind in (_QUOTED, _MATERIAL):
        prompt = kind.sub(lambda m: m[0][0] + "\0" * (len(m[0]) - 2) + m[0][-1] if len(m[0]) > 1 else m[0], prompt)
    return prompt


def _contradict(found: list[DetectedInstruction]) -> bool:
    """Returns whether one prompt asks for only small and only capital letters: then all results are dropped."""
    return {"change_case:english_lowercase", "change_case:english_capital"} <= {f.id for f in found}


_NUMBERS = {spelled: n for n, spelled in SPELLED.items() if spelled.isalpha()} | {"a single": 1}
_N = rf"(?P<n>\d{{1,3}}(?:,\d{{3}})+|\d{{1,5}}|{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})"
_R = (
    r"(?P<r>at most|no more than|not more than|up to|(?:a )?max(?:imum)? of|under|below|less than|fewer than|at least|"
    r"no less than|no fewer than|a minimum of|more than|over|exactly|precisely|just|only)"
)
_O = r"(?P<o>\s+or\s+(?:less|fewer|more))?"
_U = r"(?P<u>words?|sentences?|lines?|characters?)"
_UNITS = {"word": "heed:words", "sentence": "heed:sentences", "line": "heed:lines", "character": "heed:characters"}
_DO = (
    r"(?:answer|respond|reply|write|explain|describe|summari[sz]e|give|say|use|keep|limit|put|state|define|tell|"
    r"rewrite|express|condense|translate|compose|create)"
)
_YOURS = r"(?:your|the|an?) (?:entire |whole |full |final )?(?:answer|response|reply|output|summary|story|poem)"
_FROM = r"(?:^|(?<=[.!?\n(,;:]))[ \t]*"
"""Start of a sentence or of a part of it."""
_TO = r"(?=\s*(?:[.!?,;:)\n]|$))"
"""End of a sentence or of a part of it."""
_Q = r"(?P<q>[\"“'‘]\0+[\"”'’])"
_QS = r"(?P<q>[\"“'‘]\0+[\"”'’](?:(?:,? and|,? or|,)\s*[\"“'‘]\0+[\"”'’])*)"
_WORD = r"(?:[\"“'‘]\0+[\"”'’]|[A-Za-z][\w-]*)"
_THINGS = (
    r"(?:story|poem|summary|answer|reply|response|explanation|description|slogan|tagline|joke|definition|motto|"
    r"headline)"
)
_DONT = r"(?:do not|don[’']t|never|avoid|without|refrain from)"
_ONLY = r"(?:\s+(?:with|only|simply|just|either|exactly))*"


def _count(text: str) -> int:
    plain = " ".join(text.lower().replace(",", "").split())
    return int(plain) if plain.isdigit() else _NUMBERS[plain]


def _relation(said: str, behind: str) -> tuple[str, int]:
    """Returns (relation, what to add to the number) of "no more than", "over", "or less" ..."""
    if behind:
        return ("at least" if behind.endswith("more") else "at most"), 0
    if said in ("under", "below", "less than", "fewer than"):
        return "less than", 0
    if said in ("more than", "over"):
        return "at least", 1
    if said in ("at least", "no less than", "no fewer than", "a minimum of"):
        return "at least", 0
    return ("exactly" if said in ("", "exactly", "precisely", "just", "only") else "at most"), 0


def _length(m: re.Match[str], prompt: str) -> Made | None:
    groups = m.groupdict()
    if "r" not in groups and m["u"].lower() == "word" and _count(m["n"]) > LONGEST_LENGTH_WORDS:
        return None
    relation, more = _relation((groups.get("r") or "").lower(), (groups.get("o") or "").lower().strip())
    return _UNITS[m["u"].lower().rstrip("s")], {"relation": relation, "count": _count(m["n"]) + more}


def _is(id: str, **kwargs: Any) -> Make:
    return lambda m, prompt: (id, dict(kwargs))


def _options(m: re.Match[str], prompt: str) -> Made | None:
    """Returns the kwargs with the options as the prompt writes them, without quotation marks."""
    text = prompt[m.start("options") : m.end("options")]
    parts = re.split(r"\s*,\s*(?:(?:or|and)\s+)?|\s+(?:or|and)\s+|\s*/\s*", text)
    options = [option for part in parts if (option := part.strip(" \"'“”‘’`*.()[]"))]
    if len(options) < 2 or any(len(option.split()) > 3 for option in options):
        return None
    return "heed:one_of", {"options": options}


def _quoted(id: str, name: str, *, many: bool = False, pattern: bool = False) -> Make:
    """Makes kwargs of the words in quotation marks; ``pattern``: for kwargs that are read as regular expressions."""

    def make(m: re.Match[str], prompt: str) -> Made | None:
        text = prompt[m.start("q") : m.end("q")]
        parts = [p.strip() for p in re.findall(r"[\"“'‘]([^\"”]+?)[\"”'’](?!\w)", text) if p.strip()]
        if not parts:
            return None
        words = [re.escape(p) if pattern and re.search(r"[^\w\s'-]", p) else p for p in parts]
        return id, {name: words if many else parts[0]}

    return make


def _rule(make: Make, *pieces: str) -> tuple[re.Pattern[str], Make]:
    return re.compile("".join(pieces), re.IGNORECASE), make


_LOWER = _is("change_case:english_lowercase")
_UPPER = _is("change_case:english_capital")
_RULES = (
    _rule(
        _length,
        rf"\b(?:{_DO}|{_YOURS} (?:should|must|has to|needs to|can))\b[^.!?\n:;]{{0,60}}?"
        rf"\b(?:in|with|using|to|be|have|contain|within)\s+(?:{_R}\s+)?{_N}\s+{_U}{_O}(?:\s+long)?(?: only)?{_TO}",
    ),
    _rule(_length, rf"\b(?:use|write|say|give|keep (?:it|this)(?: to)?)\s+{_R}\s+{_N}\s+{_U}{_TO}"),
    _rule(_length, rf"{_FROM}(?:in |with |using |within )?{_R}\s+{_N}\s+{_U}{_O}{_TO}"),
    _rule(_length, rf"{_FROM}(?:in|with|using|within)\s+{_N}\s+{_U}{_O}{_TO}"),
    _rule(_length, rf"\bin (?:exactly |just |only )?(?P<n>one|a single|1)\s+(?P<u>word|sentence|line)\b{_TO}"),
    _rule(
        _length,
        rf"\b(?:write|tell|give|compose|create|make)\s+(?:me\s+|us\s+)?an?\s+{_N}[- ](?P<u>word|sentence|line)\s+"
        rf"(?:\w+ )?{_THINGS}\b",
    ),
    _rule(_is("heed:words", relation="exactly", count=1), r"\b(?:one|single)-word (?:answer|reply|response)\b"),
    _rule(
        _is("punctuation:no_comma"),
        rf"\b{_DONT}\s+(?:(?:use|using|include|including|write|writing|put|putting)\s+)?(?:any |a )?commas?\b{_TO}",
        rf"|\b{_DONT}\s+(?:use|using|include|including)\s+(?:any |a )?commas?\b(?= in (?:your|the) (?:\w+ )?"
        r"(?:answer|response|reply|text|output))",
    ),
    _rule(
        _LOWER,
        r"\b(?:in|use|using)\s+(?:only |all |entirely )*(?:lower[\s-]?case|small letters)(?: letters)?",
        rf"(?: only)?{_TO}",
    ),
    _rule(
        _UPPER,
        r"\b(?:in|use|using)\s+(?:only |all |entirely )*(?:capital letters|upper[\s-]?case(?: letters)?)",
        rf"(?: only)?{_TO}",
    ),
    _rule(_UPPER, rf"\b(?:in|use|using)\s+all[\s-]caps(?: only)?{_TO}"),
    _rule(
        _is("heed:json"),
        rf"\b(?:{_DO}|return|output|provide|format)\b[^.!?\n:;]{{0,60}}?\b(?:as|in)\s+(?:valid |a |an )*json\b"
        r"(?:\s+(?:format|object|array))?",
    ),
    _rule(
        _is("heed:json"),
        r"\b(?:return|output|reply with|respond with)\s+(?:only |valid |a |an )+json\b(?: object| array)?",
    ),
    _rule(_is("heed:json"), rf"{_FROM}(?:as|in) (?:valid )?json(?: format)?{_TO}"),
    _rule(
        _options,
        rf"\b(?:answer|reply|respond|say){_ONLY}\s+(?P<options>(?:[\"“'‘]\0+[\"”'’]|yes)\s*(?:,\s*{_WORD}\s*)*,?"
        rf"\s*(?:or|/)\s*(?:[\"“'‘]\0+[\"”'’]|no|unknown|maybe))(?: only)?{_TO}",
    ),
    _rule(
        _options,
        r"\b(?:with\s+)?(?:only |exactly |just )?one of(?: the following| these)?(?: \w+)?\s*:\s*",
        rf"(?P<options>{_WORD}(?:\s*,\s*{_WORD})*(?:,?\s+(?:or|and)\s+{_WORD})?)(?=\s*(?:[.!?;)\n]|$))",
    ),
    _rule(
        _is("heed:number"),
        r"\b(?:answer|reply|respond|return|write|give)\s+(?:me\s+)?(?:with\s+)?(?:only|just|nothing but)\s+(?:with\s+)?"
        r"(?:the|a|one|a single)\s+(?:final |resulting )?number\b(?!s| of)",
    ),
    _rule(
        _quoted("heed:starts_with", "text"),
        rf"\b(?:start|begin)\s+(?:(?:{_YOURS}|it)\s+)?with\s+(?:the (?:exact )?(?:words?|phrase|sentence)\s+)?{_Q}",
    ),
    _rule(
        _quoted("startend:end_checker", "end_phrase"),
        rf"\b(?:end|finish|conclude)\s+(?:(?:{_YOURS}|it)\s+)?with\s+"
        rf"(?:the (?:exact )?(?:words?|phrase|sentence)\s+)?{_Q}",
    ),
    _rule(
        _quoted("keywords:forbidden_words", "forbidden_words", many=True, pattern=True),
        rf"\b{_DONT}\s+(?:us(?:e|ing)|includ(?:e|ing)|mention(?:ing)?|say(?:ing)?)\s+"
        rf"(?:the )?(?:words?|keywords?)\s+{_QS}",
    ),
    _rule(
        _quoted("keywords:existence", "keywords", many=True, pattern=True),
        rf"(?<!not )(?<!n't )\b(?:include|mention|use)\s+the\s+(?:words?|keywords?)\s+{_QS}{_TO}",
    ),
    _rule(_is("startend:quotation"), rf"\bwrap\s+{_YOURS}\s+(?:in|with)\s+double quot(?:es|ation marks)\b"),
)  # fmt: skip
"""(pattern over the masked prompt, its kwargs maker), the longest patterns first."""
