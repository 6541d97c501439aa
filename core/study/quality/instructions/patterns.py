"""Builds regular expressions for the words of requests: amounts, lists of words, letters, languages.

Each function makes patterns (ignoring case) from the kwargs of an instruction; ``Check.asked_as`` says which belong to
which instruction. No pattern crosses the end of a sentence. Guarded by
tests/core/test_quality_instructions_spans.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Keys = Callable[[Mapping[str, Any]], Sequence[str]]


@dataclass(frozen=True)
class SpanPatterns:
    """The patterns by which one kind of instruction is found in a prompt."""

    keys: Keys
    """Made with its kwargs, the surest first."""
    need: str = ""
    """Pattern that the clause must hold."""
    more: Keys = lambda kwargs: ()
    """Kept as well, where a key was found."""
    unlike: Keys = lambda kwargs: ()
    """Patterns that the clause must not hold."""


IN = r"[^.!?\n]"
"""Any character inside a sentence."""
_ONES = re.findall(
    r"\w+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty",
)
_TENS = dict(zip(range(30, 100, 10), re.findall(r"\w+", "thirty forty fifty sixty seventy eighty ninety"), strict=True))
SPELLED = {**dict(enumerate(_ONES)), **_TENS, 100: "(?:a|one) hundred"}
_ANY_NUMBER = rf"(?:\d[\d,]*|{'|'.join(SPELLED.values())})"
_BEFORE = (
    r"(?:(?:at least|at most|no more than|not more than|more than|less than|fewer than|no longer than|under|over|up to|"
    r"exactly|a (?:minimum|maximum|total) of|less than a total of|minimum|maximum|only|just|within)\s+)?"
)
_AFTER = r"(?:\s*\+|\s+(?:or|and)\s+(?:more|less|fewer|above|below|under|over))?"
_RANGE = rf"(?:\s*(?:to|-|–|or|and)\s*{_ANY_NUMBER})?"
_BOUNDS = {
    "at least": "at least|more than|over|exactly",
    "less than": "less than|fewer than|under|at most|exactly",
    "at most": "at most|no more than|up to|not more than|less than|fewer than|under|within",
    "exactly": "exactly|in|of",
}
HYPHEN = r"(?<=[\d+])-"
"""Joins a number to its unit in "100-word"; not in "one-sentence", which names a thing."""
TIMES = r"(?:\s+or\s+(?:more|less|fewer))?(?:\s+\w+)?\s+times?"

NOT = (
    r"(?:\b(?:not|no|don[’']t|doesn[’']t|never|without|avoid\w*|exclud\w*|refrain\w*|forbid\w*|cannot|nor|free of|"
    r"omit\w*|leav(?:e|ing) out|skip|instead of|other than|zero)\b|n[’']t\b)"
)
ENGLISH = r"(?:english[,\s]+(?:and )?)?(?:all |only )?(?:in )?(?:only )?(?:all )?"
LOWER_CASE = (
    rf"{ENGLISH}(?:lower[\s-]?case\w*(?: letters?| english)?|small letters?)"
    rf"|(?:no|without|not|any|n't)\b[^.!?,\n]{{0,40}}?\b(?:capital|upper[\s-]?case)\w*(?: letters?)?"
    rf"|(?:all|every|only) (?:\w+ )?letters? {IN}{{0,20}}?lower\w*|not a single letter{IN}{{0,50}}capitalized"
)
UPPER_CASE = (
    r"(?:all[\s-])?(?:capital letters?|caps\b|capitals\b|upper[\s-]?case(?: letters?)?|capitali[sz]ed\b)"
    r"|capitali[sz]e (?:all|every|each)(?: of)?(?: your)? (?:words?|letters?)"
)
HIGHLIGHT = r"(?:highlight\w*|itali[cs]\w*|\bbold\w*|emphasi[sz]e\w*|\*[^*\n]+\*)"
BRACKETED = r"(?:,? (?:which should be |that are )?(?:represented|wrapped|indicated|marked|with)[^.!?,\n:]*?brackets?)?"
STARS = r"(?:\(?\*{6,}\)?|(?:6|six) (?:asteri[sc]ks?|stars)(?: \w+)?(?::? ?\(?\*{6,}\)?)?)"
BULLETS = r"bullets?(?: points?)?"
MARKED = "in the form of|indicated by|such as|like|format|to indicate"
QUOTES = r"(?:double[\s-])?(?:quotation|quotations|quote)s?(?: marks?)?"
_LANGUAGES: dict[str, str] = dict(
    re.findall(
        r"(\S+)=(\S+)",
        "en=English es=Spanish pt=Portuguese ar=Arabic hi=Hindi fr=French ru=Russian de=German ja=Japanese it=Italian "
        "bn=Bengali|Bangla uk=Ukrainian th=Thai ur=Urdu ta=Tamil te=Telugu bg=Bulgarian ko=Korean pl=Polish he=Hebrew "
        "fa=Persian|Farsi vi=Vietnamese ne=Nepali sw=(?:Ki)?swahili kn=Kannada mr=Marathi gu=Gujarati "
        "pa=Punjabi|Panjabi ml=Malayalam fi=Finnish af=Afrikaans ca=Catalan cs=Czech cy=Welsh da=Danish el=Greek "
        "et=Estonian hr=Croatian hu=Hungarian id=Indonesian lt=Lithuanian lv=Latvian mk=Macedonian nl=Dutch "
        "no=Norwegian ro=Romanian sk=Slovak sl=Slovenian so=Somali sq=Albanian sv=Swedish tl=Tagalog|Filipino "
        "tr=Turkish zh-cn=Chinese|Mandarin zh-tw=Chinese|Mandarin",
    )
)
_SIGNS = {",": "commas?", ";": "semicolons?", ":": "colons?", "-": "hyphens?|dash(?:es)?", "?": "question marks?"}
_SIGNS |= {"!": "exclamation marks?", "#": "hashtags?|hash signs?", ".": "full stops?|periods?"}


def number_pattern(n: int, *also: int) -> str:
    """Returns a pattern for ``n`` in digits or in words, or ``n`` plus one of ``also``."""
    near = [n, *(n + d for d in also)]
    forms = [form for k in near for form in (f"{k:,}", str(k), SPELLED.get(k, "")) if form]
    return rf"(?<![\w.,])(?:{'|'.join(forms + ['an?', 'single'] * (1 in near))})(?![\w]|[.,]\d)"


def amount_pattern(n: str, unit: str, joint: str = HYPHEN) -> str:
    """Matches ``at least 300 words``, ``300+ words``, ``20 to 30 words``, ``a 300-word``, ``number of words: 300``."""
    near = r"(?:[\w\"'*()-]+\s+){0,3}?"
    first = rf"(?:{_ANY_NUMBER}\s*(?:to|-|–|or|and)\s*)?"
    more = r"(?:\s+(?:or|and) (?:more|less|fewer))?"
    return (
        rf"(?:{_BEFORE}{first}{n}{_RANGE}{_AFTER}(?:\s+|{joint}){near}(?:{unit})\b{more}"
        rf"|(?:number of|total)(?: \w+){{0,2}} (?:{unit})\b{IN}{{0,60}}?{n}{_AFTER})"
    )


def amount_patterns(name: str, unit: str, joint: str = HYPHEN) -> Keys:
    """Makes patterns for the number itself, one beside it ("at most 150" is "less than 151"), then any such amount."""

    def keys(kwargs: Mapping[str, Any]) -> list[str]:
        n, bound = kwargs[name], _BOUNDS[kwargs["relation"]]
        some = rf"(?:{bound})\s+{_ANY_NUMBER}\s+(?:{unit})\b"
        return [
            amount_pattern(number_pattern(n), unit, joint),
            amount_pattern(number_pattern(n, -1, 1), unit, joint),
            some,
        ]

    return keys


def literal_pattern(text: str) -> str:
    """Matches this text, whatever its spaces and quotation marks."""
    parts = [re.escape(part) for part in re.split(r"[\s\"'“”‘’]+", text.strip().rstrip(".")) if part]
    return r"[\s\"'“”‘’]+".join(parts) or re.escape(text)


def word_pattern(text: str) -> str:
    """Matches this text as a whole word; a sign by its name, or in quotation marks."""
    if not any(c.isalnum() for c in text):
        return rf"(?:\b(?:{_SIGNS.get(text.strip(), '(?!)')})\b|[\"'“‘]{re.escape(text.strip())}[\"'”’])"
    return rf"(?<!\w){literal_pattern(text)}(?!\w)"


def list_patterns(words: Sequence[str]) -> list[str]:
    """Returns patterns for all of these words side by side in any order, then for any one of them."""
    one = rf"(?:{'|'.join(sorted({word_pattern(w) for w in words}, key=len, reverse=True))})"
    gap = r"[^\w]*(?:(?:and|or|nor|the|words?|phrases?|keywords?)[^\w]+)*"
    return [rf"{one}(?:{gap}{one}){{{len(set(words)) - 1}}}", one] if len(set(words)) > 1 else [one]


def after_patterns(heads: str, what: Sequence[str], *, not_over: str = "") -> list[str]:
    """Returns patterns for each of ``what`` behind one of ``heads`` in the same sentence, then for each alone."""
    step = rf"(?:(?!{not_over}){IN})" if not_over else IN
    return [rf"(?:{heads})\b{step}{{0,60}}?{w}" for w in what] + list(what)


def language_patterns(kwargs: Mapping[str, Any]) -> list[str]:
    """Returns patterns for the language's name in a request, then anywhere."""
    name = rf"(?:{_LANGUAGES.get(kwargs['language'], re.escape(kwargs['language']))})\b"
    how = (
        r"(?:(?:only |entirely |completely |just )?(?:in|into|using|use)(?: only| entirely| just| the)*|only|entirely)"
    )
    alone = r"(?:,? (?:and )?no other languages?(?: is| are)? allowed)?(?: throughout your [\w ]+)?"
    return [rf"{how} {name}(?: language)?(?: only)?{alone}", name]


