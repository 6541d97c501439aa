"""Checks of the 25 kinds of instruction of IFEval (Zhou et al. 2023), with the same verdicts as its own checkers.

arXiv 2311.07911. Published numbers are only comparable if the same answer gets the same verdict, so its oddities stay:

* ``keywords:existence`` and ``keywords:frequency`` read a keyword as a regular expression inside words too ("rock" is
  found in "rocket"); ``keywords:forbidden_words`` reads whole words.
* ``detectable_format:number_highlighted_sections`` counts ``*one*`` and ``**two**`` by two patterns, and stray
  asterisks can pair up over what stands between two lists on a line.
* ``detectable_format:constrained_response`` is met by an answer that holds one of the three sentences anywhere.
* ``length_constraints:number_paragraphs`` splits at ``***``, also inside a longer run of asterisks.
* ``length_constraints:nth_paragraph_first_word`` does not count blank paragraphs but does pick the n-th with them.
* ``startend:end_checker`` takes double quotes off the answer, not off the phrase.
* The language checks are met by an answer whose language cannot be detected (no letters).

Two departures: a keyword that is no regular expression is searched for literally, where the official code stops; and
``keywords:letter_frequency`` counts the character that the instruction names, where the official code draws a random
letter unless it is one from a to z (25 of 39,336 verdicts differ, all for that).
A truncated answer is judged by each check's ``settled``. Guarded by tests/core/test_quality_instructions.py.
"""

from __future__ import annotations

import json
import re

