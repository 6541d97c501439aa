"""Splits a prompt into clauses, so that an instruction's span ends where its words end.

``covering_clause`` returns the part of a sentence around a place. A sentence ends at . ! ? and at a line break; it is
cut at "and", "but", ";" where a new demand begins ("..., and should not contain commas"), not inside quotation marks,
brackets or examples ("i.e. <<title>>"). Where the clause is the task itself ("Write an essay with at least 900 words on
boats"), ``narrow_span`` keeps only the phrase: "with at least 900 words". Rules of English, no parser: a parser is a
model of hundreds of megabytes, and prompts of this kind follow few patterns; how far they reach is measured by ``python
-m core.study.quality.instructions.span_coverage``. Guarded by tests/core/test_quality_instructions_spans.py.
"""

from __future__ import annotations

import re
from functools import lru_cache

from ....records import Span

_KEPT_WHOLE = re.compile(
    r"\"[^\"\n]{1,400}\"|“[^”\n]{1,400}”|(?<!\w)'[^'\n]{1,80}'(?!\w)|<<[^>\n]*>>|\((?:[^()\n]|\n){1,240}\)"
    r"|\[[^\[\]\n]{1,120}\]|(?<![*\w])\*(?=[\w\"])[^*\n]{1,60}(?<=[\w\"?!.])\*(?![*\w])"
    r"|\bi\.\s?e\.?|\be\.\s?g\.?|\betc\.(?=\s+[a-z,])|\bP\.\s?P\.\s?S\.?|\bP\.\s?S\.|\b(?:Mr|Mrs|Ms|Dr|vs|No)\.|\d\.\d"
)
"""Spans within which no sentence or clause ends."""
_SENTENCE_END = re.compile(
    r"[.!?]+[\"”')\]]*(?=\s|$)|\n{2,}|(?:(?<![a-z,])\n|\n(?![a-z]))\s*|(?:(?<=P\.S\.)|(?<=P\.P\.S)|(?<=[.!?][\"”]))(?=\s+(?:[A-Z][a-z]|$))"
)
_DEMAND = (
    r"(?:also |please |then |additionally |to |you |it |it's |should |must |is |are |be |has to |have to |need to |"
    r"needs to |can |could |entirely |you need to |cannot |that )*"
    r"(?:make sure|makes? sure|be sure|sure|ensur\w+|do(?:es)? not|don't|doesn't|not|never|cannot|can't|us(?:e|es|ing)|"
    r"includ\w+|contain\w*|highlight\w*|italici[sz]\w*|wrap\w*|put|place|end|ends|finish\w*|conclude|give|add|"
    r"answer|write|written|avoid\w*|refrain\w*|separat(?:e|ing)|mark|start\w*|begin\w*|mention\w*|"
    r"capitali[sz]\w*|organi[sz]\w*|keep|limit|have|has|having|respond|reply|repeat|exclude|no(?= \w+)|with|without|"
    r"in (?:all|english|exactly|at|\d+|the style)|all (?:capital|lower|upper|letters|the letters)|"
    r"at the (?:very )?end|at least|at most|exactly|less than|fewer than|more than|"
    r"the (?:letter|word|words|entire|whole|response|answer|number|very|\w+ (?:should|must|needs?))|your|"
    r"there (?:should|must|are)|those|each|i want|only(?! (?:responses|paragraphs))|provide(?= an?\b)|must|should|"
    r"lower|stay|leave|name|do|be(?= \w+)|for the word|a postscript|a title|for (?:it|them)\b)\b"
)
"""How a demand begins, behind "and" or "but"."""
_NEXT = (
    r"(?:with(?:out)?|making sure|make sure|ensuring|wrap|put|mark|include|using(?! (?:the|this) \w+ format)|use|"
    r"contain\w*|must|should|have|do not|don't|your|in all|all (?:lower|capital|in)|no (?:lower|capital|comma|upper)|"
    r"the response|the letter|the word|with no|then give|then (?:reply|answer|respond)|at the end)\b"
)
"""How a demand begins behind a comma alone."""
_CUT = re.compile(
    rf"\s*[,;]?\s+(?:and then|and|but|or(?= your)|yet)\s+(?={_DEMAND})|\s*,\s+(?={_NEXT})|\s*;\s+|\s+-{{2,3}}\s+",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"(?:also|please|finally|additionally|first|lastly|however|in addition|in particular|note that|again|"
    r"(?:in|at|for|to|throughout|after|before|when|as|if|on|with|within|during)\b[^,]{0,80})",
    re.IGNORECASE,
)
"""Openings of a sentence that belong to the clause behind them."""
_TASK = re.compile(
    r"(?:hi\b[^.!?]*?|please |now |first |then |and |for [^,]{1,80}, )*"
    r"(?:(?:re)?writ(?:e|ing)|create|giv(?:e|ing) me|give (?:a|an|some|two|three|advice)|compos\w+|generate|tell|"
    r"explain|make (?:a|an|me|up)\b|make (?:the|your|it) \w+ (?:funny|weird|zany)|provide (?:the|a|an|me|some|two)|"
    r"(?:can|could|would) you|come up|draft|develop|design|summari[sz]e|critique|describe|elaborate|expand|invent|"
    r"propose|produce|build|answer the (?:question|following)|i need (?:a|an|you)|help|complete|translate|list|what|"
    r"how|which|who|why|where|is|are|does|name|brainstorm|think|plan|rephrase|improve|rant|story|poem|take|imagine|"
    r"convert|pretend|you are(?! not| to)|i am|i'm|there (?:is|was)|an?\b (?:song|poem|story|blog|essay)|"
    r"for a \w+ of|maternity|it's|the following)\b",
    re.IGNORECASE,
)
_LINK = re.compile(
    r"\b(?:(?:but |and )?(?:(?:that|which|who) (?:also )?(?:is|are|has|have|contains?|includes?|uses?|"
    r"should(?: \w+)?|must(?: \w+)?|doesn't|does not|do not|don't)(?: (?:use|contain|include|have))?|that's)"
    r"|without (?:using|the use of|any)|without|with|using|us(?:e|es) only|only using|in|into|of|contain(?:s|ing)|"
    r"includ(?:e|es|ing)|has|having|making sure(?: to)?|make sure(?: to)?|written|entirely in|under)\b",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"(?:\s|,|entirely|only|just|the|an?|any|all|use|of|words?|keywords?|name|letters?|phrase|exactly|in|english|and|"
    r"markdown)*",
    re.IGNORECASE,
)
"""What may stand between the linking word and the key."""
_EXAMPLE = re.compile(
    r"\s*(?:,|\(|:)?\s*(?:\()?(?:i\.\s?e\b\.?,?|e\.\s?g\b\.?,?|(?:such as|for example|example|like(?: this)?|as in)\b)"
    r"(?::|,)?\s*(?:use )?(?:<<[^>\n]*>>|\[[^\]\n]*\]|\*[^*\n]+\*|\"[^\"\n]+\"|:)"
    r"(?:(?:,| and|, and)\s+(?:<<[^>\n]*>>|\[[^\]\n]*\]|\*[^*\n]+\*|\"[^\"\n]+\"))*\)?"
    r"|\s*\([^()\n]{1,80}\)|\s*:?\s*\(?\"?\*{3,6}\"?\)?",
    re.IGNORECASE,
)
_EXAMPLE_LINE = re.compile(
    r"\n+[ \t]*(?:[*\-•][ *]?|\[|<<|`{3}|\.\.\.|\d+\. \*|(?:SECTION|Section|PARAGRAPH|Day) \d|\{|\})[^\n]*"
)
_PAYLOAD = re.compile(r":\s+(?:[\"“'](?:[^\s\"”]+\s+){4}|[A-Z][\w']*\s+(?:[\w',]+\s+){3})")
"""The text to work on, behind a colon."""
_OWN_STOP = re.compile(r"(?<=\bS)\.|(?<=\betc)\.|(?<=\w)\.{3}(?!\.)|(?<=\w)[.?!]+[\"”']")
"""A stop that belongs to the words before it: P.S., etc., ..., and that of a quotation."""
_LEADING = re.compile(r"(?:[\s,;:.\-–*•>]|\d+[.)]\s|(?:and|but|or|yet)\s)+", re.IGNORECASE)


