"""Where a prompt asks for an instruction: the words of the prompt whose importance can be set beside the verdict.

For each id: what gives the request away (``keys``: patterns made with its kwargs, the surest first), and what its clause
must hold as well (``need``). Each place found is widened to its clause (``clauses.py``), or narrowed to the phrase where
the clause is the task. All places of the first pattern that finds any are kept, and those of ``more`` ("No capital
letters are allowed.") beside them. Nothing is guessed: no key, no span. To add one: a line in ``ASKING``; print the
coverage; read what it found. Guarded by tests/core/test_quality_instructions_spans.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.quality.instructions.clauses import Span, clause, is_task, narrowed, trimmed, with_example, with_lines

Keys = Callable[[Mapping[str, Any]], Sequence[str]]


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
    from core.quality.instructions.kwargs import check_kwargs

    given = check_kwargs(id, kwargs)
    asking = ASKING.get(id)
    if asking is None:
        return ()
    found: list[Span] = []
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
        return narrowed(prompt, span, start, end)
    if len(prompt[end : span[1]].split()) <= 5:
        return span
    return trimmed(prompt, span[0], with_example(prompt, end))


def _merged(prompt: str, spans: Sequence[Span]) -> tuple[Span, ...]:
    """In order; those that overlap, or have only a comma or a joining word between them, as one."""
    out: list[Span] = []
    for a, b in sorted(set(spans)):
        if out and (a < out[-1][1] or _JOINED.fullmatch(prompt, out[-1][1], a)):
            out[-1] = (out[-1][0], max(b, out[-1][1]))
        else:
            out.append((a, b))
    return tuple(out)


_JOINED = re.compile(r"[ ,;]*(?:and |with )?[ ,;]*")
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
).split()
_TENS = {
    30: "thirty",
    40: "forty",
    50: "fifty",
    60: "sixty",
    70: "seventy",
    80: "eighty",
    90: "ninety",
    100: "(?:a|one) hundred",
}


def _number(n: int, also: tuple[int, ...] = (0,)) -> str:
    """A pattern for ``n`` in digits or in words, and for ``n`` plus each of ``also``."""
    forms = []
    for k in (n + d for d in also):
        forms += [f"{k:,}", str(k)] + ([_ONES[k]] if 0 <= k <= 20 else []) + ([_TENS[k]] if k in _TENS else [])
    if any(n + d == 1 for d in also):
        forms += ["an?", "single"]
    return rf"(?<![\w.,])(?:{'|'.join(forms)})(?![\w]|[.,]\d)"


_MORE_OR_LESS = (
    r"(?:(?:at least|at most|no more than|not more than|more than|less than|fewer than|under|over|up to|exactly|"
    r"a (?:minimum|maximum|total) of|less than a total of|minimum|maximum|only|just|within)\s+)?"
)
_OR_MORE = r"(?:\s*\+|\s+(?:or|and)\s+(?:more|less|fewer|above|below|under|over))?"
_RANGE = r"(?:\s*(?:to|-|–|or|and)\s*(?:\d[\d,]*|\w+))?"


def _amount(number: str, unit: str, joint: str = r"(?<=[\d+])-") -> str:
    """ "at least 300 words", "300+ words", "20 to 30 words", "a 300-word", "words: at most 20"."""
    near = r"(?:[\w\"'*()-]+\s+){0,3}?"
    start = r"(?:\d[\d,]*\s*(?:to|-|–|or|and)\s*)?"
    return (
        rf"{_MORE_OR_LESS}{start}{number}{_RANGE}{_OR_MORE}(?:\s+|{joint}){near}(?:{unit})\b(?:\s+(?:or|and) (?:more|less|fewer))?"
        rf"|(?:number of|total)(?: \w+){{0,2}} (?:{unit})\b[^.!?\n]{{0,60}}?{number}{_OR_MORE}"
    )


def _amounts(name: str, unit: str, joint: str = r"(?<=[\d+])-") -> Keys:
    """The number itself, then one beside it ("at most 150" is "less than 151"), then any with the same relation."""

    def keys(kwargs: Mapping[str, Any]) -> list[str]:
        n, some = kwargs[name], rf"(?:(?:{_BOUNDS[kwargs['relation']]})\s+(?:\d[\d,]*|\w+)\s+(?:{unit})\b)"
        return [_amount(_number(n), unit, joint), _amount(_number(n, (-1, 1)), unit, joint), some]

    return keys


_BOUNDS = {
    "at least": "at least|more than|over|exactly",
    "less than": "less than|fewer than|under|at most|exactly",
    "at most": "at most|no more than|up to|not more than|less than|fewer than|under",
    "exactly": "exactly",
}


def _literal(text: str) -> str:
    """A pattern for this text, whatever its spaces, quotation marks and letter case."""
    parts = [re.escape(part) for part in re.split(r"[\s\"'“”‘’]+", text.strip().rstrip(".")) if part]
    return r"[\s\"'“”‘’]+".join(parts)


def _word(text: str) -> str:
    return rf"(?<!\w){_literal(text)}(?!\w)"


def _listed(words: Sequence[str]) -> list[str]:
    """All words close to each other, in any order; else the first of them."""
    any_of = "|".join(sorted({_word(w) for w in words}, key=len, reverse=True))
    gap = r"[^\w]*(?:(?:and|or|nor|the|word|words|phrase|keyword|keywords)[^\w]+)*"
    together = rf"(?:{any_of})(?:{gap}(?:{any_of})){{{len(set(words)) - 1}}}"
    return [together, rf"(?:{any_of})"] if len(set(words)) > 1 else [any_of]


_NOT = r"\b(?:not|no|n't|don[’']t|doesn[’']t|never|without|avoid\w*|exclud\w*|refrain\w*|forbid\w*|forbidden|cannot|nor|free of|omit\w*|instead of|other than|zero|0)\b|n[’']t\b"
_ENGLISH = r"(?:english[,\s]+(?:and )?)?(?:all )?(?:in )?(?:only )?(?:all )?"
_SMALL = (
    _ENGLISH
    + r"(?:lower[\s-]?case\w*(?: letters?| english)?|small letters?)|(?:no|without|not|any|n't)\b[^.!?,\n]{0,40}?\b(?:capital|upper[\s-]?case)\w*(?: letters?)?|(?:all|every|only) (?:\w+ )?letters? [^.!?\n]{0,20}?lower\w*|not a single letter[^.!?\n]{0,50}capitalized"
)
_LARGE = r"(?:all[\s-])?(?:capital letters?|caps\b|capitals\b|upper[\s-]?case(?: letters?)?|capitali[sz]ed\b)|capitali[sz]e (?:all|every|each)(?: of)?(?: your)? (?:words?|letters?)"
_HIGHLIGHT = r"highlight\w*|itali[cs]\w*|\bbold\w*|emphasi[sz]e\w*|\*[^*\n]+\*"
_BRACKETED = (
    r"(?:,? (?:which should be |that are )?(?:represented|wrapped|indicated|marked|with)[^.!?,\n:]*?brackets?)?"
)
_STARS = r"(?:\(?\*{6,}\)?|(?:6|six) (?:asteri[sc]ks?|stars)(?: \w+)?(?::? ?\(?\*{6,}\)?)?)"
_QUOTES = r"(?:double[\s-])?(?:quotation|quotations|quote)s?(?: marks?)?"
_LANGUAGES = {
    "en": "English", "es": "Spanish", "pt": "Portuguese", "ar": "Arabic", "hi": "Hindi", "fr": "French", "ru": "Russian",
    "de": "German", "ja": "Japanese", "it": "Italian", "bn": "Bengali|Bangla", "uk": "Ukrainian", "th": "Thai", "ur": "Urdu",
    "ta": "Tamil", "te": "Telugu", "bg": "Bulgarian", "ko": "Korean", "pl": "Polish", "he": "Hebrew", "fa": "Persian|Farsi",
    "vi": "Vietnamese", "ne": "Nepali", "sw": "S?w?ahili|Swahili", "kn": "Kannada", "mr": "Marathi", "gu": "Gujarati",
    "pa": "Punjabi|Panjabi", "ml": "Malayalam", "fi": "Finnish", "af": "Afrikaans", "ca": "Catalan", "cs": "Czech",
    "cy": "Welsh", "da": "Danish", "el": "Greek", "et": "Estonian", "hr": "Croatian", "hu": "Hungarian",
    "id": "Indonesian", "lt": "Lithuanian", "lv": "Latvian", "mk": "Macedonian", "nl": "Dutch", "no": "Norwegian",
    "ro": "Romanian", "sk": "Slovak", "sl": "Slovenian", "so": "Somali", "sq": "Albanian", "sv": "Swedish",
    "tl": "Tagalog|Filipino", "tr": "Turkish", "zh-cn": "Chinese|Mandarin", "zh-tw": "Chinese|Mandarin",
}  # fmt: skip


def _language(kwargs: Mapping[str, Any]) -> list[str]:
    name = rf"(?:{_LANGUAGES.get(kwargs['language'], kwargs['language'])})\b"
    inside = rf"(?:(?:only |entirely |completely |just )?(?:in|into|using|use)(?: only| entirely| just| the)*|only|entirely) {name}"
    return [
        rf"{inside}(?: language)?(?: only)?(?:,? (?:and )?no other languages?(?: is| are)? allowed)?(?: throughout your [\w ]+)?",
        name,
    ]


def _frequency(kwargs: Mapping[str, Any]) -> list[str]:
    n, word = kwargs["frequency"], _word(kwargs["keyword"])
    times = rf"(?:{_number(n, (0, -1, 1))}[^.!?\n]{{0,12}}? times?|\bonce\b|\btwice\b|{_number(n, (0, -1, 1))} time)"
    return [
        rf"{word}[^.!?\n]{{0,60}}?{times}(?: or (?:more|less|fewer))?",
        rf"{times}[^.!?\n]{{0,60}}?{word}",
        rf"(?:words?|keywords?|mention\w*|names?|includ\w*|contain\w*|us(?:e|ing))\b[^.!?\n]{{0,40}}?{word}",
        rf"(?:includ\w*|mention\w*|word)[^.!?\n]{{0,50}}?{times}",
    ]


def _letters(kwargs: Mapping[str, Any]) -> list[str]:
    n, letter = kwargs["let_frequency"], re.escape(kwargs["letter"])
    sign = (
        rf"[\"'“‘`(]?{letter}[\"'”’`)]?"
        if not kwargs["letter"].isalnum()
        else rf"(?<!\w)[\"'“‘`]?{letter}[\"'”’`]?(?!\w)"
    )
    times = rf"(?:{_number(n, (0, -1, 1))}(?: or (?:more|less|fewer))?(?: \w+)? times?|\bonce\b|\btwice\b)"
    return [
        rf"letters?\s+{sign}[^.!?\n]{{0,60}}?{times}",
        rf"{times}[^.!?\n]{{0,60}}?letters?\s+{sign}",
        rf"{_number(n)}[^.!?\n]{{0,40}}?{sign}",
        rf"letters?\s+{sign}",
        sign,
    ]


def _sections(kwargs: Mapping[str, Any]) -> list[str]:
    mark, n = re.escape(kwargs["section_spliter"].strip()), _number(kwargs["num_sections"])
    return [
        rf"{n}[\s-](?:\w+ ){{0,2}}?(?:sections?|parts|paragraphs?)\b",
        rf"{mark}\s+(?:X|1)\b",
    ]


def _json(kwargs: Mapping[str, Any]) -> list[str]:
    return [
        r"(?:in|as|into|valid|with|using|use|a|an|one|only|of) json\b(?: (?:format|block|object|array|string|output))?|\bjson (?:format|block|object|array)",
        r"\bjson\b",
    ]


def _one_of(kwargs: Mapping[str, Any]) -> list[str]:
    return _listed(kwargs["options"])


ASKING: dict[str, Asking] = {
    "keywords:existence": Asking(
        lambda k: (
            [
                rf"(?:keywords?|words?|includ\w*|mention\w*|contain\w*|us(?:e|es|ing)|items?|phrase)\b(?:(?!includ|mention|contain)[^.!?\n]){{0,60}}?{p}"
                for p in _listed(k["keywords"])
            ]
            + _listed(k["keywords"])
        ),
        r"includ|mention|contain|use|using|has|have|word|phrase|must|should|item|add",
    ),
    "keywords:frequency": Asking(_frequency),
    "keywords:forbidden_words": Asking(
        lambda k: (
            [rf"(?:keywords?|words?|{_NOT})(?:[^.!?\n]){{0,40}}?{p}" for p in _listed(k["forbidden_words"])]
            + _listed(k["forbidden_words"])
        ),
        _NOT,
    ),
    "keywords:letter_frequency": Asking(_letters),
    "language:response_language": Asking(
        _language, more=lambda k: [r"no other languages?[^.!?,\n]{0,40}allowed[^.,\n:]*"]
    ),
    "length_constraints:number_sentences": Asking(_amounts("num_sentences", "sentences?")),
    "length_constraints:number_paragraphs": Asking(
        lambda k: [
            _amount(
                _number(k["num_paragraphs"]), "paragraphs?|sections?|parts?|stanzas?|verses?|options?|ideas?|versions?"
            ),
            r"\*{3}(?!\*)",
            r"separat\w*",
            r"\bformat\b",
        ],
        more=lambda k: [r"separat\w*[^.!?\n]{0,80}?(?:\*{3}(?!\*)|asteri[sc]ks?|asterisk)"],
    ),
    "length_constraints:number_words": Asking(_amounts("num_words", "words?")),
    "length_constraints:nth_paragraph_first_word": Asking(
        lambda k: [
            rf"(?:paragraph|start\w*|begin\w*|first word)[^.!?\n]{{0,80}}?{_word(k['first_word'])}",
            _word(k["first_word"]),
        ],
        more=lambda k: [
            _amount(_number(k["num_paragraphs"]), "paragraphs?"),
            r"paragraphs[^.!?\n]{0,60}separated[^.!?\n]*",
        ],
    ),
    "detectable_content:number_placeholders": Asking(
        lambda k: [
            _amount(_number(k["num_placeholders"]), r"placeholders?") + _BRACKETED,
            r"placeholders?" + _BRACKETED,
        ]
    ),
    "detectable_content:postscript": Asking(
        lambda k: [
            rf"post\s?-?script[^.!?\n]{{0,60}}?{re.escape(k['postscript_marker'].strip().rstrip('.'))}\.?",
            re.escape(k["postscript_marker"].strip().rstrip(".")) + r"\.?",
            r"post\s?-?script",
        ]
    ),
    "detectable_format:number_bullet_lists": Asking(
        lambda k: [_amount(_number(k["num_bullets"]), r"bullets?(?: points?)?"), r"bullets?(?: points?)?"],
        more=lambda k: [
            r"(?:bullet points?|use \"?\*|indicat\w+ (?:a )?bullet)[^.!?\n]{0,60}(?:in the form of|indicated by|such as|like|format|\"\* \"|to indicate)[^.!?\n]{0,40}"
        ],
    ),
    "detectable_format:constrained_response": Asking(
        lambda k: [
            r"(?:[^.!?\n:]*:\s*)?[^\w\s]*my answer is yes.{1,40}?my answer is no.{1,40}?my answer is maybe",
            r"my answer is (?:yes|no|maybe)",
        ]
    ),
    "detectable_format:number_highlighted_sections": Asking(
        lambda k: [
            rf"(?:{_HIGHLIGHT})[^.!?\n]{{0,60}}?{_number(k['num_highlights'])}",
            rf"{_MORE_OR_LESS}{_number(k['num_highlights'])}[^.!?()\n]{{0,25}}?(?:{_HIGHLIGHT})"
            r"(?: (?:text )?(?:sections?|parts?|phrases?|words?))*(?: (?:in|with|using) markdown(?: \w+)?)?",
            _HIGHLIGHT,
        ]
    ),
    "detectable_format:multiple_sections": Asking(
        _sections,
        more=lambda k: [
            rf"(?:mark|label|start|not)\w*[^.!?\n]{{0,60}}?{re.escape(k['section_spliter'].strip())}\s+(?:X|\d)\b"
        ],
    ),
    "detectable_format:json_format": Asking(_json, unlike=lambda k: [r"\bkeywords?\b"]),
    "detectable_format:title": Asking(
        lambda k: [
            r"titles?\b[^.!?\n]{0,60}?double[^.!?\n]{0,20}?brackets?",
            r"double[^.!?\n]{0,20}?brackets?",
            r"<<[^>\n]+>>",
            r"\btitle\b",
        ]
    ),
    "combination:two_responses": Asking(
        lambda k: [
            rf"(?:two|2) (?:\w+ ){{0,2}}?(?:responses?|answers?|versions?|replies|critiques)[^.!?\n]{{0,60}}?{_STARS}",
            rf"(?:separat|divid)\w*[^.!?\n]{{0,60}}?{_STARS}",
            _STARS,
            r"separat\w*",
        ],
        more=lambda k: [
            r"(?:exactly (?:two|2)|(?:two|2) different) (?:\w+ )?(?:responses?|answers?|versions?|movies|critiques)"
        ],
    ),
    "combination:repeat_prompt": Asking(
        lambda k: [r"\brepeat(?:s|ing)?\b", r"start with|word for word"],
        more=lambda k: [
            r"(?:do not|don't|not) (?:\w+ )?(?:say|output|change|add|include)\b[^.!?\n]{0,60}(?:before|word|just)"
        ],
    ),
    "startend:end_checker": Asking(
        lambda k: [
            rf"(?:end\w*|finish\w*|last|conclu\w*|final\w*|exact|phrase|clos\w+|very end|sign)\b[^.!?]{{0,120}}?{_literal(k['end_phrase'])}",
            _literal(k["end_phrase"]),
        ],
        more=lambda k: [
            r"no (?:other )?words? (?:should|must|may|can|come|follow)[^.!?\n]*|nothing (?:else )?(?:should|must|may) (?:come|follow)[^.!?\n]*"
        ],
    ),
    "startend:quotation": Asking(
        lambda k: [
            rf"(?:wrap\w*|put|place\w*|enclos\w*|surround\w*|around|inside|with|in)\b[^.!?\n]{{0,60}}?{_QUOTES}",
            _QUOTES,
        ]
    ),
    "change_case:capital_word_frequency": Asking(
        lambda k: [
            rf"(?:{_LARGE})[^.!?\n]{{0,60}}?{_number(k['capital_frequency'], (0, -1, 1))}|{_MORE_OR_LESS}{_number(k['capital_frequency'], (0, -1, 1))}[^.!?\n]{{0,50}}?(?:{_LARGE})",
            _LARGE,
        ],
        unlike=lambda k: [r"less than|at most|no more than|\blimit"] if k["capital_relation"] == "at least" else [],
        more=lambda k: [r"limit[^.!?\n]*words"] if k["capital_relation"] == "less than" else [],
    ),
    "change_case:english_capital": Asking(
        lambda k: [rf"(?:english[,\s]+(?:and )?(?:in )?)?(?:{_LARGE})", r"lower[\s-]?case"]
    ),
    "change_case:english_lowercase": Asking(lambda k: [_SMALL]),
    "punctuation:no_comma": Asking(lambda k: [r"\bcommas?\b"], _NOT + r"|\ballowed|without"),
    "heed:words": Asking(
        lambda k: [_amount(_number(k["count"]), "words?"), rf"{_number(k['count'], (0, -1, 1))}[\s-]words?\b"]
    ),
    "heed:sentences": Asking(_amounts("count", "sentences?")),
    "heed:characters": Asking(_amounts("count", "characters?|letters?")),
    "heed:lines": Asking(_amounts("count", "lines?|verses?", "-")),
    "heed:one_of": Asking(_one_of),
    "heed:regex": Asking(lambda k: [_literal(k["pattern"])]),
    "heed:json": Asking(_json),
    "heed:number": Asking(
        lambda k: [
            r"(?:only|just|nothing but|as|with)\b[^.!?\n]{0,30}\b(?:numbers?|numerals?|digits?|figure)\b",
            r"\b(?:numbers?|digits?)(?: only| alone)",
            r"in digits",
        ]
    ),
    "heed:starts_with": Asking(
        lambda k: [
            rf"(?:start|begin|open)\w*\b[^.!?\n]{{0,60}}?{_literal(k['text'])}",
            rf"{_literal(k['text'])}[^.!?\n]{{0,40}}(?:first|beginning|start)",
        ]
    ),
    "heed:contains": Asking(
        lambda k: [
            rf"(?:includ\w*|mention\w*|contain\w*|us(?:e|ing)|words?|phrase|with)\b[^.!?\n]{{0,60}}?{_word(k['text'])}",
            _word(k["text"]),
        ]
    ),
}
"""For each id, how a prompt asks for it."""