from .check_types import (
    Check,
    Kwargs,
    count_check,
    keyword_pattern,
    once_there,
    only_at_end,
    until_broken,
)
from .patterns import (
    BRACKETED,
    BULLETS,
    ENGLISH,
    HIGHLIGHT,
    IN,
    LOWER_CASE,
    MARKED,
    NOT,
    QUOTES,
    STARS,
    UPPER_CASE,
    SpanPatterns,
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
from .text_counts import (
    count_capital_words,
    count_ifeval_sentences,
    count_ifeval_words,
    detect_language,
)

ANSWERS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
_BULLETS = (re.compile(r"^\s*\*[^\*].*$", re.M), re.compile(r"^\s*-.*$", re.M))
_PLACEHOLDER = re.compile(r"\[.*?\]")
_SINGLE, _DOUBLE = re.compile(r"\*[^\n\*]*\*"), re.compile(r"\*\*([^\n\*]*)\*\*")
_TITLE = re.compile(r"<<[^\n]+>>")
_DIVIDER = re.compile(r"\s?\*\*\*\s?")
_POSTSCRIPTS = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
_FENCES = ("```json", "```Json", "```JSON", "```")
_FIRST_WORD_ENDS = ".,?!'\""
_JSON_STARTS = re.compile(r"[\[{\"\d]|-|`|t(?:r|$)|f(?:a|$)|n(?:u|$)|N(?:a|$)|I(?:n|$)")


def _highlights(answer: str, kwargs: Kwargs) -> int:
    single = sum(bool(m.strip("*").strip()) for m in _SINGLE.findall(answer))
    return single + sum(bool(inner.strip()) for inner in _DOUBLE.findall(answer))


def _bullets(answer: str, kwargs: Kwargs) -> int:
    return sum(len(kind.findall(answer)) for kind in _BULLETS)


def _sections(answer: str, kwargs: Kwargs) -> int:
    mark = keyword_pattern(kwargs["section_spliter"].strip(), r"\s?", r"\s?\d+\s?", 0)
    return len(mark.pieces(answer)) - 1


def _keyword(answer: str, kwargs: Kwargs) -> int:
    return keyword_pattern(kwargs["keyword"].strip()).count(answer)


def _letter(answer: str, kwargs: Kwargs) -> int:
    return answer.lower().count(kwargs["letter"].strip().lower())


def _capitals_done(answer: str, kwargs: Kwargs) -> int:
    """Counts capital words without the last word, which may continue in small letters."""
    return count_capital_words(re.sub(r"\S+\Z", "", answer))


def _has_keywords(answer: str, kwargs: Kwargs, prompt: str) -> bool:
    return all(keyword_pattern(word).search(answer) for word in kwargs["keywords"])


def _forbids(answer: str, kwargs: Kwargs, prompt: str) -> bool:
    return not any(keyword_pattern(word, r"\b", r"\b").search(answer) for word in kwargs["forbidden_words"])


def _forbids_so_far(answer: str, kwargs: Kwargs, prompt: str) -> bool | None:
    """Returns False if a forbidden word is there and could not grow into another word, else None."""
    return None if _forbids(answer, kwargs, prompt) or _forbids(answer + "x", kwargs, prompt) else False


def _in_language(answer: str, kwargs: Kwargs, prompt: str) -> bool:
    found = detect_language(answer)
    return found is None or found == kwargs["language"]


def _capital(answer: str, kwargs: Kwargs, prompt: str) -> bool:
    return answer.isupper() and detect_language(answer) in ("en", None)


def _lowercase(answer: str, kwargs: Kwargs, prompt: str) -> bool:
    return answer.islower() and detect_language(answer) in ("en", None)


def _has_lower(answer: str, kwargs: Kwargs, prompt: str) -> bool | None:
    return False if any(c.islower() for c in answer) else None


def _has_upper(answer: str, kwargs: Kwargs, prompt: str) -> bool | None:
    return False if any(c.isupper() or c.istitle() for c in answer) else None


def _no_comma(answer: str, kwargs: Kwargs, prompt: str) -> bool:
    return "," not in answer


def _title(answer: str, kwargs: Kwargs, prompt: str) -> bool:
    return any(found.lstrip("<").rstrip(">").strip() for found in _TITLE.findall(answer))


def _postscript(answer: str, kwargs: Kwargs, prompt: str) -> bool:
    marker = kwargs["postscript_marker"].strip()
    known = _POSTSCRIPTS.get(marker)
    if known:
        return bool(re.search(known, answer.lower()))
    return keyword_pattern(marker.lower(), flags=re.M).search(answer.lower())


def _constrained(answer: str, kwargs: Kwargs, prompt: str) -> bool:
    return any(option in answer for option in ANSWERS)


def unfenced(answer: str) -> str:
    """Returns the answer without a code fence around it."""
    inner = answer.strip()
    for fence in _FENCES:
        inner = inner.removeprefix(fence)
    return inner.removesuffix("```").strip()


def _json(answer: str, kwargs: Kwargs, prompt: str) -> bool:
    try:
        json.loads(unfenced(answer))
    except (ValueError, RecursionError):
        return False
    return True


def json_so_far(answer: str, kwargs: Kwargs, prompt: str) -> bool | None:
    """Returns False if no JSON value begins like the answer, else None."""
    start = unfenced(answer)
    fence_unfinished = any(fence.startswith(answer.strip()) for fence in _FENCES)
    return None if fence_unfinished or not start or _JSON_STARTS.match(start) else False


def _paragraphs(answer: str) -> int | None:
    """Counts paragraphs between dividers; None where one between two others is blank."""
    parts = _DIVIDER.split(answer)
    if any(not part.strip() for part in parts[1:-1]):
        return None
    return len(parts) - sum(not part.strip() for part in {0: parts[0], len(parts) - 1: parts[-1]}.values())


def _has_paragraphs(answer: str, kwargs: Kwargs, prompt: str) -> bool:
    return _paragraphs(answer) == kwargs["num_paragraphs"]


def _paragraphs_so_far(answer: str, kwargs: Kwargs, prompt: str) -> bool | None:
    """Returns False for too many paragraphs or a blank one between two others, else None."""
    count = _paragraphs(re.sub(r"[\s*]+\Z", "", answer))
    return False if count is None or count > kwargs["num_paragraphs"] else None


def _first_word(paragraph: str) -> str:
    word = paragraph.split()[0].lstrip("'").lstrip('"')
    return "".join(c.lower() for c in re.split(f"[{_FIRST_WORD_ENDS}]", word, maxsplit=1)[0])


def _nth_paragraph(answer: str, kwargs: Kwargs, prompt: str) -> bool:
    parts = answer.split("\n\n")
    count, nth = sum(bool(part.strip()) for part in parts), int(kwargs["nth_paragraph"])
    if nth > count or not parts[nth - 1].strip():
        return False
    return count == kwargs["num_paragraphs"] and _first_word(parts[nth - 1]) == kwargs["first_word"].lower()


def _nth_paragraph_so_far(answer: str, kwargs: Kwargs, prompt: str) -> bool | None:
    """Returns False for too many paragraphs or a wrong, complete first word of the n-th, else None."""
    parts = answer.split("\n\n")
    count, nth = sum(bool(part.strip()) for part in parts), int(kwargs["nth_paragraph"])
    if count > kwargs["num_paragraphs"]:
        return False
    if nth >= len(parts) and (nth > len(parts) or len(parts[nth - 1].split()) < 2):
        return None
    paragraph = parts[nth - 1].strip()
    return None if paragraph and _first_word(paragraph) == kwargs["first_word"].lower() else False


def _responses(answer: str) -> list[str] | None:
    """Returns the parts between ``******``; None where one between two others is blank."""
    parts = answer.split("******")
    return None if any(not part.strip() for part in parts[1:-1]) else [p.strip() for p in parts if p.strip()]


def _two_responses(answer: str, kwargs: Kwargs, prompt: str) -> bool:
    found = _responses(answer)
    return found is not None and len(found) == 2 and found[0] != found[1]


def _two_responses_so_far(answer: str, kwargs: Kwargs, prompt: str) -> bool | None:
    """Returns False for a third response or a blank one between two others, else None."""
    found = _responses(re.sub(r"[\s*]+\Z", "", answer))
    return False if found is None or len(found) > 2 else None


def _repeats(answer: str, kwargs: Kwargs, prompt: str) -> bool:
    return answer.strip().lower().startswith(kwargs["prompt_to_repeat"].strip().lower())


def _repeats_so_far(answer: str, kwargs: Kwargs, prompt: str) -> bool | None:
    return None if may_become(kwargs["prompt_to_repeat"], answer) else _repeats(answer, kwargs, prompt)


def may_become(whole: str, answer: str) -> bool:
    """Returns whether the answer may still become ``whole``, ignoring case."""
    start, full = answer.strip().lower(), whole.strip().lower()
    return len(start) < len(full) and full.startswith(start)


def _ends(answer: str, kwargs: Kwargs, prompt: str) -> bool:
    return answer.strip().strip('"').lower().endswith(kwargs["end_phrase"].strip().lower())


def _quoted(answer: str, kwargs: Kwargs, prompt: str) -> bool:
    text = answer.strip()
    return len(text) > 1 and text[0] == text[-1] == '"'


def _quoted_so_far(answer: str, kwargs: Kwargs, prompt: str) -> bool | None:
    return None if answer.lstrip().startswith('"') else False


IFEVAL: dict[str, Check] = {
    "keywords:existence": Check(
        "Keywords that must occur",
        _has_keywords,
        once_there(_has_keywords),
        "length",
        (("keywords", "words"),),
        asked_as=SpanPatterns(
            lambda k: after_patterns(
                r"keywords?|words?|includ\w*|mention\w*|contain\w*|us(?:e|es|ing)|items?|phrase",
                list_patterns(k["keywords"]),
                not_over="includ|mention|contain",
            ),
            r"includ|mention|contain|use|using|has|have|word|phrase|must|should|item|add",
        ),
    ),
    "keywords:frequency": count_check(
        "How often a keyword occurs",
        _keyword,
        "relation",
        "frequency",
        params=(("keyword", "text"), ("frequency", "count"), ("relation", "bound")),
        goes_with_length=True,
        asked_as=SpanPatterns(frequency_patterns),
    ),
    "keywords:forbidden_words": Check(
        "Words that must not occur",
        _forbids,
        _forbids_so_far,
        "length",
        (("forbidden_words", "words"),),
        asked_as=SpanPatterns(
            lambda k: after_patterns(rf"keywords?|words?|{NOT}", list_patterns(k["forbidden_words"])),
            rf"{NOT}|forbidden",
        ),
    ),
    "keywords:letter_frequency": count_check(
        "How often a letter occurs",
        _letter,
        "let_relation",
        "let_frequency",
        params=(("letter", "letter"), ("let_frequency", "count"), ("let_relation", "bound")),
        asked_as=SpanPatterns(letter_patterns),
    ),
    "language:response_language": Check(
        # the language of the text so far is taken for the answer's: no verdict is left open
        "Language of the answer",
        _in_language,
        _in_language,
        "",
        (("language", "language"),),
        asked_as=SpanPatterns(
            language_patterns, more=lambda k: [r"no other languages?[^.!?,\n]{0,40}allowed[^.,\n:]*"]
        ),
    ),
    "length_constraints:number_sentences": count_check(
        "Number of sentences",
        lambda answer, kwargs: count_ifeval_sentences(answer),
        "relation",
        "num_sentences",
        # further text may join the last sentence to the one before it
        certain=lambda answer, kwargs: max(count_ifeval_sentences(answer) - 1, 0),
        goes_with_length=True,
        asked_as=SpanPatterns(amount_patterns("num_sentences", "sentences?")),
    ),
    "length_constraints:number_paragraphs": Check(
        "Number of paragraphs",
        _has_paragraphs,
        _paragraphs_so_far,
        "length",
        (("num_paragraphs", "count"),),
        goes_with_length=True,
        asked_as=SpanPatterns(
            lambda k: [
                amount_pattern(
                    number_pattern(k["num_paragraphs"]),
                    "paragraphs?|sections?|parts?|stanzas?|verses?|options?|versions?",
                ),
                r"\*{3}(?!\*)",
                r"separat\w*",
                r"(?:follow\w*|us(?:e|ing)|in) (?:\w+ ){0,3}?format\b",
            ],
            more=lambda k: [rf"separat\w*{IN}{{0,80}}?(?:\*{{3}}(?!\*)|asteri[sc]ks?)"],
        ),
    ),
    "length_constraints:number_words": count_check(
        "Number of words",
        lambda answer, kwargs: count_ifeval_words(answer),
        "relation",
        "num_words",
        goes_with_length=True,
        asked_as=SpanPatterns(amount_patterns("num_words", "words?")),
    ),
    "length_constraints:nth_paragraph_first_word": Check(
        "Number of paragraphs, and the first word of one of them",
        _nth_paragraph,
        _nth_paragraph_so_far,
        "length",
        (("num_paragraphs", "count"), ("nth_paragraph", "place"), ("first_word", "text")),
        goes_with_length=True,
        asked_as=SpanPatterns(
            lambda k: after_patterns(r"paragraph|start\w*|begin\w*|first word", [word_pattern(k["first_word"])]),
            more=lambda k: [
                amount_pattern(number_pattern(k["num_paragraphs"]), "paragraphs?"),
                rf"paragraphs{IN}{{0,60}}separated[^.!?:\n]*",
            ],
        ),
    ),
    "detectable_content:number_placeholders": count_check(
        "Placeholders in square brackets",
        lambda answer, kwargs: len(_PLACEHOLDER.findall(answer)),
        "at least",
        "num_placeholders",
        asked_as=SpanPatterns(
            lambda k: [
                amount_pattern(number_pattern(k["num_placeholders"]), "placeholders?") + BRACKETED,
                r"\bplaceholders?" + BRACKETED,
            ]
        ),
    ),
    "detectable_content:postscript": Check(
        "A postscript",
        _postscript,
        once_there(_postscript),
        "end",
        (("postscript_marker", "text"),),
        asked_as=SpanPatterns(
            lambda k: [
                *after_patterns(r"(?:an? )?post\s?-?script", [literal_pattern(k["postscript_marker"]) + r"\.?"]),
                r"(?:an? )?post\s?-?script",
            ]
        ),
    ),
    "detectable_format:number_bullet_lists": count_check(
        "Number of bullet points",
        _bullets,
        "exactly",
        "num_bullets",
        asked_as=SpanPatterns(
            lambda k: [amount_pattern(number_pattern(k["num_bullets"]), BULLETS), BULLETS],
            more=lambda k: [rf"(?:bullet points?|use \"?\*|indicat\w+ (?:a )?bullet){IN}{{0,60}}?(?:{MARKED})"],
        ),
    ),
    "detectable_format:constrained_response": Check(
        "One of three given answers",
        _constrained,
        once_there(_constrained),
        "length",
        asked_as=SpanPatterns(
            lambda k: [
                r"(?:[^.!?\n:]{0,160}:\s{0,3})?[^\w\s]{0,3}"
                r"my answer is yes.{1,40}?my answer is no.{1,40}?my answer is maybe\.?",
                r"my answer is (?:yes|no|maybe)",
            ]
        ),
    ),
    "detectable_format:number_highlighted_sections": count_check(
        "Highlighted sections",
        _highlights,
        "at least",
        "num_highlights",
        asked_as=SpanPatterns(
            lambda k: [
                rf"{HIGHLIGHT}{IN}{{0,60}}?{number_pattern(k['num_highlights'])}",
                rf"(?:at least )?{number_pattern(k['num_highlights'])}[^.!?()\n]{{0,25}}?{HIGHLIGHT}"
                r"(?: (?:text )?(?:sections?|parts?|phrases?|words?))*(?: (?:in|with|using) markdown(?: \w+)?)?",
                HIGHLIGHT,
            ]
        ),
    ),
    "detectable_format:multiple_sections": count_check(
        "Number of sections",
        _sections,
        "at least",
        "num_sections",
        params=(("section_spliter", "text"), ("num_sections", "count")),
        asked_as=SpanPatterns(
            lambda k: [
                rf"{number_pattern(k['num_sections'])}[\s-](?:\w+ ){{0,2}}?(?:sections?|parts|paragraphs?)\b",
                rf"{literal_pattern(k['section_spliter'])}\s+(?:X|1)\b",
            ],
            more=lambda k: [
                rf"\b(?:(?:mark|label|start)(?:ing|ed|s)?|not(?:e|ed|ing))\b(?<!quotation marks){IN}{{0,60}}?"
                rf"{literal_pattern(k['section_spliter'])}\s+(?:X|\d)\b"
            ],
        ),
    ),
    "detectable_format:json_format": Check(
        "The answer as JSON",
        _json,
        json_so_far,
        "end",
        asked_as=SpanPatterns(json_patterns, unlike=lambda k: [r"\bkeywords?\b"]),
    ),
    "detectable_format:title": Check(
        "A title in double angular brackets",
        _title,
        once_there(_title),
        "length",
        asked_as=SpanPatterns(
            lambda k: [
                rf"(?:an? |the )?titles?\b{IN}{{0,60}}?double{IN}{{0,20}}?brackets?",
                rf"double{IN}{{0,20}}?brackets?",
                r"<<[^>\n]+>>",
                r"(?:an? |the )?\btitle\b",
            ]
        ),
    ),
    "combination:two_responses": Check(
        "Two different responses",
        _two_responses,
        _two_responses_so_far,
        "end",
        asked_as=SpanPatterns(
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
    ),
    "combination:repeat_prompt": Check(
        "The request repeated before the answer",
        _repeats,
        _repeats_so_far,
        "length",
        (("prompt_to_repeat", "text"),),
        asked_as=SpanPatterns(
            lambda k: [r"\brepeat(?:s|ing)?\b", r"start with|word for word"],
            more=lambda k: [
                rf"(?:do not|don't|not) (?:\w+ )?(?:say|output|change|add|include)\b{IN}{{0,60}}(?:before|word|just)"
            ],
        ),
    ),
    "startend:end_checker": Check(
        "A given last phrase",
        _ends,
        only_at_end,
        "end",
        (("end_phrase", "text"),),
        asked_as=SpanPatterns(
            lambda k: [
                r"(?:end\w*|finish\w*|last|conclu\w*|final\w*|exact|phrase|clos\w+|sign)\b[^.!?]{0,120}?"
                + literal_pattern(k["end_phrase"]),
                literal_pattern(k["end_phrase"]),
            ],
            more=lambda k: [
                rf"(?:no (?:other )?words?|nothing(?: else)?) (?:should|must|may|can|comes?|follows?)\b{IN}*"
            ],
        ),
    ),
    "startend:quotation": Check(
        "The whole answer in double quotation marks",
        _quoted,
        _quoted_so_far,
        "end",
        asked_as=SpanPatterns(
            lambda k: after_patterns(r"wrap\w*|put|place\w*|enclos\w*|surround\w*|around|inside|with|in", [QUOTES])
        ),
    ),
    "change_case:capital_word_frequency": count_check(
        "How many words are in capital letters",
        lambda answer, kwargs: count_capital_words(answer),
        "capital_relation",
        "capital_frequency",
        certain=_capitals_done,
        goes_with_length=True,
        asked_as=SpanPatterns(
            lambda k: [
                rf"(?:{UPPER_CASE}){IN}{{0,60}}?{number_pattern(k['capital_frequency'], -1, 1)}"
                rf"|(?:at least )?{number_pattern(k['capital_frequency'], -1, 1)}{IN}{{0,50}}?(?:{UPPER_CASE})",
                UPPER_CASE,
            ],
            unlike=lambda k: [r"less than|at most|no more than|\blimit"] if k["capital_relation"] == "at least" else [],
            more=lambda k: [rf"limit{IN}*words"] if k["capital_relation"] == "less than" else [],
        ),
    ),
    "change_case:english_capital": Check(
        "English in capital letters only",
        _capital,
        _has_lower,
        "length",
        asked_as=SpanPatterns(lambda k: [rf"{ENGLISH}(?:{UPPER_CASE})(?: and in english)?", r"lower[\s-]?case"]),
    ),
    "change_case:english_lowercase": Check(
        "English in small letters only", _lowercase, _has_upper, "length", asked_as=SpanPatterns(lambda k: [LOWER_CASE])
    ),
    "punctuation:no_comma": Check(
        "No comma",
        _no_comma,
        until_broken(_no_comma),
        "length",
        asked_as=SpanPatterns(lambda k: [r"\bcommas?\b"], rf"{NOT}|\ballowed"),
    ),
}