@lru_cache(maxsize=64)
def prompt_sentences(prompt: str) -> tuple[Span, ...]:
    """Returns (start, end) of each sentence or line, its final stop included, blank ones left out."""
    whole = _whole(prompt)
    out, start = [], 0
    for end in [*(m.end() for m in _SENTENCE_END.finditer(prompt) if not _inside(m.start(), whole)), len(prompt)]:
        if prompt[start:end].strip():
            out.append((start, end))
        start = end
    return tuple(out)


@lru_cache(maxsize=64)
def _whole(prompt: str) -> tuple[Span, ...]:
    return tuple(m.span() for m in _KEPT_WHOLE.finditer(prompt))


def _inside(place: int, spans: tuple[Span, ...]) -> bool:
    return any(a <= place < b for a, b in spans)


def covering_sentence(prompt: str, start: int, end: int) -> Span:
    """Returns the sentence, or the run of sentences, that covers start:end."""
    touched = [(a, b) for a, b in prompt_sentences(prompt) if a < end and start < b]
    return (touched[0][0], touched[-1][1]) if touched else (start, end)


def covering_clause(prompt: str, start: int, end: int) -> Span:
    """Returns the clause that covers start:end, without conjunctions before it and without its full stop."""
    a, b = first, _ = covering_sentence(prompt, start, end)
    whole = _whole(prompt)
    for m in _CUT.finditer(prompt, a, b):
        if _inside(m.start(), whole) or (a == first and _OPENING.fullmatch(prompt[a : m.start()].strip())):
            continue
        if m.end() <= start:
            a = m.end()
        elif m.start() >= end:
            b = m.start()
            break
    if payload := _PAYLOAD.search(prompt, end, b):
        b = payload.start()
    return trim_span(prompt, a, b, end)