def frequency_patterns(kwargs: Mapping[str, Any]) -> list[str]:
    """Returns patterns for a keyword with its frequency, the keyword alone, and any word's frequency."""
    n, key = number_pattern(kwargs["frequency"], -1, 1), word_pattern(kwargs["keyword"])
    times = rf"(?:{n}{IN}{{0,12}}? times?|\bonce\b|\btwice\b)"
    return [
        rf"{key}{IN}{{0,60}}?{times}(?: or (?:more|less|fewer))?",
        rf"{times}{IN}{{0,60}}?{key}",
        rf"(?:words?|keywords?|mention\w*|names?|includ\w*|contain\w*|us(?:e|ing))\b{IN}{{0,40}}?{key}",
        rf"(?:includ\w*|mention\w*|word){IN}{{0,50}}?{times}",
    ]


def letter_patterns(kwargs: Mapping[str, Any]) -> list[str]:
    """Returns patterns for a letter or sign with its frequency, then for the letter alone."""
    n, given = kwargs["let_frequency"], kwargs["letter"]
    edge = r"(?!\w)" if given.isalnum() else ""
    sign = rf"(?<!\w)[\"'“‘`(]?{re.escape(given)}[\"'”’`)]?{edge}" if edge else re.escape(given)
    times = rf"(?:{number_pattern(n, -1, 1)}{TIMES}|\bonce\b|\btwice\b)"
    return [
        rf"letters?\s+{sign}{IN}{{0,60}}?{times}",
        rf"{times}{IN}{{0,60}}?letters?\s+{sign}",
        rf"{number_pattern(n)}{IN}{{0,40}}?{sign}",
        rf"letters?\s+{sign}",
        sign,
    ]


def json_patterns(kwargs: Mapping[str, Any]) -> list[str]:
    """Returns patterns for JSON as a format, then as a word."""
    kinds = "format|block|object|array|string|output"
    return [
        rf"(?:in|as|into|valid|with|using|use|a|an|one|only|of) json\b(?: (?:{kinds}))?|\bjson (?:{kinds})\b",
        r"\bjson\b",
    ]