def trim_span(prompt: str, a: int, b: int, keep: int = 0) -> Span:
    """Trims spaces, list marks and conjunctions before, and stops after; keeps everything up to ``keep``."""
    while m := _LEADING.match(prompt, a, b):
        a = m.end()
    text = prompt[a:b].rstrip(" .,;?!\n\t")
    if m := _OWN_STOP.match(prompt, a + len(text), b):
        text = prompt[a : m.end()]
    return (a, max(a + len(text), min(keep, b)))


def is_task(prompt: str, span: Span) -> bool:
    """Returns whether the clause is a task of its own, in which the instruction is only a phrase."""
    return bool(_TASK.match(prompt, *span))


def narrow_span(prompt: str, span: Span, start: int, end: int) -> Span:
    """Returns the phrase of start:end inside a task, from its linking word ("with", "that has") to its example."""
    while end < len(prompt) and prompt[end] in "\"'”’)" and prompt.count(prompt[end], span[0], end + 1) > 0:
        end += 1
    first = start
    for m in reversed(list(_LINK.finditer(prompt, span[0], start + 1))):
        if m.end() <= first + 1 and _FILLER.fullmatch(prompt, m.end(), max(first, m.end())):
            first = min(first, m.start())
    return trim_span(prompt, first, with_example(prompt, end), end)


def with_example(prompt: str, end: int) -> int:
    """Returns ``end`` moved behind an example that follows directly."""
    while (m := _EXAMPLE.match(prompt, end)) and m.end() > end:
        end = m.end()
    return end


def with_lines(prompt: str, span: Span) -> Span:
    """Extends ``span`` by the lines of a pattern to follow, where it ends in a colon or "such as"."""
    a, b = span
    if not re.search(r"(?:[:：]|such as|like|format|form)\s*$", prompt[a:b]):
        return span
    while m := _EXAMPLE_LINE.match(prompt, b):
        b = m.end()
    return (a, b)
